//! What clients may do wrong: the server answers or hangs up, and serves the next one.

use std::future::Future;
use std::time::Duration;

use allod_rpc::ServerConfig;
use allod_rpc_api::limits::{
    READ_WAITERS_MAX, READ_WAITERS_PER_CONNECTION_MAX, REQUEST_HEAD_MS_MAX,
};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use jsonrpsee::core::client::ClientT as _;
use jsonrpsee::rpc_params;
use jsonrpsee::ws_client::WsClient;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::followers::{replace_methods, upgraded};
use crate::wire::Harness;

async fn is_alive(harness: &Harness) -> bool {
    harness.call("system_chain", json!([])).await == Ok(json!("Allod Test"))
}

#[tokio::test]
async fn garbage_is_answered_with_json_rpcs_own_errors() {
    let harness = Harness::start().await;
    let cases = [
        ("", -32700),
        ("{", -32700),
        ("null", -32700),
        (
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"no_such\"}",
            -32601,
        ),
        (
            "{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"system_chain\"}",
            -32600,
        ),
        ("{\"id\":1}", -32600),
        ("[]", -32600),
    ];
    for (body, code) in cases {
        let (status, answer) = harness.post(body).await;
        let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
        let found = answer["error"]["code"].as_i64();
        let is_refused = found.is_some_and(|it| (-32768..=-32000).contains(&it)) || status >= 400;
        assert!(
            is_refused,
            "{body}: {status} {answer}, expected about {code}"
        );
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let params = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"identity_resolve\",\"params\":{deep}}}"
    );
    let (_, answer) = harness.post(&params).await;
    assert!(answer.contains("error") || answer.is_empty());
    assert!(is_alive(&harness).await);
}

#[tokio::test]
async fn a_body_above_its_maximum_is_refused() {
    let config = ServerConfig {
        request_bytes_max: 4096,
        ..ServerConfig::default()
    };
    let harness = Harness::with(config).await;
    let (status, _) = harness.post(&"x".repeat(5000)).await;
    assert_eq!(status, 413);
    assert!(is_alive(&harness).await);
}

#[tokio::test]
async fn a_batch_is_served_up_to_its_maximum() {
    let harness = Harness::start().await;
    let call = |id: usize| json!({"jsonrpc": "2.0", "id": id, "method": "system_chain"});
    let batch = |count| Value::Array((0..count).map(call).collect()).to_string();
    let (_, answer) = harness.post(&batch(64)).await;
    let answers: Vec<Value> = serde_json::from_str(&answer).unwrap();
    assert_eq!(answers.len(), 64);
    let (_, answer) = harness.post(&batch(65)).await;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["error"]["code"], -32010);
    assert!(is_alive(&harness).await);

    let none = ServerConfig {
        batch_calls_max: 0,
        ..ServerConfig::default()
    };
    let harness = Harness::with(none).await;
    let (_, answer) = harness.post(&batch(1)).await;
    assert!(answer.contains("-32005"), "{answer}");
}

#[tokio::test]
async fn an_answer_above_its_maximum_is_refused() {
    let config = ServerConfig {
        response_bytes_max: 300,
        ..ServerConfig::default()
    };
    let harness = Harness::with(config).await;
    let error = harness.call("rpc_methods", json!([])).await.unwrap_err();
    assert_eq!(error["code"], -32008);
}

#[tokio::test]
async fn connections_are_limited() {
    let config = ServerConfig {
        connections_max: 2,
        ..ServerConfig::default()
    };
    let harness = Harness::with(config).await;
    let _first = harness.websocket().await;
    let _second = harness.websocket().await;
    let (status, _) = harness.post("{}").await;
    assert_eq!(status, 429);
    assert_eq!(
        harness.get("/health").await.0,
        200,
        "a probe still gets through"
    );
}

