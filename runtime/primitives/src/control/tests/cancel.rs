//! `Cancel`: who may, and what goes with it. spec/control.md §4.

use super::world::*;
use crate::control::{Outcome, Refusal};
use crate::hash::H256;
use crate::policy::Capabilities;
use crate::record::Proposer;

/// Ids of what guardians, rank 0 (a cancellation), or rank 1 and 2 have pending, one at a time.
fn with_pending(by: Proposer) -> (World, H256) {
    let mut world = World::new(vec![
        committed(&[1], 11),
        committed(&[2], 12),
        committed(&[3], 13),
        rank(&[4]),
    ])
    .guarded();
    let done = match by {
        Proposer::Guardians => world.by_guardians(recover(9)),
        Proposer::Rank(index) => world.by_rank(index, propose(to(index, &[40]))),
    };
    let (id, _) = done.unwrap();
    (world, id)
}

#[test]
fn next_keys_of_rank_0_cancel_everything() {
    let all = (0..4).map(Proposer::Rank).chain([Proposer::Guardians]);
    for by in all {
        let (mut world, id) = with_pending(by);
        let (_, outcomes) = world.by_next(0, reveal(11, None), cancel(id)).unwrap();
        assert_eq!(outcomes, [Outcome::Cancelled { id }]);
        assert_eq!(world.waiting(), []);
        assert_eq!(*world.rank(0), rank(&[11]));
    }
}

#[test]
fn guardians_cancel_everything() {
    let all = (0..4).map(Proposer::Rank).chain([Proposer::Guardians]);
    for by in all {
        let (mut world, id) = with_pending(by);
        let (_, outcomes) = world.by_guardians(cancel(id)).unwrap();
        assert_eq!(outcomes, [Outcome::Cancelled { id }]);
        assert_eq!(world.waiting(), []);
    }
}

#[test]
fn a_rank_cancels_its_own_and_those_below() {
    for by in 0..4u8 {
        for index in 0..4u8 {
            let (mut world, id) = with_pending(Proposer::Rank(by));
            let done = world.by_rank(index, cancel(id));
            if index <= by {
                assert_eq!(done.unwrap().1, [Outcome::Cancelled { id }]);
                assert_eq!(world.waiting(), []);
            } else {
                assert_eq!(refusal(done), Refusal::NotAbove);
                assert_eq!(world.waiting(), [Proposer::Rank(by)]);
            }
        }
    }
}

#[test]
fn next_keys_of_a_lower_rank_cancel_as_its_exposed_keys_do() {
    let (mut world, id) = with_pending(Proposer::Rank(2));
    world.by_next(1, reveal(12, None), cancel(id)).unwrap();
    assert!(world.rests(Proposer::Rank(2)).is_some());
    for above in [Proposer::Rank(0), Proposer::Guardians] {
        let (mut world, id) = with_pending(above);
        let (_, outcomes) = world.by_next(1, reveal(12, None), cancel(id)).unwrap();
        let skipped = Outcome::Skipped {
            fragment: None,
            refusal: Refusal::NotAbove,
        };
        assert_eq!(outcomes, [skipped]);
        assert_eq!(world.waiting(), [above]);
        assert_eq!(world.rank(1).keys, rank(&[12]).keys, "the reveal stands");
    }
}

#[test]
fn cancelling_others_needs_the_capability_and_withdrawing_does_not() {
    let (mut world, id) = with_pending(Proposer::Rank(2));
    world.record.policy.ranks.as_mut_slice()[1].capabilities = Capabilities::DOCUMENT;
    world.record.policy.ranks.as_mut_slice()[2].capabilities = Capabilities::DOCUMENT;
    let refused = refusal(world.by_rank(1, cancel(id)));
    assert_eq!(refused, Refusal::NoCapability);
    assert!(world.by_rank(2, cancel(id)).is_ok());
}

#[test]
fn no_rank_cancels_a_recovery_with_exposed_keys() {
    for index in 0..4 {
        let (mut world, id) = with_pending(Proposer::Guardians);
        let refused = refusal(world.by_rank(index, cancel(id)));
        assert_eq!(refused, Refusal::NotAbove);
    }
}

#[test]
fn a_cancellation_hits_the_change_it_names_and_no_other() {
    let (mut world, _) = with_pending(Proposer::Rank(1));
    let other = H256([1; 32]);
    let refused = refusal(world.by_rank(0, cancel(other)));
    assert_eq!(refused, Refusal::NoSuchPending);
    let refused = refusal(world.by_guardians(cancel(other)));
    assert_eq!(refused, Refusal::NoSuchPending);
    assert_eq!(world.waiting(), [Proposer::Rank(1)]);
}

#[test]
fn a_cancellation_goes_with_its_recovery() {
    let (mut world, recovery) = with_pending(Proposer::Guardians);
    let (cancellation, _) = world.by_rank(0, cancel_recovery(recovery)).unwrap();
    let (_, outcomes) = world.by_guardians(cancel(recovery)).unwrap();
    let expected = [
        Outcome::Cancelled { id: recovery },
        Outcome::Cleared { id: cancellation },
    ];
    assert_eq!(outcomes, expected);
    assert_eq!(world.waiting(), []);
    assert!(world.record.cool_downs.is_empty());
}

#[test]
fn a_cancellation_is_cancelled_by_guardians_and_withdrawn_by_rank_0() {
    let (mut world, recovery) = with_pending(Proposer::Guardians);
    let (id, _) = world.by_rank(0, cancel_recovery(recovery)).unwrap();
    let mut withdrawn = world.clone();
    world.by_guardians(cancel(id)).unwrap();
    assert_eq!(world.waiting(), [Proposer::Guardians]);
    assert!(world.rests(Proposer::Rank(0)).is_some());
    withdrawn.by_rank(0, cancel(id)).unwrap();
    assert_eq!(withdrawn.waiting(), [Proposer::Guardians]);
    assert!(withdrawn.rests(Proposer::Rank(0)).is_none());
}
