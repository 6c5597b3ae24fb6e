//! Substrate's basic methods.

use allod_primitives::{Header, PublicKey, decode_strict, keys};
use allod_rpc::{Fault, InvalidTransaction, NodeView, PoolError, TransactionError};
use allod_rpc_api::hex_bytes::{from_hex, to_hex};
use allod_rpc_api::submit::CALL_DID_BATCH;
use parity_scale_codec::{Decode, Encode};
use serde_json::{Value, json};

use crate::people::{public, registrar, signed};
use crate::wire::Harness;

/// The methods that subxt, @polkadot/api and polkadot-api call, and unsubscriptions.
const NEEDED: &[&str] = &[
    "rpc_methods",
    "chain_getBlockHash",
    "chain_getHeader",
    "chain_getBlock",
    "chain_getFinalizedHead",
    "chain_subscribeNewHeads",
    "chain_unsubscribeNewHeads",
    "chain_subscribeNewHead",
    "chain_unsubscribeNewHead",
    "chain_subscribeFinalizedHeads",
    "chain_unsubscribeFinalizedHeads",
    "chain_subscribeAllHeads",
    "chain_unsubscribeAllHeads",
    "state_call",
    "state_getStorage",
    "state_getStorageAt",
    "state_queryStorageAt",
    "state_getKeysPaged",
    "state_getStorageHash",
    "state_getStorageSize",
    "state_subscribeStorage",
    "state_unsubscribeStorage",
    "state_getRuntimeVersion",
    "state_subscribeRuntimeVersion",
    "state_unsubscribeRuntimeVersion",
    "state_getMetadata",
    "system_chain",
    "system_properties",
    "system_name",
    "system_version",
    "system_chainType",
    "system_peers",
    "system_health",
    "system_accountNextIndex",
    "account_nextIndex",
    "author_submitExtrinsic",
    "author_submitAndWatchExtrinsic",
    "author_unwatchExtrinsic",
    "author_pendingExtrinsics",
];

/// The newer families, whole.
const NEWER: &[&str] = &[
    "chainHead_v1_body",
    "chainHead_v1_call",
    "chainHead_v1_continue",
    "chainHead_v1_follow",
    "chainHead_v1_header",
    "chainHead_v1_stopOperation",
    "chainHead_v1_storage",
    "chainHead_v1_unfollow",
    "chainHead_v1_unpin",
    "chainSpec_v1_chainName",
    "chainSpec_v1_genesisHash",
    "chainSpec_v1_properties",
    "transactionWatch_v1_submitAndWatch",
    "transactionWatch_v1_unwatch",
    "transaction_v1_broadcast",
    "transaction_v1_stop",
];

async fn get(harness: &Harness, method: &str, params: Value) -> Value {
    harness.call(method, params).await.unwrap()
}

#[tokio::test]
async fn every_method_clients_call_is_listed_and_no_incomplete_family() {
    let harness = Harness::start().await;
    let answer = get(&harness, "rpc_methods", json!([])).await;
    let listed: Vec<&str> = answer["methods"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it.as_str().unwrap())
        .collect();
    for method in NEEDED {
        assert!(listed.contains(method), "{method}");
    }
    // A family that is listed in part, or under another version, leads clients astray.
    let families = ["chainHead_", "archive_", "transaction", "chainSpec_"];
    let of_families: Vec<&str> = listed
        .iter()
        .filter(|name| families.iter().any(|family| name.starts_with(family)))
        .copied()
        .collect();
    assert_eq!(of_families, NEWER);
    assert!(!listed.contains(&"state_getReadProof"));
}

