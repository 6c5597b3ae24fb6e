//! Old signatures, by the table of spec/vectors/valid/as-of.json: one case each.

use allod_primitives::document::{ActiveMethod, Method, RetireReason, RetiredMethod};
use allod_primitives::grant::{AnchorOpening, GRANT_ENTRY_VERSION, GrantEntry, GrantStatus};
use allod_primitives::token::{REVOCATION_ENTRY_VERSION, RevocationEntry, TokenId};
use allod_primitives::{BoundedVec, PublicKey, TimeMs, keys};
use parity_scale_codec::Encode;
use serde_json::{Value, json};

use super::super::{
    AsOfExpectations, JwsExpectations, ReasonCode, SignatureVerdict, Standing, verify_jws,
    verify_jws_as_of,
};
use super::{AUDIENCE, GENESIS, Ledger, Person};
use crate::login::{Evidence, VerifyJwsRequest};

const OPENING: AnchorOpening = AnchorOpening {
    grant_key: PublicKey([3; 32]),
    expiry_day: 30_000,
    salt: [4; 32],
};

/// The ledger, the token and the question of one case.
struct Scene {
    ledger: Ledger,
    jws: String,
    as_of: TimeMs,
    evidence: Option<AnchorOpening>,
}

fn time(value: &Value) -> Option<TimeMs> {
    value.as_u64().map(TimeMs)
}

impl Scene {
    fn new(case: &Value) -> Self {
        let alice = Person::new(1);
        let exp = case["token"]["exp"].as_u64().unwrap();
        let claims = alice.claims(&json!({"iat": case["token"]["iat"], "exp": exp, "nonce": null}));
        let mut jws = alice.sign(&json!({}), &claims);
        if case["signature"] == "bad" {
            let other = Person::new(2);
            let header = json!({"kid": alice.kid()});
            jws = other.sign(&header, &claims);
        }
        let mut ledger = Ledger::new();
        ledger.time = time(&case["time"]).unwrap();
        put_method(&mut ledger, &alice, case);
        if let Some(revoked_at) = time(&case["revokedAt"]) {
            let tag = TokenId::from_jti("j-1").tag(&GENESIS, &alice.did.id(), exp);
            let entry = RevocationEntry {
                version: REVOCATION_ENTRY_VERSION,
                exp,
                revoked_at,
            };
            ledger.state.insert(keys::revocation(&tag), entry.encode());
        }
        let evidence = case.get("evidence");
        if let Some(entry) = evidence.and_then(|it| it["entry"].as_object()) {
            let is = |name: &str| entry.get(name) == Some(&json!(true));
            let anchored = time(&entry["anchored"]).unwrap();
            let entry = GrantEntry {
                version: GRANT_ENTRY_VERSION,
                grant_key: PublicKey([if is("otherKey") { 9 } else { 3 }; 32]),
                expiry_day: OPENING.expiry_day + u32::from(is("otherDay")),
                anchored,
                status: match is("revoked") {
                    true => GrantStatus::Revoked { at: anchored },
                    false => GrantStatus::Active,
                },
            };
            let key = keys::grant(&OPENING.gid(&GENESIS, &jws));
            ledger.state.insert(key, entry.encode());
        }
        Self {
            ledger,
            jws,
            as_of: time(&case["asOf"]).unwrap(),
            evidence: evidence.map(|_| OPENING),
        }
    }

    fn judge(&self) -> SignatureVerdict {
        let expectations = AsOfExpectations {
            token: JwsExpectations::new(AUDIENCE, self.ledger.time),
            as_of: self.as_of,
            evidence: self.evidence,
        };
        verify_jws_as_of(&self.ledger, &self.jws, &expectations)
    }
}

fn put_method(ledger: &mut Ledger, person: &Person, case: &Value) {
    let told = &case["method"];
    let since = time(&told["since"]).unwrap();
    let method = Method {
        expires: time(&told["expires"]),
        ..person.method()
    };
    let retired = told.get("retired");
    let methods = match retired {
        None => vec![ActiveMethod {
            method: method.clone(),
            since,
        }],
        Some(_) => Vec::new(),
    };
    ledger.put(person, |record| {
        record.document.methods = BoundedVec::try_from(methods).unwrap();
        record.not_before = time(&case["notBefore"]).unwrap();
    });
    let Some(retired) = retired else { return };
    let until = time(&retired["until"]).unwrap();
    let compromised = time(&retired["compromisedSince"]);
    let entry = RetiredMethod {
        version: 1,
        method,
        since,
        until,
        reason: compromised.map_or(RetireReason::Routine, RetireReason::CompromisedSince),
        declared: until,
    };
    let key = keys::did_retired(&person.did.id(), "k1");
    ledger.state.insert(key, entry.encode());
}

