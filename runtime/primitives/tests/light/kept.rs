//! What is kept from one time to the next: trust, evidence, a follower's place, checkpoints.

use allod_primitives::H256;
use allod_primitives::light::{
    Checkpoint, Conflict, ConflictKind, Follower, LightError, Trust, state_root_of,
};
use allod_primitives::limits::HEADERS_KEPT_MAX;
use allod_primitives::tree::{empty_root, value_hash};

use crate::world::{World, did, state_root, tag};

#[test]
fn trust_is_kept_and_read_again() {
    let world = World::new();
    let mut trust = Trust::from_bytes(&world.trust(&[0], &[0])).unwrap();
    let mut proof = world.read(10, &[did(1), tag(6)]);
    proof.transitions = vec![world.transition(3), world.transition(7)];
    let read = trust.verify_read(&proof).unwrap();
    assert_eq!(read.header().number().0, 10);
    assert_eq!(trust.newest_set().set_id(), 2);
    assert_eq!(trust.newest().height.0, 10);
    let again = Trust::from_bytes(&trust.to_bytes()).unwrap();
    assert_eq!(again, trust);
    let mut bytes = trust.to_bytes();
    bytes[0] = 2;
    let error = Trust::from_bytes(&bytes).unwrap_err();
    assert_eq!(error, LightError::Version { actual: 2 });
    assert!(Trust::from_bytes(&trust.to_bytes()[..100]).is_err());
}

#[test]
fn what_is_refused_leaves_trust_as_it_was() {
    let world = World::new();
    let mut trust = Trust::from_bytes(&world.trust(&[0], &[0])).unwrap();
    let before = trust.clone();
    let mut proof = world.read(9, &[did(1)]);
    proof.transitions = vec![world.transition(3), world.transition(7)];
    proof.state.push(0);
    assert_eq!(
        trust.verify_read(&proof).unwrap_err().slug(),
        "state_encoding"
    );
    assert_eq!(trust, before);
}

/// Goal: a second history freezes, and leaves evidence that others can check. Method: a second
/// block 5, certified by the same validators, inside a bundle with transitions.
#[test]
fn a_second_history_freezes_and_leaves_both_certified_headers() {
    let world = World::new();
    let mut trust = Trust::from_bytes(&world.trust(&[0], &[0])).unwrap();
    trust.advance(&world.transition(3)).unwrap();
    trust.verify_header(&world.honest(5)).unwrap();
    let mut second = world.read(5, &[did(1)]);
    let mut header = world.header(5);
    header.extrinsics_root = H256([9; 32]);
    second.head = world.certified(header);
    second.transitions = vec![world.transition(3)];
    let error = trust.verify_read(&second).unwrap_err();
    let conflict = error.conflict().unwrap();
    assert_eq!(conflict.kind(), ConflictKind::TwoBlocks);
    assert_eq!(conflict.first().header, world.header(5));
    assert_eq!(
        conflict.first().certificate,
        Some(world.honest(5).certificate)
    );
    assert_eq!(conflict.second(), &second.head);
    assert_eq!(trust.conflict(), Some(conflict));
    assert_eq!(
        Conflict::from_bytes(&conflict.to_bytes()).as_ref(),
        Ok(conflict)
    );
    let error = trust.verify_header(&world.honest(6)).unwrap_err();
    assert_eq!(error, LightError::Frozen);
}

#[test]
fn a_second_certificate_of_a_known_header_adds_nothing() {
    let world = World::new();
    let mut trust = Trust::from_bytes(&world.trust(&[0, 1], &[0])).unwrap();
    trust.verify_header(&world.honest(5)).unwrap();
    let before = trust.clone();
    let mut again = world.honest(5);
    again.certificate.signatures.clear();
    trust.verify_header(&again).unwrap();
    assert_eq!(trust, before);
}

#[test]
fn the_lowest_header_goes_when_too_many_are_known() {
    let world = World::new();
    let mut trust = Trust::from_bytes(&world.trust(&[0, 1, 2], &[0])).unwrap();
    let mut header = world.header(10);
    for _ in 0..=HEADERS_KEPT_MAX {
        let mut child = header.clone();
        child.parent_hash = header.hash();
        child.number = header.number.next();
        child.digest.time = header.digest.time.plus_ms(1);
        header = child;
        trust
            .verify_header(&world.certified(header.clone()))
            .unwrap();
    }
    assert_eq!(trust.known_headers().count(), HEADERS_KEPT_MAX as usize);
    assert_eq!(trust.newest().height, header.number);
    assert!(
        trust
            .known_headers()
            .all(|known| known.header.number.0 > 10)
    );
}

#[test]
fn a_follower_is_kept_and_read_again() {
    let world = World::new();
    let mut trust = Trust::from_bytes(&world.trust(&[0, 1], &[0])).unwrap();
    let follower = Follower::at(&trust.verify_header(&world.honest(5)).unwrap());
    assert_eq!(Follower::from_bytes(&follower.to_bytes()), Ok(follower));
    assert!(Follower::from_bytes(&follower.to_bytes()[..9]).is_err());
}

#[test]
fn checkpoints_have_one_text_each() {
    let hash = "5a".repeat(32);
    let network = "a".repeat(32);
    let good = format!("allod-checkpoint:{network}:0:70000:{hash}");
    assert_eq!(good.parse::<Checkpoint>().unwrap().to_string(), good);
    let bad = [
        good.to_uppercase(),
        good.replace("allod-", ""),
        good.replace(":0:", ":00:"),
        good.replace(":0:", ":+0:"),
        good.replace("70000", "4294967296"),
        good.replace("5a", "5A"),
        good.replace(&network, &"a".repeat(31)),
        format!("{good}:"),
        format!("{good}00"),
        String::new(),
    ];
    for text in bad {
        assert!(text.parse::<Checkpoint>().is_err(), "{text}");
    }
}

#[test]
fn the_root_of_a_list_is_that_of_the_tree() {
    let world = World::new();
    assert_eq!(state_root_of([]), Some(empty_root()));
    for block in &world.blocks {
        let entries = block.state.iter().rev();
        let entries = entries.map(|(key, value)| (key.as_slice(), value_hash(value)));
        assert_eq!(state_root_of(entries), Some(state_root(&block.state)));
    }
    let twice = [(&b"key"[..], H256([1; 32])), (&b"key"[..], H256([2; 32]))];
    assert_eq!(state_root_of(twice), None);
}
