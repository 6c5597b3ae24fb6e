//! `Rotate` and `Deactivate`: what is done at once, and by whom. spec/control.md §2.

use super::world::*;
use crate::control::Refusal;
use crate::operation::{Body, Lane};
use crate::policy::{Capabilities, PolicyChange};
use crate::record::{Proposer, Status};

fn set_guardians() -> PolicyChange {
    PolicyChange {
        guardians: Some(Some(guardians(8))),
        ..PolicyChange::default()
    }
}

#[test]
fn a_rank_sets_the_ranks_below_it_at_once() {
    let mut world = World::pre_rotated().guarded();
    world.by_rank(0, rotate(to(1, &[5]))).unwrap();
    world.by_rank(1, rotate(to(2, &[6]))).unwrap();
    world.by_rank(1, rotate(to(3, &[7]))).unwrap();
    let keys: Vec<_> = world.record.policy.ranks.iter().cloned().collect();
    assert_eq!(keys[1..], [rank(&[5]), rank(&[6]), rank(&[7])]);
}

#[test]
fn a_rank_overrides_a_lower_commitment_without_opening_it() {
    let mut world = World::pre_rotated();
    world.by_rank(0, rotate(to(1, &[5]))).unwrap();
    assert_eq!(*world.rank(1), rank(&[5]));
}

#[test]
fn a_rank_without_commitment_sets_itself_at_once() {
    let mut world = World::pre_rotated();
    world.by_rank(2, rotate(to(2, &[5]))).unwrap();
    assert_eq!(*world.rank(2), rank(&[5]));
    let mut world = World::bare().guarded();
    world.by_rank(1, rotate(to(1, &[5]))).unwrap();
    assert_eq!(*world.rank(1), rank(&[5]), "guardians protect rank 0 only");
}

#[test]
fn a_rank_with_a_commitment_does_not_set_itself() {
    let mut world = World::pre_rotated();
    let refused = refusal(world.by_rank(1, rotate(to(1, &[5]))));
    assert_eq!(refused, Refusal::RevealRequired);
    let both = setting(vec![(1, None), (2, Some(rank(&[5])))]);
    let refused = refusal(world.by_rank(1, rotate(both)));
    assert_eq!(refused, Refusal::RevealRequired, "vacant neither");
}

#[test]
fn its_next_keys_set_it() {
    let mut world = World::pre_rotated();
    let body = rotate(to(1, &[5]));
    world.by_next(1, reveal(12, Some(22)), body).unwrap();
    assert_eq!(*world.rank(1), rank(&[5]), "instead of the revealed ones");
}

#[test]
fn nobody_sets_a_rank_above() {
    for change in [to(0, &[5]), set_guardians(), no_guardians(), delay(DAY)] {
        let mut world = World::pre_rotated();
        let refused = refusal(world.by_rank(1, rotate(change.clone())));
        assert_eq!(refused, Refusal::NotAbove);
        let body = rotate(change);
        let refused = refusal(world.by_next(1, reveal(12, None), body));
        assert_eq!(refused, Refusal::NotAbove);
    }
    let mut world = World::pre_rotated();
    let refused = refusal(world.by_rank(2, rotate(to(1, &[5]))));
    assert_eq!(refused, Refusal::NotAbove);
}

#[test]
fn exposed_keys_of_rank_0_wait_where_next_keys_or_guardians_could_stop_them() {
    let guarded = World::bare().guarded();
    let committed = World::new(vec![committed(&[1], 11), rank(&[2])]);
    for mut world in [guarded, committed] {
        for change in [to(0, &[5]), set_guardians(), no_guardians(), delay(DAY)] {
            let refused = refusal(world.by_rank(0, rotate(change)));
            assert_eq!(refused, Refusal::MustWait);
        }
        let refused = refusal(world.by_rank(0, Body::Deactivate));
        assert_eq!(refused, Refusal::MustWait);
        world.by_rank(0, rotate(to(1, &[6]))).unwrap();
    }
}

#[test]
fn where_nobody_could_stop_it_rank_0_acts_at_once() {
    let mut world = World::bare();
    world.by_rank(0, rotate(to(0, &[5]))).unwrap();
    assert_eq!(*world.rank(0), rank(&[5]));
    world.by_rank(0, rotate(delay(DAY))).unwrap();
    assert_eq!(world.record.policy.delay_ms, DAY);
    world.by_rank(0, rotate(set_guardians())).unwrap();
    assert_eq!(world.record.policy.guardians, Some(guardians(8)));
    let refused = refusal(world.by_rank(0, rotate(no_guardians())));
    assert_eq!(refused, Refusal::MustWait, "now there is somebody");
}

#[test]
fn next_keys_of_rank_0_set_everything_at_once() {
    let mut world = World::pre_rotated().guarded();
    let mut change = setting(vec![(0, Some(rank(&[5]))), (3, Some(rank(&[6])))]);
    change.guardians = Some(None);
    change.delay_ms = Some(DAY);
    world.by_next(0, reveal(11, None), rotate(change)).unwrap();
    let policy = &world.record.policy;
    assert_eq!(policy.ranks[0], rank(&[5]));
    assert_eq!(policy.ranks[3], rank(&[6]));
    assert_eq!((&policy.guardians, policy.delay_ms), (&None, DAY));
}

