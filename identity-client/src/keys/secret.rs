//! Ed25519 secrets in memory, and randomness.

use std::fmt;

use allod_primitives::{PublicKey, Signature};
use ed25519_dalek::{Signer, SigningKey};
use zeroize::Zeroizing;

use super::KeyFileError;

/// An Ed25519 secret key: never printed, and zeroed when dropped.
#[derive(Clone)]
pub struct SecretKey(SigningKey);

impl SecretKey {
    /// Returns a new key from the system's randomness.
    ///
    /// # Errors
    /// [`KeyFileError::Entropy`] if the system has none.
    pub fn generate() -> Result<Self, KeyFileError> {
        let seed = Zeroizing::new(random_bytes::<32>()?);
        Ok(Self::from_seed(*seed))
    }

    /// Returns the key of a 32-byte seed (RFC 8032's private key).
    pub fn from_seed(seed: [u8; 32]) -> Self {
        let seed = Zeroizing::new(seed);
        Self(SigningKey::from_bytes(&seed))
    }

    /// Returns the seed, to be written to a key file.
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// Returns the public key.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Signs `message` by RFC 8032.
    pub fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.0.sign(message).to_bytes())
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey of {}", self.public())
    }
}

/// Returns `N` bytes of the system's randomness.
///
/// # Errors
/// [`KeyFileError::Entropy`] if the system has none.
pub fn random_bytes<const N: usize>() -> Result<[u8; N], KeyFileError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| KeyFileError::Entropy)?;
    Ok(bytes)
}
