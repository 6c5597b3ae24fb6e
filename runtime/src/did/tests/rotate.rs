//! `Rotate`: old keys lose their power at once.

use allod_primitives::BoundedVec;
use allod_primitives::document::DocumentPatch;
use allod_primitives::limits::QUOTA_RANK_PER_DAY;
use allod_primitives::operation::Body;
use allod_primitives::policy::{PolicyChange, Rank};

use super::harness::*;
use crate::RuntimeEvent;
use crate::did::{Call, Error, Event};
use crate::frame::{Origin, TransactionError as E};

fn ledger_with_person() -> (Ledger, Person) {
    let mut ledger = Ledger::new();
    let mut person = Person::new(1);
    ledger.create(&mut person);
    (ledger, person)
}

fn refused(change: PolicyChange) -> E {
    refused_body(rotating(change))
}

fn refused_body(body: Body) -> E {
    let (mut ledger, mut person) = ledger_with_person();
    let operation = person.control(&ledger, body);
    match person.submit(&mut ledger, &operation) {
        Err(Refusal::Invalid(error)) => error,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn new_keys_act_and_old_ones_do_not() {
    let (mut ledger, mut person) = ledger_with_person();
    let new = rank(&[&key(30)], 1);
    let operation = person.control(&ledger, rotation(Some(new.clone())));
    let call = Call::submit {
        operation: person.signed(&operation),
    };
    let applied = ledger.apply(Origin::Bare, &call).unwrap();
    person.took(&operation);
    let rotated = Event::Rotated {
        did: person.did,
        rank: 0,
    };
    assert_eq!(applied.events.last(), Some(&RuntimeEvent::Did(rotated)));
    let record = ledger.record(&person.did);
    assert_eq!(record.policy.ranks[..], [new]);
    let operation = person.documents(&ledger, adding(&[method("phone", 50)]));
    let by_old = ledger.submit(&person.signed(&operation));
    assert_eq!(by_old, Err(Refusal::Invalid(E::BadProof)));
    assert_eq!(ledger.submit(&signed(&operation, &[&key(30)])), Ok(()));
}

fn with_document(change: PolicyChange, document: DocumentPatch) -> Body {
    Body::Rotate {
        change,
        document: Some(document),
    }
}

#[test]
fn a_document_changes_together_with_the_keys_as_far_as_it_goes() {
    let (mut ledger, person) = ledger_with_person();
    let change = setting(vec![(0, Some(rank(&[&key(30)], 1)))]);
    let patch = retiring(&["login", "nothing"]);
    let operation = person.control(&ledger, with_document(change, patch));
    let call = Call::submit {
        operation: person.signed(&operation),
    };
    let applied = ledger.apply(Origin::Bare, &call).unwrap();
    assert_eq!(applied.result, Ok(()));
    let skipped = Event::Skipped {
        did: person.did,
        fragment: Some(text("nothing")),
        error: Error::NoSuchMethod,
    };
    assert!(applied.events.contains(&RuntimeEvent::Did(skipped)));
    let record = ledger.record(&person.did);
    assert_eq!(record.policy.ranks[0], rank(&[&key(30)], 1));
    assert_eq!(record.retired_count, 1);
}

#[test]
fn a_document_alone_may_change_in_the_lane_of_a_rank() {
    let (mut ledger, mut person) = ledger_with_person();
    let body = with_document(PolicyChange::default(), retiring(&["login"]));
    let operation = person.control(&ledger, body);
    assert_eq!(person.submit(&mut ledger, &operation), Ok(()));
    assert_eq!(ledger.record(&person.did).retired_count, 1);
}

#[test]
fn changes_that_change_nothing_or_break_rules_are_malformed() {
    assert_eq!(refused(PolicyChange::default()), E::Malformed);
    let nothing = with_document(PolicyChange::default(), DocumentPatch::default());
    assert_eq!(refused_body(nothing), E::Malformed);
    assert_eq!(refused(setting(vec![(0, None)])), E::Malformed);
    let mut bad = rank(&[&key(30)], 2);
    let refused_rank = |it: &Rank| refused(setting(vec![(0, Some(it.clone()))]));
    assert_eq!(refused_rank(&bad), E::Malformed, "unreachable");
    bad.threshold = 1;
    let twice = setting(vec![(0, Some(bad.clone())), (0, Some(bad.clone()))]);
    assert_eq!(refused(twice), E::Malformed);
    let shared = setting(vec![(0, Some(bad.clone())), (1, Some(bad.clone()))]);
    assert_eq!(refused(shared), E::Malformed);
    assert_eq!(refused(setting(vec![(4, Some(bad.clone()))])), E::Malformed);
    bad.keys = BoundedVec::new();
    assert_eq!(refused_rank(&bad), E::Malformed, "without keys");
    let delay = PolicyChange {
        delay_ms: Some(1),
        ..PolicyChange::default()
    };
    assert_eq!(refused(delay), E::Malformed);
}

#[test]
fn without_commitment_and_guardians_rank_0_changes_everything_at_once() {
    let (mut ledger, mut person) = ledger_with_person();
    let mut change = setting(vec![
        (0, Some(rank(&[&key(1)], 1))),
        (2, Some(rank(&[&key(30)], 1))),
    ]);
    change.delay_ms = Some(DAY_MS);
    let operation = person.control(&ledger, rotating(change));
    assert_eq!(person.submit(&mut ledger, &operation), Ok(()));
    let policy = ledger.record(&person.did).policy;
    assert_eq!(policy.delay_ms, DAY_MS);
    assert_eq!(policy.ranks.len(), 3);
    assert!(policy.ranks[1].is_vacant());
}

#[test]
fn a_day_holds_so_many_rotations() {
    let (mut ledger, mut person) = ledger_with_person();
    let mut rotate = |ledger: &mut Ledger| {
        let operation = person.control(ledger, rotation(Some(rank(&[&key(1)], 1))));
        person.submit(ledger, &operation)
    };
    for _ in 0..QUOTA_RANK_PER_DAY {
        assert_eq!(rotate(&mut ledger), Ok(()));
    }
    assert_eq!(rotate(&mut ledger), Err(Refusal::Invalid(E::OverQuota)));
    ledger.wait(DAY_MS);
    assert_eq!(rotate(&mut ledger), Ok(()));
}
