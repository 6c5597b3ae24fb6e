use super::model::{self, State};
use crate::hash::H256;
use crate::tree::{Proof, ProofError, Step};

/// A state, its root, two of its keys, a key that it lacks, and the proof of all three.
struct Case {
    state: State,
    root: H256,
    keys: Vec<Vec<u8>>,
    proof: Proof,
}

fn case() -> Case {
    let state = model::state("case", 30);
    let mut keys: Vec<_> = state.keys().take(2).cloned().collect();
    keys.push(b"absent".to_vec());
    Case {
        root: model::root(&state),
        proof: model::prove(&state, &keys),
        state,
        keys,
    }
}

impl Case {
    fn error(&self, change: impl FnOnce(&mut Proof)) -> ProofError {
        let mut proof = self.proof.clone();
        change(&mut proof);
        proof.verify(&self.root, &self.keys).unwrap_err()
    }

    /// The places of the steps that a predicate picks.
    fn steps(&self, pick: impl Fn(&Step) -> bool) -> Vec<usize> {
        let steps = self.proof.steps.iter().enumerate();
        steps
            .filter(|(_, step)| pick(step))
            .map(|(place, _)| place)
            .collect()
    }
}

#[test]
fn bits_out_of_order_are_refused() {
    let case = case();
    let inner = case.steps(|step| matches!(step, Step::Inner { .. }));
    let (Step::Inner { bit: upper }, Step::Inner { bit: lower }) =
        (&case.proof.steps[inner[0]], &case.proof.steps[inner[1]])
    else {
        panic!("picked inner steps");
    };
    let error = case.error(|proof| {
        proof.steps[inner[0]] = Step::Inner { bit: *lower };
        proof.steps[inner[1]] = Step::Inner { bit: *upper };
    });
    assert_eq!(
        error,
        ProofError::BitOrder {
            parent: *lower,
            child: *upper
        }
    );
    let error = case.error(|proof| proof.steps[inner[1]] = Step::Inner { bit: *upper });
    assert_eq!(
        error,
        ProofError::BitOrder {
            parent: *upper,
            child: *upper
        }
    );
}

#[test]
fn swapped_children_are_refused() {
    let case = case();
    assert_eq!(
        case.error(|proof| proof.siblings.swap(0, 1)),
        ProofError::RootMismatch
    );
    // A tree of two keys: the sibling and the leaf change places.
    let state = model::state("pair", 2);
    let root = model::root(&state);
    let keys: Vec<_> = state.keys().cloned().collect();
    let mut proof = model::prove(&state, &keys);
    proof.steps.swap(1, 2);
    assert!(matches!(
        proof.verify(&root, &keys),
        Err(ProofError::KeyNotHere { .. })
    ));
}

#[test]
fn extra_and_missing_hashes_are_refused() {
    let case = case();
    let extra = case.error(|proof| proof.siblings.push(H256([1; 32])));
    assert_eq!(extra, ProofError::ExtraSiblings { count: 1 });
    let missing = case.error(|proof| {
        proof.siblings.pop();
    });
    assert_eq!(missing, ProofError::MissingSibling);
}

#[test]
fn extra_and_missing_steps_are_refused() {
    let case = case();
    let extra = case.error(|proof| proof.steps.push(Step::Inner { bit: 255 }));
    assert_eq!(extra, ProofError::ExtraSteps { count: 1 });
    let missing = case.error(|proof| {
        proof.steps.pop();
    });
    assert_eq!(missing, ProofError::MissingStep);
    let none = Proof {
        steps: vec![],
        siblings: vec![],
    };
    assert_eq!(
        none.verify(&case.root, &case.keys),
        Err(ProofError::MissingStep)
    );
    let keys = model::prove(&State::new(), &case.keys);
    assert!(keys.verify(&model::root(&State::new()), &case.keys).is_ok());
}

