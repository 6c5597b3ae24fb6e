//! What one connection may have under way: a client that is alone does not take every place.
//!
//! Whoever opens many has the places of many. How many one address opens is bounded
//! ([`crate::visitors`]).

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use allod_rpc_api::limits::{
    BLOCK_FOLLOWERS_PER_CONNECTION_MAX, FOLLOWER_QUEUED_BYTES_MAX, READ_WAITERS_PER_CONNECTION_MAX,
};
use http::Extensions;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::socket::Patience;
use crate::traffic::Traffic;
use crate::visitors;

/// What one connection has under way.
#[derive(Debug)]
pub(crate) struct Connection {
    /// Places for following blocks.
    pub(crate) followers: Arc<Semaphore>,
    /// Places for waiting until a height is reached.
    pub(crate) waiters: Arc<Semaphore>,
    /// Places for questions about states of any age.
    pub(crate) archives: Arc<Semaphore>,
    /// Blocks that may still wait for the client to take them.
    pub(crate) queued: Queued,
    /// Places for rebuilding earlier versions, and for waiting for one.
    pub(crate) replays: Arc<Semaphore>,
    pub(crate) replays_waiting: Arc<Semaphore>,
    /// Places for resolutions, and for those whose body is still to come.
    pub(crate) resolutions: Arc<Semaphore>,
    pub(crate) bodies: Arc<Semaphore>,
    /// What was asked and is not yet taken.
    pub(crate) traffic: Arc<Traffic>,
    /// How long it stays open.
    pub(crate) patience: Patience,
    /// Where it comes from; nowhere if from within the process.
    peer: Option<IpAddr>,
    /// Rung when the server stops.
    pub(crate) stopping: CancellationToken,
    /// Its place among those of its address.
    place: Mutex<Option<visitors::Place>>,
    /// Why the node closes it, once it does.
    cut: OnceLock<Cut>,
    /// Rung when the node closes it.
    pub(crate) is_cut: CancellationToken,
    /// Rung when its socket is gone.
    pub(crate) gone: CancellationToken,
    /// Whether somebody looks whether its API key is still one.
    has_watch: AtomicBool,
}

/// Why the node closes a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// What it sends are no calls.
    Garbage,
    /// Its API key was taken away.
    Key,
}

/// Versions that are rebuilt for one connection at a time, and questions of it that wait for that.
const REPLAYS_MAX: usize = 1;
const REPLAYS_WAITING_MAX: usize = 8;
/// Resolutions of one connection at a time, and bodies of it that are waited for.
const RESOLUTIONS_MAX: usize = 8;

impl Default for Connection {
    fn default() -> Self {
        Self {
            followers: Arc::new(Semaphore::new(BLOCK_FOLLOWERS_PER_CONNECTION_MAX)),
            waiters: Arc::new(Semaphore::new(READ_WAITERS_PER_CONNECTION_MAX)),
            archives: Arc::new(Semaphore::new(ARCHIVE_QUESTIONS_PER_CONNECTION_MAX)),
            queued: Queued::default(),
            replays: Arc::new(Semaphore::new(REPLAYS_MAX)),
            replays_waiting: Arc::new(Semaphore::new(REPLAYS_WAITING_MAX)),
            resolutions: Arc::new(Semaphore::new(RESOLUTIONS_MAX)),
            bodies: Arc::new(Semaphore::new(RESOLUTIONS_MAX)),
            traffic: Arc::default(),
            patience: Patience::default(),
            peer: None,
            stopping: CancellationToken::new(),
            place: Mutex::default(),
            cut: OnceLock::new(),
            is_cut: CancellationToken::new(),
            gone: CancellationToken::new(),
            has_watch: AtomicBool::new(false),
        }
    }
}

/// Questions about states of any age that one connection has under way.
const ARCHIVE_QUESTIONS_PER_CONNECTION_MAX: usize = 4;

impl Connection {
    /// Makes one from `peer`, with its place if it needs one.
    pub(crate) fn from(
        peer: IpAddr,
        place: Option<visitors::Place>,
        stopping: CancellationToken,
    ) -> Self {
        Self {
            peer: Some(peer),
            stopping,
            place: Mutex::new(place),
            ..Self::default()
        }
    }

    /// Returns the address of the socket's other end.
    pub(crate) fn peer(&self) -> Option<IpAddr> {
        self.peer
    }

    /// Keeps a place that a request found; false if it is none, or only one to be told so.
    pub(crate) fn enter(&self, place: Option<visitors::Place>) -> bool {
        let Some(place) = place.filter(|place| !place.is_surplus) else {
            return false;
        };
        *self.place.lock().unwrap_or_else(PoisonError::into_inner) = Some(place);
        true
    }

    /// Returns whether its address has too many connections.
    pub(crate) fn is_surplus(&self) -> bool {
        let place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        place.as_ref().is_some_and(|place| place.is_surplus)
    }

    /// Reads no more of it, and closes it.
    pub(crate) fn cut(&self, why: Cut) {
        // The first reason is the reason.
        let _first = self.cut.set(why);
        self.is_cut.cancel();
    }

