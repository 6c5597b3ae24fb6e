//! Next keys, guardians, proposals and controllers through the calls, with real signatures.

use allod_primitives::limits::{QUOTA_GUARDIANS_PER_DAY, QUOTA_NEXT_PER_DAY, QUOTA_RANK_PER_DAY};
use allod_primitives::log::Stated;
use allod_primitives::operation::{Body, Lane, Operation, ProposedChange, SignedOperation};
use allod_primitives::policy::PolicyChange;
use allod_primitives::record::{Freeze, QUOTA_USE_VERSION};
use allod_primitives::{Did, H256, NetworkId};

use super::harness::*;
use super::ranked::*;
use crate::did::{self, Call, Error, Event};
use crate::frame::{Origin, TransactionError as E};

/// The operation by next keys `seed` of rank 0 that commits to `next`.
fn by_next(ledger: &Ledger, person: &Person, seed: u16, next: u16, body: Body) -> SignedOperation {
    let mut operation = person.operation(ledger.block.time, Lane::Next(0), body);
    operation.reveal = Some(opening(seed, Some(next)));
    signed(&operation, &[&key(seed)])
}

fn recover(ledger: &Ledger, person: &Person) -> Operation {
    let body = Body::Recover {
        rank: rank(&[&key(90)], 1),
    };
    person.operation(ledger.block.time, Lane::Guardians, body)
}

fn empty() -> Body {
    rotating(PolicyChange::default())
}

