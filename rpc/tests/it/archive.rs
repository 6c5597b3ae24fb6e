//! `archive_v1`, on a node that keeps every state.

use allod_primitives::{Height, keys};
use allod_rpc::{NodeView, ServerConfig};
use allod_rpc_api::hex_bytes::to_hex;
use jsonrpsee::core::client::{Subscription, SubscriptionClientT};
use jsonrpsee::core::traits::ToRpcParams;
use jsonrpsee::rpc_params;
use parity_scale_codec::Encode;
use serde_json::{Value, json};

use crate::subscriptions::next;
use crate::wire::Harness;

async fn archive() -> Harness {
    let config = ServerConfig {
        is_archive: true,
        ..ServerConfig::default()
    };
    Harness::with(config).await
}

/// Subscribes and returns every event up to the last, which must be named `last`.
async fn all(
    harness: &Harness,
    method: &'static str,
    params: impl ToRpcParams + Send,
    last: &str,
) -> Vec<Value> {
    let client = harness.websocket().await;
    let stop = match method {
        "archive_v1_storage" => "archive_v1_stopStorage",
        _ => "archive_v1_stopStorageDiff",
    };
    let mut events: Subscription<Value> = client.subscribe(method, params, stop).await.unwrap();
    let mut found = Vec::new();
    loop {
        let event = next(&mut events).await;
        if event["event"] == last {
            return found;
        }
        found.push(event);
    }
}

#[tokio::test]
async fn only_an_archive_lists_the_family_and_then_all_of_it() {
    let listed = |answer: Value| -> Vec<String> {
        let names: Vec<String> = serde_json::from_value(answer["methods"].clone()).unwrap();
        names
            .into_iter()
            .filter(|it| it.starts_with("archive_"))
            .collect()
    };
    let plain = Harness::start().await.call("rpc_methods", json!([])).await;
    assert!(listed(plain.unwrap()).is_empty());
    let whole = archive().await.call("rpc_methods", json!([])).await;
    let expected = [
        "archive_v1_body",
        "archive_v1_call",
        "archive_v1_finalizedHeight",
        "archive_v1_genesisHash",
        "archive_v1_hashByHeight",
        "archive_v1_header",
        "archive_v1_stopStorage",
        "archive_v1_stopStorageDiff",
        "archive_v1_storage",
        "archive_v1_storageDiff",
    ];
    assert_eq!(listed(whole.unwrap()), expected);
}

#[tokio::test]
async fn blocks_of_any_height_are_found() {
    let harness = archive().await;
    harness.incept(&harness.person(1)).await;
    harness.node.produce(2);
    let call = |method: &'static str, params: Value| harness.call(method, params);
    let height = call("archive_v1_finalizedHeight", json!([])).await.unwrap();
    assert_eq!(height, harness.node.head().height().0);
    let hash = harness.node.hash_of(Height(1)).unwrap();
    let found = call("archive_v1_hashByHeight", json!([1])).await.unwrap();
    assert_eq!(found, json!([hash.to_string()]));
    let none = call("archive_v1_hashByHeight", json!([99])).await.unwrap();
    assert_eq!(none, json!([]));
    let genesis = call("archive_v1_genesisHash", json!([])).await.unwrap();
    assert_eq!(genesis, harness.node.genesis().to_string());
    let header = call("archive_v1_header", json!([hash.to_string()]))
        .await
        .unwrap();
    let expected = harness.node.header(&hash).unwrap();
    assert_eq!(header, to_hex(&expected.encode()));
    let body = call("archive_v1_body", json!([hash.to_string()]))
        .await
        .unwrap();
    let (block, _) = harness.node.block(&hash).unwrap();
    let expected: Vec<String> = block
        .extrinsics
        .iter()
        .map(|it| to_hex(&it.encode()))
        .collect();
    assert_eq!(body, json!(expected));
    let unknown = json!([format!("0x{}", "11".repeat(32))]);
    for method in ["archive_v1_header", "archive_v1_body"] {
        assert_eq!(call(method, unknown.clone()).await.unwrap(), Value::Null);
    }
    let version = json!([hash.to_string(), "Core_version", "0x"]);
    let version = call("archive_v1_call", version).await.unwrap();
    assert_eq!(version["success"], true);
    assert!(version["value"].as_str().unwrap().len() > 20);
    let wrong = json!([hash.to_string(), "No_such", "0x"]);
    let wrong = call("archive_v1_call", wrong).await.unwrap();
    assert_eq!(wrong["success"], false);
    let nowhere = json!([format!("0x{}", "11".repeat(32)), "Core_version", "0x"]);
    assert_eq!(call("archive_v1_call", nowhere).await.unwrap(), Value::Null);
}

