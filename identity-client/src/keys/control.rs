//! Secrets of control keys of every type that a file can hold.

use std::fmt;
use std::path::Path;

use allod_primitives::H256;
use allod_primitives::operation::SignatureProof;
use allod_primitives::policy::ControlKey;
use serde_json::Value;
use zeroize::Zeroizing;

use super::file::Envelope;
use super::{KeyFileError, PassphraseSource, Protection, Purpose, SecretKey, random_bytes};
use crate::hex;
use crate::operation::Signer;

/// The kinds of key files, by type.
const KINDS: [(&str, KeyType); 3] = [
    ("ed25519", KeyType::Ed25519),
    ("p256", KeyType::P256),
    ("secp256k1", KeyType::Secp256k1),
];

/// How many seeds are tried. One in 2^32 P-256 seeds is beyond the order, far fewer of the others.
const SEEDS_MAX: usize = 8;

/// The type of a key that a file can hold. Passkeys stay in their authenticator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyType {
    /// Ed25519.
    Ed25519,
    /// P-256, ES256.
    P256,
    /// secp256k1, ES256K.
    Secp256k1,
}

impl KeyType {
    /// Returns the type of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        let found = KINDS.into_iter().find(|(kind, _)| *kind == name);
        found.map(|(_, key_type)| key_type)
    }

    /// Returns the type's name: `ed25519`, `p256` or `secp256k1`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::P256 => "p256",
            Self::Secp256k1 => "secp256k1",
        }
    }
}

/// A secret of any type: never printed, and zeroed when dropped.
#[derive(Clone)]
pub enum TypedSecret {
    /// Ed25519.
    Ed25519(SecretKey),
    /// P-256.
    P256(p256::ecdsa::SigningKey),
    /// secp256k1.
    Secp256k1(k256::ecdsa::SigningKey),
}

impl TypedSecret {
    /// Returns a new key from the system's randomness.
    ///
    /// # Errors
    /// [`KeyFileError::Entropy`] if the system has none.
    pub fn generate(key_type: KeyType) -> Result<Self, KeyFileError> {
        for _ in 0..SEEDS_MAX {
            let seed = Zeroizing::new(random_bytes::<32>()?);
            if let Some(key) = Self::from_seed(key_type, &seed) {
                return Ok(key);
            }
        }
        Err(KeyFileError::Entropy)
    }

    /// Returns the key of 32 bytes: RFC 8032's private key, or the ECDSA scalar, big-endian; `None`
    /// if that is zero or not below the order.
    pub fn from_seed(key_type: KeyType, seed: &[u8; 32]) -> Option<Self> {
        match key_type {
            KeyType::Ed25519 => Some(Self::Ed25519(SecretKey::from_seed(*seed))),
            KeyType::P256 => p256::ecdsa::SigningKey::from_slice(seed)
                .ok()
                .map(Self::P256),
            KeyType::Secp256k1 => k256::ecdsa::SigningKey::from_slice(seed)
                .ok()
                .map(Self::Secp256k1),
        }
    }

    /// Returns the 32 bytes of [`Self::from_seed`].
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        match self {
            Self::Ed25519(key) => key.seed(),
            Self::P256(key) => Zeroizing::new(key.to_bytes().into()),
            Self::Secp256k1(key) => Zeroizing::new(key.to_bytes().into()),
        }
    }

    /// Returns the key's type.
    pub const fn key_type(&self) -> KeyType {
        match self {
            Self::Ed25519(_) => KeyType::Ed25519,
            Self::P256(_) => KeyType::P256,
            Self::Secp256k1(_) => KeyType::Secp256k1,
        }
    }
}

impl Signer for TypedSecret {
    fn control_key(&self) -> ControlKey {
        const POINT: &str = "a compressed point has 33 bytes";
        match self {
            Self::Ed25519(key) => key.control_key(),
            Self::P256(key) => {
                let point = key.verifying_key().to_sec1_point(true);
                ControlKey::P256(point.as_bytes().try_into().expect(POINT))
            }
            Self::Secp256k1(key) => {
                let point = key.verifying_key().to_sec1_point(true);
                ControlKey::Secp256k1(point.as_bytes().try_into().expect(POINT))
            }
        }
    }

    fn prove(&self, preimage: &[u8], challenge: &H256) -> SignatureProof {
        match self {
            Self::Ed25519(key) => key.prove(preimage, challenge),
            Self::P256(key) => {
                use p256::ecdsa::signature::Signer as _;
                let signature: p256::ecdsa::Signature = key.sign(preimage);
                SignatureProof::P256(signature.normalize_s().to_bytes().into())
            }
            Self::Secp256k1(key) => {
                use k256::ecdsa::signature::Signer as _;
                let signature: k256::ecdsa::Signature = key.sign(preimage);
                SignatureProof::Secp256k1(signature.normalize_s().to_bytes().into())
            }
        }
    }
}

impl fmt::Debug for TypedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TypedSecret of {}", public_text(&self.control_key()))
    }
}

/// Returns a control key's public bytes in hexadecimal.
fn public_text(key: &ControlKey) -> String {
    match key {
        ControlKey::Ed25519(key) => key.to_string(),
        ControlKey::P256(key) | ControlKey::Secp256k1(key) => hex::encode(key),
        ControlKey::WebAuthn(key) => hex::encode(key.public_key),
    }
}

/// A file of one control key of any type. Those of Ed25519 keys are [`KeyFile`](super::KeyFile)s.
pub struct ControlKeyFile {
    envelope: Envelope,
    key_type: KeyType,
    public: String,
}

impl ControlKeyFile {
    /// Writes the file of `key`. An existing file is left alone.
    ///
    /// # Errors
    /// [`KeyFileError::AlreadyExists`], or why it cannot be encrypted or written.
    pub fn create(
        path: &Path,
        key: &TypedSecret,
        protection: &Protection,
    ) -> Result<Self, KeyFileError> {
        let public = public_text(&key.control_key());
        let quoted = Zeroizing::new(format!("\"{}\"", hex::encode(*key.seed())));
        let key_type = key.key_type();
        let name = Value::String(public.clone());
        let envelope = Envelope::new(key_type.name(), name, quoted.as_bytes(), protection)?;
        envelope.write(path, false)?;
        Ok(Self {
            envelope,
            key_type,
            public,
        })
    }

    /// Reads a file without its secret.
    ///
    /// # Errors
    /// [`KeyFileError`] says whether it is missing, open to others, malformed or of another kind.
    pub fn read(path: &Path) -> Result<Self, KeyFileError> {
        let mut last = None;
        for (kind, key_type) in KINDS {
            match Envelope::read(path, kind) {
                Ok(envelope) => {
                    let public = envelope.public.as_str().unwrap_or_default().to_owned();
                    return Ok(Self {
                        envelope,
                        key_type,
                        public,
                    });
                }
                Err(error @ KeyFileError::Kind { .. }) => last = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(last.expect("there are kinds, and each was another"))
    }

    /// Returns the key's type.
    pub const fn key_type(&self) -> KeyType {
        self.key_type
    }

    /// Returns the public key, hexadecimal: 32 bytes, or a compressed point of 33.
    pub fn public(&self) -> &str {
        &self.public
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
    ) -> Result<TypedSecret, KeyFileError> {
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
        let key = TypedSecret::from_seed(self.key_type, &Zeroizing::new(seed));
        key.filter(|key| public_text(&key.control_key()) == self.public)
            .ok_or_else(|| damaged("the secret is not that of the public key"))
    }
}

impl fmt::Debug for ControlKeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ControlKeyFile of {}", self.public)
    }
}
