//! The copy of `allod_primitives::tree`: its parts that check something, the library's hashes.
#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    reason = "a copy of a library module"
)]

#[path = "../../src/tree/codec.rs"]
mod codec;
#[path = "../../src/tree/path.rs"]
mod path;
#[path = "../../src/tree/proof.rs"]
mod proof;
#[path = "../../src/tree/verify.rs"]
mod verify;

pub(crate) use allod_primitives::tree::{
    VALUE_BYTES_MAX, empty_root, inner_hash, leaf_hash, value_hash,
};
pub(crate) use codec::DecodeError;
pub(crate) use path::Path;
pub(crate) use proof::{
    KEY_BYTES_MAX, KEYS_MAX, PROOF_BYTES_MAX, Presence, Proof, STEPS_MAX, Step, VerifiedProof,
};
pub(crate) use verify::ProofError;
