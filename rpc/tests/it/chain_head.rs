//! The newer families as their clients use them: `chainHead_v1`, `chainSpec_v1`.

use std::time::Duration;

use allod_primitives::{H256, Header, blake2_256, decode_strict, keys};
use allod_rpc::NodeView;
use allod_rpc_api::hex_bytes::{from_hex, to_hex};
use jsonrpsee::core::client::{ClientT, Error, Subscription, SubscriptionClientT};
use jsonrpsee::rpc_params;
use jsonrpsee::ws_client::WsClient;
use parity_scale_codec::{Decode, Encode};
use serde_json::{Value, json};

use crate::subscriptions::next;
use crate::wire::Harness;

struct Head {
    client: WsClient,
    id: String,
    events: Subscription<Value>,
    /// The blocks that `initialized` listed.
    first: Vec<String>,
}

async fn follow(client: &WsClient, with_runtime: bool) -> Result<Subscription<Value>, Error> {
    let params = rpc_params![with_runtime];
    client
        .subscribe("chainHead_v1_follow", params, "chainHead_v1_unfollow")
        .await
}

fn id_of(events: &Subscription<Value>) -> String {
    use jsonrpsee::core::client::SubscriptionKind;
    use jsonrpsee::types::SubscriptionId;
    match events.kind() {
        SubscriptionKind::Subscription(SubscriptionId::Str(id)) => id.to_string(),
        other => panic!("{other:?}"),
    }
}

impl Head {
    async fn open(harness: &Harness, with_runtime: bool) -> Self {
        let client = harness.websocket().await;
        let mut events = follow(&client, with_runtime).await.unwrap();
        let first = next(&mut events).await;
        assert_eq!(first["event"], "initialized");
        assert_eq!(first.get("finalizedBlockRuntime").is_some(), with_runtime);
        let first = serde_json::from_value(first["finalizedBlockHashes"].clone()).unwrap();
        Self {
            id: id_of(&events),
            client,
            events,
            first,
        }
    }

    async fn ask(&self, method: &str, params: &[Value]) -> Result<Value, i32> {
        let mut list = rpc_params![&self.id];
        for param in params {
            list.insert(param).unwrap();
        }
        match self.client.request(method, list).await {
            Ok(answer) => Ok(answer),
            Err(Error::Call(error)) => Err(error.code()),
            Err(other) => panic!("{other}"),
        }
    }

    /// Starts an operation and returns its id.
    async fn start(&self, method: &str, params: &[Value]) -> String {
        let answer = self.ask(method, params).await.unwrap();
        assert_eq!(answer["result"], "started", "{answer}");
        answer["operationId"].as_str().unwrap().to_owned()
    }

    /// Returns the next event, which must be about `operation`.
    async fn event(&mut self, operation: &str) -> Value {
        let event = next(&mut self.events).await;
        assert_eq!(event["operationId"], operation, "{event}");
        event
    }

    async fn items(&mut self, at: &str, items: Value) -> Vec<Value> {
        let params = [json!(at), items, Value::Null];
        let operation = self.start("chainHead_v1_storage", &params).await;
        let mut found = Vec::new();
        loop {
            let event = self.event(&operation).await;
            match event["event"].as_str().unwrap() {
                "operationStorageItems" => {
                    found.extend(event["items"].as_array().unwrap().iter().cloned());
                }
                "operationWaitingForContinue" => {
                    let params = [json!(operation)];
                    let answer = self.ask("chainHead_v1_continue", &params).await;
                    assert_eq!(answer, Ok(Value::Null));
                }
                "operationStorageDone" => return found,
                other => panic!("{other}"),
            }
        }
    }
}

/// Creates so many identities that their keys fill more than a page.
async fn crowd(harness: &Harness) {
    let items: Vec<Value> = (1..=250)
        .map(|seed| json!(harness.person(seed).incept_item()))
        .collect();
    for items in items.chunks(50) {
        for outcome in harness.submit(json!(items)).await.as_array().unwrap() {
            assert_eq!(outcome["status"], "finalized", "{outcome}");
        }
    }
}

