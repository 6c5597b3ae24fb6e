//! `transaction_v1` and `transactionWatch_v1`.

use allod_rpc::{NodeView, PoolError};
use allod_rpc_api::hex_bytes::to_hex;
use allod_rpc_api::submit::CALL_DID_BATCH;
use jsonrpsee::core::client::{ClientT, Error, Subscription, SubscriptionClientT};
use jsonrpsee::rpc_params;
use jsonrpsee::ws_client::WsClient;
use parity_scale_codec::Encode;
use serde_json::{Value, json};

use crate::people::{registrar, signed};
use crate::subscriptions::next;
use crate::wire::Harness;

async fn watch(client: &WsClient, transaction: &str) -> Subscription<Value> {
    let params = rpc_params![transaction];
    let (name, unwatch) = (
        "transactionWatch_v1_submitAndWatch",
        "transactionWatch_v1_unwatch",
    );
    client.subscribe(name, params, unwatch).await.unwrap()
}

/// A batch of one inception by the registrar, whose nonce is `nonce`, with its length prefix.
fn batch(harness: &Harness, seed: u8, nonce: u32) -> String {
    let items = vec![harness.person(seed).inception()];
    let genesis = harness.node.genesis();
    to_hex(&signed(&registrar(), genesis, nonce, CALL_DID_BATCH, &items).encode())
}

#[tokio::test]
async fn a_transaction_is_valid_then_included_then_final() {
    let harness = Harness::start().await;
    harness.node.hold();
    let client = harness.websocket().await;
    let transaction = batch(&harness, 1, 0);
    let mut events = watch(&client, &transaction).await;
    assert_eq!(next(&mut events).await, json!({"event": "validated"}));
    harness.node.produce(1);
    let (block, _) = harness.node.block(&harness.node.head().hash).unwrap();
    let index = block
        .extrinsics
        .iter()
        .position(|it| to_hex(&it.encode()) == transaction);
    let place = json!({"hash": harness.node.head().hash.to_string(), "index": index.unwrap()});
    let included = next(&mut events).await;
    assert_eq!(
        included,
        json!({"event": "bestChainBlockIncluded", "block": place})
    );
    let last = next(&mut events).await;
    assert_eq!(last, json!({"event": "finalized", "block": place}));

    let mut again = watch(&client, &transaction).await;
    let refused = next(&mut again).await;
    assert_eq!(refused["event"], "invalid", "{refused}");
    let mut garbage = watch(&client, "0x0800").await;
    assert_eq!(next(&mut garbage).await["event"], "invalid");
    harness.node.refuse(Some(PoolError::Full));
    let mut full = watch(&client, &batch(&harness, 2, 1)).await;
    assert_eq!(next(&mut full).await["event"], "dropped");
    let wrong = client.subscribe::<Value, _>(
        "transactionWatch_v1_submitAndWatch",
        rpc_params!["no digits"],
        "transactionWatch_v1_unwatch",
    );
    assert!(matches!(wrong.await, Err(Error::Call(error)) if error.code() == -32602));
}

async fn broadcast(client: &WsClient, transaction: &str) -> Option<String> {
    let params = rpc_params![transaction];
    client
        .request("transaction_v1_broadcast", params)
        .await
        .unwrap()
}

async fn stop(client: &WsClient, id: &str) -> Result<Value, i32> {
    match client.request("transaction_v1_stop", rpc_params![id]).await {
        Ok(answer) => Ok(answer),
        Err(Error::Call(error)) => Err(error.code()),
        Err(other) => panic!("{other}"),
    }
}

/// Makes blocks until the node has `count` extrinsics waiting.
async fn until_pending(harness: &Harness, count: usize) {
    let waited = async {
        while harness.node.pending().len() != count {
            tokio::task::yield_now().await;
        }
    };
    let deadline = std::time::Duration::from_secs(10);
    let waited = tokio::time::timeout(deadline, waited).await;
    waited.expect("the pool has them");
}

