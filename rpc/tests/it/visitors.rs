//! What one address may ask, and who is behind a proxy.

use allod_rpc::{ServerConfig, VisitorLimits};
use jsonrpsee::core::client::{ClientT as _, Error};
use jsonrpsee::core::params::BatchRequestBuilder;
use jsonrpsee::rpc_params;
use jsonrpsee::ws_client::WsClientBuilder;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use crate::wire::Harness;

const JSON: &str = "content-type: application/json\r\n";

/// A server that limits whoever is behind this machine, which is a proxy.
async fn behind_proxy(limits: VisitorLimits) -> Harness {
    let visitors = VisitorLimits {
        trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()],
        ..limits
    };
    Harness::with(ServerConfig {
        visitors,
        ..ServerConfig::default()
    })
    .await
}

fn slow(calls_burst: u32) -> VisitorLimits {
    VisitorLimits {
        calls_per_s: 1,
        calls_burst,
        ..VisitorLimits::default()
    }
}

fn call(id: usize) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "system_chain"})
}

/// Calls as the proxy on behalf of `client`; returns head and body.
async fn ask(harness: &Harness, client: &str, body: &Value) -> (String, String) {
    let headers = format!("{JSON}x-forwarded-for: {client}\r\n");
    harness
        .http_whole("POST", "/", &headers, &body.to_string())
        .await
}

fn status(answer: &(String, String)) -> u16 {
    answer.0.split(' ').nth(1).unwrap().parse().unwrap()
}

fn retry_after(head: &str) -> u64 {
    let head = head.to_ascii_lowercase();
    let line = head.lines().find_map(|it| it.strip_prefix("retry-after: "));
    line.unwrap().parse().unwrap()
}

#[tokio::test]
async fn an_address_that_asks_too_often_is_told_when_to_come_back() {
    let harness = behind_proxy(slow(3)).await;
    for id in 0..3 {
        assert_eq!(status(&ask(&harness, "192.0.2.1", &call(id)).await), 200);
    }
    let refused = ask(&harness, "192.0.2.1", &call(3)).await;
    assert_eq!(status(&refused), 429);
    assert_eq!(retry_after(&refused.0), 1);
    let error: Value = serde_json::from_str(&refused.1).unwrap();
    let data = &error["error"]["data"];
    assert_eq!(error["error"]["code"], 1022);
    assert_eq!(data["slug"], "request.rate_limited");
    assert!((1..=1000).contains(&data["retryAfterMs"].as_u64().unwrap()));
    assert!(data["hint"].as_str().unwrap().contains("retryAfterMs"));
    // The binding of DID resolution has its own form.
    let path = "/1.0/identifiers/did:allod:x:y";
    let headers = "x-forwarded-for: 192.0.2.1\r\n";
    let (head, body) = harness.http_whole("GET", path, headers, "").await;
    assert!(head.starts_with("HTTP/1.1 429") && head.contains("application/problem+json"));
    assert_eq!(retry_after(&head), 1);
    assert!(body.contains("more often than it may"), "{body}");
    // Others, and whoever watches the node, are served.
    assert_eq!(status(&ask(&harness, "192.0.2.2", &call(4)).await), 200);
    for path in ["/health", "/ready"] {
        let answer = harness.http("GET", path, headers, "").await;
        assert_eq!(answer.0, 200, "{path}");
    }
    // What the client writes itself changes nothing: the proxy's word stands last.
    let forged = "192.0.2.77, 192.0.2.1";
    assert_eq!(status(&ask(&harness, forged, &call(5)).await), 429);
    let (_, metrics) = harness.get("/metrics").await;
    assert!(metrics.contains("allod_rpc_refused_total{reason=\"rate\"} 3\n"));
}

#[tokio::test]
async fn a_batch_costs_its_calls_and_is_refused_whole() {
    let harness = behind_proxy(slow(10)).await;
    let batch = |count| Value::Array((0..count).map(call).collect());
    assert_eq!(status(&ask(&harness, "192.0.2.1", &batch(8)).await), 200);
    let refused = ask(&harness, "192.0.2.1", &batch(8)).await;
    assert_eq!(status(&refused), 429);
    assert!((5..=7).contains(&retry_after(&refused.0)), "{}", refused.0);
    let answers: Vec<Value> = serde_json::from_str(&refused.1).unwrap();
    let ids: Vec<_> = answers
        .iter()
        .map(|it| it["id"].as_u64().unwrap())
        .collect();
    assert_eq!(ids, (0..8).collect::<Vec<_>>());
    assert!(answers.iter().all(|it| it["error"]["code"] == 1022));
    assert_eq!(status(&ask(&harness, "2001:db8::1", &batch(10)).await), 200);
    let same_network = ask(&harness, "2001:db8::2", &call(0)).await;
    assert_eq!(status(&same_network), 429, "the same /64");
}

