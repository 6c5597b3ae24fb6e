//! Proposals: what waits, for how long, and in whose way. spec/control.md §2, §3.

use super::world::*;
use crate::control::{Outcome, Refusal};
use crate::limits::PENDING_BYTES_MAX;
use crate::operation::{Body, ProposedChange};
use crate::policy::{Capabilities, ControlKey, Rank, WebAuthnKey, WeightedKey};
use crate::record::{PendingChange, Proposer};
use crate::{H256, Text};
use parity_scale_codec::Encode;

#[test]
fn a_proposal_waits_the_delay_of_the_policy() {
    let mut world = World::pre_rotated();
    let (id, outcomes) = world.by_rank(1, propose(to(0, &[5]))).unwrap();
    let proposer = Proposer::Rank(1);
    let effective_at = START.plus_ms(DELAY);
    let proposed = Outcome::Proposed {
        id,
        proposer,
        effective_at,
    };
    assert_eq!(outcomes, [proposed]);
    let pending = world.pending(id);
    assert_eq!(pending.proposed_at, START);
    assert_eq!(pending.effective_at, effective_at);
    assert_eq!(pending.change, PendingChange::Control(to(0, &[5])));
    assert_eq!(world.record.policy, World::pre_rotated().record.policy);
}

#[test]
fn delays_lie_within_the_bounds_of_the_network() {
    for (own, waits) in [(HOUR, 2 * HOUR), (60 * DAY, 30 * DAY)] {
        let mut world = World::bare().guarded();
        world.parameters.delay_ms_min = 2 * HOUR;
        world.record.policy.delay_ms = own;
        let (id, _) = world.by_rank(0, propose(to(0, &[5]))).unwrap();
        assert_eq!(world.pending(id).effective_at, START.plus_ms(waits));
        let mut world = World::bare().guarded();
        world.parameters.delay_ms_min = 2 * HOUR;
        world.record.policy.guardians.as_mut().unwrap().delay_ms = own;
        let (id, _) = world.by_guardians(recover(9)).unwrap();
        assert_eq!(world.pending(id).effective_at, START.plus_ms(waits));
    }
}

#[test]
fn a_lower_rank_needs_the_capability_to_propose_upwards() {
    let ranks = vec![
        able(rank(&[1]), Capabilities::default()),
        able(rank(&[2]), Capabilities::DOCUMENT),
    ];
    let mut world = World::new(ranks);
    let refused = refusal(world.by_rank(1, propose(to(0, &[5]))));
    assert_eq!(refused, Refusal::NoCapability);
    assert!(world.by_rank(0, propose(to(0, &[5]))).is_ok(), "rank 0 not");
}

#[test]
fn lower_ranks_propose_ranks_only() {
    let mut world = World::bare().guarded();
    for change in [no_guardians(), delay(DAY)] {
        let refused = refusal(world.by_rank(1, propose(change.clone())));
        assert_eq!(refused, Refusal::NotAbove);
        let mut free = world.clone();
        assert!(free.by_rank(0, propose(change)).is_ok());
    }
    let end = || Body::Propose(ProposedChange::Deactivation);
    assert_eq!(refusal(world.by_rank(1, end())), Refusal::NotAbove);
    let (recovery, _) = world.by_guardians(recover(9)).unwrap();
    let refused = refusal(world.by_rank(1, cancel_recovery(recovery)));
    assert_eq!(refused, Refusal::NotAbove);
}

#[test]
fn a_rank_that_is_not_there_proposes_nothing() {
    let mut world = World::bare();
    let refused = refusal(world.by_rank(3, propose(to(0, &[5]))));
    assert_eq!(refused, Refusal::Misplaced);
}

#[test]
fn a_proposer_has_one_slot() {
    let mut world = World::bare().guarded();
    world.by_rank(0, propose(to(0, &[5]))).unwrap();
    let refused = refusal(world.by_rank(0, propose(to(0, &[6]))));
    assert_eq!(refused, Refusal::SlotTaken);
    world.by_guardians(recover(9)).unwrap();
    assert_eq!(refusal(world.by_guardians(recover(8))), Refusal::SlotTaken);
}

#[test]
fn a_proposal_displaces_those_of_lower_standing() {
    let mut world = World::bare().guarded();
    let (third, _) = world.by_rank(2, propose(to(2, &[5]))).unwrap();
    let (second, outcomes) = world.by_rank(1, propose(to(1, &[6]))).unwrap();
    assert_eq!(outcomes[0], Outcome::Displaced { id: third });
    let (first, outcomes) = world.by_rank(0, propose(to(0, &[7]))).unwrap();
    assert_eq!(outcomes[0], Outcome::Displaced { id: second });
    assert_eq!(outcomes.len(), 2);
    let (_, outcomes) = world.by_guardians(recover(9)).unwrap();
    assert_eq!(outcomes[0], Outcome::Displaced { id: first });
    assert_eq!(world.waiting(), [Proposer::Guardians]);
}