#[test]
fn rank_0_ends_an_identity_at_once_where_nobody_could_stop_it() {
    let mut world = World::bare();
    world.wait(DAY);
    world.by_rank(0, Body::Deactivate).unwrap();
    let at = world.now;
    assert_eq!(world.record.status, Status::Deactivated { at });
    assert_eq!(world.record.document, Default::default());
    assert_eq!(world.record.retired_count, 1);
}

#[test]
fn only_rank_0_ends_an_identity() {
    for lane in [Lane::Rank(1), Lane::Guardians] {
        let mut world = World::bare().guarded();
        let operation = world.operation(lane, None, Body::Deactivate);
        assert_eq!(refusal(world.apply(&operation)), Refusal::Misplaced);
    }
}

#[test]
fn bodies_without_a_party_are_misplaced() {
    let mut world = World::bare().guarded();
    for body in [rotate(to(0, &[5])), recover(9), Body::Deactivate] {
        let operation = world.operation(Lane::Documents, None, body);
        assert_eq!(refusal(world.apply(&operation)), Refusal::Misplaced);
    }
    let refused = refusal(world.by_guardians(rotate(to(0, &[5]))));
    assert_eq!(refused, Refusal::Misplaced);
    assert_eq!(refusal(world.by_rank(0, recover(9))), Refusal::Misplaced);
    let refused = refusal(world.by_rank(3, rotate(to(3, &[5]))));
    assert_eq!(refused, Refusal::Misplaced, "no such rank");
}

#[test]
fn a_change_clears_its_rank_and_those_below_it() {
    let waiting = |index: u8, change: PolicyChange| {
        let mut world = World::new(vec![rank(&[1]), rank(&[2]), rank(&[3]), rank(&[4])]);
        world.by_rank(3, propose(to(3, &[9]))).unwrap();
        let mut second = world.clone();
        second.record.pending = Default::default();
        second.by_rank(2, propose(to(2, &[8]))).unwrap();
        let mut third = world.clone();
        third.record.pending = Default::default();
        third.by_rank(1, propose(to(1, &[7]))).unwrap();
        [world, second, third].map(|mut world| {
            world.by_rank(index, rotate(change.clone())).unwrap();
            !world.waiting().is_empty()
        })
    };
    assert_eq!(waiting(0, to(3, &[5])), [false, true, true]);
    assert_eq!(waiting(0, to(2, &[5])), [false, false, true]);
    assert_eq!(waiting(0, to(1, &[5])), [false, false, false]);
    assert_eq!(waiting(0, setting(vec![(2, None)])), [false, false, true]);
    assert_eq!(waiting(0, delay(DAY)), [false, false, false]);
    assert_eq!(waiting(0, set_guardians()), [false, false, false]);
    assert_eq!(waiting(0, no_guardians()), [false, false, false]);
}

#[test]
fn a_change_below_leaves_what_stands_above_it_waiting() {
    let mut world = World::pre_rotated().guarded();
    world.by_guardians(recover(9)).unwrap();
    world.by_rank(0, rotate(to(1, &[5]))).unwrap();
    assert_eq!(world.waiting(), [Proposer::Guardians]);
}

#[test]
fn no_rank_gives_what_it_lacks() {
    let lacking = Capabilities::DOCUMENT;
    let ranks = vec![rank(&[1]), able(rank(&[2]), lacking), rank(&[3])];
    let mut world = World::new(ranks);
    let change = setting(vec![(1, Some(rank(&[5]))), (2, Some(rank(&[6])))]);
    world.by_rank(1, rotate(change)).unwrap();
    assert_eq!(world.rank(1).capabilities, lacking);
    assert_eq!(world.rank(2).capabilities, lacking);

    let ranks = vec![rank(&[1]), able(committed(&[2], 12), lacking)];
    let mut world = World::new(ranks);
    let body = rotate(setting(vec![(1, Some(rank(&[5]))), (2, Some(rank(&[6])))]));
    world.by_next(1, reveal(12, None), body).unwrap();
    assert_eq!(world.rank(1).capabilities, lacking);
    assert_eq!(world.rank(2).capabilities, lacking);
}

#[test]
fn rank_0_gives_everything() {
    let ranks = vec![able(rank(&[1]), Capabilities::default()), rank(&[2])];
    let mut world = World::new(ranks);
    world.by_rank(0, rotate(to(1, &[5]))).unwrap();
    assert_eq!(world.rank(1).capabilities, Capabilities::ALL);
}

#[test]
fn a_rank_beyond_the_maximum_is_refused_and_not_a_bug() {
    let mut world = World::bare();
    let refused = refusal(world.by_rank(0, rotate(to(4, &[5]))));
    assert_eq!(refused, Refusal::Misplaced);
    let refused = refusal(world.by_rank(
        1,
        propose(setting(vec![(1, None), (200, Some(rank(&[5])))])),
    ));
    assert_eq!(refused, Refusal::Misplaced);
}
