//! `light_subscribeBlocks`: what each block changed, so that a follower can prove that it has seen
//! every change.
//!
//! Blocks that change nothing are left out while a follower catches up, but for those before a
//! change of the validator set; the newest block always comes, so that a follower stays fresh. A
//! reader that is slow gets the same blocks later: everything is read from what the node stores,
//! when there is room for it. One that takes nothing is cut off.
//!
//! Source: spec/proofs.md §5, spec/rpc.md §3.1.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use allod_primitives::light::{BlockChanges, PageValue};
use allod_primitives::{H256, Height};
use allod_rpc_api::ErrorCode;
use allod_rpc_api::light::SubscribeBlocksRequest;
use allod_rpc_api::limits::{
    BLOCK_FOLLOWERS_MAX, BLOCK_READS_MAX, BLOCK_VALUES_BYTES_MAX, FOLLOWER_STALL_MS_MAX,
};
use allod_rpc_api::method::{LIGHT_BLOCK, LIGHT_SUBSCRIBE_BLOCKS, LIGHT_UNSUBSCRIBE_BLOCKS};
use jsonrpsee::core::SubscriptionResult;
use jsonrpsee::server::{
    PendingSubscriptionSink, RegisterMethodError, SubscriptionSink, TrySendError,
};
use jsonrpsee::types::Params;
use serde_json::value::RawValue;
use tokio::sync::Semaphore;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::answer::{Answer, failed, request, unavailable};
use crate::connection::{Connection, Place};
use crate::ending::{self, subscribed};
use crate::light::is_small;
use crate::methods::Module;
use crate::proofs::certified;
use crate::view::{HeadInfo, NodeView, StateUnavailable};

/// Blocks whose notification is kept for the other subscribers.
const KEPT_MAX: usize = 16;

/// Blocks left out by one read, before others get their turn.
const SKIPPED_AT_ONCE_MAX: u64 = 256;

/// How often a full queue is looked at: nobody tells when it empties.
const QUEUE_LOOK: Duration = Duration::from_millis(20);

/// Notifications of the newest blocks, made once for all subscribers.
#[derive(Debug, Default)]
struct Kept(Mutex<BTreeMap<Height, (H256, Box<RawValue>)>>);

/// What subscriptions share.
#[derive(Debug)]
struct Shared {
    kept: Kept,
    /// Each may make the node hold what it does not take.
    places: Arc<Semaphore>,
    /// Reading what one missed takes a thread for as long.
    reads: Arc<Semaphore>,
}

/// Why a subscription ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Nobody listens any more.
    Gone,
    /// The last notification says why.
    Told(ErrorCode),
}

/// One that follows, and what it gets next.
struct Follower {
    view: Arc<dyn NodeView>,
    shared: Arc<Shared>,
    connection: Arc<Connection>,
    sink: SubscriptionSink,
    next: Height,
}

/// The next notification, if there is one before the height after it.
struct Found {
    message: Option<Box<RawValue>>,
    after: Height,
}

pub(crate) fn register(module: &mut Module) -> Result<(), RegisterMethodError> {
    let shared = Arc::new(Shared {
        kept: Kept::default(),
        places: Arc::new(Semaphore::new(BLOCK_FOLLOWERS_MAX)),
        reads: Arc::new(Semaphore::new(BLOCK_READS_MAX)),
    });
    module.register_subscription(
        LIGHT_SUBSCRIBE_BLOCKS,
        LIGHT_BLOCK,
        LIGHT_UNSUBSCRIBE_BLOCKS,
        move |params, pending, view, extensions| {
            let connection = Connection::of(&extensions);
            let view = (*view).clone();
            let following = follow(params, pending, view, shared.clone(), connection);
            subscribed(&extensions, following)
        },
    )?;
    Ok(())
}

/// Sends blocks until nobody listens any more, those missing are gone, or they are not taken: then
/// the last notification is an error.
async fn follow(
    params: Params<'static>,
    pending: PendingSubscriptionSink,
    view: Arc<dyn NodeView>,
    shared: Arc<Shared>,
    connection: Arc<Connection>,
) -> SubscriptionResult {
    let Some(place) = Place::take(&shared.places, &connection.followers) else {
        let detail = "as many subscriptions to blocks as may be";
        pending.reject(failed(ErrorCode::Busy.with(detail))).await;
        return Ok(());
    };
    let mut heads = view.subscribe_heads();
    let next = match request(&params) {
        Ok(request) => {
            shared
                .read(&view, move |view, _| first(view, &request))
                .await
        }
        Err(error) => Err(error),
    };
    let next = match next {
        Ok(next) => next,
        Err(error) => {
            pending.reject(error).await;
            return Ok(());
        }
    };
    let Ok(sink) = pending.accept().await else {
        return Ok(());
    };
    let mut follower = Follower {
        view,
        shared,
        connection,
        sink,
        next,
    };
    let end = follower.run(&mut heads).await;
    leave(follower.sink, place);
    match end {
        End::Gone => Ok(()),
        End::Told(ErrorCode::TooSlow) => {
            ending::note(ending::End::TooSlow);
            Ok(())
        }
        End::Told(code) => Err(format!("{}: {}", code.slug(), code.message()).into()),
    }
}

