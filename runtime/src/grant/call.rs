//! The pallet's calls.

#![allow(
    non_camel_case_types,
    reason = "call names are variant names in the metadata, and clients know them in snake case"
)]

use allod_primitives::BoundedVec;
use allod_primitives::grant::SignedGrantMessage;
use allod_primitives::limits::BATCH_ITEMS_MAX;
use parity_scale_codec::{Decode, Encode};
use scale_info::TypeInfo;

/// Calls of the `Grant` pallet.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub enum Call {
    /// Revokes a grant, signed by its own key; free, once per grant.
    #[codec(index = 0)]
    revoke {
        /// The revocation.
        message: SignedGrantMessage,
    },
    /// Anchors grants at a registrar's expense.
    #[codec(index = 1)]
    anchor {
        /// The anchorings, each on its own.
        items: BoundedVec<SignedGrantMessage, BATCH_ITEMS_MAX>,
    },
}
