//! Evidence that an application which takes its time is at work, and does not hang.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::limits::PROGRESS_LOOK;

/// Counts the steps of an application while it makes, executes or commits a block. Clones count
/// together.
///
/// A block may take minutes, as one does that turns a large state into that of another version:
/// whoever watches over a node takes steps for an answer. What counts as one is the application's to
/// say; none may take longer than [`crate::limits::PROBE_TIMEOUT`], and a loop without end should
/// make none.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<AtomicU64>);

impl Progress {
    /// Counts a step. Costs one addition.
    pub fn step(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns how many steps there were; what it means is that it changes.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Waits until a look finds that steps were made since the one before.
    pub(crate) async fn is_made(&self) {
        let mut before = self.count();
        loop {
            tokio::time::sleep(PROGRESS_LOOK).await;
            let now = self.count();
            if now != before {
                return;
            }
            before = now;
        }
    }
}
