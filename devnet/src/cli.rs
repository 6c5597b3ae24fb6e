//! The command line.

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};

use crate::control::{self, Reply, Request};
use crate::layout::Layout;
use crate::{advance, report, supervisor};

/// Run, watch and break a local Allod network. Its keys are public: for development only.
#[derive(Debug, Parser)]
#[command(name = "allod-devnet", version)]
pub(crate) struct Cli {
    /// Directory of the network
    #[arg(long, global = true, default_value = ".devnet", env = "ALLOD_DEVNET")]
    pub(crate) dir: PathBuf,
    /// Print one JSON object instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start the network and keep it until Ctrl-C
    Up(Up),
    /// Show nodes, heights and peers
    Status,
    /// Stop the network
    Stop,
    /// Kill a node at once, as a power cut would (SIGKILL)
    Kill {
        /// Number of the node, from 0
        node: usize,
    },
    /// Start a node again, ending it first if it runs
    Restart {
        /// Number of the node, from 0
        node: usize,
        /// Program it runs from now on, such as another version of `allod-node`
        #[arg(long, value_name = "PATH")]
        binary: Option<PathBuf>,
    },
    /// Start one more node; governance must admit it before the others talk to it
    Add,
    /// Set the clocks of all nodes forward, and wait for blocks of the new time
    Advance {
        /// How far: 90s, 15m, 72h or 3d
        #[arg(allow_hyphen_values = true, value_parser = advance::span)]
        by: Duration,
    },
    /// Print a node's log
    Logs {
        /// Number of the node, from 0
        node: usize,
        /// Go on as the log grows
        #[arg(long, short)]
        follow: bool,
    },
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Up {
    /// Number of validators
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=16))]
    pub(crate) validators: u8,
    /// Seed of all keys; every network has a genesis of its own time all the same
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Delete the directory's network first
    #[arg(long)]
    pub(crate) fresh: bool,
    /// Loopback address of all ports
    #[arg(long, default_value = "127.0.0.1")]
    pub(crate) host: IpAddr,
    /// First RPC port; node n has this plus n. 0 lets the system choose
    #[arg(long, default_value_t = 9944)]
    pub(crate) rpc_port: u16,
    /// Use a loopback address of this process's own, so that networks side by side cannot meet
    #[arg(long, conflicts_with = "host")]
    pub(crate) isolated: bool,
    /// Program of the nodes; default: `allod-node` beside this program
    #[arg(long, env = "ALLOD_NODE_PROGRAM")]
    pub(crate) node_program: Option<PathBuf>,
}

/// Runs the command.
pub(crate) async fn run(cli: &Cli) -> anyhow::Result<ExitCode> {
    let layout = Layout::new(&cli.dir)?;
    match &cli.command {
        Command::Up(up) => supervisor::up(cli, up, &layout).await,
        Command::Logs { node, follow } => report::logs(&layout, *node, *follow).await,
        Command::Status => {
            let reply = control::ask(&layout, &Request::Status).await?;
            finish(cli, &reply)
        }
        Command::Stop => {
            let reply = control::ask(&layout, &Request::Stop).await?;
            layout
                .wait_until_free()
                .await
                .context("waiting for the network to end")?;
            finish(cli, &reply)
        }
        Command::Kill { node } => finish(
            cli,
            &control::ask(&layout, &Request::Kill { node: *node }).await?,
        ),
        Command::Restart { node, binary } => {
            let binary = binary.as_ref().map(std::fs::canonicalize).transpose();
            let binary = binary.context("finding the program")?;
            let request = Request::Restart {
                node: *node,
                binary,
            };
            finish(cli, &control::ask(&layout, &request).await?)
        }
        Command::Advance { by } => advance::run(cli, &layout, *by).await,
        Command::Add => finish(cli, &control::ask(&layout, &Request::Add).await?),
    }
}

fn finish(cli: &Cli, reply: &Reply) -> anyhow::Result<ExitCode> {
    report::reply(cli, reply)
}
