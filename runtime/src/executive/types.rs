//! What an execution returns.

use std::collections::BTreeMap;

use allod_primitives::header::LedgerDigest;
use allod_primitives::limits::{
    BLOCK_BYTES_MAX, BLOCK_EXTRINSICS_MAX, BLOCK_ITEMS_MAX, BLOCK_SIGNATURE_UNITS_MAX,
};
use allod_primitives::{H256, Height, ValidatorSet};

use crate::RuntimeEvent;
use crate::frame::wire::EventRecord;
use crate::frame::{DispatchResult, TransactionError};

/// What a block did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executed {
    /// Its number.
    pub number: Height,
    /// Changed keys of the state: new value, or `None` if deleted.
    pub changes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// Values of this block alone, under their storage keys, outside the state tree: the events.
    pub scratch: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The ledger's digest item.
    pub digest: LedgerDigest,
    /// Commitment to the extrinsics.
    pub extrinsics_root: H256,
    /// Outcomes, one per extrinsic, the time's first.
    pub results: Vec<ExtrinsicResult>,
    /// Events, in order.
    pub events: Vec<EventRecord<RuntimeEvent, H256>>,
    /// The sets that certify the next block and the one after it.
    pub next_sets: (ValidatorSet, ValidatorSet),
}

/// How an extrinsic ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtrinsicResult {
    /// Its hash, length prefix included.
    pub hash: H256,
    /// Whether its call succeeded.
    pub outcome: DispatchResult,
    /// Items it attempted.
    pub items: u32,
}

/// A block as built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// Its extrinsics, the time's first.
    pub extrinsics: Vec<Vec<u8>>,
    /// What they did.
    pub executed: Executed,
    /// Candidates that can never be in a block on this parent, by hash.
    pub rejected: Vec<(H256, TransactionError)>,
}

/// How much of a block to fill. Above the block's maxima they have no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuildLimits {
    /// Encoded bytes, header included.
    pub bytes: usize,
    /// Attempted items.
    pub items: u32,
    /// Extrinsics, the time's included.
    pub extrinsics: usize,
    /// Units of signatures; see [`crate::frame::PalletCall::signature_units`].
    pub signature_units: u32,
}

impl Default for BuildLimits {
    fn default() -> Self {
        Self {
            bytes: BLOCK_BYTES_MAX,
            items: BLOCK_ITEMS_MAX,
            extrinsics: BLOCK_EXTRINSICS_MAX,
            signature_units: BLOCK_SIGNATURE_UNITS_MAX,
        }
    }
}
