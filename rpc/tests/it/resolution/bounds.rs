//! What a request may cost.

use allod_rpc_api::limits::RESOLUTIONS_MAX;
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
async fn more_at_a_time_than_may_be_are_turned_away_until_a_place_is_free() {
    /// Questions asked until the server has seen all that was sent to it.
    const QUESTIONS_MAX: u32 = 100_000;
    let (harness, alice) = furnished().await;
    let did = alice.did().to_string();
    let mut waiting = Vec::new();
    for _ in 0..RESOLUTIONS_MAX {
        waiting.push(stalled(&harness, &did).await);
    }
    for (expected, last) in [(503, false), (200, true)] {
        let mut questions = 0;
        let answer = loop {
            let answer = get(&harness, &did, RESULT).await;
            questions += 1;
            if answer.status == expected || questions == QUESTIONS_MAX {
                break answer;
            }
        };
        assert_eq!(answer.status, expected);
        if !last {
            assert_eq!(answer.header("retry-after"), Some("1"));
            waiting.clear();
        }
    }
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
