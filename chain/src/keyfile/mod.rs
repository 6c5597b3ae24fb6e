//! A node's secret keys in files, readable by their owner alone: encrypted under a passphrase, or
//! 64 hexadecimal digits for development (spec/keystore.md). The encrypted form is the one of
//! `allod`'s key files; the command line and the node read each other's.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;
use libp2p::PeerId;
use libp2p::identity::{Keypair, PublicKey as PeerKey, ed25519};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

mod passphrase;
pub(crate) mod person;
mod sealed;
#[cfg(test)]
mod tests;

pub use passphrase::{
    CREDENTIAL, PASSPHRASE_BYTES_MAX, Passphrase, PassphraseError, PassphraseSource,
};
pub use sealed::{ITERATIONS_MAX, KdfCost, LANES_MAX, MEMORY_KIB_MAX, SealError};

use sealed::{Sealed, hex_array, hex_text};

/// Most bytes of a file of one key.
const FILE_BYTES_MAX: u64 = 64 * 1024;
const VERSION: u32 = 1;
const KIND: &str = "ed25519";
const CONTEXT: &[u8] = b"allod/key-file/v1\0";

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
    /// Neither 64 hexadecimal digits nor a key file in JSON of version 1.
    #[error("{path}: not a key file of version 1, nor 64 hexadecimal digits")]
    Malformed {
        /// The file.
        path: PathBuf,
    },
    /// It does not open, or cannot be encrypted.
    #[error("{path}: {source}")]
    Sealed {
        /// The file.
        path: PathBuf,
        /// Why.
        source: SealError,
    },
    /// The secret is not that of the public key that the file names.
    #[error("{path}: its secret is not that of its public key")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// There is no passphrase.
    #[error(transparent)]
    Passphrase(#[from] PassphraseError),
}

/// How a key is written.
#[derive(Clone, Debug)]
pub enum Protection {
    /// As it is: whoever reads the file has the key.
    PlainUnsafe,
    /// Encrypted.
    Encrypted {
        /// Under what.
        passphrase: Passphrase,
        /// At which cost of a guess.
        cost: KdfCost,
    },
}

impl Protection {
    /// Encrypts under `passphrase` at the default cost.
    pub fn encrypted(passphrase: Passphrase) -> Self {
        Self::Encrypted {
            passphrase,
            cost: KdfCost::default(),
        }
    }
}

/// The JSON of a key file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    version: u32,
    kind: String,
    public: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    encrypted: Option<Sealed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_unsafe_plain: Option<String>,
}

impl Drop for Envelope {
    fn drop(&mut self) {
        self.secret_unsafe_plain.zeroize();
    }
}

enum Content {
    Plain(SigningKey),
    Sealed(Sealed),
}

/// A key file that was read, maybe not opened.
pub struct KeyFile {
    path: PathBuf,
    public: [u8; 32],
    content: Content,
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyFile")
            .field("path", &self.path)
            .field("public", &hex_text(&self.public))
            .field("is_encrypted", &self.is_encrypted())
            .finish()
    }
}

impl KeyFile {
    /// Reads a file without opening it.
    ///
    /// # Errors
    /// [`KeyFileError`]; a file that others may read is refused.
    pub fn read(path: &Path) -> Result<Self, KeyFileError> {
        let (text, path) = (read_private(path)?, path.to_owned());
        let digits = text.trim();
        if !digits.starts_with('{') {
            let mut seed = Zeroizing::new([0; 32]);
            return match hex::decode_to_slice(digits, &mut *seed) {
                Ok(()) => Ok(Self::plain(path, SigningKey::from_bytes(&seed))),
                Err(_) => Err(KeyFileError::Malformed { path }),
            };
        }
        let envelope: Envelope = match serde_json::from_str(&text) {
            Ok(envelope) => envelope,
            Err(_) => return Err(KeyFileError::Malformed { path }),
        };
        if envelope.version != VERSION || envelope.kind != KIND {
            return Err(KeyFileError::Malformed { path });
        }
        let public = match hex_array("public", &envelope.public) {
            Ok(public) => public,
            Err(source) => return Err(KeyFileError::Sealed { path, source }),
        };
        match (&envelope.encrypted, &envelope.secret_unsafe_plain) {
            (Some(sealed), None) => Ok(Self {
                path,
                public,
                content: Content::Sealed(sealed.clone()),
            }),
            (None, Some(secret)) => {
                let key = own_key(&path, &public, secret)?;
                Ok(Self::plain(path, key))
            }
            _ => Err(KeyFileError::Malformed { path }),
        }
    }

    fn plain(path: PathBuf, key: SigningKey) -> Self {
        Self {
            path,
            public: key.verifying_key().to_bytes(),
            content: Content::Plain(key),
        }
    }

    /// Returns the public key that the file names. Of an encrypted file it is proven by opening.
    pub const fn public(&self) -> [u8; 32] {
        self.public
    }

    /// Returns whether it takes a passphrase.
    pub const fn is_encrypted(&self) -> bool {
        matches!(self.content, Content::Sealed(_))
    }

    /// Returns the key; `source` is asked if the file is encrypted.
    ///
    /// # Errors
    /// [`KeyFileError::Sealed`], [`KeyFileError::Foreign`] or [`KeyFileError::Passphrase`].
    pub fn open(&self, source: &PassphraseSource) -> Result<SigningKey, KeyFileError> {
        let sealed = match &self.content {
            Content::Plain(key) => return Ok(key.clone()),
            Content::Sealed(sealed) => sealed,
        };
        let passphrase = source.unlock(&self.path.display().to_string())?;
        let path = || self.path.clone();
        let secret = sealed
            .open(&passphrase, &context(&self.public))
            .map_err(|source| KeyFileError::Sealed {
                path: path(),
                source,
            })?;
        let secret = serde_json::from_slice::<String>(&secret).map(Zeroizing::new);
        let secret = secret.map_err(|_| KeyFileError::Malformed { path: path() })?;
        own_key(&self.path, &self.public, &secret)
    }
}