/// Gives the place back once nothing waits in the connection's queue any more: else whoever takes
/// nothing could begin anew again and again, and have the node hold as much each time.
fn leave(sink: SubscriptionSink, place: Place) {
    if in_queue(&sink) == 0 {
        return;
    }
    tokio::spawn(async move {
        // The queue of a connection that has closed is empty.
        while in_queue(&sink) > 0 {
            tokio::time::sleep(QUEUE_LOOK).await;
        }
        drop(place);
    });
}

/// Returns how many messages wait until the connection takes them, whoever they are from.
fn in_queue(sink: &SubscriptionSink) -> usize {
    sink.max_capacity().saturating_sub(sink.capacity())
}

impl Shared {
    /// Reads what the node stores, off the event loop and only so many at a time.
    async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        view: &Arc<dyn NodeView>,
        read: impl FnOnce(&dyn NodeView, &Kept) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        let internal = || failed(ErrorCode::Internal);
        let place = self.reads.clone().acquire_owned().await;
        let place = place.map_err(|_| internal())?;
        let (shared, view) = (self.clone(), view.clone());
        let reading = tokio::task::spawn_blocking(move || {
            let found = read(&*view, &shared.kept);
            drop(place);
            found
        });
        reading.await.map_err(|_| internal())?
    }
}

impl Follower {
    async fn run(&mut self, heads: &mut Receiver<HeadInfo>) -> End {
        loop {
            if let Err(end) = self.catch_up().await {
                return end;
            }
            tokio::select! {
                () = self.sink.closed() => return End::Gone,
                received = heads.recv() => match received {
                    // The view's own head counts; the message only says that it moved.
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return End::Gone,
                },
            }
        }
    }

    /// Sends the blocks up to the newest.
    async fn catch_up(&mut self) -> Result<(), End> {
        loop {
            let newest = self.view.head();
            let from = self.next;
            if from > newest.height() {
                return Ok(());
            }
            let known = match from == newest.height() {
                true => self.shared.kept.get(&newest),
                false => None,
            };
            let found = match known {
                Some(message) => Found {
                    message: Some(message),
                    after: from.next(),
                },
                None => {
                    let search = move |view: &dyn NodeView, kept: &Kept| {
                        search(view, kept, from).map_err(unavailable)
                    };
                    let found = self.shared.read(&self.view, search).await;
                    found.map_err(|_| End::Told(ErrorCode::StateUnavailable))?
                }
            };
            if let Some(message) = found.message {
                self.send(&message).await?;
            }
            self.next = found.after;
        }
    }

    /// Queues a notification as soon as there is room for it.
    async fn send(&mut self, message: &RawValue) -> Result<(), End> {
        let limit = Duration::from_millis(FOLLOWER_STALL_MS_MAX);
        let queued = tokio::time::timeout(limit, self.queue(message)).await;
        queued.unwrap_or(Err(End::Told(ErrorCode::TooSlow)))
    }

    async fn queue(&mut self, message: &RawValue) -> Result<(), End> {
        let length = message.get().len();
        loop {
            let waiting = in_queue(&self.sink);
            let sink = &mut self.sink;
            let send = || sink.try_send(message.to_owned());
            match self.connection.queued.push(waiting, length, send) {
                Some(Ok(())) => return Ok(()),
                Some(Err(TrySendError::Closed(_))) => return Err(End::Gone),
                Some(Err(TrySendError::Full(_))) | None => {}
            }
            tokio::select! {
                () = self.sink.closed() => return Err(End::Gone),
                () = tokio::time::sleep(QUEUE_LOOK) => {}
            }
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

/// Returns the notification of the first block from `next` on that is sent.
fn search(view: &dyn NodeView, kept: &Kept, mut next: Height) -> Result<Found, StateUnavailable> {
    let newest = view.head();
    for _ in 0..SKIPPED_AT_ONCE_MAX {
        if next > newest.height() {
            break;
        }
        let block = match next == newest.height() {
            true => newest.clone(),
            false => view.header_at(next).ok_or(StateUnavailable)?,
        };
        next = next.next();
        let digest = &block.header.digest;
        let is_sent = digest.changes_count > 0
            || digest.validator_set != digest.next_validator_set
            || block.hash == newest.hash;
        if is_sent {
            return Ok(Found {
                message: Some(kept.message(view, &block)?),
                after: next,
            });
        }
    }
    Ok(Found {
        message: None,
        after: next,
    })
}

impl Kept {
    /// Returns the notification about `block`, if it is kept.
    fn get(&self, block: &HeadInfo) -> Option<Box<RawValue>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (hash, message) = kept.get(&block.height())?;
        (*hash == block.hash).then(|| message.clone())
    }

    /// Returns the notification about `block`.
    fn message(
        &self,
        view: &dyn NodeView,
        block: &HeadInfo,
    ) -> Result<Box<RawValue>, StateUnavailable> {
        if let Some(message) = self.get(block) {
            return Ok(message);
        }
        let changes = changes(view, block)?.to_bytes();
        let height = block.height();
        // Digits and numbers need no escapes.
        let text = format!(
            "{{\"height\":{height},\"changes\":\"0x{}\"}}",
            hex::encode(changes)
        );
        let message = RawValue::from_string(text).map_err(|_| StateUnavailable)?;
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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
