//! Logins: one good one, and one defect at a time.

use allod_primitives::{BoundedVec, Did, DidId, NetworkId, TimeMs};
use serde_json::{Value, json};

use super::super::{LoginExpectations, ReasonCode, verify_login};
use super::{AUDIENCE, Ledger, NONCE, NOW, NOW_S, Person, freeze_until};

fn judge(ledger: &Ledger, jws: &str) -> ReasonCode {
    verify_login(ledger, jws, &LoginExpectations::new(AUDIENCE, NONCE, NOW)).reason
}

/// Judges alice's login with `changes` to its claims.
fn with_claims(changes: Value) -> ReasonCode {
    let alice = Person::new(1);
    let ledger = Ledger::with(&alice);
    judge(&ledger, &alice.sign(&json!({}), &alice.claims(&changes)))
}

/// Judges alice's login with `changes` to its header.
fn with_header(changes: Value) -> ReasonCode {
    let alice = Person::new(1);
    let ledger = Ledger::with(&alice);
    judge(&ledger, &alice.sign(&changes, &alice.claims(&json!({}))))
}

#[test]
fn a_good_login_is_allowed_and_says_as_of_which_block() {
    let alice = Person::new(1);
    let ledger = Ledger::with(&alice);
    let jws = alice.sign(&json!({"typ": "JWT"}), &alice.claims(&json!({})));
    let expectations = LoginExpectations::new(AUDIENCE, NONCE, NOW);
    let decision = verify_login(&ledger, &jws, &expectations);
    assert!(decision.is_allowed(), "{decision:?}");
    assert_eq!((decision.height, decision.time), (42, NOW.0));
    assert_eq!(decision.did, Some(alice.did.to_string()));
    assert_eq!(decision.method, Some(alice.kid()));
    assert_eq!(decision.expires, Some(NOW_S + 50));
}

#[test]
fn claims_are_judged_one_by_one() {
    let other = Person::new(2).did.to_string();
    let foreign = Did::new(NetworkId([9; 20]), DidId([1; 32])).to_string();
    let cases = [
        (json!({"aud": ["x", AUDIENCE]}), ReasonCode::Ok),
        (
            json!({"aud": "https://other.example"}),
            ReasonCode::AudienceMismatch,
        ),
        (
            json!({"aud": format!("{AUDIENCE}/")}),
            ReasonCode::AudienceMismatch,
        ),
        (json!({"aud": null}), ReasonCode::AudienceMismatch),
        (json!({"aud": vec!["x"; 17]}), ReasonCode::Malformed),
        (json!({"nonce": "another"}), ReasonCode::NonceMismatch),
        (json!({"nonce": null}), ReasonCode::NonceMismatch),
        (json!({"nonce": 5}), ReasonCode::Malformed),
        (json!({"exp": null}), ReasonCode::TokenWithoutExp),
        (json!({"iat": null}), ReasonCode::TokenWithoutIat),
        (json!({"exp": "soon"}), ReasonCode::Malformed),
        (json!({"exp": 1.5}), ReasonCode::Malformed),
        (json!({"exp": -1}), ReasonCode::Malformed),
        (json!({"exp": NOW_S - 11}), ReasonCode::Malformed),
        (
            json!({"iat": NOW_S - 10, "exp": NOW_S + 891}),
            ReasonCode::TokenLifetimeTooLong,
        ),
        (
            json!({"iat": NOW_S - 10, "exp": NOW_S + 890}),
            ReasonCode::Ok,
        ),
        (
            json!({"iat": NOW_S - 200, "exp": NOW_S - 60}),
            ReasonCode::TokenExpired,
        ),
        (
            json!({"iat": NOW_S - 200, "exp": NOW_S - 59}),
            ReasonCode::Ok,
        ),
        (
            json!({"iat": NOW_S + 61, "exp": NOW_S + 90}),
            ReasonCode::TokenNotYetValid,
        ),
        (
            json!({"iat": NOW_S + 60, "exp": NOW_S + 90}),
            ReasonCode::Ok,
        ),
        (json!({"nbf": NOW_S + 61}), ReasonCode::TokenNotYetValid),
        (json!({"sub": other}), ReasonCode::SubjectMismatch),
        (json!({"sub": null}), ReasonCode::SubjectMismatch),
        (
            json!({"iss": null, "sub": null}),
            ReasonCode::IssuerMismatch,
        ),
        (
            json!({"iss": "alice", "sub": "alice"}),
            ReasonCode::IssuerMismatch,
        ),
        (
            json!({"iss": foreign, "sub": foreign}),
            ReasonCode::WrongNetwork,
        ),
        (json!({"iss": other, "sub": other}), ReasonCode::DidNotFound),
        (json!({"jti": "x".repeat(257)}), ReasonCode::Malformed),
        (json!({"unknown": {"a": [1, 2]}}), ReasonCode::Ok),
    ];
    for (changes, expected) in cases {
        assert_eq!(with_claims(changes.clone()), expected, "{changes}");
    }
}

