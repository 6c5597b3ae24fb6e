//! `transaction_v1_*` and `transactionWatch_v1_*`.
//!
//! Source: spec/substrate.md §4.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use allod_rpc_api::HexBytes;
use allod_rpc_api::submit::extrinsic_body;
use jsonrpsee::server::{ConnectionId, PendingSubscriptionSink, RegisterMethodError};
use jsonrpsee::types::{ErrorObject, Params};
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Semaphore, oneshot};

use super::json::Arguments;
use crate::answer::Answer;
use crate::connection::Connection;
use crate::ending::send;
use crate::ending::subscribed;
use crate::methods::Module;
use crate::submit::pool_error;
use crate::view::{Finalized, NodeView, PoolError, TxStatus};

/// Transactions of one connection that the node tries to bring in; the interface wants four at
/// least. polkadot-api waits for ever when it is told that there are too many.
const BROADCASTS_MAX: usize = 1024;
/// Transactions of all connections …
const BROADCASTS_ALL_MAX: usize = 8192;
/// … and their bytes.
const BROADCASTS_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Blocks after which a transaction is given up that nobody stops; no era is accepted that lasts
/// longer.
const BROADCAST_BLOCKS_MAX: u32 = 4096;
/// How often in a row a transaction may be found invalid before it is given up.
const BROADCAST_INVALID_MAX: u32 = 32;
/// Transactions that are handed to the pool at once.
const BROADCAST_TURNS: usize = 8;
/// Broadcasts that ended by themselves and may still be stopped, which then does nothing.
const ENDED_KEPT: usize = 4096;
/// An operation that is not under way.
const NO_OPERATION: i32 = -32602;

pub(super) fn register(module: &mut Module) -> Result<(), RegisterMethodError> {
    let broadcasts = Arc::new(Broadcasts::default());
    let all = broadcasts.clone();
    module.register_method(
        "transaction_v1_broadcast",
        move |params, view, extensions| {
            let HexBytes(bytes) = Arguments::new(&params).next()?;
            let connection = extensions.get::<ConnectionId>().map_or(0, |it| it.0);
            let asker = Arc::downgrade(&Connection::of(extensions));
            Answer::Ok(all.start(connection, asker, view, &bytes))
        },
    )?;
    module.register_method("transaction_v1_stop", move |params, _, extensions| {
        let id: String = Arguments::new(&params).next()?;
        let connection = extensions.get::<ConnectionId>().map_or(0, |it| it.0);
        match broadcasts.stop(connection, &id) {
            true => Answer::Ok(()),
            false => {
                let message = "no such operation of this connection";
                Err(ErrorObject::owned(NO_OPERATION, message, None::<()>))
            }
        }
    })?;
    module.register_subscription(
        "transactionWatch_v1_submitAndWatch",
        "transactionWatch_v1_watchEvent",
        "transactionWatch_v1_unwatch",
        |params, pending, view, of| subscribed(&of, watch(params, pending, view)),
    )?;
    Ok(())
}

/// Connection and number.
type Id = (usize, u64);

#[derive(Debug)]
struct Broadcasts {
    inner: Mutex<Inner>,
    turns: Semaphore,
}

impl Default for Broadcasts {
    fn default() -> Self {
        Self {
            inner: Mutex::default(),
            turns: Semaphore::new(BROADCAST_TURNS),
        }
    }
}

#[derive(Debug)]
struct Running {
    /// Dropping it stops the broadcast.
    _stop: oneshot::Sender<()>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Inner {
    started: u64,
    running: HashMap<Id, Running>,
    /// Bytes of all that run.
    bytes: usize,
    ended: VecDeque<Id>,
}

impl Inner {
    /// Forgets a broadcast that runs, which stops it; false if it does not run.
    fn remove(&mut self, id: Id) -> bool {
        let removed = self.running.remove(&id);
        let bytes = removed.as_ref().map_or(0, |running| running.bytes);
        self.bytes = self.bytes.saturating_sub(bytes);
        removed.is_some()
    }
}

impl Broadcasts {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts to bring a transaction in; `None` if as many are under way as may be.
    fn start(
        self: &Arc<Self>,
        connection: usize,
        asker: Weak<Connection>,
        view: &Arc<dyn NodeView>,
        bytes: &[u8],
    ) -> Option<String> {
        let (stop, stopped) = oneshot::channel();
        let id = {
            let mut inner = self.lock();
            let own = inner.running.keys().filter(|id| id.0 == connection);
            let many = inner.running.len() >= BROADCASTS_ALL_MAX || own.count() >= BROADCASTS_MAX;
            if many || inner.bytes.saturating_add(bytes.len()) > BROADCASTS_BYTES_MAX {
                return None;
            }
            inner.started += 1;
            let id = (connection, inner.started);
            let running = Running {
                _stop: stop,
                bytes: bytes.len(),
            };
            inner.bytes += running.bytes;
            inner.running.insert(id, running);
            id
        };
        let (all, view) = (self.clone(), view.clone());
        let Some(body) = extrinsic_body(bytes) else {
            // No transaction at all; the interface wants nothing to be said about it.
            self.end(id);
            return Some(id.1.to_string());
        };
        tokio::spawn(async move {
            tokio::select! {
                // Its sender is never used: it ends by being dropped.
                _ = stopped => return,
                () = broadcast(&all, &*view, body, asker) => {}
            }
            all.end(id);
        });
        Some(id.1.to_string())
    }

