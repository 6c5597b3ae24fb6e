//! `light_*`: what a client follows the chain by.

use allod_primitives::governance::{Action, Actions};
use allod_primitives::light::{
    BlockChanges, CertifiedHeader, Follower, PageValue, ReadProof, StatePage, StatePages,
    Transition, Trust,
};
use allod_primitives::{H256, ValidatorSet, decode_strict, keys};
use allod_rpc_api::hex_bytes::from_hex;
use allod_rpc_api::limits::STATE_PAGE_READ_BYTES_MAX;
use allod_rpc_api::submit::SubmitItem;
use jsonrpsee::core::client::{Subscription, SubscriptionClientT};
use jsonrpsee::rpc_params;
use jsonrpsee::ws_client::WsClient;
use serde_json::{Value, json};

use crate::node::validator;
use crate::people::{key, public, signed};
use crate::reads::trust;
use crate::subscriptions::next;
use crate::wire::Harness;

const TRUSTEE_SEED: u8 = 100;
const PROPOSE: [u8; 2] = [2, 1];
/// Between two changes of the set.
const PERIOD_MS: u64 = 3_600_000;

fn bytes(value: &Value) -> Vec<u8> {
    from_hex(value.as_str().unwrap_or_else(|| panic!("{value}"))).unwrap()
}

/// Changes the only validator's power, `count` times; each time another set begins.
async fn change_set(harness: &Harness, count: u32) {
    let nonce = harness
        .call("system_accountNextIndex", json!([trustee()]))
        .await;
    let nonce = u32::try_from(nonce.unwrap().as_u64().unwrap()).unwrap();
    for n in nonce..nonce + count {
        harness.node.jump(PERIOD_MS);
        let action = Action::ReplaceValidator {
            remove: Some(validator(1).public_key),
            add: Some(validator(u64::from(n) + 2)),
        };
        let actions: Actions = vec![action].try_into().unwrap();
        let expires = harness.node.time().plus_ms(PERIOD_MS);
        let genesis = harness.node.genesis();
        let body = signed(&key(TRUSTEE_SEED), genesis, n, PROPOSE, &(actions, expires));
        let outcome = harness.submit(json!([SubmitItem::extrinsic(&body)])).await;
        assert_eq!(outcome[0]["status"], "finalized", "{outcome}");
        harness.node.produce(3);
    }
}

fn trustee() -> String {
    H256(public(&key(TRUSTEE_SEED)).0).to_string()
}

async fn transitions(harness: &Harness, request: Value) -> (Vec<Transition>, u64) {
    let answer = harness.call("light_transitions", request).await.unwrap();
    let steps = answer["transitions"].as_array().unwrap().iter();
    let steps = steps.map(|step| decode_strict(&bytes(step)).unwrap());
    (steps.collect(), answer["setId"].as_u64().unwrap())
}

#[tokio::test]
async fn a_client_follows_every_change_of_the_set_and_verifies_the_newest_header() {
    let harness = Harness::start().await;
    change_set(&harness, 3).await;
    let mut trust = trust(&harness).await;
    let (steps, newest) = transitions(&harness, json!({"setId": 0})).await;
    assert_eq!((steps.len(), newest), (3, 3));
    for step in &steps {
        trust.advance(step).unwrap();
    }
    let answer = harness.call("light_header", json!({})).await.unwrap();
    let header: CertifiedHeader = decode_strict(&bytes(&answer["header"])).unwrap();
    let set: ValidatorSet = decode_strict(&bytes(&answer["validators"])).unwrap();
    assert_eq!(trust.newest_set().validators(), &set);
    let verified = trust.verify_header(&header).unwrap();
    assert_eq!(json!(verified.number().0), answer["height"]);
    assert_eq!(json!(verified.hash().to_string()), answer["blockHash"]);

    let (some, _) = transitions(&harness, json!({"setId": 1, "count": 1})).await;
    assert_eq!(some, steps[1..2]);
    for set_id in [3, 4, u64::MAX] {
        let (none, newest) = transitions(&harness, json!({"setId": set_id})).await;
        assert_eq!((none.len(), newest), (0, 3));
    }
    for count in [0, 17] {
        let request = json!({"setId": 0, "count": count});
        let refused = harness.refused("light_transitions", request).await;
        assert_eq!(refused.0, 1001);
    }
}

#[tokio::test]
async fn a_read_brings_the_transitions_that_the_asker_lacks() {
    let harness = Harness::start().await;
    change_set(&harness, 2).await;
    let did = harness.person(1).did().to_string();
    for (set_id, expected) in [(0, 2), (1, 1), (2, 0), (9, 0)] {
        let request = json!({"did": did, "proof": {"setId": set_id}});
        let error = harness.call("identity_resolve", request).await.unwrap_err();
        let proof = ReadProof::from_bytes(&bytes(&error["data"]["proof"])).unwrap();
        assert_eq!(proof.transitions.len(), expected);
        if set_id == 0 {
            trust(&harness).await.verify_read(&proof).unwrap();
        }
    }
}

