//! This machine's time, for what is signed and judged here: tokens, login challenges.
//!
//! On every network that people rely on it is the system's clock and nothing else; what a node
//! says about the time never moves it. A local development network can travel in time
//! (`allod-devnet advance`): whoever names that network's directory, and talks to its nodes alone,
//! can follow its clock. The way there is a file on this machine, `devnet.json`:
//!
//! ```text
//! { "chain": { "genesis": "0x…" }, "nodes": [{ "rpc": "http://…", "ws": "ws://…" }, …], "clockAheadMs": 259200000, … }
//! ```

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use allod_primitives::{H256, TimeMs};
use serde::Deserialize;

use crate::hex;

/// The file of a local network's directory that tells its clock.
pub const DEVNET_FILE: &str = "devnet.json";
/// Bytes of the largest such file read.
const DEVNET_FILE_BYTES_MAX: u64 = 1024 * 1024;
/// The furthest a network's clock can be ahead: ten years.
const AHEAD_MS_MAX: u64 = 3650 * 24 * 60 * 60 * 1000;

/// The system's clock, or that of a local development network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    devnet: Option<Devnet>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Devnet {
    genesis: H256,
    ahead: Duration,
}

/// Why a local network's clock cannot be followed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DevnetClockError {
    /// Its file cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its file is not what `allod-devnet` writes.
    #[error("{path} is not the file of a local network")]
    Malformed {
        /// The file.
        path: PathBuf,
    },
    /// An endpoint belongs to another network.
    #[error("{endpoint} is no node of the network in {path}")]
    OtherNode {
        /// The endpoint.
        endpoint: String,
        /// The network's file.
        path: PathBuf,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    chain: Chain,
    nodes: Vec<Node>,
    #[serde(default)]
    clock_ahead_ms: u64,
}

#[derive(Deserialize)]
struct Chain {
    genesis: String,
}

#[derive(Deserialize)]
struct Node {
    rpc: String,
    ws: String,
}

impl Clock {
    /// Returns the system's clock.
    pub const fn system() -> Self {
        Self { devnet: None }
    }

    /// Returns the clock of the local network in `directory`, for somebody who talks to
    /// `endpoints`.
    ///
    /// # Errors
    /// [`DevnetClockError`]: there is no such network, or an endpoint is none of its nodes; use
    /// [`Clock::system`] then.
    pub fn devnet(directory: &Path, endpoints: &[String]) -> Result<Self, DevnetClockError> {
        let path = directory.join(DEVNET_FILE);
        let text = read(&path).map_err(|source| DevnetClockError::Read {
            path: path.clone(),
            source,
        })?;
        let malformed = || DevnetClockError::Malformed { path: path.clone() };
        let file: File = serde_json::from_str(&text).map_err(|_| malformed())?;
        let genesis = hex::decode(&file.chain.genesis).map_err(|_| malformed())?;
        let genesis = H256(genesis.try_into().map_err(|_| malformed())?);
        if file.clock_ahead_ms > AHEAD_MS_MAX {
            return Err(malformed());
        }
        let own = |endpoint: &&String| {
            let endpoint = endpoint.trim_end_matches('/');
            let mut nodes = file.nodes.iter();
            nodes.any(|node| node.rpc == endpoint || node.ws == endpoint)
        };
        if let Some(other) = endpoints.iter().find(|it| !own(it)) {
            let endpoint = other.clone();
            return Err(DevnetClockError::OtherNode { endpoint, path });
        }
        let ahead = Duration::from_millis(file.clock_ahead_ms);
        Ok(Self {
            devnet: Some(Devnet { genesis, ahead }),
        })
    }

    /// Returns the first block's hash of the local network that it follows, if it follows one.
    pub fn genesis(&self) -> Option<H256> {
        self.devnet.map(|it| it.genesis)
    }

    /// Returns how far it is ahead of the system's clock.
    pub fn ahead(&self) -> Duration {
        self.devnet.map_or(Duration::ZERO, |it| it.ahead)
    }

    /// Returns the time now, for what belongs to no identity in particular.
    pub fn now(&self) -> TimeMs {
        let ms = system().saturating_add(self.ahead()).as_millis();
        TimeMs(u64::try_from(ms).unwrap_or(u64::MAX))
    }

    /// Returns the time now for an identity of the network whose first block is `genesis`: the
    /// system's, unless that is the local network.
    pub fn now_for(&self, genesis: &H256) -> TimeMs {
        let followed = self.devnet.filter(|it| it.genesis == *genesis);
        Self { devnet: followed }.now()
    }
}

fn system() -> Duration {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default()
}

fn read(path: &Path) -> io::Result<String> {
    use io::Read;
    let mut text = String::new();
    let file = std::fs::File::open(path)?;
    file.take(DEVNET_FILE_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: &str = "http://127.0.0.1:9944";

    fn clock(ahead: &str, endpoint: &str) -> Result<Clock, DevnetClockError> {
        let dir = tempfile::tempdir().unwrap();
        let genesis = "11".repeat(32);
        let text = format!(
            r#"{{"chain":{{"genesis":"0x{genesis}"}},"more":1,{ahead}
                "nodes":[{{"rpc":"{NODE}","ws":"ws://127.0.0.1:9944"}}]}}"#
        );
        std::fs::write(dir.path().join(DEVNET_FILE), text).unwrap();
        Clock::devnet(dir.path(), &[endpoint.to_owned()])
    }

    #[test]
    fn a_devnets_clock_is_followed_for_its_own_nodes_and_identities_only() {
        let hour = Duration::from_secs(3600);
        let ahead = r#""clockAheadMs":3600000,"#;
        for endpoint in [NODE, "http://127.0.0.1:9944/", "ws://127.0.0.1:9944"] {
            assert_eq!(clock(ahead, endpoint).unwrap().ahead(), hour);
        }
        for endpoint in ["http://127.0.0.1:9945", "https://ledger.example"] {
            let refused = clock(ahead, endpoint);
            assert!(matches!(refused, Err(DevnetClockError::OtherNode { .. })));
        }
        let clock = clock(ahead, NODE).unwrap();
        let (own, other) = (H256([0x11; 32]), H256([0x12; 32]));
        let near = |time: TimeMs, expected: TimeMs| time.0.abs_diff(expected.0) < 60_000;
        let system = Clock::system().now();
        assert!(near(clock.now(), system.plus_ms(3_600_000)));
        assert!(near(clock.now_for(&own), system.plus_ms(3_600_000)));
        assert!(near(clock.now_for(&other), system));
    }

    #[test]
    fn a_network_that_never_travelled_has_the_systems_time() {
        assert_eq!(clock("", NODE).unwrap().ahead(), Duration::ZERO);
    }

    #[test]
    fn a_file_of_something_else_moves_no_clock() {
        let far = r#""clockAheadMs":99999999999999,"#;
        for wrong in [far, r#""clockAheadMs":-1,"#, r#""clockAheadMs":"1h","#, "{"] {
            let refused = clock(wrong, NODE);
            assert!(
                matches!(refused, Err(DevnetClockError::Malformed { .. })),
                "{wrong}"
            );
        }
        let nowhere = Clock::devnet(Path::new("/nowhere"), &[]);
        assert!(matches!(nowhere, Err(DevnetClockError::Read { .. })));
    }
}
