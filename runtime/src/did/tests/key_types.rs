//! Control keys of every type, alone and together.

use allod_primitives::crypto::EcdsaSignature;
use allod_primitives::operation::{KeySignature, Operation, SignatureProof, SignedOperation};
use allod_primitives::policy::{ControlKey, ControlPolicy, Rank, WebAuthnKey, WeightedKey};
use allod_primitives::{operation::operation_preimage, sha2_256};
use data_encoding::BASE64URL_NOPAD;
use p256::ecdsa::signature::Signer;

use super::harness::*;
use crate::frame::TransactionError as E;

const ORIGIN: &str = "https://wallet.example";

/// A secret of some type.
enum Secret {
    Ed25519(ed25519_dalek::SigningKey),
    P256(p256::ecdsa::SigningKey),
    Secp256k1(k256::ecdsa::SigningKey),
    Passkey(p256::ecdsa::SigningKey),
}

fn secrets() -> [Secret; 4] {
    let p256 = |seed: u8| p256::ecdsa::SigningKey::from_slice(&[seed; 32]).unwrap();
    [
        Secret::Ed25519(key(1)),
        Secret::P256(p256(2)),
        Secret::Secp256k1(k256::ecdsa::SigningKey::from_slice(&[3; 32]).unwrap()),
        Secret::Passkey(p256(4)),
    ]
}

fn p256_point(key: &p256::ecdsa::SigningKey) -> [u8; 33] {
    let point = key.verifying_key().to_sec1_point(true);
    point.as_bytes().try_into().unwrap()
}

fn p256_signature(key: &p256::ecdsa::SigningKey, message: &[u8]) -> EcdsaSignature {
    let signature: p256::ecdsa::Signature = key.sign(message);
    signature.normalize_s().to_bytes().into()
}

impl Secret {
    fn control(&self) -> ControlKey {
        match self {
            Self::Ed25519(key) => ControlKey::Ed25519(public(key)),
            Self::P256(key) => ControlKey::P256(p256_point(key)),
            Self::Secp256k1(key) => {
                let point = key.verifying_key().to_sec1_point(true);
                ControlKey::Secp256k1(point.as_bytes().try_into().unwrap())
            }
            Self::Passkey(key) => ControlKey::WebAuthn(WebAuthnKey {
                public_key: p256_point(key),
                rp_id_hash: sha2_256(b"wallet.example"),
                origin: text(ORIGIN),
            }),
        }
    }

    fn sign(&self, operation: &Operation) -> KeySignature {
        let hash = operation.hash();
        let preimage = operation_preimage(&CHAIN, &hash);
        let proof = match self {
            Self::Ed25519(key) => SignatureProof::Ed25519(sign(key, &preimage)),
            Self::P256(key) => SignatureProof::P256(p256_signature(key, &preimage)),
            Self::Secp256k1(key) => {
                let signature: k256::ecdsa::Signature = key.sign(&preimage);
                SignatureProof::Secp256k1(signature.normalize_s().to_bytes().into())
            }
            Self::Passkey(key) => {
                let challenge = BASE64URL_NOPAD.encode(&hash.0);
                let client_data = format!(
                    r#"{{"type":"webauthn.get","challenge":"{challenge}","origin":"{ORIGIN}","crossOrigin":false}}"#
                )
                .into_bytes();
                let rp_id_hash = sha2_256(b"wallet.example").0;
                let authenticator_data = [rp_id_hash.as_slice(), &[5, 0, 0, 0, 0]].concat();
                let client_hash = sha2_256(&client_data).0;
                let message = [authenticator_data.as_slice(), &client_hash].concat();
                SignatureProof::WebAuthn {
                    authenticator_data: authenticator_data.try_into().unwrap(),
                    client_data: client_data.try_into().unwrap(),
                    signature: p256_signature(key, &message),
                }
            }
        };
        KeySignature {
            key: self.control(),
            proof,
            leaf: None,
        }
    }
}

