//! Changes whose time has come, whether or not the ledger has written that down.

use allod_primitives::policy::{PolicyChange, Rank};
use allod_primitives::record::{DidRecord, Pending, PendingChange, Proposer};
use allod_primitives::{BoundedVec, H256, TimeMs};
use serde_json::json;

use super::super::{JwsExpectations, LoginExpectations, ReasonCode, verify_jws, verify_login};
use super::access::Scene;
use super::{AUDIENCE, Ledger, NONCE, NOW, Person, freeze_until};

/// The last millisecond of the old state, and the first of the new one.
const BEFORE: TimeMs = NOW.plus_ms(1);
const AT: TimeMs = NOW;

/// Makes `change` one that takes effect at `at`; the newest block is of [`NOW`].
fn due(at: TimeMs, change: PendingChange) -> impl Fn(&mut DidRecord) {
    move |record| {
        let pending = Pending {
            id: H256([1; 32]),
            proposer: match change {
                PendingChange::Recovery(_) => Proposer::Guardians,
                _ => Proposer::Rank(0),
            },
            proposed_at: TimeMs(at.0 - 86_400_000),
            effective_at: at,
            change: change.clone(),
        };
        record.pending = BoundedVec::try_from(vec![pending]).unwrap();
    }
}

fn recovery() -> PendingChange {
    PendingChange::Recovery(Rank::default())
}

fn login(ledger: &Ledger, jws: &str) -> ReasonCode {
    verify_login(ledger, jws, &LoginExpectations::new(AUDIENCE, NONCE, NOW)).reason
}

fn token(ledger: &Ledger, jws: &str) -> ReasonCode {
    verify_jws(ledger, jws, &JwsExpectations::new(AUDIENCE, NOW)).reason
}

#[test]
fn a_recovery_retires_every_key_when_its_time_comes_and_not_when_it_is_written_down() {
    let alice = Person::new(1);
    let jws = alice.sign(&json!({}), &alice.claims(&json!({})));
    let mut ledger = Ledger::new();
    ledger.put(&alice, due(BEFORE, recovery()));
    assert_eq!(login(&ledger, &jws), ReasonCode::Ok);
    assert_eq!(token(&ledger, &jws), ReasonCode::Ok);
    ledger.put(&alice, due(AT, recovery()));
    assert_eq!(login(&ledger, &jws), ReasonCode::KeyRetired);
    assert_eq!(token(&ledger, &jws), ReasonCode::KeyRetired);
    let kid = format!("{}#never", alice.did);
    let never = alice.sign(&json!({ "kid": kid }), &alice.claims(&json!({})));
    assert_eq!(login(&ledger, &never), ReasonCode::KeyUnknown);
}

#[test]
fn it_is_the_blocks_time_that_counts_and_not_the_verifiers_clock() {
    let alice = Person::new(1);
    let jws = alice.sign(&json!({}), &alice.claims(&json!({})));
    let mut ledger = Ledger::new();
    ledger.put(&alice, due(AT, recovery()));
    ledger.time = TimeMs(NOW.0 - 1);
    assert_eq!(login(&ledger, &jws), ReasonCode::Ok);
}

#[test]
fn a_recovery_takes_the_controllers_with_it() {
    let (alice, bob) = (Person::new(1), Person::new(2));
    let jws = bob.sign(&json!({}), &alice.claims(&json!({})));
    let mut ledger = Ledger::with(&bob);
    let list_bob = |record: &mut DidRecord, at| {
        record.document.controllers = BoundedVec::try_from(vec![bob.did]).unwrap();
        due(at, recovery())(record);
    };
    ledger.put(&alice, |record| list_bob(record, BEFORE));
    assert_eq!(login(&ledger, &jws), ReasonCode::Ok);
    ledger.put(&alice, |record| list_bob(record, AT));
    assert_eq!(login(&ledger, &jws), ReasonCode::ControllerNotListed);
}

