//! Control as clients see it: policies, what waits, what happens.

use allod_primitives::H256;
use allod_primitives::limits::CONTROL_DELAY_MS_DEFAULT;
use allod_primitives::operation::{Body, Lane};
use allod_primitives::record::DidRecord;
use allod_rpc::NodeView as _;
use allod_rpc_api::control::{ChangeInfo, PendingResponse, ProposerName};
use allod_rpc_api::identity::ResolveResponse;
use allod_rpc_api::submit::SubmitItem;
use jsonrpsee::core::client::SubscriptionClientT;
use jsonrpsee::rpc_params;
use serde_json::{Value, json};

use crate::node::{START, STEP_MS};
use crate::people::Person;
use crate::subscriptions::{next, subscribe};
use crate::wire::Harness;

const SUBSCRIBE: &str = "identity_subscribeChanges";

async fn resolve(harness: &Harness, did: &str) -> ResolveResponse {
    let answer = harness.call("identity_resolve", json!([did])).await;
    serde_json::from_value(answer.unwrap()).unwrap()
}

async fn pending(harness: &Harness, did: &str) -> PendingResponse {
    let answer = harness.call("identity_pending", json!([did])).await;
    serde_json::from_value(answer.unwrap()).unwrap()
}

/// Submits what `person` proposes as its first operation after the inception; returns its id.
async fn propose(harness: &Harness, person: &Person) -> H256 {
    let proposal = person.propose(99, 1, person.inception().operation.hash());
    let id = proposal.operation.hash();
    let outcome = harness
        .submit(json!([SubmitItem::operation(&proposal)]))
        .await;
    assert_eq!(outcome[0]["status"], "finalized", "{outcome:?}");
    id
}

#[tokio::test]
async fn what_waits_is_shown_and_has_happened_when_its_time_comes() {
    let harness = Harness::start().await;
    let alice = harness.person(1);
    harness.incept(&alice).await;
    let did = alice.did().to_string();
    let before = resolve(&harness, &did).await;
    assert_eq!(before.policy.ranks.len(), 1);
    assert_eq!(before.policy.delay_ms, CONTROL_DELAY_MS_DEFAULT);
    let json = serde_json::to_value(&before.policy.ranks[0]).unwrap();
    assert_eq!(json["keys"][0]["type"], "Ed25519");
    assert_eq!(
        json["capabilities"],
        json!(["document", "tokensAndGrants", "proposeUp", "cancel"])
    );
    assert_eq!(json["preRotated"], false);

    let id = propose(&harness, &alice).await;
    let waiting = pending(&harness, &did).await;
    let proposed_at = START.0 + 2 * STEP_MS;
    let [only] = &waiting.pending[..] else {
        panic!("{waiting:?}")
    };
    assert_eq!((only.id.0, only.proposer), (id, ProposerName::Rank0));
    assert_eq!(only.proposed_at, proposed_at);
    assert_eq!(only.effective_at, proposed_at + CONTROL_DELAY_MS_DEFAULT);
    let ChangeInfo::Control { ranks, vacated, .. } = &only.change else {
        panic!("{only:?}")
    };
    assert_eq!((ranks.len(), vacated.len()), (1, 0));
    assert_ne!(ranks[0].keys, before.policy.ranks[0].keys);
    let shown = resolve(&harness, &did).await;
    assert_eq!(shown.pending, waiting.pending);
    assert_eq!(shown.policy, before.policy);

    // Nobody writes anything down: it is the block's time that counts.
    let left = only.effective_at - harness.node.time().0 - STEP_MS;
    harness.node.jump(left - 1);
    assert_eq!(pending(&harness, &did).await.pending, waiting.pending);
    assert_eq!(resolve(&harness, &did).await.policy, before.policy);
    let stored_before = resolve(&harness, &did).await.record;
    harness.node.show_later(1);
    let after = resolve(&harness, &did).await;
    assert_eq!(after.time, only.effective_at);
    assert_eq!(after.policy.ranks, *ranks);
    assert_eq!(after.pending, []);
    assert_eq!(after.record, stored_before, "the record is as stored");
    let stored: DidRecord = allod_primitives::decode_strict(&after.record.0).unwrap();
    assert_eq!(stored.pending.len(), 1);
    assert_eq!(pending(&harness, &did).await.pending, []);
}

