//! `archive_v1_*`: blocks and states of any age. Only a node that keeps them all offers it.
//!
//! Source: spec/substrate.md §5.

use std::collections::BTreeSet;
use std::sync::Arc;

use allod_primitives::hash::blake2_256;
use allod_primitives::{H256, Height};
use allod_rpc_api::hex_bytes::{HexBytes, to_hex};
use allod_rpc_api::{ErrorCode, HexHash};
use jsonrpsee::server::{PendingSubscriptionSink, RegisterMethodError, SubscriptionSink};
use jsonrpsee::types::{ErrorObjectOwned, Params};
use parity_scale_codec::Encode;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::json::Arguments;
use super::query::StorageItem;
use super::runtime_call::{self, CallError, error_text};
use super::{blocking, state};
use crate::answer::{Answer, failed, invalid_params};
use crate::connection::{Connection, Place};
use crate::ending::send;
use crate::ending::subscribed;
use crate::methods::Module;
use crate::view::{NodeView, StateUnavailable};

/// Items of one question.
const ITEMS_MAX: usize = 1024;
/// Blocks between the two states of a difference.
const DIFF_BLOCKS_MAX: u64 = 1024;
/// Keys that may have changed between them; they are kept until the last is told of.
const DIFF_KEYS_MAX: usize = 65_536;
/// Items of one question about a difference: each makes an event of every key that it covers.
const DIFF_ITEMS_MAX: usize = 16;
/// Bytes of values after which a page of events is sent.
const DIFF_PAGE_BYTES: usize = 1024 * 1024;
/// Questions of this family under way, for all clients; the server has a smaller number for each.
const QUESTIONS_MAX: usize = 32;
const UNAVAILABLE: &str = "the state of that block is not available";

pub(super) fn register(module: &mut Module) -> Result<(), RegisterMethodError> {
    let places = Arc::new(Semaphore::new(QUESTIONS_MAX));
    module.register_method("archive_v1_finalizedHeight", |_, view, _| {
        view.head().height().0
    })?;
    module.register_method("archive_v1_genesisHash", |_, view, _| {
        let genesis = view.hash_of(Height(0));
        let genesis = genesis.ok_or_else(|| failed(ErrorCode::Internal))?;
        Answer::Ok(genesis.to_string())
    })?;
    module.register_method("archive_v1_hashByHeight", |params, view, _| {
        let height: u64 = Arguments::new(&params).next()?;
        let found = view.hash_of(Height(height));
        Answer::Ok(Vec::from_iter(found.map(|hash| hash.to_string())))
    })?;
    module.register_method("archive_v1_header", |params, view, _| {
        let hash: HexHash = Arguments::new(&params).next()?;
        Answer::Ok(view.header(&hash.0).map(|header| HexBytes(header.encode())))
    })?;
    module.register_blocking_method("archive_v1_body", |params, view, _| {
        let hash: HexHash = Arguments::new(&params).next()?;
        let bodies = view.block(&hash.0).map(|(block, _)| {
            let extrinsics = block.extrinsics.iter();
            Vec::from_iter(extrinsics.map(|body| HexBytes(body.encode())))
        });
        Answer::Ok(bodies)
    })?;
    module.register_blocking_method("archive_v1_call", |params, view, _| {
        let mut arguments = Arguments::new(&params);
        let hash: HexHash = arguments.next()?;
        let function: String = arguments.next()?;
        let parameters: HexBytes = arguments.next()?;
        Answer::Ok(call(&**view, &hash.0, &function, &parameters.0))
    })?;
    module.register_subscription(
        "archive_v1_storage",
        "archive_v1_storageEvent",
        "archive_v1_stopStorage",
        {
            let places = places.clone();
            move |params, pending, view, extensions| {
                let place = Place::take(&places, &Connection::of(&extensions).archives);
                subscribed(&extensions, storage(params, pending, view, place))
            }
        },
    )?;
    module.register_subscription(
        "archive_v1_storageDiff",
        "archive_v1_storageDiffEvent",
        "archive_v1_stopStorageDiff",
        move |params, pending, view, extensions| {
            let place = Place::take(&places, &Connection::of(&extensions).archives);
            subscribed(&extensions, difference(params, pending, view, place))
        },
    )?;
    Ok(())
}

