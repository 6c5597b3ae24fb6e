//! `batch`: revocations at a registrar's expense.

use allod_primitives::operation::Payer;

use super::{ledger_with_person, operation, signed};
use crate::RuntimeEvent;
use crate::did;
use crate::did::tests::harness::*;
use crate::frame::{Origin, PalletCall, TransactionError as E};
use crate::revocation::{Call, Error, Event};

#[test]
fn items_that_fail_leave_the_others_and_the_quota_is_untouched() {
    let (mut ledger, person) = ledger_with_person();
    let keys = [&person.key];
    let good = operation(&ledger, &person, "a");
    let mut own = operation(&ledger, &person, "b");
    own.payer = Payer::Own;
    let mut dead = operation(&ledger, &person, "c");
    dead.exp = 1;
    let mut unknown = operation(&ledger, &person, "d");
    unknown.did.0[0] ^= 1;
    let forged = signed(&operation(&ledger, &person, "e"), &[&key(9)]);
    let items = vec![
        signed(&good, &keys),
        signed(&good, &keys),
        signed(&own, &keys),
        signed(&dead, &keys),
        signed(&unknown, &keys),
        forged,
        signed(&operation(&ledger, &person, "f"), &keys),
    ];
    let call = Call::batch {
        items: items.try_into().unwrap(),
    };
    let origin = Origin::Signed(public(&registrar()));
    let applied = ledger.apply(origin, &call).unwrap();
    assert_eq!(applied.result, Ok(()));
    let failed: Vec<(u32, Error)> = applied
        .events
        .iter()
        .filter_map(|event| match event {
            RuntimeEvent::Revocation(Event::ItemFailed { index, error }) => Some((*index, *error)),
            _ => None,
        })
        .collect();
    let expected = [
        (1, Error::AlreadyExists),
        (2, Error::WrongPayer),
        (3, Error::Expired),
        (4, Error::NotFound),
        (5, Error::BadProof),
    ];
    assert_eq!(failed, expected);
    assert_eq!(applied.events.len(), 7);
    assert_eq!(did::quota(&ledger.state, &person.did), None);
    assert_eq!((call.items(), call.signature_checks().len()), (7, 7));
}

#[test]
fn only_registrars_within_their_budget_send_batches() {
    let (mut ledger, person) = ledger_with_person();
    let item = signed(&operation(&ledger, &person, "a"), &[&person.key]);
    let call = |count: usize| Call::batch {
        items: vec![item.clone(); count].try_into().unwrap(),
    };
    let account = Origin::Signed(public(&registrar()));
    let stranger = Origin::Signed(public(&key(5)));
    assert_eq!(
        ledger.apply(Origin::Bare, &call(1)).unwrap_err(),
        E::WrongOrigin
    );
    assert_eq!(ledger.apply(stranger, &call(1)).unwrap_err(), E::NoRole);
    assert_eq!(ledger.apply(account, &call(0)).unwrap_err(), E::Malformed);
    ledger.set_registrar(&public(&registrar()), 3);
    assert_eq!(ledger.apply(account, &call(4)).unwrap_err(), E::OverBudget);
}