#[tokio::test]
async fn every_block_is_new_then_best_then_final() {
    let harness = Harness::start().await;
    harness.node.produce(3);
    let mut head = Head::open(&harness, true).await;
    let known: Vec<String> = (0..4)
        .map(|height| harness.node.hash_of(allod_primitives::Height(height)))
        .map(|hash| hash.unwrap().to_string())
        .collect();
    assert_eq!(head.first, known, "ascending, the newest last");
    let mut parent = known.last().unwrap().clone();
    for _ in 0..3 {
        harness.node.produce(1);
        let block = harness.node.head().hash.to_string();
        assert_eq!(
            next(&mut head.events).await,
            json!({
                "event": "newBlock", "blockHash": block, "parentBlockHash": parent,
                "newRuntime": null,
            })
        );
        let best = next(&mut head.events).await;
        assert_eq!(
            best,
            json!({"event": "bestBlockChanged", "bestBlockHash": block})
        );
        let last = next(&mut head.events).await;
        let expected =
            json!({"event": "finalized", "finalizedBlockHashes": [block], "prunedBlockHashes": []});
        assert_eq!(last, expected);
        parent = block;
    }
    let header = head
        .ask("chainHead_v1_header", &[json!(parent)])
        .await
        .unwrap();
    let header = from_hex(header.as_str().unwrap()).unwrap();
    let header: Header = decode_strict(&header).unwrap();
    assert_eq!(header.hash().to_string(), parent);
}

#[tokio::test]
async fn only_recent_blocks_are_listed_first() {
    let harness = Harness::start().await;
    // A block a second.
    harness.node.produce(80);
    let head = Head::open(&harness, false).await;
    assert_eq!(head.first.len(), 32);
    harness.node.jump(59_500);
    let head = Head::open(&harness, false).await;
    assert_eq!(head.first.len(), 1, "a minute back, no further");
}

#[tokio::test]
async fn the_runtime_is_told_with_its_apis_by_id() {
    let harness = Harness::start().await;
    let client = harness.websocket().await;
    let mut events = follow(&client, true).await.unwrap();
    let runtime = next(&mut events).await["finalizedBlockRuntime"].clone();
    assert_eq!(runtime["type"], "valid");
    let spec = &runtime["spec"];
    assert_eq!(spec["specName"], "allod");
    let apis = spec["apis"].as_object().unwrap();
    assert!(
        apis["0x37e397fc7c91f5e4"].as_u64().unwrap() >= 2,
        "Metadata"
    );
    assert!(
        apis.contains_key("0xd2bc9897eed08f15"),
        "TaggedTransactionQueue"
    );
}

#[tokio::test]
async fn blocks_are_asked_about_while_they_are_held() {
    let harness = Harness::start().await;
    harness.node.produce(1);
    let mut head = Head::open(&harness, true).await;
    let [first, second] = head.first.clone().try_into().unwrap();
    let unpin = |hashes: Value| [hashes];
    let twice = unpin(json!([first, first]));
    assert_eq!(head.ask("chainHead_v1_unpin", &twice).await, Err(-32804));
    let unknown = H256([7; 32]).to_string();
    let one_unknown = unpin(json!([first, unknown]));
    assert_eq!(
        head.ask("chainHead_v1_unpin", &one_unknown).await,
        Err(-32801)
    );
    // Nothing was let go by the two that failed.
    let body = [json!(first)];
    let operation = head.start("chainHead_v1_body", &body).await;
    assert_eq!(head.event(&operation).await["event"], "operationBodyDone");
    let one = unpin(json!(first));
    assert_eq!(head.ask("chainHead_v1_unpin", &one).await, Ok(Value::Null));
    assert_eq!(head.ask("chainHead_v1_unpin", &one).await, Err(-32801));
    for method in ["chainHead_v1_header", "chainHead_v1_body"] {
        assert_eq!(head.ask(method, &body).await, Err(-32801));
        head.ask(method, &[json!(second)]).await.unwrap();
    }
    let call = [json!(first), json!("Core_version"), json!("0x")];
    assert_eq!(head.ask("chainHead_v1_call", &call).await, Err(-32801));
    let storage = [json!(first), json!([]), Value::Null];
    assert_eq!(
        head.ask("chainHead_v1_storage", &storage).await,
        Err(-32801)
    );
}

