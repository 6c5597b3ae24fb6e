//! The tree with its recent past.

use std::collections::BTreeMap;

use allod_primitives::hash::H256;
use allod_primitives::tree::Proof;
use allod_primitives::types::Height;

use super::arena::{Child, NodeRef};
use super::{ApplyError, Preview, ProveError, StalePreview, Tree, View};

/// The tree after each recent block. All versions share the nodes that they have in common.
///
/// How far back it reaches is the caller's choice: every version stays until
/// [`Self::prune_below`].
#[derive(Debug)]
pub struct VersionedTree {
    tree: Tree,
    newest: Height,
    /// Never empty: it has the newest version.
    versions: BTreeMap<Height, Version>,
}

#[derive(Debug)]
struct Version {
    root: Option<Child>,
    key_count: u64,
    /// Nodes of the version before that this one lacks.
    retired: Vec<NodeRef>,
}

/// Why a version cannot be read or added.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VersionError {
    /// Heights are committed one after the other.
    #[error("height {actual} does not follow, {expected} does")]
    HeightMismatch {
        /// The height after the newest.
        expected: Height,
        /// The height given.
        actual: Height,
    },
    /// The preview was made for another moment.
    #[error(transparent)]
    Stale(#[from] StalePreview),
    /// The height is not kept: pruned, or not there yet.
    #[error("height {height} is not kept, only {oldest} to {newest} are")]
    UnknownHeight {
        /// The height asked for.
        height: Height,
        /// The oldest height that can be read.
        oldest: Height,
        /// The newest one.
        newest: Height,
    },
    /// The proof cannot be made.
    #[error(transparent)]
    Prove(#[from] ProveError),
}

impl VersionedTree {
    /// Starts with one version: that of genesis, or that of a node that has just loaded its
    /// stored state.
    pub fn new(height: Height, tree: Tree) -> Self {
        let version = Version {
            root: tree.root,
            key_count: tree.key_count,
            retired: Vec::new(),
        };
        Self {
            newest: height,
            versions: BTreeMap::from([(height, version)]),
            tree,
        }
    }

    /// The newest height.
    pub const fn newest(&self) -> Height {
        self.newest
    }

    /// The oldest height that can be read.
    pub fn oldest(&self) -> Height {
        self.versions.keys().next().copied().unwrap_or(self.newest)
    }

    /// The newest root.
    pub fn root(&self) -> H256 {
        self.tree.root()
    }

    /// The root after block `height`, if that is kept.
    pub fn root_at(&self, height: Height) -> Option<H256> {
        self.at(height).ok().map(|view| view.root())
    }

    /// Reads and proofs of the version after block `height`.
    ///
    /// # Errors
    /// [`VersionError::UnknownHeight`].
    pub fn at(&self, height: Height) -> Result<View<'_>, VersionError> {
        let version = self
            .versions
            .get(&height)
            .ok_or_else(|| VersionError::UnknownHeight {
                height,
                oldest: self.oldest(),
                newest: self.newest,
            })?;
        let (root, key_count) = (version.root, version.key_count);
        Ok(View {
            arena: &self.tree.arena,
            root,
            key_count,
        })
    }

    /// Proves what the state after block `height` held under `keys`; see [`View::prove`].
    ///
    /// # Errors
    /// [`VersionError::UnknownHeight`] or [`VersionError::Prove`].
    pub fn prove<K: AsRef<[u8]>>(
        &self,
        height: Height,
        keys: &[K],
        lookup: impl FnMut(&[u8], &H256) -> Option<Vec<u8>>,
    ) -> Result<Proof, VersionError> {
        Ok(self.at(height)?.prove(keys, lookup)?)
    }

    /// Works out the version that would follow the newest; see [`Tree::preview`].
    ///
    /// # Errors
    /// As [`Tree::preview`].
    pub fn preview<K: AsRef<[u8]>>(
        &self,
        changes: impl IntoIterator<Item = (K, Option<H256>)>,
    ) -> Result<Preview, ApplyError> {
        self.tree.preview(changes)
    }

    /// Makes a preview the version after block `height`, and returns its root.
    ///
    /// `height`: one more than the newest. Cost: a copy of the new nodes.
    ///
    /// # Errors
    /// [`VersionError::HeightMismatch`] or [`VersionError::Stale`]; nothing has changed then.
    pub fn commit(&mut self, height: Height, preview: Preview) -> Result<H256, VersionError> {
        let expected = self.newest.next();
        if height != expected {
            return Err(VersionError::HeightMismatch {
                expected,
                actual: height,
            });
        }
        let retired = self.tree.adopt(preview)?;
        let (root, key_count) = (self.tree.root, self.tree.key_count);
        self.versions.insert(
            height,
            Version {
                root,
                key_count,
                retired,
            },
        );
        self.newest = height;
        Ok(self.root())
    }

    /// Forgets the versions below `height`, and gives back their memory. The newest stays.
    ///
    /// Cost: in proportion to the nodes that only those versions had.
    pub fn prune_below(&mut self, height: Height) {
        let oldest = height.min(self.newest);
        while let Some(entry) = self.versions.first_entry()
            && *entry.key() < oldest
        {
            self.tree.arena.free(&entry.remove().retired);
        }
        if let Some(mut entry) = self.versions.first_entry() {
            self.tree
                .arena
                .free(&std::mem::take(&mut entry.get_mut().retired));
        }
    }

    /// Inner nodes and leaves of all versions together: what the memory goes to (about 80 bytes
    /// an inner node, 50 a leaf; each key's bytes once).
    pub fn node_counts(&self) -> (usize, usize) {
        self.tree.arena.node_counts()
    }
}
