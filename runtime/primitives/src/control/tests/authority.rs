//! Who signs for which party: spec/control.md §1, §8, spec/did.md §2.

use super::world::*;
use crate::control::{Party, advance, is_authorized, is_rank_authorized};
use crate::guardian::{Guardian, make_set};
use crate::hash::H256;
use crate::operation::{Body, KeySignature, Lane, SignatureProof};
use crate::policy::{Capabilities, ControlPolicy, PolicyChange, Rank};
use crate::record::LaneHead;
use crate::{DidId, Signature};

/// Signatures, none of which verifies, by these keys in order.
pub(super) fn by(seeds: &[u8]) -> Vec<KeySignature> {
    let mut list: Vec<KeySignature> = seeds
        .iter()
        .map(|seed| KeySignature {
            key: key(*seed),
            proof: SignatureProof::Ed25519(Signature([0; 64])),
            leaf: None,
        })
        .collect();
    list.sort_by(|a, b| a.key.cmp(&b.key));
    list
}

fn may(policy: &ControlPolicy, lane: Lane, body: Body, seeds: &[u8]) -> bool {
    let operation = World::bare().operation(lane, None, body);
    is_authorized(policy, &operation, &by(seeds))
}

fn cut_off() -> Body {
    Body::SetNotBefore {
        not_before: START,
        bump_grant_epoch: false,
    }
}

fn update() -> Body {
    Body::UpdateDocument(adding(vec![method("a", 2)]))
}

#[test]
fn a_rank_acts_in_its_lane_with_keys_up_to_its_threshold() {
    let mut two = rank(&[1, 2, 3]);
    two.threshold = 2;
    let policy = World::new(vec![two, rank(&[4])]).record.policy;
    let rotates = |seeds: &[u8]| may(&policy, Lane::Rank(0), rotate(to(1, &[9])), seeds);
    assert!(rotates(&[1, 2]));
    assert!(rotates(&[1, 2, 3]));
    assert!(!rotates(&[1]));
    assert!(!rotates(&[1, 4]), "of another rank");
    assert!(!rotates(&[1, 2, 4]), "enough, but padded");
    assert!(!rotates(&[]));
    assert!(!rotates(&[1, 1]), "one key twice");
    let lower = |seeds: &[u8]| may(&policy, Lane::Rank(1), rotate(to(1, &[9])), seeds);
    assert!(lower(&[4]));
    assert!(!lower(&[1, 2]), "not with keys of a rank above");
    assert!(!may(&policy, Lane::Rank(2), rotate(to(2, &[9])), &[4]));
}

#[test]
fn weights_add_up() {
    let mut heavy = rank(&[1, 2, 3]);
    heavy.threshold = 5;
    let mut keys = heavy.keys.clone().into_vec();
    for weighted in &mut keys {
        weighted.weight = if weighted.key == key(1) { 4 } else { 1 };
    }
    heavy.keys = keys.try_into().unwrap();
    let policy = World::new(vec![heavy]).record.policy;
    let rotates = |seeds: &[u8]| may(&policy, Lane::Rank(0), rotate(to(0, &[9])), seeds);
    assert!(rotates(&[1, 2]));
    assert!(!rotates(&[1]));
    assert!(!rotates(&[2, 3]));
}

#[test]
fn documents_and_cut_offs_need_their_capability() {
    let ranks = vec![
        able(rank(&[1]), Capabilities::DOCUMENT),
        able(rank(&[2]), Capabilities::TOKENS_AND_GRANTS),
        able(
            rank(&[3]),
            Capabilities::PROPOSE_UP.union(Capabilities::CANCEL),
        ),
    ];
    let policy = World::new(ranks).record.policy;
    let documents =
        |body: Body| [1, 2, 3].map(|seed| may(&policy, Lane::Documents, body.clone(), &[seed]));
    assert_eq!(documents(update()), [true, false, false]);
    assert_eq!(documents(cut_off()), [false, true, false]);
    let own = |index: u8| may(&policy, Lane::Rank(index), cut_off(), &[index + 1]);
    assert_eq!([own(0), own(1), own(2)], [false, true, false]);
    let rotates = |index: u8| {
        may(
            &policy,
            Lane::Rank(index),
            rotate(to(3, &[9])),
            &[index + 1],
        )
    };
    assert_eq!([rotates(0), rotates(1), rotates(2)], [true; 3]);
    let ranked = |needed, seeds: &[u8]| is_rank_authorized(&policy, needed, &by(seeds));
    assert!(ranked(Capabilities::DOCUMENT, &[1]));
    assert!(!ranked(Capabilities::DOCUMENT, &[1, 2]), "of two ranks");
}

