//! The first block: what a genesis configuration makes.

use allod_primitives::tree::value_hash;
use allod_primitives::{ChainId, H256, Header};
use allod_runtime::executive::{self, Executive};
use allod_runtime::genesis::{GenesisConfig, GenesisError};
use allod_runtime::tree::Tree;

use crate::storage::GenesisState;

/// A genesis block with its state.
#[derive(Clone, Debug)]
pub struct Genesis {
    /// Block and state, as the store wants them.
    pub state: GenesisState,
    /// Hash of the block.
    pub hash: H256,
    /// What every signed message of the chain is bound to.
    pub chain: ChainId,
    /// Executes the chain's blocks, by the versions of the state machine that this program knows.
    pub executive: Executive,
}

impl Genesis {
    /// Executes `config` by the versions of the state machine there are.
    ///
    /// # Errors
    /// [`GenesisError`] if nothing can start from it.
    pub fn new(config: &GenesisConfig) -> Result<Self, GenesisError> {
        Self::with(Executive::default(), config)
    }

    /// Executes `config`, and says what executes the blocks after it.
    ///
    /// # Errors
    /// [`GenesisError`] if nothing can start from it.
    pub fn with(executive: Executive, config: &GenesisConfig) -> Result<Self, GenesisError> {
        let executed = executive.genesis(config)?;
        let values = executed.changes.iter();
        let values = values.filter_map(|(key, value)| Some((key.clone(), value.clone()?)));
        let values: std::collections::BTreeMap<_, _> = values.collect();
        let entries = values.iter().map(|(key, value)| (key, value_hash(value)));
        let tree = Tree::from_entries(entries)
            .expect("a map's keys are unique, and genesis writes keys of known length");
        let header = executive::genesis_header(&executed, tree.root());
        let hash = header.hash();
        let (current, next) = executed.next_sets;
        Ok(Self {
            state: GenesisState {
                header,
                values,
                scratch: executed.scratch,
                sets: vec![current, next],
            },
            hash,
            chain: ChainId {
                genesis: config.origin.unwrap_or(hash),
                fork_id: config.fork_id,
            },
            executive,
        })
    }

    /// Returns its header.
    pub fn header(&self) -> &Header {
        &self.state.header
    }
}
