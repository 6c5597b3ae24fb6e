//! The command line of `allod-node`: runs a node, and helps its operator. Logs go to standard
//! error, data to standard output; one file per command.

mod admin;
mod api_key;
mod config;
mod doctor;
mod genesis;
mod guard;
mod init;
mod keys;
mod output;
mod passphrases;
mod probe;
mod signer;

use std::path::PathBuf;
use std::process;
use std::time::Duration;

use allod_runtime::executive::Executive;
use clap::{CommandFactory, Parser, Subcommand};

use self::output::{Failure, complain};
use crate::node::{ExitCode, LogFormat, RunOptions, run, start_logs};

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
    Run(RunArgs),
    /// Hold a validator's key and its sign guard for a node, until SIGTERM or SIGINT.
    Signer(signer::SignerArgs),
    /// Make a new node's directory: configuration, keys, chain specification.
    Init(init::InitArgs),
    /// Say that a validator's sign guard is new, or was lost.
    Guard {
        #[command(subcommand)]
        command: guard::GuardCommand,
    },
    /// Look at everything a node needs, and say what to do. Code 0: all is well; 1: somebody should
    /// look; 2: it does not work.
    Doctor(doctor::DoctorArgs),
    /// Check, show and write configurations.
    Config {
        #[command(subcommand)]
        command: config::ConfigCommand,
    },
    /// Make and show key files.
    #[command(alias = "key")]
    Keys {
        #[command(subcommand)]
        command: keys::KeysCommand,
    },
    /// Ask a running node on this machine: status, peers, log, reload, stop.
    Admin(admin::AdminArgs),
    /// Make and take away API keys.
    ApiKey {
        #[command(subcommand)]
        command: api_key::ApiKeyCommand,
    },
    /// Ask a running node how it is; code 3 if it is not well, or does not answer.
    Probe(probe::ProbeArgs),
    /// Make a genesis with others, check and show it.
    Genesis {
        #[command(subcommand)]
        command: genesis::GenesisCommand,
    },
}

#[derive(Debug, clap::Args)]
struct RunArgs {
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
    #[command(flatten)]
    passphrase: passphrases::PassphraseArgs,
    /// How a line of the log looks.
    #[arg(long, value_enum, default_value_t, env = "ALLOD_LOG_FORMAT")]
    log_format: LogFormat,
    /// What is logged, such as `info,allod_chain=debug`.
    #[arg(long, env = "ALLOD_LOG")]
    log: Option<String>,
}

/// Returns the command line's description, for completions and manual pages.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Does what the command line says, by the versions of the state machine that `executive` knows.
pub fn main(executive: Executive) -> process::ExitCode {
    let done = match Cli::parse().command {
        Command::Run(args) => run_node(args, executive),
        Command::Signer(args) => signer::run(&args, executive),
        Command::Init(args) => init::run(&args, executive),
        Command::Guard { command } => guard::run(&command, executive),
        Command::Doctor(args) => doctor::run(&args, executive),
        Command::Config { command } => config::run(&command),
        Command::Probe(args) => probe::run(&args),
        Command::Keys { command } => keys::run(&command),
        Command::Admin(args) => admin::run(&args),
        Command::ApiKey { command } => api_key::run(&command),
        Command::Genesis { command } => genesis::run(&command, executive),
    };
    let code = match done {
        Ok(code) => code,
        Err(failure) => complain(&failure),
    };
    code.into()
}

fn run_node(args: RunArgs, executive: Executive) -> Result<ExitCode, Failure> {
    start_logs(args.log_format, args.log.as_deref())
        .map_err(|error| Failure::new(ExitCode::Usage, error.to_string()))?;
    let options = RunOptions {
        config: args.config,
        stop_on_stdin_eof: args.stop_on_stdin_eof,
        clock_ahead_unsafe: args.clock_ahead_ms_unsafe.map(Duration::from_millis),
        passphrase: args.passphrase.given(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(ExitCode::Bug, error.to_string()))?;
    match runtime.block_on(run(&options, executive)) {
        Ok(()) => Ok(ExitCode::Stopped),
        Err(error) => Err(Failure {
            code: error.exit_code(),
            message: error.to_string(),
            hint: error.hint().map(str::to_owned),
        }),
    }
}
