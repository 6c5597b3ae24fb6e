//! The folder that holds a person's identities and grants.
//!
//! ```text
//! <home>/identities/<alias>.json    identity files
//! <home>/identities/.<alias>.lock   held while an identity is changed
//! <home>/grants/<gid>.json          grants given and received
//! ```

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use fs2::FileExt;

use super::atomic::{FILE_BYTES_MAX, create_private_folder, io_error, read_private, write_private};
use super::{Identity, IdentityFile, KeyFileError, Protection};

const ALIAS_BYTES_MAX: usize = 64;

/// A home folder. It is created when something is first written to it.
#[derive(Clone, Debug)]
pub struct Home {
    root: PathBuf,
}

/// Keeps others from changing the same identity until it is dropped.
#[derive(Debug)]
pub struct HomeLock {
    _file: File,
}

impl Home {
    /// Uses the folder at `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Returns the folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns where the identity file of `alias` lies.
    ///
    /// # Errors
    /// [`KeyFileError::Alias`] if it cannot be a file's name.
    pub fn identity_path(&self, alias: &str) -> Result<PathBuf, KeyFileError> {
        check_alias(alias)?;
        Ok(self.identities().join(format!("{alias}.json")))
    }

    /// Returns the aliases here, sorted.
    ///
    /// # Errors
    /// [`KeyFileError::Io`] if the folder exists and cannot be read.
    pub fn aliases(&self) -> Result<Vec<String>, KeyFileError> {
        let folder = self.identities();
        let failed = |source| io_error("read", &folder, source);
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut aliases = Vec::new();
        for entry in entries {
            let name = entry.map_err(failed)?.file_name();
            let alias = name.to_str().and_then(|it| it.strip_suffix(".json"));
            aliases.extend(
                alias
                    .filter(|it| check_alias(it).is_ok())
                    .map(str::to_owned),
            );
        }
        aliases.sort();
        Ok(aliases)
    }

    /// Reads the identity file of `alias`, without its secrets.
    ///
    /// # Errors
    /// [`KeyFileError`] says whether it is missing, open to others, malformed or damaged.
    pub fn identity(&self, alias: &str) -> Result<IdentityFile, KeyFileError> {
        IdentityFile::read(&self.identity_path(alias)?, alias)
    }

    /// Writes a new identity file.
    ///
    /// # Errors
    /// [`KeyFileError::AlreadyExists`] if the alias is taken, or why it cannot be written.
    pub fn create(
        &self,
        alias: &str,
        identity: &Identity,
        protection: &Protection,
    ) -> Result<PathBuf, KeyFileError> {
        let path = self.identity_path(alias)?;
        identity.envelope(protection)?.write(&path, false)?;
        Ok(path)
    }

    /// Replaces an identity file.
    ///
    /// # Errors
    /// Why it cannot be written; the old file is then still whole.
    pub fn save(
        &self,
        alias: &str,
        identity: &Identity,
        protection: &Protection,
    ) -> Result<(), KeyFileError> {
        let path = self.identity_path(alias)?;
        identity.envelope(protection)?.write(&path, true)
    }

    /// Takes the lock of `alias`, to be held from reading its file to saving it.
    ///
    /// # Errors
    /// [`KeyFileError::Locked`] at once if another process holds it.
    pub fn lock(&self, alias: &str) -> Result<HomeLock, KeyFileError> {
        check_alias(alias)?;
        let folder = self.identities();
        create_private_folder(&folder)?;
        let path = folder.join(format!(".{alias}.lock"));
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(|source| io_error("lock", &path, source))?;
        match FileExt::try_lock_exclusive(&file) {
            Ok(()) => Ok(HomeLock { _file: file }),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Err(KeyFileError::Locked { path })
            }
            Err(source) => Err(io_error("lock", &path, source)),
        }
    }

    /// Returns where the grant file of `gid` lies: its hexadecimal digits name it.
    pub fn grant_path(&self, gid: &allod_primitives::H256) -> PathBuf {
        let name = hex::encode(gid.0);
        self.root.join("grants").join(format!("{name}.json"))
    }

    /// Reads a file that only its owner may read, at most 1 MiB.
    ///
    /// # Errors
    /// [`KeyFileError`] says whether it is missing, open to others or too long.
    pub fn read_private(path: &Path) -> Result<zeroize::Zeroizing<Vec<u8>>, KeyFileError> {
        read_private(path, FILE_BYTES_MAX)
    }

    /// As [`read_private`](Self::read_private), at most `max` bytes.
    ///
    /// # Errors
    /// As there.
    pub fn read_private_within(
        path: &Path,
        max: u64,
    ) -> Result<zeroize::Zeroizing<Vec<u8>>, KeyFileError> {
        read_private(path, max)
    }

    /// Writes a file that only its owner may read, whole or not at all.
    ///
    /// # Errors
    /// [`KeyFileError::AlreadyExists`] unless `overwrite`, or why it cannot be written.
    pub fn write_private(path: &Path, bytes: &[u8], overwrite: bool) -> Result<(), KeyFileError> {
        write_private(path, bytes, overwrite)
    }

    fn identities(&self) -> PathBuf {
        self.root.join("identities")
    }
}

fn check_alias(alias: &str) -> Result<(), KeyFileError> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let starts = |byte: u8| byte.is_ascii_alphanumeric();
    let fits = (1..=ALIAS_BYTES_MAX).contains(&alias.len());
    if fits && alias.bytes().all(good) && alias.bytes().next().is_some_and(starts) {
        Ok(())
    } else {
        Err(KeyFileError::Alias {
            alias: alias.to_owned(),
        })
    }
}
