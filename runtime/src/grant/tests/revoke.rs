//! `revoke`: bare, by the grant's own key, once.

use allod_primitives::ForkId;
use allod_primitives::grant::{GrantAction, GrantStatus, SignedGrantMessage};

use super::{anchor, anchoring, message, signed};
use crate::RuntimeEvent;
use crate::did::tests::harness::*;
use crate::frame::{Origin, PalletCall, TransactionError as E};
use crate::grant::{Call, Error, Event, grant};

fn revoke(ledger: &mut Ledger, message: SignedGrantMessage) -> Result<(), E> {
    let before = snapshot(ledger);
    let applied = ledger.apply(Origin::Bare, &Call::revoke { message });
    if applied.is_err() {
        assert_eq!(
            before, ledger.state,
            "a refused revocation changed the state"
        );
    }
    applied.map(|applied| assert_eq!(applied.result, Ok(())))
}

#[test]
fn a_grant_is_revoked_once_and_never_comes_back() {
    let mut ledger = Ledger::new();
    let item = signed(&anchoring(1, &key(1)), &key(1));
    anchor(&mut ledger, &[item]).unwrap();
    let message = message(1, GrantAction::Revoke);
    let call = Call::revoke {
        message: signed(&message, &key(1)),
    };
    let applied = ledger.apply(Origin::Bare, &call).unwrap();
    let gid = message.gid;
    assert_eq!(
        applied.events,
        [RuntimeEvent::Grant(Event::Revoked { gid })]
    );
    assert_eq!(
        applied.validity.provides,
        [[b"gr".as_slice(), &gid.0].concat()]
    );
    let entry = grant(&ledger.state, &gid).unwrap();
    assert_eq!(entry.status, GrantStatus::Revoked { at: START });
    let again = revoke(&mut ledger, signed(&message, &key(1)));
    assert_eq!(again, Err(E::AlreadyExists));
    assert_eq!(
        anchor(&mut ledger, &[item]).unwrap(),
        [(0, Error::AlreadyExists)]
    );
    assert_eq!((call.items(), call.signature_checks().len()), (1, 0));
}

#[test]
fn revocations_are_checked() {
    let mut ledger = Ledger::new();
    anchor(&mut ledger, &[signed(&anchoring(1, &key(1)), &key(1))]).unwrap();
    let good = message(1, GrantAction::Revoke);
    let mut with = |change: &dyn Fn(&mut allod_primitives::grant::GrantMessage)| {
        let mut message = good;
        change(&mut message);
        revoke(&mut ledger, signed(&message, &key(1))).unwrap_err()
    };
    assert_eq!(with(&|it| it.version = 2), E::UnknownVersion);
    assert_eq!(with(&|it| it.genesis.0[0] ^= 1), E::WrongNetwork);
    assert_eq!(with(&|it| it.fork_id = ForkId(1)), E::WrongFork);
    assert_eq!(with(&|it| it.valid_until.0 = START.0 - 1), E::Expired);
    assert_eq!(
        with(&|it| it.valid_until = START.plus_ms(400 * DAY_MS)),
        E::ValidTooLong
    );
    assert_eq!(with(&|it| it.gid.0[0] ^= 1), E::NotFound);
    let anchoring = anchoring(1, &key(1)).action;
    assert_eq!(with(&|it| it.action = anchoring), E::Malformed);
    assert_eq!(
        revoke(&mut ledger, signed(&good, &key(2))),
        Err(E::BadProof)
    );
    let call = Call::revoke {
        message: signed(&good, &key(1)),
    };
    let origin = Origin::Signed(public(&registrar()));
    assert_eq!(ledger.apply(origin, &call).unwrap_err(), E::WrongOrigin);
    assert_eq!(revoke(&mut ledger, signed(&good, &key(1))), Ok(()));
}
