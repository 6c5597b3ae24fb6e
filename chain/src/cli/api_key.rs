//! `allod-node api-key`: the file of API keys, for operators.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use allod_rpc::{ApiKey, ApiKeys};
use anyhow::{Context as _, bail};
use clap::Subcommand;
use rand::RngCore as _;

use super::output::{Failure, say};
use crate::node::ExitCode;

/// What is done to a file of API keys.
#[derive(Debug, Subcommand)]
pub(super) enum ApiKeyCommand {
    /// Make a key and print it, for the only time; the file keeps its name and hash.
    New {
        /// What the key is called: whose it is, or what for.
        name: String,
        /// The file, `rpc.api_keys` of the configuration; made if it is not there.
        #[arg(long)]
        file: PathBuf,
    },
    /// Take a key away.
    Remove {
        /// What it is called.
        name: String,
        /// The file.
        #[arg(long)]
        file: PathBuf,
    },
}

/// Does it. A running node notices at `allod-node admin reload`.
pub(super) fn run(command: &ApiKeyCommand) -> Result<ExitCode, Failure> {
    let done = match command {
        ApiKeyCommand::New { name, file } => {
            let mut random = [0; 32];
            rand::rngs::OsRng.fill_bytes(&mut random);
            let key = ApiKey::new(random);
            add(file, name, &key).map(|()| say!("{}", key.reveal()))
        }
        ApiKeyCommand::Remove { name, file } => remove(file, name),
    };
    done.map(|()| ExitCode::Stopped).map_err(Failure::from)
}

fn add(file: &Path, name: &str, key: &ApiKey) -> anyhow::Result<()> {
    let line = key.line(name)?;
    let mut text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error).context(file.display().to_string()),
    };
    if lines_of(&text, name).next().is_some() {
        bail!("{}: there is a key named {name}", file.display());
    }
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    replace(file, &format!("{text}{line}\n"))
}

fn remove(file: &Path, name: &str) -> anyhow::Result<()> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let Some(gone) = lines_of(&text, name).next() else {
        bail!("{}: there is no key named {name}", file.display());
    };
    let kept = text.lines().filter(|line| *line != gone);
    let kept: String = kept.map(|line| format!("{line}\n")).collect();
    replace(file, &kept)
}

fn lines_of<'t>(text: &'t str, name: &str) -> impl Iterator<Item = &'t str> {
    let is_its = move |line: &&str| {
        line.split_once(' ')
            .is_some_and(|(it, _)| it.trim() == name)
    };
    text.lines().filter(is_its)
}

/// Puts `text` in the file's place, whole or not at all, if it is one of keys. Owner and mode stay: a
/// node of another user still reads it.
fn replace(file: &Path, text: &str) -> anyhow::Result<()> {
    ApiKeys::parse(text, file)?;
    crate::replace::replace(file, text.as_bytes()).with_context(|| file.display().to_string())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn keys_are_added_and_taken_away_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("api-keys");
        let add = |name: &str, byte| add(&file, name, &ApiKey::new([byte; 32]));
        add("wallet", 1).unwrap();
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::write(&file, fs::read_to_string(&file).unwrap().trim()).unwrap();
        add("explorer", 2).unwrap();
        assert_eq!(ApiKeys::read(&file).unwrap().len(), 2);
        let text = fs::read_to_string(&file).unwrap();
        assert!(
            !text.contains(ApiKey::new([1; 32]).reveal()),
            "hashes alone"
        );
        assert!(
            add("wallet", 3)
                .unwrap_err()
                .to_string()
                .contains("there is a key")
        );
        assert!(add("no name", 3).is_err());
        remove(&file, "wallet").unwrap();
        assert!(remove(&file, "wallet").is_err());
        let left = fs::read_to_string(&file).unwrap();
        assert!(left.starts_with("explorer ") && left.lines().count() == 1);
        let names: Vec<_> = fs::read_dir(dir.path()).unwrap().collect();
        assert_eq!(names.len(), 1, "nothing lies beside it");
    }

    #[test]
    fn what_a_broken_run_left_is_in_nobodys_way_and_the_mode_stays() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("api-keys");
        add(&file, "wallet", &ApiKey::new([1; 32])).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        fs::write(dir.path().join("api-keys.new"), "wal").unwrap();
        add(&file, "explorer", &ApiKey::new([2; 32])).unwrap();
        assert_eq!(ApiKeys::read(&file).unwrap().len(), 2);
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_is_none_of_keys_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config.toml");
        fs::write(&file, "[rpc]\n").unwrap();
        assert!(add(&file, "wallet", &ApiKey::new([1; 32])).is_err());
        assert_eq!(fs::read_to_string(&file).unwrap(), "[rpc]\n");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
