//! Keys, and whatever they sign: the smallest author of valid messages.
//!
//! Independent of the SDK on purpose: a mistake there cannot hide one in the ledger.

use allod_primitives::document::{InitialDocument, Method, MethodKey, Relationships};
use allod_primitives::extrinsic::{Era, RawExtrinsic, SignedPart, SigningContext};
use allod_primitives::grant::{GrantMessage, SignedGrantMessage};
use allod_primitives::hash::domain_hash;
use allod_primitives::operation::{
    INCEPTION_VERSION, Inception, KeySignature, Operation, SignatureProof, SignedOperation,
    Voucher, operation_preimage, voucher_preimage,
};
use allod_primitives::policy::{Capabilities, ControlKey, ControlPolicy, Rank, WeightedKey};
use allod_primitives::token::{SignedTokenOperation, TokenOperation};
use allod_primitives::{BoundedVec, ChainId, DidId, H256, PublicKey, Signature, Text, TimeMs};
use ed25519_dalek::{Signer, SigningKey};
use parity_scale_codec::Encode;

/// Returns the key number `n` of those labelled `label`.
pub(crate) fn key(label: &str, n: u64) -> SigningKey {
    let seed = domain_hash("allod/test-key", &[&n.to_le_bytes(), label.as_bytes()]);
    SigningKey::from_bytes(&seed.0)
}

pub(crate) fn public(key: &SigningKey) -> PublicKey {
    PublicKey(key.verifying_key().to_bytes())
}

pub(crate) fn sign(key: &SigningKey, message: &[u8]) -> Signature {
    Signature(key.sign(message).to_bytes())
}

/// Returns `list` as the bounded list it must fit into.
pub(crate) fn bounded<T, const MAX: u32>(list: impl Into<Vec<T>>) -> BoundedVec<T, MAX> {
    BoundedVec::try_from(list.into()).expect("test lists fit")
}

pub(crate) fn text<const MAX: u32>(text: &str) -> Text<MAX> {
    Text::new(text).expect("test texts fit")
}

/// Returns a rank of these keys, each of weight 1, with all capabilities.
pub(crate) fn rank(keys: &[&SigningKey], threshold: u32) -> Rank {
    let mut keys: Vec<WeightedKey> = keys
        .iter()
        .map(|key| WeightedKey {
            key: ControlKey::Ed25519(public(key)),
            weight: 1,
        })
        .collect();
    keys.sort_by(|a, b| a.key.cmp(&b.key));
    Rank {
        keys: bounded(keys),
        threshold,
        capabilities: Capabilities::ALL,
        next: None,
    }
}

/// Returns a login method.
pub(crate) fn method(fragment: &str, key: &SigningKey) -> Method {
    let login = Relationships::AUTHENTICATION
        .union(Relationships::ASSERTION_METHOD)
        .union(Relationships::CAPABILITY_DELEGATION);
    Method {
        fragment: text(fragment),
        key: MethodKey::Ed25519(public(key)),
        relationships: login,
        expires: None,
    }
}

/// Returns an inception of one control key with one login method `login`.
pub(crate) fn inception(control: &SigningKey, login: &SigningKey, salt: [u8; 16]) -> Inception {
    Inception {
        version: INCEPTION_VERSION,
        policy: ControlPolicy {
            ranks: bounded([rank(&[control], 1)]),
            guardians: None,
            delay_ms: allod_primitives::limits::CONTROL_DELAY_MS_DEFAULT,
        },
        document: InitialDocument {
            methods: bounded([method("login", login)]),
            ..InitialDocument::default()
        },
        salt,
    }
}

/// Returns signatures of `keys` over the preimage of `hash`, in the order of the keys.
pub(crate) fn signatures<const MAX: u32>(
    chain: &ChainId,
    hash: &H256,
    keys: &[&SigningKey],
) -> BoundedVec<KeySignature, MAX> {
    let preimage = operation_preimage(chain, hash);
    let mut list: Vec<KeySignature> = keys
        .iter()
        .map(|key| KeySignature {
            key: ControlKey::Ed25519(public(key)),
            proof: SignatureProof::Ed25519(sign(key, &preimage)),
            leaf: None,
        })
        .collect();
    list.sort_by(|a, b| a.key.cmp(&b.key));
    bounded(list)
}

pub(crate) fn sign_operation(operation: Operation, keys: &[&SigningKey]) -> SignedOperation {
    let signatures = signatures(&operation.chain(), &operation.hash(), keys);
    SignedOperation {
        operation,
        signatures,
    }
}

pub(crate) fn sign_token(operation: TokenOperation, keys: &[&SigningKey]) -> SignedTokenOperation {
    let signatures = signatures(&operation.chain(), &operation.hash(), keys);
    SignedTokenOperation {
        operation,
        signatures,
    }
}

pub(crate) fn sign_message(message: GrantMessage, key: &SigningKey) -> SignedGrantMessage {
    let preimage = operation_preimage(&message.chain(), &message.hash());
    SignedGrantMessage {
        message,
        signature: sign(key, &preimage),
    }
}

pub(crate) fn voucher(
    chain: &ChainId,
    registrar: &SigningKey,
    did: &DidId,
    expires: TimeMs,
) -> Voucher {
    Voucher {
        registrar: public(registrar),
        expires,
        signature: sign(registrar, &voucher_preimage(chain, did, expires)),
    }
}

/// Returns a bare extrinsic, without length prefix.
pub(crate) fn bare(call: &impl Encode) -> Vec<u8> {
    let call = call.encode();
    RawExtrinsic { signed: None, call }.encode_body()
}

/// Returns a signed extrinsic, without length prefix.
pub(crate) fn signed(
    context: &SigningContext,
    key: &SigningKey,
    era: Era,
    birth_hash: &H256,
    nonce: u32,
    call: &impl Encode,
) -> Vec<u8> {
    let call = call.encode();
    let payload = context.payload(&call, &era, nonce, birth_hash);
    let part = SignedPart {
        account: public(key),
        signature: sign(key, &payload),
        era,
        nonce,
    };
    RawExtrinsic {
        signed: Some(part),
        call,
    }
    .encode_body()
}