#[test]
fn nobody_acts_for_a_vacant_rank() {
    let policy = World::new(vec![rank(&[1]), Rank::default(), rank(&[3])])
        .record
        .policy;
    for seeds in [&[][..], &[1], &[3]] {
        assert!(!may(&policy, Lane::Rank(1), rotate(to(2, &[9])), seeds));
        assert!(!may(&policy, Lane::Next(1), rotate(to(2, &[9])), seeds));
    }
    assert!(!is_rank_authorized(
        &policy,
        Capabilities::default(),
        &by(&[])
    ));
}

#[test]
fn next_keys_open_the_commitment_of_their_rank() {
    let world = World::pre_rotated();
    let policy = &world.record.policy;
    let opens = |index, seed: u8, seeds: &[u8]| {
        let body = rotate(PolicyChange::default());
        let opened = Some(reveal(seed, None));
        let operation = World::bare().operation(Lane::Next(index), opened, body);
        is_authorized(policy, &operation, &by(seeds))
    };
    assert!(opens(0, 11, &[11]));
    assert!(opens(1, 12, &[12]));
    assert!(!opens(0, 11, &[]));
    assert!(!opens(0, 11, &[1]), "by exposed keys");
    assert!(!opens(0, 12, &[12]), "of another rank");
    assert!(!opens(1, 11, &[11]), "of another rank");
    assert!(!opens(2, 11, &[11]), "no commitment");
    assert!(!opens(3, 11, &[11]), "no rank");
}

#[test]
fn what_a_commitment_is_to_cannot_be_changed() {
    let policy = World::pre_rotated().record.policy;
    let opens = |change: &dyn Fn(&mut crate::operation::Reveal)| {
        let mut opened = reveal(11, Some(21));
        change(&mut opened);
        let body = rotate(PolicyChange::default());
        let operation = World::bare().operation(Lane::Next(0), Some(opened), body);
        is_authorized(&policy, &operation, &by(&[11]))
    };
    assert!(opens(&|_| ()));
    assert!(opens(&|it| it.next = None), "what comes next is free");
    assert!(!opens(&|it| it.threshold = 0));
    assert!(!opens(&|it| it.salt = [0; 16]));
    assert!(!opens(&|it| it.keys.as_mut_slice()[0].weight = 2));
}

#[test]
fn next_keys_reach_their_threshold() {
    let mut policy = World::pre_rotated().record.policy;
    let mut opened = reveal(11, None);
    opened.keys = rank(&[11, 12, 13]).keys;
    opened.threshold = 2;
    policy.ranks.as_mut_slice()[0].next = Some(opened.commitment());
    let body = rotate(PolicyChange::default());
    let operation = World::bare().operation(Lane::Next(0), Some(opened), body);
    let reaches = |seeds: &[u8]| is_authorized(&policy, &operation, &by(seeds));
    assert!(reaches(&[11, 12]));
    assert!(!reaches(&[11]));
    assert!(!reaches(&[11, 12, 1]));
}

/// Guardians with keys 51 to 53 and weights 1, 1, 2, of which 3 recover.
pub(super) fn guardian_world() -> (World, Vec<KeySignature>) {
    let list: Vec<Guardian> = (51..=53u8)
        .map(|seed| Guardian {
            key: key(seed),
            weight: if seed == 53 { 2 } else { 1 },
            salt: [seed; 16],
        })
        .collect();
    let (set, invitations) = make_set(&DidId([8; 32]), &list, 3, GUARDIANS_DELAY).unwrap();
    let mut world = World::bare();
    world.record.policy.guardians = Some(set);
    let signatures = invitations.iter().map(|it| KeySignature {
        key: it.key.clone(),
        proof: SignatureProof::Ed25519(Signature([0; 64])),
        leaf: Some(it.leaf.clone()),
    });
    (world, signatures.collect())
}

fn sorted(list: &[&KeySignature]) -> Vec<KeySignature> {
    let mut list: Vec<KeySignature> = list.iter().map(|it| (*it).clone()).collect();
    list.sort_by(|a, b| a.key.cmp(&b.key));
    list
}

