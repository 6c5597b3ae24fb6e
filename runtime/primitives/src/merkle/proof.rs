//! Inclusion proofs of list commitments.

use parity_scale_codec::{Decode, Encode, Error as CodecError, Input};

use crate::hash::H256;

use super::{Domain, leaf_hash, node_hash, root_hash};

/// The greatest number of siblings in a proof: a list has fewer than 2^32 leaves.
pub const DEPTH_MAX: usize = 32;

/// An untrusted claim that some bytes are leaf `index` of a list of `count`.
#[derive(Clone, Debug, PartialEq, Eq, Encode)]
pub struct ListProof {
    /// Place of the leaf, from 0.
    pub index: u32,
    /// Length of the list.
    pub count: u32,
    /// Sibling hashes, leaf first; at most [`DEPTH_MAX`].
    pub siblings: Vec<H256>,
}

/// Why a [`ListProof`] was refused. Every one is the prover's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ListProofError {
    /// The index is not below the count.
    #[error("leaf {index} is not in a list of {count}")]
    IndexOutOfRange {
        /// Claimed place of the leaf.
        index: u32,
        /// Claimed length of the list.
        count: u32,
    },
    /// The index and count call for another number of siblings.
    #[error("the proof has {actual} siblings, its place calls for {expected}")]
    SiblingCount {
        /// What the index and count call for.
        expected: usize,
        /// What the proof holds.
        actual: usize,
    },
    /// The leaf, place and siblings hash to another root.
    #[error("the proof hashes to another root")]
    RootMismatch,
}

/// Builds the inclusion proof of leaf `index`; `None` when the list is not that long.
///
/// Cost: two hashes per leaf of the whole list.
///
/// Source: spec/state.md §list commitments.
pub fn prove<'a>(
    domain: Domain,
    leaves: impl IntoIterator<Item = &'a [u8]>,
    index: u32,
) -> Option<ListProof> {
    let mut level: Vec<H256> = leaves
        .into_iter()
        .map(|bytes| leaf_hash(domain, bytes))
        .collect();
    let count = u32::try_from(level.len()).ok()?;
    if index >= count {
        return None;
    }
    let mut siblings = Vec::new();
    let mut place = usize::try_from(index).ok()?;
    while level.len() > 1 {
        // An odd last node has no sibling on this level: it moves up unchanged.
        siblings.extend(level.get(place ^ 1));
        level = level
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => node_hash(left, right),
                [last, ..] => *last,
                [] => H256::ZERO,
            })
            .collect();
        place /= 2;
    }
    Some(ListProof {
        index,
        count,
        siblings,
    })
}

impl ListProof {
    /// Verifies that `leaf` is leaf `self.index` of the list of `self.count` that `root` commits.
    ///
    /// Cost: at most [`DEPTH_MAX`] + 2 hashes, no allocation.
    ///
    /// # Errors
    /// [`ListProofError`] names the first rule that the proof breaks.
    ///
    /// Source: spec/state.md §list commitments; RFC 9162 §2.1.3.2.
    pub fn verify(&self, root: &H256, domain: Domain, leaf: &[u8]) -> Result<(), ListProofError> {
        let Self {
            index,
            count,
            ref siblings,
        } = *self;
        if index >= count {
            return Err(ListProofError::IndexOutOfRange { index, count });
        }
        let (expected, actual) = (sibling_count(index, count), siblings.len());
        if expected != actual {
            return Err(ListProofError::SiblingCount { expected, actual });
        }
        let mut hash = leaf_hash(domain, leaf);
        let mut rest = siblings.iter();
        let (mut place, mut last) = (index, count.saturating_sub(1));
        while last > 0 {
            if has_sibling(place, last)
                && let Some(sibling) = rest.next()
            {
                hash = match place % 2 {
                    1 => node_hash(sibling, &hash),
                    _ => node_hash(&hash, sibling),
                };
            }
            (place, last) = (place / 2, last / 2);
        }
        if root_hash(domain, count, &hash) == *root {
            Ok(())
        } else {
            Err(ListProofError::RootMismatch)
        }
    }
}

/// Whether node `place` of a level whose last node is `last` has a sibling there.
fn has_sibling(place: u32, last: u32) -> bool {
    place % 2 == 1 || place < last
}

fn sibling_count(index: u32, count: u32) -> usize {
    let (mut place, mut last) = (index, count.saturating_sub(1));
    let mut siblings = 0usize;
    while last > 0 {
        siblings = siblings.saturating_add(usize::from(has_sibling(place, last)));
        (place, last) = (place / 2, last / 2);
    }
    siblings
}

impl Decode for ListProof {
    fn decode<I: Input>(input: &mut I) -> Result<Self, CodecError> {
        let (index, count) = Decode::decode(input)?;
        // Up to 32 elements, the compact length is one byte.
        let len = input.read_byte()?;
        if len % 4 != 0 || usize::from(len / 4) > DEPTH_MAX {
            return Err("list proof has too many siblings".into());
        }
        let siblings = (0..len / 4)
            .map(|_| Decode::decode(input))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            index,
            count,
            siblings,
        })
    }
}
