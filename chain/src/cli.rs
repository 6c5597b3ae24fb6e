//! The command line of `allod-node`: runs a node, makes its keys. Logs go to standard error, data
//! to standard output.

#![expect(
    clippy::print_stdout,
    reason = "a command's data goes to standard output"
)]

use std::path::PathBuf;
use std::process;
use std::time::Duration;

use allod_primitives::NetworkId;
use allod_runtime::executive::Executive;
use anyhow::Context;
use clap::{Parser, Subcommand};
use ed25519_dalek::SigningKey;

use crate::keyfile;
use crate::ledger::Genesis;
use crate::node::{ExitCode, LogFormat, RunOptions, run, start_logs};
use crate::spec::ChainSpec;

/// A node of the Allod identity ledger.
#[derive(Debug, Parser)]
#[command(name = "allod-node", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a node until SIGTERM, SIGINT or a fatal error.
    Run {
        /// Configuration file (TOML).
        #[arg(long, default_value = "config.toml")]
        config: PathBuf,
        /// Stop when standard input ends, so as not to outlive the launcher.
        #[arg(long)]
        stop_on_stdin_eof: bool,
        /// Development networks only: be this far ahead of the system's clock, in milliseconds,
        /// and take `clock-ahead-ms N` from standard input to go further.
        #[arg(long, value_name = "MS")]
        clock_ahead_ms_unsafe: Option<u64>,
        /// How a line of the log looks.
        #[arg(long, value_enum, default_value_t, env = "ALLOD_LOG_FORMAT")]
        log_format: LogFormat,
        /// What is logged, such as `info,allod_chain=debug`.
        #[arg(long, env = "ALLOD_LOG")]
        log: Option<String>,
    },
    /// Make and show key files.
    Key {
        #[command(subcommand)]
        command: KeyCommand,
    },
    /// Show genesis hash, state root and network name of a chain specification.
    Genesis {
        /// Chain specification (JSON).
        chain_spec: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Make a new key; the file must not exist.
    New {
        /// Where to write it.
        file: PathBuf,
    },
    /// Show public key and libp2p identity of a key file.
    Show {
        /// The file.
        file: PathBuf,
    },
}

/// Does what the command line says, by the versions of the state machine that `executive` knows.
pub fn main(executive: Executive) -> process::ExitCode {
    let cli = Cli::parse();
    let code = match cli.command {
        Command::Run {
            config,
            stop_on_stdin_eof,
            clock_ahead_ms_unsafe,
            log_format,
            log,
        } => {
            if let Err(error) = start_logs(log_format, log.as_deref()) {
                return complain(&error, None, ExitCode::Usage).into();
            }
            let options = RunOptions {
                config,
                stop_on_stdin_eof,
                clock_ahead_unsafe: clock_ahead_ms_unsafe.map(Duration::from_millis),
            };
            run_node(&options, executive)
        }
        Command::Key { command } => told(key(&command)),
        Command::Genesis { chain_spec } => told(genesis(&chain_spec, executive)),
    };
    code.into()
}

fn run_node(options: &RunOptions, executive: Executive) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return complain(&error, None, ExitCode::Bug),
    };
    match runtime.block_on(run(options, executive)) {
        Ok(()) => ExitCode::Stopped,
        Err(error) => complain(&error, error.hint(), error.exit_code()),
    }
}

fn complain(error: &dyn std::fmt::Display, hint: Option<&str>, code: ExitCode) -> ExitCode {
    eprintln!("allod-node: error: {error}");
    if let Some(hint) = hint {
        eprintln!("hint: {hint}");
    }
    code
}

fn told(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::Stopped,
        Err(error) => complain(&format!("{error:#}"), None, ExitCode::Usage),
    }
}

fn key(command: &KeyCommand) -> anyhow::Result<()> {
    let (key, file) = match command {
        KeyCommand::New { file } => {
            let key = SigningKey::generate(&mut rand::rngs::OsRng);
            keyfile::write(file, &key).context("writing the key")?;
            (key, file)
        }
        KeyCommand::Show { file } => (keyfile::read(file).context("reading the key")?, file),
    };
    println!("file      {}", file.display());
    println!(
        "public    0x{}",
        hex::encode(key.verifying_key().to_bytes())
    );
    println!("peer id   {}", keyfile::keypair(&key).public().to_peer_id());
    Ok(())
}

fn genesis(chain_spec: &std::path::Path, executive: Executive) -> anyhow::Result<()> {
    let spec = ChainSpec::read(chain_spec).context("reading the specification")?;
    let genesis = Genesis::with(executive, &spec.genesis()?).context("executing genesis")?;
    println!("genesis    {}", genesis.hash);
    println!("state root {}", genesis.header().state_root);
    println!(
        "network    {}",
        NetworkId::from_genesis(&genesis.chain.genesis)
    );
    Ok(())
}
