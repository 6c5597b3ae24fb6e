//! Why something cannot be built.

use allod_primitives::codec::{TextError, TooMany};
use allod_primitives::document::DocumentError;
use allod_primitives::policy::PolicyError;

/// Why an operation cannot be built or signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Text too long for its field, or with a control character.
    #[error(transparent)]
    Text(#[from] TextError),
    /// A list with too many elements.
    #[error(transparent)]
    TooMany(#[from] TooMany),
    /// A document the ledger would refuse.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// A policy the ledger would refuse.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// A rank that no policy has.
    #[error("there is no rank {rank}")]
    NoSuchRank {
        /// The rank.
        rank: u8,
    },
    /// Nobody to sign.
    #[error("no key to sign with")]
    NoKey,
    /// A change that changes nothing.
    #[error("the change is empty")]
    Nothing,
    /// Fragments are used up, or their numbers are.
    #[error("no further fragment key-N is free")]
    NoFragment,
}