#[tokio::test]
async fn more_transitions_than_one_proof_shows_are_asked_for_apart() {
    let harness = Harness::start().await;
    change_set(&harness, 17).await;
    let did = harness.person(1).did().to_string();
    let request = json!({"did": did, "proof": {"setId": 0}});
    let refused = harness.refused("identity_resolve", request).await;
    assert_eq!(refused, (7007, "chain.too_many_sets".to_owned()));
    let mut trust = trust(&harness).await;
    loop {
        let request = json!({"setId": trust.newest_set().set_id()});
        let (steps, newest) = transitions(&harness, request).await;
        for step in &steps {
            trust.advance(step).unwrap();
        }
        if trust.newest_set().set_id() == newest {
            break;
        }
    }
    assert_eq!(trust.newest_set().set_id(), 17);
}

#[tokio::test]
async fn headers_are_found_by_height_and_hash() {
    let harness = Harness::start().await;
    harness.node.produce(3);
    let by_height = harness
        .call("light_header", json!({"height": 2}))
        .await
        .unwrap();
    let hash = by_height["blockHash"].clone();
    let by_hash = harness
        .call("light_header", json!({"hash": hash}))
        .await
        .unwrap();
    assert_eq!(by_height, by_hash);
    let cases = [
        (json!({"height": 9}), 7001),
        (json!({"hash": H256([8; 32]).to_string()}), 7001),
        (json!({"height": 2, "hash": hash}), 1001),
        (json!({"height": 0}), 7002),
        (json!({"number": 2}), 1001),
    ];
    for (request, code) in cases {
        assert_eq!(harness.refused("light_header", request).await.0, code);
    }
}

#[tokio::test]
async fn the_pages_of_the_whole_state_come_to_its_root() {
    let harness = Harness::start().await;
    let alice = harness.person(1);
    harness.incept(&alice).await;
    let iat = harness.node.time().seconds();
    let item = SubmitItem::token(&alice.revoke_token(iat));
    harness.submit(json!([item])).await;
    let at = 2;
    let mut pages = StatePages::new();
    let mut count = 0;
    loop {
        let after = pages.last_key().map(allod_rpc_api::hex_bytes::to_hex);
        let request = json!({"at": at, "after": after, "count": 7});
        let answer = harness.call("light_statePage", request).await.unwrap();
        assert_eq!(answer["height"], at);
        let page = StatePage::from_bytes(&bytes(&answer["page"])).unwrap();
        let more = page.more;
        for (key, value) in &page.entries {
            let is_tag = key.starts_with(&keys::item("Revocation", "Tags"));
            assert_eq!(matches!(value, PageValue::Value(_)), is_tag);
        }
        pages.add(page).unwrap();
        count += 1;
        // Blocks in between change nothing of the state at that height.
        harness.node.produce(1);
        if !more {
            break;
        }
    }
    assert!(count > 2, "{count}");
    let header = harness
        .call("light_header", json!({"height": at}))
        .await
        .unwrap();
    let header: CertifiedHeader = decode_strict(&bytes(&header["header"])).unwrap();
    let header = trust(&harness).await.verify_header(&header).unwrap();
    let state = pages.finish(&header).unwrap();
    let record = keys::did_record(&alice.did().id());
    assert!(state.entries().iter().any(|(key, _)| *key == record));

    harness.node.prune_below(at + 1);
    let long = format!("0x{}", "00".repeat(513));
    let cases = [
        (json!({"after": long}), 1003),
        (json!({"at": at}), 7002),
        (json!({"at": 99}), 7001),
        (json!({"count": 0}), 1001),
        (json!({"count": 4097}), 1001),
        (json!({"after": "zz"}), 1002),
    ];
    for (request, code) in cases {
        assert_eq!(harness.refused("light_statePage", request).await.0, code);
    }
}

async fn subscribe(client: &WsClient, request: Value) -> Subscription<Value> {
    let unsubscribe = "light_unsubscribeBlocks";
    let subscribed = client.subscribe("light_subscribeBlocks", rpc_params![request], unsubscribe);
    subscribed.await.unwrap()
}

async fn step(
    subscription: &mut Subscription<Value>,
    trust: &mut Trust,
    follower: &mut Follower,
) -> (u64, usize) {
    let message = next(subscription).await;
    let changes = BlockChanges::from_bytes(&bytes(&message["changes"])).unwrap();
    let seen = follower.step(trust, changes).unwrap();
    assert_eq!(json!(follower.height().0), message["height"]);
    (follower.height().0, seen.changes().len())
}

/// A follower that stands at `height`.
async fn follower(harness: &Harness, trust: &mut Trust, height: u64) -> Follower {
    let answer = harness
        .call("light_header", json!({"height": height}))
        .await
        .unwrap();
    let header: CertifiedHeader = decode_strict(&bytes(&answer["header"])).unwrap();
    Follower::at(&trust.verify_header(&header).unwrap())
}

