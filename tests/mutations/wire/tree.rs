//! Proofs of the state tree: no mutant says anything but the truth.

use std::collections::BTreeMap;

use allod_primitives::H256;
use allod_primitives::tree::{
    KEY_BYTES_MAX, KEYS_MAX, Presence, Proof, Step, VALUE_BYTES_MAX, value_hash,
};
use allod_runtime::tree::Tree;
use parity_scale_codec::Encode;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::bytes;
use crate::tally::{Half, Tally, Verdict};

/// A state and its tree.
struct Forest {
    values: BTreeMap<Vec<u8>, Vec<u8>>,
    tree: Tree,
}

/// A question and its honest answer.
struct Answer {
    keys: Vec<Vec<u8>>,
    proof: Proof,
}

impl Forest {
    fn new(rng: &mut ChaCha8Rng) -> Self {
        let mut values = BTreeMap::new();
        for n in 0u32..60 {
            let length = rng.gen_range(0..40);
            let value: Vec<u8> = (0..length).map(|_| rng.r#gen()).collect();
            values.insert((b"key", n).encode(), value);
        }
        let entries = values.iter().map(|(key, value)| (key, value_hash(value)));
        let tree = Tree::from_entries(entries).expect("short keys, each once");
        Self { values, tree }
    }

    /// Asks for some keys, about a third of them absent.
    fn answer(&self, rng: &mut ChaCha8Rng) -> Answer {
        let count = rng.gen_range(1..6);
        let keys: Vec<Vec<u8>> = (0..count)
            .map(|_| (b"key", rng.gen_range(0u32..90)).encode())
            .collect();
        let lookup = |key: &[u8], _: &H256| self.values.get(key).cloned();
        let proof = self
            .tree
            .view()
            .prove(&keys, lookup)
            .expect("the values are there");
        Answer { keys, proof }
    }

    /// Checks that whatever `proof` proves is so. `honest`: the question it was made for.
    fn judge(&self, proof: &Proof, keys: &[Vec<u8>], honest: &[Vec<u8>]) -> Verdict {
        let verified = match proof.verify(&self.tree.root(), keys) {
            Err(error) => return Verdict::refused("ProofError", &error),
            Ok(verified) => verified,
        };
        for (key, presence) in verified.iter() {
            let truth = self.values.get(key).map(Vec::as_slice);
            let claim = match presence {
                Presence::Present(value) => Some(value),
                Presence::Absent => None,
            };
            assert_eq!(claim, truth, "a mutant proof lies");
        }
        assert_ne!(keys, honest, "two proofs of one answer");
        Verdict::Taken("another question that the same nodes answer truly")
    }
}

/// Judges byte mutants of proofs.
pub(crate) fn byte_half(rounds: usize, rng: &mut ChaCha8Rng, tally: &mut Tally) {
    let forest = Forest::new(rng);
    let answers: Vec<Answer> = (0..40).map(|_| forest.answer(rng)).collect();
    let samples: Vec<Vec<u8>> = answers.iter().map(|answer| answer.proof.encode()).collect();
    bytes::run(
        "tree proof",
        &samples,
        rounds,
        rng,
        tally,
        |original, mutant| {
            let answer = answers
                .iter()
                .find(|answer| answer.proof.encode() == original);
            let answer = answer.expect("the sample is of one of them");
            match Proof::from_bytes(mutant) {
                Err(error) => Verdict::refused("tree::DecodeError", &error),
                Ok(proof) => {
                    assert_eq!(proof.encode(), mutant, "one value, one encoding");
                    forest.judge(&proof, &answer.keys, &answer.keys)
                }
            }
        },
    );
}

type Forge = fn(&mut Answer, &mut ChaCha8Rng);

/// What a liar with the tree at hand would try. Some draws change nothing; they are drawn again.
const FORGERIES: &[Forge] = &[
    |it, _| it.keys.clear(),
    |it, rng| {
        let count = rng.gen_range(KEYS_MAX + 1..KEYS_MAX + 9);
        it.keys = (0..count).map(|n| (n as u64).encode()).collect();
    },
    |it, rng| it.keys[0] = vec![0; rng.gen_range(KEY_BYTES_MAX + 1..KEY_BYTES_MAX + 99)],
    |it, rng| it.keys[0] = rng.r#gen::<[u8; 8]>().to_vec(),
    |it, rng| {
        let at = rng.gen_range(0..=it.proof.siblings.len());
        it.proof.siblings.insert(at, H256(rng.r#gen()));
    },
    |it, rng| {
        let last = it.proof.siblings.len().saturating_sub(rng.gen_range(1..3));
        it.proof.siblings.truncate(last);
    },
    |it, rng| {
        if let Some(last) = it.proof.siblings.len().checked_sub(1) {
            let at = rng.gen_range(0..=last);
            it.proof.siblings.swap(at, last);
        }
    },
    |it, rng| {
        let at = rng.gen_range(0..it.proof.steps.len());
        it.proof.steps.truncate(at);
    },
    |it, rng| {
        let at = rng.gen_range(0..it.proof.steps.len());
        let again = it.proof.steps[at].clone();
        it.proof.steps.push(again);
    },
    |it, rng| {
        let (a, b) = (
            rng.gen_range(0..it.proof.steps.len()),
            it.proof.steps.len() - 1,
        );
        it.proof.steps.swap(a, b);
    },
    |it, rng| any_step(it, rng, change_inner),
    |it, rng| any_step(it, rng, change_leaf),
    |it, rng| any_step(it, rng, |step, _| withhold(step)),
];

fn any_step(answer: &mut Answer, rng: &mut ChaCha8Rng, change: fn(&mut Step, &mut ChaCha8Rng)) {
    let at = rng.gen_range(0..answer.proof.steps.len());
    change(&mut answer.proof.steps[at], rng);
}

fn change_inner(step: &mut Step, rng: &mut ChaCha8Rng) {
    if let Step::Inner { bit } = step {
        *bit = rng.r#gen();
    }
}

fn change_leaf(step: &mut Step, rng: &mut ChaCha8Rng) {
    match step {
        Step::Inner { .. } => {}
        Step::Present { key_index, value } => match rng.gen_range(0..4) {
            0 => *key_index = rng.gen_range(0..KEYS_MAX as u16),
            1 => value.push(0),
            2 => *value = vec![0; VALUE_BYTES_MAX + rng.gen_range(1..9)],
            _ => *value = rng.r#gen::<[u8; 4]>().to_vec(),
        },
        Step::Other { key, value_hash } => match rng.gen_range(0..3) {
            0 => *key = rng.r#gen::<[u8; 8]>().to_vec(),
            1 => *key = vec![0; KEY_BYTES_MAX + rng.gen_range(1..9)],
            _ => *value_hash = H256(rng.r#gen()),
        },
    }
}

/// Shows the leaf of a key that was asked for as if it were another's.
fn withhold(step: &mut Step) {
    if let Step::Present { value, .. } = step {
        // The right leaf, so that the hashes still agree: only the rule notices.
        let hash = value_hash(value);
        *step = Step::Other {
            key: Vec::new(),
            value_hash: hash,
        };
    }
}

/// Judges forged proofs; a withheld value names its key, so that all hashes agree.
pub(crate) fn field_half(rounds: usize, rng: &mut ChaCha8Rng, tally: &mut Tally) {
    let forest = Forest::new(rng);
    for round in 0..rounds {
        let verdict = loop {
            let honest = forest.answer(rng);
            let mut forged = Answer {
                keys: honest.keys.clone(),
                proof: honest.proof.clone(),
            };
            FORGERIES[round % FORGERIES.len()](&mut forged, rng);
            restore_withheld(&honest, &mut forged);
            if forged.proof != honest.proof || forged.keys != honest.keys {
                break forest.judge(&forged.proof, &forged.keys, &honest.keys);
            }
        };
        tally.count("tree proof", Half::Fields, verdict);
    }
}

/// Writes the key of a withheld value into its leaf.
fn restore_withheld(honest: &Answer, forged: &mut Answer) {
    let mut keys = honest.keys.clone();
    keys.sort_by_key(|key| allod_primitives::sha2_256(key));
    keys.dedup();
    for (before, after) in honest.proof.steps.iter().zip(&mut forged.proof.steps) {
        if let (Step::Present { key_index, .. }, Step::Other { key, .. }) = (before, after)
            && key.is_empty()
        {
            key.clone_from(&keys[usize::from(*key_index)]);
        }
    }
}
