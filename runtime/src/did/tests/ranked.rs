//! People with several ranks, next keys and guardians.

use allod_primitives::guardian::{Guardian, make_set};
use allod_primitives::operation::{Body, Lane, Operation, ProposedChange, Reveal, SignedOperation};
use allod_primitives::policy::{ControlKey, ControlPolicy, PolicyChange, next_keys_commitment};
use allod_primitives::{DidId, H256};

use super::harness::*;
use crate::RuntimeEvent;
use crate::did::{Call, Event};
use crate::frame::Origin;

/// Delay of ranks and guardians.
pub(crate) const DELAY: u64 = 2 * DAY_MS;

/// Three ranks with the keys `seed`, `seed` + 1, `seed` + 2.
pub(crate) fn three_ranks(seed: u16) -> ControlPolicy {
    let ranks = [seed, seed + 1, seed + 2].map(|seed| rank(&[&key(seed)], 1));
    ControlPolicy {
        ranks: ranks.to_vec().try_into().unwrap(),
        guardians: None,
        delay_ms: DELAY,
    }
}

/// The same with rank 0 committed to the key 70 and three guardians, of which two recover.
pub(crate) fn protected(seed: u16) -> ControlPolicy {
    let mut policy = three_ranks(seed);
    policy.ranks.as_mut_slice()[0].next = Some(opening(70, None).commitment());
    let (set, _) = make_set(&DidId([0; 32]), &guardians(), 2, DELAY).unwrap();
    policy.guardians = Some(set);
    policy
}

/// Guardians with keys 81 to 83.
fn guardians() -> Vec<Guardian> {
    let guardian = |seed: u16| Guardian {
        key: ControlKey::Ed25519(public(&key(seed))),
        weight: 1,
        salt: [seed as u8; 16],
    };
    [81, 82, 83].map(guardian).to_vec()
}

/// Signs with the first `count` guardians and their leaves.
pub(crate) fn signed_by_guardians(operation: &Operation, count: usize) -> SignedOperation {
    let keys: Vec<_> = [81, 82, 83].into_iter().take(count).map(key).collect();
    let mut signed = signed(operation, &keys.iter().collect::<Vec<_>>());
    let (_, invitations) = make_set(&DidId([0; 32]), &guardians(), 2, DELAY).unwrap();
    for signature in signed.signatures.as_mut_slice() {
        let mut invited = invitations.iter();
        let found = invited.find(|it| it.key == signature.key).unwrap();
        signature.leaf = Some(found.leaf.clone());
    }
    signed
}

/// Opens the commitment to the key `seed` and commits to `next`.
pub(crate) fn opening(seed: u16, next: Option<u16>) -> Reveal {
    let keys = |seed: u16| rank(&[&key(seed)], 1).keys;
    let salt = [seed as u8; 16];
    Reveal {
        keys: keys(seed),
        threshold: 1,
        salt,
        next: next.map(|next| next_keys_commitment(&keys(next), 1, &[next as u8; 16])),
    }
}

pub(crate) fn ledger_with(policy: ControlPolicy) -> (Ledger, Person) {
    let mut ledger = Ledger::new();
    let mut person = Person::with_policy(1, policy);
    ledger.create(&mut person);
    (ledger, person)
}

/// A change of a rank to the key of `seed`.
pub(crate) fn to(index: u8, seed: u16) -> PolicyChange {
    setting(vec![(index, Some(rank(&[&key(seed)], 1)))])
}

/// The key of the rank at `index` of [`three_ranks`] from 1.
fn key_of(lane: Lane) -> u16 {
    match lane {
        Lane::Rank(index) => 1 + u16::from(index),
        _ => 1,
    }
}

/// Submits with the keys that the identity began with.
pub(crate) fn act(
    ledger: &mut Ledger,
    person: &mut Person,
    lane: Lane,
    body: Body,
) -> Result<(), Refusal> {
    let operation = person.operation(ledger.block.time, lane, body);
    let result = ledger.submit(&signed(&operation, &[&key(key_of(lane))]));
    if !matches!(result, Err(Refusal::Invalid(_))) {
        person.took(&operation);
    }
    result
}

/// Proposes and returns the id.
pub(crate) fn propose(
    ledger: &mut Ledger,
    person: &mut Person,
    index: u8,
    change: PolicyChange,
) -> H256 {
    let body = Body::Propose(ProposedChange::Control(change));
    act(ledger, person, Lane::Rank(index), body).unwrap();
    person.heads[&Lane::Rank(index)].1
}

/// Submits and returns the pallet's events.
pub(crate) fn events_of(
    ledger: &mut Ledger,
    person: &mut Person,
    index: u8,
    body: Body,
) -> Vec<Event> {
    let lane = Lane::Rank(index);
    let operation = person.operation(ledger.block.time, lane, body);
    let call = Call::submit {
        operation: signed(&operation, &[&key(key_of(lane))]),
    };
    let applied = ledger.apply(Origin::Bare, &call).unwrap();
    assert_eq!(applied.result, Ok(()));
    person.took(&operation);
    events(applied.events)
}

pub(crate) fn events(events: Vec<RuntimeEvent>) -> Vec<Event> {
    let of_pallet = |event| match event {
        RuntimeEvent::Did(event) => Some(event),
        _ => None,
    };
    events.into_iter().filter_map(of_pallet).collect()
}
