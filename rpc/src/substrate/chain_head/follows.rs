//! The subscriptions there are, what each holds, and its operations under way.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use allod_primitives::{H256, Height};
use jsonrpsee::server::{ConnectionId, SubscriptionSink};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};

/// Subscriptions of one connection; the interface wants two at least.
const FOLLOWS_MAX: usize = 4;
/// Operations of one subscription under way, items of storage counted one by one; the interface
/// wants sixteen at least.
const OPERATIONS_MAX: u32 = 16;
/// Blocks a subscription holds at most; one more ends it.
pub(super) const PINNED_MAX: usize = 512;
/// How far the oldest block held may lie behind the head; further away its state may be gone.
pub(super) const PINNED_DEPTH_MAX: u64 = 900;

type Place = (usize, String);

/// All subscriptions of a server.
#[derive(Debug, Default)]
pub(super) struct Follows {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    counts: HashMap<usize, usize>,
    follows: HashMap<Place, Arc<Follow>>,
}

/// The right of a connection to one more subscription, and that subscription once it is open.
/// Dropping it ends the subscription and its operations.
#[derive(Debug)]
pub(super) struct Reserved {
    all: Arc<Follows>,
    connection: usize,
    id: Option<String>,
}

impl Follows {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reserves a place for one more subscription of `connection`; `None` if it has as many as it
    /// may.
    pub(super) fn reserve(self: &Arc<Self>, connection: ConnectionId) -> Option<Reserved> {
        let mut inner = self.lock();
        let count = inner.counts.entry(connection.0).or_default();
        if *count >= FOLLOWS_MAX {
            return None;
        }
        *count += 1;
        Some(Reserved {
            all: self.clone(),
            connection: connection.0,
            id: None,
        })
    }

    /// Returns a subscription of `connection`.
    pub(super) fn get(&self, connection: ConnectionId, id: &str) -> Option<Arc<Follow>> {
        let place = (connection.0, id.to_owned());
        self.lock().follows.get(&place).cloned()
    }
}

impl Reserved {
    /// Enters the subscription that `sink` writes to.
    pub(super) fn open(
        &mut self,
        id: String,
        sink: SubscriptionSink,
        with_runtime: bool,
    ) -> Arc<Follow> {
        let follow = Arc::new(Follow {
            with_runtime,
            sink,
            held: Mutex::new(Held::default()),
            room: Arc::new(Semaphore::new(OPERATIONS_MAX as usize)),
        });
        let place = (self.connection, id.clone());
        self.all.lock().follows.insert(place, follow.clone());
        self.id = Some(id);
        follow
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        let ended = {
            let mut inner = self.all.lock();
            if let Some(count) = inner.counts.get_mut(&self.connection) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    inner.counts.remove(&self.connection);
                }
            }
            let place = self.id.take().map(|id| (self.connection, id));
            place.and_then(|place| inner.follows.remove(&place))
        };
        if let Some(follow) = ended {
            follow.lock().operations.clear();
        }
    }
}

/// One subscription.
#[derive(Debug)]
pub(super) struct Follow {
    pub(super) with_runtime: bool,
    pub(super) sink: SubscriptionSink,
    held: Mutex<Held>,
    room: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Held {
    pinned: HashSet<H256>,
    by_height: BTreeMap<Height, H256>,
    operations: HashMap<String, Entry>,
    started: u64,
}

#[derive(Debug)]
struct Entry {
    /// Dropping it stops the operation.
    _stop: oneshot::Sender<()>,
    resume: Arc<Notify>,
    is_waiting: bool,
}

/// An operation under way. Dropping it makes room for another.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) follow: Arc<Follow>,
    pub(super) id: String,
    resume: Arc<Notify>,
    stopped: oneshot::Receiver<()>,
    _room: OwnedSemaphorePermit,
}

/// Why blocks were not let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UnpinError {
    NotPinned,
    Repeated,
}

/// What became of the wish that an operation goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resumed {
    Yes,
    NotWaiting,
    Unknown,
}

