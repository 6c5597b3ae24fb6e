//! `batch`: a registrar's expense, item by item.

use allod_primitives::operation::{Lane, Payer};
use allod_primitives::{ForkId, H256};

use super::harness::*;
use crate::did::{Call, Error};
use crate::frame::{Origin, PalletCall, TransactionError as E};

fn batch_by(ledger: &mut Ledger, origin: Origin, items: usize) -> Result<(), E> {
    let person = Person::new(1);
    let item = person.signed(&person.inception_operation(START));
    let call = Call::batch {
        items: vec![item; items].try_into().unwrap(),
    };
    ledger.apply(origin, &call).map(|_| ())
}

#[test]
fn only_registrars_send_batches() {
    let mut ledger = Ledger::new();
    assert_eq!(batch_by(&mut ledger, Origin::Bare, 1), Err(E::WrongOrigin));
    let stranger = Origin::Signed(public(&key(5)));
    assert_eq!(batch_by(&mut ledger, stranger, 1), Err(E::NoRole));
    let registrar = Origin::Signed(public(&registrar()));
    assert_eq!(batch_by(&mut ledger, registrar, 0), Err(E::Malformed));
    assert_eq!(batch_by(&mut ledger, registrar, 1), Ok(()));
}

#[test]
fn every_attempted_item_is_charged() {
    let mut ledger = Ledger::new();
    ledger.set_registrar(&public(&registrar()), 5);
    let registrar = Origin::Signed(public(&registrar()));
    assert_eq!(batch_by(&mut ledger, registrar, 6), Err(E::OverBudget));
    assert_eq!(batch_by(&mut ledger, registrar, 3), Ok(()));
    assert_eq!(batch_by(&mut ledger, registrar, 3), Err(E::OverBudget));
    assert_eq!(
        batch_by(&mut ledger, registrar, 2),
        Ok(()),
        "failing items cost as well"
    );
    assert_eq!(batch_by(&mut ledger, registrar, 1), Err(E::OverBudget));
    ledger.wait(DAY_MS);
    assert_eq!(batch_by(&mut ledger, registrar, 5), Ok(()));
}

#[test]
fn items_that_fail_leave_the_others() {
    let mut ledger = Ledger::new();
    let (mut alice, mut bob) = (Person::new(1), Person::new(3));
    let inceptions = [
        alice.inception_operation(START),
        bob.inception_operation(START),
    ];
    let [a, b] = [alice.signed(&inceptions[0]), bob.signed(&inceptions[1])];
    let mut unsigned = Person::new(5).signed(&Person::new(5).inception_operation(START));
    unsigned.signatures = a.signatures.clone();
    let failed = ledger.batch(&[a.clone(), unsigned, a, b]).unwrap();
    assert_eq!(failed, [(1, Error::BadProof), (2, Error::AlreadyExists)]);
    alice.took(&inceptions[0]);
    bob.took(&inceptions[1]);
    assert_eq!(ledger.record(&bob.did).log.count, 1);

    let first = alice.documents(&ledger, adding(&[method("a", 50)]));
    alice.took(&first);
    let second = alice.documents(&ledger, adding(&[method("b", 51)]));
    alice.took(&second);
    let mut ahead = alice.documents(&ledger, adding(&[method("c", 52)]));
    ahead.lane_seq += 1;
    let items = [&first, &first, &second, &ahead].map(|it| alice.signed(it));
    let failed = ledger.batch(&items).unwrap();
    assert_eq!(failed, [(1, Error::Stale), (3, Error::Future)]);
    assert_eq!(ledger.record(&alice.did).document.methods.len(), 3);
}

