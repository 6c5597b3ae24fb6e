//! When the next block starts: at once when there is work, at a heartbeat when there is none.
//!
//! All waiting happens between a block's finalisation and the start of the next height, in
//! tokio's time, so that a simulation with a paused clock controls it.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::application::BlockLoad;

/// Block spacing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pacing {
    /// Least time from one block's start to the next one's (default 200 ms; 0 = as fast as
    /// agreement allows).
    pub min_spacing: Duration,
    /// First heartbeat of an idle chain (default 1 s). Below `min_spacing` it has no effect.
    pub heartbeat_min: Duration,
    /// Longest heartbeat (default 10 s): the delay doubles from block to block while idle.
    pub heartbeat_max: Duration,
}

impl Default for Pacing {
    fn default() -> Self {
        Self {
            min_spacing: Duration::from_millis(200),
            heartbeat_min: Duration::from_secs(1),
            heartbeat_max: Duration::from_secs(10),
        }
    }
}

/// Tells consensus whether something waits to be put into a block.
///
/// A level, not an edge: the mempool sets it while it holds a pending extrinsic and clears it
/// when it is empty, so that no wake-up is lost. Clones share the level.
#[derive(Clone, Debug)]
pub struct WorkSignal(watch::Sender<bool>);

impl Default for WorkSignal {
    fn default() -> Self {
        Self(watch::Sender::new(false))
    }
}

impl WorkSignal {
    /// Returns a signal that says "idle".
    pub fn new() -> Self {
        Self::default()
    }

    /// Says whether there is work.
    pub fn set(&self, pending: bool) {
        self.0.send_if_modified(|level| std::mem::replace(level, pending) != pending);
    }

    /// Returns whether there is work.
    pub fn pending(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until there is work.
    pub async fn wait(&self) {
        // The sender is `self`, so the channel cannot be closed while this waits.
        let _ = self.0.subscribe().wait_for(|pending| *pending).await;
    }
}

/// Counts idle blocks and tells when the next height may start.
#[derive(Debug)]
pub(crate) struct Pacer {
    pacing: Pacing,
    heartbeat: Duration,
    /// Whether the block before was empty.
    idle: bool,
}

impl Pacer {
    pub(crate) fn new(pacing: Pacing) -> Self {
        Self { pacing, heartbeat: pacing.heartbeat_min, idle: false }
    }

    /// Returns the wait after a finalised block whose height began at `started`.
    pub(crate) fn after_block(&mut self, started: Instant, load: BlockLoad) -> Wait {
        let idle = self.idle;
        self.idle = load == BlockLoad::Empty;
        self.heartbeat = match (idle, self.idle) {
            (true, true) => (self.heartbeat * 2).min(self.pacing.heartbeat_max),
            _ => self.pacing.heartbeat_min,
        };
        Wait {
            earliest: started + self.pacing.min_spacing,
            latest: started + self.heartbeat.max(self.pacing.min_spacing),
        }
    }
}

/// The window in which the next height starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wait {
    /// Not before this instant, however much work there is.
    pub(crate) earliest: Instant,
    /// Not after this instant, however idle the chain is.
    pub(crate) latest: Instant,
}

impl Wait {
    /// Waits for the next height's start. `moved_on` resolves when peers have begun it, which
    /// overrides everything.
    pub(crate) async fn until_start(self, work: &WorkSignal, moved_on: impl Future<Output = ()>) {
        let worth_it = async {
            tokio::time::sleep_until(self.earliest).await;
            work.wait().await;
        };
        tokio::select! {
            biased;
            () = moved_on => {}
            () = worth_it => {}
            () = tokio::time::sleep_until(self.latest) => {}
        }
    }
}
