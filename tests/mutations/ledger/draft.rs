//! An operation in the making: valid until a defect changes it, then signed by the right keys.

use allod_primitives::operation::{KeySignature, Operation, SignatureProof, SignedOperation};
use allod_primitives::policy::ControlKey;
use allod_primitives::{BoundedVec, Signature};
use allod_runtime::frame::TransactionError;
use ed25519_dalek::SigningKey;
use rand_chacha::ChaCha8Rng;

use super::world::World;
use crate::author::{bounded, sign_operation};

/// An operation to sign, and who will.
pub(crate) struct Draft {
    pub(crate) operation: Operation,
    pub(crate) keys: Vec<SigningKey>,
    /// What happens to the list of signatures afterwards.
    pub(crate) after: Option<fn(&mut Vec<KeySignature>)>,
}

/// A name, the rule that must refuse, and the change that breaks it and nothing else.
pub(crate) type Defect = (
    &'static str,
    TransactionError,
    fn(&World, &mut Draft, &mut ChaCha8Rng),
);

impl Draft {
    pub(crate) fn sign(self) -> SignedOperation {
        let keys: Vec<&SigningKey> = self.keys.iter().collect();
        let mut signed = sign_operation(self.operation, &keys);
        if let Some(after) = self.after {
            signed.signatures = tampered(signed.signatures, after);
        }
        signed
    }
}

/// Applies `after` to a list of signatures.
pub(crate) fn tampered<const MAX: u32>(
    list: BoundedVec<KeySignature, MAX>,
    after: fn(&mut Vec<KeySignature>),
) -> BoundedVec<KeySignature, MAX> {
    let mut list = list.into_vec();
    after(&mut list);
    bounded(list)
}

/// A name, the rule that must refuse, and the change to the list of signatures.
pub(crate) type Tamper = (&'static str, TransactionError, fn(&mut Vec<KeySignature>));

/// What can be done to signatures without the keys. Every list has at least two.
pub(crate) const TAMPERINGS: &[Tamper] = &[
    (
        "signers in another order",
        TransactionError::Malformed,
        |list| list.swap(0, 1),
    ),
    ("a signer twice", TransactionError::Malformed, |list| {
        list.push(list[list.len() - 1].clone())
    }),
    (
        "a proof of another type",
        TransactionError::Malformed,
        |list| {
            list[0].proof = SignatureProof::P256([1; 64]);
        },
    ),
    (
        "a stranger's key of another type",
        TransactionError::BadProof,
        |list| {
            list.push(KeySignature {
                key: ControlKey::P256([2; 33]),
                proof: SignatureProof::P256([1; 64]),
                leaf: None,
            });
        },
    ),
    (
        "one signature missing",
        TransactionError::BadProof,
        |list| drop(list.pop()),
    ),
    ("no signature", TransactionError::BadProof, Vec::clear),
    (
        "each other's signatures",
        TransactionError::BadProof,
        |list| {
            let first = list[0].proof.clone();
            list[0].proof = list[1].proof.clone();
            list[1].proof = first;
        },
    ),
    ("s not reduced", TransactionError::BadProof, |list| {
        malleate(&mut list[0])
    }),
    ("R of small order", TransactionError::BadProof, |list| {
        if let SignatureProof::Ed25519(signature) = &mut list[0].proof {
            signature.0[..32].fill(0);
            signature.0[0] = 1;
        }
    }),
];

/// The order of the group, little-endian.
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// Adds the group's order to `s`: the same equation, another encoding.
pub(crate) fn malleate(signature: &mut KeySignature) {
    if let SignatureProof::Ed25519(Signature(bytes)) = &mut signature.proof {
        let mut carry = 0u16;
        for (byte, order) in bytes[32..].iter_mut().zip(ORDER) {
            let sum = u16::from(*byte) + u16::from(order) + carry;
            *byte = sum.to_le_bytes()[0];
            carry = sum >> 8;
        }
    }
}