#[tokio::test]
async fn blocks_and_headers_hash_to_what_is_announced() {
    let harness = Harness::start().await;
    harness.incept(&harness.person(1)).await;
    let genesis = harness.node.genesis().to_string();
    let head = harness.node.head();
    let hash = head.hash.to_string();
    assert_eq!(get(&harness, "chain_getBlockHash", json!([])).await, hash);
    assert_eq!(
        get(&harness, "chain_getBlockHash", json!([null])).await,
        hash
    );
    assert_eq!(
        get(&harness, "chain_getFinalizedHead", json!([])).await,
        hash
    );
    assert_eq!(
        get(&harness, "chain_getBlockHash", json!([0])).await,
        genesis
    );
    assert_eq!(
        get(&harness, "chain_getBlockHash", json!(["0x1"])).await,
        hash
    );
    assert_eq!(
        get(&harness, "chain_getBlockHash", json!([99])).await,
        Value::Null
    );
    let list = get(&harness, "chain_getBlockHash", json!([[0, "0x1", 7]])).await;
    assert_eq!(list, json!([genesis, hash, null]));
    assert_eq!(
        harness.refused("chain_getBlockHash", json!(["1"])).await.0,
        -32602
    );

    let header = get(&harness, "chain_getHeader", json!([hash])).await;
    assert_eq!(header["number"], "0x1");
    assert_eq!(header["parentHash"], genesis);
    let mut wire = head.header.parent_hash.encode();
    parity_scale_codec::Compact(1u32).encode_to(&mut wire);
    for field in ["stateRoot", "extrinsicsRoot"] {
        wire.extend(from_hex(header[field].as_str().unwrap()).unwrap());
    }
    let logs = header["digest"]["logs"].as_array().unwrap();
    parity_scale_codec::Compact(logs.len() as u32).encode_to(&mut wire);
    for log in logs {
        wire.extend(from_hex(log.as_str().unwrap()).unwrap());
    }
    assert_eq!(decode_strict::<Header>(&wire).unwrap().hash(), head.hash);

    let block = get(&harness, "chain_getBlock", json!([hash])).await;
    assert_eq!(block["block"]["header"], header);
    let extrinsic = from_hex(block["block"]["extrinsics"][1].as_str().unwrap()).unwrap();
    let body = Vec::<u8>::decode(&mut extrinsic.as_slice()).unwrap();
    assert_eq!(
        body,
        harness.person(1).incept_item().to_extrinsic().unwrap()
    );
    assert_eq!(block["justifications"][0][0], json!(b"ALLD"));
    let genesis_block = get(&harness, "chain_getBlock", json!([genesis])).await;
    assert_eq!(genesis_block["justifications"], Value::Null);
    let unknown = json!([format!("0x{}", "11".repeat(32))]);
    assert_eq!(
        get(&harness, "chain_getBlock", unknown.clone()).await,
        Value::Null
    );
    assert_eq!(get(&harness, "chain_getHeader", unknown).await, Value::Null);
}

#[tokio::test]
async fn storage_is_read_at_any_block_kept() {
    let harness = Harness::start().await;
    let alice = harness.person(1);
    harness.incept(&alice).await;
    let genesis = harness.node.genesis().to_string();
    let key = to_hex(&keys::did_record(&alice.did().id()));
    let value = get(&harness, "state_getStorage", json!([key])).await;
    let bytes = from_hex(value.as_str().unwrap()).unwrap();
    assert_eq!(
        get(&harness, "state_getStorage", json!([key, genesis])).await,
        Value::Null
    );
    assert_eq!(
        get(&harness, "state_getStorageAt", json!([key])).await,
        value
    );
    assert_eq!(
        get(&harness, "state_getStorageSize", json!([key])).await,
        bytes.len()
    );
    let hash = allod_primitives::blake2_256(&bytes).to_string();
    assert_eq!(
        get(&harness, "state_getStorageHash", json!([key])).await,
        hash
    );

    let head = harness.node.head().hash.to_string();
    let query = get(
        &harness,
        "state_queryStorageAt",
        json!([[key, "0x00"], head]),
    )
    .await;
    assert_eq!(
        query,
        json!([{"block": head, "changes": [[key, value], ["0x00", null]]}])
    );
    let events = to_hex(&keys::item("System", "Events"));
    let events = get(&harness, "state_getStorage", json!([events])).await;
    assert!(
        events.as_str().unwrap().len() > 10,
        "events of the block are served"
    );

    let code = get(&harness, "state_getStorageHash", json!(["0x3a636f6465"])).await;
    assert!(
        code.is_string(),
        "clients take it for the runtime's identity"
    );

    let unknown = format!("0x{}", "11".repeat(32));
    let refused = harness
        .refused("state_getStorage", json!([key, unknown]))
        .await;
    assert_eq!(refused, (7001, "chain.block_not_found".to_owned()));
    harness.node.prune_below(1);
    let refused = harness
        .refused("state_getStorage", json!([key, genesis]))
        .await;
    assert_eq!(refused, (7002, "chain.state_unavailable".to_owned()));
    assert_eq!(
        harness.refused("state_getStorage", json!([])).await.0,
        -32602
    );
    assert_eq!(
        harness.refused("state_getStorage", json!(["xyz"])).await.0,
        -32602
    );
    let long = to_hex(&[0; 513]);
    assert_eq!(
        harness.refused("state_getStorage", json!([long])).await.0,
        -32602
    );
}

