//! ECDSA with SHA-256 over P-256 and secp256k1.
//!
//! Ranges and low `s` are compared here, byte by byte, with the constants of SEC 2, before the
//! curve's library sees anything: what is consensus does not hang on what a library tolerates.

use p256::ecdsa::signature::hazmat::PrehashVerifier;

use super::{BadSignature, KeyError};
use crate::hash::sha2_256;

/// An ECDSA public key: a compressed point, `2 or 3 ++ x`, x big-endian.
pub type EcdsaKey = [u8; 33];
/// An ECDSA signature: `r ++ s`, both big-endian.
pub type EcdsaSignature = [u8; 64];

/// A curve on which ECDSA keys lie. Both have prime order and cofactor 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Curve {
    /// NIST P-256, secp256r1: ES256.
    P256,
    /// secp256k1: ES256K.
    Secp256k1,
}

/// The field's prime p of P-256, big-endian.
const P256_FIELD: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
];
/// The order n of P-256.
const P256_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6,
    0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];
/// (n - 1) / 2 of P-256, the highest low s.
const P256_LOW_S: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xde,
    0x73, 0x7d, 0x56, 0xd3, 0x8b, 0xcf, 0x42, 0x79, 0xdc, 0xe5, 0x61, 0x7e, 0x31, 0x92, 0xa8,
];
/// The field's prime p of secp256k1, big-endian.
const K256_FIELD: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xff, 0xff, 0xfc, 0x2f,
];
/// The order n of secp256k1.
const K256_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe,
    0xba, 0xae, 0xdc, 0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41,
];
/// (n - 1) / 2 of secp256k1, the highest low s.
const K256_LOW_S: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0x5d, 0x57, 0x6e, 0x73, 0x57, 0xa4, 0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0,
];

impl Curve {
    /// Checks that `key` may enter the ledger: compressed, x below p, on the curve.
    ///
    /// Cost: one square root in the field, about 10 µs.
    ///
    /// # Errors
    /// [`KeyError`] names the first rule broken.
    ///
    /// Source: spec/signatures.md §2; SEC 1 §2.3.4.
    pub fn check_registrable(self, key: &EcdsaKey) -> Result<(), KeyError> {
        self.check_encoding(key)?;
        let is_point = match self {
            Self::P256 => p256::ecdsa::VerifyingKey::from_sec1_bytes(key).is_ok(),
            Self::Secp256k1 => k256::ecdsa::VerifyingKey::from_sec1_bytes(key).is_ok(),
        };
        if is_point {
            Ok(())
        } else {
            Err(KeyError::NotOnCurve)
        }
    }

    /// Verifies a signature of an operation: over SHA-256 of `message`, low s.
    ///
    /// Cost: P-256 about four times, secp256k1 about one and a half times what Ed25519 costs.
    ///
    /// # Errors
    /// [`BadSignature`], whatever the reason.
    ///
    /// Source: spec/signatures.md §4.
    pub fn verify(
        self,
        key: &EcdsaKey,
        message: &[u8],
        signature: &EcdsaSignature,
    ) -> Result<(), BadSignature> {
        if !self.is_low_s(signature) {
            return Err(BadSignature);
        }
        self.verify_jws(key, message, signature)
    }

    /// Verifies a JWS signature, ES256 or ES256K: as [`Self::verify`], but any s within the order.
    ///
    /// # Errors
    /// [`BadSignature`], whatever the reason.
    ///
    /// Source: spec/signatures.md §3; RFC 7518 §3.4; RFC 8812 §3.2.
    pub fn verify_jws(
        self,
        key: &EcdsaKey,
        message: &[u8],
        signature: &EcdsaSignature,
    ) -> Result<(), BadSignature> {
        self.check_encoding(key).map_err(|_| BadSignature)?;
        if !self.is_in_range(signature) {
            return Err(BadSignature);
        }
        let hash = sha2_256(message).0;
        match self {
            Self::P256 => {
                let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(key);
                let signature = p256::ecdsa::Signature::from_slice(signature);
                key.and_then(|key| key.verify_prehash(&hash, &signature?))
            }
            Self::Secp256k1 => {
                let key = k256::ecdsa::VerifyingKey::from_sec1_bytes(key);
                let signature = k256::ecdsa::Signature::from_slice(signature);
                // This library refuses a high s by itself; n - s verifies wherever s does.
                key.and_then(|key| key.verify_prehash(&hash, &signature?.normalize_s()))
            }
        }
        .map_err(|_| BadSignature)
    }

    /// Returns whether s is at most half the order.
    pub fn is_low_s(self, signature: &EcdsaSignature) -> bool {
        let highest = match self {
            Self::P256 => &P256_LOW_S,
            Self::Secp256k1 => &K256_LOW_S,
        };
        signature.split_at(32).1 <= highest.as_slice()
    }

    /// Returns whether r and s are within 1 to n - 1.
    fn is_in_range(self, signature: &EcdsaSignature) -> bool {
        let order = match self {
            Self::P256 => &P256_ORDER,
            Self::Secp256k1 => &K256_ORDER,
        };
        let (r, s) = signature.split_at(32);
        [r, s]
            .iter()
            .all(|it| it.iter().any(|byte| *byte != 0) && *it < order.as_slice())
    }

    fn check_encoding(self, key: &EcdsaKey) -> Result<(), KeyError> {
        let [first, x @ ..] = key;
        if !matches!(first, 2 | 3) {
            return Err(KeyError::NotCompressed);
        }
        let field = match self {
            Self::P256 => &P256_FIELD,
            Self::Secp256k1 => &K256_FIELD,
        };
        if x >= field {
            return Err(KeyError::NotCanonical);
        }
        Ok(())
    }
}