fn policy(secrets: &[Secret], threshold: u32) -> ControlPolicy {
    let mut keys: Vec<WeightedKey> = secrets
        .iter()
        .map(|it| WeightedKey {
            key: it.control(),
            weight: 1,
        })
        .collect();
    keys.sort_by(|a, b| a.key.cmp(&b.key));
    let rank = Rank {
        keys: keys.try_into().unwrap(),
        threshold,
        ..rank(&[&key(1)], 1)
    };
    ControlPolicy {
        ranks: vec![rank].try_into().unwrap(),
        guardians: None,
        delay_ms: allod_primitives::limits::CONTROL_DELAY_MS_DEFAULT,
    }
}

fn signed_by(operation: &Operation, secrets: &[&Secret]) -> SignedOperation {
    let mut list: Vec<KeySignature> = secrets.iter().map(|it| it.sign(operation)).collect();
    list.sort_by(|a, b| a.key.cmp(&b.key));
    SignedOperation {
        operation: operation.clone(),
        signatures: list.try_into().unwrap(),
    }
}

/// Goal: a key of any type controls an identity alone. Method: incept with it, change the
/// document with it, and refuse each of its signatures with one byte changed.
#[test]
fn a_key_of_each_type_incepts_and_acts() {
    for secret in secrets() {
        let mut ledger = Ledger::new();
        let secret = [secret];
        let mut person = Person::with_policy(1, policy(&secret, 1));
        let inception = person.inception_operation(START);
        let by_secret = signed_by(&inception, &[&secret[0]]);
        assert_eq!(ledger.batch(&[by_secret]).unwrap(), []);
        person.took(&inception);
        let operation = person.documents(&ledger, adding(&[method("phone", 50)]));
        let good = signed_by(&operation, &[&secret[0]]);
        let mut bad = good.clone();
        let proof = &mut bad.signatures.as_mut_slice()[0].proof;
        match proof {
            SignatureProof::Ed25519(signature) => signature.0[40] ^= 1,
            SignatureProof::P256(signature)
            | SignatureProof::Secp256k1(signature)
            | SignatureProof::WebAuthn { signature, .. } => signature[40] ^= 1,
        }
        assert_eq!(ledger.submit(&bad), Err(Refusal::Invalid(E::BadProof)));
        ledger.submit(&good).unwrap();
    }
}

#[test]
fn keys_of_different_types_reach_a_threshold_together() {
    let secrets = secrets();
    let mut ledger = Ledger::new();
    let person = Person::with_policy(1, policy(&secrets, 3));
    let inception = person.inception_operation(START);
    let two = signed_by(&inception, &[&secrets[0], &secrets[3]]);
    assert_eq!(
        ledger.batch(&[two]).unwrap(),
        [(0, crate::did::Error::BadProof)]
    );
    let three = signed_by(&inception, &[&secrets[1], &secrets[2], &secrets[3]]);
    assert_eq!(ledger.batch(&[three]).unwrap(), []);
}

#[test]
fn ecdsa_keys_that_are_no_points_are_not_registered() {
    let mut passkey = match secrets()[3].control() {
        ControlKey::WebAuthn(key) => key,
        _ => unreachable!("the fourth is a passkey"),
    };
    passkey.origin = text("wallet");
    let bad = [
        ControlKey::P256([3; 33]),
        ControlKey::P256([0xff; 33]),
        ControlKey::Secp256k1([5; 33]),
        ControlKey::WebAuthn(passkey),
    ];
    for key in bad {
        let mut policy = policy(&secrets()[..1], 1);
        policy.ranks.as_mut_slice()[0].keys =
            vec![WeightedKey { key, weight: 1 }].try_into().unwrap();
        let mut ledger = Ledger::new();
        let person = Person::with_policy(1, policy);
        let inception = person.inception_operation(START);
        let signed = signed_by(&inception, &[&secrets()[0]]);
        assert_eq!(
            ledger.batch(&[signed]).unwrap(),
            [(0, crate::did::Error::Malformed)]
        );
    }
}
