use allod_primitives::tree::{KEY_BYTES_MAX, KEYS_MAX, Presence, VALUE_BYTES_MAX, value_hash};

use crate::tree::{ProveError, Tree};

fn tree(values: &[(&str, &[u8])]) -> Tree {
    Tree::from_entries(values.iter().map(|(key, value)| (key, value_hash(value)))).unwrap()
}

#[test]
fn what_a_store_lacks_or_changed_is_not_proven() {
    let tree = tree(&[("a", b"1"), ("b", b"2")]);
    let view = tree.view();
    let key = b"a".to_vec();
    assert_eq!(
        view.prove(&["a"], |_, _| None),
        Err(ProveError::ValueMissing { key: key.clone() })
    );
    let other = |_: &[u8], _: &_| Some(b"2".to_vec());
    assert_eq!(
        view.prove(&["a"], other),
        Err(ProveError::ValueMismatch { key })
    );
    // Absence needs no value.
    assert!(view.prove(&["c"], |_, _| None).is_ok());
}

#[test]
fn requests_over_a_maximum_are_refused() {
    let long_value = vec![7; VALUE_BYTES_MAX + 1];
    let tree = tree(&[("long", &long_value)]);
    let view = tree.view();
    let prove = |keys: &[Vec<u8>]| view.prove(keys, |_, _| Some(long_value.clone()));
    assert_eq!(prove(&[]), Err(ProveError::NoKeys));
    let many = vec![vec![]; KEYS_MAX + 1];
    assert_eq!(
        prove(&many),
        Err(ProveError::TooManyKeys {
            actual: KEYS_MAX + 1
        })
    );
    let long_key = vec![0; KEY_BYTES_MAX + 1];
    assert_eq!(
        prove(&[long_key]),
        Err(ProveError::KeyTooLong {
            actual: KEY_BYTES_MAX + 1
        })
    );
    let actual = long_value.len();
    assert_eq!(
        prove(&[b"long".to_vec()]),
        Err(ProveError::ValueTooLong { actual })
    );
}

#[test]
fn values_that_do_not_fit_in_one_proof_are_refused_and_fewer_are_proven() {
    let value = vec![7; VALUE_BYTES_MAX];
    let keys: Vec<[u8; 1]> = (0..80).map(|i| [i]).collect();
    let tree = Tree::from_entries(keys.iter().map(|key| (key, value_hash(&value)))).unwrap();
    let lookup = |_: &[u8], _: &_| Some(value.clone());
    assert_eq!(
        tree.view().prove(&keys, lookup),
        Err(ProveError::ProofTooLong)
    );
    let proof = tree.view().prove(&keys[..60], lookup).unwrap();
    let verified = proof.verify(&tree.root(), &keys[..60]).unwrap();
    assert_eq!(verified.get(&keys[59]), Some(Presence::Present(&value)));
}
