//! Clients that mean harm: each is cut off or told no, and others are served all the while.

use std::time::Duration;

use allod_rpc::{RateClock, ServerConfig, VisitorLimits};
use allod_rpc_api::limits::{
    GARBAGE_MESSAGES_MAX, REQUEST_BODY_BYTES_PER_S_MIN, REQUEST_BODY_MS_MAX,
};
use jsonrpsee::core::client::{ClientT as _, Error};
use jsonrpsee::rpc_params;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::followers::upgraded;
use crate::stopping::{head_of, metric, read_frame, to_the_end};
use crate::wire::Harness;

const TEXT: u8 = 0x81;

/// A frame masked by zeros. `length`: what it says that its payload has.
fn frame(first: u8, length: usize, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first, 0x80 | 127];
    frame.extend(u64::try_from(length).unwrap().to_be_bytes());
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

fn text(payload: &[u8]) -> Vec<u8> {
    frame(TEXT, payload.len(), payload)
}

fn chain(id: u32) -> Vec<u8> {
    let call = json!({"jsonrpc": "2.0", "id": id, "method": "system_chain"});
    call.to_string().into_bytes()
}

async fn is_served(harness: &Harness) {
    let answer = harness.call("system_chain", json!([])).await;
    assert_eq!(answer, Ok(json!("Allod Test")));
}

async fn websocket(harness: &Harness) -> TcpStream {
    let mut stream = upgraded(harness).await;
    head_of(&mut stream).await;
    stream
}

