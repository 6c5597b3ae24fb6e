//! The clock that addresses rest by.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The clock that addresses rest by, after what they asked. The default one is the system's, which
/// only goes forward. Clones are one clock.
#[derive(Clone, Debug)]
pub struct RateClock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Running(Instant),
    /// Milliseconds that it was moved by.
    Still(Arc<AtomicU64>),
}

impl Default for RateClock {
    fn default() -> Self {
        Self(Kind::Running(Instant::now()))
    }
}

impl RateClock {
    /// Makes one that stands still but for [`Self::advance`], for tests.
    pub fn still() -> Self {
        Self(Kind::Still(Arc::default()))
    }

    /// Moves one that stands still, by whole milliseconds; one that runs stays as it is.
    pub fn advance(&self, by: Duration) {
        if let Kind::Still(moved) = &self.0 {
            let ms = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
            moved.fetch_add(ms, Ordering::Relaxed);
        }
    }

    /// Returns the time since it was made.
    pub(super) fn now(&self) -> Duration {
        match &self.0 {
            Kind::Running(since) => since.elapsed(),
            Kind::Still(moved) => Duration::from_millis(moved.load(Ordering::Relaxed)),
        }
    }
}
