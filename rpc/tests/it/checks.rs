//! Logins, tokens, grants and accesses.

use allod_primitives::H256;
use allod_primitives::grant::GrantAction;
use allod_rpc_api::submit::{CALL_GRANT_ANCHOR, SubmitItem};
use parity_scale_codec::Encode;
use serde_json::{Value, json};

use crate::node::START;
use crate::people::{AUDIENCE, grant_message, registrar, signed};
use crate::wire::Harness;

const NONCE: &str = "n-0123456789abcdef";

fn login(jws: &str) -> Value {
    json!({"jws": jws, "audience": AUDIENCE, "nonce": NONCE})
}

#[tokio::test]
async fn the_old_key_is_retired_and_the_new_one_logs_in() {
    let harness = Harness::start().await;
    let alice = harness.person(1);
    harness.incept(&alice).await;
    let now = START.seconds() + 1;
    let old = alice.jws(1, now, NONCE);
    let allowed = harness
        .call("identity_verifyLogin", login(&old))
        .await
        .unwrap();
    assert_eq!(allowed["decision"], "allow", "{allowed}");
    assert_eq!(allowed["reason"], "ok");
    assert_eq!(allowed["height"], 1);
    assert_eq!(allowed["did"], alice.did().to_string());

    let update = alice.replace_method(1, H256::ZERO);
    harness
        .submit(json!([SubmitItem::operation(&update)]))
        .await;
    let denied = harness
        .call("identity_verifyLogin", login(&old))
        .await
        .unwrap();
    assert_eq!(
        (&denied["decision"], &denied["reason"]),
        (&json!("deny"), &json!("key_retired"))
    );
    assert_eq!(denied["height"], 2);
    let new = alice.jws(2, now, NONCE);
    let allowed = harness
        .call("identity_verifyLogin", login(&new))
        .await
        .unwrap();
    assert_eq!(allowed["decision"], "allow");
}

#[tokio::test]
async fn the_verifiers_clock_and_patience_count() {
    let harness = Harness::start().await;
    let alice = harness.person(1);
    harness.incept(&alice).await;
    let now = START.seconds() + 1;
    let jws = alice.jws(1, now, NONCE);
    let reason = |change: Value| {
        let mut params = login(&jws);
        for (name, value) in change.as_object().unwrap() {
            params[name] = value.clone();
        }
        let harness = &harness;
        async move {
            let answer = harness.call("identity_verifyLogin", params).await.unwrap();
            answer["reason"].as_str().unwrap().to_owned()
        }
    };
    assert_eq!(reason(json!({"time": now + 11})).await, "stale_state");
    assert_eq!(
        reason(json!({"time": now + 11, "maxStalenessMs": 20_000})).await,
        "ok"
    );
    let late = json!({"time": now + 120, "maxStalenessMs": 3_600_000});
    assert_eq!(reason(late).await, "token_expired");
    assert_eq!(reason(json!({"nonce": "other"})).await, "nonce_mismatch");
    assert_eq!(
        reason(json!({"audience": "other"})).await,
        "audience_mismatch"
    );
    assert_eq!(reason(json!({"jws": "x"})).await, "malformed");
    harness.node.advance_clock(11_000);
    assert_eq!(reason(json!({})).await, "stale_state");
}

#[tokio::test]
async fn a_verifier_must_say_what_it_expects() {
    let harness = Harness::start().await;
    let refused = |params: Value| harness.refused("identity_verifyLogin", params);
    let params = json!({"jws": "", "audience": AUDIENCE, "nonce": ""});
    assert_eq!(
        refused(params).await,
        (5001, "login.nonce_required".to_owned())
    );
    let params = json!({"jws": "", "audience": "", "nonce": "x"});
    assert_eq!(
        refused(params).await,
        (5002, "login.audience_required".to_owned())
    );
    let params = json!({"jws": "", "audience": "x".repeat(513), "nonce": "x"});
    assert_eq!(refused(params).await.0, 1003);
    assert_eq!(refused(json!({"jws": "", "audience": "x"})).await.0, 1001);
    let jws = harness
        .refused("identity_verifyJws", json!({"jws": "x", "audience": ""}))
        .await;
    assert_eq!(jws.0, 5002);
}

