//! A key encrypted under a passphrase: spec/keystore.md §1.

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use rand::RngCore;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::Passphrase;

const KDF: &str = "argon2id";
/// Most KiB that opening a file takes.
pub const MEMORY_KIB_MAX: u32 = 256 * 1024;
/// Most passes over them.
pub const ITERATIONS_MAX: u32 = 16;
/// Most lanes.
pub const LANES_MAX: u32 = 4;

/// What a guess at the passphrase costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KdfCost {
    /// Memory in KiB, 8 per lane to 256 MiB.
    pub memory_kib: u32,
    /// Passes over it, 1 to 16.
    pub iterations: u32,
    /// Lanes, 1 to 4.
    pub lanes: u32,
}

impl Default for KdfCost {
    /// 64 MiB, three passes, one lane: about 0.1 s.
    fn default() -> Self {
        Self {
            memory_kib: 64 * 1024,
            iterations: 3,
            lanes: 1,
        }
    }
}

/// Why a sealed secret does not open, or nothing can be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// Parameters outside of the bounds, or another derivation.
    #[error("its parameters of key derivation are not allowed")]
    Parameters,
    /// A member is no hexadecimal number of its length.
    #[error("`{member}` is not 0x and hexadecimal digits of its length")]
    Hex {
        /// The member's name.
        member: &'static str,
    },
    /// The passphrase is wrong, or somebody changed the file.
    #[error("wrong passphrase, or the file was changed")]
    Closed,
}

/// An encrypted secret as a file holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sealed {
    kdf: String,
    memory_kib: u32,
    iterations: u32,
    lanes: u32,
    salt: String,
    nonce: String,
    ciphertext: String,
}

impl Sealed {
    /// Encrypts with new salt and nonce; `context` is bound to it.
    pub(super) fn seal(
        passphrase: &Passphrase,
        context: &[u8],
        secret: &[u8],
        cost: KdfCost,
    ) -> Result<Self, SealError> {
        let (mut salt, mut nonce) = ([0; 16], [0; 24]);
        rand::rngs::OsRng.fill_bytes(&mut salt);
        rand::rngs::OsRng.fill_bytes(&mut nonce);
        Self::seal_with(passphrase, context, secret, cost, (salt, nonce))
    }

    /// Encrypts with this salt and nonce; neither must ever be used again.
    pub(super) fn seal_with(
        passphrase: &Passphrase,
        context: &[u8],
        secret: &[u8],
        cost: KdfCost,
        (salt, nonce): ([u8; 16], [u8; 24]),
    ) -> Result<Self, SealError> {
        let key = derive(passphrase, &salt, cost)?;
        let payload = Payload {
            msg: secret,
            aad: context,
        };
        let ciphertext = XChaCha20Poly1305::new(key.as_ref().into())
            .encrypt(XNonce::from_slice(&nonce), payload)
            .expect("a key is far below the cipher's 256 GiB");
        Ok(Self {
            kdf: KDF.into(),
            memory_kib: cost.memory_kib,
            iterations: cost.iterations,
            lanes: cost.lanes,
            salt: hex_text(&salt),
            nonce: hex_text(&nonce),
            ciphertext: hex_text(&ciphertext),
        })
    }

    /// Decrypts; the parameters are looked at before anything is computed.
    pub(super) fn open(
        &self,
        passphrase: &Passphrase,
        context: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        if self.kdf != KDF {
            return Err(SealError::Parameters);
        }
        let salt: [u8; 16] = hex_array("salt", &self.salt)?;
        let nonce: [u8; 24] = hex_array("nonce", &self.nonce)?;
        let member = "ciphertext";
        let digits = self.ciphertext.strip_prefix("0x");
        let ciphertext = digits.and_then(|digits| hex::decode(digits).ok());
        let ciphertext = ciphertext.ok_or(SealError::Hex { member })?;
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
            .map_err(|_| SealError::Closed)
    }
}

fn derive(
    passphrase: &Passphrase,
    salt: &[u8],
    cost: KdfCost,
) -> Result<Zeroizing<[u8; 32]>, SealError> {
    let in_bounds = (1..=LANES_MAX).contains(&cost.lanes)
        && (1..=ITERATIONS_MAX).contains(&cost.iterations)
        && (8 * cost.lanes..=MEMORY_KIB_MAX).contains(&cost.memory_kib);
    if !in_bounds {
        return Err(SealError::Parameters);
    }
    let wrong = |_| SealError::Parameters;
    let params = Params::new(cost.memory_kib, cost.iterations, cost.lanes, Some(32));
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.map_err(wrong)?);
    let mut key = Zeroizing::new([0; 32]);
    argon
        .hash_password_into(passphrase.as_bytes(), salt, key.as_mut())
        .map_err(wrong)?;
    Ok(key)
}

/// Returns bytes as a file has them.
pub(super) fn hex_text(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}

/// Returns the bytes that the text of `member` stands for.
pub(super) fn hex_array<const N: usize>(
    member: &'static str,
    text: &str,
) -> Result<[u8; N], SealError> {
    let wrong = SealError::Hex { member };
    let digits = text.strip_prefix("0x").ok_or(wrong)?;
    let mut bytes = [0; N];
    hex::decode_to_slice(digits, &mut bytes).map_err(|_| wrong)?;
    Ok(bytes)
}
