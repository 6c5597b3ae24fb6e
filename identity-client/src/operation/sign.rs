//! Signatures under operations.

use allod_primitives::grant::{GrantMessage, SignedGrantMessage};
use allod_primitives::operation::{KeySignature, Operation, SignedOperation, operation_preimage};
use allod_primitives::token::{
    SignedTokenOperation, TOKEN_OPERATION_VERSION, TokenId, TokenOperation,
};
use allod_primitives::{BoundedVec, ChainId, DidId, H256};

use super::{BuildError, Signer, Terms};
use crate::keys::SecretKey;

/// Signs `operation` with every key of `keys`, each once.
///
/// # Errors
/// [`BuildError::NoKey`] without keys, [`BuildError::TooMany`] with more than an operation takes.
pub fn sign_operation<K: Signer>(
    operation: Operation,
    keys: &[&K],
) -> Result<SignedOperation, BuildError> {
    let signatures = signatures(&operation.chain(), &operation.hash(), keys)?;
    Ok(SignedOperation {
        operation,
        signatures,
    })
}

/// Returns the revocation of one token of `issuer`. `exp`: its `exp` claim, seconds.
pub const fn token_operation(
    terms: &Terms,
    issuer: DidId,
    token: TokenId,
    exp: u64,
) -> TokenOperation {
    TokenOperation {
        version: TOKEN_OPERATION_VERSION,
        genesis: terms.chain.genesis,
        fork_id: terms.chain.fork_id,
        did: issuer,
        payer: terms.payer,
        valid_until: terms.valid_until,
        token,
        exp,
    }
}

/// Signs a token's revocation with every key of `keys`, each once.
///
/// # Errors
/// [`BuildError::NoKey`] without keys, [`BuildError::TooMany`] with more than an operation takes.
pub fn sign_token_operation<K: Signer>(
    operation: TokenOperation,
    keys: &[&K],
) -> Result<SignedTokenOperation, BuildError> {
    let signatures = signatures(&operation.chain(), &operation.hash(), keys)?;
    Ok(SignedTokenOperation {
        operation,
        signatures,
    })
}

/// Signs a grant's message with the grant's own key.
pub fn sign_grant_message(message: GrantMessage, key: &SecretKey) -> SignedGrantMessage {
    let preimage = operation_preimage(&message.chain(), &message.hash());
    SignedGrantMessage {
        message,
        signature: key.sign(&preimage),
    }
}

fn signatures<K: Signer, const MAX: u32>(
    chain: &ChainId,
    hash: &H256,
    keys: &[&K],
) -> Result<BoundedVec<KeySignature, MAX>, BuildError> {
    if keys.is_empty() {
        return Err(BuildError::NoKey);
    }
    let preimage = operation_preimage(chain, hash);
    let sign = |key: &&K| KeySignature {
        key: key.control_key(),
        proof: key.prove(&preimage, hash),
        leaf: None,
    };
    let mut signatures: Vec<KeySignature> = keys.iter().map(sign).collect();
    signatures.sort_by(|a, b| a.key.cmp(&b.key));
    signatures.dedup_by(|a, b| a.key == b.key);
    Ok(signatures.try_into()?)
}
