//! The metrics of a live node.

use std::time::Duration;

use allod_tests::devnet::Devnet;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;

use crate::exposition::{Exposition, as_prometheus, is_ours};
use crate::tools::judged;

/// Asks a node by plain HTTP; returns the body of its answer.
pub(crate) async fn http(url: &str, request: &str) -> String {
    let address = url.strip_prefix("http://").unwrap();
    let asking = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let answer = tokio::time::timeout(Duration::from_secs(30), asking)
        .await
        .unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(!head.to_lowercase().contains("chunked"), "{head}");
    body.to_owned()
}

/// Returns `/metrics` of a node of two validators that has answered some calls; of one network for
/// all tests.
pub(crate) async fn live_metrics() -> &'static str {
    static TEXT: OnceCell<String> = OnceCell::const_new();
    TEXT.get_or_init(ask_for_metrics).await
}

async fn ask_for_metrics() -> String {
    let net = Devnet::start(2, &[]).await.unwrap();
    let url = net.text("/nodes/0/rpc").unwrap();
    let batch = json!([
        { "jsonrpc": "2.0", "id": 1, "method": "system_chain" },
        { "jsonrpc": "2.0", "id": 2, "method": "chain_getHeader", "params": ["nonsense"] },
        { "jsonrpc": "2.0", "id": 3, "method": "no_such_method" },
    ]);
    let body = batch.to_string();
    let head = "POST / HTTP/1.1\r\nhost: node\r\nconnection: close\r\n\
                content-type: application/json\r\n";
    let length = body.len();
    http(
        url,
        &format!("{head}content-length: {length}\r\n\r\n{body}"),
    )
    .await;
    http(
        url,
        "GET /metrics HTTP/1.1\r\nhost: node\r\nconnection: close\r\n\r\n",
    )
    .await
}

/// Goal: names that every operator of Prometheus knows, and figures that are true. Method: a real
/// network's `/metrics`, our own lint, and `promtool` where there is one.
#[tokio::test]
async fn the_metrics_of_a_live_node_follow_the_conventions() {
    let text = live_metrics().await;
    let exposition = Exposition::parse(text);
    assert!(
        exposition.complaints.is_empty(),
        "{:#?}",
        exposition.complaints
    );
    let ours = exposition.metrics.keys().filter(|name| is_ours(name));
    assert!(ours.count() >= 40, "{text}");
    for sample in [
        "allod_rpc_calls_total{class=\"system\",outcome=\"ok\"}",
        "allod_rpc_calls_total{class=\"chain\",outcome=\"error\"} 1",
        "allod_rpc_calls_total{class=\"unknown\",outcome=\"error\"} 1",
        "allod_rpc_refused_total{reason=\"rate\"} 0",
        "allod_mempool_rejections_total{reason=\"full\"} 0",
        "allod_validators_connected 2",
        "allod_quorum_connected 1",
    ] {
        assert!(text.contains(sample), "{sample}\n{text}");
    }
    let prometheus = as_prometheus(text, is_ours);
    if let Some((content, said)) = judged("promtool", &["check", "metrics"], &prometheus) {
        assert!(content, "{said}\n{prometheus}");
    }
}
