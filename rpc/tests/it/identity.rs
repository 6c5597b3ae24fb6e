//! `identity_*`.

use allod_primitives::H256;
use allod_primitives::operation::{Admission, Body, Lane, work_bits};
use allod_rpc::{Fault, InvalidTransaction, PoolError, TransactionError};
use allod_rpc_api::identity::{HistoryResponse, LanesResponse, ResolveResponse};
use allod_rpc_api::submit::{CALL_DID_BATCH, SubmitItem};
use parity_scale_codec::Encode;
use serde_json::{Value, json};

use crate::node::{START, STEP_MS};
use crate::people::{registrar, signed};
use crate::wire::Harness;

#[tokio::test]
async fn an_identity_is_created_and_resolved() {
    let harness = Harness::start().await;
    let alice = harness.person(1);
    let outcome = harness.submit(json!([alice.incept_item()])).await;
    let outcome = &outcome[0];
    assert_eq!(outcome["status"], "finalized");
    assert_eq!(
        (&outcome["height"], &outcome["index"]),
        (&json!(1), &json!(1))
    );
    let body = alice.incept_item().to_extrinsic().unwrap();
    let hash = allod_primitives::header::extrinsic_hash(&body);
    assert_eq!(outcome["hash"], hash.to_string());

    let did = alice.did().to_string();
    let answer = harness
        .call("identity_resolve", json!([did]))
        .await
        .unwrap();
    let resolved: ResolveResponse = serde_json::from_value(answer.clone()).unwrap();
    let document = resolved.did_document.unwrap();
    assert_eq!(document.id, did);
    assert_eq!(document.context, ["https://www.w3.org/ns/did/v1.1"]);
    assert_eq!(document.authentication, [format!("{did}#k1")]);
    assert!(document.key_agreement.is_empty());
    let method = &document.verification_method[0];
    assert_eq!(
        (method.kind.as_str(), &method.controller),
        ("Multikey", &did)
    );
    assert!(method.public_key_multibase.starts_with("z6Mk"));
    assert_eq!(resolved.height, 1);
    assert_eq!(
        resolved.did_document_metadata.created,
        "2024-10-04T00:00:01Z"
    );
    assert!(resolved.did_document_metadata.version_id.starts_with("1-"));
    assert!(!resolved.record.0.is_empty());
    assert_eq!(answer["didDocument"]["@context"][0], document.context[0]);
    assert!(answer["didDocument"].get("service").is_none());

    for params in [json!({"did": did}), json!([{"did": did}])] {
        let again = harness.call("identity_resolve", params).await.unwrap();
        assert_eq!(again, answer);
    }
}

#[tokio::test]
async fn what_cannot_be_resolved_is_named() {
    let harness = Harness::start().await;
    let alice = harness.person(1);
    let did = alice.did().to_string();
    let foreign = crate::people::Person::new(H256([3; 32]), 1)
        .did()
        .to_string();
    let cases = [
        (json!([did]), (2003, "did.not_found")),
        (json!(["did:web:example.org"]), (2001, "did.malformed")),
        (json!(["x".repeat(129)]), (2001, "did.malformed")),
        (json!([foreign]), (2002, "did.wrong_network")),
        (json!([did, 1]), (1001, "request.invalid_params")),
        (json!([7]), (1001, "request.invalid_params")),
        (json!([]), (1001, "request.invalid_params")),
        (
            json!({"did": did, "version": 1}),
            (1001, "request.invalid_params"),
        ),
        (
            json!({"did": did, "height": 9}),
            (7001, "chain.block_not_found"),
        ),
    ];
    for (params, (code, slug)) in cases {
        let refused = harness.refused("identity_resolve", params.clone()).await;
        assert_eq!(refused, (code, slug.to_owned()), "{params}");
    }
    harness.incept(&alice).await;
    harness.node.produce(2);
    harness.node.prune_below(2);
    let old = json!({"did": did, "height": 1});
    let refused = harness.refused("identity_resolve", old).await;
    assert_eq!(refused, (7002, "chain.state_unavailable".to_owned()));
}

