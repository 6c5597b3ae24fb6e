//! A node as a process: files, sockets and signals around [`super::start`].

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use allod_consensus::{OpenGuardError, Progress, Seams, StopReason};
use allod_rpc::{ChainInfo, RpcServer, ServerConfig, TlsFiles, VisitorLimits};
use allod_runtime::executive::Executive;
use allod_runtime::genesis::GenesisError;
use libp2p::Multiaddr;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;

use super::assembly::{GossipWorld, RunningNode, Setup, StartError, Stopped, World, start};
use super::exit::ExitCode;
use super::operator::Operator;
use super::service::Supervisor;
use super::{keys, stdin};
use crate::admin::AdminError;
use crate::config::{ConfigError, NodeConfig, TlsSection};
use crate::gossip::{ListenError, check_free, next_port};
use crate::keyfile::person::{aside, leave_terminal};
use crate::keyfile::{KeyFileError, PassphraseSource};
use crate::ledger::{Genesis, Halt, OpenChainError};
use crate::mempool::Limits;
use crate::seams::{AheadClock, Clock, OsEntropy, SystemClock, TooFarAhead};
use crate::signer::ConnectError;
use crate::spec::{ChainSpec, ChainType, SpecError};
use crate::storage::{BackendError, OpenError, RocksStore};
use crate::view::ChainView;

/// What the command line says.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The configuration file.
    pub config: PathBuf,
    /// Stops when standard input ends, so that the node does not outlive its launcher.
    pub stop_on_stdin_eof: bool,
    /// Development networks only: how far the clock is ahead of the system's at first; standard
    /// input then sets it further ahead, line by line. `None`: nothing sets the clock.
    pub clock_ahead_unsafe: Option<Duration>,
    /// Where the passphrase of encrypted key files is; `None`: where the configuration says, else
    /// the service's credential, else the terminal.
    pub passphrase: Option<PassphraseSource>,
}

