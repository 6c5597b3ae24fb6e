//! Why a block cannot be executed.

use allod_primitives::TimeMs;

use crate::authority::UpgradeRequired;
use crate::frame::TransactionError;

/// Why a block cannot be executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlockError {
    /// Another version of the state machine is due. Not the block's fault: the node halts.
    #[error(transparent)]
    UpgradeRequired(#[from] UpgradeRequired),
    /// The state is not one that genesis began.
    #[error("state has no genesis or no validators")]
    NoGenesis,
    /// No height is left.
    #[error("block number above its maximum")]
    TooHigh,
    /// The first extrinsic is not `Timestamp.set`.
    #[error("first extrinsic does not set the time")]
    NoTime,
    /// Not later than the parent.
    #[error("time {time} is not later than the parent's {parent}")]
    TimeNotIncreasing {
        /// Time of the parent.
        parent: TimeMs,
        /// Time of the block.
        time: TimeMs,
    },
    /// More extrinsics than a block may have.
    #[error("{count} extrinsics exceed the block's maximum")]
    TooManyExtrinsics {
        /// How many there were.
        count: usize,
    },
    /// An extrinsic that may not be in this block.
    #[error("extrinsic {index}: {error}")]
    Extrinsic {
        /// Its position, from 0.
        index: u32,
        /// What is wrong with it.
        error: TransactionError,
    },
}
