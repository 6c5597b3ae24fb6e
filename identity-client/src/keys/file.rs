//! The envelope every key file shares, and files of a single key.

use std::path::Path;

use allod_primitives::PublicKey;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::{Zeroize, Zeroizing};

use super::atomic::{FILE_BYTES_MAX, read_private, write_private};
use super::{KdfCost, KeyFileError, Passphrase, PassphraseSource, Purpose, Sealed, SecretKey};
use crate::hex;

/// Version of the envelope.
const VERSION: u32 = 1;
const KIND: &str = "ed25519";

/// How the secret of a key file is kept.
#[derive(Clone, Debug)]
pub enum Protection {
    /// Encrypted.
    Passphrase {
        /// Under what.
        passphrase: Passphrase,
        /// At which cost of a guess.
        cost: KdfCost,
    },
    /// As it is. For development only: whoever reads the file has the key.
    UnsafePlain,
}

impl Protection {
    /// Encrypts under `passphrase` at the default cost.
    pub fn passphrase(passphrase: Passphrase) -> Self {
        Self::Passphrase {
            passphrase,
            cost: KdfCost::default(),
        }
    }
}

/// The envelope of a key file as it is on disk.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Envelope {
    version: u32,
    kind: String,
    pub(super) public: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    encrypted: Option<Sealed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_unsafe_plain: Option<Value>,
}

impl Envelope {
    pub(super) fn new(
        kind: &'static str,
        public: Value,
        secret: &[u8],
        protection: &Protection,
    ) -> Result<Self, KeyFileError> {
        let mut envelope = Self {
            version: VERSION,
            kind: kind.into(),
            public,
            encrypted: None,
            secret_unsafe_plain: None,
        };
        match protection {
            Protection::Passphrase { passphrase, cost } => {
                let context = envelope.context();
                envelope.encrypted = Some(Sealed::seal(passphrase, &context, secret, *cost)?);
            }
            Protection::UnsafePlain => {
                let plain = serde_json::from_slice(secret).expect("secrets are made as JSON here");
                envelope.secret_unsafe_plain = Some(plain);
            }
        }
        Ok(envelope)
    }

    /// Reads a file of this kind.
    pub(super) fn read(path: &Path, kind: &'static str) -> Result<Self, KeyFileError> {
        let bytes = read_private(path, FILE_BYTES_MAX)?;
        let malformed = |source| KeyFileError::Malformed {
            path: path.to_owned(),
            source,
        };
        let envelope: Self = serde_json::from_slice(&bytes).map_err(malformed)?;
        if envelope.version != VERSION {
            return Err(KeyFileError::Version {
                path: path.to_owned(),
                found: envelope.version,
                known: VERSION,
            });
        }
        if envelope.kind != kind {
            return Err(KeyFileError::Kind {
                path: path.to_owned(),
                found: envelope.kind.clone(),
                wanted: kind,
            });
        }
        if envelope.encrypted.is_some() == envelope.secret_unsafe_plain.is_some() {
            return Err(KeyFileError::Damaged {
                path: path.to_owned(),
                what: "it must hold exactly one of encrypted and secret_unsafe_plain",
            });
        }
        Ok(envelope)
    }

    pub(super) fn write(&self, path: &Path, overwrite: bool) -> Result<(), KeyFileError> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
        serde_json::to_writer_pretty(&mut *bytes, self).expect("an envelope is plain JSON");
        bytes.push(b'\n');
        write_private(path, &bytes, overwrite)
    }

    pub(super) const fn is_encrypted(&self) -> bool {
        self.encrypted.is_some()
    }

    /// Returns the secret as JSON.
    pub(super) fn open(
        &self,
        passphrase: Option<&Passphrase>,
    ) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
        match (&self.encrypted, &self.secret_unsafe_plain, passphrase) {
            (Some(sealed), _, Some(passphrase)) => sealed.open(passphrase, &self.context()),
            (None, Some(plain), _) => Ok(Zeroizing::new(
                serde_json::to_vec(plain).expect("a JSON value is JSON"),
            )),
            _ => Err(KeyFileError::WrongPassphrase),
        }
    }

    /// What encryption binds the secret to: nobody can exchange the public part unnoticed.
    fn context(&self) -> Vec<u8> {
        let mut context = b"allod/key-file/v1\0".to_vec();
        context.extend_from_slice(self.kind.as_bytes());
        context.push(0);
        context.extend_from_slice(canonical(&self.public).to_string().as_bytes());
        context
    }
}

