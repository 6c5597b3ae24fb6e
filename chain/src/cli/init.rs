//! `allod-node init`: a new node's directory.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use allod_consensus::{FileGuard, GuardFile};
use allod_primitives::PublicKey;
use allod_runtime::executive::Executive;
use anyhow::{Context, bail};
use clap::Args;
use ed25519_dalek::SigningKey;

use super::output::{Failure, say};
use super::passphrases::NewPassphraseArgs;
use crate::config::{NodeConfig, table};
use crate::keyfile::{self, Protection};
use crate::ledger::Genesis;
use crate::node::ExitCode;
use crate::spec::ChainSpec;

#[derive(Debug, Args)]
pub(super) struct InitArgs {
    /// The new directory; it may exist if it is empty.
    directory: PathBuf,
    /// Of this chain; without it one follows from a ceremony (`genesis draft`).
    #[arg(long, value_name = "FILE")]
    chain_spec: Option<PathBuf>,
    /// Make a validator's key, too.
    #[arg(long)]
    validator: bool,
    /// The node's name in its log.
    #[arg(long)]
    name: Option<String>,
    /// Address for consensus (`consensus.listen`).
    #[arg(long, value_name = "MULTIADDR")]
    listen: Option<String>,
    /// Address for clients (`rpc.listen`).
    #[arg(long, value_name = "ADDRESS")]
    rpc: Option<String>,
    #[command(flatten)]
    new: NewPassphraseArgs,
}

pub(super) fn run(args: &InitArgs, executive: Executive) -> Result<ExitCode, Failure> {
    init(args, executive)?;
    Ok(ExitCode::Stopped)
}

fn init(args: &InitArgs, executive: Executive) -> anyhow::Result<()> {
    let directory = std::path::absolute(&args.directory)?;
    if fs::read_dir(&directory).is_ok_and(|mut inside| inside.next().is_some()) {
        bail!("{} is not empty; nothing was written", directory.display());
    }
    // Everything that can be wrong is found before anything is written.
    let genesis = args.chain_spec.as_deref().map(|path| -> anyhow::Result<_> {
        let spec = ChainSpec::read(path).context("reading the specification")?;
        let genesis = Genesis::with(executive, &spec.genesis()?).context("executing genesis")?;
        Ok((spec, genesis))
    });
    let genesis = genesis.transpose()?;
    let how = args.new.protection("the node's keys")?;
    let text = configuration(args)?;

    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&directory)
        .context("making the directory")?;
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o700))?;
    let config = directory.join("config.toml");
    fs::write(&config, text).context("writing the configuration")?;
    NodeConfig::read(&config).context("what was written")?;
    say!("directory  {}", directory.display());
    say!("config     {}", config.display());
    let network = make_key(&directory.join("network.key"), &how)?;
    let peer = keyfile::peer_of(&network).context("a new key is one of libp2p")?;
    say!("peer id    {peer}");
    if let Some((spec, _)) = &genesis {
        spec.write(&directory.join("chain-spec.json"))?;
    }
    if args.validator {
        let key = PublicKey(make_key(&directory.join("validator.key"), &how)?);
        say!("validator  {key}");
        // The key was made a moment ago: it has never signed.
        if let Some((_, genesis)) = &genesis {
            let data = directory.join("data");
            fs::create_dir(&data).context("making the data directory")?;
            FileGuard::open(data.join("sign-guard"), genesis.chain, key, GuardFile::New)?;
        }
    }
    match genesis {
        Some((_, genesis)) => say!("genesis    {}", genesis.hash),
        None => say!(
            "genesis    none yet: {}/chain-spec.json",
            directory.display()
        ),
    }
    Ok(())
}

fn make_key(path: &Path, how: &Protection) -> anyhow::Result<[u8; 32]> {
    let key = SigningKey::generate(&mut rand::rngs::OsRng);
    keyfile::create(path, &key, how).context("writing a key")?;
    Ok(key.verifying_key().to_bytes())
}

fn configuration(args: &InitArgs) -> anyhow::Result<String> {
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let mut set = Vec::new();
    let mut add = |key: &'static str, value: Option<&str>| {
        set.extend(value.map(|value| (key, quoted(value))));
    };
    add("name", args.name.as_deref());
    add("keys.validator", args.validator.then_some("validator.key"));
    let passphrase = args.new.file().map(std::path::absolute).transpose()?;
    let passphrase = passphrase.map(|path| path.display().to_string());
    add("keys.passphrase_file", passphrase.as_deref());
    add("consensus.listen", args.listen.as_deref());
    add("rpc.listen", args.rpc.as_deref());
    let text = table::template_with(&set);
    let checked = crate::config::check::check_text(&text);
    match checked.problems.first() {
        Some(problem) => bail!("{}", problem.message),
        None => Ok(text),
    }
}
