//! What a subscription is told: the newest blocks, then every one that follows.

use std::sync::Arc;

use allod_primitives::{H256, Header};
use allod_rpc_api::hex_bytes::to_hex;
use allod_runtime::frame::wire::RuntimeVersion;
use jsonrpsee::server::PendingSubscriptionSink;
use jsonrpsee::types::{Params, SubscriptionId};
use serde_json::{Map, Value, json};

use super::follows::{Follow, Follows};
use super::{TOO_MANY_FOLLOWS, error, hash_text};
use crate::ending::send;
use crate::substrate::heads::Heads;
use crate::substrate::json::Arguments;
use crate::view::NodeView;

/// Blocks the first message lists at most …
const FIRST_BLOCKS_MAX: usize = 32;
/// … and how far back they reach, ms.
const FIRST_BLOCKS_MS: u64 = 60_000;

/// Serves one `chainHead_v1_follow`.
pub(super) async fn run(
    params: Params<'static>,
    pending: PendingSubscriptionSink,
    view: Arc<Arc<dyn NodeView>>,
    follows: Arc<Follows>,
) {
    let with_runtime: bool = match Arguments::new(&params).next() {
        Ok(asked) => asked,
        Err(error) => return pending.reject(error).await,
    };
    let Some(mut place) = follows.reserve(pending.connection_id()) else {
        let message = "the connection has as many of these subscriptions as it may";
        return pending.reject(error(TOO_MANY_FOLLOWS, message)).await;
    };
    let mut heads = Heads::new(&**view);
    let Ok(sink) = pending.accept().await else {
        return;
    };
    let id = match sink.subscription_id() {
        SubscriptionId::Str(id) => id.into_owned(),
        SubscriptionId::Num(id) => id.to_string(),
    };
    let follow = place.open(id, sink, with_runtime);
    let Some(first) = heads
        .next(&follow.sink)
        .await
        .and_then(|it| it.into_iter().next_back())
    else {
        return;
    };
    let Some(mut told) = initialize(&**view, &follow, first).await else {
        return;
    };
    while let Some(headers) = heads.next(&follow.sink).await {
        if !announce(&**view, &follow, &mut told, headers).await {
            return;
        }
    }
}

/// What the client was told last.
struct Told {
    block: H256,
    runtime: Option<RuntimeVersion>,
}

/// Sends the first message; `None` if nobody listens any more.
async fn initialize(view: &dyn NodeView, follow: &Follow, newest: Header) -> Option<Told> {
    let block = newest.hash();
    let mut hashes = Vec::new();
    let mut header = newest.clone();
    while hashes.len() < FIRST_BLOCKS_MAX {
        let hash = header.hash();
        hashes.push(hash);
        let parent = view.header(&header.parent_hash);
        let Some(parent) = parent.filter(|parent| {
            newest.digest.time.0.saturating_sub(parent.digest.time.0) <= FIRST_BLOCKS_MS
        }) else {
            break;
        };
        header = parent;
    }
    hashes.reverse();
    for hash in &hashes {
        let height = view.header(hash)?.number;
        follow.pin(*hash, height);
    }
    let runtime = runtime_of(view, follow, &block);
    let hashes: Vec<String> = hashes.iter().map(hash_text).collect();
    let mut event = Map::new();
    event.insert("event".into(), "initialized".into());
    event.insert("finalizedBlockHashes".into(), hashes.into());
    if follow.with_runtime {
        let spec = runtime.as_ref().map_or_else(unknown_runtime, spec);
        event.insert("finalizedBlockRuntime".into(), spec);
    }
    let is_told = send(&follow.sink, &event).await;
    is_told.then_some(Told { block, runtime })
}

/// Tells of new blocks; false at the end of the subscription.
async fn announce(
    view: &dyn NodeView,
    follow: &Follow,
    told: &mut Told,
    headers: Vec<Header>,
) -> bool {
    let mut hashes = Vec::new();
    for header in headers {
        let hash = header.hash();
        // Too far behind to be told of every block, or holding too many: the client begins anew.
        if header.parent_hash != told.block || !follow.pin(hash, header.number) {
            send(&follow.sink, &json!({ "event": "stop" })).await;
            return false;
        }
        let runtime = runtime_of(view, follow, &hash);
        let mut event = Map::new();
        event.insert("event".into(), "newBlock".into());
        event.insert("blockHash".into(), hash_text(&hash).into());
        event.insert("parentBlockHash".into(), hash_text(&told.block).into());
        if follow.with_runtime {
            let is_new = runtime.is_some() && runtime != told.runtime;
            let changed = runtime.as_ref().filter(|_| is_new);
            event.insert("newRuntime".into(), changed.map_or(Value::Null, spec));
        }
        if !send(&follow.sink, &event).await {
            return false;
        }
        told.block = hash;
        told.runtime = runtime.or(told.runtime.take());
        hashes.push(hash_text(&hash));
    }
    let best = json!({ "event": "bestBlockChanged", "bestBlockHash": hash_text(&told.block) });
    let last = json!({
        "event": "finalized",
        "finalizedBlockHashes": hashes,
        "prunedBlockHashes": [],
    });
    send(&follow.sink, &best).await && send(&follow.sink, &last).await
}

fn runtime_of(view: &dyn NodeView, follow: &Follow, block: &H256) -> Option<RuntimeVersion> {
    match follow.with_runtime {
        true => view.runtime_version(block).ok(),
        false => None,
    }
}

fn unknown_runtime() -> Value {
    json!({ "type": "invalid", "error": "the block's runtime is not known here" })
}

fn spec(version: &RuntimeVersion) -> Value {
    let apis = version.apis.iter();
    let apis: Map<String, Value> = apis
        .map(|(id, version)| (to_hex(id), Value::from(*version)))
        .collect();
    json!({
        "type": "valid",
        "spec": {
            "specName": version.spec_name,
            "implName": version.impl_name,
            "specVersion": version.spec_version,
            "implVersion": version.impl_version,
            "transactionVersion": version.transaction_version,
            "apis": apis,
        },
    })
}