#[tokio::test]
async fn a_revoked_token_is_denied_from_the_next_block_on() {
    let harness = Harness::start().await;
    let alice = harness.person(1);
    harness.incept(&alice).await;
    let now = START.seconds() + 1;
    let jws = alice.jws(1, now, NONCE);
    let verify = json!({"jws": jws, "audience": AUDIENCE, "relationship": "assertionMethod"});
    let before = harness
        .call("identity_verifyJws", verify.clone())
        .await
        .unwrap();
    assert_eq!(before["reason"], "ok");

    let did = alice.did().to_string();
    let by_jti = json!({"issuer": did, "exp": now + 60, "jti": "j-1"});
    let check = harness
        .call("revocation_check", by_jti.clone())
        .await
        .unwrap();
    assert_eq!(
        (&check["revoked"], &check["notBefore"]),
        (&json!(false), &json!(0))
    );

    let item = SubmitItem::token(&alice.revoke_token(now));
    assert_eq!(
        harness.submit(json!([item])).await[0]["status"],
        "finalized"
    );
    let after = harness.call("identity_verifyJws", verify).await.unwrap();
    assert_eq!(after["reason"], "token_revoked");
    let forms = [by_jti, json!({"jws": jws}), json!({"tag": check["tag"]})];
    for form in forms {
        let found = harness.call("revocation_check", form).await.unwrap();
        assert_eq!(found["revoked"], true);
        assert_eq!(found["tag"], check["tag"]);
        assert!(found["revokedAt"].is_number());
    }
    let unclear = [
        json!({}),
        json!({"issuer": did, "exp": 5}),
        json!({"issuer": did, "jti": "x"}),
        json!({"jws": jws, "tag": check["tag"]}),
        json!({"jws": "x"}),
    ];
    for params in unclear {
        let refused = harness.refused("revocation_check", params).await;
        assert_eq!(refused, (3001, "token.malformed".to_owned()));
    }
}

#[tokio::test]
async fn a_grant_is_anchored_used_revoked_and_refused() {
    let harness = Harness::start().await;
    let (alice, bob) = (harness.person(1), harness.person(2));
    harness.incept(&alice).await;
    harness.incept(&bob).await;
    let grant = alice.grant(bob.did(), "https://store.example/photos/");
    let gid = grant.gid(&alice.chain.genesis).to_string();
    let access = json!({
        "subject": bob.did().to_string(), "action": "read", "owner": alice.did().to_string(),
        "resource": "https://store.example/photos/1.jpg",
        "grants": [format!("0x{}", hex::encode(grant.encode()))],
    });
    let status = |params: Value| {
        let harness = &harness;
        async move { harness.call("grant_check", params).await.unwrap()["status"].clone() }
    };
    let by_gid = json!({"gid": gid});
    assert_eq!(status(by_gid.clone()).await, "absent");
    let denied = harness
        .call("access_evaluate", access.clone())
        .await
        .unwrap();
    assert_eq!(denied["reason"], "grant_not_found");

    let anchor = GrantAction::Anchor {
        grant_key: grant.grant_key,
        expiry_day: grant.expiry_day,
    };
    let items = vec![grant_message(&alice.chain, &grant, anchor)];
    let genesis = harness.node.genesis();
    let body = signed(&registrar(), genesis, 0, CALL_GRANT_ANCHOR, &items);
    let outcome = harness.submit(json!([SubmitItem::extrinsic(&body)])).await;
    assert_eq!(outcome[0]["status"], "finalized", "{outcome}");
    assert_eq!(status(by_gid.clone()).await, "active");
    assert_eq!(
        status(json!({"grant": access["grants"][0]})).await,
        "active"
    );
    let allowed = harness
        .call("access_evaluate", access.clone())
        .await
        .unwrap();
    assert_eq!(allowed["decision"], "allow", "{allowed}");
    assert_eq!(allowed["gids"], json!([gid]));

    let message = grant_message(&alice.chain, &grant, GrantAction::Revoke);
    let item = SubmitItem::grant_revoke(&message);
    let outcome = harness.submit(json!([item])).await;
    assert_eq!(outcome[0]["status"], "finalized", "{outcome}");
    assert_eq!(status(by_gid).await, "revoked");
    let denied = harness
        .call("access_evaluate", access.clone())
        .await
        .unwrap();
    assert_eq!(denied["reason"], "grant_revoked");

    let again = harness.submit(json!([item])).await;
    assert_eq!(again[0]["error"]["slug"], "grant.revoked");

    let refused = harness
        .refused("grant_check", json!({"gid": gid, "grant": "0x"}))
        .await;
    assert_eq!(refused.0, 1001);
    let refused = harness
        .refused("grant_check", json!({"grant": "0x00"}))
        .await;
    assert_eq!(refused, (4001, "grant.malformed".to_owned()));
    let mut malformed = access.clone();
    malformed["grants"] = json!(["0x00"]);
    assert_eq!(harness.refused("access_evaluate", malformed).await.0, 4001);
    let mut many = access.clone();
    many["grants"] = json!(vec![access["grants"][0].clone(); 50]);
    let denied = harness.call("access_evaluate", many).await.unwrap();
    assert_eq!(denied["reason"], "grant_chain_too_long");
    let mut long = access.clone();
    long["resource"] = json!("x".repeat(2049));
    assert_eq!(harness.refused("access_evaluate", long).await.0, 1003);
    let mut foreign = access;
    foreign["owner"] = json!("did:web:x");
    assert_eq!(harness.refused("access_evaluate", foreign).await.0, 2001);
}
