//! Cool-downs: spec/control.md §4.

use super::world::*;
use crate::control::Refusal;
use crate::limits::{COOL_DOWN_MS_FIRST, COOL_DOWN_MS_MAX};
use crate::policy::PolicyChange;
use crate::record::Proposer;

const FIRST: u64 = COOL_DOWN_MS_FIRST;

/// Rank 2 proposes and rank 0 cancels, now.
fn cancelled(world: &mut World) {
    let (id, _) = world.by_rank(2, propose(to(2, &[40]))).unwrap();
    world.by_rank(0, cancel(id)).unwrap();
}

#[test]
fn who_is_cancelled_rests_to_the_millisecond() {
    let mut world = World::pre_rotated();
    cancelled(&mut world);
    let until = START.plus_ms(FIRST);
    assert_eq!(world.rests(Proposer::Rank(2)), Some((until, 2 * FIRST)));
    world.wait(FIRST - 1);
    let refused = refusal(world.by_rank(2, propose(to(2, &[40]))));
    assert_eq!(refused, Refusal::CoolingDown);
    world.wait(1);
    assert!(world.by_rank(2, propose(to(2, &[40]))).is_ok());
}

#[test]
fn others_need_not_rest() {
    let mut world = World::pre_rotated();
    cancelled(&mut world);
    assert!(world.by_rank(1, propose(to(0, &[40]))).is_ok());
}

#[test]
fn each_rest_is_twice_as_long_up_to_the_maximum() {
    let mut world = World::pre_rotated();
    let mut rest = FIRST;
    for _ in 0..9 {
        cancelled(&mut world);
        let next = (rest * 2).min(COOL_DOWN_MS_MAX);
        let until = world.now.plus_ms(rest);
        assert_eq!(world.rests(Proposer::Rank(2)), Some((until, next)));
        world.wait(rest);
        rest = next;
    }
    assert_eq!(rest, 64 * DAY);
}

#[test]
fn who_stays_quiet_for_long_enough_starts_from_the_first() {
    for (quiet, next) in [(2 * FIRST - 1, 4 * FIRST), (2 * FIRST, 2 * FIRST)] {
        let mut world = World::pre_rotated();
        cancelled(&mut world);
        world.wait(FIRST + quiet);
        cancelled(&mut world);
        let (_, found) = world.rests(Proposer::Rank(2)).unwrap();
        assert_eq!(found, next);
    }
}

#[test]
fn quiet_is_judged_at_the_proposal_not_at_the_cancellation() {
    let mut world = World::pre_rotated();
    world.record.policy.delay_ms = 7 * DAY;
    cancelled(&mut world);
    world.wait(FIRST);
    let (id, _) = world.by_rank(2, propose(to(2, &[40]))).unwrap();
    world.wait(6 * DAY);
    world.by_rank(0, cancel(id)).unwrap();
    let until = world.now.plus_ms(2 * FIRST);
    assert_eq!(world.rests(Proposer::Rank(2)), Some((until, 4 * FIRST)));
}

#[test]
fn withdrawal_displacement_and_clearing_do_not_count() {
    let mut world = World::pre_rotated().guarded();
    let (id, _) = world.by_rank(2, propose(to(2, &[40]))).unwrap();
    world.by_rank(2, cancel(id)).unwrap();
    world.by_rank(2, propose(to(2, &[40]))).unwrap();
    world.by_rank(1, propose(to(1, &[40]))).unwrap();
    world.by_rank(0, rotate(to(1, &[41]))).unwrap();
    let (id, _) = world.by_guardians(recover(9)).unwrap();
    world.by_guardians(cancel(id)).unwrap();
    assert_eq!(world.waiting(), []);
    assert!(world.record.cool_downs.is_empty());
}

#[test]
fn a_party_above_that_changes_the_keys_ends_the_rest() {
    let mut world = World::pre_rotated();
    cancelled(&mut world);
    let mut by_next = world.clone();
    let mut vacated = world.clone();
    world.by_rank(1, rotate(to(2, &[40]))).unwrap();
    assert_eq!(world.rests(Proposer::Rank(2)), None);
    let change = rotate(to(2, &[40]));
    by_next.by_next(1, reveal(12, None), change).unwrap();
    assert_eq!(by_next.rests(Proposer::Rank(2)), None);
    vacated
        .by_rank(1, rotate(setting(vec![(2, None)])))
        .unwrap();
    assert_eq!(vacated.rests(Proposer::Rank(2)), None);
}

