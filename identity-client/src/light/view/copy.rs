//! The view, and its life: bootstrap, follow, go on elsewhere.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use allod_primitives::light::{HeaderMark, VerifiedChanges};
use allod_primitives::{ChainId, H256, Height, TimeMs};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::error::ViewError;
use super::follow;
use super::table::{Known, Table};
use crate::light::config::ms;
use crate::light::{LightClient, ReadError};

/// Values of records and retired methods that are kept if nothing else is chosen.
const CACHED_MAX: usize = 100_000;
/// How long a node may take to give the whole state if nothing else is chosen.
const BEGIN: Duration = Duration::from_secs(600);

/// Which values of records are fetched before they are needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Prefetch {
    /// None: a node learns which identities are asked about first.
    #[default]
    None,
    /// All, and the cache has no bound: no node learns anything.
    All,
}

/// How to follow.
#[derive(Clone, Debug)]
pub struct ViewConfig {
    /// Which values are fetched at the beginning.
    pub prefetch: Prefetch,
    /// Values of records and retired methods kept in memory at most, of about 1 kB each. Default
    /// 100,000; what does not fit is fetched again when it is needed.
    pub cached_max: usize,
    /// How long one node may take to give the whole state. Default 10 minutes, as long as nodes
    /// keep the state of a block at least; a longer time is of no use, and in a shorter one a
    /// large ledger does not come.
    pub begin: Duration,
    /// Pauses between attempts to reach a node, from the first to the longest. Default 100 ms to
    /// 5 s.
    pub retry: (Duration, Duration),
}

impl Default for ViewConfig {
    fn default() -> Self {
        Self {
            prefetch: Prefetch::None,
            cached_max: CACHED_MAX,
            begin: BEGIN,
            retry: (Duration::from_millis(100), Duration::from_secs(5)),
        }
    }
}

/// What a view is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ViewState {
    /// It receives blocks.
    Following,
    /// It looks for a node to go on with.
    Reconnecting,
    /// It fetches the whole state anew: no node had the blocks it missed.
    Bootstrapping,
    /// Two histories are certified: it has stopped for good.
    Frozen,
}

/// Where a view stands.
#[derive(Clone, Debug)]
pub struct ViewStatus {
    /// What it is doing.
    pub state: ViewState,
    /// The block it answers as of.
    pub head: HeaderMark,
    /// How old that block is by this client's clock; beyond the staleness bound nothing is
    /// answered.
    pub age: Duration,
    /// Keys of identities, retired methods, revocations and grants.
    pub keys: usize,
    /// Values of records and retired methods that are here.
    pub cached: usize,
    /// Blocks followed.
    pub blocks: u64,
    /// How often it had to look for a node again.
    pub reconnects: u64,
    /// How often it fetched the whole state.
    pub bootstraps: u64,
    /// Blocks of nodes that were refused because they did not prove themselves.
    pub refused: u64,
    /// What went wrong last.
    pub why: Option<String>,
}

/// A verified copy of what logins, tokens and grants are judged by. Clones share it; it stops
/// following when the last is dropped.
#[derive(Clone, Debug)]
pub struct VerifiedView {
    pub(super) shared: Arc<Shared>,
    /// Questions are not answered as of a block below it.
    pub(super) at_least: Height,
    task: Arc<Task>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) client: LightClient,
    pub(super) config: ViewConfig,
    copy: RwLock<Snapshot>,
    /// Height of the newest block followed, for those who wait.
    heights: watch::Sender<Height>,
}

/// One block's state: whoever holds the lock sees no other.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) chain: ChainId,
    pub(super) head: HeaderMark,
    pub(super) table: Table,
    pub(super) state: ViewState,
    pub(super) why: Option<String>,
    blocks: u64,
    reconnects: u64,
    bootstraps: u64,
    refused: u64,
}

