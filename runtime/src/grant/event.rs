//! The pallet's events.

use allod_primitives::H256;
use parity_scale_codec::{Decode, Encode};
use scale_info::TypeInfo;

use super::Error;

/// Events of the `Grant` pallet.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub enum Event {
    /// A grant was anchored.
    #[codec(index = 0)]
    Anchored {
        /// Its identifier.
        gid: H256,
    },
    /// A grant was revoked.
    #[codec(index = 1)]
    Revoked {
        /// Its identifier.
        gid: H256,
    },
    /// An item of a batch was refused; the others stand.
    #[codec(index = 2)]
    ItemFailed {
        /// Its position, from 0.
        index: u32,
        /// Why.
        error: Error,
    },
}
