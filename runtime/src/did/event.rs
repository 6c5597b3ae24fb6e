//! The pallet's events.

use allod_primitives::DidId;
use allod_primitives::log::LogEntry;
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
}
