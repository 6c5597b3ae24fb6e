//! Subscriptions over WebSocket.

use allod_primitives::keys;
use allod_rpc::{NodeView, ServerConfig};
use allod_rpc_api::hex_bytes::to_hex;
use jsonrpsee::core::client::{ClientT, Subscription, SubscriptionClientT};
use jsonrpsee::rpc_params;
use jsonrpsee::ws_client::WsClient;
use parity_scale_codec::Encode;
use serde_json::{Value, json};

use crate::wire::Harness;

pub(crate) async fn subscribe(
    client: &WsClient,
    name: &str,
    params: &[Value],
) -> Subscription<Value> {
    let mut list = rpc_params![];
    for param in params {
        list.insert(param).unwrap();
    }
    let unsubscribe = name.replace("subscribe", "unsubscribe");
    let unsubscribe = unsubscribe.replace("author_submitAndWatch", "author_unwatch");
    client.subscribe(name, list, &unsubscribe).await.unwrap()
}

pub(crate) async fn next(subscription: &mut Subscription<Value>) -> Value {
    let deadline = std::time::Duration::from_secs(10);
    let next = tokio::time::timeout(deadline, subscription.next()).await;
    next.expect("a notification arrives").unwrap().unwrap()
}

#[tokio::test]
async fn heads_begin_with_the_newest_and_leave_none_out() {
    let harness = Harness::start().await;
    harness.node.produce(1);
    let client = harness.websocket().await;
    let names = [
        "chain_subscribeNewHeads",
        "chain_subscribeNewHead",
        "chain_subscribeAllHeads",
        "chain_subscribeFinalizedHeads",
    ];
    for name in names {
        let first = harness.node.head().height().0;
        let mut heads = subscribe(&client, name, &[]).await;
        assert_eq!(next(&mut heads).await["number"], format!("{first:#x}"));
        // More than the node's own channel holds, so that the subscriber lags.
        harness.node.produce(20);
        for height in first + 1..=first + 20 {
            assert_eq!(
                next(&mut heads).await["number"],
                format!("{height:#x}"),
                "{name}"
            );
        }
        heads.unsubscribe().await.unwrap();
    }
    let still: Value = client.request("system_chain", rpc_params![]).await.unwrap();
    assert_eq!(still, "Allod Test");
}

#[tokio::test]
async fn subscription_ids_are_text() {
    let harness = Harness::start().await;
    let client = harness.websocket().await;
    let id: Value = client
        .request("chain_subscribeNewHeads", rpc_params![])
        .await
        .unwrap();
    assert!(id.is_string());
    let ended: bool = client
        .request("chain_unsubscribeNewHead", rpc_params![id])
        .await
        .unwrap();
    assert!(ended, "the alias ends it too");
}

#[tokio::test]
async fn watched_keys_are_told_at_first_and_when_they_change() {
    let harness = Harness::start().await;
    let alice = harness.person(1);
    let record = to_hex(&keys::did_record(&alice.did().id()));
    let number = to_hex(&keys::item("System", "LastRuntimeUpgrade"));
    let client = harness.websocket().await;
    let mut changes = subscribe(
        &client,
        "state_subscribeStorage",
        &[json!([record, number])],
    )
    .await;
    let first = next(&mut changes).await;
    assert_eq!(first["changes"][0], json!([record, null]));
    assert_eq!(first["changes"].as_array().unwrap().len(), 2);
    harness.node.produce(3);
    harness.incept(&alice).await;
    let second = next(&mut changes).await;
    assert_eq!(second["changes"].as_array().unwrap().len(), 1);
    assert_eq!(second["changes"][0][0], record);
    assert!(second["changes"][0][1].is_string());
    assert_eq!(second["block"], harness.node.head().hash.to_string());

    for keys in [json!([]), json!(null), json!(vec!["0x00"; 257])] {
        let params = rpc_params![keys];
        let refused = client
            .subscribe::<Value, _>("state_subscribeStorage", params, "state_unsubscribeStorage")
            .await;
        assert!(refused.is_err());
    }
}

#[tokio::test]
async fn the_runtimes_version_is_told_once_until_it_changes() {
    let harness = Harness::start().await;
    let client = harness.websocket().await;
    let mut versions = subscribe(&client, "state_subscribeRuntimeVersion", &[]).await;
    assert_eq!(next(&mut versions).await["specVersion"], 1);
    let mut heads = subscribe(&client, "chain_subscribeNewHeads", &[]).await;
    harness.node.produce(2);
    while next(&mut heads).await["number"] != "0x2" {}
    versions.unsubscribe().await.unwrap();
}

