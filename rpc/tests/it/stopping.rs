//! How subscriptions and connections end: told why, in time, and counted.

use std::time::Duration;

use allod_rpc_api::limits::FOLLOWER_STALL_MS_MAX;
use jsonrpsee::core::client::{ClientT as _, SubscriptionClientT as _};
use jsonrpsee::rpc_params;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::followers::upgraded;
use crate::subscriptions::next;
use crate::wire::Harness;

/// A call as a text frame, masked by zeros.
fn frame(id: u32, method: &str, params: &Value) -> Vec<u8> {
    let call = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string();
    let length = u16::try_from(call.len()).unwrap().to_be_bytes();
    let head = [0x81, 0x80 | 126, length[0], length[1], 0, 0, 0, 0];
    [&head, call.as_bytes()].concat()
}

/// Reads one frame: its first byte, and what it carries.
pub(crate) async fn read_frame(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    let (first, length) = (
        stream.read_u8().await.unwrap(),
        stream.read_u8().await.unwrap(),
    );
    let length = match length {
        126 => stream.read_u16().await.unwrap().into(),
        127 => usize::try_from(stream.read_u64().await.unwrap()).unwrap(),
        short => short.into(),
    };
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).await.unwrap();
    (first, payload)
}

/// Reads frames until one is a close frame; returns the texts, and code and reason of the close.
pub(crate) async fn to_the_end(stream: &mut TcpStream) -> (Vec<String>, u16, String) {
    let mut texts = Vec::new();
    loop {
        let (first, payload) = read_frame(stream).await;
        match first {
            0x81 => texts.push(String::from_utf8(payload).unwrap()),
            0x88 => {
                let code = u16::from_be_bytes([payload[0], payload[1]]);
                let reason = String::from_utf8(payload[2..].to_vec()).unwrap();
                return (texts, code, reason);
            }
            _ => {}
        }
    }
}

pub(crate) async fn head_of(stream: &mut TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
}

pub(crate) fn metric(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("{name} in {text}"))
        .trim()
        .parse()
        .unwrap()
}

