//! Calls: pallet index, call index, arguments, in the runtime's encoding.
//!
//! The indices are part of the wire format (spec/extrinsics.md) and never reused; an end-to-end
//! test sends every one of them to a real node.

use allod_primitives::grant::SignedGrantMessage;
use allod_primitives::operation::{Admission, SignedOperation};
use allod_primitives::token::SignedTokenOperation;
use parity_scale_codec::{Compact, Encode};

const DID: u8 = 3;
const REVOCATION: u8 = 4;
const GRANT: u8 = 5;

/// `Did.submit`: one operation, paid from the identity's own quota. Bare.
pub fn did_submit(operation: &SignedOperation) -> Vec<u8> {
    (DID, 0u8, operation).encode()
}

/// `Did.incept`: one inception with its admission. Bare.
pub fn did_incept(operation: &SignedOperation, admission: &Admission) -> Vec<u8> {
    (DID, 1u8, operation, admission).encode()
}

/// `Did.batch`: up to 512 operations, paid by the registrar that signs.
pub fn did_batch(items: &[SignedOperation]) -> Vec<u8> {
    list(DID, 2, items)
}

/// `Revocation.revoke`: one token, paid from the issuer's quota. Bare.
pub fn revocation_revoke(operation: &SignedTokenOperation) -> Vec<u8> {
    (REVOCATION, 0u8, operation).encode()
}

/// `Revocation.batch`: up to 512 tokens, paid by the registrar that signs.
pub fn revocation_batch(items: &[SignedTokenOperation]) -> Vec<u8> {
    list(REVOCATION, 1, items)
}

/// `Grant.revoke`: one grant, by its own key. Bare.
pub fn grant_revoke(message: &SignedGrantMessage) -> Vec<u8> {
    (GRANT, 0u8, message).encode()
}

/// `Grant.anchor`: up to 512 grants, paid by the registrar that signs.
pub fn grant_anchor(items: &[SignedGrantMessage]) -> Vec<u8> {
    list(GRANT, 1, items)
}

fn list<T: Encode>(pallet: u8, call: u8, items: &[T]) -> Vec<u8> {
    let mut out = vec![pallet, call];
    let count = u32::try_from(items.len()).unwrap_or(u32::MAX);
    Compact(count).encode_to(&mut out);
    items.iter().for_each(|item| item.encode_to(&mut out));
    out
}
