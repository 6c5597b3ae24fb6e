//! The pallet's events.

use allod_primitives::H256;
use parity_scale_codec::{Decode, Encode};
use scale_info::TypeInfo;

use super::Error;

/// Events of the `Revocation` pallet.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub enum Event {
    /// A token was revoked.
    #[codec(index = 0)]
    Revoked {
        /// Its tag.
        tag: H256,
    },
    /// An item of a batch was refused; the others stand.
    #[codec(index = 1)]
    ItemFailed {
        /// Its position, from 0.
        index: u32,
        /// Why.
        error: Error,
    },
}
