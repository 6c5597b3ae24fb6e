//! What followers of blocks may cost the node.

use std::time::{Duration, Instant};

use allod_primitives::H256;
use allod_rpc_api::limits::{
    BLOCK_FOLLOWERS_MAX, BLOCK_FOLLOWERS_PER_CONNECTION_MAX, FOLLOWER_STALL_MS_MAX,
};
use allod_rpc_api::submit::SubmitItem;
use jsonrpsee::core::client::{Error, Subscription, SubscriptionClientT};
use jsonrpsee::rpc_params;
use jsonrpsee::ws_client::WsClient;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::subscriptions::next;
use crate::wire::Harness;

async fn follow(client: &WsClient, request: Value) -> Result<Subscription<Value>, Error> {
    let names = ("light_subscribeBlocks", "light_unsubscribeBlocks");
    client
        .subscribe(names.0, rpc_params![request], names.1)
        .await
}

async fn is_turned_away(client: &WsClient) -> bool {
    let refused = follow(client, json!({})).await;
    refused.is_err_and(|error| error.to_string().contains("1007"))
}

#[tokio::test]
async fn one_connection_does_not_take_every_followers_place() {
    let harness = Harness::start().await;
    harness.node.produce(1);
    let greedy = harness.websocket().await;
    let mut all = Vec::new();
    for _ in 0..BLOCK_FOLLOWERS_PER_CONNECTION_MAX {
        all.push(follow(&greedy, json!({})).await.unwrap());
    }
    for _ in 0..BLOCK_FOLLOWERS_MAX {
        assert!(is_turned_away(&greedy).await);
    }
    let other = harness.websocket().await;
    let mut blocks = follow(&other, json!({})).await.unwrap();
    assert_eq!(next(&mut blocks).await["height"], 1);
}

#[tokio::test]
async fn a_node_serves_only_so_many_followers_and_a_place_is_freed() {
    let harness = Harness::start().await;
    harness.node.produce(1);
    let mut clients = Vec::new();
    let mut all = Vec::new();
    for n in 0..BLOCK_FOLLOWERS_MAX {
        if n % BLOCK_FOLLOWERS_PER_CONNECTION_MAX == 0 {
            clients.push(harness.websocket().await);
        }
        let client = clients.last().unwrap();
        all.push(follow(client, json!({})).await.unwrap());
    }
    let other = harness.websocket().await;
    assert!(is_turned_away(&other).await);
    all.pop().unwrap().unsubscribe().await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    // The place is free once the server's task has noticed.
    while let Err(error) = follow(&other, json!({})).await {
        assert!(Instant::now() < deadline, "{error}");
    }
}

#[tokio::test]
async fn what_a_follower_missed_is_read_off_the_event_loop() {
    let harness = Harness::start().await;
    let alice = harness.person(1);
    harness.incept(&alice).await;
    replace_methods(&harness, 3).await;
    let client = harness.websocket().await;
    let mut blocks = follow(&client, json!({"from": 1})).await.unwrap();
    for height in 1..=4 {
        assert_eq!(next(&mut blocks).await["height"], height);
    }
    harness.node.produce(1);
    assert_eq!(next(&mut blocks).await["height"], 5);
    // This runtime has one thread for tasks: that of the test.
    let readers = harness.node.readers();
    assert!(readers.len() >= 4);
    assert!(!readers.contains(&std::thread::current().id()));
}

/// Makes `count` blocks that change something of the first person.
pub(crate) async fn replace_methods(harness: &Harness, count: u8) {
    let alice = harness.person(1);
    let mut previous = H256::ZERO;
    for n in 1..=count {
        let update = alice.replace_method(n, previous);
        previous = update.operation.hash();
        let outcome = harness
            .submit(json!([SubmitItem::operation(&update)]))
            .await;
        assert_eq!(outcome[0]["status"], "finalized", "{outcome}");
    }
}

/// A WebSocket client that takes little at a time and has not read that it is one.
pub(crate) async fn upgraded(harness: &Harness) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    let mut stream = socket.connect(harness.server.address()).await.unwrap();
    let upgrade = "GET / HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
                   sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n";
    stream.write_all(upgrade.as_bytes()).await.unwrap();
    stream
}

/// A WebSocket client that subscribes to blocks from 2 on and does not read what comes.
async fn stalled(harness: &Harness) -> TcpStream {
    let mut stream = upgraded(harness).await;
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "light_subscribeBlocks",
        "params": [{"from": 2}]})
    .to_string();
    // A text frame, masked by zeros.
    let frame = [
        &[0x81, 0x80 | u8::try_from(call.len()).unwrap(), 0, 0, 0, 0],
        call.as_bytes(),
    ];
    stream.write_all(&frame.concat()).await.unwrap();
    stream
}

#[tokio::test(start_paused = true)]
async fn a_follower_that_takes_nothing_is_cut_off_and_told_why() {
    const BLOCKS: u8 = 14;
    let harness = Harness::start().await;
    harness.incept(&harness.person(1)).await;
    replace_methods(&harness, BLOCKS).await;
    // Three megabytes of digits each: all together far above what sockets hold back.
    harness.node.pad_changes(1536 * 1024);
    let mut stream = stalled(&harness).await;
    // The clock stands still but for waiting, so this ends when nothing else is to be done.
    tokio::time::sleep(Duration::from_millis(3 * FOLLOWER_STALL_MS_MAX)).await;
    let reasons = ["chain.too_slow", "\"height\":15"].map(|it| it.as_bytes().to_vec());
    let (mut text, mut blocks, mut piece) = (Vec::new(), 0, vec![0; 1 << 20]);
    let ended = loop {
        let read = stream.read(&mut piece).await.unwrap();
        assert_ne!(read, 0, "the connection closed without a word");
        text.extend(&piece[..read]);
        let has = |what: &[u8]| text.windows(what.len()).any(|it| it == what);
        if let Some(ended) = reasons.iter().position(|reason| has(reason)) {
            break ended;
        }
        // Of each block its beginning counts, and the rest is dropped.
        let keep = text.len().saturating_sub(64);
        blocks += String::from_utf8_lossy(&text)
            .matches("\"changes\"")
            .count();
        text.drain(..keep);
    };
    assert_eq!(ended, 0, "all {BLOCKS} blocks had been queued");
    assert!(
        blocks < usize::from(BLOCKS) / 2,
        "{blocks} blocks were queued"
    );
    // Whoever comes next is served.
    let client = harness.websocket().await;
    let mut newest = follow(&client, json!({})).await.unwrap();
    assert_eq!(next(&mut newest).await["height"], 15);
}
