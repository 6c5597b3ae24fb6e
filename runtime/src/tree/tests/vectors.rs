//! The tree's roots and proofs are byte for byte those of `spec/vectors/valid/tree-*.json`, which
//! the verifier's naive model makes.

use std::collections::BTreeMap;
use std::{fs, path::PathBuf};

use allod_primitives::tree::value_hash;
use parity_scale_codec::Encode;
use serde_json::Value;

use crate::tree::Tree;

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

#[test]
fn vectors_are_reproduced() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../spec/vectors/valid");
    let mut count = 0;
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.starts_with("tree-") {
            continue;
        }
        count += 1;
        let vector: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let entries = vector["entries"].as_array().into_iter().flatten();
        let state: BTreeMap<_, _> = entries
            .map(|entry| (bytes(&entry["key"]), bytes(&entry["value"])))
            .collect();
        let hashes = state.iter().map(|(key, value)| (key, value_hash(value)));
        let tree = Tree::from_entries(hashes).unwrap();
        assert_eq!(tree.root().0.to_vec(), bytes(&vector["root"]), "{name}");
        let keys: Vec<_> = vector["keys"]
            .as_array()
            .unwrap()
            .iter()
            .map(bytes)
            .collect();
        let proof = tree
            .view()
            .prove(&keys, |key, _| state.get(key).cloned())
            .unwrap();
        assert_eq!(proof.encode(), bytes(&vector["proof"]), "{name}");
    }
    assert!(count >= 8, "only {count} vectors were found");
}
