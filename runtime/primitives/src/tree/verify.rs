//! Verification of proofs: the walk that the keys dictate, over the nodes that the proof shows.

use std::collections::BTreeMap;

use crate::hash::H256;

use super::{
    KEY_BYTES_MAX, KEYS_MAX, Path, Proof, Step, VALUE_BYTES_MAX, VerifiedProof, empty_root,
    inner_hash, leaf_hash, value_hash,
};

/// Why a [`Proof`] was refused. Every one but the first three is the prover's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// A proof about no key proves nothing.
    #[error("no key was given to verify")]
    NoKeys,
    /// More than [`KEYS_MAX`] keys.
    #[error("{actual} keys were given to verify, the maximum is {KEYS_MAX}")]
    TooManyKeys {
        /// How many.
        actual: usize,
    },
    /// A key longer than [`KEY_BYTES_MAX`].
    #[error("a key of {actual} bytes is too long, the maximum is {KEY_BYTES_MAX}")]
    KeyTooLong {
        /// Its length.
        actual: usize,
    },
    /// A value longer than [`VALUE_BYTES_MAX`].
    #[error("a value of {actual} bytes is too long, the maximum is {VALUE_BYTES_MAX}")]
    ValueTooLong {
        /// Its length.
        actual: usize,
    },
    /// A walk goes on where the steps end.
    #[error("the proof has no step where a walk goes on")]
    MissingStep,
    /// Steps are left when every walk has ended.
    #[error("{count} steps are left when every walk has ended")]
    ExtraSteps {
        /// How many.
        count: usize,
    },
    /// A subtree beside the walks has no hash.
    #[error("the proof has no hash for a subtree beside the walks")]
    MissingSibling,
    /// Hashes are left when every walk has ended.
    #[error("{count} hashes are left when every walk has ended")]
    ExtraSiblings {
        /// How many.
        count: usize,
    },
    /// Bit indices do not grow on a walk.
    #[error("bit {child} comes below bit {parent}")]
    BitOrder {
        /// Bit index of the upper node.
        parent: u8,
        /// Bit index of the lower node.
        child: u8,
    },
    /// A leaf names a key whose walk does not end there.
    #[error("the walk of key {key_index} does not end at the leaf that names it")]
    KeyNotHere {
        /// Place of the key in the order of the paths.
        key_index: u16,
    },
    /// A leaf stands where a walk of its own key would not lead.
    #[error("a leaf stands where the walk of its key does not lead")]
    LeafOffRoute,
    /// A leaf of a proven key is shown as the leaf of another.
    #[error("the leaf of a key that was asked for is shown without its value")]
    ValueWithheld,
    /// The nodes hash to another root.
    #[error("the proof hashes to another root")]
    RootMismatch,
}

impl Proof {
    /// Verifies what the state under `root` holds under exactly these keys.
    ///
    /// `root`: the state root of a header that a certificate covers. `keys`: 1 to [`KEYS_MAX`],
    /// in any order, each at most [`KEY_BYTES_MAX`] bytes; a repeated key counts once.
    /// Cost: one hash per node shown and per key; recursion at most 256 deep.
    ///
    /// # Errors
    /// [`ProofError`] names the first rule that the proof breaks. Absence of a key is an answer,
    /// not an error.
    ///
    /// Source: spec/state.md §proofs.
    pub fn verify<K: AsRef<[u8]>>(
        &self,
        root: &H256,
        keys: &[K],
    ) -> Result<VerifiedProof, ProofError> {
        let mut targets = targets(keys)?;
        let mut walk = Walk {
            steps: self.steps.iter(),
            siblings: self.siblings.iter(),
            answers: BTreeMap::new(),
        };
        let hash = if self.steps.is_empty() && *root == empty_root() {
            walk.all_absent(&targets);
            *root
        } else {
            walk.node(&mut targets, None, [0; 32])?
        };
        let count = walk.steps.len();
        ensure!(count == 0, ProofError::ExtraSteps { count });
        let count = walk.siblings.len();
        ensure!(count == 0, ProofError::ExtraSiblings { count });
        ensure!(hash == *root, ProofError::RootMismatch);
        Ok(VerifiedProof {
            root: *root,
            answers: walk.answers,
        })
    }
}

/// A key to prove, with its path and its place in the order of the paths.
struct Target<'k> {
    index: u16,
    path: Path,
    key: &'k [u8],
}

