//! Threads for work that waits for the disk or computes for long, each kind bounded.
//!
//! All of it takes threads of tokio's pool, and so does every task of the node that computes for
//! long, consensus before all: who finds no thread there waits until one is free. So the RPC never
//! takes more than [`ALL_MAX`] of them, whatever it is asked and however slow the disk is.

use std::sync::Arc;
use std::time::Duration;

use allod_rpc_api::limits::{
    BLOCK_READS_MAX, LONG_READS_MAX, METRICS_MAX, RESOLUTIONS_MAX, VERSION_REPLAYS_MAX,
    VERSION_REPLAYS_WAITING_MAX,
};
use tokio::sync::Semaphore;

use crate::substrate::READERS_MAX;

/// Threads of tokio's pool, unless a program says otherwise; none of ours does.
const POOL: usize = 512;
/// Threads that the RPC takes at most.
const ALL_MAX: usize =
    LONG_READS_MAX + METRICS_MAX + READERS_MAX + RESOLUTIONS_MAX + BLOCK_READS_MAX;

// Most are left to the rest of the node.
const _: () = assert!(ALL_MAX <= POOL / 2);
// Questions about versions wait for each other on threads: other reads still find some.
const _: () = assert!(VERSION_REPLAYS_MAX + VERSION_REPLAYS_WAITING_MAX < LONG_READS_MAX);

/// Threads that one kind of work may have.
#[derive(Clone, Debug)]
pub(crate) struct Threads {
    places: Arc<Semaphore>,
    /// How long work waits for one.
    wait: Duration,
}

/// Why work was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Undone {
    /// There was no thread for it in time.
    Busy,
    /// It panicked.
    Failed,
}

impl Threads {
    pub(crate) fn new(max: usize, wait_ms: u64) -> Self {
        Self {
            places: Arc::new(Semaphore::new(max)),
            wait: Duration::from_millis(wait_ms),
        }
    }

    /// Does `work` on a thread that may wait.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Undone> {
        let place = self.places.clone().acquire_owned();
        let place = tokio::time::timeout(self.wait, place).await;
        let place = place.map_err(|_| Undone::Busy)?;
        let working = tokio::task::spawn_blocking(move || {
            // Held until it is done, even if nobody waits for it any more.
            let _place = place;
            work()
        });
        working.await.map_err(|_| Undone::Failed)
    }
}
