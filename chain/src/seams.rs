//! The narrow openings through which the node sees time and randomness, so that a simulation can
//! put its own in their place. Storage is [`crate::storage::KeyValue`], transaction gossip
//! [`crate::gossip::Gossip`], agreement and its network `allod_consensus::Seams`.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use allod_primitives::TimeMs;
use parking_lot::Mutex;
use rand::rngs::{OsRng, StdRng};
use rand::{RngCore, SeedableRng};
use tokio::sync::watch;

use crate::limits::CLOCK_AHEAD_MAX;

/// The wall clock.
pub trait Clock: Send + Sync + fmt::Debug + 'static {
    /// Returns milliseconds since 1970-01-01T00:00:00Z. May jump, also backwards.
    fn now(&self) -> TimeMs;
}

/// The operating system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> TimeMs {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let ms = since.map(|d| d.as_millis()).unwrap_or(0);
        TimeMs(u64::try_from(ms).unwrap_or(u64::MAX))
    }
}

/// The operating system's clock, set forward: time travel on development networks (ADR 0007).
/// It can only be set further ahead.
#[derive(Debug, Default)]
pub struct AheadClock {
    ahead_ms: watch::Sender<u64>,
}

/// A clock that was asked to go further ahead than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{asked_ms} ms ahead is more than a clock may be, {} ms", CLOCK_AHEAD_MAX.as_millis())]
pub struct TooFarAhead {
    /// How far it was asked to be, in milliseconds.
    pub asked_ms: u64,
}

impl AheadClock {
    /// Returns a clock that is `ahead` of the system's, in whole milliseconds.
    ///
    /// # Errors
    /// [`TooFarAhead`] beyond [`CLOCK_AHEAD_MAX`].
    pub fn new(ahead: Duration) -> Result<Self, TooFarAhead> {
        let clock = Self::default();
        clock.set_ahead(ahead)?;
        Ok(clock)
    }

    /// Sets how far the clock is ahead of the system's, and returns how far it is then: nothing
    /// changes if it is as far already, so telling it twice does no harm.
    ///
    /// # Errors
    /// [`TooFarAhead`] beyond [`CLOCK_AHEAD_MAX`]; nothing changes then.
    pub fn set_ahead(&self, ahead: Duration) -> Result<Duration, TooFarAhead> {
        let asked_ms = u64::try_from(ahead.as_millis()).unwrap_or(u64::MAX);
        if ahead > CLOCK_AHEAD_MAX {
            return Err(TooFarAhead { asked_ms });
        }
        self.ahead_ms.send_if_modified(|ahead_ms| {
            let further = asked_ms > *ahead_ms;
            *ahead_ms = asked_ms.max(*ahead_ms);
            further
        });
        Ok(Duration::from_millis(*self.ahead_ms.borrow()))
    }

    /// Returns what sees every jump from now on.
    pub fn jumps(&self) -> watch::Receiver<u64> {
        self.ahead_ms.subscribe()
    }
}

impl Clock for AheadClock {
    fn now(&self) -> TimeMs {
        SystemClock.now().plus_ms(*self.ahead_ms.borrow())
    }
}

/// A clock that follows tokio's, which a simulation pauses, from a given start, with an offset
/// that can be changed to play a jump.
#[derive(Debug)]
pub struct TokioClock {
    epoch: TimeMs,
    start: tokio::time::Instant,
    offset_ms: AtomicI64,
}

impl TokioClock {
    /// Returns a clock that shows `epoch` now. Must be called within a tokio runtime.
    pub fn new(epoch: TimeMs) -> Self {
        Self {
            epoch,
            start: tokio::time::Instant::now(),
            offset_ms: AtomicI64::new(0),
        }
    }

    /// Sets how far the clock is off: negative is behind.
    pub fn set_offset_ms(&self, offset_ms: i64) {
        self.offset_ms.store(offset_ms, Ordering::Relaxed);
    }
}

impl Clock for TokioClock {
    fn now(&self) -> TimeMs {
        let elapsed = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let base = self.epoch.plus_ms(elapsed).0;
        TimeMs(base.saturating_add_signed(self.offset_ms.load(Ordering::Relaxed)))
    }
}

/// A source of randomness: coefficients of batch verification, jitter of re-dials.
pub trait Entropy: Send + Sync + fmt::Debug + 'static {
    /// Fills `bytes` with randomness that others cannot predict.
    fn fill(&self, bytes: &mut [u8]);
}

/// The operating system's randomness.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        OsRng.fill_bytes(bytes);
    }
}

/// Reproducible randomness, for simulations only: an adversary who knows the seed can make a
/// batch of bad signatures pass.
#[derive(Debug)]
pub struct SeededEntropy(Mutex<StdRng>);

impl SeededEntropy {
    /// Returns the stream of `seed`.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(StdRng::seed_from_u64(seed)))
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.lock().fill_bytes(bytes);
    }
}

/// Runs `work`, which keeps a processor for more than about a millisecond, without holding up
/// the other tasks of a multi-threaded runtime. In a simulation's single thread it just runs.
pub(crate) fn heavy<T>(work: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_set_ahead_goes_on_from_there_and_never_back() {
        let hour = Duration::from_secs(3600);
        let clock = AheadClock::new(hour).unwrap();
        let ahead_ms = || clock.now().0 - SystemClock.now().0;
        assert!((3_599_000..=3_600_000).contains(&ahead_ms()));
        assert_eq!(clock.set_ahead(hour * 2), Ok(hour * 2));
        assert_eq!(clock.set_ahead(hour), Ok(hour * 2), "it stays where it is");
        assert!((7_199_000..=7_200_000).contains(&ahead_ms()));
    }

    #[test]
    fn a_clock_cannot_be_set_further_ahead_than_the_limit() {
        let clock = AheadClock::new(CLOCK_AHEAD_MAX).unwrap();
        let beyond = CLOCK_AHEAD_MAX + Duration::from_millis(1);
        assert!(clock.set_ahead(beyond).is_err());
        assert!(clock.set_ahead(Duration::MAX).is_err());
        assert!(AheadClock::new(beyond).is_err());
        assert_eq!(clock.set_ahead(Duration::ZERO), Ok(CLOCK_AHEAD_MAX));
    }
}