fn vector() -> Value {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../spec/vectors/valid/as-of.json"
    );
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn case(description: &str) -> Value {
    let vector = vector();
    let mut cases = vector["cases"].as_array().unwrap().iter();
    let found = cases.find(|it| it["description"] == description);
    found.unwrap().clone()
}

#[test]
fn every_case_of_the_table_is_judged_as_it_says() {
    let vector = vector();
    let cases = vector["cases"].as_array().unwrap();
    assert!(cases.len() >= 40);
    for case in cases {
        let verdict = Scene::new(case).judge();
        let found = serde_json::to_value(&verdict).unwrap();
        let description = &case["description"];
        assert_eq!(found["verdict"], case["verdict"], "{description}");
        assert_eq!(found["reason"], case["reason"], "{description}");
        assert!(found.get("decision").is_none(), "it decides nothing");
    }
}

#[test]
fn a_retired_method_is_denied_now_whatever_it_was_then() {
    let scene = Scene::new(&case("retired, anchored before the end"));
    assert!(scene.judge().is_valid());
    let expectations = JwsExpectations::new(AUDIENCE, scene.ledger.time);
    let decision = verify_jws(&scene.ledger, &scene.jws, &expectations);
    assert_eq!(decision.reason, ReasonCode::KeyRetired);
}

#[test]
fn evidence_for_another_token_is_none() {
    let mut scene = Scene::new(&case("retired, anchored before the end"));
    let alice = Person::new(1);
    let claims = json!({"iat": 1_800_000_100, "exp": 1_800_003_700, "jti": "another"});
    scene.jws = alice.sign(&json!({}), &alice.claims(&claims));
    assert_eq!(scene.judge().reason, ReasonCode::EvidenceNotFound);
}

#[test]
fn the_answer_says_by_when_the_token_was_there_and_what_is_forgotten() {
    let verdict = Scene::new(&case("retired, anchored before the end")).judge();
    assert_eq!(verdict.anchored, Some(1_800_000_300_000));
    assert_eq!((verdict.as_of, verdict.height), (1_800_000_200_000, 42));
    assert!(verdict.revocation_known && verdict.method.is_some());
    let verdict = Scene::new(&case("the token has expired since")).judge();
    assert_eq!(verdict.reason, ReasonCode::RevocationUnknown);
    assert!(!verdict.revocation_known);
}

/// Two cut-offs, asked about a time between them: the second takes the place of the first, and
/// what was invalid does not become valid by that. Nor does it when a revocation is forgotten.
#[test]
fn what_was_invalid_is_never_valid_later() {
    let case = case("the method is in force now and was then");
    let judge = |changes: Value| {
        let mut case = case.clone();
        for (name, value) in changes.as_object().unwrap() {
            case[name] = value.clone();
        }
        let verdict = Scene::new(&case).judge();
        (verdict.verdict, verdict.reason)
    };
    let first = judge(json!({"notBefore": 1_800_000_150_000_u64}));
    assert_eq!(first, (Standing::Invalid, ReasonCode::TokenBeforeCutoff));
    let second = judge(json!({"notBefore": 1_800_000_300_000_u64}));
    assert_eq!(second, (Standing::Indeterminate, ReasonCode::CutoffUnknown));
    let revoked = judge(json!({"revokedAt": 1_800_000_150_000_u64}));
    assert_eq!(revoked, (Standing::Invalid, ReasonCode::TokenRevoked));
    let forgotten = judge(json!({"time": 1_800_009_000_000_u64}));
    let unknown = (Standing::Indeterminate, ReasonCode::RevocationUnknown);
    assert_eq!(forgotten, unknown);
}