#[tokio::test]
async fn the_runtime_is_called_at_the_block_named() {
    let harness = Harness::start().await;
    let mut head = Head::open(&harness, true).await;
    let at = json!(head.first[0]);
    let call = [at.clone(), json!("Core_version"), json!("0x")];
    let operation = head.start("chainHead_v1_call", &call).await;
    let done = head.event(&operation).await;
    assert_eq!(done["event"], "operationCallDone");
    let output = from_hex(done["output"].as_str().unwrap()).unwrap();
    assert_eq!(String::decode(&mut &output[..]).unwrap(), "allod");
    for (function, parameters) in [("No_such", "0x"), ("AccountNonceApi_account_nonce", "0x00")] {
        let call = [at.clone(), json!(function), json!(parameters)];
        let operation = head.start("chainHead_v1_call", &call).await;
        let failed = head.event(&operation).await;
        assert_eq!(failed["event"], "operationError", "{function}");
        assert!(!failed["error"].as_str().unwrap().is_empty());
    }
    let without = Head::open(&harness, false).await;
    let call = [at, json!("Core_version"), json!("0x")];
    assert_eq!(without.ask("chainHead_v1_call", &call).await, Err(-32802));
}

#[tokio::test]
async fn storage_is_found_by_every_kind_of_question() {
    let harness = Harness::start().await;
    let alice = harness.person(1);
    harness.incept(&alice).await;
    let mut head = Head::open(&harness, true).await;
    let at = head.first.last().unwrap().clone();
    let key = keys::did_record(&alice.did().id());
    let value = harness.node.storage_at(&harness.node.head().hash, &key);
    let value = value.unwrap().unwrap();
    let key = to_hex(&key);
    let asked = json!([
        {"key": key, "type": "value"},
        {"key": key, "type": "hash"},
        {"key": "0x0102", "type": "value"},
        {"key": "0x0102", "type": "closestDescendantMerkleValue"},
        {"key": "0x3a636f6465", "type": "hash"},
    ]);
    let found = head.items(&at, asked).await;
    let hash = blake2_256(&value).to_string();
    let code = harness
        .call("state_getStorageHash", json!(["0x3a636f6465"]))
        .await;
    let expected = [
        json!({"key": key, "value": to_hex(&value)}),
        json!({"key": key, "hash": hash}),
        json!({"key": "0x3a636f6465", "hash": code.unwrap()}),
    ];
    assert_eq!(found, expected);

    let all = harness
        .call("state_getKeysPaged", json!(["0x", 1000]))
        .await;
    let all: Vec<String> = serde_json::from_value(all.unwrap()).unwrap();
    let found = head
        .items(&at, json!([{"key": "0x", "type": "descendantsHashes"}]))
        .await;
    let found: Vec<&str> = found.iter().map(|it| it["key"].as_str().unwrap()).collect();
    assert_eq!(found, all);
    let record = json!([{"key": &key[..70], "type": "descendantsValues"}]);
    let found = head.items(&at, record).await;
    assert_eq!(found, [json!({"key": key, "value": to_hex(&value)})]);

    let child = [
        json!(at),
        json!([{"key": key, "type": "value"}]),
        json!("0x01"),
    ];
    let operation = head.start("chainHead_v1_storage", &child).await;
    let done = head.event(&operation).await;
    assert_eq!(
        done["event"], "operationStorageDone",
        "there are no child tries"
    );
    let wrong = [
        json!([{"key": key, "type": "values"}]),
        json!([{"key": key, "type": "value", "paginationStartKey": "0x00"}]),
        json!([{"key": to_hex(&[0; 513]), "type": "value"}]),
    ];
    for wrong in wrong {
        let params = [json!(at), wrong, Value::Null];
        assert_eq!(head.ask("chainHead_v1_storage", &params).await, Err(-32602));
    }
}

