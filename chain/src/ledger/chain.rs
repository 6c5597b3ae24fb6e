//! The shared side of the chain: read by RPC and mempool, written by the ledger alone.

use std::fmt;
use std::sync::Arc;

use allod_consensus::Progress;
use allod_primitives::tree::value_hash;
use allod_primitives::{ChainId, H256, Height};
use allod_runtime::executive::{Executive, UpgradeRequired};
use allod_runtime::tree::{ApplyError, Tree, VersionedTree};
use parking_lot::RwLock;

use super::genesis::Genesis;
use crate::seams::{Clock, Entropy};
use crate::signatures::Signatures;
use crate::storage::{KeyValue, OpenError, StorageError, Store, StoreOptions};

/// Why a chain could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenChainError {
    /// The database refused.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The stored values are not those that the tip's header commits to.
    #[error("state root of the database is {actual}, the header of block {height} says {expected}")]
    StateRoot {
        /// Height of the tip.
        height: Height,
        /// Root in its header.
        expected: H256,
        /// Root of the values found.
        actual: H256,
    },
    /// The stored values cannot be a state.
    #[error("the stored state is not one: {0}")]
    Tree(#[from] ApplyError),
    /// The block after the tip needs another version of this program.
    #[error(transparent)]
    Upgrade(#[from] UpgradeRequired),
}

impl From<StorageError> for OpenChainError {
    fn from(error: StorageError) -> Self {
        Self::Open(error.into())
    }
}

/// Why a running node must stop.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Halt {
    /// The database failed or is corrupt.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The next block needs another version of this program. Nothing is wrong.
    #[error(transparent)]
    Upgrade(#[from] UpgradeRequired),
    /// A decided block that this node finds invalid: more than two thirds disagree with it.
    #[error("block {hash} at {height} was decided and is invalid here: {reason}")]
    DecidedInvalid {
        /// Its height.
        height: Height,
        /// Its hash.
        hash: H256,
        /// What is wrong with it, by this node's rules.
        reason: String,
    },
    /// Consensus decided a block that this node does not have.
    #[error("block {hash} at {height} was decided and is not here")]
    DecidedUnknown {
        /// Its height.
        height: Height,
        /// Its hash.
        hash: H256,
    },
    /// A broken invariant of this program.
    #[error("broken invariant: {0}")]
    Bug(String),
}

/// Store, state tree and signature memory of one chain.
pub struct Chain {
    pub(super) store: Store,
    pub(super) tree: RwLock<VersionedTree>,
    pub(super) signatures: Signatures,
    pub(super) clock: Arc<dyn Clock>,
    /// Steps of opening it, and of its blocks.
    pub(super) progress: Progress,
    executive: Executive,
    genesis_hash: H256,
    id: ChainId,
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain")
            .field("tip", &self.store.tip().height())
            .finish_non_exhaustive()
    }
}

impl Chain {
    /// Opens the chain of `genesis` in `backend`, creating it if the database is empty: rebuilds
    /// the state tree and compares its root with the tip's header.
    ///
    /// Cost: a read and two hashes per key of the state; `progress` counts each.
    ///
    /// # Errors
    /// [`OpenChainError`].
    pub fn open(
        backend: Arc<dyn KeyValue>,
        genesis: &Genesis,
        options: StoreOptions,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        progress: Progress,
    ) -> Result<Self, OpenChainError> {
        let store = Store::open(backend, &genesis.state, options)?;
        let tip = store.tip();
        let mut entries = Vec::new();
        let reader = store.reader();
        reader.each_value(|key, value| {
            progress.step();
            entries.push((key, value_hash(&value)));
        })?;
        drop(reader);
        let tree = Tree::from_entries(entries)?;
        let (expected, actual) = (tip.header.state_root, tree.root());
        if expected != actual {
            let height = tip.height();
            return Err(OpenChainError::StateRoot {
                height,
                expected,
                actual,
            });
        }
        let tree = RwLock::new(VersionedTree::new(tip.height(), tree));
        genesis.executive.due(&store.state(), tip.height().next())?;
        store.healthy()?;
        Ok(Self {
            store,
            tree,
            signatures: Signatures::new(entropy),
            clock,
            progress,
            executive: genesis.executive,
            genesis_hash: genesis.hash,
            id: genesis.chain,
        })
    }

    /// Returns the store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Returns the signature memory.
    pub fn signatures(&self) -> &Signatures {
        &self.signatures
    }

    /// Returns the clock.
    pub fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// Returns what executes the chain's blocks.
    pub fn executive(&self) -> Executive {
        self.executive
    }

    /// Returns what signed messages are bound to.
    pub fn id(&self) -> ChainId {
        self.id
    }

    /// Returns the hash of this chain's own genesis block.
    pub fn genesis_hash(&self) -> H256 {
        self.genesis_hash
    }

    /// Calls `read` with the state tree and its recent versions.
    pub fn with_tree<T>(&self, read: impl FnOnce(&VersionedTree) -> T) -> T {
        read(&self.tree.read())
    }
}
