//! What time brings about: spec/control.md §3, "Effect".

use super::world::*;
use crate::control::{Outcome, effective, next_effect};
use crate::operation::{Body, ProposedChange};
use crate::policy::{Capabilities, PolicyChange};
use crate::record::{Proposer, Status};

#[test]
fn a_change_takes_effect_at_its_time_and_not_before() {
    let mut world = World::bare().guarded();
    let mut change = to(0, &[5]);
    change.guardians = Some(None);
    change.delay_ms = Some(DAY);
    let (id, _) = world.by_rank(0, propose(change)).unwrap();
    let at = START.plus_ms(DELAY);
    assert_eq!(world.wait(DELAY - 1), []);
    assert_eq!(world.wait(1), [id]);
    let policy = &world.record.policy;
    assert_eq!(policy.ranks[0], rank(&[5]));
    assert_eq!((&policy.guardians, policy.delay_ms), (&None, DAY));
    assert_eq!(world.record.updated, at);
    assert_eq!(world.waiting(), []);
}

#[test]
fn what_took_effect_is_there_for_readers_before_it_is_written_down() {
    let mut world = World::bare();
    world.by_rank(1, propose(to(0, &[5]))).unwrap();
    let before = world.record.clone();
    let at = START.plus_ms(DELAY);
    let early = effective(&before, START.plus_ms(DELAY - 1));
    assert_eq!(early.record, before);
    let late = effective(&before, at.plus_ms(DAY));
    assert_eq!(late.record.policy.ranks[0], rank(&[5]));
    assert_eq!(late, effective(&before, at));
    assert_eq!(late.retired, []);
}

#[test]
fn a_change_of_rank_0_by_effect_clears_everything() {
    let mut world = World::bare();
    let (first, _) = world.by_rank(2, propose(to(0, &[5]))).unwrap();
    world.record.pending.as_mut_slice()[0].effective_at = START.plus_ms(DELAY + 1);
    let mut pending = world.record.pending.clone().into_vec();
    world.record.pending = Default::default();
    world.by_rank(1, propose(to(0, &[6]))).unwrap();
    pending.insert(0, world.record.pending[0].clone());
    world.record.pending = pending.try_into().unwrap();
    let effect = next_effect(&world.record, START.plus_ms(DELAY)).unwrap();
    assert_eq!(effect.outcomes, [Outcome::Cleared { id: first }]);
    assert_eq!(effect.record.policy.ranks[0], rank(&[6]));
}

#[test]
fn a_change_below_by_effect_clears_its_rank_and_below_and_leaves_the_rest() {
    let mut world = World::new(vec![rank(&[1]), rank(&[2]), rank(&[3]), rank(&[4])]).guarded();
    world.by_rank(3, propose(to(2, &[9]))).unwrap();
    let third = world.record.pending[0].clone();
    world.record.pending = Default::default();
    world.by_rank(1, propose(to(2, &[8]))).unwrap();
    let second = world.record.pending[0].clone();
    world.record.pending = vec![second.clone(), third].try_into().unwrap();
    let effect = next_effect(&world.record, START.plus_ms(DELAY)).unwrap();
    assert_eq!(
        effect.pending.id, second.id,
        "of equal time the higher first"
    );
    assert!(effect.record.pending.is_empty());
    assert_eq!(effect.record.policy.ranks[2], rank(&[8]));
    assert_eq!(effect.record.policy.ranks[3], rank(&[4]));
}

#[test]
fn a_deactivation_takes_effect_as_one_at_once_does() {
    let mut world = World::bare().guarded();
    let end = Body::Propose(ProposedChange::Deactivation);
    world.by_rank(0, end).unwrap();
    let late = effective(&world.record, START.plus_ms(30 * DAY));
    assert_eq!(late.retired.len(), 1);
    assert_eq!(late.retired[0].until, START.plus_ms(DELAY));
    world.wait(30 * DAY);
    let at = START.plus_ms(DELAY);
    assert_eq!(world.record.status, Status::Deactivated { at });
    assert_eq!(world.record.document, Default::default());
    assert!(world.record.cool_downs.is_empty());
}

#[test]
fn a_proposal_that_waits_may_give_what_its_proposer_lacks() {
    let propose_up = Capabilities::PROPOSE_UP;
    let mut world = World::new(vec![rank(&[1]), able(rank(&[2]), propose_up)]);
    world.by_rank(1, propose(to(1, &[5]))).unwrap();
    world.wait(DELAY);
    assert_eq!(world.rank(1).capabilities, Capabilities::ALL);
}

#[test]
fn an_operation_finds_done_what_was_due() {
    let mut world = World::bare();
    world.by_rank(1, propose(to(0, &[5]))).unwrap();
    world.now = START.plus_ms(DELAY);
    let refused = world.by_rank(0, cancel(world.record.pending[0].id));
    assert!(refused.is_err(), "a cancellation must be in a block before");
    assert_eq!(*world.rank(0), rank(&[5]));
}

#[test]
fn a_cancellation_in_the_block_before_is_in_time() {
    let mut world = World::bare();
    let (id, _) = world.by_rank(1, propose(to(0, &[5]))).unwrap();
    world.wait(DELAY - 1);
    world.by_rank(0, cancel(id)).unwrap();
    assert_eq!(world.wait(30 * DAY), []);
}

#[test]
fn an_effect_ends_what_waits_for_the_old_guardians() {
    let mut world = World::bare().guarded();
    let (recovery, _) = world.by_guardians(recover(9)).unwrap();
    world.record.pending.as_mut_slice()[0].effective_at = START.plus_ms(30 * DAY);
    let waiting = world.record.pending.clone().into_vec();
    world.record.pending = Default::default();
    world.by_rank(0, propose(no_guardians())).unwrap();
    let mut both = waiting;
    both.push(world.record.pending[0].clone());
    world.record.pending = both.try_into().unwrap();
    let effect = next_effect(&world.record, START.plus_ms(DELAY)).unwrap();
    assert_eq!(effect.outcomes, [Outcome::Cleared { id: recovery }]);
    assert_eq!(effect.record.policy.guardians, None);
}

#[test]
fn nothing_but_a_change_ends_a_cancellation_that_has_a_recovery() {
    let mut world = World::bare().guarded();
    let (recovery, _) = world.by_guardians(recover(9)).unwrap();
    world.by_rank(0, cancel_recovery(recovery)).unwrap();
    world.by_rank(0, rotate(to(1, &[5]))).unwrap();
    assert_eq!(world.waiting(), [Proposer::Guardians, Proposer::Rank(0)]);
    let mut own = World::new(vec![committed(&[1], 11), rank(&[2])]).guarded();
    let (recovery, _) = own.by_guardians(recover(9)).unwrap();
    own.by_rank(0, cancel_recovery(recovery)).unwrap();
    let nothing = rotate(PolicyChange::default());
    let (_, outcomes) = own.by_next(0, reveal(11, None), nothing).unwrap();
    assert_eq!(outcomes.len(), 2, "each is named once: {outcomes:?}");
}