#[test]
fn an_item_that_was_taken_and_fails_advances_its_lane() {
    let mut ledger = Ledger::new();
    let mut person = Person::new(1);
    ledger.create(&mut person);
    let operation = person.documents(&ledger, retiring(&["nothing"]));
    let failed = ledger.batch(&[person.signed(&operation)]).unwrap();
    assert_eq!(failed, [(0, Error::NoSuchMethod)]);
    let record = ledger.record(&person.did);
    assert_eq!(record.lanes.documents.last, operation.hash());
    assert_eq!(record.log.count, 2);
    person.took(&operation);
    let next = person.documents(&ledger, retiring(&["login"]));
    assert_eq!(ledger.batch(&[person.signed(&next)]).unwrap(), []);
}

#[test]
fn a_sponsor_pays_only_for_whom_it_is_named() {
    let mut ledger = Ledger::new();
    let other = key(61_000);
    ledger.set_registrar(&public(&other), 10);
    let mut person = Person::new(1);
    ledger.create(&mut person);
    let mut operation = person.documents(&ledger, adding(&[method("a", 50)]));
    operation.payer = Payer::Sponsor(public(&other));
    let item = person.signed(&operation);
    let failed = ledger.batch(std::slice::from_ref(&item)).unwrap();
    assert_eq!(
        failed,
        [(0, Error::WrongPayer)],
        "rewrapped by another registrar"
    );
    let call = Call::batch {
        items: vec![item].try_into().unwrap(),
    };
    let applied = ledger.apply(Origin::Signed(public(&other)), &call).unwrap();
    assert_eq!(applied.events.len(), 2);
    assert!(
        crate::did::quota(&ledger.state, &person.did).is_none(),
        "own quota untouched"
    );
}

#[test]
fn refusals_carry_their_names() {
    let mut ledger = Ledger::new();
    let mut person = Person::new(1);
    ledger.create(&mut person);
    let mut ops = vec![person.documents(&ledger, adding(&[method("a", 50)])); 10];
    ops[0].version = 2;
    ops[1].genesis = H256([1; 32]);
    ops[2].fork_id = ForkId(9);
    ops[3].valid_until.0 = START.0 - 1;
    ops[4].valid_until = START.plus_ms(400 * DAY_MS);
    ops[5].lane = Lane::Rank(0);
    ops[6].did.0[0] ^= 1;
    ops[7].lane_prev = H256([1; 32]);
    ops[8].body = rotation(None);
    ops[9].body = allod_primitives::operation::Body::Cancel {
        pending: H256::ZERO,
    };
    let items: Vec<_> = ops.iter().map(|it| person.signed(it)).collect();
    let failed: Vec<Error> = ledger
        .batch(&items)
        .unwrap()
        .iter()
        .map(|it| it.1)
        .collect();
    let expected = [
        Error::UnknownVersion,
        Error::WrongNetwork,
        Error::WrongFork,
        Error::Expired,
        Error::ValidTooLong,
        Error::Malformed,
        Error::NotFound,
        Error::ForkedLane,
        Error::Malformed,
        Error::Malformed,
    ];
    assert_eq!(failed, expected);
    assert_eq!(Error::from(E::OverQuota), Error::Refused);
    let mut elsewhere = person.inception_operation(START);
    let failed = ledger.batch(&[person.signed(&elsewhere)]).unwrap();
    assert_eq!(failed, [(0, Error::WrongLane)], "the lane has advanced");
    elsewhere.did.0[0] ^= 1;
    let failed = ledger.batch(&[person.signed(&elsewhere)]).unwrap();
    assert_eq!(failed, [(0, Error::IdMismatch)]);
    let end = allod_primitives::operation::Body::Deactivate;
    let end = person.control(&ledger, end);
    let after = person.documents(&ledger, adding(&[method("a", 50)]));
    let failed = ledger
        .batch(&[person.signed(&end), person.signed(&after)])
        .unwrap();
    assert_eq!(failed, [(1, Error::Deactivated)]);
}

#[test]
fn items_and_signatures_are_counted() {
    let person = Person::new(1);
    let item = person.signed(&person.inception_operation(START));
    let call = Call::batch {
        items: vec![item; 3].try_into().unwrap(),
    };
    assert_eq!(call.items(), 3);
    assert_eq!(call.signature_checks().len(), 3);
}