#[tokio::test]
async fn keys_are_paged_in_order() {
    let harness = Harness::start().await;
    harness.incept(&harness.person(1)).await;
    let page = |params: Value| get(&harness, "state_getKeysPaged", params);
    let all = page(json!(["0x", 1000])).await;
    let all: Vec<String> = serde_json::from_value(all).unwrap();
    assert!(all.is_sorted() && all.len() > 5);
    let first = page(json!(["0x", 2, null, null])).await;
    assert_eq!(first, json!(all[..2]));
    let next = page(json!(["0x", 2, all[1]])).await;
    assert_eq!(next, json!(all[2..4]));
    let prefix = &all[0][..34];
    let under = page(json!([prefix, 1000])).await;
    let under: Vec<String> = serde_json::from_value(under).unwrap();
    assert!(under.iter().all(|key| key.starts_with(prefix)));
    let refused = harness
        .refused("state_getKeysPaged", json!(["0x", 1001]))
        .await;
    assert_eq!(refused, (7005, "chain.too_many_keys".to_owned()));
}

#[tokio::test]
async fn runtime_functions_answer_in_scale() {
    let harness = Harness::start().await;
    let call = |name: &'static str, data: Vec<u8>| {
        let harness = &harness;
        async move {
            let answer = get(harness, "state_call", json!([name, to_hex(&data)])).await;
            from_hex(answer.as_str().unwrap()).unwrap()
        }
    };
    let version = allod_runtime::executive::runtime_version();
    assert_eq!(call("Core_version", vec![]).await, version.encode());
    let empty = get(&harness, "state_call", json!(["Core_version", ""])).await;
    assert_eq!(empty, to_hex(&version.encode()));
    let versions = call("Metadata_metadata_versions", vec![]).await;
    assert_eq!(versions, vec![14u32, 15].encode());
    let at = call("Metadata_metadata_at_version", 15u32.encode()).await;
    assert_eq!(at, Some(b"meta\x0f".to_vec()).encode());
    let none = call("Metadata_metadata_at_version", 99u32.encode()).await;
    assert_eq!(none, [0]);
    assert_eq!(
        call("Metadata_metadata", vec![]).await,
        b"meta\x0e".to_vec().encode()
    );
    assert_eq!(
        get(&harness, "state_getMetadata", json!([])).await,
        to_hex(b"meta\x0e")
    );
    let nonce = call(
        "AccountNonceApi_account_nonce",
        public(&registrar()).encode(),
    )
    .await;
    assert_eq!(nonce, 0u32.encode());

    let json = get(&harness, "state_getRuntimeVersion", json!([])).await;
    assert_eq!(json["specVersion"], 1);
    assert_eq!(json["apis"][0][0], "0xdf6acb689907609b");
    assert_eq!(
        get(&harness, "chain_getRuntimeVersion", json!([])).await,
        json
    );

    let refused = harness
        .refused("state_call", json!(["Other_call", "0x"]))
        .await;
    assert_eq!(refused, (7004, "chain.unknown_runtime_call".to_owned()));
    let refused = harness
        .refused("state_call", json!(["Metadata_metadata_at_version", "0x"]))
        .await;
    assert_eq!(refused, (1005, "request.undecodable".to_owned()));
}