fn call(view: &dyn NodeView, hash: &H256, function: &str, parameters: &[u8]) -> Value {
    if view.header(hash).is_none() {
        return Value::Null;
    }
    match runtime_call::call(view, function, parameters, hash) {
        Ok(value) => json!({ "success": true, "value": to_hex(&value) }),
        Err(CallError::Refused(error)) => json!({ "success": false, "error": error_text(&error) }),
        Err(CallError::Unavailable) => json!({ "success": false, "error": UNAVAILABLE }),
    }
}

/// Sends everything that is asked of one state.
async fn storage(
    params: Params<'static>,
    pending: PendingSubscriptionSink,
    view: Arc<Arc<dyn NodeView>>,
    place: Option<Place>,
) {
    let Some(_place) = place else {
        return pending.reject(busy()).await;
    };
    let (hash, items) = match storage_asked(&params) {
        Ok(asked) => asked,
        Err(error) => return pending.reject(error).await,
    };
    let Ok(sink) = pending.accept().await else {
        return;
    };
    for item in items {
        let mut after = item.start();
        loop {
            let (view, asked) = (view.clone(), item.clone());
            let page = move || asked.page(&**view, &hash, after.as_deref());
            let Some(Ok(page)) = blocking::read(page).await else {
                send(
                    &sink,
                    &json!({ "event": "storageError", "error": UNAVAILABLE }),
                )
                .await;
                return;
            };
            for mut found in page.items {
                found["event"] = "storage".into();
                if !send(&sink, &found).await {
                    return;
                }
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    send(&sink, &json!({ "event": "storageDone" })).await;
}

fn busy() -> ErrorObjectOwned {
    failed(ErrorCode::Busy.with("as many questions about states as may are under way"))
}

fn storage_asked(params: &Params<'_>) -> Answer<(H256, Vec<StorageItem>)> {
    let mut arguments = Arguments::new(params);
    let hash: HexHash = arguments.next()?;
    let items: Vec<StorageItem> = arguments.next()?;
    let child: Option<HexBytes> = arguments.optional()?;
    if items.len() > ITEMS_MAX {
        return Err(failed(ErrorCode::TooManyKeys));
    }
    if let Some(fault) = items.iter().find_map(StorageItem::fault) {
        return Err(invalid_params(fault));
    }
    // There are no child tries: nothing is found in one.
    Ok((hash.0, if child.is_some() { Vec::new() } else { items }))
}

/// What of a difference is asked.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DiffItem {
    /// What keys begin with.
    #[serde(default)]
    key: HexBytes,
    /// What is told of a key that changed.
    return_type: ReturnType,
    /// There are no child tries: nothing is found in one.
    #[serde(default)]
    child_trie_key: Option<HexBytes>,
}

impl DiffItem {
    /// Whether changes of `key` are asked for.
    fn covers(&self, key: &[u8]) -> bool {
        self.child_trie_key.is_none() && key.starts_with(&self.key.0)
    }
}

/// What is told of a key that changed.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[schemars(rename = "DiffReturnType")]
#[serde(rename_all = "camelCase")]
enum ReturnType {
    Value,
    Hash,
}

/// Two blocks, and which keys are compared.
#[derive(Clone, Debug)]
struct Difference {
    from: H256,
    to: H256,
    items: Vec<DiffItem>,
}

/// Sends what changed between two states.
async fn difference(
    params: Params<'static>,
    pending: PendingSubscriptionSink,
    view: Arc<Arc<dyn NodeView>>,
    place: Option<Place>,
) {
    let Some(_place) = place else {
        return pending.reject(busy()).await;
    };
    let asked = match difference_asked(&params, &**view) {
        Ok(asked) => asked,
        Err(error) => return pending.reject(error).await,
    };
    let Ok(sink) = pending.accept().await else {
        return;
    };
    let event = match send_difference(&sink, view, asked).await {
        Sent::All => json!({ "event": "storageDiffDone" }),
        Sent::Failed(error) => json!({ "event": "storageDiffError", "error": error }),
        Sent::Unheard => return,
    };
    send(&sink, &event).await;
}

enum Sent {
    All,
    Failed(&'static str),
    Unheard,
}

async fn send_difference(
    sink: &SubscriptionSink,
    view: Arc<Arc<dyn NodeView>>,
    asked: Difference,
) -> Sent {
    let asked = Arc::new(asked);
    let keys = {
        let (view, asked) = (view.clone(), asked.clone());
        blocking::read(move || changed_between(&**view, &asked)).await
    };
    let keys = match keys {
        Some(Ok(keys)) => keys,
        Some(Err(error)) => return Sent::Failed(error),
        None => return Sent::Failed(UNAVAILABLE),
    };
    let keys = Arc::new(keys);
    let mut next = 0;
    while next < keys.len() {
        let (view, asked, keys) = (view.clone(), asked.clone(), keys.clone());
        let Some(Ok((events, end))) =
            blocking::read(move || page(&**view, &asked, &keys, next)).await
        else {
            return Sent::Failed(UNAVAILABLE);
        };
        for event in events {
            if !send(sink, &event).await {
                return Sent::Unheard;
            }
        }
        next = end;
    }
    Sent::All
}

fn difference_asked(params: &Params<'_>, view: &dyn NodeView) -> Answer<Difference> {
    let mut arguments = Arguments::new(params);
    let to: HexHash = arguments.next()?;
    let items: Option<Vec<DiffItem>> = arguments.optional()?;
    let from: Option<HexHash> = arguments.optional()?;
    let items = items.unwrap_or_else(|| {
        vec![DiffItem {
            key: HexBytes::default(),
            return_type: ReturnType::Value,
            child_trie_key: None,
        }]
    });
    if items.len() > DIFF_ITEMS_MAX {
        return Err(failed(ErrorCode::TooManyKeys));
    }
    let header = view.header(&to.0);
    let header = header.ok_or_else(|| failed(ErrorCode::BlockNotFound.with(to.0)))?;
    let from = from.map_or(header.parent_hash, |from| from.0);
    Ok(Difference {
        from,
        to: to.0,
        items,
    })
}

/// Returns the keys that blocks after `from` up to `to` changed, ascending.
fn changed_between(view: &dyn NodeView, asked: &Difference) -> Result<Vec<Vec<u8>>, &'static str> {
    let height = |hash: &H256| view.header(hash).map(|header| header.number.0);
    let (Some(from), Some(to)) = (height(&asked.from), height(&asked.to)) else {
        return Err("the block to compare with is not known here");
    };
    if from > to {
        return Err("previousHash is no ancestor of hash");
    }
    if to - from > DIFF_BLOCKS_MAX {
        return Err("the two blocks are more than 1024 apart");
    }
    let mut keys = BTreeSet::new();
    for height in from + 1..=to {
        let hash = view.hash_of(Height(height)).ok_or(UNAVAILABLE)?;
        let changed = view.changed_keys(&hash).map_err(|_| UNAVAILABLE)?;
        let covered = |key: &Vec<u8>| asked.items.iter().any(|item| item.covers(key));
        keys.extend(changed.into_iter().filter(covered));
        if keys.len() > DIFF_KEYS_MAX {
            return Err("more than 65536 keys changed: compare blocks that are less far apart");
        }
    }
    Ok(keys.into_iter().collect())
}

/// Returns the events of the keys from `first` on, up to a page, and where the next one begins.
fn page(
    view: &dyn NodeView,
    asked: &Difference,
    keys: &[Vec<u8>],
    first: usize,
) -> Result<(Vec<Value>, usize), StateUnavailable> {
    let (mut found, mut bytes, mut next) = (Vec::new(), 0, first);
    for key in keys.iter().skip(first) {
        for event in events(view, asked, key)? {
            bytes += key.len() + event["value"].as_str().map_or(0, str::len);
            found.push(event);
        }
        next += 1;
        if bytes >= DIFF_PAGE_BYTES {
            break;
        }
    }
    Ok((found, next))
}

/// Returns what is to be told of one key, once for each item that it belongs to.
fn events(
    view: &dyn NodeView,
    asked: &Difference,
    key: &[u8],
) -> Result<Vec<Value>, StateUnavailable> {
    let items = asked.items.iter();
    let items = items.filter(|it| it.covers(key));
    let before = state::stored(view, &asked.from, key)?;
    let after = state::stored(view, &asked.to, key)?;
    let kind = match (&before, &after) {
        // Changed, and back again.
        _ if before == after => return Ok(Vec::new()),
        (None, _) => "added",
        (Some(_), Some(_)) => "modified",
        (Some(_), None) => "deleted",
    };
    let event = |item: &DiffItem| {
        let mut event = json!({ "event": "storageDiff", "key": to_hex(key), "type": kind });
        match (&after, item.return_type) {
            (Some(value), ReturnType::Value) => event["value"] = to_hex(value).into(),
            (Some(value), ReturnType::Hash) => event["hash"] = to_hex(&blake2_256(value).0).into(),
            (None, _) => {}
        }
        event
    };
    Ok(items.map(event).collect())
}
