//! What an operator writes: one TOML file. Unknown keys are refused, every key has a default but
//! the addresses' ports; paths are relative to the file.
//!
//! ```toml
//! data = "data"                          # database and write-ahead log
//! chain_spec = "chain-spec.json"         # genesis
//! name = "node"                          # in logs
//!
//! [keys]
//! network = "network.key"                # identity towards peers
//! validator = "validator.key"            # leave out for an observer, or use `signer`
//!
//! [consensus]
//! listen = "/ip4/0.0.0.0/tcp/30333"      # gossip listens at the next port
//!
//! [rpc]
//! listen = "127.0.0.1:9944"
//!
//! [storage]
//! archive = false                        # true keeps every version of the state
//! ```
//!
//! | Module | What |
//! |---|---|
//! | [`table`] | what each key is: the source of checks, template and documentation |
//! | [`check`] | what is wrong with a file, everything at once |
//! | [`advice`] | what can be used but should be known |
//! | [`show`] | the values in effect, and where they are from |

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use allod_consensus::{Pacing, Timeouts};
use allod_rpc::AddressRange;
use serde::{Deserialize, Serialize};

use crate::limits::{HISTORY_BLOCKS_MIN, HISTORY_MS_MIN};
use crate::storage::StoreOptions;

pub mod advice;
pub mod check;
pub mod show;
pub mod table;
#[cfg(test)]
mod tests;

pub use advice::Machine;
pub use check::{Checked, Problem};
pub use show::Effective;

/// Most bytes of a configuration file.
const CONFIG_BYTES_MAX: u64 = 1024 * 1024;

/// A node's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeConfig {
    /// Directory of the database and the write-ahead log. Default `data`.
    #[serde(default = "default_data")]
    pub data: PathBuf,
    /// File of the chain's specification. Default `chain-spec.json`.
    #[serde(default = "default_chain_spec")]
    pub chain_spec: PathBuf,
    /// The node's name in logs. Default `node`.
    #[serde(default = "default_name")]
    pub name: String,
    /// Files of its keys.
    #[serde(default)]
    pub keys: KeysConfig,
    /// Agreement with the other validators.
    #[serde(default)]
    pub consensus: ConsensusSection,
    /// Answers to clients.
    #[serde(default)]
    pub rpc: RpcSection,
    /// What is kept on disk.
    #[serde(default)]
    pub storage: StorageSection,
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            data: default_data(),
            chain_spec: default_chain_spec(),
            name: default_name(),
            keys: KeysConfig::default(),
            consensus: ConsensusSection::default(),
            rpc: RpcSection::default(),
            storage: StorageSection::default(),
        }
    }
}

fn default_data() -> PathBuf {
    "data".into()
}

fn default_chain_spec() -> PathBuf {
    "chain-spec.json".into()
}

fn default_name() -> String {
    "node".to_owned()
}

/// Where the node's keys are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeysConfig {
    /// Its identity towards peers. Default `network.key`.
    pub network: PathBuf,
    /// The key that votes; absent for an observer. Whoever holds it votes in this name.
    pub validator: Option<PathBuf>,
    /// Socket of a signer that holds the key that votes; instead of `validator`.
    pub signer: Option<PathBuf>,
    /// File with the passphrase of the encrypted ones; absent: the service's credential, or the
    /// terminal.
    pub passphrase_file: Option<PathBuf>,
}

impl Default for KeysConfig {
    fn default() -> Self {
        Self {
            network: "network.key".into(),
            validator: None,
            signer: None,
            passphrase_file: None,
        }
    }
}

/// How the node takes part in consensus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConsensusSection {
    /// Address for consensus, a TCP multiaddr; transaction gossip listens at the next port.
    /// Default `/ip4/127.0.0.1/tcp/30333`.
    pub listen: String,
    /// Least milliseconds between two blocks under load, 0 to 60,000. Default 200.
    pub spacing_ms_min: u64,
    /// Milliseconds to the first empty block of an idle chain, 100 to 60,000. Default 1000.
    pub heartbeat_ms_min: u64,
    /// Most milliseconds between two blocks, `heartbeat_ms_min` to 60,000. Default 5000: at half
    /// the staleness bound of verifiers, or they refuse everything while the chain idles.
    pub heartbeat_ms_max: u64,
    /// Milliseconds a validator waits for a proposal, 50 to 60,000; it must exceed the time to
    /// build, send and execute a full block. Default 1000.
    pub propose_ms: u64,
    /// Milliseconds it waits for stragglers' votes, 50 to 60,000. Default 500.
    pub vote_ms: u64,
    /// Milliseconds without progress after which votes are sent again, 100 to 60,000.
    /// Default 2000.
    pub rebroadcast_ms: u64,
    /// Most milliseconds a first proposal's time may be ahead of the own clock. Default 5000.
    pub ahead_ms_max: u64,
    /// Most milliseconds it may be behind the own clock. Default 60,000.
    pub behind_ms_max: u64,
}

