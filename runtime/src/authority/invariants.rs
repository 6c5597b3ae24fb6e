//! What holds of the pallet's state after every block.

use std::collections::BTreeSet;

use allod_primitives::PublicKey;

use super::sets::set_entries;
use super::storage::{OPEN_PROPOSALS, PROPOSALS, REGISTRARS, TRUSTEES, VALIDATORS};
use crate::frame::StateRead;

/// What does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvariantViolation {
    /// Nobody can decide anything.
    #[error("trustees are missing, unsorted, or cannot reach their threshold")]
    Trustees,
    /// No set.
    #[error("a validator set is missing")]
    Sets,
    /// Sets of one number that differ, or numbers that jump.
    #[error("numbers of the current and the next set do not follow")]
    SetNumbers,
    /// Somebody in a set without entry, or with an entry and in no set.
    #[error("validators' entries are not the members of both sets")]
    Validators,
    /// A proposal that is not listed as open, or a listed one that is not there.
    #[error("open proposals and their list differ")]
    Proposals,
    /// A registrar without budget: its role should have ended.
    #[error("a registrar has no budget")]
    Registrars,
}

/// Checks the whole of the pallet's state.
///
/// Cost: reads all of it; for tests.
///
/// # Errors
/// [`InvariantViolation`] names the first that does not hold.
pub fn check(state: &(impl StateRead + ?Sized)) -> Result<(), InvariantViolation> {
    let trustees = TRUSTEES.get(state).ok_or(InvariantViolation::Trustees)?;
    let sorted = trustees.accounts.windows(2).all(|pair| match pair {
        [a, b] => a < b,
        _ => true,
    });
    if !sorted || trustees.threshold == 0 || trustees.threshold as usize > trustees.accounts.len() {
        return Err(InvariantViolation::Trustees);
    }
    check_sets(state)?;
    let open = OPEN_PROPOSALS.get(state).unwrap_or_default();
    let all_there = open.open.iter().all(|(number, expires)| {
        PROPOSALS
            .get(state, number)
            .is_some_and(|p| p.expires == *expires)
    });
    if !all_there || PROPOSALS.values(state).len() != open.open.len() {
        return Err(InvariantViolation::Proposals);
    }
    let registrars = REGISTRARS.values(state);
    if registrars
        .iter()
        .any(|registrar| registrar.items_per_day == 0)
    {
        return Err(InvariantViolation::Registrars);
    }
    Ok(())
}

fn check_sets(state: &(impl StateRead + ?Sized)) -> Result<(), InvariantViolation> {
    let (current, next) = set_entries(state).ok_or(InvariantViolation::Sets)?;
    let same = current == next;
    let follows = next.id == current.id.saturating_add(1)
        && next.since > current.since
        && next.set != current.set;
    if !same && !follows {
        return Err(InvariantViolation::SetNumbers);
    }
    let members: BTreeSet<PublicKey> = current
        .set
        .validators()
        .iter()
        .chain(next.set.validators())
        .map(|validator| validator.public_key)
        .collect();
    let entries: BTreeSet<PublicKey> = VALIDATORS
        .values(state)
        .iter()
        .map(|stored| stored.info.public_key)
        .collect();
    if members != entries {
        return Err(InvariantViolation::Validators);
    }
    Ok(())
}
