//! `revoke`: one token, by its issuer's keys.

use allod_primitives::ForkId;
use allod_primitives::limits::{
    OPERATION_VALIDITY_MS_MAX, QUOTA_TOKENS_PER_DAY, TOKEN_LEEWAY_S, TOKEN_LIFETIME_S_MAX,
};
use allod_primitives::operation::{Body, KeySignature, Payer, SignatureProof};
use allod_primitives::policy::{Capabilities, ControlKey, ControlPolicy};
use allod_primitives::token::{SignedTokenOperation, TokenId, TokenOperation};

use super::{ledger_with_person, operation, signed};
use crate::RuntimeEvent;
use crate::did::tests::harness::*;
use crate::frame::{Origin, PalletCall, TransactionError as E};
use crate::revocation::{Call, Event, revocation};

fn revoke(ledger: &mut Ledger, operation: &SignedTokenOperation) -> Result<(), E> {
    let call = Call::revoke {
        operation: operation.clone(),
    };
    let before = snapshot(ledger);
    let applied = ledger.apply(Origin::Bare, &call);
    if applied.is_err() {
        assert_eq!(
            before, ledger.state,
            "a refused revocation changed the state"
        );
    }
    applied.map(|applied| assert_eq!(applied.result, Ok(())))
}

fn refused_if(change: impl FnOnce(&mut TokenOperation)) -> E {
    let (mut ledger, person) = ledger_with_person();
    let mut operation = operation(&ledger, &person, "a");
    change(&mut operation);
    revoke(&mut ledger, &signed(&operation, &[&person.key])).unwrap_err()
}

#[test]
fn a_token_is_revoked_once_and_the_log_is_left_alone() {
    let (mut ledger, person) = ledger_with_person();
    let operation = operation(&ledger, &person, "a");
    let signed = signed(&operation, &[&person.key]);
    let before = ledger.record(&person.did);
    let call = Call::revoke {
        operation: signed.clone(),
    };
    let applied = ledger.apply(Origin::Bare, &call).unwrap();
    let tag = operation.tag();
    assert_eq!(
        applied.events,
        [RuntimeEvent::Revocation(Event::Revoked { tag })]
    );
    assert_eq!(
        applied.validity.provides,
        [[b"rv".as_slice(), &tag.0].concat()]
    );
    let entry = revocation(&ledger.state, &tag).unwrap();
    assert_eq!((entry.exp, entry.revoked_at), (operation.exp, START));
    assert_eq!(ledger.record(&person.did), before);
    assert_eq!(revoke(&mut ledger, &signed), Err(E::AlreadyExists));
    assert_eq!(call.signature_checks().len(), 1);
}

#[test]
fn operations_for_elsewhere_are_refused() {
    assert_eq!(refused_if(|op| op.version = 0), E::UnknownVersion);
    assert_eq!(refused_if(|op| op.genesis.0[31] ^= 1), E::WrongNetwork);
    assert_eq!(refused_if(|op| op.fork_id = ForkId(3)), E::WrongFork);
    assert_eq!(refused_if(|op| op.valid_until.0 = START.0 - 1), E::Expired);
    let late = START.plus_ms(OPERATION_VALIDITY_MS_MAX + 1);
    assert_eq!(refused_if(|op| op.valid_until = late), E::ValidTooLong);
    let sponsor = Payer::Sponsor(public(&registrar()));
    assert_eq!(refused_if(|op| op.payer = sponsor), E::WrongPayer);
    assert_eq!(refused_if(|op| op.did.0[0] ^= 1), E::NotFound);
}

#[test]
fn a_token_is_neither_dead_nor_immortal() {
    let now = START.seconds();
    assert_eq!(refused_if(|op| op.exp = now - TOKEN_LEEWAY_S), E::Expired);
    let latest = now + TOKEN_LIFETIME_S_MAX + TOKEN_LEEWAY_S;
    assert_eq!(refused_if(|op| op.exp = latest + 1), E::ValidTooLong);
    assert_eq!(refused_if(|op| op.exp = u64::MAX), E::ValidTooLong);
    for exp in [now - TOKEN_LEEWAY_S + 1, latest] {
        let (mut ledger, person) = ledger_with_person();
        let mut operation = operation(&ledger, &person, "a");
        operation.exp = exp;
        assert_eq!(
            revoke(&mut ledger, &signed(&operation, &[&person.key])),
            Ok(())
        );
    }
}

