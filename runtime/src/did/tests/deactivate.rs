//! `Deactivate`: for good.

use allod_primitives::document::{Document, RetireReason};
use allod_primitives::operation::Body;
use allod_primitives::record::Status;

use super::harness::*;
use super::ranked::events;
use crate::did::{self, Call, Event};
use crate::frame::{Origin, TransactionError as E};

#[test]
fn an_identity_ends_with_its_methods_retired() {
    let mut ledger = Ledger::new();
    let mut person = Person::new(1);
    ledger.create(&mut person);
    ledger.wait(10);
    let end = person.control(&ledger, Body::Deactivate);
    let call = Call::submit {
        operation: person.signed(&end),
    };
    let applied = ledger.apply(Origin::Bare, &call).unwrap();
    assert_eq!(applied.result, Ok(()));
    let ended = Event::Deactivated { did: person.did };
    assert_eq!(events(applied.events).last(), Some(&ended));
    let record = ledger.record(&person.did);
    let at = ledger.block.time;
    assert_eq!(record.status, Status::Deactivated { at });
    assert_eq!(record.document, Document::default());
    assert_eq!(record.log.count, 2);
    let retired = did::retired_methods(&ledger.state, &person.did);
    assert_eq!(retired.len(), 1);
    assert_eq!(
        (retired[0].until, retired[0].reason),
        (at, RetireReason::Routine)
    );
}

#[test]
fn nothing_is_accepted_afterwards() {
    let mut ledger = Ledger::new();
    let mut person = Person::new(1);
    ledger.create(&mut person);
    let inception = person.signed(&Person::new(1).inception_operation(START));
    let end = person.control(&ledger, Body::Deactivate);
    person.submit(&mut ledger, &end).unwrap();
    let rotate = person.control(&ledger, rotation(Some(rank(&[&person.key], 1))));
    let again = person.control(&ledger, Body::Deactivate);
    let update = person.documents(&ledger, adding(&[method("a", 50)]));
    for operation in [rotate, again, update] {
        let result = ledger.submit(&person.signed(&operation));
        assert_eq!(result, Err(Refusal::Invalid(E::Deactivated)));
    }
    let failed = ledger.batch(&[inception]).unwrap();
    assert_eq!(failed, [(0, did::Error::AlreadyExists)]);
}