#[test]
fn a_proof_holds_for_its_keys_and_no_others() {
    let case = case();
    let fewer = case.proof.verify(&case.root, &case.keys[..1]);
    assert!(fewer.is_err());
    let more = [&case.keys[..], &[b"one more".to_vec()]].concat();
    assert!(case.proof.verify(&case.root, &more).is_err());
    assert_eq!(
        case.proof.verify::<&[u8]>(&case.root, &[]),
        Err(ProofError::NoKeys)
    );
}

#[test]
fn another_value_is_refused() {
    let case = case();
    let present = case.steps(|step| matches!(step, Step::Present { .. }));
    let error = case.error(|proof| {
        if let Step::Present { value, .. } = &mut proof.steps[present[0]] {
            value.push(0);
        }
    });
    assert_eq!(error, ProofError::RootMismatch);
}

#[test]
fn a_present_key_cannot_be_shown_as_absent() {
    let case = case();
    // Its own leaf as the leaf of somebody else.
    let present = case.steps(|step| matches!(step, Step::Present { .. }));
    let mut sorted = case.keys.clone();
    sorted.sort_by_key(|key| model::sha256(&[key]));
    let Step::Present { key_index, .. } = case.proof.steps[present[0]] else {
        panic!("picked a present step");
    };
    let key = sorted[usize::from(key_index)].clone();
    let value_hash = model::sha256(&[&case.state[&key]]);
    let error = case.error(|proof| {
        proof.steps[present[0]] = Step::Other { key, value_hash };
    });
    assert_eq!(error, ProofError::ValueWithheld);
    // A leaf from another part of the tree.
    let far = case.state.keys().find(|key| {
        let (far, near) = (model::sha256(&[key]), model::sha256(&[&sorted[0]]));
        far.0[0] >> 7 != near.0[0] >> 7
    });
    let far = far.unwrap();
    let value_hash = model::sha256(&[&case.state[far]]);
    let keys = [sorted[0].clone()];
    let mut proof = model::prove(&case.state, &keys);
    let last = proof.steps.len() - 1;
    proof.steps[last] = Step::Other {
        key: far.clone(),
        value_hash,
    };
    assert_eq!(
        proof.verify(&case.root, &keys),
        Err(ProofError::LeafOffRoute)
    );
}

#[test]
fn an_absent_key_cannot_be_shown_as_present() {
    let case = case();
    let keys = [b"absent".to_vec()];
    let mut proof = model::prove(&case.state, &keys);
    let last = proof.steps.len() - 1;
    proof.steps[last] = Step::Present {
        key_index: 0,
        value: b"forged".to_vec(),
    };
    assert_eq!(
        proof.verify(&case.root, &keys),
        Err(ProofError::RootMismatch)
    );
    proof.steps[last] = Step::Present {
        key_index: 1,
        value: b"forged".to_vec(),
    };
    assert_eq!(
        proof.verify(&case.root, &keys),
        Err(ProofError::KeyNotHere { key_index: 1 })
    );
}

#[test]
fn an_inner_hash_cannot_pass_as_a_leaf_or_the_other_way_round() {
    // The root of a pair is an inner hash; show its preimage's children as a leaf's parts.
    let state = model::state("pair", 2);
    let root = model::root(&state);
    let keys = [b"absent".to_vec()];
    let forged = Proof {
        steps: vec![Step::Other {
            key: vec![0; 30],
            value_hash: H256::ZERO,
        }],
        siblings: vec![],
    };
    assert_eq!(forged.verify(&root, &keys), Err(ProofError::RootMismatch));
    // A tree of one leaf, shown as an inner node.
    let state = model::state("one", 1);
    let root = model::root(&state);
    let forged = Proof {
        steps: vec![
            Step::Inner { bit: 0 },
            Step::Present {
                key_index: 0,
                value: vec![],
            },
        ],
        siblings: vec![root],
    };
    assert_eq!(forged.verify(&root, &keys), Err(ProofError::RootMismatch));
}

#[test]
fn a_proof_of_another_version_is_refused() {
    let case = case();
    let mut later = case.state.clone();
    later.insert(b"new".to_vec(), b"value".to_vec());
    let root = model::root(&later);
    assert_eq!(
        case.proof.verify(&root, &case.keys),
        Err(ProofError::RootMismatch)
    );
}
