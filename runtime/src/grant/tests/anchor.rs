//! `anchor`: by the grant's own key, in a registrar's batch.

use allod_primitives::grant::{GrantAction, GrantStatus};
use allod_primitives::limits::{GRANT_DAYS_MAX, OPERATION_VALIDITY_MS_MAX};
use allod_primitives::{ForkId, PublicKey};

use super::{anchor, anchoring, message, signed};
use crate::did::tests::harness::*;
use crate::frame::{Origin, PalletCall, TransactionError as E};
use crate::grant::{Call, Error, grant};

#[test]
fn a_grant_is_anchored_once() {
    let mut ledger = Ledger::new();
    let message = anchoring(1, &key(1));
    let item = signed(&message, &key(1));
    let failed = anchor(&mut ledger, &[item, item]).unwrap();
    assert_eq!(failed, [(1, Error::AlreadyExists)]);
    let entry = grant(&ledger.state, &message.gid).unwrap();
    assert_eq!(entry.grant_key, public(&key(1)));
    assert_eq!(entry.expiry_day, START.day() + 10);
    assert_eq!((entry.anchored, entry.status), (START, GrantStatus::Active));
    let taken = signed(&anchoring(1, &key(2)), &key(2));
    assert_eq!(
        anchor(&mut ledger, &[taken]).unwrap(),
        [(0, Error::AlreadyExists)]
    );
}

#[test]
fn broken_items_fail_alone() {
    let mut ledger = Ledger::new();
    let mut messages = vec![anchoring(1, &key(1)); 9];
    messages[0].version = 9;
    messages[1].genesis.0[0] ^= 1;
    messages[2].fork_id = ForkId(1);
    messages[3].valid_until.0 = START.0 - 1;
    messages[4].valid_until = START.plus_ms(OPERATION_VALIDITY_MS_MAX + 1);
    messages[5].action = GrantAction::Revoke;
    let anchor_of = |grant_key, expiry_day| GrantAction::Anchor {
        grant_key,
        expiry_day,
    };
    let today = START.day();
    messages[6].action = anchor_of(public(&key(1)), today - 1);
    messages[7].action = anchor_of(public(&key(1)), today + GRANT_DAYS_MAX + 1);
    messages[8].action = anchor_of(PublicKey([0; 32]), today);
    let mut items: Vec<_> = messages.iter().map(|it| signed(it, &key(1))).collect();
    items.push(signed(&anchoring(1, &key(1)), &key(2)));
    items.push(signed(
        &message(2, anchor_of(public(&key(1)), today)),
        &key(1),
    ));
    let last = message(3, anchor_of(public(&key(1)), today + GRANT_DAYS_MAX));
    items.push(signed(&last, &key(1)));
    let failed: Vec<Error> = anchor(&mut ledger, &items)
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
        Error::Expired,
        Error::ValidTooLong,
        Error::Malformed,
        Error::BadProof,
    ];
    assert_eq!(failed, expected);
}

#[test]
fn a_bare_anchoring_would_name_its_owner() {
    let mut ledger = Ledger::new();
    let item = signed(&anchoring(1, &key(1)), &key(1));
    let call = |count: usize| Call::anchor {
        items: vec![item; count].try_into().unwrap(),
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
    let call = call(2);
    assert_eq!((call.items(), call.signature_checks().len()), (2, 2));
}