#[tokio::test]
async fn an_extrinsic_is_judged_by_the_block_asked_about() {
    let harness = Harness::start().await;
    let body = harness.person(1).incept_item().to_extrinsic().unwrap();
    let before = harness.node.head().hash;
    harness.incept(&harness.person(1)).await;
    let after = harness.node.head().hash;
    let validate = |at: allod_primitives::H256| {
        let data = to_hex(&(2u8, body.clone(), at).encode());
        let name = "TaggedTransactionQueue_validate_transaction";
        let harness = &harness;
        async move {
            let answer = get(harness, "state_call", json!([name, data, at.to_string()])).await;
            from_hex(answer.as_str().unwrap()).unwrap()
        }
    };
    let valid = validate(before).await;
    type Valid = (u8, u64, Vec<Vec<u8>>, Vec<Vec<u8>>, u64, bool);
    let (tag, _, requires, provides, longevity, propagates): Valid = decode_strict(&valid).unwrap();
    assert_eq!((tag, requires.len(), propagates), (0, 0, true));
    assert!(!provides.is_empty() && longevity > 0);
    assert_eq!(
        validate(after).await,
        [1, 0, 3],
        "stale after inclusion, and only then"
    );
}

#[tokio::test]
async fn extrinsics_are_submitted_and_refused_with_substrates_codes() {
    let harness = Harness::start().await;
    harness.node.hold();
    let genesis = harness.node.genesis();
    let items = vec![harness.person(1).inception()];
    let body = signed(&registrar(), genesis, 0, CALL_DID_BATCH, &items);
    let wire = to_hex(&body.encode());
    let submit = "author_submitExtrinsic";
    let hash = get(&harness, submit, json!([wire])).await;
    assert_eq!(
        hash,
        allod_primitives::header::extrinsic_hash(&body).to_string()
    );
    let pending = get(&harness, "author_pendingExtrinsics", json!([])).await;
    assert_eq!(pending, json!([wire]));
    assert_eq!(harness.refused(submit, json!([wire])).await.0, 1013);
    let index = get(
        &harness,
        "system_accountNextIndex",
        json!([public(&registrar()).to_string()]),
    );
    assert_eq!(index.await, 1);
    harness.node.produce(1);
    let (code, data) = harness.refused(submit, json!([wire])).await;
    assert_eq!(
        (code, data.as_str()),
        (1010, "Transaction is outdated (transaction.stale)")
    );
    assert_eq!(harness.refused(submit, json!(["0x0800"])).await.0, 6001);
    assert_eq!(harness.refused(submit, json!(["0400"])).await.0, -32602);

    let custom = TransactionError {
        reason: InvalidTransaction::Custom(6),
        fault: Fault::new("did.lane_forked"),
    };
    let cases = [
        (PoolError::Full, 1016),
        (PoolError::SubjectFull, 1016),
        (PoolError::Conflict, 1014),
        (PoolError::AlreadyIncluded, 1013),
        (PoolError::TooLarge, 6011),
        (PoolError::Busy, 1007),
        (PoolError::NotReady, 7003),
        (PoolError::Invalid(custom), 1010),
    ];
    for (error, code) in cases {
        harness.node.refuse(Some(error));
        assert_eq!(harness.refused(submit, json!([wire])).await.0, code);
    }
}

#[tokio::test]
async fn the_node_tells_about_itself() {
    let harness = Harness::start().await;
    let params = || json!([]);
    assert_eq!(get(&harness, "system_chain", params()).await, "Allod Test");
    assert_eq!(
        get(&harness, "system_chainType", params()).await,
        "Development"
    );
    assert_eq!(get(&harness, "system_name", params()).await, "allod-node");
    assert_eq!(get(&harness, "system_version", params()).await, "0.1.0");
    assert_eq!(
        get(&harness, "system_properties", params()).await["ss58Format"],
        42
    );
    let health = get(&harness, "system_health", params()).await;
    assert_eq!(
        health,
        json!({"peers": 1, "isSyncing": false, "shouldHavePeers": true})
    );
    let peers = get(&harness, "system_peers", params()).await;
    assert_eq!(
        (&peers[0]["roles"], &peers[0]["bestNumber"]),
        (&json!("VALIDATOR"), &json!(7))
    );
    assert_eq!(
        get(&harness, "system_syncState", params()).await["currentBlock"],
        0
    );
    let nobody = PublicKey([8; 32]).to_string();
    assert_eq!(get(&harness, "account_nextIndex", json!([nobody])).await, 0);
    assert_eq!(
        harness
            .refused("system_accountNextIndex", json!(["?"]))
            .await
            .0,
        -32602
    );
}