#[test]
fn only_the_issuers_keys_revoke() {
    let (mut ledger, person) = ledger_with_person();
    let operation = operation(&ledger, &person, "a");
    for keys in [&[][..], &[&key(2)], &[&person.key, &key(77)]] {
        assert_eq!(
            revoke(&mut ledger, &signed(&operation, keys)),
            Err(E::BadProof)
        );
    }
    let mut policy = ControlPolicy {
        ranks: vec![rank(&[&key(5)], 1)].try_into().unwrap(),
        guardians: None,
        delay_ms: allod_primitives::limits::CONTROL_DELAY_MS_DEFAULT,
    };
    policy.ranks.as_mut_slice()[0].capabilities = Capabilities::DOCUMENT;
    let mut powerless = Person::with_policy(5, policy);
    ledger.create(&mut powerless);
    let operation = super::operation(&ledger, &powerless, "a");
    let result = revoke(&mut ledger, &signed(&operation, &[&powerless.key]));
    assert_eq!(result, Err(E::BadProof), "without the capability");
}

#[test]
fn the_form_of_signatures_is_checked() {
    let (mut ledger, person) = ledger_with_person();
    let mut signed = signed(&operation(&ledger, &person, "a"), &[&person.key]);
    let good = signed.signatures[0].clone();
    signed.signatures = vec![good.clone(), good].try_into().unwrap();
    assert_eq!(revoke(&mut ledger, &signed), Err(E::Malformed));
    let other = KeySignature {
        key: ControlKey::Secp256k1([2; 33]),
        proof: SignatureProof::Secp256k1([0; 64]),
        leaf: None,
    };
    signed.signatures = vec![other].try_into().unwrap();
    assert_eq!(revoke(&mut ledger, &signed), Err(E::BadProof));
}

#[test]
fn the_deactivated_revoke_nothing() {
    let (mut ledger, mut person) = ledger_with_person();
    let end = person.control(&ledger, Body::Deactivate);
    person.submit(&mut ledger, &end).unwrap();
    let operation = operation(&ledger, &person, "a");
    let result = revoke(&mut ledger, &signed(&operation, &[&person.key]));
    assert_eq!(result, Err(E::Deactivated));
}

#[test]
fn revocations_have_a_quota_of_their_own() {
    let (mut ledger, person) = ledger_with_person();
    for index in 0..QUOTA_TOKENS_PER_DAY {
        let operation = operation(&ledger, &person, &format!("{index}"));
        assert_eq!(
            revoke(&mut ledger, &signed(&operation, &[&person.key])),
            Ok(())
        );
    }
    let next = signed(&operation(&ledger, &person, "more"), &[&person.key]);
    assert_eq!(revoke(&mut ledger, &next), Err(E::OverQuota));
    let update = person.documents(&ledger, adding(&[method("phone", 50)]));
    assert_eq!(ledger.submit(&person.signed(&update)), Ok(()));
    ledger.wait(DAY_MS);
    let next = signed(&operation(&ledger, &person, "more"), &[&person.key]);
    assert_eq!(revoke(&mut ledger, &next), Ok(()));
}

#[test]
fn a_jti_and_a_signing_input_are_different_tokens() {
    let (mut ledger, person) = ledger_with_person();
    let mut operation = operation(&ledger, &person, "a");
    assert_eq!(
        revoke(&mut ledger, &signed(&operation, &[&person.key])),
        Ok(())
    );
    operation.token = TokenId::from_signing_input(b"a");
    assert_eq!(
        revoke(&mut ledger, &signed(&operation, &[&person.key])),
        Ok(())
    );
    let origin = Origin::Signed(public(&registrar()));
    let call = Call::revoke {
        operation: signed(&operation, &[&person.key]),
    };
    assert_eq!(ledger.apply(origin, &call).unwrap_err(), E::WrongOrigin);
}
