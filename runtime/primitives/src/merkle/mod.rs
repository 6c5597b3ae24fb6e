//! Commitments to ordered lists: the extrinsics root, the changes root and the guardians root.
//!
//! A list commitment is not a map: it answers "this is leaf `i` of `n`", never "this key is
//! absent". The state itself is committed by [`crate::tree`].
//!
//! ```text
//! leaf(d, x)  = sha256(0x10 ++ d ++ x)                       d: the domain byte
//! node(l, r)  = sha256(0x11 ++ l ++ r)
//! mth([])     = 32 zero bytes
//! mth([x])    = leaf(d, x)
//! mth(xs)     = node(mth(xs[..k]), mth(xs[k..]))             k: largest power of two < len
//! root(d, xs) = sha256(0x12 ++ d ++ count u32 LE ++ mth(xs))
//! ```
//!
//! The count is part of the root, so a proof cannot lie about a list's length, and the domain
//! is part of every leaf, so a proof made for one kind of list never holds for another.
//!
//! ```
//! use allod_primitives::merkle::{Domain, prove, root};
//!
//! let leaves: [&[u8]; 3] = [b"a", b"b", b"c"];
//! let root = root(Domain::Extrinsics, leaves);
//! let proof = prove(Domain::Extrinsics, leaves, 1).expect("1 is below 3");
//! assert!(proof.verify(&root, Domain::Extrinsics, b"b").is_ok());
//! assert!(proof.verify(&root, Domain::Extrinsics, b"c").is_err());
//! ```
//!
//! Source: spec/state.md §list commitments; RFC 6962 §2.1.

mod proof;
#[cfg(test)]
mod tests;
#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "reads and writes vector files")]
mod vectors;

use sha2::{Digest, Sha256};

use crate::hash::H256;

pub use proof::{DEPTH_MAX, ListProof, ListProofError, prove};

const TAG_LEAF: u8 = 0x10;
const TAG_NODE: u8 = 0x11;
const TAG_ROOT: u8 = 0x12;

/// What a list holds; part of every leaf and of the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Domain {
    /// Hashes of a block's extrinsics, in block order.
    Extrinsics = 1,
    /// Changed identity keys of a block, sorted by key.
    Changes = 2,
    /// Salted guardian leaves of an identity.
    Guardians = 3,
}

impl Domain {
    /// The byte that stands for the domain in hash preimages.
    pub const fn byte(self) -> u8 {
        self as u8
    }
}

/// Commits to a list of leaves and to its length.
///
/// `leaves`: the leaf bytes in list order, at most `u32::MAX` of them (a longer list cannot be
/// built in a block or a policy; the count saturates).
/// Cost: two hashes per leaf, memory for 32 hashes.
///
/// Source: spec/state.md §list commitments.
pub fn root<'a>(domain: Domain, leaves: impl IntoIterator<Item = &'a [u8]>) -> H256 {
    let mut stack = Stack::default();
    for bytes in leaves {
        stack.push(leaf_hash(domain, bytes));
    }
    let count = stack.count;
    root_hash(domain, count, &stack.finish())
}

/// Complete subtrees of a list, largest first, as in a binary counter of the leaves seen.
#[derive(Default)]
struct Stack {
    count: u32,
    peaks: Vec<H256>,
}

impl Stack {
    fn push(&mut self, mut hash: H256) {
        // Every trailing one bit of the old count is a complete subtree to merge with.
        for _ in 0..self.count.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                hash = node_hash(&left, &hash);
            }
        }
        self.peaks.push(hash);
        self.count = self.count.saturating_add(1);
    }

    fn finish(mut self) -> H256 {
        let Some(mut hash) = self.peaks.pop() else {
            return H256::ZERO;
        };
        while let Some(left) = self.peaks.pop() {
            hash = node_hash(&left, &hash);
        }
        hash
    }
}

fn leaf_hash(domain: Domain, bytes: &[u8]) -> H256 {
    let hash = Sha256::new_with_prefix([TAG_LEAF, domain.byte()])
        .chain_update(bytes)
        .finalize();
    H256(hash.into())
}

fn node_hash(left: &H256, right: &H256) -> H256 {
    let hash = Sha256::new_with_prefix([TAG_NODE])
        .chain_update(left.0)
        .chain_update(right.0)
        .finalize();
    H256(hash.into())
}

fn root_hash(domain: Domain, count: u32, mth: &H256) -> H256 {
    let hash = Sha256::new_with_prefix([TAG_ROOT, domain.byte()])
        .chain_update(count.to_le_bytes())
        .chain_update(mth.0)
        .finalize();
    H256(hash.into())
}
