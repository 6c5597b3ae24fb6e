//! The pallet's calls.

#![allow(
    non_camel_case_types,
    reason = "call names are variant names in the metadata, and clients know them in snake case"
)]

use allod_primitives::BoundedVec;
use allod_primitives::limits::BATCH_ITEMS_MAX;
use allod_primitives::operation::{Admission, SignedOperation};
use parity_scale_codec::{Decode, Encode};
use scale_info::TypeInfo;

/// Calls of the `Did` pallet.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub enum Call {
    /// Applies one operation, paid from the identity's own quota.
    #[codec(index = 0)]
    submit {
        /// The operation; not an inception.
        operation: SignedOperation,
    },
    /// Creates an identity.
    #[codec(index = 1)]
    incept {
        /// The inception.
        operation: SignedOperation,
        /// Why the ledger should take it in.
        admission: Admission,
    },
    /// Applies operations, inceptions among them, at a registrar's expense.
    #[codec(index = 2)]
    batch {
        /// The operations, each on its own: one that fails leaves the others.
        items: BoundedVec<SignedOperation, BATCH_ITEMS_MAX>,
    },
}
