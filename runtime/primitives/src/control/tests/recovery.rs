//! Recovery by guardians, and its cancellation. spec/control.md §3.

use super::world::*;
use crate::control::{Outcome, next_effect};
use crate::did::{Did, NetworkId};
use crate::document::RetireReason;
use crate::hash::H256;
use crate::limits::{COOL_DOWN_MS_FIRST, METHOD_ALLOWANCE};
use crate::operation::Body;
use crate::policy::PolicyChange;
use crate::record::Proposer;
use crate::{DidId, TimeMs};

/// A thief has done what it could; guardians have proposed key 9 an hour later.
fn robbed() -> (World, H256) {
    let mut world = World::new(vec![committed(&[1], 11), rank(&[2]), rank(&[3])]).guarded();
    let controllers = vec![Did::new(
        NetworkId::from_genesis(&H256([9; 32])),
        DidId([5; 32]),
    )];
    let mut patch = adding(vec![method("foothold", 66)]);
    patch.controllers = Some(controllers.try_into().unwrap());
    let change = setting(vec![(1, Some(rank(&[67]))), (3, Some(rank(&[68])))]);
    world.by_rank(0, rotate_with(change, patch)).unwrap();
    world.wait(HOUR);
    let (id, _) = world.by_guardians(recover(9)).unwrap();
    (world, id)
}

#[test]
fn a_recovery_leaves_nothing_of_the_thief() {
    let (mut world, id) = robbed();
    world.by_rank(1, rotate(to(2, &[69]))).unwrap();
    assert_eq!(world.wait(GUARDIANS_DELAY - 1), []);
    assert_eq!(world.wait(1), [id]);
    let record = &world.record;
    assert_eq!(record.policy.ranks[..], [rank(&[9])]);
    assert_eq!(record.policy.guardians, Some(guardians(7)));
    assert_eq!(record.policy.delay_ms, DELAY);
    assert!(record.document.methods.is_empty());
    assert!(record.document.controllers.is_empty());
    assert_eq!(record.document.services.len(), 1);
    let proposed_at = START.plus_ms(HOUR);
    let at = proposed_at.plus_ms(GUARDIANS_DELAY);
    assert_eq!((record.not_before, record.grant_epoch), (at, 1));
    assert_eq!(record.updated, at);
    assert_eq!(record.retired_count, 2);
    assert_eq!(record.method_allowance, METHOD_ALLOWANCE + 2);
    for method in world.used.0.values() {
        assert_eq!(method.reason, RetireReason::CompromisedSince(proposed_at));
        assert_eq!((method.until, method.declared), (at, at));
    }
}

#[test]
fn a_cut_off_is_not_moved_back() {
    let (mut world, _) = robbed();
    world.wait(GUARDIANS_DELAY - 1);
    let later = world.now.plus_ms(DAY);
    // As if a clock had been wrong.
    world.record.not_before = later;
    world.wait(1);
    assert_eq!(world.record.not_before, later);
}

#[test]
fn what_was_proposed_at_the_same_time_does_not_survive_a_recovery() {
    let (mut world, recovery) = robbed();
    let (cancellation, _) = world.by_rank(0, cancel_recovery(recovery)).unwrap();
    let pending = world.record.pending.as_mut_slice();
    pending[1].effective_at = pending[0].effective_at;
    world.now = world.now.plus_ms(GUARDIANS_DELAY);
    let effect = next_effect(&world.record, world.now).unwrap();
    assert_eq!(effect.pending.id, recovery, "the higher standing is first");
    assert_eq!(effect.outcomes, [Outcome::Cleared { id: cancellation }]);
    assert!(effect.record.pending.is_empty());
    assert_eq!(world.settle(), [recovery]);
}

#[test]
fn a_cancellation_takes_effect_before_the_recovery_and_guardians_rest() {
    let (mut world, recovery) = robbed();
    let (cancellation, _) = world.by_rank(0, cancel_recovery(recovery)).unwrap();
    let effect = next_effect(&world.record, world.now.plus_ms(DELAY)).unwrap();
    assert_eq!(effect.outcomes, [Outcome::Cancelled { id: recovery }]);
    assert_eq!(world.wait(DELAY), [cancellation]);
    assert_eq!(world.waiting(), []);
    let until = world.now.plus_ms(COOL_DOWN_MS_FIRST);
    let next = 2 * COOL_DOWN_MS_FIRST;
    assert_eq!(world.rests(Proposer::Guardians), Some((until, next)));
    assert_eq!(world.rank(0).keys, rank(&[1]).keys);
    assert_eq!(world.wait(GUARDIANS_DELAY), []);
}

#[test]
fn a_cancellation_takes_effect_at_its_time_even_if_it_is_written_down_later() {
    let (mut world, recovery) = robbed();
    world.by_rank(0, cancel_recovery(recovery)).unwrap();
    let at = world.now.plus_ms(DELAY);
    world.wait(30 * DAY);
    let (until, _) = world.rests(Proposer::Guardians).unwrap();
    assert_eq!(until, at.plus_ms(COOL_DOWN_MS_FIRST));
}

#[test]
fn next_keys_stop_a_colluding_quorum() {
    let (mut world, recovery) = robbed();
    world.wait(GUARDIANS_DELAY - 1);
    let body = cancel(recovery);
    world.by_next(0, reveal(11, Some(21)), body).unwrap();
    assert_eq!(world.wait(30 * DAY), []);
    assert_eq!(*world.rank(0), committed(&[11], 21));
}

#[test]
fn a_recovery_displaces_what_ranks_have_proposed() {
    let mut world = World::pre_rotated().guarded();
    let (id, _) = world.by_rank(0, propose(to(0, &[66]))).unwrap();
    let (_, outcomes) = world.by_guardians(recover(9)).unwrap();
    assert_eq!(outcomes[0], Outcome::Displaced { id });
}

#[test]
fn the_new_rank_0_acts_at_once_as_a_new_identity_does() {
    let (mut world, _) = robbed();
    world.wait(GUARDIANS_DELAY);
    world.by_rank(0, rotate(to(1, &[10]))).unwrap();
    let change = PolicyChange::default();
    let body = rotate_with(change, adding(vec![method("phone", 70)]));
    world.by_rank(0, body).unwrap();
    assert_eq!(world.record.document.methods.len(), 1);
    let ended = world.by_rank(0, Body::Deactivate);
    assert!(ended.is_err(), "guardians are still there");
}

#[test]
fn a_recovery_takes_effect_at_its_time_whenever_one_looks() {
    let (world, _) = robbed();
    let at = world.record.pending[0].effective_at;
    for later in [0, 1, DAY, 365 * DAY] {
        let effect = next_effect(&world.record, at.plus_ms(later)).unwrap();
        assert_eq!(effect.record.updated, at);
        assert_eq!(effect.record.not_before, at);
    }
    assert_eq!(next_effect(&world.record, TimeMs(at.0 - 1)), None);
}
