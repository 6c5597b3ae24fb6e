//! Keys, signatures and the rules by which they count.
//!
//! Consensus objects (extrinsics, operations, vouchers, grants, votes) are verified by ZIP-215,
//! single and batch alike: that rule alone gives the same verdict in both. Operations may also be
//! signed by ECDSA keys ([`Curve`]) and passkeys ([`Assertion`]). Keys enter the ledger only
//! through their `check_registrable`, which refuses what verification tolerates. JWS are judged by
//! [`verify_jws_ed25519`], strict RFC 8032, and [`Curve::verify_jws`].
//! The rules and their edge cases are in spec/signatures.md.

mod control;
mod ecdsa;
mod webauthn;
mod x25519;

use std::fmt;

use ed25519_dalek::VerifyingKey;
use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode};
use scale_info::TypeInfo;

pub use control::{UNITS_ED25519, UNITS_P256, UNITS_SECP256K1};
pub use ecdsa::{Curve, EcdsaKey, EcdsaSignature};
pub use webauthn::{Assertion, AssertionError, check_origin};
pub use x25519::check_x25519;

/// An Ed25519 public key: 32 bytes, any bytes until checked.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
)]
pub struct PublicKey(pub [u8; 32]);

/// An Ed25519 signature: `R ++ s`, 64 bytes.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
)]
pub struct Signature(pub [u8; 64]);

/// Why a key may not be registered.
///
/// Source: spec/signatures.md §2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The bytes are no point of the curve.
    #[error("key is not a point of the curve")]
    NotOnCurve,
    /// The point has another, shorter encoding.
    #[error("key is not encoded canonically")]
    NotCanonical,
    /// The point's order divides 8: anyone can sign for it, or agree on a secret with it.
    #[error("key has small order")]
    SmallOrder,
    /// The first byte of an ECDSA key is neither 2 nor 3.
    #[error("key is not a compressed point")]
    NotCompressed,
    /// The origin of a passkey has no scheme, or bytes that no origin has.
    #[error("origin of the passkey is not one")]
    Origin,
}

/// A signature that does not verify under the rule asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("signature does not verify")]
pub struct BadSignature;

impl PublicKey {
    /// Verifies `signature` over `message` by ZIP-215.
    ///
    /// Cost: about 40 µs; batches (which need randomness and so live in the node) cost half.
    ///
    /// # Errors
    /// [`BadSignature`], whatever the reason.
    ///
    /// Source: spec/signatures.md §1; ZIP 215.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), BadSignature> {
        let key = ed25519_zebra::VerificationKey::try_from(self.0).map_err(|_| BadSignature)?;
        key.verify(&ed25519_zebra::Signature::from(signature.0), message)
            .map_err(|_| BadSignature)
    }

    /// Checks that this key may enter the ledger: on the curve, canonical, not of small order.
    ///
    /// Cost: one square root in the field, about 4 µs.
    ///
    /// # Errors
    /// [`KeyError`] names the first rule broken.
    ///
    /// Source: spec/signatures.md §2.
    pub fn check_registrable(&self) -> Result<(), KeyError> {
        let key = VerifyingKey::from_bytes(&self.0).map_err(|_| KeyError::NotOnCurve)?;
        if !self.is_canonical() {
            return Err(KeyError::NotCanonical);
        }
        if key.is_weak() {
            return Err(KeyError::SmallOrder);
        }
        Ok(())
    }

    /// Returns whether no shorter encoding of the same point exists: y is below p = 2^255 - 19,
    /// and x, where it is zero, has no sign. Compressing the point again would tell the same for
    /// the price of a division in the field.
    fn is_canonical(&self) -> bool {
        const P_LOW: u8 = 0xed;
        let [low, middle @ .., high] = &self.0;
        let (sign, high) = (high >> 7, high & 0x7f);
        let top = high == 0x7f && middle.iter().all(|byte| *byte == 0xff);
        let is_one = high == 0 && middle.iter().all(|byte| *byte == 0) && *low == 1;
        let is_minus_one = top && *low == P_LOW.wrapping_sub(1);
        let below_p = !top || *low < P_LOW;
        below_p && !(sign == 1 && (is_one || is_minus_one))
    }
}

/// Verifies a JWS signature (`alg` `EdDSA` or `Ed25519`) by strict RFC 8032: canonical `A`, `R`
/// and `s`, no small order, no cofactor.
///
/// # Errors
/// [`BadSignature`], whatever the reason.
///
/// Source: spec/signatures.md §3; RFC 8032 §5.1.7.
pub fn verify_jws_ed25519(
    key: &PublicKey,
    message: &[u8],
    signature: &Signature,
) -> Result<(), BadSignature> {
    key.check_registrable().map_err(|_| BadSignature)?;
    let mut commitment = [0; 32];
    commitment.copy_from_slice(signature.0.split_at(32).0);
    PublicKey(commitment)
        .check_registrable()
        .map_err(|_| BadSignature)?;
    let key = VerifyingKey::from_bytes(&key.0).map_err(|_| BadSignature)?;
    let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
    key.verify_strict(message, &signature)
        .map_err(|_| BadSignature)
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0x")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0x")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: the byte rule is the group's. Method: compare with compressing the point again, for
    /// every encoding with y near 0, 1, p and 2^255, and for pseudo-random ones.
    #[test]
    fn canonical_is_what_compressing_again_returns() {
        let mut encodings = Vec::new();
        for low in 0..=255u8 {
            for fill in [0x00, 0xff] {
                for high in [0x00, 0x7f, 0x80, 0xff] {
                    let mut bytes = [fill; 32];
                    bytes[0] = low;
                    bytes[31] = high;
                    encodings.push(bytes);
                }
            }
            encodings.push(crate::hash::blake2_256(&[low]).0);
        }
        let mut canonical = 0;
        for bytes in encodings {
            let Ok(key) = VerifyingKey::from_bytes(&bytes) else {
                continue;
            };
            let again = key.to_edwards().compress().to_bytes() == bytes;
            assert_eq!(PublicKey(bytes).is_canonical(), again, "{bytes:02x?}");
            canonical += usize::from(again);
        }
        assert!(canonical > 100);
    }
}
