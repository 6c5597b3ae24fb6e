//! Why a transaction was not taken.

use allod_primitives::H256;
use allod_primitives::limits::EXTRINSIC_BYTES_MAX;
use allod_runtime::frame::TransactionError;

/// Names of the reasons for which the mempool refuses, as metrics have them; in the order of
/// [`PoolError::reason`].
pub const REFUSALS: [&str; 9] = [
    "invalid",
    "already_known",
    "already_included",
    "tag_taken",
    "full",
    "subject_full",
    "too_long",
    "busy",
    "stopping",
];

/// Why the mempool refused a transaction.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PoolError {
    /// The state machine would refuse it now.
    #[error(transparent)]
    Invalid(#[from] TransactionError),
    /// It waits already.
    #[error("transaction {hash} is already in the mempool")]
    AlreadyKnown {
        /// Its hash.
        hash: H256,
    },
    /// It is in a recent block.
    #[error("transaction {hash} is already in a block")]
    AlreadyIncluded {
        /// Its hash.
        hash: H256,
    },
    /// Another one with the same sequence, nonce or subject waits.
    #[error("transaction {by} already stands for the same sequence number")]
    TagTaken {
        /// Hash of the other.
        by: H256,
    },
    /// No room.
    #[error("the mempool is full with {count} transactions")]
    Full {
        /// How many it holds.
        count: usize,
    },
    /// Too many of one account or identity wait.
    #[error("{max} transactions of this account or identity wait already")]
    SubjectFull {
        /// How many may wait.
        max: usize,
    },
    /// Longer than any block takes.
    #[error("transaction of {bytes} bytes, at most {EXTRINSIC_BYTES_MAX} are allowed")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// More transactions than one submission may hold.
    #[error("{count} transactions in one submission, at most {max} are allowed")]
    TooMany {
        /// How many there were.
        count: usize,
        /// How many may be.
        max: usize,
    },
    /// Submissions arrive faster than they are judged.
    #[error("too many submissions wait, try again")]
    Busy,
    /// The node stops.
    #[error("the node is stopping")]
    Stopping,
}

impl PoolError {
    /// Returns the position of its name in [`REFUSALS`].
    pub const fn reason(&self) -> usize {
        match self {
            Self::Invalid(_) => 0,
            Self::AlreadyKnown { .. } => 1,
            Self::AlreadyIncluded { .. } => 2,
            Self::TagTaken { .. } => 3,
            Self::Full { .. } => 4,
            Self::SubjectFull { .. } => 5,
            Self::TooLong { .. } | Self::TooMany { .. } => 6,
            Self::Busy => 7,
            Self::Stopping => 8,
        }
    }
}
