//! Reads with `proof`, `at` and `atLeast`: a client that trusts no node works the answer out.

use std::time::Duration;

use allod_primitives::header::Header;
use allod_primitives::light::{LightError, ReadProof, Trust, VerifiedRead};
use allod_primitives::{H256, NetworkId, TimeMs, ValidatorSet, decode_strict, grant::GrantAction};
use allod_rpc_api::access::AccessEvaluateRequest;
use allod_rpc_api::answers::{self, AnswerError, ProvenView};
use allod_rpc_api::authority::AuthorityRequest;
use allod_rpc_api::grant::{GrantCheckRequest, GrantState};
use allod_rpc_api::hex_bytes::{from_hex, to_hex};
use allod_rpc_api::identity::{LanesRequest, ResolveRequest};
use allod_rpc_api::limits::{READ_WAIT_MS_MAX, RETIRED_PROVEN_MAX};
use allod_rpc_api::login::{VerifyJwsRequest, VerifyLoginRequest};
use allod_rpc_api::revocation::RevocationCheckRequest;
use allod_rpc_api::submit::{CALL_GRANT_ANCHOR, SubmitItem};
use allod_rpc_api::verify::{Decision, ReasonCode};
use parity_scale_codec::Encode;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::node::STEP_MS;
use crate::people::{AUDIENCE, Person, grant_message, registrar, signed};
use crate::wire::Harness;

fn bytes(value: &Value) -> Vec<u8> {
    from_hex(value.as_str().unwrap_or_else(|| panic!("{value}"))).unwrap()
}

/// A client that has nothing but the network's name.
pub(crate) async fn trust(harness: &Harness) -> Trust {
    let genesis = harness.call("light_genesis", json!([])).await.unwrap();
    let header: Header = decode_strict(&bytes(&genesis["header"])).unwrap();
    let validators: ValidatorSet = decode_strict(&bytes(&genesis["validators"])).unwrap();
    let network = NetworkId::from_genesis(&harness.node.genesis());
    Trust::from_genesis(&network, &header, &validators).unwrap()
}

fn verified(trust: &mut Trust, proof: &Value) -> Result<VerifiedRead, LightError> {
    trust.verify_read(&ReadProof::from_bytes(&bytes(proof)).unwrap())
}