#[tokio::test]
async fn an_older_block_still_answers() {
    let harness = Harness::start().await;
    let alice = harness.person(1);
    harness.incept(&alice).await;
    let update = alice.replace_method(1, H256::ZERO);
    let outcome = harness
        .submit(json!([SubmitItem::operation(&update)]))
        .await;
    assert_eq!(outcome[0]["height"], 2);
    let at = |height: Value| json!({"did": alice.did().to_string(), "height": height});
    let old = harness
        .call("identity_resolve", at(json!(1)))
        .await
        .unwrap();
    let new = harness
        .call("identity_resolve", at(Value::Null))
        .await
        .unwrap();
    let method = |answer: &Value| answer["didDocument"]["authentication"][0].clone();
    assert!(method(&old).as_str().unwrap().ends_with("#k1"));
    assert!(method(&new).as_str().unwrap().ends_with("#k2"));
    assert_eq!(old["retired"], json!([]));
    assert_eq!(new["retiredCount"], 1);
    assert_eq!(new["retired"][0]["reason"], "routine");
    assert_eq!(new["retired"][0]["until"], START.0 + 2 * STEP_MS);
}

#[tokio::test]
async fn a_deactivated_identity_has_no_document() {
    let harness = Harness::start().await;
    let alice = harness.person(1);
    harness.incept(&alice).await;
    let last = alice.inception().operation.hash();
    let body = Body::Deactivate;
    let end = alice.operation(Lane::Rank(0), 1, last, body);
    let outcome = harness.submit(json!([SubmitItem::operation(&end)])).await;
    assert_eq!(outcome[0]["status"], "finalized", "{outcome}");
    let params = json!([alice.did().to_string()]);
    let answer = harness.call("identity_resolve", params).await.unwrap();
    assert_eq!(answer["didDocument"], Value::Null);
    assert_eq!(answer["didDocumentMetadata"]["deactivated"], true);
}

#[tokio::test]
async fn lanes_and_history_follow_the_operations() {
    let harness = Harness::start().await;
    let alice = harness.person(1);
    harness.incept(&alice).await;
    let first = alice.replace_method(1, H256::ZERO);
    let second = alice.replace_method(2, first.operation.hash());
    let items = json!([SubmitItem::operation(&first)]);
    assert_eq!(harness.submit(items).await[0]["status"], "finalized");
    let items = json!([SubmitItem::operation(&second)]);
    assert_eq!(harness.submit(items).await[0]["status"], "finalized");

    let did = json!([alice.did().to_string()]);
    let answer = harness.call("identity_lanes", did.clone()).await.unwrap();
    let lanes: LanesResponse = serde_json::from_value(answer).unwrap();
    assert_eq!(lanes.documents.next_seq, 2);
    assert_eq!(lanes.documents.last.0, second.operation.hash());
    assert_eq!((lanes.documents.used, lanes.documents.quota), (2, 30));
    assert_eq!(lanes.ranks[0].next_seq, 1);
    assert_eq!(lanes.ranks.len(), 4);

    let answer = harness.call("identity_history", did).await.unwrap();
    let all: HistoryResponse = serde_json::from_value(answer).unwrap();
    let actions: Vec<_> = all
        .entries
        .iter()
        .map(|it| it.action.clone().unwrap())
        .collect();
    assert_eq!(actions, ["incept", "updateDocument", "updateDocument"]);
    assert_eq!((all.log_count, all.next), (3, None));
    let mut head = allod_primitives::log::LogHead::default();
    for item in harness_history(&harness, &alice.did()) {
        head = head.append(&item);
    }
    assert_eq!(all.log_head.0, head.head);
    assert_eq!(
        all.entries[2].operation.as_ref().unwrap().0,
        second.encode()
    );

    let page = json!({"did": alice.did().to_string(), "from": 1, "count": 1});
    let page = harness.call("identity_history", page).await.unwrap();
    assert_eq!(page["entries"][0]["n"], 1);
    assert_eq!(page["next"], 2);
    for count in [0, 257] {
        let params = json!({"did": alice.did().to_string(), "count": count});
        assert_eq!(harness.refused("identity_history", params).await.0, 1001);
    }
    let nobody = json!([harness.person(9).did().to_string()]);
    assert_eq!(
        harness.refused("identity_history", nobody.clone()).await.0,
        2003
    );
    assert_eq!(harness.refused("identity_lanes", nobody).await.0, 2003);
}

fn harness_history(
    harness: &Harness,
    did: &allod_primitives::Did,
) -> Vec<allod_primitives::log::LogEntry> {
    use allod_rpc::NodeView as _;
    let items = harness.node.history(&did.id(), 0, 9).unwrap();
    items.into_iter().map(|it| it.entry).collect()
}