#[test]
fn headers_are_judged_one_by_one() {
    let alice = Person::new(1).did;
    let foreign = Did::new(NetworkId([9; 20]), DidId([1; 32]));
    let cases = [
        (json!({"alg": "Ed25519"}), ReasonCode::Ok),
        (json!({"alg": "none"}), ReasonCode::AlgorithmNotAllowed),
        (json!({"alg": "HS256"}), ReasonCode::AlgorithmNotAllowed),
        (json!({"alg": "RS256"}), ReasonCode::AlgorithmNotAllowed),
        (json!({"alg": "eddsa"}), ReasonCode::AlgorithmNotAllowed),
        (json!({"alg": null}), ReasonCode::AlgorithmNotAllowed),
        (json!({"alg": 1}), ReasonCode::Malformed),
        (json!({"alg": "ES256"}), ReasonCode::KeyTypeMismatch),
        (json!({"crit": ["exp"]}), ReasonCode::CriticalHeader),
        (json!({"b64": false}), ReasonCode::CriticalHeader),
        (json!({"jwk": {}}), ReasonCode::CriticalHeader),
        (
            json!({"jku": "https://evil.example"}),
            ReasonCode::CriticalHeader,
        ),
        (json!({"x5c": []}), ReasonCode::CriticalHeader),
        (json!({"typ": "jwt"}), ReasonCode::Ok),
        (json!({"typ": "application/jwt"}), ReasonCode::Ok),
        (json!({"typ": "dpop+jwt"}), ReasonCode::TypeNotAllowed),
        (json!({"typ": "at+jwt"}), ReasonCode::TypeNotAllowed),
        (json!({"kid": null}), ReasonCode::KidNotAbsolute),
        (json!({"kid": "#k1"}), ReasonCode::KidNotAbsolute),
        (json!({"kid": "k1"}), ReasonCode::KidNotAbsolute),
        (
            json!({"kid": alice.to_string()}),
            ReasonCode::KidNotAbsolute,
        ),
        (
            json!({"kid": format!("{alice}#")}),
            ReasonCode::KidNotAbsolute,
        ),
        (
            json!({"kid": format!("{alice}?x=y#k1")}),
            ReasonCode::KidNotAbsolute,
        ),
        (
            json!({"kid": "did:key:z6Mk#z6Mk"}),
            ReasonCode::KidNotAbsolute,
        ),
        (
            json!({"kid": format!("{foreign}#k1")}),
            ReasonCode::WrongNetwork,
        ),
        (
            json!({"kid": format!("{alice}#k2")}),
            ReasonCode::KeyUnknown,
        ),
        (
            json!({"kid": format!("{alice}#k1#k1")}),
            ReasonCode::KeyUnknown,
        ),
    ];
    for (changes, expected) in cases {
        assert_eq!(with_header(changes.clone()), expected, "{changes}");
    }
}

#[test]
fn a_retired_key_is_denied_as_such() {
    let alice = Person::new(1);
    let mut ledger = Ledger::new();
    ledger.retire(&alice);
    let jws = alice.sign(&json!({}), &alice.claims(&json!({})));
    assert_eq!(judge(&ledger, &jws), ReasonCode::KeyRetired);
}

#[test]
fn a_method_past_its_expiry_counts_as_retired() {
    let alice = Person::new(1);
    let jws = alice.sign(&json!({}), &alice.claims(&json!({})));
    let mut ledger = Ledger::new();
    for (expires, expected) in [
        (NOW, ReasonCode::KeyRetired),
        (NOW.plus_ms(1), ReasonCode::Ok),
    ] {
        ledger.put(&alice, |record| {
            record.document.methods.as_mut_slice()[0].method.expires = Some(expires);
        });
        assert_eq!(judge(&ledger, &jws), expected);
    }
}

#[test]
fn a_method_for_other_purposes_does_not_log_in() {
    let alice = Person::new(1);
    let mut ledger = Ledger::new();
    ledger.put(&alice, |record| {
        let method = &mut record.document.methods.as_mut_slice()[0].method;
        method.relationships = allod_primitives::document::Relationships::ASSERTION_METHOD;
    });
    let jws = alice.sign(&json!({}), &alice.claims(&json!({})));
    assert_eq!(judge(&ledger, &jws), ReasonCode::RelationshipMissing);
}

