//! Signatures on the edge: what ZIP-215 takes and strict RFC 8032 refuses, with real keys.
//!
//! The signer of these knows its secret and bends the nonce point `R`, so all of them are "its"
//! signatures. Consensus objects must take them, alone and in batches alike, or validators that
//! verify differently would fork; logins must not.

use allod_primitives::crypto::{KeyError, verify_jws_ed25519};
use allod_primitives::operation::{
    KeySignature, Lane, SignatureProof, SignedOperation, operation_preimage,
};
use allod_primitives::policy::ControlKey;
use allod_primitives::{PublicKey, Signature};
use allod_runtime::frame::TransactionError;
use allod_runtime::{RuntimeCall, did};
use curve25519_dalek::Scalar;
use curve25519_dalek::constants::EIGHT_TORSION;
use ed25519_dalek::SigningKey;
use sha2::{Digest, Sha512};

use crate::author::{bare, bounded, key, public};
use crate::ledger::defects::{NON_CANONICAL, OFF_CURVE, SMALL_ORDER};
use crate::ledger::draft::malleate;
use crate::ledger::judge::{Bench, Judged};
use crate::ledger::world::{World, logout};

/// Signs `message` with the nonce point `commitment` of small order, encoded as given.
fn sign_with(key: &SigningKey, commitment: [u8; 32], message: &[u8]) -> Signature {
    let mut hash = Sha512::new();
    hash.update(commitment);
    hash.update(key.verifying_key().as_bytes());
    hash.update(message);
    let challenge = Scalar::from_bytes_mod_order_wide(&hash.finalize().into());
    let s = challenge * key.to_scalar();
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&commitment);
    signature[32..].copy_from_slice(s.as_bytes());
    Signature(signature)
}

/// Returns a valid operation but for its signature, which is made by `sign`.
fn operation(world: &World, sign: impl Fn(&SigningKey, &[u8]) -> Signature) -> SignedOperation {
    let author = &world.alive[0];
    let operation = world.operation(author, Lane::Documents, logout());
    let preimage = operation_preimage(&world.chain(), &operation.hash());
    let key = &author.control[0];
    let signature = KeySignature {
        key: ControlKey::Ed25519(public(key)),
        proof: SignatureProof::Ed25519(sign(key, &preimage)),
        leaf: None,
    };
    SignedOperation {
        operation,
        signatures: bounded([signature]),
    }
}

fn judge(operation: SignedOperation, world: World) -> Judged {
    let body = bare(&RuntimeCall::Did(did::Call::submit { operation }));
    Bench::of(world).judge(&body)
}

/// Goal: the ledger's rule is ZIP-215. Method: sign with each of the eight points of small order
/// as `R`: for seven of them the equation holds only with the cofactor.
#[test]
fn a_commitment_of_small_order_is_taken_by_the_ledger_and_refused_in_logins() {
    let login = key("login", 0);
    for point in EIGHT_TORSION {
        let commitment = point.compress().to_bytes();
        let world = World::new();
        let operation = operation(&world, |key, message| sign_with(key, commitment, message));
        assert!(
            matches!(judge(operation, world), Judged::Included(_)),
            "{commitment:?}"
        );
        let signature = sign_with(&login, commitment, b"login");
        assert!(verify_jws_ed25519(&public(&login), b"login", &signature).is_err());
    }
}

#[test]
fn a_commitment_that_is_not_canonical_is_taken_by_the_ledger_and_refused_in_logins() {
    let world = World::new();
    let operation = operation(&world, |key, message| {
        sign_with(key, NON_CANONICAL.0, message)
    });
    assert!(matches!(judge(operation, world), Judged::Included(_)));
    let login = key("login", 0);
    let signature = sign_with(&login, NON_CANONICAL.0, b"login");
    assert!(verify_jws_ed25519(&public(&login), b"login", &signature).is_err());
}

#[test]
fn a_commitment_off_the_curve_is_refused() {
    let world = World::new();
    let operation = operation(&world, |key, message| sign_with(key, OFF_CURVE.0, message));
    let judged = judge(operation, world);
    assert!(matches!(
        judged,
        Judged::Refused(TransactionError::BadProof)
    ));
}

#[test]
fn an_s_that_is_not_reduced_is_refused() {
    let world = World::new();
    let mut operation = operation(&world, crate::author::sign);
    malleate(&mut operation.signatures.as_mut_slice()[0]);
    let judged = judge(operation, world);
    assert!(matches!(
        judged,
        Judged::Refused(TransactionError::BadProof)
    ));
}

/// Anybody can sign for these by ZIP-215, which is why none of them may be registered.
#[test]
fn keys_of_small_order_sign_anything_and_are_not_registrable() {
    let mut anything = [0; 64];
    anything[0] = 1;
    for (key, error) in [
        (SMALL_ORDER, KeyError::SmallOrder),
        (NON_CANONICAL, KeyError::NotCanonical),
    ] {
        assert_eq!(key.verify(b"anything", &Signature(anything)), Ok(()));
        assert_eq!(key.check_registrable(), Err(error));
    }
    assert!(OFF_CURVE.verify(b"anything", &Signature(anything)).is_err());
    assert_eq!(OFF_CURVE.check_registrable(), Err(KeyError::NotOnCurve));
    for point in EIGHT_TORSION {
        let key = PublicKey(point.compress().to_bytes());
        assert_eq!(key.check_registrable(), Err(KeyError::SmallOrder));
    }
}
