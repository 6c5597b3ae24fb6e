//! What a subscription asks about a block that it holds: started at once, answered by events.

use std::sync::Arc;

use allod_primitives::H256;
use allod_rpc_api::hex_bytes::to_hex;
use parity_scale_codec::Encode;
use serde_json::{Value, json};

use super::follows::{Follow, Operation};
use super::{Started, check_pinned, limit_reached};
use crate::answer::Answer;
use crate::ending::send;
use crate::substrate::blocking;
use crate::substrate::query::{Page, StorageItem};
use crate::substrate::runtime_call::{self, CallError, error_text};
use crate::view::{NodeView, StateUnavailable};

/// What is to be done.
#[derive(Debug)]
pub(super) enum Work {
    Body,
    Call {
        function: String,
        parameters: Vec<u8>,
    },
    Storage(Vec<StorageItem>),
}

type View = Arc<dyn NodeView>;

/// What a question asks: by which subscription (`None`: not one of this connection), of which
/// block.
type Asked = Answer<(Option<Arc<Follow>>, H256, Work)>;

/// Starts what is asked. Its events come after this answer.
pub(super) fn start(asked: Asked, view: &View) -> Started {
    let checked = asked.and_then(|(follow, hash, work)| {
        let Some(follow) = follow else {
            return Ok(None);
        };
        check_pinned(&follow, &hash)?;
        Ok(Some((follow, hash, work)))
    });
    let (follow, hash, mut work) = match checked {
        Ok(Some(checked)) => checked,
        Ok(None) => return Started::success(limit_reached()),
        Err(error) => return Started::error(error),
    };
    let asked = match &work {
        Work::Storage(items) => items.len(),
        Work::Body | Work::Call { .. } => 1,
    };
    let Some((operation, accepted)) = follow.begin(asked) else {
        return Started::success(limit_reached());
    };
    let mut answer = json!({ "result": "started", "operationId": operation.id });
    if let Work::Storage(items) = &mut work {
        items.truncate(accepted);
        answer["discardedItems"] = (asked - items.len()).into();
    }
    let (answer, answered) = Started::success(answer).notify_on_completion();
    let view = view.clone();
    tokio::spawn(async move {
        if answered.await.is_ok() {
            operation
                .run(|operation| work_on(operation, view, hash, work))
                .await;
        }
    });
    answer
}

async fn work_on(operation: Arc<Operation>, view: View, hash: H256, work: Work) {
    match work {
        Work::Body => {
            let found = blocking::read(move || view.block(&hash)).await.flatten();
            let event = match found {
                Some((block, _)) => {
                    let bodies = block.extrinsics.iter();
                    let value: Vec<_> = bodies.map(|body| to_hex(&body.encode())).collect();
                    json!({ "event": "operationBodyDone", "value": value })
                }
                None => json!({ "event": "operationInaccessible" }),
            };
            tell(&operation, event).await;
        }
        Work::Call {
            function,
            parameters,
        } => {
            let call = move || runtime_call::call(&*view, &function, &parameters, &hash);
            let event = match blocking::read(call).await {
                Some(Ok(output)) => {
                    json!({ "event": "operationCallDone", "output": to_hex(&output) })
                }
                Some(Err(CallError::Refused(error))) => {
                    json!({ "event": "operationError", "error": error_text(&error) })
                }
                Some(Err(CallError::Unavailable)) | None => {
                    json!({ "event": "operationInaccessible" })
                }
            };
            tell(&operation, event).await;
        }
        Work::Storage(items) => storage(&operation, &view, hash, items).await,
    }
}

/// Answers item after item; between the pages of one, the client says when it wants more.
async fn storage(operation: &Operation, view: &View, hash: H256, items: Vec<StorageItem>) {
    for item in items {
        let mut after = item.start();
        loop {
            let Some(Ok(page)) = read_page(view, hash, &item, after).await else {
                tell(operation, json!({ "event": "operationInaccessible" })).await;
                return;
            };
            if !page.items.is_empty() {
                let found = json!({ "event": "operationStorageItems", "items": page.items });
                if !tell(operation, found).await {
                    return;
                }
            }
            after = page.next;
            if after.is_none() {
                break;
            }
            operation.announce_wait();
            let waits = json!({ "event": "operationWaitingForContinue" });
            if !tell(operation, waits).await {
                return;
            }
            operation.wait().await;
        }
    }
    tell(operation, json!({ "event": "operationStorageDone" })).await;
}

async fn read_page(
    view: &View,
    hash: H256,
    item: &StorageItem,
    after: Option<Vec<u8>>,
) -> Option<Result<Page, StateUnavailable>> {
    let (view, item) = (view.clone(), item.clone());
    blocking::read(move || item.page(&*view, &hash, after.as_deref())).await
}

/// Sends an event about the operation; false if nobody listens any more.
async fn tell(operation: &Operation, mut event: Value) -> bool {
    event["operationId"] = operation.id.clone().into();
    send(&operation.follow.sink, &event).await
}
