//! What one address may ask, and who is behind a proxy.

use std::time::Duration;

use allod_rpc::{RateClock, ServerConfig, VisitorLimits};
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
async fn behind_proxy(limits: VisitorLimits, clock: &RateClock) -> Harness {
    let visitors = VisitorLimits {
        trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()],
        ..limits
    };
    let config = ServerConfig {
        visitors,
        ..ServerConfig::default()
    };
    Harness::with_clock(config, clock.clone()).await
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
    let clock = RateClock::still();
    let harness = behind_proxy(slow(3), &clock).await;
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
    assert_eq!(data["retryAfterMs"], 1000);
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
    // Who comes back when it was told to is served, once.
    clock.advance(Duration::from_millis(999));
    assert_eq!(status(&ask(&harness, "192.0.2.1", &call(6)).await), 429);
    clock.advance(Duration::from_millis(1));
    assert_eq!(status(&ask(&harness, "192.0.2.1", &call(7)).await), 200);
    assert_eq!(status(&ask(&harness, "192.0.2.1", &call(8)).await), 429);
}

#[tokio::test]
async fn a_batch_costs_its_calls_and_is_refused_whole() {
    let clock = RateClock::still();
    let harness = behind_proxy(slow(10), &clock).await;
    let batch = |count| Value::Array((0..count).map(call).collect());
    assert_eq!(status(&ask(&harness, "192.0.2.1", &batch(8)).await), 200);
    let refused = ask(&harness, "192.0.2.1", &batch(8)).await;
    assert_eq!(status(&refused), 429);
    assert_eq!(retry_after(&refused.0), 6);
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
    let config = ServerConfig {
        visitors: VisitorLimits {
            is_loopback_limited: true,
            ..slow(4)
        },
        ..ServerConfig::default()
    };
    let clock = RateClock::still();
    let harness = Harness::with_clock(config, clock.clone()).await;
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
    assert_eq!(data["retryAfterMs"], 1000);
    assert!(client.is_connected());
    clock.advance(Duration::from_secs(1));
    let rested: Value = client.request("system_chain", rpc_params![]).await.unwrap();
    assert_eq!(rested, "Allod Test");
}

/// Method: a proxy that stands for one client after another, each of a /64 of its own.
#[tokio::test]
async fn who_has_many_networks_is_limited_as_a_whole() {
    let clock = RateClock::still();
    let harness = behind_proxy(slow(2), &clock).await;
    let mut served = 0;
    for n in 0..40 {
        let client = format!("2001:db8:7:{n:x}::1");
        match status(&ask(&harness, &client, &call(n)).await) {
            200 => served += 1,
            other => assert_eq!(other, 429),
        }
    }
    assert_eq!(served, 16 * 2);
    let other = ask(&harness, "2001:db8:8::1", &call(0)).await;
    assert_eq!(status(&other), 200, "another /48");
}

#[tokio::test]
async fn preflights_of_browsers_are_paid_for() {
    let clock = RateClock::still();
    let harness = behind_proxy(slow(3), &clock).await;
    let preflight = "origin: https://wallet.example\r\naccess-control-request-method: POST\r\n\
                     x-forwarded-for: 192.0.2.1\r\n";
    for _ in 0..3 {
        let (head, _) = harness.http_whole("OPTIONS", "/", preflight, "").await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let head = head.to_ascii_lowercase();
        assert!(head.contains("access-control-max-age: 3600"), "{head}");
    }
    let (head, _) = harness.http_whole("OPTIONS", "/", preflight, "").await;
    assert!(head.starts_with("HTTP/1.1 429"), "{head}");
    assert_eq!(retry_after(&head), 1);
    assert_eq!(status(&ask(&harness, "192.0.2.1", &call(0)).await), 429);
    assert_eq!(status(&ask(&harness, "192.0.2.2", &call(0)).await), 200);
}

#[tokio::test]
async fn the_refusal_of_a_batch_is_no_larger_than_an_answer_may_be() {
    let config = ServerConfig {
        visitors: VisitorLimits {
            is_loopback_limited: true,
            ..slow(2)
        },
        response_bytes_max: 4096,
        ..ServerConfig::default()
    };
    let harness = Harness::with_clock(config, RateClock::still()).await;
    let long = "x".repeat(10_000);
    let call = json!({"jsonrpc": "2.0", "id": long, "method": "system_chain"});
    let batch = Value::Array(vec![call; 60]).to_string();
    assert_eq!(harness.get("/1.0/identifiers/x").await.0, 400);
    let (head, body) = harness.http_whole("POST", "/", JSON, &batch).await;
    assert!(head.starts_with("HTTP/1.1 429"), "{head}");
    assert!(body.len() <= 4096, "{} bytes", body.len());
    let error: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(error["error"]["code"], -32011, "{error}");
}

#[tokio::test]
async fn this_machine_is_not_limited_unless_the_operator_says_so() {
    let config = ServerConfig {
        visitors: slow(1),
        ..ServerConfig::default()
    };
    let harness = Harness::with_clock(config, RateClock::still()).await;
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
    let limits = VisitorLimits {
        connections_max: 1,
        ..VisitorLimits::default()
    };
    let harness = behind_proxy(limits, &RateClock::default()).await;
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
