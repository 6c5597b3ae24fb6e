//! The second half of a batch: the new nodes, each hashed once.

use allod_primitives::hash::H256;
use allod_primitives::tree::{KEY_BYTES_MAX, empty_root, inner_hash, leaf_hash};

use super::Tree;
use super::arena::{Arena, Child, Inner, Leaf, NODES_MAX, NodeRef};
use super::plan::{Action, Planned, plan};

/// Why changes cannot be applied. None of them depends on anything but the changes and the keys
/// that the tree holds, save [`Self::Corrupt`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// A key comes twice.
    #[error("a key of {} bytes comes twice", key.len())]
    RepeatedKey {
        /// The key.
        key: Vec<u8>,
    },
    /// A key longer than [`KEY_BYTES_MAX`].
    #[error("a key of {actual} bytes is too long, the maximum is {KEY_BYTES_MAX}")]
    KeyTooLong {
        /// Its length.
        actual: usize,
    },
    /// Two keys have one SHA-256.
    #[error("two different keys have the same path")]
    PathCollision {
        /// The changed key.
        key: Vec<u8>,
        /// The other one.
        other: Vec<u8>,
    },
    /// No references are left for new nodes; pruning makes room.
    #[error("the arena is full, it holds at most {NODES_MAX} nodes of a kind")]
    Full,
    /// A reference leads nowhere: a bug, or broken memory.
    #[error("the tree is corrupt")]
    Corrupt,
}

/// What a batch of changes makes of a tree: a version that is not yet, and may never be.
///
/// It holds the nodes that are new, about 1 KB for each change in a tree of a million keys.
#[derive(Debug)]
pub struct Preview {
    pub(super) base: H256,
    pub(super) generation: u64,
    pub(super) root: Option<Child>,
    pub(super) key_count: u64,
    /// New inner nodes, children before parents.
    pub(super) inners: Vec<Inner>,
    pub(super) leaves: Vec<Leaf>,
    /// Nodes of the base that the new version lacks.
    pub(super) retired: Vec<NodeRef>,
}

impl Preview {
    /// The root that the tree will have.
    pub fn root(&self) -> H256 {
        self.root.map_or_else(empty_root, |root| root.hash)
    }

    /// The root of the tree for which it was made.
    pub const fn base(&self) -> H256 {
        self.base
    }

    /// The number of keys that the tree will have.
    pub const fn key_count(&self) -> u64 {
        self.key_count
    }

    pub(super) fn new<K: AsRef<[u8]>>(
        tree: &Tree,
        changes: impl IntoIterator<Item = (K, Option<H256>)>,
    ) -> Result<Self, ApplyError> {
        let mut changes = plan(tree.view(), changes)?;
        let expected = expected_nodes(tree.key_count, changes.len());
        let mut batch = Batch {
            arena: &tree.arena,
            inners: Vec::with_capacity(expected),
            leaves: Vec::with_capacity(changes.len()),
            retired: Vec::with_capacity(if tree.root.is_some() { expected } else { 0 }),
            key_count: tree.key_count,
        };
        let root = match tree.root {
            Some(root) => batch.update(root, &mut changes)?,
            None if changes.is_empty() => None,
            None => Some(batch.grow(&mut changes)?),
        };
        let Batch {
            inners,
            leaves,
            retired,
            key_count,
            ..
        } = batch;
        if !tree.arena.has_room(inners.len(), leaves.len()) {
            return Err(ApplyError::Full);
        }
        let (base, generation) = (tree.root(), tree.generation);
        Ok(Self {
            base,
            generation,
            root,
            key_count,
            inners,
            leaves,
            retired,
        })
    }
}

/// About how many nodes a batch touches: the walks of `changes` keys share the levels on which
/// there are fewer nodes than changes. Only a reservation: being wrong costs a copy.
fn expected_nodes(key_count: u64, changes: usize) -> usize {
    let keys_per_change = key_count / u64::try_from(changes).unwrap_or(u64::MAX).max(1);
    let levels_alone = u64::BITS - keys_per_change.leading_zeros();
    changes.saturating_mul(usize::try_from(levels_alone).unwrap_or(0) + 2)
}

struct Batch<'t> {
    arena: &'t Arena,
    inners: Vec<Inner>,
    leaves: Vec<Leaf>,
    retired: Vec<NodeRef>,
    key_count: u64,
}

/// Splits changes that agree before `bit` into those with a zero there and those with a one.
fn split(changes: &mut [Planned], bit: u8) -> (&mut [Planned], &mut [Planned]) {
    let middle = changes.partition_point(|change| !change.path.bit(bit));
    changes.split_at_mut(middle)
}

