//! `allod-node keys`: key files (spec/keystore.md).

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use ed25519_dalek::SigningKey;
use serde_json::json;
use zeroize::Zeroizing;

use super::output::{Failure, print_json, say};
use super::passphrases::{NewPassphraseArgs, PassphraseArgs};
use crate::keyfile::{self, KeyFile};
use crate::node::ExitCode;

/// Most bytes that are imported from standard input.
const IMPORT_BYTES_MAX: u64 = 1024;

#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
    /// Make a new key in a new file, encrypted under a new passphrase.
    New {
        #[command(flatten)]
        file: FileArgs,
        #[command(flatten)]
        new: NewPassphraseArgs,
    },
    /// Show public key and libp2p identity of a key file; it is not opened.
    Show {
        #[command(flatten)]
        file: FileArgs,
    },
    /// Write the key of a file to another one, under another passphrase: to take it to another
    /// machine.
    Export {
        #[command(flatten)]
        file: FileArgs,
        /// The new file.
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
        #[command(flatten)]
        open: PassphraseArgs,
        #[command(flatten)]
        new: NewPassphraseArgs,
    },
    /// Make a new file of a key that another file holds, or 64 hexadecimal digits of standard
    /// input.
    Import {
        #[command(flatten)]
        file: FileArgs,
        /// Where the key is; `-` is standard input.
        #[arg(long, value_name = "FILE")]
        from: PathBuf,
        #[command(flatten)]
        open: PassphraseArgs,
        #[command(flatten)]
        new: NewPassphraseArgs,
    },
    /// Encrypt a key file under another passphrase.
    ChangePassphrase {
        #[command(flatten)]
        file: FileArgs,
        #[command(flatten)]
        open: PassphraseArgs,
        #[command(flatten)]
        new: NewPassphraseArgs,
    },
}

#[derive(Debug, Args)]
pub(super) struct FileArgs {
    /// The key file.
    file: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: &KeysCommand) -> Result<ExitCode, Failure> {
    let (file, is_json) = act(command)?;
    show(file, is_json)?;
    Ok(ExitCode::Stopped)
}

/// Does it; returns the file that is to be shown, and whether as JSON.
fn act(command: &KeysCommand) -> anyhow::Result<(&Path, bool)> {
    match command {
        KeysCommand::New { file, new } => {
            let key = SigningKey::generate(&mut rand::rngs::OsRng);
            create(&file.file, &key, new)?;
            Ok((&file.file, file.json))
        }
        KeysCommand::Show { file } => Ok((&file.file, file.json)),
        KeysCommand::Export {
            file,
            to,
            open,
            new,
        } => {
            let key = KeyFile::read(&file.file)?.open(&open.source())?;
            create(to, &key, new)?;
            Ok((to, file.json))
        }
        KeysCommand::Import {
            file,
            from,
            open,
            new,
        } => {
            let key = match from.as_os_str() == "-" {
                true => digits_of_stdin()?,
                false => KeyFile::read(from)?.open(&open.source())?,
            };
            create(&file.file, &key, new)?;
            Ok((&file.file, file.json))
        }
        KeysCommand::ChangePassphrase { file, open, new } => {
            let key = KeyFile::read(&file.file)?.open(&open.source())?;
            let how = new.protection(&file.file.display().to_string())?;
            keyfile::replace(&file.file, &key, &how).context("writing the key")?;
            Ok((&file.file, file.json))
        }
    }
}

fn create(path: &Path, key: &SigningKey, new: &NewPassphraseArgs) -> anyhow::Result<()> {
    if path.exists() {
        bail!("{} exists; keys are never overwritten", path.display());
    }
    let how = new.protection(&path.display().to_string())?;
    keyfile::create(path, key, &how).context("writing the key")
}

fn digits_of_stdin() -> anyhow::Result<SigningKey> {
    let mut text = Zeroizing::new(String::with_capacity(2048));
    std::io::stdin()
        .take(IMPORT_BYTES_MAX)
        .read_to_string(&mut text)
        .context("reading standard input")?;
    let digits = text.trim();
    let digits = digits.strip_prefix("0x").unwrap_or(digits);
    let mut seed = Zeroizing::new([0; 32]);
    match hex::decode_to_slice(digits, &mut *seed) {
        Ok(()) => Ok(SigningKey::from_bytes(&seed)),
        Err(_) => bail!("standard input holds no key of 64 hexadecimal digits"),
    }
}

fn show(path: &Path, is_json: bool) -> anyhow::Result<()> {
    let file = KeyFile::read(path).context("reading the key")?;
    let public = format!("0x{}", hex::encode(file.public()));
    let peer = keyfile::peer_of(&file.public()).context("the public key is none")?;
    if is_json {
        print_json(&json!({
            "file": path,
            "encrypted": file.is_encrypted(),
            "public": public,
            "peerId": peer.to_string(),
            "peerIdHex": format!("0x{}", hex::encode(peer.to_bytes())),
        }));
        return Ok(());
    }
    say!("file      {}", path.display());
    say!(
        "encrypted {}",
        if file.is_encrypted() { "yes" } else { "no" }
    );
    say!("public    {public}");
    say!("peer id   {peer}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(subcommand)]
        command: KeysCommand,
    }

    /// Goal: every command shows the file that it has made. Method: export to another name.
    #[test]
    fn an_export_shows_the_file_that_it_wrote() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("a.key"), dir.path().join("b.key"));
        keyfile::write(&from, &SigningKey::from_bytes(&[5; 32])).unwrap();
        let export = ["keys", "export", "--plain-unsafe", "--json", "--to"].map(OsString::from);
        let files = [to.clone().into(), from.into()];
        let line = Line::try_parse_from(export.into_iter().chain(files)).unwrap();
        assert_eq!(act(&line.command).unwrap(), (to.as_path(), true));
        assert!(to.exists());
    }
}
