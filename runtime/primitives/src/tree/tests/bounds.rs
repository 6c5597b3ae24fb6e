use parity_scale_codec::{Compact, Decode, Encode};

use super::model;
use crate::hash::H256;
use crate::tree::{
    DecodeError, FORMAT_VERSION, KEY_BYTES_MAX, KEYS_MAX, PROOF_BYTES_MAX, Proof, ProofError,
    STEPS_MAX, Step, VALUE_BYTES_MAX,
};

fn encoded(parts: &[&[u8]]) -> Vec<u8> {
    [&[FORMAT_VERSION], &parts.concat()[..]].concat()
}

fn compact(length: usize) -> Vec<u8> {
    Compact(length as u32).encode()
}

#[test]
fn lengths_over_their_maximum_are_refused_before_anything_is_reserved() {
    let steps = encoded(&[&compact(STEPS_MAX + 1)]);
    assert_eq!(
        Proof::from_bytes(&steps),
        Err(DecodeError::TooManySteps {
            actual: STEPS_MAX + 1
        })
    );
    let siblings = PROOF_BYTES_MAX / 32 + 1;
    assert_eq!(
        Proof::from_bytes(&encoded(&[&compact(0), &compact(siblings)])),
        Err(DecodeError::TooManySiblings { actual: siblings })
    );
    let value = encoded(&[
        &compact(1),
        &[1],
        &compact(0),
        &compact(VALUE_BYTES_MAX + 1),
    ]);
    assert_eq!(
        Proof::from_bytes(&value),
        Err(DecodeError::ValueTooLong {
            actual: VALUE_BYTES_MAX + 1
        })
    );
    let key = encoded(&[&compact(1), &[2], &compact(KEY_BYTES_MAX + 1)]);
    assert_eq!(
        Proof::from_bytes(&key),
        Err(DecodeError::KeyTooLong {
            actual: KEY_BYTES_MAX + 1
        })
    );
    let index = encoded(&[&compact(1), &[1], &compact(KEYS_MAX)]);
    assert_eq!(
        Proof::from_bytes(&index),
        Err(DecodeError::KeyIndexOutOfRange { actual: KEYS_MAX })
    );
    assert_eq!(
        Proof::from_bytes(&vec![1; PROOF_BYTES_MAX + 1]),
        Err(DecodeError::ProofTooLong {
            actual: PROOF_BYTES_MAX + 1
        })
    );
}

#[test]
fn unknown_versions_tags_and_long_forms_of_a_length_are_refused() {
    assert_eq!(Proof::from_bytes(&[]), Err(DecodeError::Malformed));
    assert_eq!(
        Proof::from_bytes(&[0, 0, 0]),
        Err(DecodeError::UnknownVersion { actual: 0 })
    );
    assert_eq!(
        Proof::from_bytes(&encoded(&[&compact(1), &[3]])),
        Err(DecodeError::UnknownTag { actual: 3 })
    );
    // Zero steps, written in two bytes.
    assert_eq!(
        Proof::from_bytes(&encoded(&[&[1, 0], &[0]])),
        Err(DecodeError::Malformed)
    );
    assert_eq!(
        Proof::from_bytes(&encoded(&[&[0], &[0], &[0, 0]])),
        Err(DecodeError::TrailingBytes { count: 2 })
    );
}

#[test]
fn a_proof_inside_a_larger_message_leaves_what_follows_it() {
    let state = model::state("inside", 5);
    let key = state.keys().next().unwrap().clone();
    let proof = model::prove(&state, &[key]);
    let bytes = (proof.clone(), 7u32).encode();
    assert_eq!(<(Proof, u32)>::decode(&mut &bytes[..]).unwrap(), (proof, 7));
    assert!(Proof::decode(&mut &[1u8, 4, 9][..]).is_err());
}

#[test]
fn keys_and_values_over_their_maximum_are_refused_by_the_verifier() {
    let proof = Proof {
        steps: vec![],
        siblings: vec![],
    };
    let many = vec![b"k".to_vec(); KEYS_MAX + 1];
    assert_eq!(
        proof.verify(&H256::ZERO, &many),
        Err(ProofError::TooManyKeys {
            actual: KEYS_MAX + 1
        })
    );
    let long = [vec![0; KEY_BYTES_MAX + 1]];
    assert_eq!(
        proof.verify(&H256::ZERO, &long),
        Err(ProofError::KeyTooLong {
            actual: KEY_BYTES_MAX + 1
        })
    );
    let value = vec![0; VALUE_BYTES_MAX + 1];
    let proof = Proof {
        steps: vec![Step::Present {
            key_index: 0,
            value,
        }],
        siblings: vec![],
    };
    assert_eq!(
        proof.verify(&H256::ZERO, &[b"k"]),
        Err(ProofError::ValueTooLong {
            actual: VALUE_BYTES_MAX + 1
        })
    );
}

#[test]
fn a_walk_through_every_bit_ends() {
    // All 256 bits on one walk: the deepest recursion that a proof can ask for.
    let steps = (0..=255).map(|bit| Step::Inner { bit }).collect::<Vec<_>>();
    let proof = Proof {
        steps,
        siblings: vec![H256::ZERO; 256],
    };
    assert_eq!(
        proof.verify(&H256::ZERO, &[b"k"]),
        Err(ProofError::MissingStep)
    );
    let mut whole = proof.clone();
    whole.steps.push(Step::Present {
        key_index: 0,
        value: vec![],
    });
    assert_eq!(
        whole.verify(&H256::ZERO, &[b"k"]),
        Err(ProofError::RootMismatch)
    );
}

#[test]
fn the_largest_number_of_keys_is_proven_together() {
    let state = model::state("many", 1200);
    let keys: Vec<_> = state.keys().take(KEYS_MAX).cloned().collect();
    let proof = model::prove(&state, &keys);
    let proof = Proof::from_bytes(&proof.encode()).unwrap();
    let verified = proof.verify(&model::root(&state), &keys).unwrap();
    assert_eq!(verified.iter().count(), KEYS_MAX);
}