impl Default for ConsensusSection {
    fn default() -> Self {
        Self {
            listen: "/ip4/127.0.0.1/tcp/30333".to_owned(),
            spacing_ms_min: 200,
            heartbeat_ms_min: 1000,
            heartbeat_ms_max: 5000,
            propose_ms: 1000,
            vote_ms: 500,
            rebroadcast_ms: 2000,
            ahead_ms_max: 5000,
            behind_ms_max: 60_000,
        }
    }
}

impl ConsensusSection {
    /// Returns the block spacing.
    pub const fn pacing(&self) -> Pacing {
        Pacing {
            min_spacing: Duration::from_millis(self.spacing_ms_min),
            heartbeat_min: Duration::from_millis(self.heartbeat_ms_min),
            heartbeat_max: Duration::from_millis(self.heartbeat_ms_max),
        }
    }

    /// Returns the step timeouts.
    pub const fn timeouts(&self) -> Timeouts {
        Timeouts {
            propose: Duration::from_millis(self.propose_ms),
            prevote: Duration::from_millis(self.vote_ms),
            precommit: Duration::from_millis(self.vote_ms),
            rebroadcast: Duration::from_millis(self.rebroadcast_ms),
        }
    }
}

/// How the node answers clients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RpcSection {
    /// Address for HTTP and WebSocket; port 0 lets the system choose. Default `127.0.0.1:9944`.
    /// Whoever reaches it can read everything and submit.
    pub listen: SocketAddr,
    /// Most bytes of a request, 4096 to 64 MiB. Default 8 MiB.
    pub body_bytes_max: u32,
    /// Most calls of a batch, 1 to 10,000. Default 128.
    pub batch_max: u32,
    /// Most connections at once, 1 to 100,000. Default 1024.
    pub connections_max: u32,
    /// Most subscriptions of one connection, 1 to 10,000. Default 1024.
    pub subscriptions_max: u32,
    /// Most connections of one address at once, 1 to 100,000. Default 128. Of IPv6, 64 bits are one
    /// address here and below.
    pub connections_per_ip_max: u32,
    /// Calls a second of one address in the long run, 0 to 1,000,000; 0 allows any number.
    /// Default 100. Each call of a batch counts; `/health` and `/ready` do not.
    pub calls_per_s_max: u32,
    /// Calls of one address at once after it has rested, `batch_max` to 10,000,000. Default 1000.
    pub calls_burst_max: u32,
    /// Whether clients on this machine are limited as others are. Default false.
    pub limit_loopback: bool,
    /// Addresses of proxies, such as `["10.0.0.0/8", "::1"]`, whose `X-Forwarded-For` is believed:
    /// their last address that is no proxy's is the client's. Default none.
    pub trusted_proxies: Vec<AddressRange>,
    /// File of API keys (`allod-node api-key new`), one of which every request then needs but
    /// `/health` and `/ready`. Default none: everybody may ask.
    pub api_keys: Option<PathBuf>,
    /// Whether `/metrics` needs no API key. Default false.
    pub metrics_open: bool,
    /// Socket for the node's operator alone. Default `admin.sock` in the data directory.
    pub admin_socket: Option<PathBuf>,
    /// Encryption.
    pub tls: TlsSection,
    /// Origins that browsers may call from; `["*"]` allows all. Default: all, for there are no
    /// cookies or other ambient rights to abuse.
    pub cors: Vec<String>,
}

impl Default for RpcSection {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 9944)),
            body_bytes_max: 8 * 1024 * 1024,
            batch_max: 128,
            connections_max: 1024,
            subscriptions_max: 1024,
            connections_per_ip_max: 128,
            calls_per_s_max: 100,
            calls_burst_max: 1000,
            limit_loopback: false,
            trusted_proxies: Vec::new(),
            api_keys: None,
            metrics_open: false,
            admin_socket: None,
            tls: TlsSection::default(),
            cors: vec!["*".to_owned()],
        }
    }
}

/// How what clients send is encrypted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsSection {
    /// The certificate and what leads to its authority, PEM. Default none: nothing is encrypted.
    pub certificate: Option<PathBuf>,
    /// Its private key, PEM, which nobody else may read.
    pub key: Option<PathBuf>,
}

/// What the node keeps on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StorageSection {
    /// Keeps every version of the state and every block's events. Default false: those of the
    /// window below. Blocks and certificates are always kept.
    pub archive: bool,
    /// Blocks whose state stays readable, 1,024 to 1,000,000. Default 1024.
    pub history_blocks: u64,
    /// Seconds for which a block's state stays readable, 600 to 604,800; the longer of the two
    /// counts. Default 600.
    pub history_s: u64,
    /// MiB of the database's block cache, 8 to 65,536. Default 64.
    pub cache_mib: u32,
}