#[tokio::test]
async fn a_broadcast_is_tried_again_until_it_is_final() {
    let harness = Harness::start().await;
    harness.node.hold();
    harness.node.refuse(Some(PoolError::Full));
    let client = harness.websocket().await;
    let id = broadcast(&client, &batch(&harness, 1, 0)).await.unwrap();
    // Refused; the next block is a new chance.
    harness.node.produce(1);
    harness.node.refuse(None);
    let retried = async {
        while harness.node.pending().is_empty() {
            harness.node.produce(1);
            tokio::task::yield_now().await;
        }
    };
    let deadline = std::time::Duration::from_secs(10);
    tokio::time::timeout(deadline, retried)
        .await
        .expect("it is tried again");
    // Given up by the pool: tried again as well.
    harness.node.drop_pool();
    let retried = async {
        while harness.node.pending().is_empty() {
            harness.node.produce(1);
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(deadline, retried)
        .await
        .expect("it is tried again");
    harness.node.produce(1);
    let key = allod_primitives::keys::did_record(&harness.person(1).did().id());
    let head = harness.node.head().hash;
    assert!(harness.node.storage_at(&head, &key).unwrap().is_some());
    assert_eq!(stop(&client, &id).await, Ok(Value::Null));
    assert_eq!(stop(&client, &id).await, Err(-32602), "only once");
}

#[tokio::test]
async fn a_broadcast_that_is_stopped_is_tried_no_more() {
    let harness = Harness::start().await;
    harness.node.hold();
    let client = harness.websocket().await;
    let id = broadcast(&client, &batch(&harness, 1, 0)).await.unwrap();
    until_pending(&harness, 1).await;
    assert_eq!(stop(&client, &id).await, Ok(Value::Null));
    harness.node.drop_pool();
    harness.node.produce(3);
    // The other is tried with the same blocks, so the stopped one had its chance.
    let other = broadcast(&client, &batch(&harness, 2, 0)).await.unwrap();
    until_pending(&harness, 1).await;
    harness.node.produce(1);
    assert!(harness.node.pending().is_empty());
    let stranger = harness.websocket().await;
    assert_eq!(stop(&stranger, &other).await, Err(-32602), "another's");
    assert_eq!(stop(&client, "7777").await, Err(-32602));
    assert_eq!(stop(&client, "no number").await, Err(-32602));
}

#[tokio::test]
async fn a_connection_broadcasts_no_more_than_it_may() {
    let harness = Harness::start().await;
    harness.node.hold();
    harness.node.refuse(Some(PoolError::Full));
    let client = harness.websocket().await;
    let transaction = batch(&harness, 1, 0);
    let mut ids = Vec::new();
    for _ in 0..1024 {
        ids.push(broadcast(&client, &transaction).await.unwrap());
    }
    assert_eq!(broadcast(&client, &transaction).await, None);
    let other = harness.websocket().await;
    assert!(broadcast(&other, &transaction).await.is_some());
    assert_eq!(stop(&client, &ids[3]).await, Ok(Value::Null));
    assert!(broadcast(&client, &transaction).await.is_some());
}

#[tokio::test]
async fn what_is_no_transaction_takes_no_place() {
    let harness = Harness::start().await;
    let client = harness.websocket().await;
    let mut last = None;
    for _ in 0..1100 {
        last = broadcast(&client, "0x0800").await;
        assert!(last.is_some());
    }
    assert_eq!(stop(&client, &last.unwrap()).await, Ok(Value::Null));
}

#[tokio::test]
async fn places_come_back_when_their_connection_closes() {
    let harness = Harness::start().await;
    harness.node.hold();
    harness.node.refuse(Some(PoolError::Full));
    let transaction = batch(&harness, 1, 0);
    // All places that there are.
    let mut clients = Vec::new();
    for _ in 0..8 {
        let client = harness.websocket().await;
        for _ in 0..1024 {
            assert!(broadcast(&client, &transaction).await.is_some());
        }
        clients.push(client);
    }
    let other = harness.websocket().await;
    assert_eq!(broadcast(&other, &transaction).await, None);
    drop(clients);
    let freed = async {
        while broadcast(&other, &transaction).await.is_none() {
            harness.node.produce(1);
            tokio::task::yield_now().await;
        }
    };
    let deadline = std::time::Duration::from_secs(60);
    tokio::time::timeout(deadline, freed)
        .await
        .expect("a place");
}
