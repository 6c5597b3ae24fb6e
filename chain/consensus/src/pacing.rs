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
    /// Longest heartbeat (default 5 s): the delay doubles from block to block while idle. At half
    /// the staleness bound of verifiers (docs/adr/0005).
    pub heartbeat_max: Duration,
}

impl Default for Pacing {
    fn default() -> Self {
        Self {
            min_spacing: Duration::from_millis(200),
            heartbeat_min: Duration::from_secs(1),
            heartbeat_max: Duration::from_secs(5),
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
        self.0
            .send_if_modified(|level| std::mem::replace(level, pending) != pending);
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
        Self {
            pacing,
            heartbeat: pacing.heartbeat_min,
            idle: false,
        }
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
    /// Waits for the next height's start.
    ///
    /// `begun` resolves when the next height's first proposer has begun it, which overrides
    /// everything. `stirred` resolves when any validator has, which counts as work: one that is
    /// dishonest must not rush the others.
    pub(crate) async fn until_start(
        self,
        work: &WorkSignal,
        begun: impl Future<Output = ()>,
        stirred: impl Future<Output = ()>,
    ) {
        let worth_it = async {
            tokio::time::sleep_until(self.earliest).await;
            tokio::select! {
                biased;
                () = work.wait() => {}
                () = stirred => {}
            }
        };
        tokio::select! {
            biased;
            () = begun => {}
            () = worth_it => {}
            () = tokio::time::sleep_until(self.latest) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;
    const MS: fn(u64) -> Duration = Duration::from_millis;

    async fn waited(
        wait: Wait,
        work: &WorkSignal,
        begun: impl Future<Output = ()>,
        stirred: impl Future<Output = ()>,
    ) -> Duration {
        let before = Instant::now();
        wait.until_start(work, begun, stirred).await;
        before.elapsed()
    }

    /// Goal: what starts a block, and when. Method: every cause, in virtual time.
    #[tokio::test(start_paused = true)]
    async fn a_block_starts_for_the_right_reason_at_the_right_time() {
        let work = WorkSignal::new();
        let now = Instant::now();
        let wait = Wait {
            earliest: now + MS(200),
            latest: now + S(2),
        };
        assert_eq!(
            waited(wait, &work, ready(()), pending()).await,
            S(0),
            "the proposer began"
        );
        assert_eq!(
            waited(wait, &work, pending(), ready(())).await,
            MS(200),
            "somebody began"
        );
        work.set(true);
        assert_eq!(
            waited(wait, &work, pending(), pending()).await,
            S(0),
            "200 ms are over"
        );
        work.set(false);
        assert_eq!(
            waited(wait, &work, pending(), pending()).await,
            MS(1800),
            "the heartbeat"
        );
        assert!(!work.pending());
    }

    /// Goal: the heartbeat doubles while idle and starts over after work. Method: a row of loads.
    #[tokio::test(start_paused = true)]
    async fn the_heartbeat_adapts() {
        use BlockLoad::{Empty, Useful};
        let mut pacer = Pacer::new(Pacing::default());
        let now = Instant::now();
        let mut beat = |load| (pacer.after_block(now, load).latest - now).as_secs();
        let loads = [
            Empty, Empty, Empty, Empty, Empty, Empty, Useful, Empty, Empty,
        ];
        assert_eq!(loads.map(&mut beat), [1, 2, 4, 5, 5, 5, 1, 1, 2]);
    }
}
