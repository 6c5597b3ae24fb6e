//! `SetNotBefore`: logging out everywhere.

use allod_primitives::TimeMs;
use allod_primitives::operation::{Body, Lane};

use super::harness::*;
use super::ranked::events;
use crate::did::{Call, Error, Event};
use crate::frame::Origin;

#[test]
fn the_cut_off_moves_forward_up_to_now() {
    let mut ledger = Ledger::new();
    let mut person = Person::new(1);
    ledger.create(&mut person);
    ledger.wait(1000);
    let now = ledger.block.time;
    let mut set = |not_before, bump_grant_epoch| {
        let body = Body::SetNotBefore {
            not_before,
            bump_grant_epoch,
        };
        let operation = person.operation(now, Lane::Documents, body);
        person.submit(&mut ledger, &operation)
    };
    assert_eq!(set(START, false), Ok(()));
    assert_eq!(
        set(now.plus_ms(1), true),
        Err(Refusal::Failed(Error::InFuture))
    );
    assert_eq!(
        set(TimeMs(START.0 - 1), true),
        Err(Refusal::Failed(Error::NotMonotone))
    );
    assert_eq!(set(START, true), Ok(()), "the same again, for the epoch");
    assert_eq!(set(now, true), Ok(()));
    let record = ledger.record(&person.did);
    assert_eq!((record.not_before, record.grant_epoch), (now, 2));
    assert_eq!(record.log.count, 6);
}

#[test]
fn logging_out_is_told() {
    let mut ledger = Ledger::new();
    let mut person = Person::new(1);
    ledger.create(&mut person);
    let now = ledger.block.time;
    let body = Body::SetNotBefore {
        not_before: now,
        bump_grant_epoch: false,
    };
    let operation = person.operation(now, Lane::Documents, body);
    let call = Call::submit {
        operation: person.signed(&operation),
    };
    let applied = ledger.apply(Origin::Bare, &call).unwrap();
    let did = person.did;
    assert_eq!(
        events(applied.events).last(),
        Some(&Event::LoggedOut { did })
    );
}