#[tokio::test]
async fn a_watched_extrinsic_is_ready_in_a_block_and_after_a_while_finalized() {
    let harness = Harness::start().await;
    let client = harness.websocket().await;
    let body = harness.person(1).incept_item().to_extrinsic().unwrap();
    let wire = json!(to_hex(&body.encode()));
    let watch = "author_submitAndWatchExtrinsic";
    let mut statuses = subscribe(&client, watch, std::slice::from_ref(&wire)).await;
    assert_eq!(next(&mut statuses).await, "ready");
    let included = next(&mut statuses).await;
    let since = std::time::Instant::now();
    let finalized = next(&mut statuses).await;
    assert!(
        since.elapsed().as_millis() >= 25,
        "both at once would be lost on polkadot.js"
    );
    let block = harness.node.head().hash.to_string();
    assert_eq!(included, json!({"inBlock": block}));
    assert_eq!(finalized, json!({"finalized": block}));

    let refused = client
        .subscribe::<Value, _>(watch, rpc_params![wire], "author_unwatchExtrinsic")
        .await;
    let message = refused.unwrap_err().to_string();
    assert!(
        message.contains("1010") && message.contains("did.already_exists"),
        "{message}"
    );
}

#[tokio::test]
async fn an_extrinsic_that_the_pool_drops_is_told_to_its_watcher() {
    let harness = Harness::start().await;
    harness.node.hold();
    let client = harness.websocket().await;
    let body = harness.person(1).incept_item().to_extrinsic().unwrap();
    let wire = json!(to_hex(&body.encode()));
    let mut statuses = subscribe(&client, "author_submitAndWatchExtrinsic", &[wire]).await;
    assert_eq!(next(&mut statuses).await, "ready");
    harness.node.drop_pool();
    assert_eq!(next(&mut statuses).await, "dropped");
}

#[tokio::test]
async fn subscriptions_of_a_connection_are_limited() {
    let config = ServerConfig {
        subscriptions_per_connection_max: 2,
        ..ServerConfig::default()
    };
    let harness = Harness::with(config).await;
    let client = harness.websocket().await;
    let _first = subscribe(&client, "chain_subscribeNewHeads", &[]).await;
    let _second = subscribe(&client, "chain_subscribeNewHeads", &[]).await;
    let third = client
        .subscribe::<Value, _>(
            "chain_subscribeNewHeads",
            rpc_params![],
            "chain_unsubscribeNewHeads",
        )
        .await;
    assert!(third.is_err());
}

#[tokio::test]
async fn subscriptions_over_http_are_refused() {
    let harness = Harness::start().await;
    let refused = harness.refused("chain_subscribeNewHeads", json!([])).await;
    assert!((-32768..=-32000).contains(&refused.0), "{refused:?}");
}

#[tokio::test]
async fn calls_are_counted_by_class_and_subscriptions_while_they_are_open() {
    let harness = Harness::start().await;
    let client = harness.websocket().await;
    let mut heads = subscribe(&client, "chain_subscribeNewHeads", &[]).await;
    next(&mut heads).await;
    let refused = client.request::<Value, _>("state_getStorage", rpc_params!["?"]);
    assert!(refused.await.is_err());
    for name in ["evil_name", "evil_other", "another"] {
        assert!(
            client
                .request::<Value, _>(name, rpc_params![])
                .await
                .is_err()
        );
    }
    let lines = |body: &str, name: &str| -> Vec<String> {
        let lines = body.lines().filter(|line| line.starts_with(name));
        lines.map(str::to_owned).collect()
    };
    let (_, body) = harness.get("/metrics").await;
    let mut calls = lines(&body, "allod_rpc_calls_total");
    calls.sort_unstable();
    let expected = [
        r#"allod_rpc_calls_total{class="chain",outcome="ok"} 1"#,
        r#"allod_rpc_calls_total{class="state",outcome="error"} 1"#,
        r#"allod_rpc_calls_total{class="unknown",outcome="error"} 3"#,
    ];
    assert_eq!(calls, expected);
    assert_eq!(
        lines(&body, "allod_rpc_subscriptions "),
        ["allod_rpc_subscriptions 1"]
    );
    assert_eq!(
        lines(&body, "allod_rpc_connections "),
        ["allod_rpc_connections 2"]
    );
    heads.unsubscribe().await.unwrap();
    let ended = async {
        while !harness
            .get("/metrics")
            .await
            .1
            .contains("allod_rpc_subscriptions 0\n")
        {
            harness.node.produce(1);
        }
    };
    let deadline = std::time::Duration::from_secs(10);
    tokio::time::timeout(deadline, ended)
        .await
        .expect("the count goes down");
}
