//! Work that waits for the disk takes so many threads and no more: consensus needs some of the same
//! runtime's.

use std::time::{Duration, Instant};

use allod_rpc_api::limits::{
    LONG_READ_WAIT_MS_MAX, LONG_READS_MAX, METRICS_MAX, METRICS_WAIT_MS_MAX,
};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use serde_json::json;

use crate::node::Gate;
use crate::wire::Harness;

/// How long an answer may take that is to come soon.
const SOON: Duration = Duration::from_secs(20);

/// A shut gate, which opens when the test ends, however it does: a runtime waits for its threads.
struct Shut<'g>(&'g Gate);

impl<'g> Shut<'g> {
    fn new(gate: &'g Gate) -> Self {
        gate.shut();
        Self(gate)
    }
}

impl Drop for Shut<'_> {
    fn drop(&mut self) {
        self.0.open();
    }
}

/// Goal: a disk that stands still takes a bounded number of threads, and who finds none is told so
/// in time. Method: as many histories as may are read stand before a shut gate, and another comes.
#[tokio::test]
async fn long_reads_take_so_many_threads_and_another_one_is_told_to_come_back() {
    let harness = Harness::start().await;
    let alice = harness.person(1);
    harness.incept(&alice).await;
    let request = json!({"did": alice.did().to_string()});
    let read = || harness.call("identity_history", request.clone());
    let gate = Shut::new(&harness.node.values);
    let mut all: FuturesUnordered<_> = (0..LONG_READS_MAX).map(|_| read()).collect();
    let gathered = harness.node.values.gathers(LONG_READS_MAX);
    tokio::select! {
        () = gathered => {}
        _ = all.next() => panic!("the gate is shut"),
    }
    let began = Instant::now();
    let another = tokio::time::timeout(SOON, harness.refused("identity_history", request.clone()));
    let busy = another.await.expect("it is answered, whoever reads");
    assert_eq!(busy, (1007, "request.busy".to_owned()));
    assert!(began.elapsed() >= Duration::from_millis(LONG_READ_WAIT_MS_MAX));
    // What needs no thread is served, and so is whoever watches the node.
    let chain = harness.call("system_chain", json!([])).await;
    assert_eq!(chain, Ok(json!("Allod Test")));
    assert_eq!(harness.get("/metrics").await.0, 200);
    // Who waits is served once there is a thread again.
    let patient = read();
    let opened = async {
        drop(gate);
        while let Some(answer) = all.next().await {
            assert!(answer.is_ok(), "{answer:?}");
        }
    };
    let (patient, ()) = tokio::join!(patient, opened);
    assert!(patient.is_ok(), "{patient:?}");
}

/// Goal: metrics that take their time take few threads, however many ask. Method: as many as may be
/// written stand before a shut gate, and another one is asked for.
#[tokio::test]
async fn metrics_are_written_few_at_a_time() {
    let harness = Harness::start().await;
    let gate = Shut::new(&harness.node.metrics);
    let mut all: FuturesUnordered<_> = (0..METRICS_MAX).map(|_| harness.get("/metrics")).collect();
    tokio::select! {
        () = harness.node.metrics.gathers(METRICS_MAX) => {}
        _ = all.next() => panic!("the gate is shut"),
    }
    let began = Instant::now();
    let another = tokio::time::timeout(SOON, harness.http_whole("GET", "/metrics", "", ""));
    let (head, _) = another
        .await
        .expect("it is answered, whatever the disk does");
    assert!(head.starts_with("HTTP/1.1 503"), "{head}");
    assert!(
        head.to_ascii_lowercase().contains("\r\nretry-after: 1\r\n"),
        "{head}"
    );
    assert!(began.elapsed() >= Duration::from_millis(METRICS_WAIT_MS_MAX));
    assert_eq!(harness.get("/health").await.0, 200);
    drop(gate);
    while let Some((status, _)) = all.next().await {
        assert_eq!(status, 200);
    }
    assert_eq!(harness.get("/metrics").await.0, 200);
}