impl Follow {
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds a block. False if the subscription then holds too many, or one too old.
    pub(super) fn pin(&self, hash: H256, height: Height) -> bool {
        let mut held = self.lock();
        held.pinned.insert(hash);
        held.by_height.insert(height, hash);
        let oldest = held.by_height.keys().next().copied().unwrap_or(height);
        held.pinned.len() <= PINNED_MAX && height.0.saturating_sub(oldest.0) <= PINNED_DEPTH_MAX
    }

    pub(super) fn has_pinned(&self, hash: &H256) -> bool {
        self.lock().pinned.contains(hash)
    }

    /// Lets all these blocks go, or none.
    pub(super) fn unpin(&self, hashes: &[H256]) -> Result<(), UnpinError> {
        let mut held = self.lock();
        let distinct: HashSet<&H256> = hashes.iter().collect();
        if distinct.len() != hashes.len() {
            return Err(UnpinError::Repeated);
        }
        if !hashes.iter().all(|hash| held.pinned.contains(hash)) {
            return Err(UnpinError::NotPinned);
        }
        held.pinned.retain(|hash| !distinct.contains(hash));
        held.by_height.retain(|_, hash| !distinct.contains(hash));
        Ok(())
    }

    /// Begins an operation of at most `items` items. Returns it and how many of them it may do;
    /// `None` if there is no room.
    pub(super) fn begin(self: &Arc<Self>, items: usize) -> Option<(Operation, usize)> {
        let (permit, items) = self.take_room(items)?;
        let (stop, stopped) = oneshot::channel();
        let resume = Arc::new(Notify::new());
        let mut held = self.lock();
        held.started += 1;
        let id = held.started.to_string();
        let entry = Entry {
            _stop: stop,
            resume: resume.clone(),
            is_waiting: false,
        };
        held.operations.insert(id.clone(), entry);
        let operation = Operation {
            follow: self.clone(),
            id,
            resume,
            stopped,
            _room: permit,
        };
        Some((operation, items))
    }

    fn take_room(&self, items: usize) -> Option<(OwnedSemaphorePermit, usize)> {
        let wanted = u32::try_from(items.max(1)).unwrap_or(u32::MAX);
        // Whoever is quicker leaves less; then fewer are tried.
        for count in (1..=wanted.min(OPERATIONS_MAX)).rev() {
            if let Ok(permit) = self.room.clone().try_acquire_many_owned(count) {
                return Some((permit, items.min(count as usize)));
            }
        }
        None
    }

    /// Lets an operation go on that waits for it.
    pub(super) fn resume(&self, id: &str) -> Resumed {
        let mut held = self.lock();
        match held.operations.get_mut(id) {
            None => Resumed::Unknown,
            Some(entry) if !entry.is_waiting => Resumed::NotWaiting,
            Some(entry) => {
                entry.is_waiting = false;
                entry.resume.notify_one();
                Resumed::Yes
            }
        }
    }

    /// Stops an operation; one that is not under way needs none.
    pub(super) fn stop_operation(&self, id: &str) {
        self.lock().operations.remove(id);
    }
}

impl Operation {
    /// Notes that it waits. Must be called before the client is told so, or its answer comes too
    /// early.
    pub(super) fn announce_wait(&self) {
        if let Some(entry) = self.follow.lock().operations.get_mut(&self.id) {
            entry.is_waiting = true;
        }
    }

    /// Waits until the client wants more.
    pub(super) async fn wait(&self) {
        self.resume.notified().await;
    }

    /// Does `work`, unless it is stopped meanwhile.
    pub(super) async fn run<W, F>(mut self, work: W)
    where
        W: FnOnce(Arc<Self>) -> F,
        F: Future<Output = ()>,
    {
        let (_never, unused) = oneshot::channel();
        let stopped = std::mem::replace(&mut self.stopped, unused);
        let operation = Arc::new(self);
        tokio::select! {
            // Its sender is never used: it ends by being dropped.
            _ = stopped => {}
            () = work(operation) => {}
        }
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        self.follow.lock().operations.remove(&self.id);
    }
}