#[test]
fn its_own_reveal_ends_the_rest_and_its_exposed_keys_do_not() {
    let mut world = World::new(vec![rank(&[1]), committed(&[2], 12), rank(&[3])]);
    let (id, _) = world.by_rank(1, propose(to(1, &[40]))).unwrap();
    world.by_rank(0, cancel(id)).unwrap();
    let mut other = world.clone();
    let nothing = rotate(PolicyChange::default());
    world.by_next(1, reveal(12, None), nothing).unwrap();
    assert_eq!(world.rests(Proposer::Rank(1)), None);
    other.by_rank(1, rotate(to(2, &[41]))).unwrap();
    assert!(other.rests(Proposer::Rank(1)).is_some());
    other.record.policy.ranks.as_mut_slice()[1].next = None;
    other.by_rank(1, rotate(to(1, &[42]))).unwrap();
    assert_eq!(*other.rank(1), rank(&[42]));
    assert!(
        other.rests(Proposer::Rank(1)).is_some(),
        "as cool as it was"
    );
}

#[test]
fn the_effect_of_a_change_ends_the_rest_of_those_it_changes_and_of_its_proposer() {
    let mut world = World::pre_rotated();
    cancelled(&mut world);
    world
        .by_rank(1, propose(setting(vec![(1, None), (2, Some(rank(&[40])))])))
        .unwrap();
    world.wait(DELAY);
    assert_eq!(world.rests(Proposer::Rank(2)), None, "changed");

    let mut world = World::pre_rotated();
    cancelled(&mut world);
    world.wait(FIRST);
    world.by_rank(2, propose(to(0, &[40]))).unwrap();
    assert!(world.rests(Proposer::Rank(2)).is_some());
    world.wait(DELAY);
    assert_eq!(
        world.rests(Proposer::Rank(2)),
        None,
        "its change took effect"
    );
}

/// Guardians recover and next keys cancel; the owner commits to the key 21 then.
fn cancelled_guardians() -> World {
    let mut world = World::pre_rotated().guarded();
    let (id, _) = world.by_guardians(recover(9)).unwrap();
    world.by_next(0, reveal(11, Some(21)), cancel(id)).unwrap();
    let until = START.plus_ms(FIRST);
    assert_eq!(world.rests(Proposer::Guardians), Some((until, 2 * FIRST)));
    world
}

#[test]
fn guardians_rest_until_they_are_changed() {
    let mut world = cancelled_guardians();
    assert_eq!(
        refusal(world.by_guardians(recover(9))),
        Refusal::CoolingDown
    );
    let mut changed = world.clone();
    let nothing = rotate(PolicyChange::default());
    world.by_next(0, reveal(21, Some(31)), nothing).unwrap();
    assert!(world.rests(Proposer::Guardians).is_some());
    let change = PolicyChange {
        guardians: Some(Some(guardians(8))),
        ..PolicyChange::default()
    };
    changed
        .by_next(0, reveal(21, None), rotate(change))
        .unwrap();
    assert_eq!(changed.rests(Proposer::Guardians), None);
}

#[test]
fn guardians_may_cancel_while_they_rest() {
    let mut world = cancelled_guardians();
    let (id, _) = world.by_rank(0, propose(to(0, &[40]))).unwrap();
    assert!(world.by_guardians(cancel(id)).is_ok());
    assert!(world.rests(Proposer::Rank(0)).is_some());
    assert_eq!(world.record.cool_downs.len(), 2);
    assert_eq!(world.record.cool_downs[0].proposer, Proposer::Guardians);
}

#[test]
fn a_recovery_ends_every_rest() {
    let mut world = cancelled_guardians();
    let (id, _) = world.by_rank(0, propose(to(0, &[40]))).unwrap();
    world.by_guardians(cancel(id)).unwrap();
    world.wait(FIRST);
    world.by_guardians(recover(9)).unwrap();
    world.wait(GUARDIANS_DELAY);
    assert!(world.record.cool_downs.is_empty());
}

#[test]
fn the_proposer_that_next_keys_of_rank_0_cancel_rests_unless_its_keys_went() {
    let mut world = World::pre_rotated();
    let (id, _) = world.by_rank(2, propose(to(2, &[40]))).unwrap();
    world.by_next(0, reveal(11, None), cancel(id)).unwrap();
    assert!(world.rests(Proposer::Rank(2)).is_some());
    let mut world = World::pre_rotated();
    let (id, _) = world.by_rank(0, propose(to(0, &[40]))).unwrap();
    world.by_next(0, reveal(11, None), cancel(id)).unwrap();
    assert!(world.rests(Proposer::Rank(0)).is_none());
}
