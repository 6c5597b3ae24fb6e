//! Lies in bundles: keys, encodings, versions.

use allod_primitives::light::{ReadProof, Transition};
use allod_primitives::{H256, Header, Height, TimeMs};
use parity_scale_codec::Encode;

use super::{Lie, Question};
use crate::world::{BLOCK_MS, Set, World, did, prove, state_root, tag};

const READ: &str = "light/read.rs";
const BUNDLE: &str = "light/bundle.rs";
const CODEC: &str = "codec.rs";
const VERIFY: &str = "tree/verify.rs";

/// A question that reads exactly what the bundle has.
pub(super) fn read(world: &World, proof: &ReadProof) -> Question {
    Question::Read {
        trust: world.trust(&[0, 1], &[0]),
        proof: proof.to_bytes(),
        reads: proof.keys.clone(),
    }
}

pub(super) fn cases(world: &World) -> Vec<Lie> {
    let keys = [did(1), did(7), tag(2)];
    let good = world.read(5, &keys);
    let mut order = good.clone();
    order.keys.reverse();
    let mut twice = world.read(5, &[did(1)]);
    twice.keys = vec![did(1), did(1)];
    let (mut missing, mut surplus) = (read(world, &good), read(world, &good));
    if let Question::Read { reads, .. } = &mut missing {
        reads.push(did(8));
    }
    if let Question::Read { reads, .. } = &mut surplus {
        reads.pop();
    }
    vec![
        Lie {
            name: "keys-order",
            description: "the keys descend",
            question: read(world, &order),
            slug: "keys_order",
            checks: &[(READ, "keys.is_sorted_by")],
        },
        Lie {
            name: "keys-twice",
            description: "a key comes twice",
            question: read(world, &twice),
            slug: "keys_order",
            checks: &[(READ, "keys.is_sorted_by")],
        },
        Lie {
            name: "key-missing",
            description: "the question reads a key that is not proven",
            question: missing,
            slug: "key_missing",
            checks: &[(READ, "missing.is_none()")],
        },
        Lie {
            name: "key-surplus",
            description: "a key is proven that the question does not read",
            question: surplus,
            slug: "key_surplus",
            checks: &[(READ, "count == 0")],
        },
    ]
}

fn with_bytes(world: &World, proof: &ReadProof, change: impl FnOnce(&mut Vec<u8>)) -> Question {
    let mut question = read(world, proof);
    if let Question::Read { proof, .. } = &mut question {
        change(proof);
    }
    question
}

pub(super) fn encodings(world: &World) -> Vec<Lie> {
    let good = world.read(5, &[did(1)]);
    let many: Vec<Vec<u8>> = (0..1025u32).map(|n| n.to_be_bytes().to_vec()).collect();
    let long = vec![vec![0x77; 1025]];
    vec![
        Lie {
            name: "version",
            description: "a bundle of format 2",
            question: with_bytes(world, &good, |bytes| bytes[0] = 2),
            slug: "version",
            checks: &[(BUNDLE, "*version == FORMAT_VERSION")],
        },
        Lie {
            name: "trailing-byte",
            description: "a byte after the bundle",
            question: with_bytes(world, &good, |bytes| bytes.push(0)),
            slug: "encoding",
            checks: &[(CODEC, "input.is_empty()")],
        },
        Lie {
            name: "transitions-too-many",
            description: "17 transitions, each of them true",
            question: many_transitions(17),
            slug: "encoding",
            checks: &[(CODEC, "count <= MAX")],
        },
        Lie {
            name: "keys-too-many",
            description: "1,025 keys, all proven absent",
            question: read(world, &world.read(5, &many)),
            slug: "encoding",
            checks: &[(CODEC, "count <= MAX"), (VERIFY, "actual <= KEYS_MAX")],
        },
        Lie {
            name: "key-too-long",
            description: "a key of 1,025 bytes, proven absent",
            question: read(world, &world.read(5, &long)),
            slug: "encoding",
            checks: &[
                (BUNDLE, "length <= max"),
                (VERIFY, "actual <= KEY_BYTES_MAX"),
            ],
        },
        Lie {
            name: "state-too-long",
            description: "a proof of more than four MiB, of values that are there",
            question: long_proof(world),
            slug: "encoding",
            checks: &[
                (BUNDLE, "length <= max"),
                ("tree/codec.rs", "actual <= PROOF_BYTES_MAX"),
            ],
        },
    ]
}

/// A bundle against a state that the test has made up and had certified in block 5.
pub(super) fn with_root(world: &World, root: H256, keys: Vec<Vec<u8>>, state: Vec<u8>) -> Question {
    let mut header = world.header(5);
    header.state_root = root;
    let proof = ReadProof {
        transitions: Vec::new(),
        head: world.certified(header),
        keys,
        state,
    };
    read(world, &proof)
}

fn long_proof(world: &World) -> Question {
    let entries = (0..65u8).map(|n| (vec![n], vec![n; 65_000]));
    let state = entries.collect();
    let keys: Vec<Vec<u8>> = (0..65u8).map(|n| vec![n]).collect();
    let proof = prove(&state, &keys).encode();
    with_root(world, state_root(&state), keys, proof)
}

/// A chain that changes its set in every block, and a bundle from genesis to behind `count` of
/// these changes.
pub(super) fn many_transitions(count: u8) -> Question {
    let sets: Vec<Set> = (0..=count).map(|n| Set::new(n + 1..=n + 1)).collect();
    let mut world = World::new();
    let state = [(did(1), vec![1])].into_iter().collect();
    let mut header = world.header(0);
    header.state_root = state_root(&state);
    header.digest.validator_set = sets[0].set.hash();
    header.digest.next_validator_set = sets[0].set.hash();
    world.id.genesis = header.hash();
    let known = (header.clone(), None::<()>);
    let begin = vec![(known.clone(), sets[0].set.clone())];
    let trust = (1u8, world.id, begin, vec![known]).encode();
    let certified = |set: usize, header: Header| allod_primitives::light::CertifiedHeader {
        certificate: sets[set].certify(&world.id, &header, &[0]),
        header,
    };
    let mut transitions = Vec::new();
    for height in 1..=usize::from(count) {
        header = child(&header, &sets, height);
        transitions.push(Transition {
            last: certified(height - 1, header.clone()),
            validators: sets[height].set.clone(),
        });
    }
    let mut head = child(&header, &sets, usize::from(count) + 1);
    head.digest.next_validator_set = head.digest.validator_set;
    let proof = ReadProof {
        transitions,
        head: certified(usize::from(count), head),
        state: prove(&state, &[did(1)]).encode(),
        keys: vec![did(1)],
    };
    Question::Read {
        trust,
        proof: proof.to_bytes(),
        reads: vec![did(1)],
    }
}

/// The next header of [`many_transitions`]: set `height - 1` certifies it.
fn child(parent: &Header, sets: &[Set], height: usize) -> Header {
    let mut header = parent.clone();
    header.parent_hash = parent.hash();
    header.number = parent.number.next();
    header.digest.time = TimeMs(parent.digest.time.0 + BLOCK_MS);
    header.digest.validator_set = sets[height - 1].set.hash();
    header.digest.next_validator_set = sets[height.min(sets.len() - 1)].set.hash();
    header.digest.set_id = height as u64 - 1;
    // The first set began with genesis, every later one a block behind the one before.
    header.digest.set_since = Height(if height == 1 { 0 } else { height as u64 });
    header
}
