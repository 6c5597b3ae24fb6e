//! "One key, one rank": spec/control.md §2.

use super::world::*;
use crate::control::Refusal;
use crate::policy::Rank;

#[test]
fn a_key_of_the_acting_rank_or_above_is_not_set_below() {
    let mut world = World::bare();
    let refused = refusal(world.by_rank(0, rotate(to(1, &[1]))));
    assert_eq!(refused, Refusal::KeyInTwoRanks);
    let refused = refusal(world.by_rank(1, rotate(to(2, &[1]))));
    assert_eq!(refused, Refusal::KeyInTwoRanks, "above the acting one");
    let refused = refusal(world.by_rank(1, rotate(to(2, &[2]))));
    assert_eq!(refused, Refusal::KeyInTwoRanks);
    let refused = refusal(world.by_rank(1, propose(to(1, &[1]))));
    assert_eq!(refused, Refusal::KeyInTwoRanks, "already at the proposal");
}

#[test]
fn a_rank_that_is_set_as_well_may_give_its_key_away() {
    let mut world = World::bare();
    let change = setting(vec![(0, Some(rank(&[5]))), (1, Some(rank(&[1])))]);
    world.by_rank(0, rotate(change)).unwrap();
    assert_eq!(
        world.record.policy.ranks[..],
        [rank(&[5]), rank(&[1]), rank(&[3])]
    );
    let change = setting(vec![(1, Some(rank(&[3]))), (2, None)]);
    world.by_rank(0, rotate(change)).unwrap();
    assert_eq!(world.record.policy.ranks[..], [rank(&[5]), rank(&[3])]);
}

#[test]
fn a_lower_rank_that_lists_the_key_becomes_vacant() {
    let mut world = World::bare();
    world.by_rank(0, rotate(to(1, &[3]))).unwrap();
    assert_eq!(world.record.policy.ranks[..], [rank(&[1]), rank(&[3])]);
}

/// A thief of rank 1 goes first with the key that rank 0 is about to set in rank 2.
#[test]
fn a_rank_in_between_that_lists_the_key_becomes_vacant() {
    let mut world = World::bare();
    world.by_rank(1, rotate(to(1, &[5]))).unwrap();
    world.by_rank(0, rotate(to(2, &[5]))).unwrap();
    let expected = [rank(&[1]), Rank::default(), rank(&[5])];
    assert_eq!(world.record.policy.ranks[..], expected);
}

#[test]
fn a_proposer_takes_keys_from_ranks_between_it_and_what_it_sets() {
    let mut world = World::new(vec![rank(&[1]), rank(&[2]), rank(&[3]), rank(&[4])]);
    world.by_rank(3, propose(to(0, &[3]))).unwrap();
    world.wait(DELAY);
    let expected = [rank(&[3]), rank(&[2]), Rank::default(), rank(&[4])];
    assert_eq!(world.record.policy.ranks[..], expected);
}

#[test]
fn in_an_effect_the_rank_being_set_becomes_vacant_instead() {
    let mut world = World::new(vec![rank(&[1]), rank(&[2]), rank(&[3]), rank(&[4])]);
    let change = setting(vec![(0, Some(rank(&[6]))), (3, Some(rank(&[7])))]);
    world.by_rank(2, propose(change)).unwrap();
    // Rank 1 is above the proposer and lists the key by now.
    world.record.policy.ranks.as_mut_slice()[1] = rank(&[7]);
    world.wait(DELAY);
    let expected = [rank(&[6]), rank(&[7]), rank(&[3])];
    assert_eq!(world.record.policy.ranks[..], expected);
}

#[test]
fn by_next_keys_the_rank_being_set_becomes_vacant_instead() {
    let mut world = World::pre_rotated();
    let change = setting(vec![(2, Some(rank(&[1]))), (3, Some(rank(&[5])))]);
    world.by_next(1, reveal(12, None), rotate(change)).unwrap();
    let expected = [
        committed(&[1], 11),
        rank(&[12]),
        Rank::default(),
        rank(&[5]),
    ];
    assert_eq!(world.record.policy.ranks[..], expected);
}

#[test]
fn vacant_ranks_at_the_end_are_dropped_and_others_stay() {
    let mut world = World::bare();
    world.by_rank(0, rotate(setting(vec![(1, None)]))).unwrap();
    let expected = [rank(&[1]), Rank::default(), rank(&[3])];
    assert_eq!(world.record.policy.ranks[..], expected);
    world.by_rank(0, rotate(setting(vec![(2, None)]))).unwrap();
    assert_eq!(world.record.policy.ranks[..], [rank(&[1])]);
    world.by_rank(0, rotate(to(3, &[4]))).unwrap();
    assert_eq!(world.record.policy.ranks.len(), 4);
}

#[test]
fn a_vacant_rank_has_no_commitment_left() {
    let mut world = World::pre_rotated();
    world.by_rank(0, rotate(setting(vec![(1, None)]))).unwrap();
    assert!(world.rank(1).is_vacant());
    assert_eq!(world.rank(1).next, None);
}

#[test]
fn rank_0_is_never_made_vacant() {
    let mut world = World::bare();
    world
        .by_rank(0, rotate(setting(vec![(0, None), (2, None)])))
        .unwrap();
    assert_eq!(world.record.policy.ranks[..], [rank(&[1]), rank(&[2])]);
}