#[test]
fn while_something_higher_waits_nothing_lower_is_proposed() {
    let mut world = World::bare().guarded();
    world.by_rank(0, propose(to(0, &[7]))).unwrap();
    let refused = refusal(world.by_rank(1, propose(to(1, &[5]))));
    assert_eq!(refused, Refusal::HigherPending);
    world.by_guardians(recover(9)).unwrap();
    let refused = refusal(world.by_rank(0, propose(to(0, &[5]))));
    assert_eq!(refused, Refusal::HigherPending);
    let end = Body::Propose(ProposedChange::Deactivation);
    assert_eq!(refusal(world.by_rank(0, end)), Refusal::HigherPending);
}

#[test]
fn only_the_cancellation_of_a_recovery_waits_beside_it() {
    let mut world = World::bare().guarded();
    let (recovery, _) = world.by_guardians(recover(9)).unwrap();
    world.wait(HOUR);
    let (id, _) = world.by_rank(0, cancel_recovery(recovery)).unwrap();
    assert_eq!(world.waiting(), [Proposer::Guardians, Proposer::Rank(0)]);
    let pending = world.pending(id);
    assert_eq!(pending.change, PendingChange::Cancellation(recovery));
    assert_eq!(pending.effective_at, world.now.plus_ms(DELAY));
    let refused = refusal(world.by_rank(0, cancel_recovery(recovery)));
    assert_eq!(refused, Refusal::SlotTaken);
}

#[test]
fn a_cancellation_names_the_recovery_that_is_pending() {
    let mut world = World::bare().guarded();
    let refused = refusal(world.by_rank(0, cancel_recovery(H256([1; 32]))));
    assert_eq!(refused, Refusal::NoSuchPending);
    world.by_guardians(recover(9)).unwrap();
    let refused = refusal(world.by_rank(0, cancel_recovery(H256([1; 32]))));
    assert_eq!(refused, Refusal::NoSuchPending);
    let mut world = World::bare();
    let (other, _) = world.by_rank(1, propose(to(1, &[5]))).unwrap();
    let refused = refusal(world.by_rank(0, cancel_recovery(other)));
    assert_eq!(refused, Refusal::NoSuchPending, "no recovery");
}

#[test]
fn a_recovery_needs_guardians_in_the_policy() {
    let refused = refusal(World::bare().by_guardians(recover(9)));
    assert_eq!(refused, Refusal::Misplaced);
}

/// A rank of `count` passkeys with origins of `bytes` bytes.
pub(super) fn passkeys(count: u8, bytes: usize) -> Rank {
    let keys: Vec<WeightedKey> = (0..count)
        .map(|seed| WeightedKey {
            key: ControlKey::WebAuthn(WebAuthnKey {
                public_key: [seed; 33],
                rp_id_hash: H256([seed; 32]),
                origin: Text::new("o".repeat(bytes)).unwrap(),
            }),
            weight: 1,
        })
        .collect();
    Rank {
        keys: keys.try_into().unwrap(),
        ..rank(&[])
    }
}

#[test]
fn a_pending_change_has_a_greatest_size() {
    let world = World::bare();
    let sized = |bytes: usize, rest: usize| {
        let change = setting(vec![
            (0, Some(passkeys(12, 100))),
            (1, Some(passkeys(12, bytes))),
            (2, Some(passkeys(1, rest))),
        ]);
        propose(change)
    };
    let mut taken = 0;
    for bytes in 1..=90 {
        // A byte more in twelve keys is twelve more: the last rank fills up to the very maximum.
        // Keys of different ranks differ in their origins' lengths alone here.
        for rest in 101..=112 {
            let mut free = world.clone();
            match unchecked(&mut free, sized(bytes, rest)) {
                Ok(size) => {
                    assert!(size <= PENDING_BYTES_MAX);
                    taken = taken.max(size);
                }
                Err(refused) => {
                    assert_eq!(refused, Refusal::TooLarge);
                    assert_eq!(taken, PENDING_BYTES_MAX);
                    return;
                }
            }
        }
    }
    panic!("nothing is too large");
}

/// Proposes keys that are no points; returns the size of what waits then.
fn unchecked(world: &mut World, body: Body) -> Result<usize, Refusal> {
    let (id, _) = world.by_rank(0, body)?;
    Ok(world.pending(id).encoded_size())
}
