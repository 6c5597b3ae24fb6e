//! What control keys sign, whatever their type, and what checking it costs.

use super::{Assertion, BadSignature, Curve, KeyError};
use crate::hash::H256;
use crate::operation::{SignatureProof, operation_preimage};
use crate::policy::ControlKey;
use crate::types::ChainId;

/// Units that an Ed25519 signature costs; see
/// [`BLOCK_SIGNATURE_UNITS_MAX`](crate::limits::BLOCK_SIGNATURE_UNITS_MAX).
pub const UNITS_ED25519: u32 = 1;
/// Units that a secp256k1 signature costs.
pub const UNITS_SECP256K1: u32 = 2;
/// Units that a P-256 signature costs, a passkey's included.
pub const UNITS_P256: u32 = 5;

impl ControlKey {
    /// Checks that this key may enter the ledger, by the rule of its type.
    ///
    /// # Errors
    /// [`KeyError`] names the first rule broken.
    ///
    /// Source: spec/signatures.md §2.
    pub fn check_registrable(&self) -> Result<(), KeyError> {
        match self {
            Self::Ed25519(key) => key.check_registrable(),
            Self::P256(key) => Curve::P256.check_registrable(key),
            Self::Secp256k1(key) => Curve::Secp256k1.check_registrable(key),
            Self::WebAuthn(key) => key.check_registrable(),
        }
    }

    /// Verifies `proof` by this key over the operation whose hash is `operation_hash`: Ed25519 (by
    /// ZIP-215) and ECDSA keys sign [`operation_preimage`], passkeys assert the hash itself.
    ///
    /// # Errors
    /// [`BadSignature`], whatever the reason; also if the proof is of another type than the key.
    ///
    /// Source: spec/signatures.md §1, §4, §5.
    pub fn verify_operation(
        &self,
        chain: &ChainId,
        operation_hash: &H256,
        proof: &SignatureProof,
    ) -> Result<(), BadSignature> {
        self.verify(
            &operation_preimage(chain, operation_hash),
            operation_hash,
            proof,
        )
    }

    /// Verifies `proof` by this key where it signs something else than an operation: `preimage`, or
    /// `challenge` if it is a passkey. Both must name the same thing, and nothing else.
    ///
    /// # Errors
    /// As [`Self::verify_operation`].
    pub fn verify(
        &self,
        preimage: &[u8],
        challenge: &H256,
        proof: &SignatureProof,
    ) -> Result<(), BadSignature> {
        match (self, proof) {
            (Self::Ed25519(key), SignatureProof::Ed25519(proof)) => key.verify(preimage, proof),
            (Self::P256(key), SignatureProof::P256(proof)) => {
                Curve::P256.verify(key, preimage, proof)
            }
            (Self::Secp256k1(key), SignatureProof::Secp256k1(proof)) => {
                Curve::Secp256k1.verify(key, preimage, proof)
            }
            (
                Self::WebAuthn(key),
                SignatureProof::WebAuthn {
                    authenticator_data,
                    client_data,
                    signature,
                },
            ) => {
                let assertion = Assertion {
                    authenticator_data,
                    client_data,
                    signature,
                };
                Ok(key.verify(challenge, &assertion)?)
            }
            _ => Err(BadSignature),
        }
    }

    /// Returns the units that a signature of this key costs.
    ///
    /// Source: spec/signatures.md §6.
    pub const fn units(&self) -> u32 {
        match self {
            Self::Ed25519(_) => UNITS_ED25519,
            Self::Secp256k1(_) => UNITS_SECP256K1,
            Self::P256(_) | Self::WebAuthn(_) => UNITS_P256,
        }
    }
}