#[tokio::test]
async fn probes_are_plain_gets_on_the_same_port() {
    let harness = Harness::start().await;
    let (status, body) = harness.get("/health").await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &body["status"]), (200, &json!("ok")));
    assert_eq!(harness.get("/ready").await.0, 200);
    harness.node.set_syncing(true);
    assert_eq!(harness.get("/ready").await.0, 503);
    assert_eq!(harness.get("/health").await.0, 200);
    let (head, body) = harness.http_whole("GET", "/metrics", "", "").await;
    assert!(head.contains("application/openmetrics-text"));
    assert!(body.ends_with("\n# EOF\n") && body.matches("# EOF").count() == 1);
    // This runtime has one thread for tasks: that of the test.
    let readers = harness.node.readers();
    assert!(!readers.is_empty() && !readers.contains(&std::thread::current().id()));
    for line in [
        "refused_total{reason=\"connections\"} 0",
        "connections_limit 1024",
    ] {
        assert!(body.contains(&format!("\nallod_rpc_{line}\n")), "{body}");
    }
    assert_eq!(harness.get("/other").await.0, 405);
    assert_eq!(harness.http("POST", "/health", "", "").await.0, 415);
}

#[tokio::test]
async fn browsers_are_let_in_from_the_origins_configured() {
    let allows = |head: &str, origin: &str| {
        let line = format!("access-control-allow-origin: {origin}");
        head.to_ascii_lowercase().contains(&line)
    };
    let origin = "origin: https://wallet.example\r\naccess-control-request-method: POST\r\n";
    let any = Harness::start().await;
    let (head, _) = any.http_whole("OPTIONS", "/", origin, "").await;
    assert!(allows(&head, "*"), "{head}");
    let config = |origins: &[&str]| ServerConfig {
        cors_origins: origins.iter().map(|it| (*it).to_owned()).collect(),
        ..ServerConfig::default()
    };
    let one = Harness::with(config(&["https://wallet.example"])).await;
    let (head, _) = one.http_whole("OPTIONS", "/", origin, "").await;
    assert!(allows(&head, "https://wallet.example"), "{head}");
    let none = Harness::with(config(&[])).await;
    let (head, _) = none.http_whole("OPTIONS", "/", origin, "").await;
    assert!(
        !head
            .to_ascii_lowercase()
            .contains("access-control-allow-origin")
    );
}

#[tokio::test]
async fn a_server_that_stops_frees_its_port() {
    let harness = Harness::start().await;
    let address = harness.server.address();
    let _client = harness.websocket().await;
    harness.server.clone().stop().await;
    assert!(tokio::net::TcpListener::bind(address).await.is_ok());
}

#[tokio::test]
async fn nothing_of_the_operators_is_asked_over_tcp() {
    for is_archive in [false, true] {
        let harness = Harness::with(ServerConfig {
            is_archive,
            ..ServerConfig::default()
        })
        .await;
        let listed = harness.call("rpc_methods", json!([])).await.unwrap();
        let names = listed["methods"].as_array().unwrap().iter();
        let names: Vec<&str> = names.map(|it| it.as_str().unwrap()).collect();
        assert!(names.len() > 50, "{names:?}");
        assert!(names.iter().all(|it| !it.starts_with("admin")), "{names:?}");
        for method in [
            "admin_status",
            "admin_stop",
            "admin_reload",
            "admin_logFilter",
        ] {
            let error = harness.call(method, json!([])).await.unwrap_err();
            assert_eq!(error["code"], -32601, "{method}");
        }
    }
}

#[tokio::test]
async fn an_address_in_use_is_a_typed_error() {
    let harness = Harness::start().await;
    let config = ServerConfig {
        listen: harness.server.address(),
        ..ServerConfig::default()
    };
    let error = allod_rpc::RpcServer::start(&config, harness.node.clone())
        .await
        .unwrap_err();
    assert!(matches!(error, allod_rpc::StartError::Listen { .. }));
}

/// Asks for a height that the node has not reached.
fn ahead() -> Value {
    json!({"gid": format!("0x{}", "00".repeat(32)), "atLeast": 1})
}