/// Calls `method` with and without proof, works the answer out from the proof with `answer`, and
/// returns it if all three are the same.
async fn proven<Q, A>(
    harness: &Harness,
    method: &str,
    request: Value,
    answer: impl Fn(&ProvenView<'_>, &Q) -> Result<A, AnswerError>,
) -> A
where
    Q: DeserializeOwned,
    A: Serialize,
{
    let plain = harness.call(method, request.clone()).await.unwrap();
    assert!(plain.get("proof").is_none(), "{plain}");
    let mut asked = request.clone();
    asked["proof"] = json!(true);
    let mut told = harness.call(method, asked).await.unwrap();
    let proof = told.as_object_mut().unwrap().remove("proof").unwrap();
    assert_eq!(told, plain);
    let read = verified(&mut trust(harness).await, &proof).unwrap();
    let view = ProvenView::new(&read);
    let own = answer(&view, &serde_json::from_value(request).unwrap()).unwrap();
    view.finish().unwrap();
    assert_eq!(serde_json::to_value(&own).unwrap(), plain);
    own
}

async fn with_identity() -> (Harness, Person) {
    let harness = Harness::start().await;
    let alice = harness.person(1);
    harness.incept(&alice).await;
    (harness, alice)
}

#[tokio::test]
async fn resolve_proves_the_record_and_every_retired_method() {
    let (harness, alice) = with_identity().await;
    let did = json!({"did": alice.did().to_string()});
    let mut prev = H256::ZERO;
    // To as many as a day allows: more than are read where the request arrives.
    for n in 1..30 {
        let answer = proven(&harness, "identity_resolve", did.clone(), |view, it| {
            answers::resolve(view, it, RETIRED_PROVEN_MAX)
        });
        let answer = answer.await;
        assert_eq!(
            (answer.retired.len(), answer.retired_count),
            (n - 1, n as u32 - 1)
        );
        let update = alice.replace_method(u8::try_from(n).unwrap(), prev);
        prev = update.operation.hash();
        let outcome = harness
            .submit(json!([SubmitItem::operation(&update)]))
            .await;
        assert_eq!(outcome[0]["status"], "finalized", "{outcome}");
    }
}

#[tokio::test]
async fn lanes_pending_and_history_are_proven() {
    let (harness, alice) = with_identity().await;
    let did = json!({"did": alice.did().to_string()});
    proven(&harness, "identity_lanes", did.clone(), |view, it| {
        answers::lanes(view, it)
    })
    .await;
    proven(&harness, "identity_pending", did.clone(), |view, it| {
        answers::pending(view, it)
    })
    .await;
    let mut asked = did;
    asked["proof"] = json!(true);
    let history = harness.call("identity_history", asked).await.unwrap();
    let read = verified(&mut trust(&harness).await, &history["proof"]).unwrap();
    let view = ProvenView::new(&read);
    let record = answers::effective_record(&view, &alice.did()).unwrap();
    view.finish().unwrap();
    assert_eq!(history["logHead"], json!(record.log.head.to_string()));
    assert_eq!(history["logCount"], json!(1));
}

#[tokio::test]
async fn absence_is_proven_with_the_error_that_states_it() {
    let harness = Harness::start().await;
    harness.node.produce(1);
    let alice = harness.person(1);
    for (method, is_proven) in [
        ("identity_resolve", true),
        ("identity_lanes", true),
        ("identity_pending", true),
        ("identity_history", true),
        ("identity_resolve", false),
    ] {
        let request = json!({"did": alice.did().to_string(), "proof": is_proven});
        let error = harness.call(method, request).await.unwrap_err();
        assert_eq!(error["data"]["slug"], "did.not_found");
        assert!(error["data"]["hint"].is_string());
        if !is_proven {
            assert!(error["data"].get("proof").is_none());
            continue;
        }
        let read = verified(&mut trust(&harness).await, &error["data"]["proof"]).unwrap();
        let view = ProvenView::new(&read);
        let own = answers::effective_record(&view, &alice.did()).unwrap_err();
        assert!(own.is_absence());
        view.finish().unwrap();
    }
    let malformed = json!({"did": "did:web:example.org", "proof": true});
    let error = harness.call("identity_resolve", malformed).await;
    assert!(error.unwrap_err()["data"].get("proof").is_none());
}

#[tokio::test]
async fn revocations_and_grants_are_proven_present_and_absent() {
    let (harness, alice) = with_identity().await;
    let iat = harness.node.time().seconds();
    let token = json!({"jws": alice.jws(1, iat, "n")});
    for is_revoked in [false, true] {
        let check = |view: &ProvenView<'_>, it: &RevocationCheckRequest| {
            answers::check_revocation(view, it)
        };
        let answer = proven(&harness, "revocation_check", token.clone(), check).await;
        assert_eq!(answer.revoked, is_revoked);
        let item = SubmitItem::token(&alice.revoke_token(iat));
        harness.submit(json!([item])).await;
    }
    let bob = harness.person(2);
    let grant = alice.grant(bob.did(), "https://pod.example/a/");
    let gid = json!({"gid": grant.gid(&harness.node.genesis()).to_string()});
    for expected in [GrantState::Absent, GrantState::Active] {
        let check = |view: &ProvenView<'_>, it: &GrantCheckRequest| answers::check_grant(view, it);
        let answer = proven(&harness, "grant_check", gid.clone(), check).await;
        assert_eq!(answer.status, expected);
        anchor(&harness, &alice, &grant).await;
    }
}

async fn anchor(harness: &Harness, owner: &Person, grant: &allod_primitives::grant::SignedGrant) {
    let action = GrantAction::Anchor {
        grant_key: grant.grant_key,
        expiry_day: grant.expiry_day,
    };
    let message = grant_message(&owner.chain, grant, action);
    let nonce = harness
        .call("system_accountNextIndex", json!([account()]))
        .await;
    let nonce = u32::try_from(nonce.unwrap().as_u64().unwrap()).unwrap();
    let genesis = harness.node.genesis();
    let body = signed(
        &registrar(),
        genesis,
        nonce,
        CALL_GRANT_ANCHOR,
        &vec![message],
    );
    harness.submit(json!([SubmitItem::extrinsic(&body)])).await;
}

fn account() -> String {
    H256(crate::people::public(&registrar()).0).to_string()
}

