//! `light_subscribeBlocks`: what each block changed, so that a follower can prove that it has seen
//! every change.
//!
//! Blocks that change nothing are left out while a follower catches up, but for those before a
//! change of the validator set; the newest block always comes, so that a follower stays fresh. A
//! reader that is slow gets the same blocks later: everything is read from what the node stores.
//!
//! Source: spec/proofs.md §5.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use allod_primitives::light::{BlockChanges, PageValue};
use allod_primitives::{H256, Height};
use allod_rpc_api::ErrorCode;
use allod_rpc_api::light::SubscribeBlocksRequest;
use allod_rpc_api::limits::{BLOCK_FOLLOWERS_MAX, BLOCK_VALUES_BYTES_MAX};
use allod_rpc_api::method::{LIGHT_BLOCK, LIGHT_SUBSCRIBE_BLOCKS, LIGHT_UNSUBSCRIBE_BLOCKS};
use jsonrpsee::core::SubscriptionResult;
use jsonrpsee::server::{PendingSubscriptionSink, RegisterMethodError, SubscriptionSink};
use jsonrpsee::types::Params;
use serde_json::value::RawValue;
use tokio::sync::Semaphore;
use tokio::sync::broadcast::error::RecvError;

use crate::answer::{Answer, failed, request, unavailable};
use crate::light::is_small;
use crate::methods::Module;
use crate::proofs::certified;
use crate::view::{HeadInfo, NodeView, StateUnavailable};

/// Blocks whose notification is kept for the other subscribers.
const KEPT_MAX: usize = 16;

/// Blocks left out before others get their turn.
const SKIPPED_AT_ONCE_MAX: u64 = 256;

/// Notifications of the newest blocks, made once for all subscribers.
#[derive(Debug, Default)]
struct Kept(Mutex<BTreeMap<Height, (H256, Box<RawValue>)>>);

/// What subscriptions share. Each may make the node hold a connection's whole buffer of blocks, so
/// there are only so many.
#[derive(Debug)]
struct Shared {
    kept: Kept,
    places: Semaphore,
}

pub(crate) fn register(module: &mut Module) -> Result<(), RegisterMethodError> {
    let shared = Arc::new(Shared {
        kept: Kept::default(),
        places: Semaphore::new(BLOCK_FOLLOWERS_MAX),
    });
    module.register_subscription(
        LIGHT_SUBSCRIBE_BLOCKS,
        LIGHT_BLOCK,
        LIGHT_UNSUBSCRIBE_BLOCKS,
        move |params, pending, view, _| {
            let shared = shared.clone();
            async move { follow(params, pending, &**view, &shared).await }
        },
    )?;
    Ok(())
}

/// Sends blocks until nobody listens any more, or those missing are gone: then the last
/// notification is an error.
async fn follow(
    params: Params<'static>,
    pending: PendingSubscriptionSink,
    view: &dyn NodeView,
    shared: &Shared,
) -> SubscriptionResult {
    let Ok(_place) = shared.places.try_acquire() else {
        pending.reject(failed(ErrorCode::Busy)).await;
        return Ok(());
    };
    let mut heads = view.subscribe_heads();
    let mut next = match request(&params).and_then(|request| first(view, &request)) {
        Ok(next) => next,
        Err(error) => {
            pending.reject(error).await;
            return Ok(());
        }
    };
    let Ok(sink) = pending.accept().await else {
        return Ok(());
    };
    loop {
        match send_from(view, &shared.kept, &sink, next).await {
            Ok(Some(sent)) => next = sent,
            Ok(None) => return Ok(()),
            Err(StateUnavailable) => {
                let code = ErrorCode::StateUnavailable;
                return Err(format!("{}: {}", code.slug(), code.message()).into());
            }
        }
        tokio::select! {
            () = sink.closed() => return Ok(()),
            received = heads.recv() => match received {
                // The view's own head counts; the message only says that it moved.
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Ok(()),
            },
        }
    }
}

