use parity_scale_codec::{DecodeAll, Encode};
use rand::{Rng, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use super::model::{self, State};
use crate::hash::H256;
use crate::tree::{Path, Presence, Proof, empty_root, inner_hash, leaf_hash, value_hash};

fn check(state: &State, keys: &[Vec<u8>]) -> Proof {
    let root = model::root(state);
    let proof = model::prove(state, keys);
    let bytes = proof.encode();
    assert_eq!(Proof::from_bytes(&bytes), Ok(proof.clone()));
    assert_eq!(Proof::decode_all(&mut &bytes[..]).unwrap(), proof);
    let verified = proof.verify(&root, keys).unwrap();
    assert_eq!(verified.root(), &root);
    for key in keys {
        let expected = state
            .get(key)
            .map_or(Presence::Absent, |value| Presence::Present(value));
        assert_eq!(verified.get(key), Some(expected));
    }
    let mut asked = keys.to_vec();
    asked.sort();
    asked.dedup();
    assert!(verified.iter().map(|(key, _)| key).eq(asked.iter()));
    assert_eq!(verified.get(b"never asked for"), None);
    proof
}

#[test]
fn hashes_are_those_of_the_specification() {
    assert_eq!(empty_root(), model::sha256(&[&[0]]));
    assert_eq!(value_hash(b"v"), model::sha256(&[b"v"]));
    assert_eq!(
        leaf_hash(b"key", &H256([7; 32])),
        model::sha256(&[&[1, 3, 0, 0, 0], b"key", &[7; 32]])
    );
    assert_eq!(
        inner_hash(200, &H256([1; 32]), &H256([2; 32])),
        model::sha256(&[&[2, 0, 200], &[1; 32], &[2; 32]])
    );
}

#[test]
fn a_path_is_read_from_its_most_significant_bit() {
    let path = Path::of(b"a");
    let bytes = *path.as_bytes();
    for bit in 0..=255u8 {
        let expected = bytes[usize::from(bit / 8)] & (0x80 >> (bit % 8)) != 0;
        assert_eq!(path.bit(bit), expected);
    }
    let other = Path::of(b"b");
    let first = (0..=255u8).find(|bit| path.bit(*bit) != other.bit(*bit));
    assert_eq!(path.first_difference(&other), first);
    assert_eq!(path.first_difference(&path), None);
}

#[test]
fn an_empty_tree_proves_every_absence() {
    let proof = check(&State::new(), &[b"a".to_vec(), b"b".to_vec()]);
    assert_eq!(proof.encode().len(), 3);
}

#[test]
fn presence_and_absence_in_small_trees_are_proven_one_by_one_and_together() {
    for count in 1..24 {
        let state = model::state("key", count);
        let present: Vec<_> = state.keys().cloned().collect();
        let absent: Vec<_> = model::state("none", 12).into_keys().collect();
        for key in present.iter().chain(&absent) {
            check(&state, std::slice::from_ref(key));
        }
        check(&state, &present);
        check(&state, &absent);
        check(&state, &[present, absent].concat());
    }
}

#[test]
fn random_sets_of_keys_are_proven_in_random_states() {
    let seed = 0x5eed_0001;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for round in 0..40 {
        let state = model::state(&format!("seed {seed} round {round}"), rng.gen_range(1..120));
        let mut keys: Vec<_> = state.keys().cloned().collect();
        keys.extend(model::state("absent", rng.gen_range(1..60)).into_keys());
        keys.shuffle(&mut rng);
        keys.truncate(rng.gen_range(1..=keys.len()));
        let repeated = keys[0].clone();
        keys.push(repeated);
        check(&state, &keys);
    }
}

#[test]
fn every_single_byte_mutation_is_refused_or_proves_the_same() {
    let state = model::state("mutate", 10);
    let root = model::root(&state);
    let present: Vec<_> = state.keys().cloned().collect();
    let absent: Vec<_> = model::state("none", 3).into_keys().collect();
    let queries = [
        vec![present[3].clone()],
        vec![absent[0].clone()],
        [&present[..2], &absent[..]].concat(),
    ];
    for keys in queries {
        let proof = model::prove(&state, &keys);
        let expected = proof.verify(&root, &keys).unwrap();
        let bytes = proof.encode();
        for place in 0..bytes.len() {
            for flip in 1..=255u8 {
                let mut mutated = bytes.clone();
                mutated[place] ^= flip;
                let Ok(proof) = Proof::from_bytes(&mutated) else {
                    continue;
                };
                if let Ok(verified) = proof.verify(&root, &keys) {
                    assert_eq!(verified, expected);
                }
            }
        }
    }
}

#[test]
fn every_truncation_and_every_trailing_byte_is_refused() {
    let state = model::state("cut", 20);
    let key = state.keys().next().unwrap().clone();
    let bytes = model::prove(&state, &[key]).encode();
    for length in 0..bytes.len() {
        assert!(Proof::from_bytes(&bytes[..length]).is_err());
    }
    for extra in 0..=255u8 {
        let longer = [&bytes[..], &[extra]].concat();
        assert!(Proof::from_bytes(&longer).is_err());
    }
}

#[test]
fn random_bytes_neither_panic_nor_verify() {
    let mut rng = ChaCha8Rng::seed_from_u64(0x5eed_0002);
    let keys = [b"a".to_vec(), b"b".to_vec()];
    for _ in 0..20_000 {
        let mut bytes: Vec<u8> = (0..rng.gen_range(0..200)).map(|_| rng.r#gen()).collect();
        // Small bytes reach further into the format than uniform ones.
        bytes
            .iter_mut()
            .filter(|_| rng.gen_bool(0.5))
            .for_each(|byte| *byte %= 9);
        bytes.splice(0..0, [1]);
        if let Ok(proof) = Proof::from_bytes(&bytes) {
            assert!(proof.verify(&H256([9; 32]), &keys).is_err());
        }
    }
}