#[tokio::test]
async fn a_watcher_is_told_of_everything_that_happens_and_can_resume() {
    let harness = Harness::start().await;
    let (alice, bob) = (harness.person(1), harness.person(2));
    let did = alice.did().to_string();
    let client = harness.websocket().await;
    let from_now = json!({ "dids": [{ "did": did }] });
    let mut changes = subscribe(&client, SUBSCRIBE, &[from_now]).await;
    harness.incept(&alice).await;
    harness.incept(&bob).await;
    let first = next(&mut changes).await;
    assert_eq!(first["did"], did);
    assert_eq!(first["entry"]["n"], 0);
    assert_eq!(first["entry"]["action"], "incept");
    assert_eq!(first["events"], json!([{ "event": "incepted" }]));

    let id = propose(&harness, &alice).await;
    let second = next(&mut changes).await;
    let effective_at = START.0 + 3 * STEP_MS + CONTROL_DELAY_MS_DEFAULT;
    let proposed = json!([{
        "event": "proposed", "id": id.to_string(), "proposer": "rank0",
        "effectiveAt": effective_at,
    }]);
    assert_eq!(second["events"], proposed);
    assert_eq!(second["entry"]["height"], 3);
    assert_eq!(second["blockHash"], harness.node.head().hash.to_string());

    // A second proposal is taken, and fails: the owner hears of the attempt.
    let again = alice.propose(98, 2, id);
    let outcome = harness.submit(json!([SubmitItem::operation(&again)])).await;
    assert_eq!(outcome[0]["status"], "failed");
    let third = next(&mut changes).await;
    assert_eq!(third["events"], json!([]));
    assert_eq!(third["failure"]["slug"], "did.pending_conflict");

    let body = Body::Cancel { pending: id };
    let cancel = alice.operation(Lane::Rank(0), 3, again.operation.hash(), body);
    harness
        .submit(json!([SubmitItem::operation(&cancel)]))
        .await;
    let cancelled = json!([{ "event": "cancelled", "id": id.to_string() }]);
    assert_eq!(next(&mut changes).await["events"], cancelled);

    let resumed =
        json!({ "dids": [{ "did": did, "from": 1 }, { "did": bob.did().to_string(), "from": 0 }] });
    let mut resumed = subscribe(&client, SUBSCRIBE, &[resumed]).await;
    let mut seen = Vec::new();
    for _ in 0..4 {
        let one = next(&mut resumed).await;
        seen.push((one["did"] == did, one["entry"]["n"].as_u64().unwrap()));
    }
    assert_eq!(seen, [(true, 1), (true, 2), (true, 3), (false, 0)]);
}

#[tokio::test]
async fn an_effect_is_told_with_its_cause() {
    let harness = Harness::start().await;
    let alice = harness.person(1);
    harness.incept(&alice).await;
    let did = alice.did().to_string();
    let id = propose(&harness, &alice).await;
    let client = harness.websocket().await;
    let asked = json!({ "dids": [{ "did": did }] });
    let mut changes = subscribe(&client, SUBSCRIBE, &[asked]).await;
    harness.node.jump(CONTROL_DELAY_MS_DEFAULT);
    let told = next(&mut changes).await;
    assert_eq!(told["entry"]["kind"], "automatic");
    assert_eq!(told["entry"]["cause"], id.to_string());
    assert_eq!(told["entry"]["action"], Value::Null);
    let took_effect = json!([{ "event": "tookEffect", "id": id.to_string() }]);
    assert_eq!(told["events"], took_effect);

    let history = harness
        .call("identity_history", json!([did]))
        .await
        .unwrap();
    assert_eq!(history["entries"][2]["cause"], id.to_string());
    assert_eq!(history["entries"][2]["effectiveAt"], Value::Null);
    let proposed = history["entries"][1]["time"].as_u64().unwrap();
    let effective_at = proposed + CONTROL_DELAY_MS_DEFAULT;
    assert_eq!(history["entries"][1]["effectiveAt"], effective_at);
    assert_eq!(history["entries"][1]["cause"], Value::Null);
}

#[tokio::test]
async fn too_many_and_malformed_identities_are_not_watched() {
    let harness = Harness::start().await;
    let client = harness.websocket().await;
    let did = harness.person(1).did().to_string();
    let one = json!({ "did": did });
    for (asked, code) in [
        (json!({ "dids": [] }), "1004"),
        (json!({ "dids": vec![one.clone(); 65] }), "1004"),
        (json!({ "dids": [{ "did": "did:web:a.example" }] }), "2001"),
        (json!({ "dids": [did] }), "1001"),
        (json!({ "dids": [one], "since": 0 }), "1001"),
    ] {
        let params = rpc_params![asked.clone()];
        let refused = client
            .subscribe::<Value, _>(SUBSCRIBE, params, "identity_unsubscribeChanges")
            .await;
        let message = refused.unwrap_err().to_string();
        assert!(message.contains(code), "{asked}: {message}");
    }
}