#[tokio::test]
async fn calls_of_a_websocket_are_refused_by_a_typed_error() {
    let harness = Harness::with(ServerConfig {
        visitors: VisitorLimits {
            is_loopback_limited: true,
            ..slow(4)
        },
        ..ServerConfig::default()
    })
    .await;
    // The handshake is the first.
    let client = harness.websocket().await;
    for _ in 0..2 {
        let answer: Value = client.request("system_chain", rpc_params![]).await.unwrap();
        assert_eq!(answer, "Allod Test");
    }
    let mut batch = BatchRequestBuilder::new();
    for _ in 0..4 {
        batch.insert("system_chain", rpc_params![]).unwrap();
    }
    let answers = client.batch_request::<Value>(batch).await.unwrap();
    assert_eq!(answers.num_failed_calls(), 4);
    let last: Value = client.request("system_chain", rpc_params![]).await.unwrap();
    assert_eq!(last, "Allod Test", "what was refused cost nothing");
    let refused = client
        .request::<Value, _>("system_chain", rpc_params![])
        .await;
    let Err(Error::Call(error)) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(error.code(), 1022);
    let data: Value = serde_json::from_str(error.data().unwrap().get()).unwrap();
    assert!(data["retryAfterMs"].as_u64().unwrap() >= 1);
    assert!(client.is_connected());
}

#[tokio::test]
async fn this_machine_is_not_limited_unless_the_operator_says_so() {
    let harness = Harness::with(ServerConfig {
        visitors: slow(1),
        ..ServerConfig::default()
    })
    .await;
    for id in 0..20 {
        let (status, _) = harness.post(&call(id).to_string()).await;
        assert_eq!(status, 200);
    }
    // Nor is it believed whom it stands for.
    assert_eq!(status(&ask(&harness, "192.0.2.1", &call(0)).await), 200);
    assert_eq!(status(&ask(&harness, "192.0.2.1", &call(0)).await), 200);
}

#[tokio::test]
async fn connections_of_an_address_are_limited() {
    let harness = Harness::with(ServerConfig {
        visitors: VisitorLimits {
            connections_max: 2,
            is_loopback_limited: true,
            ..VisitorLimits::default()
        },
        ..ServerConfig::default()
    })
    .await;
    let _two = (harness.websocket().await, harness.websocket().await);
    let (head, body) = harness
        .http_whole("POST", "/", JSON, &call(0).to_string())
        .await;
    assert!(head.starts_with("HTTP/1.1 429"), "{head}");
    assert_eq!(retry_after(&head), 1);
    assert!(body.contains("as many connections as it may"), "{body}");
    assert_eq!(harness.get("/health").await.0, 200);
    // Only so many are told; the others are closed at once.
    let mut told = Vec::new();
    for _ in 0..4 {
        told.push(TcpStream::connect(harness.server.address()).await.unwrap());
    }
    let mut closed = TcpStream::connect(harness.server.address()).await.unwrap();
    assert!(matches!(closed.read(&mut [0]).await, Ok(0) | Err(_)));
}

#[tokio::test]
async fn websockets_behind_a_proxy_are_their_clients() {
    let harness = behind_proxy(VisitorLimits {
        connections_max: 1,
        ..VisitorLimits::default()
    })
    .await;
    let url = format!("ws://{}", harness.server.address());
    let connect = |client: &str| {
        let mut headers = jsonrpsee::http_client::HeaderMap::new();
        headers.insert("x-forwarded-for", client.parse().unwrap());
        let builder = WsClientBuilder::default().set_headers(headers);
        let url = url.clone();
        async move { builder.build(url).await }
    };
    let first = connect("192.0.2.1").await.unwrap();
    let other = connect("192.0.2.2").await;
    assert!(other.is_ok());
    let refused = connect("192.0.2.1").await.unwrap_err();
    assert!(refused.to_string().contains("429"), "{refused}");
    drop(first);
    // Its place is free once the server has noticed.
    while connect("192.0.2.1").await.is_err() {
        tokio::task::yield_now().await;
    }
}