    /// Notes that a broadcast ended by itself.
    fn end(&self, id: Id) {
        let mut inner = self.lock();
        if inner.remove(id) {
            inner.ended.push_back(id);
            if inner.ended.len() > ENDED_KEPT {
                inner.ended.pop_front();
            }
        }
    }

    /// Stops a broadcast; false if this connection has no such one.
    fn stop(&self, connection: usize, id: &str) -> bool {
        let Ok(number) = id.parse() else {
            return false;
        };
        let id = (connection, number);
        let mut inner = self.lock();
        if inner.remove(id) {
            return true;
        }
        let found = inner.ended.iter().position(|ended| *ended == id);
        found.is_some_and(|index| inner.ended.remove(index).is_some())
    }
}

/// Hands a transaction to the pool, and again when the pool had no room or gave it up, until it is
/// final, can hardly become so, or nobody is left who wants it. The client is told nothing.
async fn broadcast(all: &Broadcasts, view: &dyn NodeView, body: Vec<u8>, asker: Weak<Connection>) {
    let mut heads = view.subscribe_heads();
    let mut invalid = 0;
    for _ in 0..BROADCAST_BLOCKS_MAX {
        let submitted = {
            // In turn: with a block all are tried again, and others submit as well.
            let Ok(_turn) = all.turns.acquire().await else {
                return;
            };
            view.submit_and_watch(vec![body.clone()]).await.pop()
        };
        match submitted {
            Some(Ok(mut watched)) => {
                invalid = 0;
                while let Some(status) = watched.updates.recv().await {
                    match status {
                        TxStatus::Finalized(_) => return,
                        TxStatus::Dropped | TxStatus::Invalid(_) => break,
                        TxStatus::Future | TxStatus::Ready | TxStatus::Broadcast(_) => {}
                    }
                }
            }
            Some(Err(
                PoolError::AlreadyFinalized(_) | PoolError::AlreadyIncluded | PoolError::TooLarge,
            )) => return,
            // What is invalid now may be valid after another transaction.
            Some(Err(PoolError::Invalid(_))) => {
                invalid += 1;
                if invalid >= BROADCAST_INVALID_MAX {
                    return;
                }
            }
            Some(Err(_)) | None => {}
        }
        match heads.recv().await {
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
        if asker.strong_count() == 0 {
            return;
        }
    }
}

/// Submits a transaction and tells what becomes of it.
async fn watch(
    params: Params<'static>,
    pending: PendingSubscriptionSink,
    view: Arc<Arc<dyn NodeView>>,
) {
    let bytes = match Arguments::new(&params).next::<HexBytes>() {
        Ok(HexBytes(bytes)) => bytes,
        Err(error) => return pending.reject(error).await,
    };
    let submitted = match extrinsic_body(&bytes) {
        Some(body) => view.submit_and_watch(vec![body]).await.pop(),
        None => None,
    };
    let Ok(sink) = pending.accept().await else {
        return;
    };
    let mut watched = match submitted {
        Some(Ok(watched)) => watched,
        Some(Err(error)) => {
            for event in refused(&error) {
                if !send(&sink, &event).await {
                    return;
                }
            }
            return;
        }
        None => {
            send(
                &sink,
                &failure("invalid", "the transaction cannot be decoded"),
            )
            .await;
            return;
        }
    };
    loop {
        let update = tokio::select! {
            () = sink.closed() => return,
            update = watched.updates.recv() => update,
        };
        let (events, is_last) = match update {
            Some(TxStatus::Future | TxStatus::Broadcast(_)) => (Vec::new(), false),
            Some(TxStatus::Ready) => (vec![json!({ "event": "validated" })], false),
            Some(TxStatus::Finalized(finalized)) => (included(&finalized).to_vec(), true),
            Some(TxStatus::Invalid(error)) => (vec![failure("invalid", error.to_string())], true),
            Some(TxStatus::Dropped) => (vec![failure("dropped", "the pool gave it up")], true),
            None => (
                vec![failure("dropped", "the node stopped watching it")],
                true,
            ),
        };
        for event in events {
            if !send(&sink, &event).await {
                return;
            }
        }
        if is_last {
            return;
        }
    }
}

/// Returns what is told of a transaction that the pool did not take.
fn refused(error: &PoolError) -> Vec<Value> {
    match error {
        // Whoever submits again, not having heard the first answer, learns where it is.
        PoolError::AlreadyFinalized(finalized) => included(finalized).to_vec(),
        PoolError::Invalid(_) | PoolError::TooLarge => {
            vec![failure("invalid", pool_error(error).to_string())]
        }
        _ => vec![failure("dropped", pool_error(error).to_string())],
    }
}

fn included(finalized: &Finalized) -> [Value; 2] {
    let block = json!({ "hash": finalized.block.to_string(), "index": finalized.index });
    [
        json!({ "event": "bestChainBlockIncluded", "block": block }),
        json!({ "event": "finalized", "block": block }),
    ]
}

fn failure(event: &str, error: impl Into<String>) -> Value {
    json!({ "event": event, "error": error.into() })
}