/// Goal: a body that comes byte by byte holds no place for long. Method: 64 clients send a head,
/// then a byte every three seconds; the clock moves only while everybody waits.
#[tokio::test(start_paused = true)]
async fn bodies_that_dribble_are_cut_off_and_others_are_served() {
    const SLOW: usize = 64;
    let harness = Harness::start().await;
    let address = harness.server.address();
    let head = "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                content-length: 8000000\r\n\r\n";
    let dribble = |_| async move {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let (mut reads, mut writes) = stream.into_split();
        let began = Instant::now();
        let sending = async {
            let mut beat = tokio::time::interval(Duration::from_secs(3));
            while writes.write_all(b"[").await.is_ok() {
                beat.tick().await;
            }
            // Nothing more can be sent; what was answered is still to be read.
            std::future::pending::<()>().await;
        };
        let mut answer = Vec::new();
        let cut_off = async {
            let _reset = reads.read_to_end(&mut answer).await;
            began.elapsed()
        };
        let elapsed = tokio::select! {
            elapsed = cut_off => elapsed,
            () = sending => unreachable!("it never ends"),
        };
        (elapsed, answer)
    };
    let all = futures::future::join_all((0..SLOW).map(dribble));
    let others = async {
        for _ in 0..20 {
            is_served(&harness).await;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    let (all, ()) = tokio::join!(all, others);
    let least = Duration::from_millis(REQUEST_BODY_MS_MAX);
    for (elapsed, answer) in all {
        assert!(
            elapsed >= least,
            "a slow link is given its time: {elapsed:?}"
        );
        assert!(elapsed <= least + Duration::from_secs(4), "{elapsed:?}");
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_over_a_slow_link_is_waited_for() {
    let harness = Harness::start().await;
    let mut call = chain(1);
    let length = call.len() + 40 * usize::try_from(REQUEST_BODY_BYTES_PER_S_MIN).unwrap();
    call.resize(length, b' ');
    let head = format!(
        "POST / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    );
    let mut stream = TcpStream::connect(harness.server.address()).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let began = Instant::now();
    let each = usize::try_from(REQUEST_BODY_BYTES_PER_S_MIN).unwrap();
    for piece in call.chunks(each) {
        stream.write_all(piece).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(began.elapsed() >= 3 * Duration::from_millis(REQUEST_BODY_MS_MAX));
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("Allod Test"), "{answer}");
}

/// Goal: whoever subscribes to the limit and beyond, over many connections, is told no and takes
/// nothing from others. Method: a round of every connection, then a call of another client.
#[tokio::test]
async fn a_flood_of_subscriptions_is_refused_and_others_are_served() {
    const CONNECTIONS: u32 = 24;
    const EACH: u32 = 16;
    const ROUNDS: u64 = 20;
    let harness = Harness::with(ServerConfig {
        subscriptions_per_connection_max: EACH,
        connections_max: CONNECTIONS + 1,
        ..ServerConfig::default()
    })
    .await;
    let other = harness.websocket().await;
    let mut flood = Vec::new();
    for _ in 0..CONNECTIONS {
        flood.push(harness.websocket().await);
    }
    let methods = ["chain_subscribeNewHeads", "state_subscribeRuntimeVersion"];
    let mut served = 0;
    for client in &flood {
        for n in 0..EACH as usize {
            let id = client.request::<Value, _>(methods[n % 2], rpc_params![]);
            assert!(id.await.unwrap().is_string());
        }
    }
    for round in 0..ROUNDS {
        let again = flood.iter().map(|client| {
            let method = methods[usize::try_from(round % 2).unwrap()];
            client.request::<Value, _>(method, rpc_params![])
        });
        for refused in futures::future::join_all(again).await {
            let Err(Error::Call(error)) = refused else {
                panic!("{refused:?}")
            };
            assert_eq!(error.code(), -32006, "{error}");
        }
        harness.node.produce(1);
        let answer: Value = other.request("system_chain", rpc_params![]).await.unwrap();
        served += u64::from(answer == "Allod Test");
        // One more connection than there are places is refused as well, and takes none.
        assert_eq!(harness.post("{}").await.0, 429);
        assert_eq!(harness.get("/health").await.0, 200);
    }
    assert_eq!(served, ROUNDS);
    let (_, metrics) = harness.get("/metrics").await;
    let open = metric(&metrics, "allod_rpc_subscriptions");
    assert_eq!(open, u64::from(CONNECTIONS * EACH));
}

/// What a frame may not be. After each the connection ends, and nobody else notices.
#[tokio::test]
async fn frames_that_are_none_end_their_connection_and_nothing_else() {
    let harness = Harness::start().await;
    let call = chain(1);
    let cases: [(&str, Vec<u8>); 10] = [
        ("a reserved bit", frame(0xC1, call.len(), &call)),
        ("a reserved opcode", frame(0x83, call.len(), &call)),
        ("a reserved control opcode", frame(0x8B, 0, &[])),
        ("a fragment of a ping", frame(0x09, 4, b"ping")),
        ("a long ping", frame(0x89, 126, &[b'x'; 126])),
        ("the middle without a beginning", frame(0x00, 4, b"call")),
        ("the end without a beginning", frame(0x80, 4, b"call")),
        (
            "two beginnings",
            [frame(0x01, 1, b"{"), frame(0x01, 1, b"}")].concat(),
        ),
        ("more than memory", frame(TEXT, usize::MAX / 2, b"")),
        ("a close frame of one byte", frame(0x88, 1, b"x")),
    ];
    let witness = harness.websocket().await;
    for (what, bytes) in cases {
        let mut stream = websocket(&harness).await;
        stream.write_all(&bytes).await.unwrap();
        let mut answer = Vec::new();
        let end = stream.read_to_end(&mut answer);
        let end = tokio::time::timeout(Duration::from_secs(10), end).await;
        assert!(end.is_ok(), "{what}: it stays open");
        let answer = String::from_utf8_lossy(&answer);
        assert!(!answer.contains("Allod Test"), "{what}: {answer}");
        let chain: Value = witness
            .request("system_chain", rpc_params![])
            .await
            .unwrap();
        assert_eq!(chain, "Allod Test", "{what}");
        is_served(&harness).await;
    }
}

#[tokio::test]
async fn fragments_and_pings_between_them_are_one_call() {
    let harness = Harness::start().await;
    let call = chain(7);
    let (begin, rest) = call.split_at(9);
    let (middle, end) = rest.split_at(5);
    let mut stream = websocket(&harness).await;
    for bytes in [
        frame(0x01, begin.len(), begin),
        frame(0x89, 2, b"hi"),
        frame(0x00, middle.len(), middle),
        frame(0x80, end.len(), end),
    ] {
        stream.write_all(&bytes).await.unwrap();
    }
    let answer = loop {
        match read_frame(&mut stream).await {
            (TEXT, answer) => break String::from_utf8(answer).unwrap(),
            (0x89 | 0x8A, _) => {}
            other => panic!("{other:?}"),
        }
    };
    assert!(
        answer.contains("\"id\":7") && answer.contains("Allod Test"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_message_above_its_maximum_is_not_kept() {
    let harness = Harness::with(ServerConfig {
        request_bytes_max: 4096,
        ..ServerConfig::default()
    })
    .await;
    // As one frame, and as many small ones; and what is read over, as it belongs to no frame.
    let whole = text(&[b' '; 5000]);
    let piece = frame(0x00, 100, &[b' '; 100]);
    let fragments = [frame(0x01, 100, &[b' '; 100]), piece.repeat(60)].concat();
    for bytes in [whole, fragments] {
        let mut stream = websocket(&harness).await;
        let call = text(&chain(1));
        stream.write_all(&bytes).await.unwrap();
        stream.write_all(&[b' '; 32 * 1024]).await.unwrap();
        // Told that it was too much, or closed for what comes next.
        let told = loop {
            match read_frame(&mut stream).await {
                (0x89, _) => {}
                (TEXT, answer) => break String::from_utf8(answer).unwrap(),
                (0x88, _) => break "-32007".to_owned(),
                other => panic!("{other:?}"),
            }
        };
        assert!(told.contains("-32007"), "{told}");
        // And that is no call any more.
        let _closed = stream.write_all(&call).await;
        let mut rest = Vec::new();
        let end = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut rest));
        assert!(end.await.is_ok(), "it stays open");
        assert!(!String::from_utf8_lossy(&rest).contains("Allod Test"));
        is_served(&harness).await;
    }
}

/// Goal: text that is no UTF-8 is answered as what is no JSON, or refused. Method: inside of a
/// call's name, where a parser could pass it on, and alone.
#[tokio::test]
async fn text_that_is_no_utf_8_is_no_call() {
    let harness = Harness::start().await;
    for bad in [
        &b"\xFF"[..],
        b"\xC3\x28",
        b"\xED\xA0\x80",
        b"\xF4\x90\x80\x80",
        b"\xC0\xAF",
    ] {
        let in_method = [
            br#"{"jsonrpc":"2.0","id":1,"method":"system_chain"#,
            bad,
            br#"","params":[]}"#,
        ];
        let in_params = [
            br#"{"jsonrpc":"2.0","id":1,"method":"identity_resolve","params":[""#,
            bad,
            br#""]}"#,
        ];
        for message in [bad.to_vec(), in_method.concat(), in_params.concat()] {
            let mut stream = websocket(&harness).await;
            stream.write_all(&text(&message)).await.unwrap();
            let (first, answer) = loop {
                match read_frame(&mut stream).await {
                    (0x89, _) => {}
                    other => break other,
                }
            };
            let answer = String::from_utf8(answer).unwrap();
            let is_refused = first == 0x88 || answer.contains("\"code\":-32");
            assert!(is_refused, "{message:?}: {answer}");
            // The same by HTTP.
            let head = format!(
                "POST / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
                 content-type: application/json\r\ncontent-length: {}\r\n\r\n",
                message.len()
            );
            let mut stream = TcpStream::connect(harness.server.address()).await.unwrap();
            let whole = [head.as_bytes(), &message].concat();
            stream.write_all(&whole).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            let is_refused = answer.contains("\"code\":-32") || answer.contains("HTTP/1.1 4");
            assert!(is_refused, "{message:?}: {answer}");
            is_served(&harness).await;
        }
    }
}

/// A server that limits whoever is on this machine, by a clock that stands still.
async fn limited(calls_burst: u32) -> (Harness, RateClock) {
    let clock = RateClock::still();
    let config = ServerConfig {
        visitors: VisitorLimits {
            calls_per_s: 1,
            calls_burst,
            is_loopback_limited: true,
            ..VisitorLimits::default()
        },
        ..ServerConfig::default()
    };
    (Harness::with_clock(config, clock.clone()).await, clock)
}

#[tokio::test]
async fn messages_that_are_no_calls_are_paid_for() {
    for garbage in [
        &b"x"[..],
        b"{",
        b"[1,2",
        b"null",
        b"{\"jsonrpc\":\"1.0\"}",
        b"[{}]",
        b"",
    ] {
        let (harness, _) = limited(10).await;
        let mut stream = websocket(&harness).await;
        // The handshake was the first.
        for _ in 0..4 {
            stream.write_all(&text(garbage)).await.unwrap();
            let (first, answer) = read_text(&mut stream).await;
            assert_eq!(first, TEXT, "{answer}");
            assert!(answer.contains("-32"), "{answer}");
        }
        // Five are left.
        let mut answered = 0;
        for id in 0..10 {
            stream.write_all(&text(&chain(id))).await.unwrap();
            let (_, answer) = read_text(&mut stream).await;
            match answer.contains("Allod Test") {
                true => answered += 1,
                false => assert!(answer.contains("1022"), "{answer}"),
            }
        }
        assert_eq!(answered, 5, "{}", String::from_utf8_lossy(garbage));
        // Nothing is left for garbage: it ends the connection.
        stream.write_all(&text(garbage)).await.unwrap();
        let (_, code, reason) = to_the_end(&mut stream).await;
        assert_eq!(
            (code, reason.as_str()),
            (1008, "too many messages that are no calls")
        );
    }
}

/// As frames come, but pings.
async fn read_text(stream: &mut TcpStream) -> (u8, String) {
    loop {
        match read_frame(stream).await {
            (0x89, _) => {}
            (first, text) => return (first, String::from_utf8(text).unwrap()),
        }
    }
}

#[tokio::test]
async fn a_client_that_sends_only_garbage_is_cut_off_and_others_are_served() {
    let harness = Harness::start().await;
    let mut stream = websocket(&harness).await;
    let flood = text(b"garbage").repeat(10 * GARBAGE_MESSAGES_MAX as usize);
    stream.write_all(&flood).await.unwrap();
    let (texts, code, reason) = to_the_end(&mut stream).await;
    assert_eq!(
        (code, reason.as_str()),
        (1008, "too many messages that are no calls")
    );
    assert!(texts.iter().all(|it| it.contains("-32700")), "{texts:?}");
    is_served(&harness).await;
    let (_, metrics) = harness.get("/metrics").await;
    let refused = metric(&metrics, "allod_rpc_refused_total{reason=\"garbage\"}");
    assert!(refused >= u64::from(GARBAGE_MESSAGES_MAX), "{refused}");
    // Who calls now and then is only clumsy.
    let mut stream = websocket(&harness).await;
    for id in 0..3 * GARBAGE_MESSAGES_MAX {
        for message in [&b"oops"[..], &chain(id)] {
            stream.write_all(&text(message)).await.unwrap();
            assert_eq!(read_text(&mut stream).await.0, TEXT);
        }
    }
}

/// Goal: a new jsonrpsee that clones extensions more or less often is noticed. `message.rs` counts
/// messages by these clones: one when a WebSocket begins, which keeps it, and one of that for each
/// message that comes; what a message's calls are given are clones of the latter. Method: the exact
/// count after messages of each kind, once everything before them was answered.
#[tokio::test]
async fn jsonrpsee_clones_the_extensions_once_for_a_websocket_and_once_for_each_message() {
    let harness = Harness::start().await;
    let count = || async {
        let (_, metrics) = harness.get("/metrics").await;
        metric(&metrics, "allod_rpc_refused_total{reason=\"garbage\"}")
    };
    let mut stream = websocket(&harness).await;
    let batch = json!([
        {"jsonrpc": "2.0", "id": 1, "method": "system_chain"},
        {"jsonrpc": "2.0", "id": 2, "method": "system_name"},
        {"jsonrpc": "2.0", "method": "system_chain"},
    ]);
    let notification = json!({"jsonrpc": "2.0", "method": "system_chain"});
    for good in [batch, notification] {
        stream
            .write_all(&text(good.to_string().as_bytes()))
            .await
            .unwrap();
    }
    // A call after each, and one at a time: whose answer has come, its message is done with.
    stream.write_all(&text(&chain(3))).await.unwrap();
    let mut answers = vec![
        read_text(&mut stream).await.1,
        read_text(&mut stream).await.1,
    ];
    answers.sort();
    assert!(answers[0].starts_with('['), "{answers:?}");
    assert_eq!(count().await, 0, "none but calls came");
    for n in 1..=5 {
        stream.write_all(&text(b"garbage")).await.unwrap();
        assert!(read_text(&mut stream).await.1.contains("-32700"));
        stream.write_all(&text(&chain(n))).await.unwrap();
        assert!(read_text(&mut stream).await.1.contains("Allod Test"));
        assert_eq!(count().await, u64::from(n), "each counts as one");
    }
}

/// Sends a call over a raw WebSocket and returns its answer, past what subscriptions tell meanwhile.
async fn ask(stream: &mut TcpStream, method: &str, params: Value) -> Value {
    let call = json!({"jsonrpc": "2.0", "id": 9, "method": method, "params": params});
    let call = text(call.to_string().as_bytes());
    stream.write_all(&call).await.unwrap();
    loop {
        let (_, answer) = read_text(stream).await;
        let answer: Value = serde_json::from_str(&answer).unwrap();
        if answer["id"] == 9 {
            return answer["result"].clone();
        }
    }
}

/// Goal: nobody ends what another one subscribed to, nor learns whether there is such an id. Method:
/// every way to end heads, by a connection that knows the id; the owner's goes on.
#[tokio::test]
async fn a_stranger_who_knows_the_id_of_a_subscription_cannot_end_it() {
    let harness = Harness::start().await;
    let mut owner = websocket(&harness).await;
    let mut stranger = websocket(&harness).await;
    let id = ask(&mut owner, "chain_subscribeNewHeads", json!([])).await;
    let own = ask(&mut stranger, "chain_subscribeNewHeads", json!([])).await;
    assert!(id.is_string() && own.is_string() && id != own);
    for method in ["chain_unsubscribeNewHeads", "chain_unsubscribeNewHead"] {
        for guess in [id.clone(), json!("0000000000000000"), json!(1)] {
            let ended = ask(&mut stranger, method, json!([guess])).await;
            assert_eq!(ended, false, "{method} {guess}");
        }
    }
    harness.node.produce(1);
    let told = loop {
        let (_, message) = read_text(&mut owner).await;
        let message: Value = serde_json::from_str(&message).unwrap();
        if message["params"]["result"]["number"] == "0x1" {
            break message;
        }
    };
    assert_eq!(told["params"]["subscription"], id, "it goes on");
    let ended = |ended: Value| ended == true;
    assert!(ended(
        ask(&mut owner, "chain_unsubscribeNewHeads", json!([id])).await
    ));
    assert!(!ended(
        ask(&mut owner, "chain_unsubscribeNewHeads", json!([id])).await
    ));
}

/// Goal: no depth of lists or objects costs the node its stack. Method: a hundred thousand levels,
/// closed and open, as the whole message and where a call has its parameters, over a WebSocket.
#[tokio::test]
async fn deep_messages_of_a_websocket_are_answered_with_an_error() {
    const DEPTH: usize = 100_000;
    let harness = Harness::start().await;
    let lists = format!("{}{}", "[".repeat(DEPTH), "]".repeat(DEPTH));
    let objects = format!("{}1{}", "{\"a\":".repeat(DEPTH), "}".repeat(DEPTH));
    let open = "[".repeat(DEPTH);
    let mut stream = websocket(&harness).await;
    for deep in [&lists, &objects, &open] {
        for method in [
            "identity_resolve",
            "state_queryStorageAt",
            "identity_submit",
        ] {
            let call = format!(
                "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"{method}\",\"params\":{deep}}}"
            );
            for message in [deep, &call, &format!("[{call}]")] {
                stream.write_all(&text(message.as_bytes())).await.unwrap();
                let (first, answer) = read_text(&mut stream).await;
                assert_eq!(first, TEXT, "{answer}");
                assert!(answer.contains("\"error\""), "{method}: {answer}");
                // Else so much that is no call would close it.
                stream.write_all(&text(&chain(2))).await.unwrap();
                let (_, answer) = read_text(&mut stream).await;
                assert!(answer.contains("Allod Test"), "{answer}");
            }
        }
    }
    is_served(&harness).await;
}