#[tokio::test]
async fn verdicts_are_proven_as_far_as_they_read() {
    let (harness, alice) = with_identity().await;
    let iat = harness.node.time().seconds();
    let now = TimeMs(iat * 1000);
    let login = json!({
        "jws": alice.jws(1, iat, "n-1"), "audience": AUDIENCE, "nonce": "n-1", "time": iat,
    });
    let verify =
        |view: &ProvenView<'_>, it: &VerifyLoginRequest| answers::verify_login(view, it, now);
    let decision: Decision = proven(&harness, "identity_verifyLogin", login, verify).await;
    assert_eq!(decision.reason, ReasonCode::Ok);

    for (n, reason) in [(1, ReasonCode::Ok), (2, ReasonCode::KeyUnknown)] {
        let token = json!({"jws": alice.jws(n, iat, "n"), "audience": AUDIENCE, "time": iat});
        let verify =
            |view: &ProvenView<'_>, it: &VerifyJwsRequest| answers::verify_jws(view, it, now);
        let decision = proven(&harness, "identity_verifyJws", token, verify).await;
        assert_eq!(decision.reason, reason);
    }

    let bob = harness.person(2);
    harness.incept(&bob).await;
    let grant = alice.grant(bob.did(), "https://pod.example/a/");
    let access = json!({
        "subject": bob.did().to_string(), "action": "read",
        "resource": "https://pod.example/a/b", "owner": alice.did().to_string(),
        "grants": [to_hex(&grant.encode())],
        "time": harness.node.time().seconds(),
    });
    for reason in [ReasonCode::GrantNotFound, ReasonCode::Ok] {
        let evaluate = |view: &ProvenView<'_>, it: &AccessEvaluateRequest| {
            answers::evaluate_access(view, it, now)
        };
        let decision = proven(&harness, "access_evaluate", access.clone(), evaluate).await;
        assert_eq!(decision.reason, reason);
        anchor(&harness, &alice, &grant).await;
    }
}

#[tokio::test]
async fn what_a_signature_was_worth_is_proven_with_and_without_evidence() {
    let (harness, alice) = with_identity().await;
    let iat = harness.node.time().seconds();
    let now = TimeMs(iat * 1000);
    let zeros = H256::ZERO.to_string();
    let evidence = json!({"grantKey": zeros, "expiryDay": 1, "salt": zeros});
    for (as_of, evidence, reason) in [
        (iat * 1000, None, ReasonCode::Ok),
        (iat * 1000, Some(evidence), ReasonCode::Ok),
        // The block's time is not that far: read all the same, so that there is a proof.
        (iat * 1000 + 60_000, None, ReasonCode::AsOfAhead),
    ] {
        let mut token = json!({
            "jws": alice.jws(1, iat, "n"), "audience": AUDIENCE, "time": iat, "asOf": as_of,
        });
        if let Some(evidence) = evidence {
            token["evidence"] = evidence;
        }
        let verify =
            |view: &ProvenView<'_>, it: &VerifyJwsRequest| answers::verify_jws_as_of(view, it, now);
        let verdict = proven(&harness, "identity_verifyJws", token, verify).await;
        assert_eq!(verdict.reason, reason);
    }
}

#[tokio::test]
async fn what_trustees_decide_is_proven() {
    let (harness, _) = with_identity().await;
    let proposals = |view: &ProvenView<'_>, _: &AuthorityRequest| answers::proposals(view);
    let answer = proven(&harness, "authority_proposals", json!({}), proposals).await;
    assert!(answer.proposals.is_empty());
    let rules = |view: &ProvenView<'_>, _: &AuthorityRequest| answers::rules(view);
    let answer = proven(&harness, "authority_rules", json!({}), rules).await;
    assert_eq!(answer.rules.len(), 11);
    let surplus = harness.call("authority_rules", json!({"surplus": 1})).await;
    assert!(surplus.is_err());
}

#[tokio::test]
async fn a_verdict_that_reads_nothing_has_no_proof() {
    let (harness, alice) = with_identity().await;
    let request = json!({
        "jws": "no.jws", "audience": AUDIENCE, "nonce": "n", "proof": true,
    });
    let answer = harness.call("identity_verifyLogin", request).await.unwrap();
    assert_eq!(answer["decision"], "deny");
    assert!(answer.get("proof").is_none());
    let genesis = json!({"did": alice.did().to_string(), "proof": true, "at": 0});
    let refused = harness.refused("identity_resolve", genesis).await;
    assert_eq!(refused, (7002, "chain.state_unavailable".to_owned()));
}