#[test]
fn guardians_act_by_quorum_and_below_it_not_at_all() {
    let (mut world, all) = guardian_world();
    let policy = world.record.policy.clone();
    let operation = world.operation(Lane::Guardians, None, recover(9));
    let act = |list: &[&KeySignature]| is_authorized(&policy, &operation, &sorted(list));
    assert!(act(&[&all[0], &all[2]]));
    assert!(act(&[&all[0], &all[1], &all[2]]));
    assert!(!act(&[&all[2]]));
    assert!(!act(&[&all[0], &all[1]]));
    assert!(!act(&[]));
    let twice = vec![all[2].clone(), all[2].clone()];
    assert!(!is_authorized(&policy, &operation, &twice));
    let mut without_leaf = all.clone();
    without_leaf[0].leaf = None;
    assert!(!act(&[&without_leaf[0], &all[1], &all[2]]));
    let unguarded = World::bare().record.policy;
    assert!(!is_authorized(
        &unguarded,
        &operation,
        &sorted(&[&all[0], &all[2]])
    ));
}

#[test]
fn a_guardians_leaf_is_as_it_was_listed() {
    let (mut world, all) = guardian_world();
    let policy = world.record.policy.clone();
    let operation = world.operation(Lane::Guardians, None, recover(9));
    let act = |change: &dyn Fn(&mut KeySignature)| {
        let mut changed = all[0].clone();
        change(&mut changed);
        is_authorized(&policy, &operation, &sorted(&[&changed, &all[2]]))
    };
    assert!(act(&|_| ()));
    assert!(!act(&|it| it.key = key(60)), "another key");
    assert!(!act(&|it| it.leaf.as_mut().unwrap().weight = 0));
    assert!(!act(&|it| it.leaf.as_mut().unwrap().weight = 2));
    assert!(!act(&|it| it.leaf.as_mut().unwrap().salt = [0; 16]));
    assert!(!act(&|it| it.leaf.as_mut().unwrap().index = 1));
    assert!(!act(&|it| it.leaf.as_mut().unwrap().index = 3));
    assert!(!act(
        &|it| it.leaf.as_mut().unwrap().path.as_mut_slice()[0] = H256([0; 32])
    ));
    assert!(!act(
        &|it| it.leaf.as_mut().unwrap().path = Default::default()
    ));
    let longer = |it: &mut KeySignature| {
        let path = &mut it.leaf.as_mut().unwrap().path;
        path.push(H256([0; 32])).unwrap();
    };
    assert!(!act(&longer));
    for count in [2, 4] {
        let mut policy = policy.clone();
        policy.guardians.as_mut().unwrap().count = count;
        let list = sorted(&[&all[0], &all[2]]);
        assert!(!is_authorized(&policy, &operation, &list), "{count} leaves");
    }
}

#[test]
fn lanes_name_their_parties() {
    assert_eq!(Party::of(Lane::Rank(2)), Some(Party::Rank(2)));
    assert_eq!(Party::of(Lane::Next(1)), Some(Party::Next(1)));
    assert_eq!(Party::of(Lane::Guardians), Some(Party::Guardians));
    assert_eq!(Party::of(Lane::Documents), None);
    assert_eq!(Party::Rank(2).rank(), Some(2));
    assert_eq!(Party::Next(1).rank(), Some(1));
    assert_eq!(Party::Guardians.rank(), None);
}

#[test]
fn an_operation_advances_its_lane_and_no_other() {
    let mut lanes: Vec<Lane> = vec![Lane::Guardians, Lane::Documents];
    lanes.extend((0..4).flat_map(|index| [Lane::Rank(index), Lane::Next(index)]));
    for lane in &lanes {
        let mut record = World::bare().record;
        let head = LaneHead {
            next_seq: 1,
            last: H256([3; 32]),
        };
        advance(&mut record, *lane, H256([3; 32]));
        for other in &lanes {
            let expected = if other == lane {
                head
            } else {
                LaneHead::default()
            };
            assert_eq!(record.lanes.get(*other), Some(&expected));
        }
    }
}

#[test]
fn a_setting_prints_itself_without_what_is_behind_it() {
    let world = World::bare();
    let setting = crate::control::Setting {
        now: START,
        parameters: world.parameters,
        used: &world.used,
    };
    let text = format!("{setting:?}");
    assert!(text.contains("Setting") && text.contains("delay_ms_min"));
}
