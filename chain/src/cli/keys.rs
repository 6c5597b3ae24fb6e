//! `allod-node keys`: key files.

use std::path::PathBuf;

use anyhow::Context;
use clap::Subcommand;
use ed25519_dalek::SigningKey;

use super::output::Failure;
use crate::keyfile;
use crate::node::ExitCode;

#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
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

pub(super) fn run(command: &KeysCommand) -> Result<ExitCode, Failure> {
    show(command)?;
    Ok(ExitCode::Stopped)
}

fn show(command: &KeysCommand) -> anyhow::Result<()> {
    let (key, file) = match command {
        KeysCommand::New { file } => {
            let key = SigningKey::generate(&mut rand::rngs::OsRng);
            keyfile::write(file, &key).context("writing the key")?;
            (key, file)
        }
        KeysCommand::Show { file } => (keyfile::read(file).context("reading the key")?, file),
    };
    println!("file      {}", file.display());
    println!(
        "public    0x{}",
        hex::encode(key.verifying_key().to_bytes())
    );
    println!("peer id   {}", keyfile::keypair(&key).public().to_peer_id());
    Ok(())
}
