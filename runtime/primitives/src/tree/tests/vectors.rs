//! `spec/vectors/{valid,invalid}/tree-*.json`. With `ALLOD_WRITE_VECTORS=1` the files are made
//! from the naive model; without, they are checked.

use std::{fs, path::PathBuf};

use parity_scale_codec::Encode;
use serde::{Deserialize, Serialize};

use super::model::{self, State};
use crate::hash::H256;
use crate::tree::{Presence, Proof, Step};

#[derive(Debug, Serialize, Deserialize, PartialEq)]
struct Entry {
    key: String,
    /// Absent where the state lacks the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, PartialEq)]
struct Vector {
    description: String,
    /// `valid`, or the name of the error.
    expect: String,
    /// The whole state; left out where the proof was not made from one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    entries: Vec<Entry>,
    root: String,
    keys: Vec<String>,
    proof: String,
    /// Answers to `keys`, in that order, of a valid proof.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    answers: Vec<Entry>,
}

fn folder(kind: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../spec/vectors")
        .join(kind)
}

fn valid(name: &str, description: &str, state: &State, keys: &[Vec<u8>]) -> (String, Vector) {
    let entry = |key: &Vec<u8>, value: Option<&Vec<u8>>| Entry {
        key: hex::encode(key),
        value: value.map(hex::encode),
    };
    let vector = Vector {
        description: description.into(),
        expect: "valid".into(),
        entries: state
            .iter()
            .map(|(key, value)| entry(key, Some(value)))
            .collect(),
        root: hex::encode(model::root(state)),
        keys: keys.iter().map(hex::encode).collect(),
        proof: hex::encode(model::prove(state, keys).encode()),
        answers: keys.iter().map(|key| entry(key, state.get(key))).collect(),
    };
    (format!("valid/tree-{name}.json"), vector)
}

fn valid_vectors() -> Vec<(String, Vector)> {
    let none = State::new();
    let one = model::state("one", 1);
    let eight = model::state("eight", 8);
    let hundred = model::state("hundred", 100);
    let absent = |count| {
        model::state("absent", count)
            .into_keys()
            .collect::<Vec<_>>()
    };
    let keys = |state: &State, count| state.keys().take(count).cloned().collect::<Vec<_>>();
    let mixed = [keys(&hundred, 5), absent(5)].concat();
    let mut edge = model::state("edge", 3);
    edge.insert(vec![], vec![]);
    edge.insert(vec![0; 300], vec![0xff; 300]);
    vec![
        valid(
            "empty",
            "an empty tree proves that keys are absent",
            &none,
            &absent(2),
        ),
        valid(
            "one-presence",
            "a tree of one key is its leaf",
            &one,
            &keys(&one, 1),
        ),
        valid(
            "one-absence",
            "the only leaf proves that a key is absent",
            &one,
            &absent(1),
        ),
        valid(
            "eight-presence",
            "one key among eight",
            &eight,
            &keys(&eight, 1),
        ),
        valid(
            "eight-absence",
            "a key absent among eight",
            &eight,
            &absent(1),
        ),
        valid(
            "eight-all",
            "every key: no sibling is left",
            &eight,
            &keys(&eight, 8),
        ),
        valid(
            "hundred-mixed",
            "five keys present, five absent",
            &hundred,
            &mixed,
        ),
        valid(
            "empty-key-and-value",
            "an empty key, an empty value, long ones",
            &edge,
            &{ vec![vec![], vec![0; 300]] },
        ),
    ]
}

fn invalid_vectors() -> Vec<(String, Vector)> {
    let state = model::state("eight", 8);
    let keys: Vec<_> = state.keys().take(1).cloned().collect();
    let good = model::prove(&state, &keys);
    let last = good.steps.len() - 1;
    let mut vectors = Vec::new();
    let mut add = |name: &str, expect: &str, description: &str, proof: Vec<u8>| {
        let vector = Vector {
            description: description.into(),
            expect: expect.into(),
            entries: vec![],
            root: hex::encode(model::root(&state)),
            keys: keys.iter().map(hex::encode).collect(),
            proof: hex::encode(proof),
            answers: vec![],
        };
        vectors.push((format!("invalid/tree-{name}.json"), vector));
    };
    let changed = |change: &dyn Fn(&mut Proof)| {
        let mut proof = good.clone();
        change(&mut proof);
        proof.encode()
    };
    let bytes = good.encode();

    add(
        "unknown-version",
        "UnknownVersion",
        "the format byte is 2",
        [&[2], &bytes[1..]].concat(),
    );
    add(
        "truncated",
        "Malformed",
        "the last byte is missing",
        bytes[..bytes.len() - 1].to_vec(),
    );
    add(
        "trailing-byte",
        "TrailingBytes",
        "one byte follows the proof",
        [&bytes[..], &[0]].concat(),
    );
    add(
        "unknown-tag",
        "UnknownTag",
        "a step has tag 3",
        vec![1, 4, 3, 0, 0],
    );
    add(
        "long-form-length",
        "Malformed",
        "zero steps written in two bytes",
        vec![1, 1, 0, 0],
    );
    add(
        "too-many-steps",
        "TooManySteps",
        "a count of 2^30-1 steps",
        vec![1, 0xfe, 0xff, 0xff, 0xff],
    );
    add(
        "bit-order",
        "BitOrder",
        "the second inner node repeats the first one's bit",
        changed(&|proof| proof.steps[1] = proof.steps[0].clone()),
    );
    add(
        "swapped-siblings",
        "RootMismatch",
        "two siblings changed places",
        changed(&|proof| proof.siblings.swap(0, 1)),
    );
    add("extra-sibling", "ExtraSiblings", "one hash too many", {
        changed(&|proof| proof.siblings.push(H256::ZERO))
    });
    add("missing-sibling", "MissingSibling", "one hash too few", {
        changed(&|proof| {
            proof.siblings.pop();
        })
    });
    add("extra-step", "ExtraSteps", "a step after the last walk", {
        changed(&|proof| proof.steps.push(Step::Inner { bit: 255 }))
    });
    add("missing-step", "MissingStep", "the leaf is missing", {
        changed(&|proof| {
            proof.steps.pop();
        })
    });
    add(
        "another-value",
        "RootMismatch",
        "the value is not the one committed",
        {
            changed(&|proof| {
                proof.steps[last] = Step::Present {
                    key_index: 0,
                    value: b"forged".to_vec(),
                };
            })
        },
    );
    add("key-not-here", "KeyNotHere", "the leaf names key 1 of 1", {
        changed(&|proof| {
            proof.steps[last] = Step::Present {
                key_index: 1,
                value: b"value 0".to_vec(),
            };
        })
    });
    add(
        "value-withheld",
        "ValueWithheld",
        "a present key shown as somebody else's leaf",
        {
            let value_hash = model::sha256(&[&state[&keys[0]]]);
            changed(&|proof| {
                proof.steps[last] = Step::Other {
                    key: keys[0].clone(),
                    value_hash,
                };
            })
        },
    );
    let bit = |key: &[u8]| model::sha256(&[key]).0[0] >> 7;
    let far = state.iter().find(|(key, _)| bit(key) != bit(&keys[0]));
    let (far, value) = far.expect("eight keys are not all on one side");
    add(
        "leaf-off-route",
        "LeafOffRoute",
        "absence by a leaf from the other half of the tree",
        {
            let value_hash = model::sha256(&[value]);
            changed(&|proof| {
                proof.steps[last] = Step::Other {
                    key: far.clone(),
                    value_hash,
                };
            })
        },
    );
    vectors
}

/// The name of an error's variant.
fn name(error: impl std::fmt::Debug) -> String {
    let text = format!("{error:?}");
    text.split([' ', '{', '('])
        .next()
        .unwrap_or_default()
        .to_owned()
}

fn outcome(vector: &Vector) -> Result<(), String> {
    let root = H256(hex::decode(&vector.root).unwrap().try_into().unwrap());
    let keys: Vec<_> = vector
        .keys
        .iter()
        .map(|key| hex::decode(key).unwrap())
        .collect();
    let proof = Proof::from_bytes(&hex::decode(&vector.proof).unwrap()).map_err(name)?;
    let verified = proof.verify(&root, &keys).map_err(name)?;
    for (key, answer) in keys.iter().zip(&vector.answers) {
        assert_eq!(hex::encode(key), answer.key);
        let value = answer
            .value
            .as_ref()
            .map(|value| hex::decode(value).unwrap());
        let expected = value.as_deref().map_or(Presence::Absent, Presence::Present);
        assert_eq!(verified.get(key), Some(expected));
    }
    assert_eq!(keys.len(), vector.answers.len());
    Ok(())
}

#[test]
fn vectors_are_those_that_the_model_makes_and_each_has_its_outcome() {
    let write = std::env::var_os("ALLOD_WRITE_VECTORS").is_some();
    let made: Vec<_> = valid_vectors()
        .into_iter()
        .chain(invalid_vectors())
        .collect();
    for (path, vector) in &made {
        let path = folder("").join(path);
        if write {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let text = serde_json::to_string_pretty(vector).unwrap();
            fs::write(&path, text + "\n").unwrap();
        }
        let stored: Vector = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(&stored, vector, "{}", path.display());
        let outcome = outcome(&stored).err().unwrap_or_else(|| "valid".into());
        assert_eq!(outcome, stored.expect, "{}", path.display());
    }
    let stored = ["valid", "invalid"]
        .into_iter()
        .flat_map(|kind| fs::read_dir(folder(kind)).unwrap());
    let stored = stored.filter(|file| {
        file.as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .starts_with("tree-")
    });
    assert_eq!(
        stored.count(),
        made.len(),
        "a vector file that nothing makes"
    );
}