#[test]
fn what_cannot_be_read_or_is_old_is_indeterminate() {
    let mut scene = Scene::new(&case("retired, anchored before the end"));
    scene.ledger.is_broken = true;
    let verdict = scene.judge();
    assert_eq!(verdict.verdict, Standing::Indeterminate);
    assert_eq!(verdict.reason, ReasonCode::StateUnavailable);
    scene.ledger.is_broken = false;
    let expectations = AsOfExpectations {
        token: JwsExpectations::new(AUDIENCE, scene.ledger.time.plus_ms(10_001)),
        as_of: scene.as_of,
        evidence: None,
    };
    let verdict = verify_jws_as_of(&scene.ledger, &scene.jws, &expectations);
    assert_eq!(verdict.verdict, Standing::Indeterminate);
    assert_eq!(verdict.reason, ReasonCode::StaleState);
}

#[test]
fn a_method_that_was_never_there_or_is_for_something_else_is_invalid() {
    let alice = Person::new(1);
    let mut ledger = Ledger::with(&alice);
    let claims = alice.claims(&json!({}));
    let judge = |ledger: &Ledger, jws: &str, relationships| {
        let mut token = JwsExpectations::new(AUDIENCE, ledger.time);
        token.relationship = relationships;
        let expectations = AsOfExpectations {
            token,
            as_of: ledger.time,
            evidence: None,
        };
        let verdict = verify_jws_as_of(ledger, jws, &expectations);
        (verdict.verdict, verdict.reason)
    };
    let assertion = allod_primitives::document::Relationships::ASSERTION_METHOD;
    let agreement = allod_primitives::document::Relationships::KEY_AGREEMENT;
    let unknown = alice.sign(&json!({"kid": format!("{}#k9", alice.did)}), &claims);
    let good = alice.sign(&json!({}), &claims);
    let invalid = |reason| (Standing::Invalid, reason);
    assert_eq!(
        judge(&ledger, &unknown, assertion),
        invalid(ReasonCode::KeyUnknown)
    );
    assert_eq!(
        judge(&ledger, &good, agreement),
        invalid(ReasonCode::RelationshipMissing)
    );
    assert_eq!(
        judge(&ledger, "x.y", assertion),
        invalid(ReasonCode::Malformed)
    );
    ledger.state.clear();
    assert_eq!(
        judge(&ledger, &good, assertion),
        invalid(ReasonCode::DidNotFound)
    );
}

#[test]
fn a_deactivated_identity_has_its_past() {
    let mut scene = Scene::new(&case("retired, anchored before the end"));
    let key = keys::did_record(&Person::new(1).did.id());
    let mut record: allod_primitives::record::DidRecord =
        allod_primitives::decode_strict(&scene.ledger.state[&key]).unwrap();
    record.status = allod_primitives::record::Status::Deactivated { at: TimeMs(3) };
    scene.ledger.state.insert(key, record.encode());
    assert!(scene.judge().is_valid());
}

#[test]
fn a_question_is_about_now_or_about_then() {
    let scene = Scene::new(&case("retired, anchored before the end"));
    let evidence = Evidence {
        grant_key: allod_primitives::H256(OPENING.grant_key.0).into(),
        expiry_day: OPENING.expiry_day,
        salt: allod_primitives::H256(OPENING.salt).into(),
    };
    assert_eq!(AnchorOpening::from(evidence), OPENING);
    let ask = |as_of: Option<u64>, evidence| VerifyJwsRequest {
        jws: scene.jws.clone(),
        audience: AUDIENCE.into(),
        nonce: None,
        relationship: None,
        max_age_s: None,
        time: None,
        max_staleness_ms: None,
        as_of,
        evidence,
    };
    use crate::answers::{verify_jws, verify_jws_as_of};
    let (ledger, now) = (&scene.ledger, scene.ledger.time);
    let then = Some(scene.as_of.0);
    assert!(verify_jws(ledger, &ask(None, None), now).is_ok());
    assert!(verify_jws(ledger, &ask(None, Some(evidence)), now).is_err());
    assert!(verify_jws(ledger, &ask(then, None), now).is_err());
    assert!(verify_jws_as_of(ledger, &ask(None, Some(evidence)), now).is_err());
    let verdict = verify_jws_as_of(ledger, &ask(then, Some(evidence)), now);
    assert!(verdict.unwrap().is_valid());
}
