//! `spec/vectors/{valid,invalid}/merkle-*.json`. With `ALLOD_WRITE_VECTORS=1` the files are made
//! from the definition of RFC 6962; without, they are checked.

use std::{fs, path::PathBuf};

use parity_scale_codec::{DecodeAll, Encode};
use serde::{Deserialize, Serialize};

use crate::hash::H256;

use super::{Domain, ListProof, prove, root, tests::model_root};

#[derive(Debug, Serialize, Deserialize, PartialEq)]
struct Vector {
    description: String,
    /// `valid`, or the name of the error.
    expect: String,
    domain: u8,
    leaves: Vec<String>,
    root: String,
    /// The leaf that the proof is about, and the proof; left out for the empty list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    leaf: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    proof: Option<String>,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../spec/vectors")
}

fn leaves(count: usize) -> Vec<Vec<u8>> {
    (0..count)
        .map(|i| format!("leaf {i}").into_bytes())
        .collect()
}

fn vector(
    domain: Domain,
    count: usize,
    index: u32,
    expect: &str,
    description: &str,
    change: impl FnOnce(&mut ListProof),
) -> Vector {
    let leaves = leaves(count);
    let slices: Vec<_> = leaves.iter().map(Vec::as_slice).collect();
    let mut proof = prove(domain, slices.iter().copied(), index);
    if let Some(proof) = &mut proof {
        change(proof);
    }
    Vector {
        description: description.into(),
        expect: expect.into(),
        domain: domain.byte(),
        leaves: leaves.iter().map(hex::encode).collect(),
        root: hex::encode(model_root(domain, &slices)),
        leaf: leaves.get(index as usize).map(hex::encode),
        proof: proof.map(|proof| hex::encode(proof.encode())),
    }
}

fn vectors() -> Vec<(&'static str, Vector)> {
    use Domain::{Changes, Extrinsics, Guardians};
    let same = |_: &mut ListProof| {};
    vec![
        (
            "valid/merkle-empty",
            vector(Extrinsics, 0, 0, "valid", "no leaf", same),
        ),
        (
            "valid/merkle-one",
            vector(Extrinsics, 1, 0, "valid", "one leaf, no sibling", same),
        ),
        (
            "valid/merkle-two",
            vector(Changes, 2, 1, "valid", "the right one of two", same),
        ),
        (
            "valid/merkle-odd",
            vector(Guardians, 5, 4, "valid", "an odd last leaf moves up", same),
        ),
        (
            "valid/merkle-seven",
            vector(Changes, 7, 3, "valid", "a full lower left part", same),
        ),
        ("invalid/merkle-index-out-of-range", {
            let text = "index 5 of 5";
            vector(Extrinsics, 5, 1, "IndexOutOfRange", text, |proof| {
                proof.index = 5
            })
        }),
        ("invalid/merkle-another-index", {
            let text = "the proof of leaf 1 given for leaf 2";
            vector(Extrinsics, 5, 1, "RootMismatch", text, |proof| {
                proof.index = 2
            })
        }),
        ("invalid/merkle-another-count", {
            let text = "the list is said to have 6 leaves, it has 5";
            vector(Extrinsics, 5, 1, "RootMismatch", text, |proof| {
                proof.count = 6
            })
        }),
        ("invalid/merkle-missing-sibling", {
            let text = "one hash too few";
            vector(Changes, 5, 1, "SiblingCount", text, |proof| {
                proof.siblings.pop();
            })
        }),
        ("invalid/merkle-extra-sibling", {
            let text = "one hash too many";
            vector(Changes, 5, 1, "SiblingCount", text, |proof| {
                proof.siblings.push(H256::ZERO)
            })
        }),
        ("invalid/merkle-swapped-siblings", {
            let text = "two hashes changed places";
            vector(Guardians, 5, 1, "RootMismatch", text, |proof| {
                proof.siblings.swap(0, 1)
            })
        }),
        ("invalid/merkle-another-domain", {
            let text = "the root of a list of extrinsics, the proof of one of guardians";
            let mut vector = vector(Guardians, 5, 1, "RootMismatch", text, same);
            let leaves = leaves(5);
            let slices: Vec<_> = leaves.iter().map(Vec::as_slice).collect();
            vector.root = hex::encode(model_root(Extrinsics, &slices));
            vector
        }),
    ]
}

fn outcome(vector: &Vector) -> String {
    let domain = [Domain::Extrinsics, Domain::Changes, Domain::Guardians]
        .into_iter()
        .find(|domain| domain.byte() == vector.domain)
        .unwrap();
    let leaves: Vec<_> = vector
        .leaves
        .iter()
        .map(|leaf| hex::decode(leaf).unwrap())
        .collect();
    let stored = H256(hex::decode(&vector.root).unwrap().try_into().unwrap());
    if vector.expect == "valid" {
        assert_eq!(root(domain, leaves.iter().map(Vec::as_slice)), stored);
    }
    let (Some(leaf), Some(proof)) = (&vector.leaf, &vector.proof) else {
        return "valid".into();
    };
    let proof = ListProof::decode_all(&mut &hex::decode(proof).unwrap()[..]).unwrap();
    match proof.verify(&stored, domain, &hex::decode(leaf).unwrap()) {
        Ok(()) => "valid".into(),
        Err(error) => {
            let text = format!("{error:?}");
            text.split([' ', '{']).next().unwrap_or_default().to_owned()
        }
    }
}

#[test]
fn vectors_are_those_that_the_definition_gives_and_each_has_its_outcome() {
    let write = std::env::var_os("ALLOD_WRITE_VECTORS").is_some();
    for (name, vector) in vectors() {
        let path = folder().join(format!("{name}.json"));
        if write {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, serde_json::to_string_pretty(&vector).unwrap() + "\n").unwrap();
        }
        let stored: Vector = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(stored, vector, "{name}");
        assert_eq!(outcome(&stored), stored.expect, "{name}");
    }
}
