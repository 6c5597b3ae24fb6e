//! Encryption under a passphrase.

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{KeyFileError, Passphrase, random_bytes};
use crate::hex;

const KDF: &str = "argon2id";
const MEMORY_KIB_MAX: u32 = 256 * 1024;
const ITERATIONS_MAX: u32 = 16;
const LANES_MAX: u32 = 4;

/// How much work a guess at the passphrase costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KdfCost {
    /// Memory in KiB: at least 8 per lane, at most 256 MiB.
    pub memory_kib: u32,
    /// Passes over it, 1 to 16.
    pub iterations: u32,
    /// Lanes, 1 to 4.
    pub lanes: u32,
}

impl Default for KdfCost {
    /// 64 MiB, three passes, one lane: RFC 9106's second choice with one lane, about 0.1 s.
    fn default() -> Self {
        Self {
            memory_kib: 64 * 1024,
            iterations: 3,
            lanes: 1,
        }
    }
}

/// A secret encrypted under a passphrase, as a key file holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sealed {
    kdf: String,
    memory_kib: u32,
    iterations: u32,
    lanes: u32,
    salt: String,
    nonce: String,
    ciphertext: String,
}

impl Sealed {
    /// Encrypts `secret`; `context` is bound to it but not kept here.
    ///
    /// # Errors
    /// [`KeyFileError::KdfParameters`] or [`KeyFileError::Entropy`].
    ///
    /// Source: RFC 9106 (Argon2id, 32-byte tag); draft-irtf-cfrg-xchacha (XChaCha20-Poly1305).
    pub fn seal(
        passphrase: &Passphrase,
        context: &[u8],
        secret: &[u8],
        cost: KdfCost,
    ) -> Result<Self, KeyFileError> {
        let salt = random_bytes::<16>()?;
        let nonce = random_bytes::<24>()?;
        let key = derive(passphrase, &salt, cost)?;
        let payload = Payload {
            msg: secret,
            aad: context,
        };
        let ciphertext = XChaCha20Poly1305::new(key.as_ref().into())
            .encrypt(XNonce::from_slice(&nonce), payload)
            .expect("a key file's secret is far below the cipher's 256 GiB");
        Ok(Self {
            kdf: KDF.into(),
            memory_kib: cost.memory_kib,
            iterations: cost.iterations,
            lanes: cost.lanes,
            salt: hex::encode(salt),
            nonce: hex::encode(nonce),
            ciphertext: hex::encode(ciphertext),
        })
    }

    /// Decrypts.
    ///
    /// # Errors
    /// [`KeyFileError::WrongPassphrase`] also if ciphertext or context were changed;
    /// [`KeyFileError::KdfParameters`] or [`KeyFileError::Hex`] if the envelope is not one of ours.
    pub fn open(
        &self,
        passphrase: &Passphrase,
        context: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
        if self.kdf != KDF {
            return Err(KeyFileError::KdfParameters);
        }
        let field = |field| move |source| KeyFileError::Hex { field, source };
        let salt: [u8; 16] = hex::decode_array(&self.salt).map_err(field("salt"))?;
        let nonce: [u8; 24] = hex::decode_array(&self.nonce).map_err(field("nonce"))?;
        let ciphertext = hex::decode(&self.ciphertext).map_err(field("ciphertext"))?;
        let cost = KdfCost {
            memory_kib: self.memory_kib,
            iterations: self.iterations,
            lanes: self.lanes,
        };
        let key = derive(passphrase, &salt, cost)?;
        let payload = Payload {
            msg: &ciphertext,
            aad: context,
        };
        XChaCha20Poly1305::new(key.as_ref().into())
            .decrypt(XNonce::from_slice(&nonce), payload)
            .map(Zeroizing::new)
            .map_err(|_| KeyFileError::WrongPassphrase)
    }
}

fn derive(
    passphrase: &Passphrase,
    salt: &[u8],
    cost: KdfCost,
) -> Result<Zeroizing<[u8; 32]>, KeyFileError> {
    let wrong = |_| KeyFileError::KdfParameters;
    let in_range = cost.memory_kib <= MEMORY_KIB_MAX
        && (1..=ITERATIONS_MAX).contains(&cost.iterations)
        && (1..=LANES_MAX).contains(&cost.lanes);
    if !in_range {
        return Err(KeyFileError::KdfParameters);
    }
    let params = Params::new(cost.memory_kib, cost.iterations, cost.lanes, Some(32));
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.map_err(wrong)?);
    let mut key = Zeroizing::new([0; 32]);
    argon
        .hash_password_into(passphrase.as_bytes(), salt, key.as_mut())
        .map_err(wrong)?;
    Ok(key)
}
