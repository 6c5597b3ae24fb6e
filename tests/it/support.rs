//! What the scenarios share.

use std::future::Future;
use std::time::Duration;

use allod_identity_client::rpc::Client;
use allod_primitives::operation::SignedOperation;
use allod_rpc_api::submit::{SubmitItem, SubmitOutcome, SubmitStatus, Wait};
use allod_tests::people::Account;
use tokio::time::Instant;

/// Asks again and again until `question` has an answer; fails after `limit`, naming `what`.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(
    what: &str,
    limit: Duration,
    mut question: impl FnMut() -> F,
) -> T {
    let deadline = Instant::now() + limit;
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    loop {
        tick.tick().await;
        if let Some(answer) = question().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "not within {limit:?}: {what}");
    }
}

/// Returns the newest finalized height of a node, if it answers.
pub(crate) async fn height(client: &Client) -> Option<u64> {
    client.context().await.ok().map(|context| context.height)
}

/// Waits until a node is beyond `beyond`.
pub(crate) async fn wait_height(client: &Client, beyond: u64, limit: Duration) -> u64 {
    until("a node reaches a height", limit, || async {
        height(client).await.filter(|h| *h > beyond)
    })
    .await
}

/// Submits `items` and waits for finality; every one must take effect.
pub(crate) async fn submit_all(client: &Client, items: Vec<SubmitItem>) -> Vec<SubmitOutcome> {
    let outcomes = client
        .submit(items, Wait::Finalized, Some(60_000))
        .await
        .unwrap();
    for outcome in &outcomes {
        assert_eq!(outcome.status, SubmitStatus::Finalized, "{outcome:?}");
        assert!(outcome.item_errors.is_empty(), "{outcome:?}");
    }
    outcomes
}

/// Submits operations in batches of `size`, `calls` extrinsics a request.
pub(crate) async fn submit_batches(
    client: &Client,
    account: &mut Account,
    operations: &[SignedOperation],
    size: usize,
) {
    let items: Vec<SubmitItem> = operations.chunks(size).map(|c| account.batch(c)).collect();
    for chunk in items.chunks(8) {
        submit_all(client, chunk.to_vec()).await;
    }
}
