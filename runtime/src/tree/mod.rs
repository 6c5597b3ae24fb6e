//! The authenticated tree that a node keeps in memory: it turns a block's changes into the new
//! state root and proves what the state held at recent heights.
//!
//! It holds keys and value hashes, no values: those are in the node's store, and a prover asks
//! for them. The format, the hashing and the verification are [`allod_primitives::tree`]'s. It
//! is not durable: a node rebuilds it from its stored state with [`Tree::from_entries`].
//!
//! Every version is a set of nodes in one arena. A block's changes are first a [`Preview`]: the
//! new nodes and the list of old ones that they replace, made without touching the tree. So
//! block building and validation share one tree, and what is not decided is dropped. A commit
//! moves the new nodes into the arena; the replaced ones stay until the last version that has
//! them is pruned (docs/adr/0003-state-tree.md).
//!
//! ```
//! use allod_primitives::tree::{Presence, value_hash};
//! use allod_runtime::tree::Tree;
//!
//! let mut tree = Tree::from_entries([("a", value_hash(b"1")), ("b", value_hash(b"2"))])?;
//! let preview = tree.preview([("a", None), ("c", Some(value_hash(b"3")))])?;
//! assert_ne!(preview.root(), tree.root());
//! tree.commit(preview).expect("made for this tree");
//!
//! let lookup = |_key: &[u8], _value_hash: &_| Some(b"3".to_vec());
//! let proof = tree.view().prove(&["a", "c"], lookup).expect("the value is stored");
//! let verified = proof.verify(&tree.root(), &["a", "c"]).expect("an honest proof");
//! assert_eq!(verified.get(b"a"), Some(Presence::Absent));
//! assert_eq!(verified.get(b"c"), Some(Presence::Present(b"3")));
//! # Ok::<(), allod_runtime::tree::ApplyError>(())
//! ```
//!
//! Source: spec/state.md §tree.

mod arena;
mod plan;
mod preview;
mod prove;
#[cfg(test)]
mod tests;
mod versions;
mod view;

use allod_primitives::hash::H256;

pub use preview::{ApplyError, Preview};
pub use prove::ProveError;
pub use versions::{VersionError, VersionedTree};
pub use view::{Entries, View};

use arena::{Arena, Child, NodeRef};

/// The state's tree at one moment.
///
/// Memory: about 260 bytes for each key of 80 bytes (docs/adr/0003-state-tree.md).
#[derive(Debug, Default)]
pub struct Tree {
    arena: Arena,
    root: Option<Child>,
    key_count: u64,
    /// Commits so far: a preview is good for one moment only.
    generation: u64,
}

/// A preview was made for another moment of the tree, or for another tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the preview was made on root {base}, the tree is at {actual}")]
pub struct StalePreview {
    /// The root on which it was made.
    pub base: H256,
    /// The root of the tree.
    pub actual: H256,
}

impl Tree {
    /// A tree without keys.
    pub fn new() -> Self {
        Self::default()
    }

    /// Builds the tree of a whole state.
    ///
    /// `entries`: (storage key, value hash), in any order. Cost: about 2 hashes a key and a sort.
    ///
    /// # Errors
    /// [`ApplyError`] on a repeated key, a key over its maximum, or a full arena.
    pub fn from_entries<K: AsRef<[u8]>>(
        entries: impl IntoIterator<Item = (K, H256)>,
    ) -> Result<Self, ApplyError> {
        let mut tree = Self::new();
        tree.apply(
            entries
                .into_iter()
                .map(|(key, value_hash)| (key, Some(value_hash))),
        )?;
        Ok(tree)
    }

    /// The root: the state root that a header carries.
    pub fn root(&self) -> H256 {
        self.view().root()
    }

    /// Reads and proofs of this version.
    pub fn view(&self) -> View<'_> {
        View {
            arena: &self.arena,
            root: self.root,
            key_count: self.key_count,
        }
    }

    /// Works out what `changes` make of the tree, and leaves it as it is.
    ///
    /// `changes`: (storage key, new value hash or `None` to delete) in any order, each key once.
    /// Deleting an absent key and writing the same value again change nothing.
    /// Cost: each node above a changed leaf is hashed once.
    ///
    /// # Errors
    /// [`ApplyError`] on a repeated key, a key over its maximum, or a full arena.
    ///
    /// Source: spec/state.md §tree.
    pub fn preview<K: AsRef<[u8]>>(
        &self,
        changes: impl IntoIterator<Item = (K, Option<H256>)>,
    ) -> Result<Preview, ApplyError> {
        Preview::new(self, changes)
    }

    /// Makes a preview the state of the tree, and returns the new root.
    ///
    /// # Errors
    /// [`StalePreview`] when the tree has moved on since; it is left as it was.
    pub fn commit(&mut self, preview: Preview) -> Result<H256, StalePreview> {
        let retired = self.adopt(preview)?;
        self.arena.free(&retired);
        Ok(self.root())
    }

    /// [`Self::preview`] and [`Self::commit`] in one.
    ///
    /// # Errors
    /// As [`Self::preview`]; the tree is then left as it was.
    pub fn apply<K: AsRef<[u8]>>(
        &mut self,
        changes: impl IntoIterator<Item = (K, Option<H256>)>,
    ) -> Result<H256, ApplyError> {
        let preview = self.preview(changes)?;
        Ok(self
            .commit(preview)
            .expect("made for this tree a moment ago"))
    }

    /// As [`Self::commit`], but keeps the replaced nodes, which older versions still show.
    fn adopt(&mut self, preview: Preview) -> Result<Vec<NodeRef>, StalePreview> {
        let (base, actual) = (preview.base, self.root());
        if preview.generation != self.generation || base != actual {
            return Err(StalePreview { base, actual });
        }
        let root = self
            .arena
            .adopt(preview.inners, preview.leaves, preview.root);
        self.root = root;
        self.key_count = preview.key_count;
        self.generation = self.generation.wrapping_add(1);
        Ok(preview.retired)
    }
}
