//! A naive twin: a map, whose root is computed anew each time by the definition.

use std::collections::BTreeMap;

use allod_primitives::hash::{H256, sha2_256};
use allod_primitives::tree::{Presence, value_hash};
use rand::Rng;
use rand::seq::IteratorRandom;
use rand_chacha::ChaCha8Rng;

use crate::tree::View;

/// Keys with their values.
#[derive(Clone, Debug, Default)]
pub(super) struct Model(pub(super) BTreeMap<Vec<u8>, Vec<u8>>);

/// A batch, as the state machine hands it over: `None` deletes.
pub(super) type Batch = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// A batch with the values' hashes, as the tree takes it.
pub(super) fn hashed(batch: &Batch) -> Vec<(Vec<u8>, Option<H256>)> {
    let hash = |value: &Option<Vec<u8>>| value.as_deref().map(value_hash);
    batch
        .iter()
        .map(|(key, value)| (key.clone(), hash(value)))
        .collect()
}

impl Model {
    pub(super) fn apply(&mut self, batch: &Batch) {
        for (key, value) in batch {
            match value {
                Some(value) => self.0.insert(key.clone(), value.clone()),
                None => self.0.remove(key),
            };
        }
    }

    pub(super) fn entries(&self) -> Vec<(Vec<u8>, H256)> {
        self.0
            .iter()
            .map(|(key, value)| (key.clone(), value_hash(value)))
            .collect()
    }

    /// The root by the definition of spec/state.md.
    pub(super) fn root(&self) -> H256 {
        let leaves: Vec<(H256, H256)> = self
            .0
            .iter()
            .map(|(key, value)| {
                let length = (key.len() as u32).to_le_bytes();
                let value = sha2_256(value);
                let leaf = [&[1], &length[..], key, &value.0].concat();
                (sha2_256(key), sha2_256(&leaf))
            })
            .collect();
        if leaves.is_empty() {
            sha2_256(&[0])
        } else {
            root(leaves, 0)
        }
    }

    /// A batch of `size` random changes: deletions, updates, insertions, and some that change
    /// nothing.
    pub(super) fn random_batch(&self, rng: &mut ChaCha8Rng, size: usize) -> Batch {
        let mut batch = Batch::new();
        for _ in 0..size {
            let known = self.0.iter().choose(rng);
            let fresh = || b"fresh".to_vec();
            let (key, value) = match (rng.gen_range(0..10), known) {
                (0..3, Some((key, _))) => (key.clone(), None),
                (3..6, Some((key, _))) => (key.clone(), Some(rng.r#gen::<[u8; 4]>().to_vec())),
                (6, Some((key, value))) => (key.clone(), Some(value.clone())),
                (7, _) => (rng.r#gen::<[u8; 8]>().to_vec(), None),
                _ => (rng.r#gen::<[u8; 3]>().to_vec(), Some(fresh())),
            };
            batch.insert(key, value);
        }
        batch
    }

    /// Checks a version's every answer against the model.
    pub(super) fn check(&self, view: View<'_>, rng: &mut ChaCha8Rng) {
        assert_eq!(view.root(), self.root());
        assert_eq!(view.key_count(), self.0.len() as u64);
        let mut entries = self.entries();
        entries.sort_by_key(|(key, _)| sha2_256(key));
        assert!(
            view.entries()
                .eq(entries.iter().map(|(key, hash)| (&key[..], *hash)))
        );

        let mut keys: Vec<Vec<u8>> = self.0.keys().cloned().choose_multiple(rng, 5);
        keys.extend((0..5).map(|_| rng.r#gen::<[u8; 2]>().to_vec()));
        let lookup = |key: &[u8], _: &H256| self.0.get(key).cloned();
        let proof = view.prove(&keys, lookup).unwrap();
        let verified = proof.verify(&view.root(), &keys).unwrap();
        for key in &keys {
            let value = self.0.get(key);
            let expected = value.map_or(Presence::Absent, |value| Presence::Present(value));
            assert_eq!(verified.get(key), Some(expected));
            assert_eq!(view.get(key), value.map(|value| value_hash(value)));
        }
    }
}

fn root(leaves: Vec<(H256, H256)>, bit: usize) -> H256 {
    if let [(_, leaf)] = leaves[..] {
        return leaf;
    }
    let is_one = |path: &H256| path.0[bit / 8] >> (7 - bit % 8) & 1 == 1;
    let (one, zero): (Vec<_>, Vec<_>) = leaves.into_iter().partition(|(path, _)| is_one(path));
    if one.is_empty() || zero.is_empty() {
        return root([zero, one].concat(), bit + 1);
    }
    let (left, right) = (root(zero, bit + 1), root(one, bit + 1));
    sha2_256(&[&[2], &(bit as u16).to_be_bytes()[..], &left.0, &right.0].concat())
}