#[tokio::test]
async fn many_descendants_come_in_pages_that_the_client_asks_for() {
    let harness = Harness::start().await;
    crowd(&harness).await;
    let all = harness
        .call("state_getKeysPaged", json!(["0x", 1000]))
        .await;
    let all: Vec<String> = serde_json::from_value(all.unwrap()).unwrap();
    assert!(all.len() > 256, "{} keys: one page would do", all.len());
    let mut head = Head::open(&harness, true).await;
    let at = json!(head.first.last().unwrap());
    let items = json!([{"key": "0x", "type": "descendantsHashes"}]);
    let params = [at.clone(), items.clone(), Value::Null];
    let operation = head.start("chainHead_v1_storage", &params).await;
    let page = head.event(&operation).await;
    assert_eq!(page["items"].as_array().unwrap().len(), 256);
    assert_eq!(
        head.event(&operation).await["event"],
        "operationWaitingForContinue"
    );
    let go_on = [json!(operation)];
    assert_eq!(
        head.ask("chainHead_v1_continue", &go_on).await,
        Ok(Value::Null)
    );
    let page = head.event(&operation).await;
    assert_eq!(page["items"].as_array().unwrap().len(), all.len() - 256);
    assert_eq!(
        head.event(&operation).await["event"],
        "operationStorageDone"
    );
    // Over: to go on has no effect.
    assert_eq!(
        head.ask("chainHead_v1_continue", &go_on).await,
        Ok(Value::Null)
    );

    // One that is stopped while it waits tells nothing more, and makes room.
    for _ in 0..20 {
        let params = [at.clone(), items.clone(), Value::Null];
        let operation = head.start("chainHead_v1_storage", &params).await;
        head.event(&operation).await;
        head.event(&operation).await;
        let stop = [json!(operation)];
        let answer = head.ask("chainHead_v1_stopOperation", &stop).await;
        assert_eq!(answer, Ok(Value::Null));
    }
    let operation = head.start("chainHead_v1_body", &[at]).await;
    assert_eq!(head.event(&operation).await["event"], "operationBodyDone");
}

#[tokio::test]
async fn sixteen_operations_are_under_way_and_no_more() {
    let harness = Harness::start().await;
    crowd(&harness).await;
    let mut head = Head::open(&harness, true).await;
    let at = json!(head.first.last().unwrap());
    let waiting = json!({"key": "0x", "type": "descendantsHashes"});
    let mut operations = Vec::new();
    for _ in 0..14 {
        let params = [at.clone(), json!([waiting]), Value::Null];
        let operation = head.start("chainHead_v1_storage", &params).await;
        head.event(&operation).await;
        let event = head.event(&operation).await;
        assert_eq!(event["event"], "operationWaitingForContinue");
        operations.push(operation);
    }
    let unknown = [json!("15")];
    let answer = head.ask("chainHead_v1_continue", &unknown).await;
    assert_eq!(answer, Ok(Value::Null));
    let params = [at.clone(), json!([waiting, waiting, waiting]), Value::Null];
    let answer = head.ask("chainHead_v1_storage", &params).await.unwrap();
    assert_eq!(answer["discardedItems"], 1, "{answer}");
    let block = std::slice::from_ref(&at);
    let full = head.ask("chainHead_v1_body", block).await.unwrap();
    assert_eq!(full, json!({"result": "limitReached"}));
    let last = answer["operationId"].as_str().unwrap().to_owned();
    head.event(&last).await;
    head.event(&last).await;
    let go_on = [json!(last)];
    assert_eq!(
        head.ask("chainHead_v1_continue", &go_on).await,
        Ok(Value::Null)
    );
    for operation in operations {
        let stop = [json!(operation)];
        head.ask("chainHead_v1_stopOperation", &stop).await.unwrap();
    }
}

#[tokio::test]
async fn an_operation_that_does_not_wait_cannot_be_continued() {
    let harness = Harness::start().await;
    let mut head = Head::open(&harness, true).await;
    let at = json!(head.first[0]);
    let busy = harness.node.busy();
    let operation = head.start("chainHead_v1_body", &[at]).await;
    let go_on = [json!(operation)];
    assert_eq!(head.ask("chainHead_v1_continue", &go_on).await, Err(-32803));
    drop(busy);
    assert_eq!(head.event(&operation).await["event"], "operationBodyDone");
    // Over, and so unknown.
    assert_eq!(
        head.ask("chainHead_v1_continue", &go_on).await,
        Ok(Value::Null)
    );
}

