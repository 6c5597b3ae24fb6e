//! Passkeys as control keys: from what a browser returns to what the ledger takes.
//!
//! A browser gives a new credential's key as a SubjectPublicKeyInfo, and an assertion's signature
//! in DER with any s. The ledger holds a compressed point, and takes `r ++ s` with a low s.
//! Passkeys sign operations only; logins are signed by methods of the document.

use allod_primitives::crypto::{Assertion, AssertionError, EcdsaKey, KeyError};
use allod_primitives::operation::{KeySignature, SignatureProof};
use allod_primitives::policy::{ControlKey, WebAuthnKey};
use allod_primitives::{BoundedVec, H256, Text, sha2_256};

/// The DER before the 64 bytes of a P-256 point: `SEQUENCE { SEQUENCE { id-ecPublicKey,
/// prime256v1 }, BIT STRING { 04 …` (RFC 5480).
const P256_INFO: [u8; 27] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
];

/// What `navigator.credentials.get` returns in `response`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebAuthnAssertion {
    /// `authenticatorData`.
    pub authenticator_data: Vec<u8>,
    /// `clientDataJSON`.
    pub client_data_json: Vec<u8>,
    /// `signature`, in DER.
    pub signature: Vec<u8>,
}

/// Why a passkey or its assertion is not what the ledger takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PasskeyError {
    /// The credential's key is not a P-256 key in the form that browsers return.
    #[error("the credential's key is not a P-256 key")]
    NotP256,
    /// The key or its origin may not be registered.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Origin, client data or authenticator data are longer than the ledger takes.
    #[error("the {what} is longer than the ledger takes")]
    TooLong {
        /// What is.
        what: &'static str,
    },
    /// The signature is not a DER signature of P-256.
    #[error("the assertion's signature is not one of P-256")]
    NotDer,
    /// The ledger would refuse the assertion.
    #[error("the ledger would refuse the assertion: {0}")]
    Refused(#[from] AssertionError),
}

/// Returns the control key of a new credential.
///
/// `public_key_info`: what `getPublicKey()` returns. `rp_id`, `origin`: the wallet's own, a domain
/// that no login uses.
///
/// # Errors
/// [`PasskeyError`] if the ledger would not register it.
pub fn control_key(
    public_key_info: &[u8],
    rp_id: &str,
    origin: &str,
) -> Result<WebAuthnKey, PasskeyError> {
    let point = public_key_info.strip_prefix(&P256_INFO);
    let point: &[u8; 64] = point
        .and_then(|it| it.try_into().ok())
        .ok_or(PasskeyError::NotP256)?;
    let mut public_key: EcdsaKey = [0; 33];
    public_key[0] = 2 | (point[63] & 1);
    public_key[1..].copy_from_slice(&point[..32]);
    let key = WebAuthnKey {
        public_key,
        rp_id_hash: sha2_256(rp_id.as_bytes()),
        origin: Text::new(origin).map_err(|_| PasskeyError::TooLong { what: "origin" })?,
    };
    key.check_registrable()?;
    Ok(key)
}

impl WebAuthnAssertion {
    /// Returns the assertion as the ledger takes it: the signature as `r ++ s` with a low s.
    ///
    /// # Errors
    /// [`PasskeyError::NotDer`], [`PasskeyError::TooLong`]. Nothing is verified.
    pub fn proof(&self) -> Result<SignatureProof, PasskeyError> {
        let signature = p256::ecdsa::Signature::from_der(&self.signature);
        let signature = signature.map_err(|_| PasskeyError::NotDer)?.normalize_s();
        let too_long = |what| move |_| PasskeyError::TooLong { what };
        let authenticator_data = BoundedVec::try_from(self.authenticator_data.clone());
        let client_data = BoundedVec::try_from(self.client_data_json.clone());
        Ok(SignatureProof::WebAuthn {
            authenticator_data: authenticator_data.map_err(too_long("authenticator data"))?,
            client_data: client_data.map_err(too_long("client data"))?,
            signature: signature.to_bytes().into(),
        })
    }

