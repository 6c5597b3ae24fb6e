//! Why the ledger takes in a new identity that no registrar brought in a batch.

use allod_primitives::DidId;
use allod_primitives::limits::VOUCHER_VALIDITY_MS_MAX;
use allod_primitives::operation::{Admission, Voucher, voucher_preimage, work_bits};

use super::registrar::{OverBudget, charge, check_budget};
use super::storage::admission_policy;
use crate::frame::{
    BlockEnv, Context, SignatureCheck, SignatureOracle, StateRead, TransactionError,
};

/// Checks, for `validate`, that `admission` admits `did` in `block`.
///
/// # Errors
/// [`TransactionError::NotAdmitted`] if the network does not accept this kind or the work is too
/// little; otherwise as [`check_voucher`].
///
/// Source: spec/governance.md §5.
pub fn check_admission(
    state: &(impl StateRead + ?Sized),
    block: &BlockEnv,
    oracle: &dyn SignatureOracle,
    did: &DidId,
    admission: &Admission,
) -> Result<(), TransactionError> {
    match admission {
        Admission::Voucher(voucher) => check_voucher(state, block, oracle, did, voucher),
        Admission::Work { nonce } => match admission_policy(state).work_bits {
            Some(bits) if work_bits(&block.chain, did, *nonce) >= u32::from(bits) => Ok(()),
            _ => Err(TransactionError::NotAdmitted),
        },
    }
}

/// Checks a registrar's voucher: vouchers admit here, the registrar is known and can pay, the
/// voucher has not expired nor lives too long, and its signature verifies.
///
/// # Errors
/// [`TransactionError`] names the first rule broken: `NotAdmitted`, `Expired`, `ValidTooLong`,
/// `OverBudget`, `BadProof`.
///
/// Source: spec/governance.md §5.
pub fn check_voucher(
    state: &(impl StateRead + ?Sized),
    block: &BlockEnv,
    oracle: &dyn SignatureOracle,
    did: &DidId,
    voucher: &Voucher,
) -> Result<(), TransactionError> {
    if !admission_policy(state).vouchers {
        return Err(TransactionError::NotAdmitted);
    }
    if voucher.expires < block.time {
        return Err(TransactionError::Expired);
    }
    if voucher.expires > block.time.plus_ms(VOUCHER_VALIDITY_MS_MAX) {
        return Err(TransactionError::ValidTooLong);
    }
    check_budget(state, block, &voucher.registrar, 1).map_err(|error| match error {
        TransactionError::NoRole => TransactionError::NotAdmitted,
        other => other,
    })?;
    let message = voucher_preimage(&block.chain, did, voucher.expires);
    if !oracle.verify(&voucher.registrar, &message, &voucher.signature) {
        return Err(TransactionError::BadProof);
    }
    Ok(())
}

/// Takes what `admission` costs: one item of the voucher's registrar. For `consume`.
///
/// # Errors
/// [`OverBudget`]; never after [`check_admission`] in the same block state.
pub fn consume_admission(
    context: &mut Context<'_>,
    admission: &Admission,
) -> Result<(), OverBudget> {
    match admission {
        Admission::Voucher(voucher) => charge(context, &voucher.registrar, 1),
        Admission::Work { .. } => Ok(()),
    }
}

/// Returns the signature check [`check_admission`] will ask for, if any.
pub fn admission_signature_check(
    block: &BlockEnv,
    did: &DidId,
    admission: &Admission,
) -> Option<SignatureCheck> {
    match admission {
        Admission::Voucher(voucher) => Some((
            voucher.registrar,
            voucher_preimage(&block.chain, did, voucher.expires),
            voucher.signature,
        )),
        Admission::Work { .. } => None,
    }
}
