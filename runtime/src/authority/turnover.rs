//! How much of the validators may change at once.
//!
//! Whoever was in the set at any moment of the period holds more than two thirds of its power at
//! every later moment of it: newcomers alone can neither stop nor steer the chain.
//!
//! Source: spec/governance.md §4.

use allod_primitives::ValidatorSet;
use allod_primitives::certificate::Validator;
use allod_primitives::limits::VALIDATORS_KEPT_MIN;

use super::error::Error;
use super::storage::{RECENT_CHANGES, parameters};
use super::types::{STORED_VERSION, ValidatorChange};
use crate::frame::Context;

/// Counts the change from `before` to `after`, one action's, if the limits allow it.
pub(super) fn count_change(
    context: &mut Context<'_>,
    before: &ValidatorSet,
    after: &[Validator],
) -> Result<(), Error> {
    let members = before.validators().len();
    if after.len() < members && members == VALIDATORS_KEPT_MIN {
        return Err(Error::TooFewValidators);
    }
    let change = ValidatorChange {
        time: context.block.time,
        members: u32::try_from(members).unwrap_or(u32::MAX),
        power: power(before.validators()),
        removed: lost(before.validators(), after),
        added: lost(after, before.validators()),
    };
    let period = parameters(&context.state).validator_change_period_ms;
    let mut recent = RECENT_CHANGES.get(&context.state).unwrap_or_default();
    recent.version = STORED_VERSION;
    recent
        .changes
        .retain(|change| change.time.plus_ms(period) > context.block.time);
    let pushed = recent.changes.push(change);
    pushed.map_err(|_| Error::TooManyChanges)?;
    check(&recent.changes)?;
    RECENT_CHANGES.put(&mut context.state, &recent);
    Ok(())
}

/// Checks the changes of one period, the first of which says what there was before.
fn check(changes: &[ValidatorChange]) -> Result<(), Error> {
    let Some(first) = changes.first() else {
        return Ok(());
    };
    let members_max = first.members.saturating_sub(1) / 3;
    let count = u32::try_from(changes.len()).unwrap_or(u32::MAX);
    if count > members_max.max(1) {
        return Err(Error::TooManyChanges);
    }
    // Fewer members than four tolerate no fault: there is nothing to keep.
    if members_max == 0 {
        return Ok(());
    }
    let power_max = first.power.saturating_sub(1) / 3;
    let sum = |part: fn(&ValidatorChange) -> u64| {
        let parts = changes.iter().map(part);
        parts.fold(0, u64::saturating_add)
    };
    if sum(|change| change.removed) > power_max || sum(|change| change.added) > power_max {
        return Err(Error::TooMuchPower);
    }
    Ok(())
}

fn power(validators: &[Validator]) -> u64 {
    let powers = validators.iter().map(|validator| validator.power);
    powers.fold(0, u64::saturating_add)
}

/// Returns the power that members of `from` do not have in `to`.
fn lost(from: &[Validator], to: &[Validator]) -> u64 {
    let losses = from.iter().map(|old| {
        let kept = to.iter().find(|new| new.public_key == old.public_key);
        old.power.saturating_sub(kept.map_or(0, |new| new.power))
    });
    losses.fold(0, u64::saturating_add)
}