/// Returns the first height to send, if everything from there on is still kept.
fn first(view: &dyn NodeView, request: &SubscribeBlocksRequest) -> Answer<Height> {
    let newest = view.head().height();
    let from = request.from.map_or(newest.max(Height(1)), Height);
    if from == Height(0) {
        let detail = "from counts from 1: light_genesis has block 0";
        return Err(failed(ErrorCode::InvalidParams.with(detail)));
    }
    if from > newest.next() {
        let detail = format_args!("height {from} of {newest}");
        return Err(failed(ErrorCode::BlockNotFound.with(detail)));
    }
    if let Some(first) = view.header_at(from) {
        view.changes_of(&first.hash).map_err(unavailable)?;
    }
    Ok(from)
}

/// Sends the blocks from `next` to the newest and returns the height after it; `None` if nobody
/// listens any more.
async fn send_from(
    view: &dyn NodeView,
    kept: &Kept,
    sink: &SubscriptionSink,
    mut next: Height,
) -> Result<Option<Height>, StateUnavailable> {
    loop {
        let newest = view.head();
        if next > newest.height() {
            return Ok(Some(next));
        }
        let block = match next == newest.height() {
            true => newest.clone(),
            false => view.header_at(next).ok_or(StateUnavailable)?,
        };
        let digest = &block.header.digest;
        let is_sent = digest.changes_count > 0
            || digest.validator_set != digest.next_validator_set
            || block.hash == newest.hash;
        if is_sent {
            let message = kept.message(view, &block)?;
            if sink.send(message).await.is_err() {
                return Ok(None);
            }
        }
        next = next.next();
        if !is_sent && next.0.is_multiple_of(SKIPPED_AT_ONCE_MAX) {
            tokio::task::yield_now().await;
        }
    }
}

impl Kept {
    /// Returns the notification about `block`.
    fn message(
        &self,
        view: &dyn NodeView,
        block: &HeadInfo,
    ) -> Result<Box<RawValue>, StateUnavailable> {
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((hash, message)) = lock().get(&block.height())
            && *hash == block.hash
        {
            return Ok(message.clone());
        }
        let changes = changes(view, block)?.to_bytes();
        let height = block.height();
        // Digits and numbers need no escapes.
        let text = format!(
            "{{\"height\":{height},\"changes\":\"0x{}\"}}",
            hex::encode(changes)
        );
        let message = RawValue::from_string(text).map_err(|_| StateUnavailable)?;
        let mut kept = lock();
        kept.insert(height, (block.hash, message.clone()));
        if kept.len() > KEPT_MAX {
            kept.pop_first();
        }
        Ok(message)
    }
}

/// Returns what `block` changed, with everything that proves it.
fn changes(view: &dyn NodeView, block: &HeadInfo) -> Result<BlockChanges, StateUnavailable> {
    let digest = &block.header.digest;
    let transition = match digest.validator_set == digest.next_validator_set {
        true => None,
        false => {
            let set = view.validator_set(&digest.next_validator_set);
            Some(set.ok_or(StateUnavailable)?)
        }
    };
    let found = match digest.changes_count {
        0 => Vec::new(),
        _ => view.changes_of(&block.hash)?,
    };
    let bytes: usize = found
        .iter()
        .map(|(_, value)| value.as_ref().map_or(0, Vec::len))
        .sum();
    let are_whole = bytes <= BLOCK_VALUES_BYTES_MAX;
    let shown = |key: &[u8], value: Vec<u8>| {
        let hash = PageValue::Hash(allod_primitives::hash::sha2_256(&value));
        match are_whole || is_small(key) {
            true => PageValue::whole(value).unwrap_or(hash),
            false => hash,
        }
    };
    let changes = found.into_iter().map(|(key, value)| {
        let value = value.map(|value| shown(&key, value));
        (key, value)
    });
    Ok(BlockChanges {
        transition,
        head: certified(view, block).map_err(|_| StateUnavailable)?,
        changes: changes.collect(),
    })
}
