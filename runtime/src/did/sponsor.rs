//! The seam to who may pay: registrars, their budgets, and how new identities are let in.

use allod_primitives::PublicKey;
use allod_primitives::keys::Hasher;
use parity_scale_codec::{Decode, Encode};

use crate::frame::{BlockEnv, Map, Overlay, StateRead, TransactionError, Value};

/// Items a registrar may pay for in a day.
pub(crate) const REGISTRARS: Map<PublicKey, u32> =
    Map::new("Authority", "Registrars", Hasher::Identity);
/// Day and items used on it, by registrar.
pub(crate) const BUDGETS: Map<PublicKey, (u32, u32)> =
    Map::new("Authority", "Budgets", Hasher::Identity);
/// How new identities are let in.
pub(crate) const ADMISSION: Value<AdmissionPolicy> = Value::new("Authority", "Admission");

/// How new identities are let in besides batches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct AdmissionPolicy {
    /// By a registrar's voucher.
    pub(crate) vouchers: bool,
    /// By work of so many bits, if set.
    pub(crate) work_bits: Option<u8>,
}

/// Returns how new identities are let in.
pub(crate) fn admission(state: &(impl StateRead + ?Sized)) -> AdmissionPolicy {
    ADMISSION.get(state).unwrap_or_default()
}

/// Returns whether `account` is a registrar.
pub(crate) fn is_registrar(state: &(impl StateRead + ?Sized), account: &PublicKey) -> bool {
    REGISTRARS.contains(state, account)
}

/// Checks that the budget of `account` covers `items` more today.
pub(crate) fn check_budget(
    state: &(impl StateRead + ?Sized),
    block: &BlockEnv,
    account: &PublicKey,
    items: u32,
) -> Result<(), TransactionError> {
    let per_day = REGISTRARS.get(state, account).unwrap_or(0);
    let used = used_today(state, block, account);
    if used.saturating_add(items) > per_day {
        return Err(TransactionError::OverBudget);
    }
    Ok(())
}

/// Takes `items` from today's budget of `account`.
pub(crate) fn charge(state: &mut Overlay<'_>, block: &BlockEnv, account: &PublicKey, items: u32) {
    let used = used_today(state, block, account).saturating_add(items);
    BUDGETS.put(state, account, &(block.time.day(), used));
}

fn used_today(state: &(impl StateRead + ?Sized), block: &BlockEnv, account: &PublicKey) -> u32 {
    match BUDGETS.get(state, account) {
        Some((day, used)) if day == block.time.day() => used,
        _ => 0,
    }
}