#[tokio::test]
async fn a_follower_catches_up_over_changes_alone_and_then_sees_every_block() {
    let harness = Harness::start().await;
    harness.node.produce(1);
    let alice = harness.person(1);
    harness.incept(&alice).await;
    harness.node.produce(5);
    let iat = harness.node.time().seconds();
    let item = SubmitItem::token(&alice.revoke_token(iat));
    harness.submit(json!([item])).await;
    harness.node.produce(4);

    let mut trust = trust(&harness).await;
    let mut follower = follower(&harness, &mut trust, 1).await;
    let client = harness.websocket().await;
    let mut blocks = subscribe(&client, json!({"from": 2})).await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(step(&mut blocks, &mut trust, &mut follower).await);
    }
    // The inception, the revocation, and the newest block, which changed nothing.
    assert_eq!(seen, [(2, 1), (8, 1), (12, 0)]);
    for height in 13..16 {
        harness.node.produce(1);
        let seen = step(&mut blocks, &mut trust, &mut follower).await;
        assert_eq!(seen, (height, 0));
    }
}

#[tokio::test]
async fn a_follower_is_shown_every_change_of_the_set() {
    let harness = Harness::start().await;
    harness.node.produce(1);
    change_set(&harness, 2).await;
    let mut trust = trust(&harness).await;
    let mut follower = follower(&harness, &mut trust, 1).await;
    let client = harness.websocket().await;
    let mut blocks = subscribe(&client, json!({"from": 2})).await;
    let newest = harness.call("light_header", json!({})).await.unwrap();
    while json!(follower.height().0) != newest["height"] {
        step(&mut blocks, &mut trust, &mut follower).await;
    }
    assert_eq!(trust.newest_set().set_id(), 2);
}

#[tokio::test]
async fn a_follower_that_falls_behind_the_nodes_memory_of_heads_misses_nothing() {
    let harness = Harness::start().await;
    let alice = harness.person(1);
    harness.incept(&alice).await;
    let client = harness.websocket().await;
    let mut blocks = subscribe(&client, json!({"from": 2})).await;
    let mut trust = trust(&harness).await;
    let mut follower = follower(&harness, &mut trust, 1).await;
    let mut prev = H256::ZERO;
    for n in 1..12 {
        let update = alice.replace_method(n, prev);
        prev = update.operation.hash();
        let outcome = harness
            .submit(json!([SubmitItem::operation(&update)]))
            .await;
        assert_eq!(outcome[0]["status"], "finalized", "{outcome}");
        harness.node.produce(6);
    }
    let newest = harness.call("light_header", json!({})).await.unwrap();
    let mut changes = 0;
    while json!(follower.height().0) != newest["height"] {
        changes += step(&mut blocks, &mut trust, &mut follower).await.1;
    }
    // The record and the retired method, each time.
    assert_eq!(changes, 22);
}

#[tokio::test]
async fn what_cannot_be_followed_is_refused() {
    let harness = Harness::start().await;
    harness.node.produce(5);
    harness.node.prune_below(3);
    let client = harness.websocket().await;
    for (from, code) in [(json!(0), 1001), (json!(2), 7002), (json!(7), 7001)] {
        let request = json!({"from": from});
        let refused = client
            .subscribe::<Value, _>("light_subscribeBlocks", rpc_params![request], "x")
            .await
            .unwrap_err();
        assert!(refused.to_string().contains(&code.to_string()), "{refused}");
    }
    let mut newest = subscribe(&client, json!({})).await;
    assert_eq!(next(&mut newest).await["height"], 5);
    let mut coming = subscribe(&client, json!({"from": 6})).await;
    harness.node.produce(1);
    assert_eq!(next(&mut coming).await["height"], 6);
    assert_eq!(next(&mut newest).await["height"], 6);
}

#[tokio::test]
async fn a_page_reads_no_more_of_the_state_than_it_needs() {
    const VALUE_BYTES: usize = 16 * 1024;
    let harness = Harness::start().await;
    harness.node.produce(1);
    let key = |n: u16| [&[255][..], &n.to_be_bytes()].concat();
    harness
        .node
        .stuff((0..1000).map(|n| (key(n), vec![1; VALUE_BYTES])));
    let (mut after, mut seen) = (None, 0);
    for pages in 1.. {
        let before = harness.node.entry_bytes_read();
        let request = json!({"at": 1, "after": after});
        let answer = harness.call("light_statePage", request).await.unwrap();
        let read = harness.node.entry_bytes_read() - before;
        assert!(
            read < STATE_PAGE_READ_BYTES_MAX + 2 * VALUE_BYTES,
            "{read} bytes"
        );
        let page = StatePage::from_bytes(&bytes(&answer["page"])).unwrap();
        seen += page.entries.len();
        after = page
            .entries
            .last()
            .map(|(key, _)| allod_rpc_api::hex_bytes::to_hex(key));
        if !page.more {
            // 16 MB, of which one page reads 4.
            assert_eq!((seen > 1000, pages), (true, 4));
            break;
        }
    }
}