/// Starts one read more than may wait on one connection, and returns once that one is turned away:
/// all others are waiting then.
async fn crowd(client: &WsClient) -> FuturesUnordered<impl Future<Output = bool> + '_> {
    let ask = |_| async {
        let answer = client.request::<Value, _>("grant_check", rpc_params![ahead()]);
        match answer.await {
            Ok(_) => true,
            Err(error) => {
                assert!(error.to_string().contains("1007"), "{error}");
                false
            }
        }
    };
    let mut all: FuturesUnordered<_> = (0..=READ_WAITERS_PER_CONNECTION_MAX).map(ask).collect();
    let first = all.next().await;
    assert_eq!(first, Some(false), "one is too many, and told so");
    all
}

#[tokio::test]
async fn reads_that_wait_for_a_height_are_bounded_for_a_connection_and_for_the_node() {
    let harness = Harness::start().await;
    let mut clients = Vec::new();
    for _ in 0..READ_WAITERS_MAX / READ_WAITERS_PER_CONNECTION_MAX {
        clients.push(harness.websocket().await);
    }
    let mut waiting = Vec::new();
    // Each is let wait although those before it have all the places of their connections.
    for client in &clients {
        waiting.push(crowd(client).await);
    }
    let refused = harness.refused("grant_check", ahead()).await;
    assert_eq!(refused, (1007, "request.busy".to_owned()));
    let mut reached = ahead();
    reached["atLeast"] = json!(0);
    assert!(harness.call("grant_check", reached).await.is_ok());
    harness.node.produce(1);
    for crowd in waiting {
        assert!(crowd.all(|is_answered| async move { is_answered }).await);
    }
    assert!(harness.call("grant_check", ahead()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_come_is_not_waited_for() {
    let harness = Harness::start().await;
    let mut stream = TcpStream::connect(harness.server.address()).await.unwrap();
    stream
        .write_all(b"POST / HTTP/1.1\r\nhost: loc")
        .await
        .unwrap();
    let began = tokio::time::Instant::now();
    let mut answer = Vec::new();
    // The clock stands still but for waiting: the end comes when the server's patience does.
    let _reset = stream.read_to_end(&mut answer).await;
    let waited = began.elapsed().as_millis();
    assert!(
        waited <= u128::from(REQUEST_HEAD_MS_MAX) + 1000,
        "{waited} ms"
    );
}

#[tokio::test]
async fn sockets_that_ask_nothing_are_bounded_too() {
    let config = ServerConfig {
        connections_max: 1,
        ..ServerConfig::default()
    };
    let harness = Harness::with(config).await;
    // Sixty-four more than that for probes and refusals.
    let mut sockets = Vec::new();
    for _ in 0..65 {
        let socket = TcpStream::connect(harness.server.address()).await;
        sockets.push(socket.unwrap());
    }
    let mut socket = TcpStream::connect(harness.server.address()).await.unwrap();
    let end = tokio::time::timeout(Duration::from_secs(5), socket.read(&mut [0])).await;
    assert!(matches!(end, Ok(Ok(0) | Err(_))), "it is closed at once");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_asks_nothing_more_is_closed() {
    let harness = Harness::start().await;
    let mut stream = TcpStream::connect(harness.server.address()).await.unwrap();
    let request = b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    let all = stream.read_to_end(&mut answer);
    let end = tokio::time::timeout(Duration::from_secs(200), all).await;
    assert!(end.is_ok(), "kept open without a request");
    assert!(answer.starts_with(b"HTTP/1.1 200"));
}

/// Asks for a hundred kilobytes by a WebSocket frame of sixty, masked by zeros.
fn padded_call() -> Vec<u8> {
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "rpc_methods"});
    let mut call = Value::Array(vec![call; 32]).to_string();
    call.push_str(&" ".repeat(60_000 - call.len()));
    let length = u16::try_from(call.len()).unwrap().to_be_bytes();
    let head = [0x81, 0x80 | 126, length[0], length[1], 0, 0, 0, 0];
    [&head, call.as_bytes()].concat()
}

#[tokio::test]
async fn a_client_that_asks_and_does_not_read_is_not_read_from() {
    const CALLS: usize = 300;
    let harness = Harness::start().await;
    let stream = upgraded(&harness).await;
    let (mut reads, mut writes) = stream.into_split();
    let sending = tokio::spawn(async move {
        let call = padded_call();
        for _ in 0..CALLS {
            writes.write_all(&call).await.unwrap();
        }
        writes
    });
    tokio::pin!(sending);
    // More than all buffers between the two hold: the end comes only if the server takes it all.
    let taken = tokio::time::timeout(Duration::from_secs(3), &mut sending).await;
    let text = "everything was taken from a client that does not read";
    assert!(taken.is_err(), "{text}: {taken:?}");
    // Who reads is answered, every call.
    let (mut answers, mut piece, mut last) = (0, vec![0; 1 << 20], Vec::<u8>::new());
    // So begins the answer to a batch, and nothing in it.
    let answer: &[u8] = b"[{";
    while answers < CALLS {
        let read = reads.read(&mut piece).await.unwrap();
        assert_ne!(read, 0);
        last.extend(&piece[..read]);
        answers += last
            .windows(answer.len())
            .filter(|it| *it == answer)
            .count();
        last.drain(..last.len() - (answer.len() - 1).min(last.len()));
    }
    assert!(sending.await.is_ok());
}

#[tokio::test]
async fn long_lists_of_keys_are_read_off_the_event_loop() {
    let harness = Harness::start().await;
    let alice = harness.person(1);
    harness.incept(&alice).await;
    let did = json!({"did": alice.did().to_string()});
    let few = harness.call("identity_resolve", did.clone()).await.unwrap();
    replace_methods(&harness, 26).await;
    let many = harness.call("identity_resolve", did).await.unwrap();
    assert_eq!(
        (&few["retiredCount"], &many["retiredCount"]),
        (&json!(0), &json!(26))
    );
    // This runtime has one thread for tasks: that of the test.
    let (here, elsewhere): (Vec<_>, Vec<_>) = harness
        .node
        .scans()
        .into_iter()
        .partition(|(thread, _)| *thread == std::thread::current().id());
    assert!(!here.is_empty());
    assert!(here.iter().all(|(_, count)| *count <= 25), "{here:?}");
    assert!(
        elsewhere.iter().any(|(_, count)| *count > 26),
        "{elsewhere:?}"
    );
}

#[test]
fn what_no_browser_sends_is_no_origin() {
    let bad = |origins: &[&str]| {
        let origins: Vec<String> = origins.iter().map(|it| (*it).to_owned()).collect();
        allod_rpc::bad_origin(&origins).map(str::to_owned)
    };
    for origin in [
        "https://wallet.example",
        "http://localhost:3000",
        "http://[::1]:8080",
        "chrome-extension://abcdefghijklmnop",
        "null",
        "*",
    ] {
        assert_eq!(bad(&[origin]), None, "{origin}");
    }
    for origin in [
        "",
        "wallet.example",
        "https://wallet.example/",
        "https://wallet.example/app",
        "https://Wallet.example",
        "https://me@wallet.example",
        "ftp://wallet.example",
        "https://*.example",
        "https://wallet.example, https://b.example",
        "all",
    ] {
        assert_eq!(bad(&[origin]).as_deref(), Some(origin), "{origin}");
    }
    assert_eq!(bad(&["https://a.example", "*"]).as_deref(), Some("*"));
}

#[tokio::test]
async fn an_origin_that_is_not_listed_is_not_let_in() {
    let harness = Harness::with(ServerConfig {
        cors_origins: vec!["https://wallet.example".to_owned()],
        ..ServerConfig::default()
    })
    .await;
    let asked = |origin: &str| {
        let headers = format!(
            "origin: {origin}\r\naccess-control-request-method: POST\r\n\
             access-control-request-headers: content-type\r\n"
        );
        let harness = &harness;
        async move { harness.http_whole("OPTIONS", "/", &headers, "").await.0 }
    };
    let allowed = asked("https://wallet.example").await.to_ascii_lowercase();
    assert!(allowed.contains("access-control-allow-origin: https://wallet.example\r\n"));
    assert!(
        allowed.contains("access-control-allow-methods: post,get"),
        "{allowed}"
    );
    let other = asked("https://evil.example").await.to_ascii_lowercase();
    assert!(!other.contains("access-control-allow-origin"), "{other}");
    // No cookies, ever.
    assert!(!allowed.contains("allow-credentials"));
}