    /// Returns why the node closes it.
    pub(crate) fn why_cut(&self) -> Option<Cut> {
        self.cut.get().copied()
    }

    /// Returns whether nobody has looked after its key yet: whoever asks first does.
    pub(crate) fn wants_watch(&self) -> bool {
        !self.has_watch.swap(true, Ordering::Relaxed)
    }

    /// Returns the connection that a call has come by.
    pub(crate) fn of(extensions: &Extensions) -> Arc<Self> {
        let found = extensions.get::<Arc<Self>>().cloned();
        // A call that comes by none, as from within the process, is one of its own.
        found.unwrap_or_default()
    }
}

/// A place at the node, which is one of its connection too.
#[derive(Debug)]
pub(crate) struct Place {
    _node: OwnedSemaphorePermit,
    _connection: OwnedSemaphorePermit,
}

impl Place {
    /// Takes a place of both, if both have one.
    pub(crate) fn take(node: &Arc<Semaphore>, connection: &Arc<Semaphore>) -> Option<Self> {
        Some(Self {
            _connection: connection.clone().try_acquire_owned().ok()?,
            _node: node.clone().try_acquire_owned().ok()?,
        })
    }

    /// Waits for a place of both, the connection's first. `None` if none will come any more.
    pub(crate) async fn wait(node: &Arc<Semaphore>, connection: &Arc<Semaphore>) -> Option<Self> {
        Some(Self {
            _connection: connection.clone().acquire_owned().await.ok()?,
            _node: node.clone().acquire_owned().await.ok()?,
        })
    }
}

/// Lengths of the blocks that went into a connection's queue, the newest last.
///
/// The queue says how many messages are in it, and not which. It is first in, first out, so those
/// of ours that are in it are the newest ones, and no more than there are messages.
#[derive(Debug, Default)]
pub(crate) struct Queued(Mutex<VecDeque<usize>>);

impl Queued {
    /// Queues a block by `send` if that keeps the bytes that wait within their maximum, or if
    /// nothing waits. `in_queue`: how many messages wait now, whoever they are from. Returns what
    /// `send` did; `None` if there is no room yet.
    pub(crate) fn push<E>(
        &self,
        in_queue: usize,
        length: usize,
        send: impl FnOnce() -> Result<(), E>,
    ) -> Option<Result<(), E>> {
        // Held while sending, so that lengths stand in the order of the queue.
        let mut lengths = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // One more may be on its way from the queue to the socket.
        while lengths.len() > in_queue.saturating_add(1) {
            lengths.pop_front();
        }
        let waiting: usize = lengths.iter().sum();
        if in_queue > 0 && waiting.saturating_add(length) > FOLLOWER_QUEUED_BYTES_MAX {
            return None;
        }
        let sent = send();
        if sent.is_ok() {
            lengths.push_back(length);
        }
        Some(sent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_wait_are_bounded_and_one_large_block_still_passes() {
        let queued = Queued::default();
        let half = FOLLOWER_QUEUED_BYTES_MAX / 2;
        let push = |in_queue, length| {
            let sent = queued.push(in_queue, length, || Ok::<(), ()>(()));
            sent.is_some()
        };
        assert!(push(0, 10 * half), "alone");
        assert!(!push(1, 1), "it has not left the queue");
        assert!(push(0, half), "it has");
        // The large one may be on its way to the socket: no message counts as in the queue.
        assert!(!push(1, half + 1));
        assert!(push(0, half));
        assert!(!push(2, 1), "two halves, and one on its way");
        assert!(push(1, 0), "the last two are the maximum");
        // Other messages of the connection make the bound stricter, never looser.
        assert!(!push(500, 2 * half));
    }

    #[test]
    fn what_is_not_queued_does_not_count() {
        let queued = Queued::default();
        let failed = queued.push(1, FOLLOWER_QUEUED_BYTES_MAX, || Err("full"));
        assert_eq!(failed, Some(Err("full")));
        let sent = queued.push(1, FOLLOWER_QUEUED_BYTES_MAX, || Ok::<(), ()>(()));
        assert_eq!(sent, Some(Ok(())));
        assert_eq!(queued.push(1, 1, || Ok::<(), ()>(())), None);
    }

    #[test]
    fn a_place_is_of_the_node_and_of_the_connection() {
        let node = Arc::new(Semaphore::new(2));
        let connections = [1, 2].map(|places| Arc::new(Semaphore::new(places)));
        let first = Place::take(&node, &connections[0]);
        assert!(first.is_some());
        assert!(Place::take(&node, &connections[0]).is_none());
        let second = Place::take(&node, &connections[1]);
        assert!(second.is_some());
        assert!(Place::take(&node, &connections[1]).is_none());
        drop(first);
        assert!(Place::take(&node, &connections[1]).is_some());
        drop(second);
        assert_eq!(
            (node.available_permits(), connections[0].available_permits()),
            (2, 1)
        );
    }
}
