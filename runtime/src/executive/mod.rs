//! Turns a parent, its state and extrinsics into the next block's changes.
//!
//! A block runs in this order, and nothing else happens:
//!
//! 1. *Version*: the state says which version of the state machine is due; any other refuses.
//! 2. *Initialise*: number, parent hash, validator sets, what the passing of time brings about.
//! 3. *Time*: the first extrinsic, and no other, is `Timestamp.set`; later than the parent's.
//! 4. *Extrinsics*, each: decode, validate, consume, dispatch; success or failure is its last
//!    event. An extrinsic that does not validate makes the whole block invalid.
//! 5. *Finalize*: events, changes root, accumulator, digest.
//!
//! The state root is the caller's: it applies [`Executed::changes`] to its tree.
//!
//! ```
//! use std::collections::BTreeMap;
//!
//! use allod_primitives::{BoundedVec, ForkId, H256, PublicKey, Text, TimeMs};
//! use allod_runtime::authority::{Parameters, ValidatorInfo};
//! use allod_runtime::executive::{self, BuildLimits};
//! use allod_runtime::frame::Direct;
//! use allod_runtime::genesis::GenesisConfig;
//!
//! // The base point of Ed25519 will do as a key that nobody signs with here.
//! let mut key = PublicKey([0x66; 32]);
//! key.0[0] = 0x58;
//! let config = GenesisConfig {
//!     spec_version: 1,
//!     time: TimeMs(1_700_000_000_000),
//!     origin: None,
//!     fork_id: ForkId(0),
//!     trustees: vec![key],
//!     trustee_threshold: 1,
//!     registrars: vec![(key, 1000)],
//!     validators: vec![ValidatorInfo {
//!         public_key: key,
//!         power: 1,
//!         peer_id: BoundedVec::try_from(vec![1])?,
//!         address: Text::default(),
//!     }],
//!     observers: Vec::new(),
//!     admission_vouchers: true,
//!     admission_work_bits: None,
//!     parameters: Parameters::default(),
//!     rules: Vec::new(),
//! };
//! let genesis = executive::genesis(&config)?;
//! let parent = executive::genesis_header(&genesis, H256::ZERO);
//! let state: BTreeMap<Vec<u8>, Vec<u8>> = genesis
//!     .changes
//!     .into_iter()
//!     .filter_map(|(key, value)| Some((key, value?)))
//!     .collect();
//!
//! let limits = BuildLimits::default();
//! let now = TimeMs(1_700_000_000_200);
//! let built = executive::build_block(&state, &parent, now, [], &limits, &Direct)?;
//! let executed = executive::execute_block(&state, &parent, &built.extrinsics, &Direct)?;
//! assert_eq!(executed, built.executed);
//! assert_eq!(executed.digest.time, now);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Source: spec/runtime.md §2.

mod block;
mod check;
mod error;
mod types;
mod versions;

#[cfg(test)]
mod tests;

use allod_primitives::header::extrinsic_hash;
use allod_primitives::limits::{BLOCK_EXTRINSICS_MAX, BLOCK_ITEMS_MAX, BLOCK_SIGNATURE_UNITS_MAX};
use allod_primitives::{H256, Header, Height, PublicKey, TimeMs};

pub use check::{ValidTransaction, View, decode_call, known_call};
pub use error::BlockError;
pub use types::{BuildLimits, Built, Executed, ExtrinsicResult};

pub use crate::authority::UpgradeRequired;
pub use crate::version::runtime_version;
pub use versions::Executive;

use crate::frame::{SignatureCheck, SignatureOracle, StateRead, TransactionError};
use crate::genesis::{GenesisConfig, GenesisError};
use block::BlockExecution;

/// Makes the first state. Its header is [`genesis_header`]'s.
///
/// # Errors
/// [`GenesisError`] if the configuration cannot work.
pub fn genesis(config: &GenesisConfig) -> Result<Executed, GenesisError> {
    Executive::default().genesis(config)
}

/// Checks that this program may execute block `height` on top of `state`.
///
/// # Errors
/// [`UpgradeRequired`] names the version it lacks.
pub fn check_version(
    state: &(impl StateRead + ?Sized),
    height: Height,
) -> Result<(), UpgradeRequired> {
    Executive::default().due(state, height).map(|_| ())
}

/// Builds a block on `parent`, whose state is `state`: [`Executive::build_block`].
///
/// # Errors
/// [`BlockError`] only if no block at all can follow `parent` here.
pub fn build_block(
    state: &dyn StateRead,
    parent: &Header,
    time: TimeMs,
    candidates: impl IntoIterator<Item = Vec<u8>>,
    limits: &BuildLimits,
    oracle: &dyn SignatureOracle,
) -> Result<Built, BlockError> {
    Executive::default().build_block(state, parent, time, candidates, limits, oracle)
}

/// Executes a block's extrinsics on `parent`, whose state is `state`:
/// [`Executive::execute_block`].
///
/// # Errors
/// [`BlockError`]: the block is invalid, or not for this program to judge.
pub fn execute_block(
    state: &dyn StateRead,
    parent: &Header,
    extrinsics: &[Vec<u8>],
    oracle: &dyn SignatureOracle,
) -> Result<Executed, BlockError> {
    Executive::default().execute_block(state, parent, extrinsics, oracle)
}