#[tokio::test]
async fn the_context_says_what_operations_are_bound_to() {
    let harness = Harness::start().await;
    let context = harness.call("identity_context", json!([])).await.unwrap();
    assert_eq!(context["genesis"], harness.node.genesis().to_string());
    assert_eq!(context["genesisHash"], context["genesis"]);
    assert_eq!(context["forkId"], 0);
    assert_eq!(context["network"].as_str().unwrap().len(), 32);
    assert_eq!(
        context["admission"],
        json!({"vouchers": true, "workBits": 4})
    );
    assert_eq!(context["limits"]["batchItemsMax"], 512);
    assert_eq!(context["specVersion"], 1);
}

#[tokio::test]
async fn work_admits_where_the_network_allows_it() {
    let harness = Harness::start().await;
    let bob = harness.person(2);
    let enough = |nonce: &u64| work_bits(&bob.chain, &bob.did().id(), *nonce) >= 4;
    let good = (0..).find(enough).unwrap();
    let bad = (0..).find(|nonce| !enough(nonce)).unwrap();
    let item = |nonce| SubmitItem::inception(&bob.inception(), &Admission::Work { nonce });
    let refused = harness.submit(json!([item(bad)])).await;
    assert_eq!(refused[0]["status"], "rejected");
    assert_eq!(refused[0]["error"]["slug"], "did.admission_refused");
    let taken = harness.submit(json!([item(good)])).await;
    assert_eq!(taken[0]["status"], "finalized");
}

#[tokio::test]
async fn each_item_has_an_outcome_of_its_own_in_order() {
    let harness = Harness::start().await;
    let (alice, bob) = (harness.person(1), harness.person(2));
    let mut forged = bob.inception();
    forged.operation.lane_seq = 5;
    let items = json!([
        {"kind": "operation", "data": "0x00"},
        alice.incept_item(),
        {"kind": "operation", "data": "0x", "admission": "0x"},
        SubmitItem::inception(&forged, &bob.voucher()),
        {"kind": "extrinsic", "data": "0x0400"},
        SubmitItem::operation(&alice.inception()),
        {"kind": "inception", "data": alice.incept_item().data},
        SubmitItem::extrinsic(&[4, 99, 99]),
    ]);
    let outcomes = harness.submit(items).await;
    let told: Vec<(&str, &str)> = outcomes
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            let slug = it["error"]["slug"].as_str().unwrap_or_default();
            (it["status"].as_str().unwrap(), slug)
        })
        .collect();
    let expected = [
        ("rejected", "request.undecodable"),
        ("finalized", ""),
        ("rejected", "request.invalid_params"),
        ("rejected", told[3].1),
        ("rejected", "transaction.undecodable"),
        ("rejected", "request.invalid_params"),
        ("rejected", "request.invalid_params"),
        ("rejected", "transaction.unknown_call"),
    ];
    assert_eq!(told, expected);
    assert!(told[3].1.starts_with("did."), "{}", told[3].1);
    assert!(outcomes[0].get("hash").is_none());
    assert!(outcomes[7]["hash"].is_string());
    let error = &outcomes[0]["error"];
    assert_eq!(error["code"], 1005);
    assert!(error["hint"].is_string() && error["message"].is_string());
}

#[tokio::test]
async fn requests_to_submit_are_bounded_and_strict() {
    let harness = Harness::start().await;
    let item = json!({"kind": "operation", "data": "0x00"});
    let cases = [
        (json!({"items": []}), 1004),
        (json!({"items": vec![item.clone(); 1025]}), 1004),
        (json!({}), 1001),
        (json!({"items": [item], "waits": "finalized"}), 1001),
        (json!({"items": [{"kind": "other", "data": "0x00"}]}), 1001),
        (
            json!({"items": [{"kind": "operation", "data": "00"}]}),
            1002,
        ),
        (
            json!({"items": [{"kind": "operation", "data": "0x0"}]}),
            1002,
        ),
        (
            json!({"items": [{"kind": "operation", "data": "0xzz"}]}),
            1002,
        ),
    ];
    for (params, code) in cases {
        assert_eq!(harness.refused("identity_submit", params).await.0, code);
    }
}

#[tokio::test]
async fn a_batch_tells_which_items_failed() {
    let harness = Harness::start().await;
    let (alice, bob) = (harness.person(1), harness.person(2));
    harness.incept(&alice).await;
    let items = vec![alice.inception(), bob.inception()];
    let body = signed(
        &registrar(),
        harness.node.genesis(),
        0,
        CALL_DID_BATCH,
        &items,
    );
    let outcome = harness.submit(json!([SubmitItem::extrinsic(&body)])).await;
    assert_eq!(outcome[0]["status"], "finalized", "{outcome}");
    let failed = &outcome[0]["itemErrors"];
    assert_eq!(failed[0]["index"], 0);
    assert_eq!(failed[0]["error"]["slug"], "did.already_exists");
    assert_eq!(failed.as_array().unwrap().len(), 1);
    let params = json!([bob.did().to_string()]);
    assert!(harness.call("identity_resolve", params).await.is_ok());
}

