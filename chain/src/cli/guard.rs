//! `allod-node guard`: what an operator says about a validator's sign guard. It remembers what the
//! key has signed; only a person knows whether a missing one was lost or never was.

use std::fs;
use std::path::PathBuf;

use allod_consensus::{FileGuard, GuardFile};
use allod_primitives::PublicKey;
use allod_runtime::executive::Executive;
use anyhow::{Context, bail};
use clap::{Args, Subcommand};

use super::output::{Failure, say};
use crate::config::NodeConfig;
use crate::keyfile::KeyFile;
use crate::ledger::Genesis;
use crate::node::ExitCode;
use crate::seams::{Clock, SystemClock};
use crate::spec::ChainSpec;

#[derive(Debug, Subcommand)]
pub(super) enum GuardCommand {
    /// This validator's key has never signed on this chain: make its guard. Before a validator's
    /// first start.
    New(GuardArgs),
    /// This validator's guard was lost, or is an old copy: sign nothing until the chain has a block
    /// of more than a minute from now.
    Lost(GuardArgs),
}

#[derive(Debug, Args)]
pub(super) struct GuardArgs {
    /// Configuration file (TOML). The node must not run.
    #[arg(long, default_value = "config.toml")]
    config: PathBuf,
}

pub(super) fn run(command: &GuardCommand, executive: Executive) -> Result<ExitCode, Failure> {
    let (args, expected, said) = match command {
        GuardCommand::New(args) => (args, GuardFile::New, "new: the key has never signed"),
        GuardCommand::Lost(args) => {
            let now = SystemClock.now();
            let said = "lost: silent until a block of more than a minute from now";
            (args, GuardFile::Lost { now }, said)
        }
    };
    make(args, executive, expected, said)?;
    Ok(ExitCode::Stopped)
}

fn make(
    args: &GuardArgs,
    executive: Executive,
    expected: GuardFile,
    said: &str,
) -> anyhow::Result<()> {
    let config = NodeConfig::read(&args.config)?;
    let Some(path) = &config.keys.validator else {
        bail!("keys.validator is not set: an observer has no guard");
    };
    let key = PublicKey(KeyFile::read(path)?.public());
    let spec = ChainSpec::read(&config.chain_spec).context("reading the specification")?;
    let genesis = Genesis::with(executive, &spec.genesis()?).context("executing genesis")?;
    fs::create_dir_all(&config.data).context("making the data directory")?;
    let path = config.data.join("sign-guard");
    if expected == GuardFile::New && config.data.join("db").exists() {
        bail!(
            "{} holds a database: this key may have signed; say `guard lost`",
            config.data.display()
        );
    }
    FileGuard::open(&path, genesis.chain, key, expected)?;
    say!("guard      {}", path.display());
    say!("key        {key}");
    say!("it is      {said}");
    Ok(())
}