impl Default for StorageSection {
    fn default() -> Self {
        Self {
            archive: false,
            history_blocks: HISTORY_BLOCKS_MIN,
            history_s: HISTORY_MS_MIN / 1000,
            cache_mib: 64,
        }
    }
}

impl StorageSection {
    /// Returns what the store is told.
    pub const fn options(&self) -> StoreOptions {
        StoreOptions {
            history_blocks: self.history_blocks,
            history_ms: self.history_s.saturating_mul(1000),
            archive: self.archive,
        }
    }

    /// Returns the block cache's size.
    pub fn cache_bytes(&self) -> usize {
        usize::try_from(self.cache_mib).unwrap_or(64) << 20
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// More bytes than a configuration has.
    #[error("{path}: larger than {CONFIG_BYTES_MAX} bytes")]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// Something is wrong with what it says.
    #[error("{path}: {list}", list = listed(problems))]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What, in the order of the file; at least one.
        problems: Vec<Problem>,
    },
}

/// Returns one problem as it is, several on lines of their own.
fn listed(problems: &[Problem]) -> String {
    match problems {
        [problem] => problem.to_string(),
        _ => problems
            .iter()
            .map(|problem| format!("\n  {problem}"))
            .collect(),
    }
}

/// A file that was read, with what there is to say about it.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// The configuration, with absolute paths, if it can be used.
    pub config: Option<NodeConfig>,
    /// Why it cannot be used.
    pub errors: Vec<Problem>,
    /// What should be known if it is used; empty if it cannot be.
    pub warnings: Vec<Problem>,
    /// Every key as it is in effect; empty if it cannot be used.
    pub effective: Vec<Effective>,
}

impl NodeConfig {
    /// Reads and checks a file; makes its paths absolute.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] names everything that is wrong.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let inspection = Self::inspect(path, &Machine::default())?;
        inspection.config.ok_or_else(|| ConfigError::Invalid {
            path: path.to_owned(),
            problems: inspection.errors,
        })
    }

    /// Reads a file and says everything about it.
    ///
    /// # Errors
    /// [`ConfigError::File`] or [`ConfigError::TooLarge`] only.
    pub fn inspect(path: &Path, machine: &Machine) -> Result<Inspection, ConfigError> {
        let file = |source| ConfigError::File {
            path: path.to_owned(),
            source,
        };
        if fs::metadata(path).map_err(file)?.len() > CONFIG_BYTES_MAX {
            return Err(ConfigError::TooLarge {
                path: path.to_owned(),
            });
        }
        let text = fs::read_to_string(path).map_err(file)?;
        let absolute = std::path::absolute(path).map_err(file)?;
        let base = absolute.parent().unwrap_or(Path::new("/"));
        Ok(Self::inspect_text(&text, base, machine))
    }

    fn inspect_text(text: &str, base: &Path, machine: &Machine) -> Inspection {
        let checked = check::check_text(text);
        let mut inspection = Inspection {
            config: None,
            errors: checked.problems.clone(),
            warnings: Vec::new(),
            effective: Vec::new(),
        };
        if !inspection.errors.is_empty() {
            return inspection;
        }
        let mut config: Self = match toml::from_str(text) {
            Ok(config) => config,
            // The table of keys let something through that the types do not.
            Err(error) => {
                let message = error.message().to_owned();
                let (key, line, hint) = (None, None, None);
                inspection.errors.push(Problem {
                    key,
                    line,
                    message,
                    hint,
                });
                return inspection;
            }
        };
        inspection.errors = advice::conflicts(&config, &checked);
        if !inspection.errors.is_empty() {
            return inspection;
        }
        inspection.warnings = advice::warnings(&config, &checked, base, machine);
        config.data = base.join(&config.data);
        config.chain_spec = base.join(&config.chain_spec);
        config.keys.network = base.join(&config.keys.network);
        for path in [
            &mut config.keys.validator,
            &mut config.keys.signer,
            &mut config.keys.passphrase_file,
            &mut config.rpc.api_keys,
            &mut config.rpc.admin_socket,
            &mut config.rpc.tls.certificate,
            &mut config.rpc.tls.key,
        ] {
            *path = path.take().map(|path| base.join(path));
        }
        inspection.effective = show::effective(&config, &checked);
        inspection.config = Some(config);
        inspection
    }

    /// Writes the configuration.
    ///
    /// # Errors
    /// [`ConfigError::File`].
    pub fn write(&self, path: &Path) -> Result<(), ConfigError> {
        let text = toml::to_string_pretty(self).expect("a configuration is plain TOML");
        fs::write(path, text).map_err(|source| ConfigError::File {
            path: path.to_owned(),
            source,
        })
    }
}