#[tokio::test]
async fn an_operation_that_fails_in_its_block_says_so() {
    let harness = Harness::start().await;
    let alice = harness.person(1);
    harness.incept(&alice).await;
    let missing = alice.replace_method(1, H256::ZERO);
    assert_eq!(
        harness
            .submit(json!([SubmitItem::operation(&missing)]))
            .await[0]["status"],
        "finalized"
    );
    let again = alice.operation(
        Lane::Documents,
        1,
        missing.operation.hash(),
        missing.operation.body.clone(),
    );
    let outcome = harness.submit(json!([SubmitItem::operation(&again)])).await;
    assert_eq!(outcome[0]["status"], "failed", "{outcome}");
    assert!(outcome[0]["height"].is_number());
    assert_eq!(outcome[0]["error"]["slug"], "did.method_not_found");
    let stale = harness
        .submit(json!([SubmitItem::operation(&missing)]))
        .await;
    assert_eq!(stale[0]["status"], "rejected");
    assert_eq!(stale[0]["error"]["slug"], "did.sequence_stale");
}

#[tokio::test]
async fn accepted_is_not_final_and_the_wait_ends_in_time() {
    let harness = Harness::start().await;
    harness.node.hold();
    let alice = harness.person(1);
    let items = json!([alice.incept_item()]);
    let request = json!({"items": items});
    for _ in 0..2 {
        let answer = harness
            .call("identity_submit", request.clone())
            .await
            .unwrap();
        assert_eq!(answer["items"][0]["status"], "accepted");
        assert!(
            answer["items"][0].get("error").is_none(),
            "twice is no error"
        );
    }
    let bob = harness.person(2);
    let request = json!({"items": [bob.incept_item()], "wait": "finalized", "timeoutMs": 20});
    let answer = harness.call("identity_submit", request).await.unwrap();
    assert_eq!(answer["items"][0]["status"], "accepted");
    assert_eq!(
        answer["items"][0]["error"]["slug"],
        "transaction.not_final_in_time"
    );
    assert!(answer["items"][0]["hash"].is_string());
}

#[tokio::test]
async fn an_extrinsic_that_the_pool_gives_up_is_told() {
    let harness = Harness::start().await;
    harness.node.hold();
    let alice = harness.person(1);
    let submitting = harness.submit(json!([alice.incept_item()]));
    let node = harness.node.clone();
    let dropping = async {
        use allod_rpc::NodeView as _;
        while node.pending().is_empty() {
            tokio::task::yield_now().await;
        }
        node.drop_pool();
    };
    let (outcome, ()) = tokio::join!(submitting, dropping);
    assert_eq!(outcome[0]["status"], "rejected");
    assert_eq!(outcome[0]["error"]["slug"], "transaction.dropped");
}

#[tokio::test]
async fn every_refusal_of_the_pool_has_a_code() {
    let harness = Harness::start().await;
    let alice = harness.person(1);
    let unknown = TransactionError {
        reason: InvalidTransaction::Custom(1),
        fault: Fault::new("no.such_slug"),
    };
    let cases = [
        (PoolError::Full, "transaction.pool_full"),
        (PoolError::SubjectFull, "transaction.pool_full"),
        (PoolError::Busy, "request.busy"),
        (PoolError::Conflict, "transaction.conflict"),
        (PoolError::TooLarge, "transaction.too_large"),
        (PoolError::NotReady, "chain.not_ready"),
        (PoolError::AlreadyIncluded, "transaction.already_known"),
        (PoolError::Invalid(unknown), "transaction.failed"),
    ];
    for (error, slug) in cases {
        harness.node.refuse(Some(error));
        let outcome = harness.submit(json!([alice.incept_item()])).await;
        assert_eq!(outcome[0]["status"], "rejected");
        assert_eq!(outcome[0]["error"]["slug"], slug);
    }
    let finalized = allod_rpc::Finalized {
        block: H256([5; 32]),
        height: allod_primitives::Height(12),
        index: 3,
        failure: None,
        item_failures: Vec::new(),
    };
    harness
        .node
        .refuse(Some(PoolError::AlreadyFinalized(Box::new(finalized))));
    let outcome = harness.submit(json!([alice.incept_item()])).await;
    assert_eq!(outcome[0]["status"], "finalized");
    assert_eq!(outcome[0]["height"], 12);
}
