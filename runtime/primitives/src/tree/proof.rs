//! What a proof is made of, and what a verified one answers.

use std::collections::BTreeMap;

use crate::hash::H256;

/// The greatest number of inner nodes between the root and a leaf: one per bit of a path.
pub const DEPTH_MAX: usize = 256;
/// The greatest number of keys in one proof.
pub const KEYS_MAX: usize = 1024;
/// The longest storage key, in bytes.
pub const KEY_BYTES_MAX: usize = 1024;
/// The longest encoding of a proof, in bytes.
pub const PROOF_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The greatest number of steps in one proof: [`KEYS_MAX`] leaves, and an average of 63 inner
/// nodes for each, three times the depth of a tree of a million keys.
pub const STEPS_MAX: usize = 64 * KEYS_MAX;

/// An untrusted claim about what the state holds under some keys.
///
/// The nodes that the walks to the keys visit, in preorder (a node, then its left part, then
/// its right part), and the hashes of the subtrees where no walk leads, in the same order. Which
/// subtrees those are follows from the keys, so a proof has no room for anything that is not
/// needed. The proof of an empty tree has neither steps nor siblings.
///
/// Source: spec/state.md §proofs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Visited nodes in preorder; at most [`STEPS_MAX`].
    pub steps: Vec<Step>,
    /// Hashes of subtrees beside the walks, in preorder.
    pub siblings: Vec<H256>,
}

/// One visited node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The walks of some keys go on below, to the side that their bit `bit` says.
    Inner {
        /// Bit index; it grows from node to node on every walk.
        bit: u8,
    },
    /// The leaf of one of the keys. Other keys whose walks end here are absent.
    Present {
        /// Place of the key among the proven keys in the order of their paths, from 0.
        key_index: u16,
        /// The value; at most [`VALUE_BYTES_MAX`](crate::limits::VALUE_BYTES_MAX) bytes.
        value: Vec<u8>,
    },
    /// The leaf of a key that was not asked for: every key whose walk ends here is absent.
    Other {
        /// The leaf's storage key; at most [`KEY_BYTES_MAX`] bytes.
        key: Vec<u8>,
        /// The leaf's value hash.
        value_hash: H256,
    },
}

/// What the state holds under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence<'a> {
    /// The key is there, with this value.
    Present(&'a [u8]),
    /// The key is not there.
    Absent,
}

/// A claim that was checked against a root: [`Proof::verify`] is its only source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedProof {
    pub(super) root: H256,
    pub(super) answers: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl VerifiedProof {
    /// The root against which the claim was checked.
    pub const fn root(&self) -> &H256 {
        &self.root
    }

    /// What the state under [`Self::root`] holds under `key`; `None` when the proof was not
    /// about that key, which says nothing of the state.
    pub fn get(&self, key: &[u8]) -> Option<Presence<'_>> {
        self.answers.get(key).map(presence)
    }

    /// Every proven key with its answer, in the order of the keys' bytes.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Presence<'_>)> {
        self.answers
            .iter()
            .map(|(key, value)| (key.as_slice(), presence(value)))
    }
}

fn presence(value: &Option<Vec<u8>>) -> Presence<'_> {
    value.as_deref().map_or(Presence::Absent, Presence::Present)
}
