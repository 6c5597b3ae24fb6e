//! What a request may cost.

use allod_rpc_api::limits::{
    RESOLUTION_BODIES_MAX, RESOLUTIONS_MAX, VERSION_REPLAYS_MAX, VERSION_REPLAYS_WAITING_MAX,
};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{RESULT, ask, furnished, get};
use crate::wire::Harness;

#[tokio::test]
async fn requests_are_bounded_before_they_are_read() {
    let (harness, alice) = furnished().await;
    let did = alice.did().to_string();
    let problem = Some("application/problem+json");
    for method in ["PUT", "DELETE", "PATCH"] {
        let answer = ask(&harness, method, &did, RESULT, "").await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (405, problem)
        );
        assert_eq!(answer.header("allow"), Some("GET, HEAD, POST"));
    }
    let long = get(&harness, &"a".repeat(9000), RESULT).await;
    assert_eq!((long.status, long.header("content-type")), (414, problem));
    let query = format!("{did}?versionId={}", "a".repeat(9000));
    assert_eq!(get(&harness, &query, RESULT).await.status, 414);
    let big = format!("{{\"versionId\": \"{}\"}}", "a".repeat(20_000));
    assert_eq!(ask(&harness, "POST", &did, RESULT, &big).await.status, 413);
    for body in [
        "[]",
        "{\"versionId\": 1}",
        "{\"a\": {}}",
        "x",
        "{\"noCache\":true,",
    ] {
        let answer = ask(&harness, "POST", &did, RESULT, body).await;
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (400, "INVALID_OPTIONS"),
            "{body}"
        );
    }
    let twice = r#"{"noCache": true, "noCache": true}"#;
    let answer = ask(&harness, "POST", &did, RESULT, twice).await;
    assert_eq!(
        (answer.status, answer.error().as_str()),
        (400, "INVALID_DID_URL")
    );
    let many = "noCache=true&".repeat(17);
    let answer = get(&harness, &format!("{did}?{many}"), RESULT).await;
    assert_eq!(
        (answer.status, answer.error().as_str()),
        (400, "INVALID_OPTIONS")
    );
    let (status, _) = harness.http("GET", "/1.0/identifiersx", "", "").await;
    assert_eq!(status, 405, "not a path of the binding");
}

/// A POST of which the body never comes.
async fn stalled(harness: &Harness, did: &str) -> TcpStream {
    let head = format!(
        "POST /1.0/identifiers/{did} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\n\r\n"
    );
    let mut stream = TcpStream::connect(harness.server.address()).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn bodies_that_do_not_come_keep_nobody_else_from_an_answer() {
    /// Questions asked until the server has seen all that was sent to it.
    const QUESTIONS_MAX: u32 = 100_000;
    let (harness, alice) = furnished().await;
    let did = alice.did().to_string();
    let mut waiting = Vec::new();
    for _ in 0..RESOLUTION_BODIES_MAX {
        waiting.push(stalled(&harness, &did).await);
    }
    for (expected, last) in [(503, false), (200, true)] {
        let mut questions = 0;
        let answer = loop {
            let answer = ask(&harness, "POST", &did, RESULT, "{}").await;
            questions += 1;
            if answer.status == expected || questions == QUESTIONS_MAX {
                break answer;
            }
        };
        assert_eq!(answer.status, expected);
        if !last {
            assert_eq!(answer.header("retry-after"), Some("1"));
            for _ in 0..RESOLUTIONS_MAX {
                assert_eq!(get(&harness, &did, RESULT).await.status, 200);
            }
            waiting.clear();
        }
    }
}

/// Sends a request whose answer is read later.
async fn asked(harness: &Harness, path: &str) -> TcpStream {
    let head = format!(
        "GET /1.0/identifiers/{path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    );
    let mut stream = TcpStream::connect(harness.server.address()).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

async fn status(mut stream: TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text.split(' ').nth(1).unwrap().to_owned()
}

#[tokio::test]
async fn more_at_a_time_than_may_be_are_turned_away_until_a_place_is_free() {
    let (harness, alice) = furnished().await;
    let did = alice.did().to_string();
    harness.node.values.shut();
    let mut all = Vec::new();
    for _ in 0..RESOLUTIONS_MAX {
        all.push(asked(&harness, &did).await);
    }
    harness.node.values.gathers(RESOLUTIONS_MAX).await;
    let answer = get(&harness, &did, RESULT).await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json")
    );
    harness.node.values.open();
    for stream in all {
        assert_eq!(status(stream).await, "200");
    }
    assert_eq!(get(&harness, &did, RESULT).await.status, 200);
}

// The clock stands still while versions are rebuilt: nobody in line runs out of patience.
#[tokio::test(start_paused = true)]
async fn versions_are_rebuilt_only_so_many_at_a_time() {
    let (harness, alice) = furnished().await;
    let newest = get(&harness, &alice.did().to_string(), RESULT).await.json();
    let created = newest["didDocumentMetadata"]["created"].as_str().unwrap();
    let path = format!("{}?versionTime={created}", alice.did());
    harness.node.prune_below(2);
    harness.node.histories.shut();
    let mut all = Vec::new();
    for _ in 0..VERSION_REPLAYS_MAX {
        all.push(asked(&harness, &path).await);
    }
    harness.node.histories.gathers(VERSION_REPLAYS_MAX).await;
    // The rest waits in line; who is not let into it is told so, however long the line is.
    let mut line: FuturesUnordered<_> = (0..=VERSION_REPLAYS_WAITING_MAX)
        .map(|_| get(&harness, &path, RESULT))
        .collect();
    let refused = line.next().await.unwrap();
    assert_eq!(refused.status, 503);
    assert_eq!(refused.header("retry-after"), Some("1"));
    let request = json!({"did": alice.did().to_string(), "versionTime": created});
    let busy = harness.refused("identity_resolve", request.clone()).await;
    assert_eq!(
        busy,
        (1007, "request.busy".to_owned()),
        "the line is one for all"
    );
    // Never more than two are at it, and whoever asks for the newest does not wait for them.
    harness.node.histories.gathers(VERSION_REPLAYS_MAX).await;
    assert_eq!(
        get(&harness, &alice.did().to_string(), RESULT).await.status,
        200
    );
    harness.node.histories.open();
    for stream in all {
        assert_eq!(status(stream).await, "200");
    }
    while let Some(answer) = line.next().await {
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    assert!(harness.call("identity_resolve", request).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let (harness, alice) = furnished().await;
    let mut stream = stalled(&harness, &alice.did().to_string()).await;
    // The clock stands still but for waiting: the answer comes when the server's patience ends.
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
}
