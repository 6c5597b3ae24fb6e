//! Registrars' daily budgets.
//!
//! A budget counts attempted items: an item that fails costs as much as one that succeeds, for
//! the ledger checked its signature all the same. Days are UTC by block time; what is left of
//! one does not carry over.

use allod_primitives::PublicKey;

use super::storage::REGISTRARS;
use super::types::Registrar;
use crate::frame::{BlockEnv, Context, StateRead, TransactionError};

/// The registrar's budget does not reach that far, or there is no such registrar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("registrar's budget is used up")]
pub struct OverBudget;

impl Registrar {
    /// Returns how many items are left on `day`.
    pub const fn remaining(&self, day: u32) -> u32 {
        if self.day == day {
            self.items_per_day.saturating_sub(self.used)
        } else {
            self.items_per_day
        }
    }
}

/// Returns the registrar's budget and its use, if `account` is one.
pub fn registrar(state: &(impl StateRead + ?Sized), account: &PublicKey) -> Option<Registrar> {
    REGISTRARS.get(state, account)
}

/// Returns whether `account` is a registrar.
pub fn is_registrar(state: &(impl StateRead + ?Sized), account: &PublicKey) -> bool {
    REGISTRARS.contains(state, account)
}

/// Returns how many items `account` may still pay for on `day`; 0 if it is no registrar.
pub fn remaining_budget(state: &(impl StateRead + ?Sized), account: &PublicKey, day: u32) -> u32 {
    registrar(state, account).map_or(0, |registrar| registrar.remaining(day))
}

/// Checks, for `validate`, that `account` is a registrar that can pay for `items` in `block`.
///
/// # Errors
/// [`TransactionError::NoRole`] or [`TransactionError::OverBudget`].
pub fn check_budget(
    state: &(impl StateRead + ?Sized),
    block: &BlockEnv,
    account: &PublicKey,
    items: u32,
) -> Result<(), TransactionError> {
    let registrar = registrar(state, account).ok_or(TransactionError::NoRole)?;
    if registrar.remaining(block.time.day()) < items {
        return Err(TransactionError::OverBudget);
    }
    Ok(())
}

/// Takes `items` from the budget of `account`, for `consume`.
///
/// # Errors
/// [`OverBudget`], and nothing is taken; never after [`check_budget`] in the same block state.
pub fn charge(
    context: &mut Context<'_>,
    account: &PublicKey,
    items: u32,
) -> Result<(), OverBudget> {
    let day = context.block.time.day();
    let mut registrar = registrar(&context.state, account).ok_or(OverBudget)?;
    if registrar.remaining(day) < items {
        return Err(OverBudget);
    }
    if registrar.day != day {
        registrar.day = day;
        registrar.used = 0;
    }
    registrar.used = registrar.used.saturating_add(items);
    REGISTRARS.put(&mut context.state, account, &registrar);
    Ok(())
}