impl Executive {
    /// Makes the first state. Its header is [`genesis_header`]'s.
    ///
    /// # Errors
    /// [`GenesisError`] if the configuration cannot work.
    pub fn genesis(&self, config: &GenesisConfig) -> Result<Executed, GenesisError> {
        block::genesis(*self, config)
    }

    /// Builds a block on `parent`, whose state is `state`.
    ///
    /// `time`: the proposer's clock; raised to one past the parent's time if it is not later.
    /// `candidates`: extrinsics without length prefix, in the order to try; what does not fit or
    /// must wait its turn is passed over, what is invalid is returned with the reason.
    ///
    /// # Errors
    /// [`BlockError`] only if no block at all can follow `parent` here.
    pub fn build_block(
        &self,
        state: &dyn StateRead,
        parent: &Header,
        time: TimeMs,
        candidates: impl IntoIterator<Item = Vec<u8>>,
        limits: &BuildLimits,
        oracle: &dyn SignatureOracle,
    ) -> Result<Built, BlockError> {
        let time = TimeMs(time.0.max(parent.digest.time.0.saturating_add(1)));
        let mut block = BlockExecution::start(*self, state, parent, time, oracle)?;
        let mut extrinsics = vec![block.apply_time()?];
        let mut rejected = Vec::new();
        for body in candidates {
            if extrinsics.len() >= limits.extrinsics.min(BLOCK_EXTRINSICS_MAX)
                || block.items() >= limits.items.min(BLOCK_ITEMS_MAX)
                || block.signature_units() >= limits.signature_units.min(BLOCK_SIGNATURE_UNITS_MAX)
            {
                break;
            }
            match block.apply(&body, limits) {
                Ok(()) => extrinsics.push(body),
                Err(TransactionError::ExhaustsResources | TransactionError::Future) => {}
                Err(error) => rejected.push((extrinsic_hash(&body), error)),
            }
        }
        Ok(Built {
            extrinsics,
            executed: block.finalize(),
            rejected,
        })
    }

    /// Executes a block's extrinsics on `parent`, whose state is `state`.
    ///
    /// # Errors
    /// [`BlockError`]: the block is invalid, or ([`BlockError::UpgradeRequired`]) not for this
    /// version to judge.
    pub fn execute_block(
        &self,
        state: &dyn StateRead,
        parent: &Header,
        extrinsics: &[Vec<u8>],
        oracle: &dyn SignatureOracle,
    ) -> Result<Executed, BlockError> {
        if extrinsics.len() > BLOCK_EXTRINSICS_MAX {
            return Err(BlockError::TooManyExtrinsics {
                count: extrinsics.len(),
            });
        }
        let (first, rest) = extrinsics.split_first().ok_or(BlockError::NoTime)?;
        let time = check::inherent_time(first).ok_or(BlockError::NoTime)?;
        let mut block = BlockExecution::start(*self, state, parent, time, oracle)?;
        block.apply_time()?;
        let limits = BuildLimits::default();
        for (index, body) in (1u32..).zip(rest) {
            let applied = block.apply(body, &limits);
            applied.map_err(|error| BlockError::Extrinsic { index, error })?;
        }
        Ok(block.finalize())
    }
}

/// Returns the header of an executed block. `state_root`: root of the tree with its changes.
pub fn header(
    parent: &Header,
    executed: &Executed,
    state_root: H256,
    proposer: PublicKey,
) -> Header {
    Header {
        parent_hash: parent.hash(),
        number: executed.number,
        state_root,
        extrinsics_root: executed.extrinsics_root,
        proposer,
        digest: executed.digest.clone(),
    }
}

/// Returns the header of the first state. `state_root`: root of the tree of its changes.
pub fn genesis_header(executed: &Executed, state_root: H256) -> Header {
    Header {
        parent_hash: H256::ZERO,
        number: Height(0),
        state_root,
        extrinsics_root: executed.extrinsics_root,
        proposer: PublicKey([0; 32]),
        digest: executed.digest.clone(),
    }
}

/// Judges an extrinsic for the block after `parent`, whose state is `state`. Many extrinsics on
/// one state are judged faster by one [`View`].
///
/// `time`: the time to judge expiry by, such as the clock's; raised as in [`build_block`].
///
/// # Errors
/// [`TransactionError`] names the first rule broken. A sequence ahead of its turn is no error:
/// see [`ValidTransaction::requires`].
pub fn validate_transaction(
    state: &dyn StateRead,
    parent: &Header,
    time: TimeMs,
    body: &[u8],
    oracle: &dyn SignatureOracle,
) -> Result<ValidTransaction, TransactionError> {
    View::new(state, parent, time).validate(body, oracle)
}

/// Returns the Ed25519 checks that [`validate_transaction`] and execution will ask for, so that
/// the node can verify them in batches first. Empty if the extrinsic does not decode, or if it is
/// signed and its sender is refused.
pub fn signature_checks(
    state: &dyn StateRead,
    parent: &Header,
    body: &[u8],
) -> Vec<SignatureCheck> {
    View::new(state, parent, parent.digest.time).signature_checks(body)
}

/// Returns the newest version's metadata in version 14, 15 or 16, without length prefix.
pub fn metadata(version: u32) -> Option<Vec<u8>> {
    crate::frame::metadata::encode(&runtime_version(), version)
}

/// Metadata versions there are, ascending.
pub const METADATA_VERSIONS: [u32; 3] = [14, 15, 16];
