//! The pallet's events.

use allod_primitives::document::Fragment;
use allod_primitives::log::{LogEntry, Stated};
use allod_primitives::record::Proposer;
use allod_primitives::{DidId, H256, TimeMs};
use parity_scale_codec::{Decode, Encode};
use scale_info::TypeInfo;

use super::Error;

/// Events of the `Did` pallet.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub enum Event {
    /// A record changed, and its log grew by an entry.
    #[codec(index = 0)]
    Logged {
        /// The identity.
        did: DidId,
        /// The entry.
        entry: LogEntry,
        /// What its cause does not tell.
        stated: Option<Stated>,
    },
    /// An identity was created.
    #[codec(index = 1)]
    Incepted {
        /// The identity.
        did: DidId,
    },
    /// A document changed.
    #[codec(index = 2)]
    DocumentUpdated {
        /// The identity.
        did: DidId,
    },
    /// Keys of control changed.
    #[codec(index = 3)]
    Rotated {
        /// The identity.
        did: DidId,
        /// Index of the rank that acted.
        rank: u8,
    },
    /// An identity ended.
    #[codec(index = 4)]
    Deactivated {
        /// The identity.
        did: DidId,
    },
    /// Tokens issued before then are void.
    #[codec(index = 5)]
    LoggedOut {
        /// The identity.
        did: DidId,
    },
    /// An item of a batch was refused; the others stand.
    #[codec(index = 6)]
    ItemFailed {
        /// Its position, from 0.
        index: u32,
        /// Why.
        error: Error,
    },
    /// A change of control waits.
    #[codec(index = 7)]
    Proposed {
        /// The identity.
        did: DidId,
        /// Hash of the operation that proposed it.
        id: H256,
        /// Who proposed it.
        proposer: Proposer,
        /// When it takes effect unless cancelled.
        effective_at: TimeMs,
    },
    /// A pending change gave way to a proposal of higher standing.
    #[codec(index = 8)]
    Displaced {
        /// The identity.
        did: DidId,
        /// Hash of the operation that proposed it.
        id: H256,
    },
    /// A pending change went with its proposer's keys, or with those above.
    #[codec(index = 9)]
    Cleared {
        /// The identity.
        did: DidId,
        /// Hash of the operation that proposed it.
        id: H256,
    },
    /// A pending change was cancelled or withdrawn.
    #[codec(index = 10)]
    Cancelled {
        /// The identity.
        did: DidId,
        /// Hash of the operation that proposed it.
        id: H256,
    },
    /// A pending change took effect; the time it did so is its `effective_at`.
    #[codec(index = 11)]
    TookEffect {
        /// The identity.
        did: DidId,
        /// Hash of the operation that proposed it.
        id: H256,
    },
    /// Part of an operation could not be done, the rest was.
    #[codec(index = 12)]
    Skipped {
        /// The identity.
        did: DidId,
        /// Fragment of the method or service, if it is about one.
        fragment: Option<Fragment>,
        /// Why.
        error: Error,
    },
}
