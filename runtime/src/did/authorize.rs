//! What every signed message of an identity must pass: binding, payer, signers.
//!
//! Shared by the `Did`, `Revocation` and `Grant` pallets.

use allod_primitives::limits::OPERATION_VALIDITY_MS_MAX;
use allod_primitives::operation::{KeySignature, Payer, SignatureProof};
use allod_primitives::policy::ControlKey;
use allod_primitives::{ChainId, H256, PublicKey, TimeMs};

use crate::frame::{BlockEnv, Origin, SignatureCheck, SignatureOracle, TransactionError};

/// Who pays for an operation that is being checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paid {
    /// The identity, from its quota.
    Own,
    /// This registrar, from its budget.
    Sponsor(PublicKey),
}

impl Paid {
    /// Checks that `payer` allows this.
    pub(crate) fn check(self, payer: &Payer) -> Result<(), TransactionError> {
        match (payer, self) {
            (Payer::Any, _) | (Payer::Own, Self::Own) => Ok(()),
            (Payer::Sponsor(named), Self::Sponsor(account)) if *named == account => Ok(()),
            _ => Err(TransactionError::WrongPayer),
        }
    }
}

/// Checks that a bare call came bare.
pub(crate) fn expect_bare(origin: Origin) -> Result<(), TransactionError> {
    match origin {
        Origin::Bare => Ok(()),
        Origin::Signed(_) => Err(TransactionError::WrongOrigin),
    }
}

/// Checks that a message is bound to this chain and to this time.
///
/// Source: spec/did.md §2, checks 2 and 3.
pub(crate) fn check_binding(
    block: &BlockEnv,
    chain: &ChainId,
    valid_until: TimeMs,
) -> Result<(), TransactionError> {
    if chain.genesis != block.chain.genesis {
        return Err(TransactionError::WrongNetwork);
    }
    if chain.fork_id != block.chain.fork_id {
        return Err(TransactionError::WrongFork);
    }
    if valid_until < block.time {
        return Err(TransactionError::Expired);
    }
    if valid_until > block.time.plus_ms(OPERATION_VALIDITY_MS_MAX) {
        return Err(TransactionError::ValidTooLong);
    }
    Ok(())
}

/// Checks that each signature over the operation of `hash` verifies. Who may sign is
/// `allod_primitives::control`'s to say.
///
/// # Errors
/// [`TransactionError::BadProof`], whatever the reason.
///
/// Source: spec/did.md §2, check 13.
pub(crate) fn check_proofs(
    chain: &ChainId,
    hash: &H256,
    signatures: &[KeySignature],
    oracle: &dyn SignatureOracle,
) -> Result<(), TransactionError> {
    let verifies = |it: &KeySignature| oracle.verify_operation(&it.key, chain, hash, &it.proof);
    if signatures.iter().all(verifies) {
        Ok(())
    } else {
        Err(TransactionError::BadProof)
    }
}

/// Returns the Ed25519 checks that `signatures` over `preimage` ask for.
pub(crate) fn signature_checks(
    preimage: Vec<u8>,
    signatures: &[KeySignature],
) -> impl Iterator<Item = SignatureCheck> {
    let ed25519 = move |it: &KeySignature| match (&it.key, &it.proof) {
        (ControlKey::Ed25519(key), SignatureProof::Ed25519(proof)) => {
            Some((*key, preimage.clone(), *proof))
        }
        _ => None,
    };
    signatures.iter().filter_map(ed25519)
}

/// Returns the units that `signatures` cost.
///
/// Source: spec/signatures.md §6.
pub(crate) fn signature_units(signatures: &[KeySignature]) -> u32 {
    let units = signatures.iter().map(|it| it.key.units());
    units.fold(0, u32::saturating_add)
}