#[tokio::test]
async fn a_stop_ends_subscriptions_and_lets_running_calls_end() {
    let harness = Harness::start().await;
    let alice = harness.person(1);
    harness.node.hold();
    let mut stream = upgraded(&harness).await;
    head_of(&mut stream).await;
    for (id, method, params) in [
        (1, "chain_subscribeNewHeads", json!([])),
        (2, "state_subscribeStorage", json!([["0x00"]])),
        (3, "light_subscribeBlocks", json!([{}])),
    ] {
        stream.write_all(&frame(id, method, &params)).await.unwrap();
        let accepted = format!("\"id\":{id},\"result\"").into_bytes();
        let is_accepted = |it: &[u8]| it.windows(accepted.len()).any(|it| it == accepted);
        while !is_accepted(&read_frame(&mut stream).await.1) {}
    }
    let submit = json!([{"items": [alice.incept_item()], "wait": "finalized"}]);
    let submit = frame(4, "identity_submit", &submit);
    stream.write_all(&submit).await.unwrap();
    // A call by HTTP, too, that waits for the same block.
    let pending = async {
        let request = json!({"gid": format!("0x{}", "00".repeat(32)), "atLeast": 1});
        harness.call("grant_check", request).await
    };
    let stop = async {
        while harness.node.pending_count() == 0 {
            tokio::task::yield_now().await;
        }
        let stopping = tokio::spawn(harness.server.clone().stop());
        while TcpStream::connect(harness.server.address()).await.is_ok() {
            tokio::task::yield_now().await;
        }
        harness.node.produce(1);
        stopping.await.unwrap();
    };
    let all = async { tokio::join!(pending, stop, to_the_end(&mut stream)) };
    let all = tokio::time::timeout(Duration::from_secs(20), all).await;
    let (answered, (), (texts, code, reason)) = all.unwrap();
    assert!(answered.is_ok(), "{answered:?}");
    assert_eq!((code, reason.as_str()), (1001, "the node stops"));
    let ends = texts
        .iter()
        .filter(|it| it.contains("request.stopping"))
        .count();
    assert_eq!(ends, 3, "{texts:#?}");
    let submitted = texts.iter().find(|it| it.contains("\"id\":4")).unwrap();
    assert!(submitted.contains("\"finalized\""), "{submitted}");
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_those_who_say_nothing() {
    let harness = Harness::start().await;
    let mut half = TcpStream::connect(harness.server.address()).await.unwrap();
    half.write_all(b"POST / HTTP/1.1\r\nhost: loc")
        .await
        .unwrap();
    let _idle = harness.websocket().await;
    harness.node.hold();
    let alice = harness.person(1);
    // A call that would wait for a minute.
    let request = json!({"items": [alice.incept_item()], "wait": "finalized", "timeoutMs": 60_000});
    let client = harness.websocket().await;
    let call = async {
        client
            .request::<Value, _>("identity_submit", rpc_params![request])
            .await
    };
    let stop = async {
        while harness.node.pending_count() == 0 {
            tokio::task::yield_now().await;
        }
        let began = tokio::time::Instant::now();
        harness.server.clone().stop().await;
        began.elapsed()
    };
    let call = async { tokio::time::timeout(Duration::from_secs(90), call).await };
    let (_, took) = tokio::join!(call, stop);
    assert!(took <= Duration::from_secs(12), "{took:?}");
}

#[tokio::test]
async fn a_subscriber_that_is_too_far_behind_is_told_so_instead_of_skipping() {
    let harness = Harness::start().await;
    let client = harness.websocket().await;
    let names = ("chain_subscribeNewHeads", "chain_unsubscribeNewHeads");
    let mut heads = client
        .subscribe::<Value, _>(names.0, rpc_params![], names.1)
        .await
        .unwrap();
    assert_eq!(next(&mut heads).await["number"], "0x0");
    // This runtime has one thread: nobody takes one of these before all are there.
    harness.node.produce(1030);
    let all = async { while heads.next().await.is_some_and(|it| it.is_ok()) {} };
    tokio::time::timeout(Duration::from_secs(10), all)
        .await
        .unwrap();
    let (_, metrics) = harness.get("/metrics").await;
    assert_eq!(
        metric(&metrics, "allod_rpc_cut_off_total{reason=\"slow\"}"),
        1
    );
    assert_eq!(metric(&metrics, "allod_rpc_subscriptions"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_of_heads_that_takes_nothing_is_cut_off_and_told_why() {
    const SUBSCRIPTIONS: u32 = 120;
    let harness = Harness::start().await;
    let mut stream = upgraded(&harness).await;
    for id in 0..SUBSCRIPTIONS {
        let call = frame(id, "chain_subscribeNewHeads", &json!([]));
        stream.write_all(&call).await.unwrap();
    }
    // Together far more than sockets hold back.
    for _ in 0..250 {
        harness.node.produce(1);
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
    }
    // The clock stands still but for waiting, so this ends when nothing else is to be done.
    tokio::time::sleep(Duration::from_millis(2 * FOLLOWER_STALL_MS_MAX)).await;
    let (_, metrics) = harness.get("/metrics").await;
    let cut = metric(&metrics, "allod_rpc_cut_off_total{reason=\"slow\"}");
    assert_eq!(cut, u64::from(SUBSCRIPTIONS));
    let (mut text, mut piece) = (Vec::<u8>::new(), vec![0; 1 << 20]);
    let reason = b"chain.too_slow";
    while !text.windows(reason.len()).any(|it| it == reason) {
        let read = stream.read(&mut piece).await.unwrap();
        assert_ne!(read, 0, "the connection closed without a word");
        text.drain(..text.len().saturating_sub(64));
        text.extend(&piece[..read]);
    }
}

/// Method: a client that reads frames, so as to see the last notification and how it is closed.
#[tokio::test]
async fn subscriptions_and_connections_end_with_their_key_and_are_told_why() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("api-keys");
    let keys = [7, 8].map(|n| allod_rpc::ApiKey::new([n; 32]));
    let lines = [("wallet", &keys[0]), ("explorer", &keys[1])];
    let lines = lines.map(|(name, key)| key.line(name).unwrap() + "\n");
    std::fs::write(&file, lines.concat()).unwrap();
    let harness = Harness::with(allod_rpc::ServerConfig {
        api_keys: Some(file.clone()),
        ..allod_rpc::ServerConfig::default()
    })
    .await;
    let mut streams = Vec::new();
    for key in &keys {
        let mut stream = TcpStream::connect(harness.server.address()).await.unwrap();
        let upgrade = format!(
            "GET / HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\
             upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            key.reveal()
        );
        stream.write_all(upgrade.as_bytes()).await.unwrap();
        head_of(&mut stream).await;
        for id in 1..=2 {
            let call = frame(id, "chain_subscribeNewHeads", &json!([]));
            stream.write_all(&call).await.unwrap();
            let accepted = format!("\"id\":{id},\"result\"");
            while !String::from_utf8_lossy(&read_frame(&mut stream).await.1).contains(&accepted) {}
        }
        streams.push(stream);
    }
    std::fs::write(&file, &lines[1]).unwrap();
    harness.server.reload().unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(20), to_the_end(&mut streams[0])).await;
    let (texts, code, reason) = ended.expect("the connection ends");
    assert_eq!(
        (code, reason.as_str()),
        (1008, "the API key was taken away")
    );
    let told = texts
        .iter()
        .filter(|it| it.contains("request.unauthorized"));
    assert_eq!(told.count(), 2, "{texts:#?}");
    // The other's stays.
    harness.node.produce(1);
    let next = async {
        while !String::from_utf8_lossy(&read_frame(&mut streams[1]).await.1).contains("0x1") {}
    };
    let next = tokio::time::timeout(Duration::from_secs(20), next).await;
    assert!(next.is_ok(), "another key's subscription goes on");
    let bearer = format!("authorization: Bearer {}\r\n", keys[1].reveal());
    let (_, metrics) = harness.http("GET", "/metrics", &bearer, "").await;
    let cut = metric(&metrics, "allod_rpc_cut_off_total{reason=\"key\"}");
    assert_eq!(cut, 2);
}
