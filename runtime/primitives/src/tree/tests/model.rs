//! A naive tree, written from spec/state.md without the code under test: a sorted list that is
//! cut bit by bit.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::hash::H256;
use crate::tree::{Proof, Step};

pub(super) type State = BTreeMap<Vec<u8>, Vec<u8>>;

pub(super) fn sha256(parts: &[&[u8]]) -> H256 {
    H256(Sha256::digest(parts.concat()).into())
}

fn bit_of(key: &[u8], bit: usize) -> bool {
    sha256(&[key]).0[bit / 8] >> (7 - bit % 8) & 1 == 1
}

type Entries<'a> = Vec<(&'a [u8], &'a [u8])>;

fn cut<'a>(entries: &Entries<'a>, bit: usize) -> (Entries<'a>, Entries<'a>) {
    entries.iter().partition(|(key, _)| !bit_of(key, bit))
}

fn hash(entries: &Entries<'_>, bit: usize) -> H256 {
    if let [(key, value)] = entries[..] {
        let length = (key.len() as u32).to_le_bytes();
        return sha256(&[&[1], &length, key, &sha256(&[value]).0]);
    }
    let (left, right) = cut(entries, bit);
    if left.is_empty() || right.is_empty() {
        return hash(entries, bit + 1);
    }
    let index = (bit as u16).to_be_bytes();
    sha256(&[
        &[2],
        &index,
        &hash(&left, bit + 1).0,
        &hash(&right, bit + 1).0,
    ])
}

pub(super) fn root(state: &State) -> H256 {
    let entries: Entries<'_> = state.iter().map(|(k, v)| (&k[..], &v[..])).collect();
    if entries.is_empty() {
        sha256(&[&[0]])
    } else {
        hash(&entries, 0)
    }
}

pub(super) fn prove(state: &State, keys: &[Vec<u8>]) -> Proof {
    let mut keys = keys.to_vec();
    keys.sort_by_key(|key| sha256(&[key]));
    keys.dedup();
    let mut proof = Proof {
        steps: vec![],
        siblings: vec![],
    };
    let entries: Entries<'_> = state.iter().map(|(k, v)| (&k[..], &v[..])).collect();
    if !entries.is_empty() {
        let all: Vec<usize> = (0..keys.len()).collect();
        visit(&entries, 0, &keys, &all, &mut proof);
    }
    proof
}

fn visit(entries: &Entries<'_>, bit: usize, keys: &[Vec<u8>], here: &[usize], proof: &mut Proof) {
    if here.is_empty() {
        proof.siblings.push(hash(entries, bit));
        return;
    }
    if let [(key, value)] = entries[..] {
        let step = match here.iter().find(|index| keys[**index] == key) {
            Some(index) => Step::Present {
                key_index: *index as u16,
                value: value.to_vec(),
            },
            None => Step::Other {
                key: key.to_vec(),
                value_hash: sha256(&[value]),
            },
        };
        proof.steps.push(step);
        return;
    }
    let (left, right) = cut(entries, bit);
    if left.is_empty() || right.is_empty() {
        return visit(entries, bit + 1, keys, here, proof);
    }
    proof.steps.push(Step::Inner { bit: bit as u8 });
    let (zero, one): (Vec<usize>, Vec<usize>) = here.iter().partition(|i| !bit_of(&keys[**i], bit));
    visit(&left, bit + 1, keys, &zero, proof);
    visit(&right, bit + 1, keys, &one, proof);
}

/// `count` keys named after `prefix`, each with a short value.
pub(super) fn state(prefix: &str, count: usize) -> State {
    (0..count)
        .map(|i| {
            (
                format!("{prefix} {i}").into_bytes(),
                format!("value {i}").into_bytes(),
            )
        })
        .collect()
}