#[tokio::test]
async fn a_state_is_read_as_of_its_block() {
    let harness = archive().await;
    let before = harness.node.head().hash.to_string();
    let alice = harness.person(1);
    harness.incept(&alice).await;
    let after = harness.node.head().hash;
    let key = keys::did_record(&alice.did().id());
    let value = harness.node.storage_at(&after, &key).unwrap().unwrap();
    let items = json!([{"key": to_hex(&key), "type": "value"}]);
    let found = all(
        &harness,
        "archive_v1_storage",
        rpc_params![after.to_string(), &items, Value::Null],
        "storageDone",
    )
    .await;
    assert_eq!(
        found,
        [json!({"event": "storage", "key": to_hex(&key), "value": to_hex(&value)})]
    );
    let found = all(
        &harness,
        "archive_v1_storage",
        rpc_params![&before, &items, Value::Null],
        "storageDone",
    )
    .await;
    assert!(found.is_empty(), "{found:?}");

    let every = json!([{"key": "0x", "type": "descendantsHashes"}]);
    let found = all(
        &harness,
        "archive_v1_storage",
        rpc_params![after.to_string(), &every, Value::Null],
        "storageDone",
    )
    .await;
    let names: Vec<&str> = found.iter().map(|it| it["key"].as_str().unwrap()).collect();
    let keys = harness
        .call("state_getKeysPaged", json!(["0x", 1000]))
        .await
        .unwrap();
    assert_eq!(json!(names), keys);
    let from = json!([{"key": "0x", "type": "descendantsHashes", "paginationStartKey": names[2]}]);
    let found = all(
        &harness,
        "archive_v1_storage",
        rpc_params![after.to_string(), &from, Value::Null],
        "storageDone",
    )
    .await;
    assert_eq!(found[0]["key"], names[3]);
    assert_eq!(found.len(), names.len() - 3);

    let unknown = format!("0x{}", "11".repeat(32));
    let failed = all(
        &harness,
        "archive_v1_storage",
        rpc_params![&unknown, &items, Value::Null],
        "storageError",
    )
    .await;
    assert!(failed.is_empty());
}

#[tokio::test]
async fn a_difference_names_what_was_added_changed_and_nothing_else() {
    let harness = archive().await;
    let first = harness.node.head().hash.to_string();
    let (alice, bob) = (harness.person(1), harness.person(2));
    harness.incept(&alice).await;
    let second = harness.node.head().hash.to_string();
    harness.incept(&bob).await;
    let third = harness.node.head().hash.to_string();
    let records = to_hex(&keys::item("Did", "Records"));
    let items = json!([{"key": records, "returnType": "hash"}]);
    let names = |events: Vec<Value>| -> Vec<(String, String)> {
        let name = |it: &Value| it.as_str().unwrap().to_owned();
        let names = events
            .iter()
            .map(|it| (name(&it["type"]), name(&it["key"])));
        names.collect()
    };
    let diff = |params| {
        all(
            &harness,
            "archive_v1_storageDiff",
            params,
            "storageDiffDone",
        )
    };
    let added = |people: &[&crate::people::Person]| {
        let mut keys: Vec<_> = people
            .iter()
            .map(|it| {
                (
                    "added".to_owned(),
                    to_hex(&keys::did_record(&it.did().id())),
                )
            })
            .collect();
        keys.sort();
        keys
    };
    assert_eq!(
        names(diff(rpc_params![&third, &items]).await),
        added(&[&bob]),
        "the parent's, if none is named"
    );
    assert_eq!(
        names(diff(rpc_params![&third, &items, &first]).await),
        added(&[&alice, &bob])
    );
    assert!(diff(rpc_params![&second, &items, &second]).await.is_empty());
    let whole = diff(rpc_params![&third, Value::Null, &second]).await;
    assert!(
        whole
            .iter()
            .all(|it| it["event"] == "storageDiff" && it["value"].is_string())
    );
    let modified = whole.iter().any(|it| it["type"] == "modified");
    assert!(
        modified && whole.len() > 2,
        "the registrar's nonce, the time …: {whole:?}"
    );

    let backwards = rpc_params![&first, &items, &third];
    let failed = all(
        &harness,
        "archive_v1_storageDiff",
        backwards,
        "storageDiffError",
    )
    .await;
    assert!(failed.is_empty());
}

#[tokio::test]
async fn a_connection_has_four_questions_under_way() {
    let harness = archive().await;
    let client = harness.websocket().await;
    let busy = harness.node.busy();
    let hash = format!("0x{}", "11".repeat(32));
    let items = json!([{"key": "0x", "type": "descendantsValues"}]);
    let mut open = Vec::new();
    let ask = || {
        let params = rpc_params![&hash, &items, Value::Null];
        client.subscribe::<Value, _>("archive_v1_storage", params, "archive_v1_stopStorage")
    };
    for _ in 0..4 {
        open.push(ask().await.unwrap());
    }
    let refused = ask().await;
    assert!(
        matches!(&refused, Err(jsonrpsee::core::client::Error::Call(error)) if error.code() == 1007),
        "{refused:?}"
    );
    drop(busy);
    for mut events in open {
        assert_eq!(next(&mut events).await["event"], "storageError");
    }
    let items = vec![json!({"key": "0x", "returnType": "hash"}); 17];
    let head = harness.node.head().hash.to_string();
    let params = rpc_params![head, items];
    let many = client.subscribe::<Value, _>(
        "archive_v1_storageDiff",
        params,
        "archive_v1_stopStorageDiff",
    );
    assert!(matches!(
        many.await,
        Err(jsonrpsee::core::client::Error::Call(_))
    ));
}