#[test]
fn a_controllers_own_changes_count_too() {
    let (alice, bob) = (Person::new(1), Person::new(2));
    let jws = bob.sign(&json!({}), &alice.claims(&json!({})));
    let mut ledger = Ledger::new();
    ledger.put(&alice, |record| {
        record.document.controllers = BoundedVec::try_from(vec![bob.did]).unwrap();
    });
    let cases = [
        (BEFORE, recovery(), ReasonCode::Ok),
        (AT, recovery(), ReasonCode::KeyRetired),
        (BEFORE, PendingChange::Deactivation, ReasonCode::Ok),
        (AT, PendingChange::Deactivation, ReasonCode::DidDeactivated),
    ];
    for (at, change, expected) in cases {
        ledger.put(&bob, due(at, change));
        assert_eq!(login(&ledger, &jws), expected);
    }
}

#[test]
fn an_identity_ends_when_its_time_comes() {
    let alice = Person::new(1);
    let jws = alice.sign(&json!({}), &alice.claims(&json!({})));
    let mut ledger = Ledger::new();
    ledger.put(&alice, due(BEFORE, PendingChange::Deactivation));
    assert_eq!(login(&ledger, &jws), ReasonCode::Ok);
    ledger.put(&alice, due(AT, PendingChange::Deactivation));
    assert_eq!(login(&ledger, &jws), ReasonCode::DidDeactivated);
    assert_eq!(token(&ledger, &jws), ReasonCode::DidDeactivated);
}

#[test]
fn a_change_of_control_alone_logs_nobody_out() {
    let alice = Person::new(1);
    let jws = alice.sign(&json!({}), &alice.claims(&json!({})));
    let mut ledger = Ledger::new();
    let change = PolicyChange {
        delay_ms: Some(86_400_000),
        ..PolicyChange::default()
    };
    ledger.put(&alice, due(AT, PendingChange::Control(change)));
    assert_eq!(login(&ledger, &jws), ReasonCode::Ok);
}

#[test]
fn grants_end_with_the_keys_of_every_granter_and_with_the_subject() {
    let mut scene = Scene::new();
    let grants = scene.chain();
    for granter in [Person::new(1), Person::new(2)] {
        scene.ledger.put(&granter, due(BEFORE, recovery()));
        assert_eq!(scene.judge(&grants), ReasonCode::Ok);
        scene.ledger.put(&granter, due(AT, recovery()));
        assert_eq!(scene.judge(&grants), ReasonCode::GrantEpochStale);
        // A grant of the epoch to come is not signed by a key of that epoch.
        scene.ledger.put(&granter, |record| {
            record.grant_epoch = 2;
            due(AT, recovery())(record);
        });
        assert_eq!(scene.judge(&grants), ReasonCode::KeyRetired);
        scene
            .ledger
            .put(&granter, due(AT, PendingChange::Deactivation));
        assert_eq!(scene.judge(&grants), ReasonCode::DidDeactivated);
        scene.ledger.put(&granter, |_| {});
    }
    let carol = Person::new(3);
    scene
        .ledger
        .put(&carol, due(BEFORE, PendingChange::Deactivation));
    assert_eq!(scene.judge(&grants), ReasonCode::Ok);
    scene
        .ledger
        .put(&carol, due(AT, PendingChange::Deactivation));
    assert_eq!(scene.judge(&grants), ReasonCode::DidDeactivated);
}

#[test]
fn a_freeze_stops_logins_and_no_tokens() {
    let alice = Person::new(1);
    let jws = alice.sign(&json!({}), &alice.claims(&json!({})));
    let mut ledger = Ledger::new();
    ledger.put(&alice, |record| {
        record.frozen = freeze_until(NOW.plus_ms(1))
    });
    assert_eq!(login(&ledger, &jws), ReasonCode::DidFrozen);
    assert_eq!(token(&ledger, &jws), ReasonCode::Ok);
}
