//! A node's secret keys in files: 64 hexadecimal digits, readable by their owner alone.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;
use libp2p::PeerId;
use libp2p::identity::Keypair;

#[cfg(test)]
mod tests;

/// Why a key file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// The file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others than the owner may read the file.
    #[error("{path}: readable by others (mode {mode:o}); chmod 600 it")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Not 64 hexadecimal digits.
    #[error("{path}: not a key of 64 hexadecimal digits")]
    Malformed {
        /// The file.
        path: PathBuf,
    },
}

/// Reads a key.
///
/// # Errors
/// [`KeyFileError`]; a file that others may read is refused.
pub fn read(path: &Path) -> Result<SigningKey, KeyFileError> {
    let file = |source| KeyFileError::File {
        path: path.to_owned(),
        source,
    };
    let mode = fs::metadata(path).map_err(file)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::Exposed {
            path: path.to_owned(),
            mode,
        });
    }
    let text = fs::read_to_string(path).map_err(file)?;
    let malformed = || KeyFileError::Malformed {
        path: path.to_owned(),
    };
    let bytes = hex::decode(text.trim()).map_err(|_| malformed())?;
    let seed: [u8; 32] = bytes.try_into().map_err(|_| malformed())?;
    Ok(SigningKey::from_bytes(&seed))
}

/// Writes a new key file.
///
/// # Errors
/// [`KeyFileError::File`], also if the file exists: keys are never overwritten.
pub fn write(path: &Path, key: &SigningKey) -> Result<(), KeyFileError> {
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        writeln!(file, "{}", hex::encode(key.to_bytes()))?;
        file.sync_all()
    };
    write().map_err(|source| KeyFileError::File {
        path: path.to_owned(),
        source,
    })
}

/// Returns the libp2p identity of a network key, as bytes (a multihash).
pub fn peer_id_bytes(network: &SigningKey) -> Vec<u8> {
    keypair(network).public().to_peer_id().to_bytes()
}

/// Returns the libp2p keypair of a network key.
pub fn keypair(network: &SigningKey) -> Keypair {
    Keypair::ed25519_from_bytes(network.to_bytes()).expect("any 32 bytes are an Ed25519 secret")
}

/// Returns the identity that `bytes` are, if they are one.
pub fn peer_id(bytes: &[u8]) -> Option<PeerId> {
    PeerId::from_bytes(bytes).ok()
}
