//! The pallet's calls.

#![allow(
    non_camel_case_types,
    reason = "call names are variant names in the metadata, and clients know them in snake case"
)]

use allod_primitives::BoundedVec;
use allod_primitives::limits::BATCH_ITEMS_MAX;
use allod_primitives::token::SignedTokenOperation;
use parity_scale_codec::{Decode, Encode};
use scale_info::TypeInfo;

/// Calls of the `Revocation` pallet.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub enum Call {
    /// Revokes one token, paid from the issuer's own quota.
    #[codec(index = 0)]
    revoke {
        /// The revocation.
        operation: SignedTokenOperation,
    },
    /// Revokes tokens at a registrar's expense.
    #[codec(index = 1)]
    batch {
        /// The revocations, each on its own.
        items: BoundedVec<SignedTokenOperation, BATCH_ITEMS_MAX>,
    },
}