/// Why a node did not start, or stopped by itself.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The configuration cannot be used.
    #[error("configuration: {0}")]
    Config(#[from] ConfigError),
    /// The chain's specification cannot be used.
    #[error("chain specification: {0}")]
    Spec(#[from] SpecError),
    /// Nothing can start from the specification.
    #[error("chain specification: {0}")]
    Genesis(#[from] GenesisError),
    /// A key file cannot be used.
    #[error("key file {0}")]
    Key(#[from] KeyFileError),
    /// The listening address is not a TCP multiaddr.
    #[error("consensus.listen is not a TCP multiaddr: {address}")]
    Address {
        /// What was configured.
        address: String,
    },
    /// The clock was to be set on a network that people may rely on.
    #[error("clock: {chain_type} networks keep the system's; only Development ones can travel")]
    ClockOfOthers {
        /// The kind of the network, as its specification names it.
        chain_type: &'static str,
    },
    /// The clock was to be set too far ahead.
    #[error("clock: {0}")]
    Clock(#[from] TooFarAhead),
    /// A directory cannot be made.
    #[error("{path}: {source}")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The database cannot be opened.
    #[error(transparent)]
    Database(#[from] BackendError),
    /// The memory of what was signed cannot be opened.
    #[error(transparent)]
    Guard(#[from] OpenGuardError),
    /// The signer cannot be used.
    #[error(transparent)]
    Signer(#[from] ConnectError),
    /// Neither guard nor database: whether the validator's key has signed, only a person knows.
    #[error(
        "there is no sign guard at {path}: say `allod-node guard new` if this validator's key has \
         never signed on this chain, `allod-node guard lost` if it may have"
    )]
    NoGuard {
        /// Where it would be.
        path: PathBuf,
    },
    /// An address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The node did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The RPC server did not start.
    #[error("rpc: {0}: {source}", source = .0.source_text())]
    Rpc(#[from] RpcError),
    /// The operator's socket cannot be opened.
    #[error("admin socket: {0}")]
    Admin(#[from] AdminError),
    /// Signals cannot be listened for.
    #[error("signals: {0}")]
    Signals(std::io::Error),
    /// The node stopped by itself.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Why the RPC server did not start, with its cause in the message.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct RpcError(#[from] allod_rpc::StartError);

impl RpcError {
    fn source_text(&self) -> String {
        let source = std::error::Error::source(&self.0);
        source.map(ToString::to_string).unwrap_or_default()
    }
}

impl RunError {
    /// Returns what the process says with its exit code.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Config(_)
            | Self::Spec(_)
            | Self::Genesis(_)
            | Self::Key(_)
            | Self::NoGuard { .. }
            | Self::ClockOfOthers { .. }
            | Self::Clock(_)
            | Self::Address { .. } => ExitCode::Usage,
            Self::Directory { .. } | Self::Database(_) => ExitCode::Database,
            Self::Guard(_) => ExitCode::Engine,
            Self::Signer(ConnectError::Silent { .. } | ConnectError::Busy { .. }) => {
                ExitCode::Unavailable
            }
            Self::Signer(_) => ExitCode::Usage,
            Self::Listen(_) => ExitCode::Unavailable,
            Self::Start(error) => start_code(error),
            Self::Rpc(RpcError(allod_rpc::StartError::Listen { .. })) => ExitCode::Unavailable,
            Self::Rpc(RpcError(allod_rpc::StartError::Methods(_))) => ExitCode::Bug,
            Self::Rpc(_) => ExitCode::Usage,
            Self::Admin(AdminError::Taken { .. }) => ExitCode::Unavailable,
            Self::Admin(_) => ExitCode::Usage,
            Self::Signals(_) => ExitCode::Bug,
            Self::Stopped(stopped) => stop_code(stopped),
        }
    }

    /// Returns what the operator can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        if let Self::Signer(_) = self {
            return Some("see that `allod-node signer` runs there, for this chain and this node");
        }
        if let Self::Guard(OpenGuardError::Version { .. } | OpenGuardError::Damaged { .. }) = self {
            return Some(
                "`allod-node guard lost` makes a new one, silent for a minute first; one validator at a \
                 time, or the network stands",
            );
        }
        if let Self::Stopped(Stopped::Consensus(StopReason::LogDiverged)) = self {
            return Some("move consensus.wal away, keep sign-guard, start again; see docs/node.md");
        }
        Some(match self.exit_code() {
            ExitCode::Unavailable => "another process listens there; change the port or stop it",
            ExitCode::Database => "check the disk's space and health, and that no other node runs",
            ExitCode::GenesisMismatch => {
                "data directory and chain specification belong to different chains"
            }
            ExitCode::StateMismatch => {
                "keep the data directory for an analysis and synchronise into a new one"
            }
            ExitCode::Engine => "see docs/node.md: never delete a validator's log or sign guard",
            ExitCode::EngineStopped => {
                "start it again; if that repeats, look at the disk and see docs/node.md, Files"
            }
            ExitCode::UpgradeNeeded => "install the version that the trustees voted for",
            ExitCode::Bug => "please report the log",
            ExitCode::Usage | ExitCode::Negative | ExitCode::Stopped => return None,
        })
    }
}

fn start_code(error: &StartError) -> ExitCode {
    match error {
        StartError::Chain(error) => chain_code(error),
        StartError::Ledger(halt) => halt_code(halt),
        StartError::Gossip(_) => ExitCode::Unavailable,
        StartError::Consensus(allod_consensus::StartError::BadAddress { .. }) => ExitCode::Usage,
        StartError::Consensus(_) => ExitCode::EngineStopped,
    }
}

fn chain_code(error: &OpenChainError) -> ExitCode {
    match error {
        OpenChainError::Open(OpenError::Genesis { .. }) => ExitCode::GenesisMismatch,
        OpenChainError::Open(_) => ExitCode::Database,
        OpenChainError::StateRoot { .. } | OpenChainError::Tree(_) => ExitCode::StateMismatch,
        OpenChainError::Upgrade(_) => ExitCode::UpgradeNeeded,
    }
}

fn halt_code(halt: &Halt) -> ExitCode {
    match halt {
        Halt::Storage(_) => ExitCode::Database,
        Halt::Upgrade(_) => ExitCode::UpgradeNeeded,
        Halt::DecidedInvalid { .. } => ExitCode::StateMismatch,
        Halt::DecidedUnknown { .. } | Halt::Bug(_) => ExitCode::Bug,
    }
}

fn stop_code(stopped: &Stopped) -> ExitCode {
    match stopped {
        Stopped::Requested => ExitCode::Stopped,
        Stopped::Halted(halt) => halt_code(halt),
        Stopped::Consensus(StopReason::Application(_)) => ExitCode::Bug,
        Stopped::Consensus(StopReason::Guard(_) | StopReason::LogDiverged) => ExitCode::Engine,
        Stopped::Consensus(_) => ExitCode::EngineStopped,
    }
}

/// Runs a node until it is told to stop (SIGTERM, SIGINT, or the end of standard input if asked
/// for) or cannot go on. `executive`: what executes its blocks.
///
/// # Errors
/// [`RunError`], whose [`RunError::exit_code`] is the process's.
pub async fn run(options: &RunOptions, executive: Executive) -> Result<(), RunError> {
    let config = NodeConfig::read(&options.config)?;
    let spec = ChainSpec::read(&config.chain_spec)?;
    let ahead = travelling_clock(options, &spec)?;
    let mut stop = StopSignals::new(options, ahead.clone()).map_err(RunError::Signals)?;
    let jumps = ahead.as_ref().map(|clock| clock.jumps());
    let clock: Arc<dyn Clock> = match ahead {
        Some(clock) => clock,
        None => Arc::new(SystemClock),
    };
    let supervisor = Arc::new(Supervisor::of_environment());
    // A person may be asked for a passphrase, and a signer waited for.
    let (setup, world) = tokio::select! {
        prepared = prepare(options, &config, &spec, clock, executive) => prepared?,
        reason = stop.wait() => {
            leave_terminal();
            tracing::info!(reason, "stopped before it ran");
            return Ok(());
        }
    };
    let genesis = setup.genesis.hash;
    let mut starting = JoinSet::new();
    starting.spawn({
        let (supervisor, progress) = (supervisor.clone(), setup.progress.clone());
        async move { supervisor.keep_starting(progress).await }
    });
    let mut node = start(setup, world).await?;
    if let Some(jumps) = jumps {
        node.follow_jumps(jumps);
    }
    let info = ChainInfo {
        chain: spec.name.clone(),
        chain_type: spec.chain_type.name().to_owned(),
        node: "allod-node".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let view = Arc::new(ChainView::new(node.shared().clone(), info));
    // Every state only if none was given up before it was wanted.
    let oldest = node.shared().chain().store().reader().oldest();
    let is_archive = config.storage.archive && oldest.is_ok_and(|oldest| oldest.0 == 0);
    if config.storage.archive && !is_archive {
        tracing::warn!(
            "states were given up before `storage.archive` was set; `archive_v1_*` is not offered"
        );
    }
    let config_of_server = server_config(&config, is_archive);
    let server = match RpcServer::start(&config_of_server, view.clone()).await {
        Ok(server) => server,
        Err(error) => {
            node.stop().await;
            return Err(RpcError(error).into());
        }
    };
    let operator = Operator {
        name: config.name.clone(),
        view,
        rpc: server.clone(),
        stop: stop.operator.clone(),
        started: Instant::now(),
    };
    let _admin = match operator.listen(&config) {
        Ok(admin) => admin,
        Err(error) => {
            finish(node, server).await;
            return Err(error.into());
        }
    };
    tracing::info!(rpc = %server.address(), %genesis, "the node runs");
    drop(starting);
    supervisor.tell("READY=1");
    let heart = node.heart();
    let ended = tokio::select! {
        never = supervisor.keep_telling(async || heart.beat().await) => match never {},
        stopped = node.wait() => Err(stopped.into()),
        reason = stop.wait() => {
            tracing::info!(reason, "stopping");
            Ok(())
        }
    };
    supervisor.tell("STOPPING=1");
    finish(node, server).await;
    ended
}

/// Returns the clock that can be set ahead, if the command line asks for one and the network is
/// nobody's.
fn travelling_clock(
    options: &RunOptions,
    spec: &ChainSpec,
) -> Result<Option<Arc<AheadClock>>, RunError> {
    let Some(ahead) = options.clock_ahead_unsafe else {
        return Ok(None);
    };
    if spec.chain_type != ChainType::Development {
        let chain_type = spec.chain_type.name();
        return Err(RunError::ClockOfOthers { chain_type });
    }
    tracing::warn!(?ahead, "UNSAFE: the clock is the launcher's to set");
    Ok(Some(Arc::new(AheadClock::new(ahead)?)))
}

async fn finish(node: RunningNode, server: RpcServer) {
    server.stop().await;
    node.stop().await;
    tracing::info!("stopped");
}

/// Opens the files and checks the addresses that the configuration names.
async fn prepare(
    options: &RunOptions,
    config: &NodeConfig,
    spec: &ChainSpec,
    clock: Arc<dyn Clock>,
    executive: Executive,
) -> Result<(Setup, World), RunError> {
    let genesis = Genesis::with(executive, &spec.genesis()?)?;
    let section = &config.consensus;
    let bad_address = || RunError::Address {
        address: section.listen.clone(),
    };
    let listen: Multiaddr = section.listen.parse().map_err(|_| bad_address())?;
    let gossip = next_port(&listen).ok_or_else(bad_address)?;
    check_free(&listen).map_err(|error| ListenError {
        address: listen,
        reason: error.to_string(),
    })?;
    std::fs::create_dir_all(&config.data).map_err(|source| RunError::Directory {
        path: config.data.clone(),
        source,
    })?;
    let (known, configured, of) = (options.clone(), config.clone(), spec.clone());
    let files = aside(move || keys::unlock(&known, &configured, &of)).await?;
    let keys = keys::open(config, files, genesis.chain, clock.as_ref()).await?;
    let backend = RocksStore::open(&config.data.join("db"), config.storage.cache_bytes())?;
    let setup = Setup {
        name: config.name.clone(),
        genesis,
        keys,
        listen: section.listen.clone(),
        wal: config.data.join("consensus.wal"),
        pacing: section.pacing(),
        timeouts: section.timeouts(),
        ahead_max: Duration::from_millis(section.ahead_ms_max),
        behind_max: Duration::from_millis(section.behind_ms_max),
        store: config.storage.options(),
        pool: Limits::default(),
        progress: Progress::default(),
    };
    let world = World {
        backend: Arc::new(backend),
        clock,
        entropy: Arc::new(OsEntropy),
        gossip: GossipWorld::Tcp(gossip),
        consensus: Seams::Real,
    };
    Ok((setup, world))
}

fn server_config(config: &NodeConfig, is_archive: bool) -> ServerConfig {
    ServerConfig {
        listen: config.rpc.listen,
        cors_origins: config.rpc.cors.clone(),
        request_bytes_max: config.rpc.body_bytes_max,
        batch_calls_max: config.rpc.batch_max,
        connections_max: config.rpc.connections_max,
        subscriptions_per_connection_max: config.rpc.subscriptions_max,
        api_keys: config.rpc.api_keys.clone(),
        tls: tls_files(&config.rpc.tls),
        are_metrics_open: config.rpc.metrics_open,
        visitors: VisitorLimits {
            connections_max: config.rpc.connections_per_ip_max,
            calls_per_s: config.rpc.calls_per_s_max,
            calls_burst: config.rpc.calls_burst_max,
            is_loopback_limited: config.rpc.limit_loopback,
            trusted_proxies: config.rpc.trusted_proxies.clone(),
        },
        is_archive,
        ..ServerConfig::default()
    }
}

/// Both or none: the configuration was checked.
fn tls_files(section: &TlsSection) -> Option<TlsFiles> {
    Some(TlsFiles {
        certificate: section.certificate.clone()?,
        key: section.key.clone()?,
    })
}

/// What asks the process to stop.
struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
    /// Rung by the operator.
    operator: Arc<Notify>,
    stdin: Option<oneshot::Receiver<()>>,
}

impl StopSignals {
    fn new(options: &RunOptions, clock: Option<Arc<AheadClock>>) -> std::io::Result<Self> {
        let read = options.stop_on_stdin_eof || clock.is_some();
        let ended = read.then(|| stdin::watch(clock));
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            operator: Arc::default(),
            stdin: ended.filter(|_| options.stop_on_stdin_eof),
        })
    }

    async fn wait(&mut self) -> &'static str {
        let ended = async {
            match &mut self.stdin {
                Some(stdin) => {
                    // An error means that the watching thread is gone: the same.
                    let _ = stdin.await;
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            () = self.operator.notified() => "admin_stop",
            () = ended => "end of standard input",
        }
    }
}