    /// Returns the signature of `key` under the operation of `hash`, verified as the ledger will.
    ///
    /// # Errors
    /// [`PasskeyError`] says what the ledger would not take.
    pub fn sign(&self, key: &WebAuthnKey, hash: &H256) -> Result<KeySignature, PasskeyError> {
        let proof = self.proof()?;
        if let SignatureProof::WebAuthn {
            authenticator_data,
            client_data,
            signature,
        } = &proof
        {
            let assertion = Assertion {
                authenticator_data,
                client_data,
                signature,
            };
            key.verify(hash, &assertion)?;
        }
        Ok(KeySignature {
            key: ControlKey::WebAuthn(key.clone()),
            proof,
            leaf: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use allod_primitives::crypto::Curve;
    use data_encoding::BASE64URL_NOPAD;
    use p256::ecdsa::signature::Signer;

    use super::*;

    const ORIGIN: &str = "https://wallet.example";

    fn secret() -> p256::ecdsa::SigningKey {
        p256::ecdsa::SigningKey::from_slice(&[9; 32]).unwrap()
    }

    fn info() -> Vec<u8> {
        let point = secret().verifying_key().to_sec1_point(false);
        [P256_INFO.as_slice(), &point.as_bytes()[1..]].concat()
    }

    #[test]
    fn a_browsers_key_becomes_a_registrable_one() {
        let key = control_key(&info(), "wallet.example", ORIGIN).unwrap();
        let point = secret().verifying_key().to_sec1_point(true);
        assert_eq!(key.public_key.as_slice(), point.as_bytes());
        assert_eq!(
            control_key(&info()[1..], "a", ORIGIN),
            Err(PasskeyError::NotP256)
        );
        let mut off_curve = info();
        off_curve[27..59].fill(3);
        let error = control_key(&off_curve, "a", ORIGIN).unwrap_err();
        assert_eq!(error, PasskeyError::Key(KeyError::NotOnCurve));
        let error = control_key(&info(), "a", "wallet").unwrap_err();
        assert_eq!(error, PasskeyError::Key(KeyError::Origin));
    }

    /// Goal: DER with any s becomes what the ledger takes. Method: one assertion, its signature
    /// once with a low and once with a high s.
    #[test]
    fn an_assertion_is_normalised_and_verified_before_it_is_sent() {
        let key = control_key(&info(), "wallet.example", ORIGIN).unwrap();
        let hash = H256([5; 32]);
        let challenge = BASE64URL_NOPAD.encode(&hash.0);
        let client_data_json = format!(
            r#"{{"type":"webauthn.get","challenge":"{challenge}","origin":"{ORIGIN}","crossOrigin":false}}"#
        )
        .into_bytes();
        let authenticator_data = [key.rp_id_hash.0.as_slice(), &[5, 0, 0, 0, 0]].concat();
        let message = [
            authenticator_data.as_slice(),
            &sha2_256(&client_data_json).0,
        ]
        .concat();
        let signature: p256::ecdsa::Signature = secret().sign(&message);
        let low = signature.normalize_s();
        let (r, s) = low.split_scalars();
        let high = p256::ecdsa::Signature::from_scalars(r, -s).unwrap();
        assert!(!Curve::P256.is_low_s(&high.to_bytes().into()));
        let mut proofs = Vec::new();
        for signature in [low, high] {
            let assertion = WebAuthnAssertion {
                authenticator_data: authenticator_data.clone(),
                client_data_json: client_data_json.clone(),
                signature: signature.to_der().as_bytes().to_vec(),
            };
            proofs.push(assertion.sign(&key, &hash).unwrap());
            assert_eq!(
                assertion.sign(&key, &H256([6; 32])),
                Err(PasskeyError::Refused(AssertionError::ClientDataPrefix))
            );
        }
        assert_eq!(proofs[0], proofs[1]);
        let not_der = WebAuthnAssertion {
            authenticator_data,
            client_data_json,
            signature: low.to_bytes().to_vec(),
        };
        assert_eq!(not_der.proof(), Err(PasskeyError::NotDer));
    }
}