impl Batch<'_> {
    /// The subtree `child` after the changes that strike it; `None` when no key is left.
    ///
    /// All changes agree with the subtree's keys on the bits before the lower of its own bit and
    /// the changes' forks, so that sorted by path they lie side by side. At most 256 deep.
    fn update(
        &mut self,
        child: Child,
        changes: &mut [Planned],
    ) -> Result<Option<Child>, ApplyError> {
        if changes.is_empty() {
            return Ok(Some(child));
        }
        let inner = match child.node.is_leaf() {
            true => None,
            false => Some(self.arena.inner(child.node).ok_or(ApplyError::Corrupt)?),
        };
        let bit = inner.map(|inner| inner.bit);
        let forks = changes
            .iter()
            .filter_map(|change| Some((change.fork()?, &change.path)));
        let first = forks.min_by_key(|(fork, _)| *fork);
        if let Some((fork, path)) = first.filter(|(fork, _)| bit.is_none_or(|bit| *fork < bit)) {
            let new_side = path.bit(fork);
            return self.part(child, changes, fork, new_side).map(Some);
        }
        self.retired.push(child.node);
        match inner {
            Some(inner) => self.update_inner(inner, changes),
            None => self.update_leaf(changes),
        }
    }

    /// Puts an inner node above `child`: its other part is all new.
    fn part(
        &mut self,
        child: Child,
        changes: &mut [Planned],
        fork: u8,
        new_side: bool,
    ) -> Result<Child, ApplyError> {
        let (zero, one) = split(changes, fork);
        let (new, old) = if new_side { (one, zero) } else { (zero, one) };
        let new = self.grow(new)?;
        match self.update(child, old)? {
            None => Ok(new),
            Some(old) if new_side => self.inner(fork, old, new),
            Some(old) => self.inner(fork, new, old),
        }
    }

    fn update_inner(
        &mut self,
        inner: &Inner,
        changes: &mut [Planned],
    ) -> Result<Option<Child>, ApplyError> {
        let (zero, one) = split(changes, inner.bit);
        let left = self.update(inner.left, zero)?;
        let right = self.update(inner.right, one)?;
        match (left, right) {
            (Some(left), Some(right)) => self.inner(inner.bit, left, right).map(Some),
            (left, right) => Ok(left.or(right)),
        }
    }

    fn update_leaf(&mut self, changes: &mut [Planned]) -> Result<Option<Child>, ApplyError> {
        let [change] = changes else {
            return Err(ApplyError::Corrupt);
        };
        match std::mem::replace(&mut change.action, Action::Delete) {
            Action::Update(leaf) => self.leaf(leaf).map(Some),
            Action::Delete => {
                self.key_count = self.key_count.saturating_sub(1);
                Ok(None)
            }
            Action::Insert { .. } => Err(ApplyError::Corrupt),
        }
    }

    /// A subtree of new keys only; `changes` is not empty. At most 256 deep.
    fn grow(&mut self, changes: &mut [Planned]) -> Result<Child, ApplyError> {
        match changes {
            [] => Err(ApplyError::Corrupt),
            [change] => {
                let Action::Insert { leaf, .. } =
                    std::mem::replace(&mut change.action, Action::Delete)
                else {
                    return Err(ApplyError::Corrupt);
                };
                self.key_count = self.key_count.saturating_add(1);
                self.leaf(leaf)
            }
            [first, .., last] => {
                let bit = first.path.first_difference(&last.path);
                let bit = bit.ok_or(ApplyError::Corrupt)?;
                let (zero, one) = split(changes, bit);
                let left = self.grow(zero)?;
                let right = self.grow(one)?;
                self.inner(bit, left, right)
            }
        }
    }

    fn leaf(&mut self, leaf: Leaf) -> Result<Child, ApplyError> {
        let node = NodeRef::fresh_leaf(self.leaves.len()).ok_or(ApplyError::Full)?;
        let hash = leaf_hash(&leaf.key, &leaf.value_hash);
        self.leaves.push(leaf);
        Ok(Child { hash, node })
    }

    fn inner(&mut self, bit: u8, left: Child, right: Child) -> Result<Child, ApplyError> {
        let node = NodeRef::fresh_inner(self.inners.len()).ok_or(ApplyError::Full)?;
        let hash = inner_hash(bit, &left.hash, &right.hash);
        self.inners.push(Inner { left, right, bit });
        Ok(Child { hash, node })
    }
}
