//! Guardians: hidden in a Merkle root, invited and acknowledged off the ledger.
//!
//! The ledger knows a root, a count and a threshold. Each guardian holds an [`Invitation`] with
//! everything it needs to take part in a recovery without help from the owner, and answers it
//! with an acknowledgement, which the owner keeps.

use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode};
use scale_info::TypeInfo;

use crate::codec::{BoundedVec, is_strictly_ascending};
use crate::did::DidId;
use crate::hash::{H256, domain_hash};
use crate::limits::{GUARDIAN_PATH_MAX, GUARDIANS_MAX};
use crate::merkle::{Domain, ListProof, prove, root};
use crate::operation::{GuardianLeaf, KeySignature};
use crate::policy::{ControlKey, GuardianSet};
use crate::types::ChainId;

/// A guardian as its owner lists it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Guardian {
    /// Its key.
    pub key: ControlKey,
    /// Its weight, at least 1.
    pub weight: u16,
    /// Fresh and random for each identity and set: without it the root tells nothing.
    pub salt: [u8; 16],
}

/// What a guardian receives when it is asked to be one.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Invitation {
    /// The identity it guards.
    pub did: DidId,
    /// Its key.
    pub key: ControlKey,
    /// Where that is among the guardians.
    pub leaf: GuardianLeaf,
    /// The set, as the ledger will have it.
    pub set: GuardianSet,
}

/// Why guardians cannot be made a set of, or an invitation is void.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GuardianError {
    /// None, or more than [`GUARDIANS_MAX`].
    #[error("{0} guardians, not 1 to {GUARDIANS_MAX}")]
    Count(usize),
    /// A weight of zero.
    #[error("a guardian has weight zero")]
    ZeroWeight,
    /// One key twice.
    #[error("one key is listed twice")]
    KeyTwice,
    /// A threshold of zero or above the sum of weights.
    #[error("threshold {threshold} is not within 1 to {sum}")]
    Threshold {
        /// The threshold asked for.
        threshold: u32,
        /// The sum of weights.
        sum: u32,
    },
    /// The leaf does not lead to the root.
    #[error("the leaf is not in the set")]
    NotInSet,
}

impl Guardian {
    /// Returns the bytes of its leaf: `SCALE(key) ++ weight(2 LE) ++ salt(16)`.
    pub fn leaf_bytes(&self) -> Vec<u8> {
        self.encode()
    }
}

/// Returns the set of `guardians` and, in their order, the invitation of each.
///
/// # Errors
/// [`GuardianError`] names the first rule broken.
///
/// Source: spec/control.md §8.
pub fn make_set(
    did: &DidId,
    guardians: &[Guardian],
    threshold: u32,
    delay_ms: u64,
) -> Result<(GuardianSet, Vec<Invitation>), GuardianError> {
    let number = guardians.len();
    let count = u16::try_from(number).ok().filter(|count| {
        let count = u32::from(*count);
        count > 0 && count <= GUARDIANS_MAX
    });
    let count = count.ok_or(GuardianError::Count(number))?;
    check_guardians(guardians, threshold)?;
    let leaves: Vec<Vec<u8>> = guardians.iter().map(Guardian::leaf_bytes).collect();
    let set = GuardianSet {
        root: root(Domain::Guardians, leaves.iter().map(Vec::as_slice)),
        count,
        threshold,
        delay_ms,
    };
    let invitations = (0u16..).zip(guardians).map(|(index, guardian)| {
        let proof = prove(
            Domain::Guardians,
            leaves.iter().map(Vec::as_slice),
            u32::from(index),
        );
        let siblings = proof.map(|it| it.siblings).unwrap_or_default();
        let path = BoundedVec::try_from(siblings).map_err(|_| GuardianError::Count(number))?;
        Ok(Invitation {
            did: *did,
            key: guardian.key.clone(),
            leaf: GuardianLeaf {
                weight: guardian.weight,
                salt: guardian.salt,
                index,
                path,
            },
            set: set.clone(),
        })
    });
    let invitations = invitations.collect::<Result<Vec<_>, GuardianError>>()?;
    Ok((set, invitations))
}

fn check_guardians(guardians: &[Guardian], threshold: u32) -> Result<(), GuardianError> {
    if guardians.iter().any(|it| it.weight == 0) {
        return Err(GuardianError::ZeroWeight);
    }
    let mut keys: Vec<&ControlKey> = guardians.iter().map(|it| &it.key).collect();
    keys.sort();
    keys.dedup();
    if keys.len() != guardians.len() {
        return Err(GuardianError::KeyTwice);
    }
    let weights = guardians.iter().map(|it| u32::from(it.weight));
    let sum = weights.fold(0u32, u32::saturating_add);
    if threshold == 0 || threshold > sum {
        return Err(GuardianError::Threshold { threshold, sum });
    }
    Ok(())
}

impl GuardianSet {
    /// Returns whether `key` is the guardian that `leaf` says.
    ///
    /// Cost: at most `GUARDIAN_PATH_MAX` + 2 hashes.
    ///
    /// Source: spec/control.md §8.
    pub fn contains(&self, key: &ControlKey, leaf: &GuardianLeaf) -> bool {
        let bytes = (key, leaf.weight, leaf.salt).encode();
        let proof = ListProof {
            index: u32::from(leaf.index),
            count: u32::from(self.count),
            siblings: leaf.path.to_vec(),
        };
        leaf.weight > 0
            && leaf.path.len() <= GUARDIAN_PATH_MAX as usize
            && proof.verify(&self.root, Domain::Guardians, &bytes).is_ok()
    }

    /// Returns whether all of `signatures` are by guardians of this set, strictly ascending by
    /// key and each of another leaf, and reach the threshold. Verifies no signature.
    ///
    /// Source: spec/control.md §8.
    pub fn is_quorum(&self, signatures: &[KeySignature]) -> bool {
        if !is_strictly_ascending(signatures, |it| it.key.clone()) {
            return false;
        }
        let mut indices = Vec::with_capacity(signatures.len());
        let mut sum = 0u32;
        for signature in signatures {
            let Some(leaf) = &signature.leaf else {
                return false;
            };
            if indices.contains(&leaf.index) || !self.contains(&signature.key, leaf) {
                return false;
            }
            indices.push(leaf.index);
            sum = sum.saturating_add(u32::from(leaf.weight));
        }
        sum >= self.threshold
    }
}

impl Invitation {
    /// Checks that the leaf is in the set, so that its holder can take part one day.
    ///
    /// # Errors
    /// [`GuardianError::NotInSet`].
    pub fn check(&self) -> Result<(), GuardianError> {
        if self.set.contains(&self.key, &self.leaf) {
            Ok(())
        } else {
            Err(GuardianError::NotInSet)
        }
    }

    /// Returns its hash: `H("allod/guardian-invitation/v1", SCALE(self))`.
    pub fn hash(&self) -> H256 {
        domain_hash("allod/guardian-invitation/v1", &[&self.encode()])
    }
}

/// Returns what a guardian signs to say that it holds the invitation of this hash, 101 bytes:
/// `"allod/guardian-acknowledgement/v1" ++ genesis(32) ++ fork_id(4 LE) ++ hash(32)`.
pub fn acknowledgement_preimage(chain: &ChainId, invitation: &H256) -> Vec<u8> {
    let mut out = b"allod/guardian-acknowledgement/v1".to_vec();
    out.extend_from_slice(&chain.preimage());
    out.extend_from_slice(&invitation.0);
    out
}
