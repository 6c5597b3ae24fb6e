//! Making proofs: the walk that the verifier repeats.

use allod_primitives::hash::H256;
use allod_primitives::tree::{
    KEY_BYTES_MAX, KEYS_MAX, PROOF_BYTES_MAX, Path, Proof, STEPS_MAX, Step, VALUE_BYTES_MAX,
    value_hash,
};

use super::View;
use super::arena::{Child, Leaf, Node};

/// Why a proof cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProveError {
    /// No key was asked for.
    #[error("no key to prove")]
    NoKeys,
    /// More than [`KEYS_MAX`] keys.
    #[error("{actual} keys are too many for one proof, the maximum is {KEYS_MAX}")]
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
    #[error("a value of {actual} bytes is too long for a proof, the maximum is {VALUE_BYTES_MAX}")]
    ValueTooLong {
        /// Its length.
        actual: usize,
    },
    /// The proof has more than [`PROOF_BYTES_MAX`] bytes or [`STEPS_MAX`] steps: ask for fewer
    /// keys.
    #[error("the proof is too long, ask for fewer keys")]
    ProofTooLong,
    /// The store lacks a value that the tree commits.
    #[error("the store has no value for a key of {} bytes that the tree holds", key.len())]
    ValueMissing {
        /// The key.
        key: Vec<u8>,
    },
    /// The store has another value than the tree commits.
    #[error("the store has another value for a key of {} bytes than the tree", key.len())]
    ValueMismatch {
        /// The key.
        key: Vec<u8>,
    },
    /// A reference leads nowhere: a bug, or broken memory.
    #[error("the tree is corrupt")]
    Corrupt,
}

struct Target<'k> {
    index: u16,
    path: Path,
    key: &'k [u8],
}

pub(super) fn prove<K: AsRef<[u8]>>(
    view: View<'_>,
    keys: &[K],
    lookup: impl FnMut(&[u8], &H256) -> Option<Vec<u8>>,
) -> Result<Proof, ProveError> {
    let mut targets = targets(keys)?;
    let proof = Proof {
        steps: Vec::new(),
        siblings: Vec::new(),
    };
    let mut prover = Prover {
        view,
        lookup,
        proof,
        bytes: 16,
    };
    if let Some(root) = view.root {
        prover.visit(root, &mut targets)?;
    }
    Ok(prover.proof)
}

fn targets<K: AsRef<[u8]>>(keys: &[K]) -> Result<Vec<Target<'_>>, ProveError> {
    if keys.is_empty() {
        return Err(ProveError::NoKeys);
    }
    if keys.len() > KEYS_MAX {
        return Err(ProveError::TooManyKeys { actual: keys.len() });
    }
    let mut targets = Vec::with_capacity(keys.len());
    for key in keys.iter().map(AsRef::as_ref) {
        if key.len() > KEY_BYTES_MAX {
            return Err(ProveError::KeyTooLong { actual: key.len() });
        }
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

struct Prover<'t, F> {
    view: View<'t>,
    lookup: F,
    proof: Proof,
    /// Upper bound of the encoding so far.
    bytes: usize,
}

impl<F: FnMut(&[u8], &H256) -> Option<Vec<u8>>> Prover<'_, F> {
    /// Shows the subtree `child`, to which the walks of `targets` lead. At most 256 deep.
    fn visit(&mut self, child: Child, targets: &mut [Target<'_>]) -> Result<(), ProveError> {
        if targets.is_empty() {
            self.count(32)?;
            self.proof.siblings.push(child.hash);
            return Ok(());
        }
        match self
            .view
            .arena
            .node(child.node)
            .ok_or(ProveError::Corrupt)?
        {
            Node::Leaf(leaf) => self.leaf(leaf, targets),
            Node::Inner(inner) => {
                self.step(Step::Inner { bit: inner.bit }, 2)?;
                // Walks skip bits, so the order by path need not be an order by this bit.
                if !targets.is_sorted_by_key(|target| target.path.bit(inner.bit)) {
                    targets.sort_by_key(|target| target.path.bit(inner.bit));
                }
                let middle = targets.partition_point(|target| !target.path.bit(inner.bit));
                let (zero, one) = targets.split_at_mut(middle);
                self.visit(inner.left, zero)?;
                self.visit(inner.right, one)
            }
        }
    }

    fn leaf(&mut self, leaf: &Leaf, targets: &[Target<'_>]) -> Result<(), ProveError> {
        let Some(target) = targets.iter().find(|target| *target.key == *leaf.key) else {
            let (key, value_hash) = (leaf.key.to_vec(), leaf.value_hash);
            let bytes = key.len().saturating_add(40);
            return self.step(Step::Other { key, value_hash }, bytes);
        };
        let key = || leaf.key.to_vec();
        let value = (self.lookup)(&leaf.key, &leaf.value_hash);
        let value = value.ok_or_else(|| ProveError::ValueMissing { key: key() })?;
        if value.len() > VALUE_BYTES_MAX {
            return Err(ProveError::ValueTooLong {
                actual: value.len(),
            });
        }
        if value_hash(&value) != leaf.value_hash {
            return Err(ProveError::ValueMismatch { key: key() });
        }
        let bytes = value.len().saturating_add(9);
        self.step(
            Step::Present {
                key_index: target.index,
                value,
            },
            bytes,
        )
    }

    fn step(&mut self, step: Step, bytes: usize) -> Result<(), ProveError> {
        self.count(bytes)?;
        if self.proof.steps.len() >= STEPS_MAX {
            return Err(ProveError::ProofTooLong);
        }
        self.proof.steps.push(step);
        Ok(())
    }

    fn count(&mut self, bytes: usize) -> Result<(), ProveError> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > PROOF_BYTES_MAX {
            return Err(ProveError::ProofTooLong);
        }
        Ok(())
    }
}