fn refused(ledger: &mut Ledger, operation: &SignedOperation) -> E {
    let before = snapshot(ledger);
    let result = ledger.submit(operation);
    assert_eq!(before, ledger.state);
    match result {
        Err(Refusal::Invalid(error)) => error,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn next_keys_replace_the_exposed_ones() {
    let (mut ledger, person) = ledger_with(protected(1));
    let operation = by_next(&ledger, &person, 70, 71, empty());
    let call = Call::submit {
        operation: operation.clone(),
    };
    let applied = ledger.apply(Origin::Bare, &call).unwrap();
    let did = person.did;
    let rotated = Event::Rotated { did, rank: 0 };
    assert_eq!(events(applied.events).last(), Some(&rotated));
    let record = ledger.record(&did);
    assert_eq!(record.policy.ranks[0].keys, rank(&[&key(70)], 1).keys);
    assert_eq!(record.lanes.next[0].last, operation.operation.hash());
    assert_eq!(record.lanes.ranks[0].next_seq, 1, "the other lane stands");
}

#[test]
fn a_reveal_belongs_to_the_lanes_of_next_keys_and_a_leaf_to_guardians() {
    let (mut ledger, person) = ledger_with(protected(1));
    let mut operation = person.operation(START, Lane::Rank(0), rotating(to(1, 50)));
    operation.reveal = Some(opening(70, None));
    let error = refused(&mut ledger, &signed(&operation, &[&key(1)]));
    assert_eq!(error, E::Malformed);
    let mut operation = by_next(&ledger, &person, 70, 71, empty()).operation;
    operation.reveal = None;
    let error = refused(&mut ledger, &signed(&operation, &[&key(70)]));
    assert_eq!(error, E::Malformed);
    let operation = recover(&ledger, &person);
    let keys = [key(81), key(82)];
    let without = signed(&operation, &[&keys[0], &keys[1]]);
    assert_eq!(refused(&mut ledger, &without), E::Malformed);
    let mut with = person.signed(&person.operation(START, Lane::Rank(0), rotating(to(1, 50))));
    let leaf = signed_by_guardians(&operation, 1).signatures[0]
        .leaf
        .clone();
    with.signatures.as_mut_slice()[0].leaf = leaf;
    assert_eq!(refused(&mut ledger, &with), E::Malformed);
}

#[test]
fn a_reveal_is_a_rank_and_shares_no_key_with_what_is_set_beside_it() {
    let (mut ledger, person) = ledger_with(protected(1));
    let refuse = |ledger: &mut Ledger, body: Body, threshold: u32| {
        let mut operation = by_next(ledger, &person, 70, 71, body).operation;
        operation.reveal.as_mut().unwrap().threshold = threshold;
        refused(ledger, &signed(&operation, &[&key(70)]))
    };
    assert_eq!(refuse(&mut ledger, empty(), 0), E::Malformed);
    assert_eq!(refuse(&mut ledger, empty(), 2), E::Malformed);
    let shared = rotating(to(1, 70));
    assert_eq!(refuse(&mut ledger, shared, 1), E::Malformed);
    let own = setting(vec![
        (0, Some(rank(&[&key(50)], 1))),
        (1, Some(rank(&[&key(70)], 1))),
    ]);
    let operation = by_next(&ledger, &person, 70, 71, rotating(own));
    assert_eq!(ledger.submit(&operation), Ok(()), "it is replaced at once");
}

#[test]
fn by_next_keys_nothing_above_is_set() {
    let mut policy = three_ranks(1);
    policy.ranks.as_mut_slice()[1].next = Some(opening(70, None).commitment());
    let (mut ledger, person) = ledger_with(policy);
    let delay = PolicyChange {
        delay_ms: Some(DELAY),
        ..PolicyChange::default()
    };
    let guardians = PolicyChange {
        guardians: Some(None),
        ..PolicyChange::default()
    };
    let operation = |change| {
        let mut operation = person.operation(START, Lane::Next(1), rotating(change));
        operation.reveal = Some(opening(70, None));
        signed(&operation, &[&key(70)])
    };
    for change in [to(0, 50), delay, guardians] {
        assert_eq!(refused(&mut ledger, &operation(change)), E::Malformed);
    }
    assert_eq!(ledger.submit(&operation(to(1, 50))), Ok(()));
}

#[test]
fn the_entry_of_a_proposal_states_until_when_it_waits_and_others_state_nothing() {
    let (mut ledger, mut person) = ledger_with(three_ranks(1));
    let stated = |events: Vec<Event>| {
        let mut logged = events.into_iter().filter_map(|it| match it {
            Event::Logged { stated, .. } => Some(stated),
            _ => None,
        });
        (logged.next().unwrap(), logged.next())
    };
    let body = Body::Propose(ProposedChange::Control(to(0, 50)));
    let proposed = events_of(&mut ledger, &mut person, 1, body);
    let pending = ledger.record(&person.did).pending;
    let until = Stated::EffectiveAt(pending[0].effective_at);
    assert_eq!(stated(proposed), (Some(until), None));
    let cancel = Body::Cancel {
        pending: pending[0].id,
    };
    let cancelled = events_of(&mut ledger, &mut person, 0, cancel);
    assert_eq!(stated(cancelled), (None, None));
}

#[test]
fn a_proposal_concerns_what_is_not_below() {
    let (mut ledger, person) = ledger_with(three_ranks(1));
    let mut propose = |index: u8, change| {
        let body = Body::Propose(ProposedChange::Control(change));
        let operation = person.operation(START, Lane::Rank(index), body);
        ledger.submit(&signed(&operation, &[&key(1 + u16::from(index))]))
    };
    let malformed = Err(Refusal::Invalid(E::Malformed));
    assert_eq!(propose(1, to(2, 50)), malformed);
    assert_eq!(propose(0, to(1, 50)), malformed);
    assert_eq!(propose(1, PolicyChange::default()), malformed);
    assert_eq!(propose(1, setting(vec![(0, None)])), malformed);
    let delay = PolicyChange {
        delay_ms: Some(DELAY),
        ..PolicyChange::default()
    };
    assert_eq!(propose(0, delay), Ok(()));
    assert_eq!(
        propose(2, to(2, 50)),
        Err(Refusal::Failed(Error::HigherPending))
    );
}

#[test]
fn guardians_recover_what_a_thief_has_taken() {
    let mut policy = protected(1);
    policy.ranks.as_mut_slice()[0].next = None;
    let (mut ledger, mut person) = ledger_with(policy);
    let operation = recover(&ledger, &person);
    let error = refused(&mut ledger, &signed_by_guardians(&operation, 1));
    assert_eq!(error, E::BadProof, "below the quorum");
    let quorum = signed_by_guardians(&operation, 2);
    assert_eq!(ledger.submit(&quorum), Ok(()));
    person.took(&operation);
    let taken = act(&mut ledger, &mut person, Lane::Rank(0), rotating(to(0, 66)));
    assert_eq!(taken, Err(Refusal::Failed(Error::MustWait)));
    let body = Body::Cancel {
        pending: operation.hash(),
    };
    let cancelled = act(&mut ledger, &mut person, Lane::Rank(0), body);
    assert_eq!(cancelled, Err(Refusal::Failed(Error::NotAbove)));
    ledger.wait(DELAY);
    let record = ledger.record(&person.did);
    assert_eq!(record.policy.ranks[..], [rank(&[&key(90)], 1)]);
    assert!(record.document.methods.is_empty());
    assert!(did::retired(&ledger.state, &person.did, "login").is_some());
}

/// Goal: whoever holds exposed keys cannot keep next keys from acting. Method: use up sequence
/// numbers and quota of rank 0's lane and of the documents' lane, then reveal.
#[test]
fn a_thief_that_uses_up_its_lanes_keeps_nobody_from_the_rescue() {
    let (mut ledger, mut person) = ledger_with(protected(1));
    for _ in 0..QUOTA_RANK_PER_DAY {
        let body = rotating(to(2, 66));
        act(&mut ledger, &mut person, Lane::Rank(0), body).unwrap();
    }
    let over = act(&mut ledger, &mut person, Lane::Rank(0), rotating(to(2, 66)));
    assert_eq!(over, Err(Refusal::Invalid(E::OverQuota)));
    let operation = recover(&ledger, &person);
    assert_eq!(ledger.submit(&signed_by_guardians(&operation, 2)), Ok(()));
    let body = Body::Cancel {
        pending: operation.hash(),
    };
    let rescue = by_next(&ledger, &person, 70, 71, body);
    assert_eq!(ledger.submit(&rescue), Ok(()));
    assert!(ledger.record(&person.did).pending.is_empty());
}

/// Goal: what a thief used does not count against who comes after him, and nobody refills his own
/// quota. Method: use up rank 0's lane, reveal; use it up again, reveal again; use it up on the day
/// of a recovery.
#[test]
fn a_days_use_goes_with_the_keys_that_somebody_else_replaced() {
    let (mut ledger, mut person) = ledger_with(protected(1));
    let flood = |ledger: &mut Ledger, person: &mut Person, seed: u16| {
        for _ in 0..QUOTA_RANK_PER_DAY {
            let operation = person.operation(ledger.block.time, Lane::Rank(0), rotating(to(2, 66)));
            assert_eq!(ledger.submit(&signed(&operation, &[&key(seed)])), Ok(()));
            person.took(&operation);
        }
        let operation = person.operation(ledger.block.time, Lane::Rank(0), rotating(to(2, 66)));
        assert_eq!(
            refused(ledger, &signed(&operation, &[&key(seed)])),
            E::OverQuota
        );
    };
    let reveal = |ledger: &mut Ledger, person: &mut Person, seed: u16| {
        let rescue = by_next(ledger, person, seed, seed + 1, empty());
        assert_eq!(ledger.submit(&rescue), Ok(()));
        person.took(&rescue.operation);
    };
    flood(&mut ledger, &mut person, 1);
    reveal(&mut ledger, &mut person, 70);
    flood(&mut ledger, &mut person, 70);
    // Once a day.
    reveal(&mut ledger, &mut person, 71);
    let operation = person.operation(ledger.block.time, Lane::Rank(0), rotating(to(2, 66)));
    let operation = signed(&operation, &[&key(71)]);
    assert_eq!(refused(&mut ledger, &operation), E::OverQuota);
    // But always by a recovery, written down or not.
    let recovery = recover(&ledger, &person);
    assert_eq!(ledger.submit(&signed_by_guardians(&recovery, 2)), Ok(()));
    person.took(&recovery);
    ledger.wait(DELAY - 1_000);
    flood(&mut ledger, &mut person, 71);
    assert_eq!(
        did::quota(&ledger.state, &person.did).unwrap().day,
        ledger.block.time.day()
    );
    ledger.wait(1_000);
    let operation = person.operation(ledger.block.time, Lane::Rank(0), rotating(to(1, 67)));
    assert_eq!(ledger.submit(&signed(&operation, &[&key(90)])), Ok(()));
    let used = did::quota(&ledger.state, &person.did).unwrap();
    assert_eq!((used.ranks[0], used.renewed), (1, 1));
    did::invariants::check(&ledger.state).unwrap();
}

#[test]
fn a_rank_that_replaces_its_own_keys_refills_nothing() {
    let (mut ledger, mut person) = ledger_with(three_ranks(1));
    act(&mut ledger, &mut person, Lane::Rank(1), rotating(to(2, 66))).unwrap();
    act(&mut ledger, &mut person, Lane::Rank(1), rotating(to(1, 50))).unwrap();
    let used = did::quota(&ledger.state, &person.did).unwrap();
    assert_eq!(used.version, QUOTA_USE_VERSION);
    assert_eq!((used.ranks[1], used.renewed), (2, 0));
}

#[test]
fn a_rank_whose_keys_stay_is_given_nothing_back() {
    let (mut ledger, mut person) = ledger_with(protected(1));
    for index in [0, 1] {
        act(
            &mut ledger,
            &mut person,
            Lane::Rank(index),
            rotating(to(2, 66)),
        )
        .unwrap();
    }
    let rescue = by_next(&ledger, &person, 70, 71, empty());
    assert_eq!(ledger.submit(&rescue), Ok(()));
    let used = did::quota(&ledger.state, &person.did).unwrap();
    assert_eq!((used.ranks, used.renewed), ([0, 1, 0, 0], 1));
}

#[test]
fn lanes_of_next_keys_and_guardians_have_a_quota_of_their_own() {
    let (mut ledger, mut person) = ledger_with(protected(1));
    for seed in 0..QUOTA_NEXT_PER_DAY {
        let operation = by_next(&ledger, &person, 70 + seed, 71 + seed, empty());
        assert_eq!(ledger.submit(&operation), Ok(()));
        person.took(&operation.operation);
    }
    let seed = 70 + QUOTA_NEXT_PER_DAY;
    let over = by_next(&ledger, &person, seed, seed + 1, empty());
    assert_eq!(refused(&mut ledger, &over), E::OverQuota);
    for _ in 0..QUOTA_GUARDIANS_PER_DAY {
        let body = Body::Cancel {
            pending: H256::ZERO,
        };
        let operation = person.operation(ledger.block.time, Lane::Guardians, body);
        let failed = ledger.submit(&signed_by_guardians(&operation, 2));
        assert_eq!(failed, Err(Refusal::Failed(Error::NoSuchPending)));
        person.took(&operation);
    }
    let operation = signed_by_guardians(&recover(&ledger, &person), 2);
    assert_eq!(refused(&mut ledger, &operation), E::OverQuota);
    assert_eq!(ledger.batch(&[operation]).unwrap(), [], "a sponsor pays");
    ledger.wait(DAY_MS);
    let again = by_next(&ledger, &person, seed, seed + 1, empty());
    assert_eq!(ledger.submit(&again), Ok(()));
}

#[test]
fn what_higher_parties_send_comes_first() {
    let (ledger, person) = ledger_with(protected(1));
    let priority = |operation| {
        ledger
            .validate(&Call::submit { operation })
            .unwrap()
            .priority
    };
    let next = priority(by_next(&ledger, &person, 70, 71, empty()));
    let guardians = priority(signed_by_guardians(&recover(&ledger, &person), 2));
    let by_rank = |index: u8| {
        let operation = person.operation(START, Lane::Rank(index), rotating(to(3, 50)));
        priority(signed(&operation, &[&key(1 + u16::from(index))]))
    };
    let documents = person.documents(&ledger, adding(&[method("phone", 50)]));
    let documents = priority(person.signed(&documents));
    let order = [
        next,
        guardians,
        by_rank(0),
        by_rank(1),
        by_rank(2),
        documents,
    ];
    assert!(order.windows(2).all(|pair| pair[0] > pair[1]), "{order:?}");
}

/// A person whose document lists another as controller, and that other.
fn with_controller() -> (Ledger, Person, Person) {
    let (mut ledger, mut person) = ledger_with(three_ranks(1));
    let mut controller = Person::new(30);
    ledger.create(&mut controller);
    let network = NetworkId::from_genesis(&CHAIN.genesis);
    let listed = vec![Did::new(network, controller.did)];
    let mut patch = adding(&[]);
    patch.controllers = Some(listed.try_into().unwrap());
    let operation = person.documents(&ledger, patch);
    person.submit(&mut ledger, &operation).unwrap();
    (ledger, person, controller)
}

fn by_controller(ledger: &Ledger, person: &Person, controller: &Person) -> SignedOperation {
    let mut operation = person.documents(ledger, adding(&[method("phone", 50)]));
    operation.controller = Some(controller.did);
    signed(&operation, &[&controller.key])
}

#[test]
fn a_controller_changes_the_document_at_the_subjects_expense() {
    let (mut ledger, person, controller) = with_controller();
    let operation = by_controller(&ledger, &person, &controller);
    assert_eq!(ledger.submit(&operation), Ok(()));
    let record = ledger.record(&person.did);
    assert_eq!(record.document.methods.len(), 2);
    assert_eq!(record.lanes.documents.next_seq, 2);
    assert_eq!(did::quota(&ledger.state, &person.did).unwrap().documents, 2);
    assert_eq!(did::quota(&ledger.state, &controller.did), None);
}

#[test]
fn who_is_no_controller_or_no_longer_there_changes_nothing() {
    let (mut ledger, person, mut controller) = with_controller();
    let mut stranger = Person::new(40);
    let unknown = by_controller(&ledger, &person, &stranger);
    assert_eq!(refused(&mut ledger, &unknown), E::NotController);
    ledger.create(&mut stranger);
    let other = by_controller(&ledger, &person, &stranger);
    assert_eq!(refused(&mut ledger, &other), E::NotController);
    let mut stolen = by_controller(&ledger, &person, &controller);
    stolen = signed(&stolen.operation, &[&person.key]);
    assert_eq!(refused(&mut ledger, &stolen), E::BadProof, "by the subject");
    let end = controller.control(&ledger, Body::Deactivate);
    controller.submit(&mut ledger, &end).unwrap();
    let ended = by_controller(&ledger, &person, &controller);
    assert_eq!(refused(&mut ledger, &ended), E::NotController);
    assert_eq!(ledger.batch(&[ended]).unwrap(), [(0, Error::NotController)]);
}

#[test]
fn a_controller_signs_nothing_but_changes_of_the_document() {
    let (mut ledger, person, controller) = with_controller();
    for (lane, body) in [
        (Lane::Rank(0), rotating(to(0, 50))),
        (
            Lane::Documents,
            Body::SetNotBefore {
                not_before: START,
                bump_grant_epoch: true,
            },
        ),
    ] {
        let mut operation = person.operation(ledger.block.time, lane, body);
        operation.controller = Some(controller.did);
        let operation = signed(&operation, &[&controller.key]);
        assert_eq!(refused(&mut ledger, &operation), E::Malformed);
    }
}

#[test]
fn a_frozen_identity_changes_its_control() {
    let (mut ledger, mut person) = ledger_with(protected(1));
    let freeze = Freeze {
        reason: text("court order"),
        until: START.plus_ms(30 * DAY_MS),
    };
    let did = person.did;
    ledger.write(|context| {
        did::freeze::set_freeze(context, did, Some(freeze.clone()), H256([1; 32])).unwrap();
    });
    act(&mut ledger, &mut person, Lane::Rank(0), rotating(to(1, 50))).unwrap();
    let id = propose(&mut ledger, &mut person, 0, to(0, 51));
    let rescue = by_next(&ledger, &person, 70, 71, Body::Cancel { pending: id });
    assert_eq!(ledger.submit(&rescue), Ok(()));
    let operation = recover(&ledger, &person);
    assert_eq!(ledger.submit(&signed_by_guardians(&operation, 2)), Ok(()));
    ledger.wait(DELAY);
    let record = ledger.record(&did);
    assert_eq!(record.policy.ranks.len(), 1);
    assert_eq!(record.frozen, Some(freeze));
}

#[test]
fn a_cancel_by_next_keys_that_comes_too_late_still_rotates() {
    let (mut ledger, person) = ledger_with(protected(1));
    let body = Body::Cancel {
        pending: H256([3; 32]),
    };
    let call = Call::submit {
        operation: by_next(&ledger, &person, 70, 71, body),
    };
    let applied = ledger.apply(Origin::Bare, &call).unwrap();
    assert_eq!(applied.result, Ok(()));
    let did = person.did;
    let skipped = Event::Skipped {
        did,
        fragment: None,
        error: Error::NoSuchPending,
    };
    let found = events(applied.events);
    assert_eq!(found[1..], [skipped, Event::Rotated { did, rank: 0 }]);
}

#[test]
fn every_refusal_of_control_has_its_error() {
    use allod_primitives::control::Refusal as R;
    let pairs = [
        (R::NotAbove, Error::NotAbove),
        (R::RevealRequired, Error::RevealRequired),
        (R::MustWait, Error::MustWait),
        (R::NoCapability, Error::NoCapability),
        (R::KeyInTwoRanks, Error::KeyInTwoRanks),
        (R::SlotTaken, Error::SlotTaken),
        (R::HigherPending, Error::HigherPending),
        (R::CoolingDown, Error::CoolingDown),
        (R::NoSuchPending, Error::NoSuchPending),
        (R::TooLarge, Error::TooLarge),
        (R::NoSuchMethod, Error::NoSuchMethod),
        (R::FragmentUsed, Error::FragmentUsed),
        (R::KeyUsed, Error::KeyUsed),
        (R::TooManyMethods, Error::TooManyMethods),
        (R::NotMonotone, Error::NotMonotone),
        (R::InFuture, Error::InFuture),
        (R::Misplaced, Error::WrongLane),
    ];
    for (refusal, error) in pairs {
        assert_eq!(Error::from(refusal), error);
    }
}
