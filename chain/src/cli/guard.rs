//! `allod-node guard`: what an operator says about a validator's sign guard. It remembers what the
//! key has signed; only a person knows whether a missing one was lost or never was.

use std::fs;
use std::path::PathBuf;

use allod_consensus::{FileGuard, GuardFile};
use allod_primitives::{H256, Height, PublicKey};
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
use crate::storage::inspect;

#[derive(Debug, Subcommand)]
pub(super) enum GuardCommand {
    /// This validator's key has never signed on this chain: make its guard. Before a validator's
    /// first start.
    New(GuardArgs),
    /// This validator's guard was lost, or is an old copy: sign nothing until the chain has a block
    /// of more than a minute from now.
    Lost(GuardArgs),
    /// The network stands because more than a third of the power lost its guards, and all operators
    /// agree that this is its last block: sign from the next height on, at once. Never alone.
    Agree(AgreeArgs),
}

#[derive(Debug, Args)]
pub(super) struct GuardArgs {
    /// Configuration file (TOML). The node must not run.
    #[arg(long, default_value = "config.toml")]
    config: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct AgreeArgs {
    #[command(flatten)]
    guard: GuardArgs,
    /// Height of the last block.
    #[arg(long)]
    height: u64,
    /// Its hash, as everybody has it.
    #[arg(long, value_parser = hash_of)]
    hash: H256,
}

pub(super) fn run(command: &GuardCommand, executive: Executive) -> Result<ExitCode, Failure> {
    let (args, expected, said) = match command {
        GuardCommand::New(args) => (args, GuardFile::New, "new: the key has never signed"),
        GuardCommand::Lost(args) => {
            let now = SystemClock.now();
            let said = "lost: silent until a block of more than a minute from now";
            (args, GuardFile::Lost { now }, said)
        }
        GuardCommand::Agree(agreed) => {
            is_last(agreed)?;
            let floor = Height(agreed.height);
            let said = "agreed upon: it signs above that block, at once";
            (&agreed.guard, GuardFile::Agreed { floor }, said)
        }
    };
    make(args, executive, expected, said)?;
    Ok(ExitCode::Stopped)
}

fn hash_of(text: &str) -> Result<H256, String> {
    let mut bytes = [0; 32];
    let digits = text.strip_prefix("0x").unwrap_or_default();
    match hex::decode_to_slice(digits, &mut bytes) {
        Ok(()) => Ok(H256(bytes)),
        Err(_) => Err("a hash is 0x and 64 hexadecimal digits".to_owned()),
    }
}

/// Refuses an agreement about another block than the last one that this node has.
fn is_last(agreed: &AgreeArgs) -> anyhow::Result<()> {
    let config = NodeConfig::read(&agreed.guard.config)?;
    let database = config.data.join("db");
    if !database.exists() {
        bail!("there is no database: say `guard lost`, and run the node until it has all blocks");
    }
    let tip = inspect(&database).context("looking at the database")?.tip;
    let (height, hash) = tip.map_or((0, H256::ZERO), |tip| (tip.number.0, tip.hash()));
    if (height, hash) != (agreed.height, agreed.hash) {
        bail!("the last block of this node is {height}, {hash}: it is not what was agreed upon");
    }
    Ok(())
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
