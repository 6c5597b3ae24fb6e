//! `allod-node guard`: what an operator says about a validator's sign guard. It remembers what the
//! key has signed; only a person knows whether a missing one was lost or never was.

use std::fs;
use std::path::PathBuf;

use allod_consensus::{FileGuard, GuardFile};
use allod_primitives::{ChainId, H256, Height, PublicKey};
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
    /// The network stands because more than a third of the power lost its guards, which was said at
    /// least ten minutes ago, and all operators agree that this is its last block: sign from the
    /// next height on. Never alone.
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
        GuardCommand::Agree(agreed) => return agree(agreed, executive),
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
fn is_last(agreed: &AgreeArgs, config: &NodeConfig) -> anyhow::Result<()> {
    let database = config.data.join("db");
    if !database.exists() {
        bail!("there is no database: run the node until it has all blocks");
    }
    let tip = inspect(&database).context("looking at the database")?.tip;
    let (height, hash) = tip.map_or((0, H256::ZERO), |tip| (tip.number.0, tip.hash()));
    if (height, hash) != (agreed.height, agreed.hash) {
        bail!("the last block of this node is {height}, {hash}: it is not what was agreed upon");
    }
    Ok(())
}

/// Opens the guard first: as long as it is open, no node changes the database.
fn agree(agreed: &AgreeArgs, executive: Executive) -> Result<ExitCode, Failure> {
    let place = Place::of(&agreed.guard, executive)?;
    let guard = place.open(GuardFile::Existing)?;
    is_last(agreed, &place.config)?;
    guard
        .agree(Height(agreed.height), SystemClock.now())
        .map_err(|error| Failure {
            code: ExitCode::Usage,
            message: error.to_string(),
            hint: Some(
                "see docs/operator.md, 6: what has to be seen before, and for how long".to_owned(),
            ),
        })?;
    place.say("agreed upon: it signs above that block");
    Ok(ExitCode::Stopped)
}

/// Where a validator's guard is, and whose it is.
struct Place {
    config: NodeConfig,
    path: PathBuf,
    chain: ChainId,
    key: PublicKey,
}

impl Place {
    fn of(args: &GuardArgs, executive: Executive) -> anyhow::Result<Self> {
        let config = NodeConfig::read(&args.config)?;
        if config.keys.signer.is_some() {
            bail!(
                "the guard is the signer's (keys.signer): say it to `allod-node signer`, by \
                 --new-guard, --guard-lost or --guard-agreed"
            );
        }
        let Some(path) = &config.keys.validator else {
            bail!("keys.validator is not set: an observer has no guard");
        };
        let key = PublicKey(KeyFile::read(path)?.public());
        let spec = ChainSpec::read(&config.chain_spec).context("reading the specification")?;
        let genesis = Genesis::with(executive, &spec.genesis()?).context("executing genesis")?;
        Ok(Self {
            path: config.data.join("sign-guard"),
            chain: genesis.chain,
            config,
            key,
        })
    }

    fn open(&self, expected: GuardFile) -> anyhow::Result<FileGuard> {
        let data = &self.config.data;
        fs::create_dir_all(data).context("making the data directory")?;
        Ok(FileGuard::open(&self.path, self.chain, self.key, expected)?)
    }

    fn say(&self, what: &str) {
        say!("guard      {}", self.path.display());
        say!("key        {}", self.key);
        say!("it is      {what}");
    }
}

fn make(
    args: &GuardArgs,
    executive: Executive,
    expected: GuardFile,
    said: &str,
) -> anyhow::Result<()> {
    let place = Place::of(args, executive)?;
    let data = &place.config.data;
    if expected == GuardFile::New && data.join("db").exists() {
        bail!(
            "{} holds a database: this key may have signed; say `guard lost`",
            data.display()
        );
    }
    place.open(expected)?;
    place.say(said);
    Ok(())
}
