//! Reading one version of the tree.

use allod_primitives::hash::H256;
use allod_primitives::tree::{Path, Proof, empty_root};

use super::arena::{Arena, Child, Leaf, Node, NodeRef};
use super::preview::ApplyError;
use super::prove::{self, ProveError};

/// One version of the tree, to read and to prove from.
#[derive(Clone, Copy, Debug)]
pub struct View<'t> {
    pub(super) arena: &'t Arena,
    pub(super) root: Option<Child>,
    pub(super) key_count: u64,
}

impl<'t> View<'t> {
    /// The version's root.
    pub fn root(&self) -> H256 {
        self.root.map_or_else(empty_root, |root| root.hash)
    }

    /// The number of keys.
    pub const fn key_count(&self) -> u64 {
        self.key_count
    }

    /// The hash of the value under `key`; `None` when the key is absent.
    ///
    /// Cost: one hash, and one visit for each node above the leaf.
    pub fn get(&self, key: &[u8]) -> Option<H256> {
        let leaf = self.reach(&Path::of(key))?;
        (*leaf.key == *key).then_some(leaf.value_hash)
    }

    /// Proves what this version holds under `keys`.
    ///
    /// `keys`: 1 to 1,024, in any order; a repeated key counts once. `lookup`: finds the value of
    /// a present key by the key and its value hash, as it was in this version.
    /// Cost: no hash but that of each value and each key.
    ///
    /// # Errors
    /// [`ProveError`] when the keys are too many or too long, or a value is not to be had.
    ///
    /// Source: spec/state.md §proofs.
    pub fn prove<K: AsRef<[u8]>>(
        &self,
        keys: &[K],
        lookup: impl FnMut(&[u8], &H256) -> Option<Vec<u8>>,
    ) -> Result<Proof, ProveError> {
        prove::prove(*self, keys, lookup)
    }

    /// Every (key, value hash), in the order of the keys' paths.
    pub fn entries(&self) -> Entries<'t> {
        let stack = self.root.map(|root| root.node).into_iter().collect();
        Entries {
            arena: self.arena,
            stack,
        }
    }

    /// The leaf at which the walk of a path ends; `None` in an empty tree.
    fn reach(&self, path: &Path) -> Option<&'t Leaf> {
        let mut node = self.root?.node;
        loop {
            match self.arena.node(node)? {
                Node::Leaf(leaf) => return Some(leaf),
                Node::Inner(inner) => node = inner.toward(path),
            }
        }
    }

    /// The leaf at which each path's walk ends; none in an empty tree.
    ///
    /// All walks go down one level at a time, so that their waits for memory overlap
    /// (docs/adr/0003-state-tree.md).
    pub(super) fn reach_all<'p>(
        &self,
        paths: impl Iterator<Item = &'p Path>,
    ) -> Result<Vec<&'t Leaf>, ApplyError> {
        let Some(root) = self.root else {
            return Ok(Vec::new());
        };
        let mut walks: Vec<(NodeRef, &Path)> = paths.map(|path| (root.node, path)).collect();
        let mut moved = true;
        while moved {
            moved = false;
            for (node, path) in walks.iter_mut().filter(|(node, _)| !node.is_leaf()) {
                *node = self
                    .arena
                    .inner(*node)
                    .ok_or(ApplyError::Corrupt)?
                    .toward(path);
                moved = true;
            }
        }
        let leaf = |(node, _): (NodeRef, &Path)| self.arena.leaf(node);
        let leaves = walks.into_iter().map(leaf).collect::<Option<_>>();
        leaves.ok_or(ApplyError::Corrupt)
    }
}

/// Iterator over the entries of a version; see [`View::entries`].
#[derive(Debug)]
pub struct Entries<'t> {
    arena: &'t Arena,
    stack: Vec<NodeRef>,
}

impl<'t> Iterator for Entries<'t> {
    type Item = (&'t [u8], H256);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.arena.node(self.stack.pop()?)? {
                Node::Leaf(leaf) => return Some((&leaf.key, leaf.value_hash)),
                Node::Inner(inner) => {
                    self.stack.push(inner.right.node);
                    self.stack.push(inner.left.node);
                }
            }
        }
    }
}
