//! Lies in proofs of the state.

use allod_primitives::H256;
use allod_primitives::tree::{Path, Proof, Step, inner_hash, leaf_hash, value_hash};
use parity_scale_codec::Encode;

use super::read::with_root;
use super::{Lie, Question};
use crate::world::{State, World, did, prove, state_root, tag};

const VERIFY: &str = "tree/verify.rs";
const CODEC: &str = "tree/codec.rs";
const SIBLING: H256 = H256([7; 32]);

/// The honest proof of three keys in block 5, with a change.
fn spoilt(world: &World, change: impl FnOnce(&mut Proof)) -> Question {
    let mut keys = vec![did(1), did(7), tag(2)];
    keys.sort();
    let mut proof = prove(&world.blocks[5].state, &keys);
    change(&mut proof);
    with_root(world, world.header(5).state_root, keys, proof.encode())
}

pub(super) fn cases(world: &World) -> Vec<Lie> {
    let lie = |name, description, slug, check, question| Lie {
        name,
        description,
        question,
        slug,
        checks: check,
    };
    let verify =
        |name, description, check, question| lie(name, description, "state_proof", check, question);
    let no_keys = Proof {
        steps: Vec::new(),
        siblings: vec![world.header(5).state_root],
    };
    let root = world.header(5).state_root;
    vec![
        lie(
            "keys-none",
            "a proof of no key: the root as a subtree beside the walks",
            "keys_count",
            &[(VERIFY, "actual > 0")],
            with_root(world, root, Vec::new(), no_keys.encode()),
        ),
        verify(
            "state-another-value",
            "a key with another value",
            &[(VERIFY, "hash == *root")],
            spoilt(world, another_value),
        ),
        verify(
            "state-extra-step",
            "a step after the last walk",
            &[(VERIFY, "ProofError::ExtraSteps")],
            spoilt(world, |it| it.steps.push(Step::Inner { bit: 1 })),
        ),
        verify(
            "state-extra-sibling",
            "a hash after the last walk",
            &[(VERIFY, "ProofError::ExtraSiblings")],
            spoilt(world, |it| it.siblings.push(SIBLING)),
        ),
        verify(
            "state-bit-order",
            "a tree whose bits do not grow downwards",
            &[(VERIFY, "ProofError::BitOrder")],
            bit_order(world),
        ),
        verify(
            "state-leaf-off-route",
            "absence shown by a leaf where no walk of its key leads",
            &[(VERIFY, "ProofError::LeafOffRoute")],
            off_route(world),
        ),
        verify(
            "state-value-withheld",
            "the leaf of a key that is there, shown as another's to prove absence",
            &[(VERIFY, "ProofError::ValueWithheld")],
            withheld(world),
        ),
        lie(
            "state-version",
            "a proof of format 2",
            "state_encoding",
            &[(CODEC, "actual == FORMAT_VERSION")],
            bytes(world, |it| it[0] = 2),
        ),
        lie(
            "state-trailing-byte",
            "a byte after the proof",
            "state_encoding",
            &[(CODEC, "count == 0")],
            bytes(world, |it| it.push(0)),
        ),
    ]
}

fn another_value(proof: &mut Proof) {
    for step in &mut proof.steps {
        if let Step::Present { value, .. } = step {
            value[0] ^= 1;
            return;
        }
    }
}

fn bytes(world: &World, change: impl FnOnce(&mut Vec<u8>)) -> Question {
    let key = vec![did(1)];
    let mut proof = prove(&world.blocks[5].state, &key).encode();
    change(&mut proof);
    with_root(world, world.header(5).state_root, key, proof)
}

/// One key below two inner nodes, the lower one of a lower bit.
fn bit_order(world: &World) -> Question {
    let (key, value) = (did(1), vec![1]);
    let path = Path::of(&key);
    let leaf = leaf_hash(&key, &value_hash(&value));
    let above = |bit, hash: H256| match path.bit(bit) {
        false => inner_hash(bit, &hash, &SIBLING),
        true => inner_hash(bit, &SIBLING, &hash),
    };
    let proof = Proof {
        steps: vec![
            Step::Inner { bit: 200 },
            Step::Inner { bit: 100 },
            Step::Present {
                key_index: 0,
                value,
            },
        ],
        siblings: vec![SIBLING, SIBLING],
    };
    with_root(
        world,
        above(200, above(100, leaf)),
        vec![key],
        proof.encode(),
    )
}