/// Sorts the members of objects, whichever order the JSON library keeps them in.
fn canonical(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by_key(|(name, _)| name.as_str());
            let sorted = sorted.into_iter();
            Value::Object(sorted.map(|(n, v)| (n.clone(), canonical(v))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(canonical).collect()),
        other => other.clone(),
    }
}

impl Drop for Envelope {
    fn drop(&mut self) {
        if let Some(Value::String(text)) = &mut self.secret_unsafe_plain {
            text.zeroize();
        }
    }
}

/// A file of one Ed25519 key, such as a registrar's or a trustee's.
pub struct KeyFile {
    envelope: Envelope,
    public: PublicKey,
}

impl KeyFile {
    /// Writes the file of `key`. An existing file is left alone.
    ///
    /// # Errors
    /// [`KeyFileError::AlreadyExists`], or why it cannot be encrypted or written.
    pub fn create(
        path: &Path,
        key: &SecretKey,
        protection: &Protection,
    ) -> Result<Self, KeyFileError> {
        let public = key.public();
        let quoted = Zeroizing::new(format!("\"{}\"", hex::encode(*key.seed())));
        let name = Value::String(public.to_string());
        let envelope = Envelope::new(KIND, name, quoted.as_bytes(), protection)?;
        envelope.write(path, false)?;
        Ok(Self { envelope, public })
    }

    /// Reads a file without its secret.
    ///
    /// # Errors
    /// [`KeyFileError`] says whether it is missing, open to others, malformed or of another kind.
    pub fn read(path: &Path) -> Result<Self, KeyFileError> {
        let envelope = Envelope::read(path, KIND)?;
        let public = envelope.public.as_str().unwrap_or_default();
        let public = hex::decode_array(public).map_err(|source| KeyFileError::Hex {
            field: "public",
            source,
        })?;
        Ok(Self {
            envelope,
            public: PublicKey(public),
        })
    }

    /// Returns the public key.
    pub const fn public(&self) -> PublicKey {
        self.public
    }

    /// Returns whether a passphrase is needed.
    pub const fn is_encrypted(&self) -> bool {
        self.envelope.is_encrypted()
    }

    /// Returns the secret, asking `source` for a passphrase if one is needed.
    ///
    /// # Errors
    /// [`KeyFileError::WrongPassphrase`], [`KeyFileError::Damaged`] if the secret is not that of
    /// the public key, or why no passphrase could be had.
    pub fn unlock(
        &self,
        path: &Path,
        source: &PassphraseSource,
    ) -> Result<SecretKey, KeyFileError> {
        let passphrase = if self.is_encrypted() {
            Some(source.obtain(Purpose::Unlock, &path.display().to_string())?)
        } else {
            None
        };
        let json = self.envelope.open(passphrase.as_ref())?;
        let damaged = |what| KeyFileError::Damaged {
            path: path.to_owned(),
            what,
        };
        let text: Zeroizing<String> = serde_json::from_slice(&json)
            .map(Zeroizing::new)
            .map_err(|_| damaged("the secret is not text"))?;
        let seed = hex::decode_array(&text).map_err(|source| KeyFileError::Hex {
            field: "secret",
            source,
        })?;
        let key = SecretKey::from_seed(seed);
        if key.public() != self.public {
            return Err(damaged("the secret is not that of the public key"));
        }
        Ok(key)
    }
}

impl std::fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyFile of {}", self.public)
    }
}