/// Ends the following with the last view.
#[derive(Debug)]
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl VerifiedView {
    /// Fetches and proves the whole state, and begins to follow. Runs a task on this runtime.
    ///
    /// # Errors
    /// [`ReadError`] if no node gives a state that proves itself.
    pub async fn start(client: LightClient, config: ViewConfig) -> Result<Self, ReadError> {
        let (begun, follower) = follow::bootstrap(&client, &config, Height(0)).await?;
        let copy = Snapshot {
            chain: client.chain(),
            head: begun.head,
            table: begun.table,
            state: ViewState::Following,
            why: None,
            blocks: 0,
            reconnects: 0,
            bootstraps: 1,
            refused: 0,
        };
        let heights = watch::Sender::new(copy.head.height);
        let shared = Arc::new(Shared {
            client,
            config,
            copy: RwLock::new(copy),
            heights,
        });
        let task = tokio::spawn(follow::run(Arc::clone(&shared), follower));
        Ok(Self {
            shared,
            at_least: Height(0),
            task: Arc::new(Task(task)),
        })
    }

    /// Tells where it stands.
    pub fn status(&self) -> ViewStatus {
        let now = self.shared.client.now();
        let copy = self.shared.read();
        ViewStatus {
            state: copy.state.clone(),
            head: copy.head,
            age: Duration::from_millis(now.0.saturating_sub(copy.head.time.0)),
            keys: copy.table.len(),
            cached: copy.table.cached(),
            blocks: copy.blocks,
            reconnects: copy.reconnects,
            bootstraps: copy.bootstraps,
            refused: copy.refused,
            why: copy.why.clone(),
        }
    }

    /// Returns the client it follows with.
    pub fn client(&self) -> &LightClient {
        &self.shared.client
    }

    /// Returns this view for questions as of a block of at least `height`, such as a write has
    /// returned: while it is below, they are refused with
    /// [`ViewError::Behind`]. Nothing is copied.
    #[must_use]
    pub fn at_least(&self, height: Height) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            at_least: height.max(self.at_least),
            task: Arc::clone(&self.task),
        }
    }

    /// As [`at_least`](Self::at_least), after waiting for the block, no longer than `wait`.
    ///
    /// # Errors
    /// [`ViewError`]: why a question would have no answer then.
    pub async fn at_least_within(&self, height: Height, wait: Duration) -> Result<Self, ViewError> {
        let view = self.at_least(height);
        view.check_open()?;
        // If it does not come, `check` says why.
        let _ = tokio::time::timeout(wait, self.reached(height)).await;
        view.check()?;
        Ok(view)
    }

    /// Waits until a block of at least this height is followed, however long that is: see
    /// [`at_least_within`](Self::at_least_within).
    pub async fn reached(&self, at_least: Height) {
        let mut heights = self.shared.heights.subscribe();
        // The sender lives in `self`.
        let _ = heights.wait_for(|height| *height >= at_least).await;
    }
}

impl Shared {
    pub(super) fn read(&self) -> RwLockReadGuard<'_, Snapshot> {
        self.copy.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Snapshot> {
        self.copy.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Applies a block: all of it under one lock.
    pub(super) fn apply(&self, block: &VerifiedChanges) {
        let mut copy = self.write();
        for (key, value) in block.changes() {
            copy.table.change(key, value.as_ref());
        }
        let header = block.header();
        copy.head = HeaderMark {
            height: header.number(),
            hash: *header.hash(),
            time: header.time(),
        };
        copy.state = ViewState::Following;
        copy.why = None;
        copy.blocks = copy.blocks.saturating_add(1);
        let height = copy.head.height;
        drop(copy);
        self.heights.send_replace(height);
    }

    /// Puts a freshly fetched state in place of the old one.
    pub(super) fn replace(&self, begun: follow::Begun) {
        let mut copy = self.write();
        copy.table = begun.table;
        copy.head = begun.head;
        copy.state = ViewState::Following;
        copy.why = None;
        copy.bootstraps = copy.bootstraps.saturating_add(1);
        let height = copy.head.height;
        drop(copy);
        self.heights.send_replace(height);
    }

    /// Takes in a fetched value, if it is the one that the ledger holds now.
    pub(super) fn fill(&self, key: &[u8], value: &[u8]) -> bool {
        self.write().table.fill(key, value)
    }

    pub(super) fn set_state(&self, state: ViewState, why: Option<String>) {
        let mut copy = self.write();
        if state == ViewState::Reconnecting && copy.state != state {
            copy.reconnects = copy.reconnects.saturating_add(1);
        }
        copy.state = state;
        copy.why = why.or(copy.why.take());
    }

    /// Counts a block of a node that did not prove itself.
    pub(super) fn refuse(&self) {
        let mut copy = self.write();
        copy.refused = copy.refused.saturating_add(1);
    }

    /// Counts an answer as of `height` for all that are given later, by this client or a view of
    /// it: none is from below.
    ///
    /// # Errors
    /// The height of a later block, if another view has answered from it: then this is no answer.
    pub(super) fn answer_from(&self, height: Height) -> Result<(), Height> {
        let viewed = &self.client.inner.viewed;
        // Mostly it stays the same, and a look is cheaper than a write that all cores see.
        if viewed.load(Ordering::Acquire) == height.0 {
            return Ok(());
        }
        let before = viewed.fetch_max(height.0, Ordering::AcqRel);
        if before > height.0 {
            return Err(Height(before));
        }
        Ok(())
    }

    /// Returns how old the block is at `now`, if that is too old to answer from.
    pub(super) fn too_old(&self, head: &HeaderMark, now: TimeMs) -> Option<Duration> {
        let age = Duration::from_millis(now.0.saturating_sub(head.time.0));
        (age > self.client.config().staleness).then_some(age)
    }

    /// Returns what is known under `key`, and as of which block.
    pub(super) fn known(&self, key: &[u8]) -> (Known, H256) {
        let copy = self.read();
        (copy.table.get(key), copy.head.hash)
    }

    pub(super) fn retry_ms(&self) -> (u64, u64) {
        let (first, longest) = self.config.retry;
        (ms(first).max(1), ms(longest).max(1))
    }
}
