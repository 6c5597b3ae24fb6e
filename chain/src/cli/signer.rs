//! `allod-node signer`: a validator's key in a process of its own.

use std::path::{Path, PathBuf};

use allod_consensus::{GuardFile, OpenGuardError};
use allod_primitives::Height;
use allod_runtime::executive::Executive;
use anyhow::Context;
use ed25519_dalek::SigningKey;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::output::Failure;
use super::passphrases::PassphraseArgs;
use crate::keyfile::person::{aside, leave_terminal};
use crate::keyfile::{KeyFile, KeyFileError, PassphraseSource};
use crate::ledger::Genesis;
use crate::node::{ExitCode, LogFormat, start_logs};
use crate::seams::{Clock, SystemClock};
use crate::signer::{Server, ServerConfig, ServerError};
use crate::spec::ChainSpec;

#[derive(Debug, clap::Args)]
pub(super) struct SignerArgs {
    /// File of the key that votes.
    #[arg(long)]
    key: PathBuf,
    /// File of the sign guard: what the key has signed. Never a copy, never an old one.
    #[arg(long)]
    guard: PathBuf,
    /// Socket to listen on.
    #[arg(long)]
    listen: PathBuf,
    /// Chain specification (JSON): the chain that the key votes on.
    #[arg(long)]
    chain_spec: PathBuf,
    /// The key has never signed anything: make a guard, which must not exist.
    #[arg(long, conflicts_with = "guard_lost")]
    new_guard: bool,
    /// The key has signed, and the guard is lost or an old copy: keep silent until the chain is
    /// surely past what it signed.
    #[arg(long)]
    guard_lost: bool,
    /// The guard was said to be lost at least ten minutes ago, the network stands, and all operators
    /// agree that its last block is of this height: sign above it. Never alone (docs/operator.md §6).
    #[arg(long, value_name = "HEIGHT", conflicts_with_all = ["new_guard", "guard_lost"])]
    guard_agreed: Option<u64>,
    /// User whose processes may ask besides the signer's own; can be repeated.
    #[arg(long, value_name = "UID")]
    allow_uid: Vec<u32>,
    #[command(flatten)]
    passphrase: PassphraseArgs,
    /// How a line of the log looks.
    #[arg(long, value_enum, default_value_t, env = "ALLOD_LOG_FORMAT")]
    log_format: LogFormat,
    /// What is logged, such as `info,allod_chain=debug`.
    #[arg(long, env = "ALLOD_LOG")]
    log: Option<String>,
}

pub(super) fn run(args: &SignerArgs, executive: Executive) -> Result<ExitCode, Failure> {
    start_logs(args.log_format, args.log.as_deref())
        .map_err(|error| Failure::new(ExitCode::Usage, error.to_string()))?;
    let spec = ChainSpec::read(&args.chain_spec).context("reading the specification")?;
    let config = spec.genesis().context("reading the specification")?;
    let genesis = Genesis::with(executive, &config).context("executing genesis")?;
    let config = ServerConfig {
        chain: genesis.chain,
        guard: args.guard.clone(),
        expected: match (args.guard_agreed, args.new_guard, args.guard_lost) {
            (Some(height), ..) => GuardFile::Agreed {
                floor: Height(height),
                now: SystemClock.now(),
            },
            (None, true, _) => GuardFile::New,
            (None, false, true) => GuardFile::Lost {
                now: SystemClock.now(),
            },
            (None, false, false) => GuardFile::Existing,
        },
        listen: args.listen.clone(),
        allowed: args.allow_uid.clone(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(ExitCode::Bug, error.to_string()))?;
    runtime
        .block_on(serve(args, &config))
        .map(|()| ExitCode::Stopped)
}

/// Opens the key file; nobody is asked for a passphrase that it does not need.
fn open_key(path: &Path, passphrase: &PassphraseArgs) -> Result<SigningKey, KeyFileError> {
    let file = KeyFile::read(path)?;
    let source = match file.is_encrypted() {
        true => passphrase.source(),
        false => PassphraseSource::Nowhere,
    };
    file.open(&source)
}

async fn serve(args: &SignerArgs, config: &ServerConfig) -> Result<(), Failure> {
    let bug = |error: std::io::Error| Failure::new(ExitCode::Bug, error.to_string());
    let mut terminate = signal(SignalKind::terminate()).map_err(bug)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(bug)?;
    let (path, passphrase) = (args.key.clone(), args.passphrase.clone());
    let key = tokio::select! {
        key = aside(move || open_key(&path, &passphrase)) => key.context("reading the key")?,
        reason = stop(&mut terminate, &mut interrupt) => {
            leave_terminal();
            tracing::info!(reason, "stopped before it ran");
            return Ok(());
        }
    };
    let (server, failure) = Server::start(config, key).map_err(failure_of)?;
    let socket = config.listen.display();
    tracing::info!(key = %server.public_key(), %socket, expected = ?config.expected, "the signer runs");
    tokio::select! {
        ended = server.serve(failure) => ended.map_err(failure_of)?,
        reason = stop(&mut terminate, &mut interrupt) => tracing::info!(reason, "stopped"),
    }
    Ok(())
}

async fn stop(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}

fn failure_of(error: ServerError) -> Failure {
    let (code, hint) = match &error {
        ServerError::Guard(OpenGuardError::Missing { .. }) => (
            ExitCode::Engine,
            Some("--new-guard if the key has never signed, --guard-lost if it has"),
        ),
        ServerError::Guard(OpenGuardError::Version { .. } | OpenGuardError::Damaged { .. }) => (
            ExitCode::Engine,
            Some(
                "start it with --guard-lost, once: it is silent for a minute first; one validator at \
                 a time, or the network stands",
            ),
        ),
        ServerError::Guard(OpenGuardError::NotAgreed { .. }) => (
            ExitCode::Engine,
            Some("without --guard-agreed it goes on as before; see docs/operator.md, 6"),
        ),
        ServerError::Guard(_) | ServerError::GuardFailed => (
            ExitCode::Engine,
            Some("look at its disk; see docs/node.md before you replace a guard"),
        ),
        ServerError::InUse { .. } => (
            ExitCode::Unavailable,
            Some("one signer for one guard and one socket: stop the other"),
        ),
        ServerError::File { .. } | ServerError::NotASocket { .. } => (ExitCode::Usage, None),
    };
    Failure {
        code,
        message: error.to_string(),
        hint: hint.map(str::to_owned),
    }
}
