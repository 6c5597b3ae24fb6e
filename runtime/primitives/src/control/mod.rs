//! Control: who may change an identity, what waits, and what time brings about.
//!
//! The state machine of one identity as pure functions over its [`DidRecord`]. The ledger runs
//! them, and so does everyone who verifies: a reader looks at [`effective`] records only, and an
//! exported log is replayed with [`advance`], [`apply`] and [`next_effect`].
//!
//! ```text
//! operation ──► authorized? ──► advance(lane) ──► apply ──► record' + retired methods + outcomes
//! time      ──────────────────────────────────► next_effect ──► record' + retired methods
//! ```
//!
//! Source: spec/control.md; the model that was explored before this was written: tests/control.

mod apply;
mod authority;
mod document;
mod effect;
mod pending;
mod policy;
#[cfg(test)]
mod tests;

use crate::document::{Fragment, MethodKey, RetiredMethod};
use crate::hash::H256;
use crate::operation::Lane;
use crate::record::{DidRecord, LaneHead, Proposer};
use crate::types::TimeMs;

pub use apply::{Applied, Setting, apply};
pub use authority::{is_authorized, is_rank_authorized};
pub use document::allowed_methods;
pub use effect::{Effect, Effective, effective, next_effect};

/// Who acts on control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party {
    /// The keys that a rank's commitment commits to.
    Next(u8),
    /// The keys of a rank.
    Rank(u8),
    /// A quorum of guardians.
    Guardians,
}

impl Party {
    /// Returns the party of a lane; nobody in particular acts in `Documents`.
    pub const fn of(lane: Lane) -> Option<Self> {
        match lane {
            Lane::Next(rank) => Some(Self::Next(rank)),
            Lane::Rank(rank) => Some(Self::Rank(rank)),
            Lane::Guardians => Some(Self::Guardians),
            Lane::Documents => None,
        }
    }

    /// Returns the rank it acts for.
    pub const fn rank(self) -> Option<u8> {
        match self {
            Self::Next(rank) | Self::Rank(rank) => Some(rank),
            Self::Guardians => None,
        }
    }
}

/// Why an operation that was taken does nothing but advance its lane.
///
/// Source: spec/control.md §2 to §4, spec/did.md §4 and §5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The party does not stand above what it wants to change or cancel.
    #[error("the party does not stand above what it wants to change")]
    NotAbove,
    /// The rank has a commitment: only its next keys change it at once.
    #[error("the rank is pre-rotated; only its next keys change it")]
    RevealRequired,
    /// A change of rank 0, guardians or delay that must be proposed and wait.
    #[error("this change must be proposed and wait")]
    MustWait,
    /// The rank lacks the capability.
    #[error("the rank lacks the capability")]
    NoCapability,
    /// A key would be in two ranks.
    #[error("a key would be in two ranks")]
    KeyInTwoRanks,
    /// The proposer has a pending change already.
    #[error("the proposer has a pending change already")]
    SlotTaken,
    /// A change by somebody of higher standing is pending.
    #[error("a change of higher standing is pending")]
    HigherPending,
    /// The proposer was cancelled and must rest.
    #[error("the proposer was cancelled and must rest")]
    CoolingDown,
    /// No pending change has this id.
    #[error("no such pending change")]
    NoSuchPending,
    /// The pending change takes too many bytes.
    #[error("the pending change is too large")]
    TooLarge,
    /// No method has the fragment.
    #[error("no such method")]
    NoSuchMethod,
    /// The fragment is in use, or was.
    #[error("the fragment is in use, or was")]
    FragmentUsed,
    /// The method key is in use, or was.
    #[error("the method key is in use, or was")]
    KeyUsed,
    /// More methods than a document, or an identity so far, may have.
    #[error("too many methods")]
    TooManyMethods,
    /// A cut-off or a declaration would move the wrong way.
    #[error("it would move the wrong way")]
    NotMonotone,
    /// A time later than the block's.
    #[error("a time later than the block's")]
    InFuture,
    /// The operation's form does not fit its lane.
    #[error("the operation does not fit its lane")]
    Misplaced,
}

/// What happened beside the change of the record itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A change waits.
    Proposed {
        /// Its id.
        id: H256,
        /// Who proposed it.
        proposer: Proposer,
        /// When it takes effect.
        effective_at: TimeMs,
    },
    /// A pending change gave way to a proposal of higher standing.
    Displaced {
        /// Its id.
        id: H256,
    },
    /// A pending change went with its proposer's keys, or with those above.
    Cleared {
        /// Its id.
        id: H256,
    },
    /// A pending change was cancelled or withdrawn.
    Cancelled {
        /// Its id.
        id: H256,
    },
    /// An item of a document patch was skipped.
    Skipped {
        /// Fragment of the item, if it has one.
        fragment: Option<Fragment>,
        /// Why.
        refusal: Refusal,
    },
}

/// What an identity has used before and retired; kept beside its record.
pub trait UsedMethods {
    /// Returns the retired method that had `fragment`.
    fn retired(&self, fragment: &Fragment) -> Option<RetiredMethod>;

    /// Returns whether a retired method had `key`.
    fn is_key_retired(&self, key: &MethodKey) -> bool;
}

/// Advances `lane` past the operation of `hash`, whatever becomes of it.
pub fn advance(record: &mut DidRecord, lane: Lane, hash: H256) {
    if let Some(head) = record.lanes.get_mut(lane) {
        *head = LaneHead {
            next_seq: head.next_seq.saturating_add(1),
            last: hash,
        };
    }
}
