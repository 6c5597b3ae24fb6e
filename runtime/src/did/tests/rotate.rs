//! `Rotate`: old keys lose their power at once.

use allod_primitives::BoundedVec;
use allod_primitives::limits::QUOTA_RANK_PER_DAY;
use allod_primitives::operation::{Body, ControlChange, RankChange};
use allod_primitives::policy::Rank;

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

fn change(ranks: Vec<RankChange>) -> ControlChange {
    ControlChange {
        ranks: ranks.try_into().unwrap(),
        guardians: None,
        reveal: None,
        document: None,
    }
}

fn refused(change: ControlChange) -> E {
    let (mut ledger, mut person) = ledger_with_person();
    let operation = person.control(&ledger, Body::Rotate(change));
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

#[test]
fn a_document_changes_together_with_the_keys() {
    let (mut ledger, mut person) = ledger_with_person();
    let with = |document| {
        let mut change = change(vec![RankChange {
            index: 0,
            rank: Some(rank(&[&key(30)], 1)),
        }]);
        change.document = Some(document);
        Body::Rotate(change)
    };
    let failing = person.control(&ledger, with(retiring(&["nothing"])));
    let before = ledger.record(&person.did);
    let result = person.submit(&mut ledger, &failing);
    assert_eq!(result, Err(Refusal::Failed(Error::NoSuchMethod)));
    let after = ledger.record(&person.did);
    assert_eq!(after.policy, before.policy, "neither takes effect");
    assert_eq!(after.lanes.ranks[0].last, failing.hash());
    let operation = person.control(&ledger, with(retiring(&["login"])));
    assert_eq!(person.submit(&mut ledger, &operation), Ok(()));
    assert_eq!(ledger.record(&person.did).retired_count, 1);
}

#[test]
fn a_document_alone_may_change_in_the_lane_of_a_rank() {
    let (mut ledger, mut person) = ledger_with_person();
    let mut change = change(Vec::new());
    change.document = Some(retiring(&["login"]));
    let operation = person.control(&ledger, Body::Rotate(change));
    assert_eq!(person.submit(&mut ledger, &operation), Ok(()));
}

#[test]
fn rank_0_cannot_be_removed() {
    let (mut ledger, mut person) = ledger_with_person();
    let operation = person.control(&ledger, rotation(None));
    let result = person.submit(&mut ledger, &operation);
    assert_eq!(result, Err(Refusal::Failed(Error::RankNotRemovable)));
    assert_eq!(ledger.record(&person.did).log.count, 2);
}

#[test]
fn changes_that_change_nothing_or_break_rules_are_malformed() {
    assert_eq!(refused(change(Vec::new())), E::Malformed);
    let mut unreachable = rank(&[&key(30)], 2);
    let with = |rank: Rank| RankChange {
        index: 0,
        rank: Some(rank),
    };
    assert_eq!(
        refused(change(vec![with(unreachable.clone())])),
        E::Malformed
    );
    unreachable.threshold = 1;
    let twice = vec![with(unreachable.clone()), with(unreachable.clone())];
    assert_eq!(refused(change(twice)), E::Malformed);
    unreachable.keys = BoundedVec::new();
    assert_eq!(refused(change(vec![with(unreachable)])), E::Malformed);
}

#[test]
fn further_ranks_are_not_supported() {
    let lower = RankChange {
        index: 1,
        rank: Some(rank(&[&key(30)], 1)),
    };
    assert_eq!(refused(change(vec![lower])), E::NotSupported);
    let mut committed = rank(&[&key(30)], 1);
    committed.next = Some(allod_primitives::H256([1; 32]));
    let committed = RankChange {
        index: 0,
        rank: Some(committed),
    };
    assert_eq!(refused(change(vec![committed])), E::NotSupported);
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