#[tokio::test]
async fn an_older_block_answers_with_its_own_proof_within_the_window() {
    let (harness, alice) = with_identity().await;
    let update = alice.replace_method(1, H256::ZERO);
    harness
        .submit(json!([SubmitItem::operation(&update)]))
        .await;
    let did = alice.did().to_string();
    for (name, expected) in [("at", "k1"), ("height", "k1"), ("atLeast", "k2")] {
        let mut request = json!({"did": did, "proof": true});
        request[name] = json!(1);
        let answer = harness.call("identity_resolve", request).await.unwrap();
        let method = answer["didDocument"]["authentication"][0].clone();
        assert!(
            method.as_str().unwrap().ends_with(expected),
            "{name}: {method}"
        );
        let read = verified(&mut trust(&harness).await, &answer["proof"]).unwrap();
        assert_eq!(json!(read.header().number().0), answer["height"]);
        let view = ProvenView::new(&read);
        let asked = ResolveRequest {
            did: did.clone(),
            ..ResolveRequest::default()
        };
        let own = answers::resolve(&view, &asked, RETIRED_PROVEN_MAX).unwrap();
        assert_eq!(json!(own.did_document), answer["didDocument"]);
    }
    harness.node.produce(3);
    harness.node.prune_below(3);
    let cases = [
        (json!({"at": 2}), 7002),
        (json!({"at": 99}), 7001),
        (json!({"at": 3, "height": 4}), 1001),
        (json!({"at": 3, "atLeast": 4}), 1001),
        (json!({"at": 5, "height": 5, "atLeast": 5}), 0),
    ];
    for (members, code) in cases {
        let mut request = json!({"did": did, "proof": true});
        let members = members.as_object().unwrap().clone();
        request.as_object_mut().unwrap().extend(members);
        match code {
            0 => assert!(harness.call("identity_resolve", request).await.is_ok()),
            code => assert_eq!(harness.refused("identity_resolve", request).await.0, code),
        }
    }
}

#[tokio::test]
async fn at_least_waits_for_the_block_and_answers_from_it() {
    let (harness, alice) = with_identity().await;
    let request = json!({"did": alice.did().to_string(), "atLeast": 3, "proof": true});
    let asked = harness.call("identity_lanes", request);
    let made = async {
        // Whether the question comes before the blocks or after, the answer is of the third.
        tokio::task::yield_now().await;
        harness.node.produce(2);
    };
    let (answer, ()) = tokio::join!(asked, made);
    let answer = answer.unwrap();
    assert_eq!(answer["height"], 3);
    let read = verified(&mut trust(&harness).await, &answer["proof"]).unwrap();
    assert_eq!(read.header().number().0, 3);
    let lanes = LanesRequest {
        did: alice.did().to_string(),
    };
    assert!(answers::lanes(&ProvenView::new(&read), &lanes).is_ok());
}

#[tokio::test]
async fn at_least_gives_up_after_its_time() {
    let (harness, alice) = with_identity().await;
    let begun = std::time::Instant::now();
    let request = json!({"did": alice.did().to_string(), "atLeast": 9});
    let error = harness.call("identity_resolve", request).await.unwrap_err();
    assert_eq!(error["code"], 7006);
    assert_eq!(error["data"]["detail"], "height 1, not 9");
    assert!(begun.elapsed() >= Duration::from_millis(READ_WAIT_MS_MAX));
}

#[tokio::test]
async fn the_proof_of_every_block_while_blocks_are_made_is_of_one_block() {
    let (harness, alice) = with_identity().await;
    let node = harness.node.clone();
    let maker = tokio::task::spawn_blocking(move || node.produce(40));
    let mut trust = trust(&harness).await;
    let mut last = 0;
    while last < 41 {
        let request = json!({"did": alice.did().to_string(), "proof": true});
        let answer = harness.call("identity_lanes", request).await.unwrap();
        let read = verified(&mut trust, &answer["proof"]).unwrap();
        let view = ProvenView::new(&read);
        let lanes = LanesRequest {
            did: alice.did().to_string(),
        };
        let own = answers::lanes(&view, &lanes).unwrap();
        view.finish().unwrap();
        assert_eq!(json!(own.block_hash), answer["blockHash"]);
        assert!(own.height >= last);
        last = own.height;
    }
    maker.await.unwrap();
    assert_eq!(harness.node.time().0 % STEP_MS, 0);
}
