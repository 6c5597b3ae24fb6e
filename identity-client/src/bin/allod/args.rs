//! Commands, arguments and their help; one file for each family in `args`.

use std::path::PathBuf;

use allod_primitives::light::Checkpoint;
use clap::{Args, Parser, Subcommand};

use crate::amounts::Seconds;
use crate::gov::args::GovCommand;

// Paths, as the generator of manual pages reads this file from elsewhere.
#[path = "args/chain.rs"]
mod chain;
#[path = "args/control.rs"]
mod control;
#[path = "args/did.rs"]
mod did;
#[path = "args/grant.rs"]
mod grant;
#[path = "args/key.rs"]
mod key;
#[path = "args/light.rs"]
mod light;
#[path = "args/login.rs"]
mod login;
#[path = "args/registrar.rs"]
mod registrar;
#[path = "args/token.rs"]
mod token;

pub(crate) use chain::ChainCommand;
pub(crate) use control::{
    ApproveArgs, CancelArgs, GuardiansCommand, GuardiansSetArgs, InviteArgs, PolicyCommand,
    PolicySetArgs, RecoverCommand, RecoverRequestArgs, RecoverSheetArgs, WatchArgs,
};
pub(crate) use did::{CreateArgs, DidCommand, LogoutArgs, RotateArgs, UpdateArgs};
pub(crate) use grant::{GrantCheckArgs, GrantCommand, GrantIssueArgs};
pub(crate) use key::KeyCommand;
pub(crate) use light::LightCommand;
pub(crate) use login::LoginCommand;
pub(crate) use registrar::RegistrarCommand;
pub(crate) use token::{Purpose, TokenCommand};

/// The command line of the identity ledger.
///
/// Data goes to standard output, everything else to standard error.
/// Exit codes: 0 ok, 1 a negative answer, 2 wrong usage, 3 unavailable, 70 a bug.
#[derive(Debug, Parser)]
#[command(
    name = "allod",
    version,
    propagate_version = true,
    max_term_width = 100
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Endpoint of a node, http or ws; of several, the first that answers
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "ALLOD_NODE",
        hide_env_values = true,
        value_delimiter = ',',
        default_value = "http://127.0.0.1:9944",
        help_heading = "Everywhere"
    )]
    pub node: Vec<String>,
    /// Folder of identities and grants [default: ~/.allod]
    #[arg(
        long,
        global = true,
        value_name = "FOLDER",
        env = "ALLOD_HOME",
        hide_env_values = true,
        help_heading = "Everywhere"
    )]
    pub home: Option<PathBuf>,
    /// Directory of a local network to follow in time [default: the one above the home folder]
    #[arg(
        long,
        global = true,
        value_name = "FOLDER",
        env = "ALLOD_DEVNET",
        hide_env_values = true,
        help_heading = "Everywhere"
    )]
    pub devnet: Option<PathBuf>,
    /// Believe the node's word instead of checking its proofs
    #[arg(
        long,
        global = true,
        env = "ALLOD_TRUST_NODE",
        hide_env_values = true,
        value_parser = clap::builder::FalseyValueParser::new(),
        help_heading = "Everywhere"
    )]
    pub trust_node: bool,
    /// A block that somebody you trust has checked (`allod light checkpoint`): start from there
    #[arg(
        long,
        global = true,
        value_name = "TEXT",
        env = "ALLOD_CHECKPOINT",
        hide_env_values = true,
        help_heading = "Everywhere"
    )]
    pub checkpoint: Option<Checkpoint>,
    /// How old the newest block may be [default: 10s]
    #[arg(long, global = true, value_name = "TIME", help_heading = "Everywhere")]
    pub max_staleness: Option<Seconds>,
    /// Read the passphrase from the first line of this file
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "ALLOD_PASSPHRASE_FILE",
        hide_env_values = true,
        help_heading = "Everywhere"
    )]
    pub passphrase_file: Option<PathBuf>,
    /// Read the node's API key from this file: KEY, or lines ENDPOINT KEY; or set ALLOD_API_KEY
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "ALLOD_API_KEY_FILE",
        hide_env_values = true,
        help_heading = "Everywhere"
    )]
    pub api_key_file: Option<PathBuf>,
    /// Believe nodes' certificates of the authorities in this PEM file [default: the system's]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "ALLOD_CA_FILE",
        hide_env_values = true,
        help_heading = "Everywhere"
    )]
    pub ca_file: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub json: bool,
    /// Print no notes and no progress
    #[arg(long, short, global = true, help_heading = "Everywhere")]
    pub quiet: bool,
    /// How long to wait for an answer, and for a write to be final
    #[arg(
        long,
        global = true,
        value_name = "TIME",
        default_value = "30s",
        help_heading = "Everywhere"
    )]
    pub timeout: Seconds,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create, change and look up identities
    #[command(subcommand)]
    Did(DidCommand),
    /// Issue, revoke and check tokens
    #[command(subcommand)]
    Token(TokenCommand),
    /// Log in by a signature
    #[command(subcommand)]
    Login(LoginCommand),
    /// Give others access, and take it back
    #[command(subcommand)]
    Grant(GrantCommand),
    /// What a registrar does for others
    #[command(subcommand)]
    Registrar(RegistrarCommand),
    /// Tell at once what happens to identities, until interrupted
    Watch(WatchArgs),
    /// What trustees decide: proposals, votes, vetoes
    #[command(subcommand)]
    Gov(GovCommand),
    /// Look at the network
    #[command(subcommand)]
    Chain(ChainCommand),
    /// What answers are checked against, and when that stops
    #[command(subcommand)]
    Light(LightCommand),
    /// Make and look at key files
    #[command(subcommand)]
    Key(KeyCommand),
}

/// How a write is sent.
#[derive(Debug, Args)]
pub(crate) struct Write {
    /// Return as soon as a node has accepted it; it can still be lost
    #[arg(long)]
    pub no_wait: bool,
    /// Print the JSON-RPC request, for curl, and send nothing; typed again without, it goes on
    #[arg(long)]
    pub print_request: bool,
}

/// Which registrar pays.
#[derive(Debug, Args)]
pub(crate) struct Registrar {
    /// Key file of a registrar [default: registrar.json in the home folder]
    #[arg(
        long,
        value_name = "FILE",
        env = "ALLOD_REGISTRAR_KEY",
        hide_env_values = true
    )]
    pub registrar_key: Option<PathBuf>,
}

/// How secrets are kept.
#[derive(Debug, Args)]
pub(crate) struct Protect {
    /// Write secrets unencrypted: for development only
    #[arg(long, env = "ALLOD_UNSAFE_PLAIN", hide_env_values = true, value_parser = clap::builder::FalseyValueParser::new())]
    pub unsafe_plain: bool,
}
