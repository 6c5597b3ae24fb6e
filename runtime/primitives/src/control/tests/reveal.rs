//! Revealing next keys: spec/control.md §1.

use super::world::*;
use crate::control::{Outcome, Refusal, is_authorized};
use crate::hash::H256;
use crate::limits::METHOD_ALLOWANCE;
use crate::operation::{Body, Lane};
use crate::policy::{Capabilities, PolicyChange};
use crate::record::Proposer;

#[test]
fn a_reveal_replaces_keys_and_commitment_and_leaves_capabilities() {
    let ranks = vec![
        committed(&[1], 11),
        able(committed(&[2], 12), Capabilities::DOCUMENT),
    ];
    let mut world = World::new(ranks);
    world
        .by_next(1, reveal(12, Some(22)), rotate(PolicyChange::default()))
        .unwrap();
    let expected = able(committed(&[12], 22), Capabilities::DOCUMENT);
    assert_eq!(*world.rank(1), expected);
    assert_eq!(*world.rank(0), committed(&[1], 11));
    world
        .by_next(0, reveal(11, None), rotate(PolicyChange::default()))
        .unwrap();
    assert_eq!(*world.rank(0), rank(&[11]));
}

#[test]
fn an_operation_in_a_next_lane_without_a_reveal_is_misplaced() {
    let mut world = World::pre_rotated();
    let body = rotate(PolicyChange::default());
    let operation = world.operation(Lane::Next(0), None, body);
    assert_eq!(refusal(world.apply(&operation)), Refusal::Misplaced);
}

#[test]
fn a_reveal_clears_its_rank_and_those_below() {
    for (index, left) in [(0, vec![]), (1, vec![Proposer::Rank(0)])] {
        let mut world = World::pre_rotated();
        world.by_rank(2, propose(to(1, &[5]))).unwrap();
        world.by_rank(1, propose(to(0, &[6]))).unwrap();
        world.by_rank(0, propose(to(0, &[7]))).unwrap();
        assert_eq!(world.waiting(), [Proposer::Rank(0)], "displaced");
        let opened = reveal(11 + index, None);
        let nothing = rotate(PolicyChange::default());
        world.by_next(index, opened, nothing).unwrap();
        assert_eq!(world.waiting(), left);
    }
}

#[test]
fn a_reveal_clears_what_lower_ranks_proposed() {
    let mut world = World::pre_rotated();
    let (second, _) = world.by_rank(2, propose(to(1, &[5]))).unwrap();
    let nothing = rotate(PolicyChange::default());
    let (_, outcomes) = world.by_next(1, reveal(12, None), nothing).unwrap();
    assert_eq!(outcomes, [Outcome::Cleared { id: second }]);
}

#[test]
fn a_reveal_makes_lower_ranks_vacant_that_list_its_keys() {
    let mut world = World::new(vec![committed(&[1], 11), rank(&[2]), rank(&[11])]);
    let nothing = rotate(PolicyChange::default());
    world.by_next(0, reveal(11, None), nothing).unwrap();
    assert_eq!(world.record.policy.ranks.len(), 2, "trimmed");
}

#[test]
fn a_key_of_a_rank_above_is_not_revealed() {
    let mut world = World::new(vec![rank(&[1, 12]), committed(&[2], 12)]);
    let body = rotate(PolicyChange::default());
    let operation = world.operation(Lane::Next(1), Some(reveal(12, None)), body);
    let policy = &world.record.policy;
    assert!(!is_authorized(
        policy,
        &operation,
        &super::authority::by(&[12])
    ));
}

#[test]
fn a_reveal_of_rank_0_renews_the_allowance_of_methods_and_no_other_does() {
    let mut world = World::pre_rotated();
    world.record.retired_count = 40;
    let nothing = || rotate(PolicyChange::default());
    let mut other = world.clone();
    world.used = filled(40);
    other.used = filled(40);
    other.by_next(1, reveal(12, None), nothing()).unwrap();
    assert_eq!(other.record.method_allowance, METHOD_ALLOWANCE);
    world.by_next(0, reveal(11, None), nothing()).unwrap();
    assert_eq!(world.record.method_allowance, METHOD_ALLOWANCE + 41);
}

#[test]
fn what_the_reveal_does_stands_when_the_rest_cannot_be_done() {
    let ranks = vec![
        rank(&[1]),
        able(committed(&[2], 12), Capabilities::default()),
        rank(&[3]),
    ];
    let mut world = World::new(ranks);
    let (_, outcomes) = world
        .by_next(1, reveal(12, None), cancel(H256([1; 32])))
        .unwrap();
    let skipped = |refusal| Outcome::Skipped {
        fragment: None,
        refusal,
    };
    assert_eq!(outcomes, [skipped(Refusal::NoSuchPending)]);
    assert_eq!(world.rank(1).keys, rank(&[12]).keys);

    let ranks = vec![
        rank(&[1]),
        able(committed(&[2], 12), Capabilities::default()),
    ];
    let mut world = World::new(ranks);
    let body = rotate_with(PolicyChange::default(), adding(vec![method("a", 5)]));
    let (_, outcomes) = world.by_next(1, reveal(12, None), body).unwrap();
    assert_eq!(outcomes, [skipped(Refusal::NoCapability)]);
    assert_eq!(world.rank(1).keys, rank(&[12]).keys);
    assert_eq!(world.record.document.methods.len(), 1);
}

#[test]
fn next_keys_of_rank_0_end_the_identity_at_once() {
    let mut world = World::pre_rotated().guarded();
    world.by_guardians(recover(9)).unwrap();
    world
        .by_next(0, reveal(11, None), Body::Deactivate)
        .unwrap();
    assert!(!world.record.is_active());
    assert_eq!(world.waiting(), []);
}

#[test]
fn keys_that_a_change_replaces_again_may_stand_in_it() {
    let mut world = World::pre_rotated();
    let change = setting(vec![(0, Some(rank(&[11, 13]))), (1, Some(rank(&[14])))]);
    world.by_next(0, reveal(11, None), rotate(change)).unwrap();
    assert_eq!(*world.rank(0), rank(&[11, 13]));
    assert_eq!(*world.rank(1), rank(&[14]));
}