fn own_key(path: &Path, public: &[u8; 32], secret: &str) -> Result<SigningKey, KeyFileError> {
    let path = || path.to_owned();
    let seed = hex_array("secret", secret).map(Zeroizing::new);
    let seed = seed.map_err(|source| KeyFileError::Sealed {
        path: path(),
        source,
    })?;
    let key = SigningKey::from_bytes(&seed);
    if key.verifying_key().to_bytes() != *public {
        return Err(KeyFileError::Foreign { path: path() });
    }
    Ok(key)
}

/// What encryption binds a secret to.
fn context(public: &[u8; 32]) -> Vec<u8> {
    let mut context = CONTEXT.to_vec();
    context.extend_from_slice(KIND.as_bytes());
    context.push(0);
    context.extend_from_slice(format!("\"{}\"", hex_text(public)).as_bytes());
    context
}

/// Returns a key file's text.
fn text(
    path: &Path,
    key: &SigningKey,
    how: &Protection,
) -> Result<Zeroizing<String>, KeyFileError> {
    let (passphrase, cost) = match how {
        Protection::PlainUnsafe => {
            let digits = Zeroizing::new(hex::encode(Zeroizing::new(key.to_bytes())));
            return Ok(Zeroizing::new(format!("{}\n", *digits)));
        }
        Protection::Encrypted { passphrase, cost } => (passphrase, *cost),
    };
    let public = key.verifying_key().to_bytes();
    let secret = Zeroizing::new(hex_text(&*Zeroizing::new(key.to_bytes())));
    let secret = Zeroizing::new(format!("\"{}\"", *secret));
    let sealed = Sealed::seal(passphrase, &context(&public), secret.as_bytes(), cost);
    let envelope = Envelope {
        version: VERSION,
        kind: KIND.into(),
        public: hex_text(&public),
        encrypted: Some(sealed.map_err(|source| KeyFileError::Sealed {
            path: path.to_owned(),
            source,
        })?),
        secret_unsafe_plain: None,
    };
    let json = serde_json::to_string_pretty(&envelope).expect("an envelope is plain JSON");
    Ok(Zeroizing::new(json + "\n"))
}

/// Reads the key of a plain file.
///
/// # Errors
/// [`KeyFileError`]; of an encrypted file [`KeyFileError::Passphrase`].
pub fn read(path: &Path) -> Result<SigningKey, KeyFileError> {
    KeyFile::read(path)?.open(&PassphraseSource::Nowhere)
}

/// Writes a new plain file.
///
/// # Errors
/// [`KeyFileError::File`], also if the file exists: keys are never overwritten.
pub fn write(path: &Path, key: &SigningKey) -> Result<(), KeyFileError> {
    create(path, key, &Protection::PlainUnsafe)
}

/// Writes a new file.
///
/// # Errors
/// [`KeyFileError::File`], also if the file exists: keys are never overwritten.
pub fn create(path: &Path, key: &SigningKey, how: &Protection) -> Result<(), KeyFileError> {
    let text = text(path, key, how)?;
    crate::replace::create(path, text.as_bytes()).map_err(|source| KeyFileError::File {
        path: path.to_owned(),
        source,
    })
}

/// Writes the key of an existing file another way: a new file takes the old one's name at once.
///
/// # Errors
/// [`KeyFileError`]; the old file is untouched then.
pub fn replace(path: &Path, key: &SigningKey, how: &Protection) -> Result<(), KeyFileError> {
    let text = text(path, key, how)?;
    crate::replace::replace(path, text.as_bytes()).map_err(|source| KeyFileError::File {
        path: path.to_owned(),
        source,
    })
}

fn read_private(path: &Path) -> Result<Zeroizing<String>, KeyFileError> {
    let failed = |source| KeyFileError::File {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::Exposed {
            path: path.to_owned(),
            mode,
        });
    }
    let mut text = Zeroizing::new(String::with_capacity(4096));
    let read = file.take(FILE_BYTES_MAX).read_to_string(&mut text);
    match read.map_err(failed)? as u64 {
        FILE_BYTES_MAX => Err(KeyFileError::Malformed {
            path: path.to_owned(),
        }),
        _ => Ok(text),
    }
}

/// Returns the libp2p identity of a network key, as bytes (a multihash).
pub fn peer_id_bytes(network: &SigningKey) -> Vec<u8> {
    keypair(network).public().to_peer_id().to_bytes()
}

/// Returns the libp2p keypair of a network key.
pub fn keypair(network: &SigningKey) -> Keypair {
    Keypair::ed25519_from_bytes(network.to_bytes()).expect("any 32 bytes are an Ed25519 secret")
}

/// Returns the libp2p identity of the network key with that public part, if it is one.
pub fn peer_of(public: &[u8; 32]) -> Option<PeerId> {
    let key = ed25519::PublicKey::try_from_bytes(public).ok()?;
    Some(PeerKey::from(key).to_peer_id())
}

/// Returns the identity that `bytes` are, if they are one.
pub fn peer_id(bytes: &[u8]) -> Option<PeerId> {
    PeerId::from_bytes(bytes).ok()
}