#[tokio::test]
async fn the_mark_of_change_changes_with_every_change_below_it() {
    let harness = Harness::start().await;
    let mut head = Head::open(&harness, true).await;
    let records = to_hex(&keys::item("Did", "Records"));
    let grants = to_hex(&keys::item("Grant", "Grants"));
    let alice = harness.person(1);
    harness.incept(&alice).await;
    let mut marks = Vec::new();
    for step in 0..6u8 {
        let at = harness.node.head().hash.to_string();
        loop {
            let event = next(&mut head.events).await;
            if event["event"] == "finalized"
                && event["finalizedBlockHashes"]
                    .as_array()
                    .unwrap()
                    .contains(&json!(at))
            {
                break;
            }
        }
        let asked = json!([
            {"key": records, "type": "closestDescendantMerkleValue"},
            {"key": grants, "type": "closestDescendantMerkleValue"},
        ]);
        let found = head.items(&at, asked).await;
        assert_eq!(found.len(), 1, "no grants, so no mark: {found:?}");
        assert_eq!(found[0]["key"], records);
        marks.push(found[0]["closestDescendantMerkleValue"].clone());
        match step % 2 {
            0 => harness.node.produce(1),
            _ => harness.incept(&harness.person(10 + step)).await,
        }
    }
    // Blocks: an identity, none, an identity, none, an identity, none.
    assert_eq!(marks[0], marks[1]);
    assert_ne!(marks[1], marks[2]);
    assert_eq!(marks[2], marks[3]);
    assert_ne!(marks[3], marks[4]);
    assert_eq!(marks[4], marks[5]);
    assert_ne!(marks[0], marks[4]);
}

#[tokio::test]
async fn a_client_that_holds_too_much_is_told_to_begin_anew() {
    let harness = Harness::start().await;
    let mut head = Head::open(&harness, false).await;
    let mut told = 1;
    loop {
        harness.node.produce(1);
        let event = next(&mut head.events).await;
        if event["event"] == "stop" {
            break;
        }
        told += 1;
        next(&mut head.events).await;
        next(&mut head.events).await;
    }
    assert_eq!(told, 512);
    let answer = head
        .ask("chainHead_v1_header", &[json!(head.first[0])])
        .await;
    assert_eq!(answer, Ok(Value::Null), "it is over");
}

#[tokio::test]
async fn a_connection_has_four_of_them_and_sees_no_others() {
    let harness = Harness::start().await;
    let head = Head::open(&harness, true).await;
    let mut more = Vec::new();
    for _ in 0..3 {
        more.push(follow(&head.client, false).await.unwrap());
    }
    let refused = follow(&head.client, false).await;
    assert!(matches!(refused, Err(Error::Call(error)) if error.code() == -32800));
    more.pop().unwrap().unsubscribe().await.unwrap();
    // Its place is free once the server has seen it go.
    let freed = async {
        while follow(&head.client, false).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    let deadline = Duration::from_secs(10);
    tokio::time::timeout(deadline, freed)
        .await
        .expect("a place");

    let stranger = harness.websocket().await;
    let params = rpc_params![&head.id, &head.first[0]];
    let answer: Value = stranger
        .request("chainHead_v1_header", params)
        .await
        .unwrap();
    assert_eq!(answer, Value::Null);
    let params = rpc_params![&head.id, &head.first[0]];
    let answer: Value = stranger.request("chainHead_v1_body", params).await.unwrap();
    assert_eq!(answer, json!({"result": "limitReached"}));
    let params = rpc_params![&head.id, &head.first[0]];
    let answer: Value = stranger
        .request("chainHead_v1_unpin", params)
        .await
        .unwrap();
    assert_eq!(answer, Value::Null);
    head.ask("chainHead_v1_header", &[json!(head.first[0])])
        .await
        .unwrap();
}

#[tokio::test]
async fn the_chain_says_what_never_changes() {
    let harness = Harness::start().await;
    let genesis = harness.call("chainSpec_v1_genesisHash", json!([])).await;
    assert_eq!(genesis.unwrap(), harness.node.genesis().to_string());
    let name = harness.call("chainSpec_v1_chainName", json!([])).await;
    assert_eq!(name, harness.call("system_chain", json!([])).await);
    let properties = harness.call("chainSpec_v1_properties", json!([])).await;
    assert_eq!(
        properties,
        harness.call("system_properties", json!([])).await
    );
}

#[tokio::test]
async fn a_body_is_the_blocks_extrinsics() {
    let harness = Harness::start().await;
    harness.incept(&harness.person(1)).await;
    let mut head = Head::open(&harness, false).await;
    let at = harness.node.head().hash;
    let operation = head
        .start("chainHead_v1_body", &[json!(at.to_string())])
        .await;
    let done = head.event(&operation).await;
    let (block, _) = harness.node.block(&at).unwrap();
    let expected: Vec<String> = block
        .extrinsics
        .iter()
        .map(|it| to_hex(&it.encode()))
        .collect();
    assert_eq!(done["value"], json!(expected));
}