/// The leaf of another key stands on the walk of an absent one, on the wrong side of its parent.
fn off_route(world: &World) -> Question {
    let (key, path) = (did(1), Path::of(&did(1)));
    let other = (2..).map(did).find(|it| Path::of(it).bit(0) != path.bit(0));
    let other = other.unwrap();
    let hash = value_hash(b"value");
    let leaf = leaf_hash(&other, &hash);
    let root = match path.bit(0) {
        false => inner_hash(0, &leaf, &SIBLING),
        true => inner_hash(0, &SIBLING, &leaf),
    };
    let proof = Proof {
        steps: vec![
            Step::Inner { bit: 0 },
            Step::Other {
                key: other,
                value_hash: hash,
            },
        ],
        siblings: vec![SIBLING],
    };
    with_root(world, root, vec![key], proof.encode())
}

fn withheld(world: &World) -> Question {
    let state = &world.blocks[5].state;
    let mut proof = prove(state, &[did(1)]);
    for step in &mut proof.steps {
        if let Step::Present { value, .. } = step {
            *step = Step::Other {
                key: did(1),
                value_hash: value_hash(value),
            };
        }
    }
    let root = world.header(5).state_root;
    with_root(world, root, vec![did(1)], proof.encode())
}

/// States that no ledger has, proven honestly: what is too large is refused all the same.
pub(super) fn limits(world: &World) -> Vec<Lie> {
    let of = |state: State, key: Vec<u8>| {
        let proof = prove(&state, std::slice::from_ref(&key)).encode();
        with_root(world, state_root(&state), vec![key], proof)
    };
    let value = State::from([(did(1), vec![1; 65_537])]);
    let key = State::from([(vec![1; 1025], vec![1])]);
    vec![
        Lie {
            name: "state-value-too-long",
            description: "a value of 65,537 bytes",
            question: of(value, did(1)),
            slug: "state_encoding",
            checks: &[
                (CODEC, "actual <= VALUE_BYTES_MAX"),
                (VERIFY, "actual <= VALUE_BYTES_MAX"),
            ],
        },
        Lie {
            name: "state-key-too-long",
            description: "absence shown by the leaf of a key of 1,025 bytes",
            question: of(key, did(1)),
            slug: "state_encoding",
            checks: &[
                (CODEC, "actual <= KEY_BYTES_MAX"),
                (VERIFY, "length <= KEY_BYTES_MAX"),
            ],
        },
        Lie {
            name: "state-too-many-steps",
            description: "300 keys, each below some 240 inner nodes",
            question: deep(world),
            slug: "state_encoding",
            checks: &[(CODEC, "count <= STEPS_MAX")],
        },
    ]
}

/// A proof with more steps than allowed: below where the keys part, an inner node at every bit.
fn deep(world: &World) -> Question {
    let mut keys: Vec<Vec<u8>> = (0..300u32).map(|n| n.to_be_bytes().to_vec()).collect();
    let mut targets: Vec<(Path, Vec<u8>)> = keys
        .iter()
        .map(|key| (Path::of(key), key.clone()))
        .collect();
    targets.sort();
    let targets: Vec<_> = (0u16..).zip(targets).collect();
    let mut proof = Proof {
        steps: Vec::new(),
        siblings: Vec::new(),
    };
    let root = forge(&targets, 0, &mut proof);
    keys.sort();
    with_root(world, root, keys, proof.encode())
}

fn forge(targets: &[(u16, (Path, Vec<u8>))], from: u16, proof: &mut Proof) -> H256 {
    let (index, (path, key)) = &targets[0];
    let last = &targets[targets.len() - 1].1.0;
    let parted = path.first_difference(last);
    let Some(bit) = parted.or_else(|| u8::try_from(from).ok()) else {
        let value = vec![1];
        let leaf = leaf_hash(key, &value_hash(&value));
        proof.steps.push(Step::Present {
            key_index: *index,
            value,
        });
        return leaf;
    };
    proof.steps.push(Step::Inner { bit });
    let (left, right) = targets.split_at(targets.partition_point(|it| !it.1.0.bit(bit)));
    let mut side = |part: &[_]| match part {
        [] => {
            proof.siblings.push(SIBLING);
            SIBLING
        }
        part => forge(part, u16::from(bit) + 1, proof),
    };
    let (left, right) = (side(left), side(right));
    inner_hash(bit, &left, &right)
}