/// Puts the targets with a zero at `bit` before those with a one, each part in its old order.
///
/// Order by path is not enough: walks skip bits, so two targets that reach the same node may
/// differ before `bit`.
fn split<'t, 'k>(
    targets: &'t mut [Target<'k>],
    bit: u8,
) -> (&'t mut [Target<'k>], &'t mut [Target<'k>]) {
    if !targets.is_sorted_by_key(|target| target.path.bit(bit)) {
        targets.sort_by_key(|target| target.path.bit(bit));
    }
    let middle = targets.partition_point(|target| !target.path.bit(bit));
    targets.split_at_mut(middle)
}

fn targets<K: AsRef<[u8]>>(keys: &[K]) -> Result<Vec<Target<'_>>, ProofError> {
    let actual = keys.len();
    ensure!(actual > 0, ProofError::NoKeys);
    ensure!(actual <= KEYS_MAX, ProofError::TooManyKeys { actual });
    let mut targets = Vec::with_capacity(keys.len());
    for key in keys.iter().map(AsRef::as_ref) {
        let actual = key.len();
        ensure!(actual <= KEY_BYTES_MAX, ProofError::KeyTooLong { actual });
        targets.push(Target {
            index: 0,
            path: Path::of(key),
            key,
        });
    }
    targets.sort_unstable_by_key(|target| target.path);
    targets.dedup_by_key(|target| target.path);
    for (index, target) in (0u16..).zip(&mut targets) {
        target.index = index;
    }
    Ok(targets)
}

struct Walk<'p> {
    steps: std::slice::Iter<'p, Step>,
    siblings: std::slice::Iter<'p, H256>,
    answers: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl Walk<'_> {
    /// The hash of the node that the walks of `targets` reach. `above` is the parent's bit and
    /// `route` marks the bits of all ancestors.
    fn node(
        &mut self,
        targets: &mut [Target<'_>],
        above: Option<u8>,
        route: [u8; 32],
    ) -> Result<H256, ProofError> {
        if targets.is_empty() {
            return self
                .siblings
                .next()
                .copied()
                .ok_or(ProofError::MissingSibling);
        }
        match self.steps.next().ok_or(ProofError::MissingStep)? {
            Step::Inner { bit } => self.inner(targets, above, route, *bit),
            Step::Present { key_index, value } => self.present(targets, *key_index, value),
            Step::Other { key, value_hash } => self.other(targets, &route, key, value_hash),
        }
    }

    fn inner(
        &mut self,
        targets: &mut [Target<'_>],
        above: Option<u8>,
        mut route: [u8; 32],
        bit: u8,
    ) -> Result<H256, ProofError> {
        ensure!(
            above.is_none_or(|parent| parent < bit),
            ProofError::BitOrder {
                parent: above.unwrap_or_default(),
                child: bit,
            }
        );
        if let Some(byte) = route.get_mut(usize::from(bit >> 3)) {
            *byte |= 0x80u8.wrapping_shr(u32::from(bit & 7));
        }
        let (left, right) = split(targets, bit);
        let left = self.node(left, Some(bit), route)?;
        let right = self.node(right, Some(bit), route)?;
        Ok(inner_hash(bit, &left, &right))
    }

    fn present(
        &mut self,
        targets: &mut [Target<'_>],
        key_index: u16,
        value: &[u8],
    ) -> Result<H256, ProofError> {
        let actual = value.len();
        ensure!(
            actual <= VALUE_BYTES_MAX,
            ProofError::ValueTooLong { actual }
        );
        let target = targets.iter().find(|target| target.index == key_index);
        let target = target.ok_or(ProofError::KeyNotHere { key_index })?;
        self.all_absent(targets);
        self.answers
            .insert(target.key.to_vec(), Some(value.to_vec()));
        Ok(leaf_hash(target.key, &value_hash(value)))
    }

    fn other(
        &mut self,
        targets: &mut [Target<'_>],
        route: &[u8; 32],
        key: &[u8],
        value_hash: &H256,
    ) -> Result<H256, ProofError> {
        let length = key.len();
        ensure!(
            length <= KEY_BYTES_MAX,
            ProofError::KeyTooLong { actual: length }
        );
        let path = Path::of(key);
        // Every target that got here agrees with the route, so the leaf must agree with it:
        // else no honest tree has this leaf here, and its absence elsewhere says nothing.
        let mut here = targets.iter();
        ensure!(
            here.all(|target| target.path.agrees_on(&path, route)),
            ProofError::LeafOffRoute
        );
        let mut here = targets.iter();
        ensure!(
            here.all(|target| target.path != path),
            ProofError::ValueWithheld
        );
        self.all_absent(targets);
        Ok(leaf_hash(key, value_hash))
    }

    fn all_absent(&mut self, targets: &[Target<'_>]) {
        self.answers
            .extend(targets.iter().map(|target| (target.key.to_vec(), None)));
    }
}
