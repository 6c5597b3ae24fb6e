//! What a light client is told: nodes, folder, bounds, and where trust begins.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use allod_primitives::light::Checkpoint;
use allod_primitives::{NetworkId, TimeMs};

use super::error::ConfigError;
use crate::clock::Clock;
use crate::rpc::Access;

/// Trusting period if none is chosen: 30 days.
pub const TRUSTING_PERIOD: Duration = Duration::from_secs(30 * 86_400);
/// Staleness bound if none is chosen.
pub const STALENESS: Duration = Duration::from_secs(10);
/// Pause between comparisons with another node if none is chosen.
pub const COMPARE_EVERY: Duration = Duration::from_secs(10);

const HOUR: Duration = Duration::from_secs(3600);
/// The longest trusting period.
pub const TRUSTING_PERIOD_MAX: Duration = YEAR;
const YEAR: Duration = Duration::from_secs(365 * 86_400);
const SECOND: Duration = Duration::from_secs(1);

/// Where trust begins if nothing is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// At the first block of this network, which names it. Fork 0.
    Network(NetworkId),
    /// At a block that somebody vouches for. If a chain is followed already, it must have it.
    Checkpoint(Checkpoint),
}

impl Anchor {
    /// Returns the network.
    pub const fn network(&self) -> NetworkId {
        match self {
            Self::Network(network) => *network,
            Self::Checkpoint(checkpoint) => checkpoint.network,
        }
    }
}

/// How to read a ledger without believing anybody.
#[derive(Clone, Debug)]
pub struct LightConfig {
    /// Endpoints of nodes, the preferred first, 1 to 16; best of different operators.
    pub endpoints: Vec<String>,
    /// How long one node may take to answer. Default 10 s; below 1 s slow links fail.
    pub timeout: Duration,
    /// How nodes let us in, and how we know them.
    pub access: Access,
    /// Folder of what is kept, one folder in it per chain. `None`: nothing is kept, and every
    /// start begins at the anchor.
    pub folder: Option<PathBuf>,
    /// Where trust begins if nothing is kept.
    pub anchor: Anchor,
    /// How old the newest verified block may be for validators to be followed from it. Default
    /// 30 days, 1 hour to 365 days; longer than validators guard their old keys, it is no bound.
    pub trusting_period: Duration,
    /// How old the block of an answer as of now may be. Default 10 s, 1 s to 1 hour; below the
    /// longest pause between blocks of an idle network (5 s) answers fail while nothing is wrong.
    pub staleness: Duration,
    /// Pause after a comparison of a new block with another node. Default 10 s; zero compares
    /// every new block.
    pub compare_every: Duration,
    /// This client's time. What a node says never moves it.
    pub now: Now,
}

impl LightConfig {
    /// Uses these nodes, keeps nothing, and takes everything else by default.
    pub fn new(endpoints: Vec<String>, anchor: Anchor) -> Self {
        Self {
            endpoints,
            timeout: Duration::from_secs(10),
            access: Access::default(),
            folder: None,
            anchor,
            trusting_period: TRUSTING_PERIOD,
            staleness: STALENESS,
            compare_every: COMPARE_EVERY,
            now: Now::from(Clock::system()),
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let check = |what, given: Duration, min, max| {
            if (min..=max).contains(&given) {
                return Ok(());
            }
            Err(ConfigError::OutOfRange {
                what,
                given,
                min,
                max,
            })
        };
        check("trusting period", self.trusting_period, HOUR, YEAR)?;
        check("staleness bound", self.staleness, SECOND, HOUR)
    }

    pub(super) fn trusting_period_ms(&self) -> u64 {
        ms(self.trusting_period)
    }

    pub(super) fn staleness_ms(&self) -> u64 {
        ms(self.staleness)
    }
}

/// Tells the time.
#[derive(Clone)]
pub struct Now(Arc<dyn Fn() -> TimeMs + Send + Sync>);

impl Now {
    /// Asks `tell`, which is this client's own clock or a test's.
    pub fn new(tell: impl Fn() -> TimeMs + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// Returns the time.
    pub fn get(&self) -> TimeMs {
        (self.0)()
    }
}

impl From<Clock> for Now {
    fn from(clock: Clock) -> Self {
        Self::new(move || clock.now())
    }
}

impl fmt::Debug for Now {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Now")
    }
}

/// Returns whether less than `period_ms` has passed since `at`. What lies in the future has passed:
/// a clock that was set back must not hold anything up.
pub(super) const fn is_within(at: TimeMs, now: TimeMs, period_ms: u64) -> bool {
    match now.0.checked_sub(at.0) {
        Some(age) => age < period_ms,
        None => false,
    }
}

pub(super) fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