#[test]
fn deactivated_and_frozen_identities_do_not_log_in() {
    let alice = Person::new(1);
    let jws = alice.sign(&json!({}), &alice.claims(&json!({})));
    let mut ledger = Ledger::new();
    ledger.put(&alice, |record| {
        record.status = allod_primitives::record::Status::Deactivated { at: TimeMs(5) };
    });
    assert_eq!(judge(&ledger, &jws), ReasonCode::DidDeactivated);
    ledger.put(&alice, |record| {
        record.frozen = freeze_until(NOW.plus_ms(1))
    });
    assert_eq!(judge(&ledger, &jws), ReasonCode::DidFrozen);
    ledger.put(&alice, |record| record.frozen = freeze_until(NOW));
    assert_eq!(judge(&ledger, &jws), ReasonCode::Ok);
}

#[test]
fn logging_out_everywhere_voids_earlier_logins() {
    let alice = Person::new(1);
    let jws = alice.sign(&json!({}), &alice.claims(&json!({})));
    let issued = TimeMs((NOW_S - 10) * 1000);
    let mut ledger = Ledger::new();
    ledger.put(&alice, |record| record.not_before = issued);
    assert_eq!(judge(&ledger, &jws), ReasonCode::Ok);
    ledger.put(&alice, |record| record.not_before = issued.plus_ms(1));
    assert_eq!(judge(&ledger, &jws), ReasonCode::TokenBeforeCutoff);
}

#[test]
fn a_controller_logs_in_for_its_subject_only_if_listed() {
    let (alice, bob) = (Person::new(1), Person::new(2));
    let mut ledger = Ledger::with(&alice);
    ledger.put(&bob, |_| {});
    let claims = alice.claims(&json!({}));
    let jws = bob.sign(&json!({}), &claims);
    assert_eq!(judge(&ledger, &jws), ReasonCode::ControllerNotListed);

    let list_bob = |record: &mut allod_primitives::record::DidRecord| {
        record.document.controllers = BoundedVec::try_from(vec![bob.did]).unwrap();
    };
    ledger.put(&alice, list_bob);
    assert_eq!(judge(&ledger, &jws), ReasonCode::Ok);
    ledger.put(&bob, |record| record.frozen = freeze_until(NOW.plus_ms(1)));
    assert_eq!(judge(&ledger, &jws), ReasonCode::DidFrozen);
    ledger.put(&bob, |record| record.not_before = NOW);
    assert_eq!(judge(&ledger, &jws), ReasonCode::TokenBeforeCutoff);
    ledger.retire(&bob);
    assert_eq!(judge(&ledger, &jws), ReasonCode::KeyRetired);
}

#[test]
fn a_stale_view_denies_and_a_broken_one_too() {
    let alice = Person::new(1);
    let jws = alice.sign(&json!({}), &alice.claims(&json!({})));
    let mut ledger = Ledger::with(&alice);
    ledger.time = TimeMs(NOW.0 - 10_000);
    assert_eq!(judge(&ledger, &jws), ReasonCode::Ok);
    ledger.time = TimeMs(NOW.0 - 10_001);
    assert_eq!(judge(&ledger, &jws), ReasonCode::StaleState);
    ledger.time = NOW;
    ledger.is_broken = true;
    assert_eq!(judge(&ledger, &jws), ReasonCode::StateUnavailable);
    ledger.is_broken = false;
    let key = allod_primitives::keys::did_record(&alice.did.id());
    ledger.state.get_mut(&key).unwrap().push(0);
    assert_eq!(judge(&ledger, &jws), ReasonCode::StateUnavailable);
}

#[test]
fn a_slow_clock_lets_no_login_live_longer() {
    let alice = Person::new(1);
    let mut ledger = Ledger::with(&alice);
    ledger.time = NOW.plus_ms(200_000);
    let jws = alice.sign(&json!({}), &alice.claims(&json!({})));
    assert_eq!(judge(&ledger, &jws), ReasonCode::TokenExpired);
}

#[test]
fn a_verifier_without_name_or_nonce_allows_nobody() {
    let alice = Person::new(1);
    let ledger = Ledger::with(&alice);
    let jws = alice.sign(&json!({}), &alice.claims(&json!({"aud": "", "nonce": ""})));
    let reason = |audience, nonce| {
        let expectations = LoginExpectations::new(audience, nonce, NOW);
        verify_login(&ledger, &jws, &expectations).reason
    };
    assert_eq!(reason("", ""), ReasonCode::AudienceMismatch);
    let jws = alice.sign(&json!({}), &alice.claims(&json!({"nonce": ""})));
    let expectations = LoginExpectations::new(AUDIENCE, "", NOW);
    let decision = verify_login(&ledger, &jws, &expectations);
    assert_eq!(decision.reason, ReasonCode::NonceMismatch);
}
