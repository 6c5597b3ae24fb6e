//! The state tree's hashing, and its proofs with their verification.
//!
//! The state is a set of (storage key, value). It is committed by a binary Patricia (crit-bit)
//! tree over `path = sha256(key)`: one leaf per key, and an inner node wherever two paths part.
//! One set has one tree, whatever the order of insertion.
//!
//! ```text
//! value_hash       = sha256(value)
//! leaf(key, vh)    = sha256(0x01 ++ key length u32 LE ++ key ++ vh)
//! inner(bit, l, r) = sha256(0x02 ++ bit u16 BE ++ l ++ r)        bit 0: first byte's 0x80
//! empty            = sha256(0x00)
//! ```
//!
//! This module is the verifier's half: it holds no tree. `allod_runtime::tree` keeps one and
//! makes [`Proof`]s from it; anybody turns a `Proof` into a [`VerifiedProof`] by
//! [`Proof::verify`], which is the only way to get one.
//!
//! ```
//! use allod_primitives::tree::{Presence, Proof, Step, leaf_hash, value_hash};
//!
//! // A tree of one key is its leaf.
//! let root = leaf_hash(b"key", &value_hash(b"value"));
//! let step = Step::Present { key_index: 0, value: b"value".to_vec() };
//! let proof = Proof { steps: vec![step], siblings: vec![] };
//! let verified = proof.verify(&root, &[b"key"]).expect("made for this root and key");
//! assert_eq!(verified.get(b"key"), Some(Presence::Present(b"value")));
//! assert_eq!(verified.get(b"other"), None); // not what was proven
//! ```
//!
//! Source: spec/state.md §tree.

mod codec;
mod path;
mod proof;
#[cfg(test)]
mod tests;
mod verify;

use sha2::{Digest, Sha256};

use crate::hash::{H256, sha2_256};

pub use crate::limits::VALUE_BYTES_MAX;
pub use codec::{DecodeError, FORMAT_VERSION};
pub use path::Path;
pub use proof::{
    DEPTH_MAX, KEY_BYTES_MAX, KEYS_MAX, PROOF_BYTES_MAX, Presence, Proof, STEPS_MAX, Step,
    VerifiedProof,
};
pub use verify::ProofError;

const TAG_EMPTY: u8 = 0x00;
const TAG_LEAF: u8 = 0x01;
const TAG_INNER: u8 = 0x02;

/// sha256 of a stored value: all that the tree knows of it.
pub fn value_hash(value: &[u8]) -> H256 {
    sha2_256(value)
}

/// The root of a tree without keys: `sha256(0x00)`.
pub fn empty_root() -> H256 {
    sha2_256(&[TAG_EMPTY])
}

/// The hash of a leaf, which commits the full storage key and the value's hash.
///
/// `key`: shorter than 2^32 bytes; in a tree, at most [`KEY_BYTES_MAX`].
pub fn leaf_hash(key: &[u8], value_hash: &H256) -> H256 {
    let length = u32::try_from(key.len()).unwrap_or(u32::MAX);
    let hash = Sha256::new_with_prefix([TAG_LEAF])
        .chain_update(length.to_le_bytes())
        .chain_update(key)
        .chain_update(value_hash.0)
        .finalize();
    H256(hash.into())
}

/// The hash of an inner node: `bit` is the first bit at which paths below it differ, `left`
/// holds those with a zero there.
pub fn inner_hash(bit: u8, left: &H256, right: &H256) -> H256 {
    let mut preimage = [0u8; 67];
    let (head, children) = preimage.split_at_mut(3);
    head.copy_from_slice(&[TAG_INNER, 0, bit]);
    let (first, second) = children.split_at_mut(32);
    first.copy_from_slice(&left.0);
    second.copy_from_slice(&right.0);
    sha2_256(&preimage)
}
