//! What holds of the pallet's state after every block.

use std::collections::BTreeSet;

use allod_primitives::PublicKey;

use super::governance::{open_proposals, schedule};
use super::rules::check_satisfiable;
use super::sets::set_entries;
use super::storage::{PARAMETERS, PROPOSALS, REGISTRARS, TRUSTEES, VALIDATORS, rule};
use super::types::{ActionKind, Trustees};
use crate::frame::StateRead;

/// What does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvariantViolation {
    /// Nobody can decide anything.
    #[error("trustees are missing, unsorted, or cannot reach their threshold")]
    Trustees,
    /// A kind of action that the trustees cannot decide, or that waits too long or too short.
    #[error("a rule asks for votes or a delay out of their bounds")]
    Rules,
    /// Out of their bounds.
    #[error("parameters lie outside their bounds")]
    Parameters,
    /// No set.
    #[error("a validator set is missing")]
    Sets,
    /// Sets of one number that differ, or numbers that jump.
    #[error("numbers of the current and the next set do not follow")]
    SetNumbers,
    /// Somebody in a set without entry, or with an entry and in no set.
    #[error("validators' entries are not the members of both sets")]
    Validators,
    /// A proposal that is not listed as open or waiting, or a listed one that is not there.
    #[error("proposals and their lists differ")]
    Proposals,
    /// A vote or veto by somebody who is no trustee.
    #[error("somebody voted who is no trustee")]
    Votes,
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
    if check_satisfiable(state).is_err()
        || !ActionKind::ALL
            .iter()
            .all(|kind| rule(state, *kind).is_delay_valid(*kind))
    {
        return Err(InvariantViolation::Rules);
    }
    let parameters = PARAMETERS.get(state);
    if !parameters.is_some_and(|parameters| parameters.are_valid_at_genesis()) {
        return Err(InvariantViolation::Parameters);
    }
    check_sets(state)?;
    check_proposals(state, &trustees)?;
    let registrars = REGISTRARS.values(state);
    if registrars
        .iter()
        .any(|registrar| registrar.items_per_day == 0)
    {
        return Err(InvariantViolation::Registrars);
    }
    Ok(())
}

fn check_proposals(
    state: &(impl StateRead + ?Sized),
    trustees: &Trustees,
) -> Result<(), InvariantViolation> {
    let (open, waiting) = (open_proposals(state).open, schedule(state).due);
    let all_open = open.iter().all(|(number, expires)| {
        let proposal = PROPOSALS.get(state, number);
        proposal.is_some_and(|it| it.expires == *expires && it.due.is_none())
    });
    let all_waiting = waiting.iter().all(|(due, number)| {
        let proposal = PROPOSALS.get(state, number);
        proposal.is_some_and(|it| it.due == Some(*due))
    });
    let proposals = PROPOSALS.values(state);
    let count = open.len().saturating_add(waiting.len());
    let sorted = waiting.is_sorted_by(|a, b| a < b);
    if !all_open || !all_waiting || !sorted || proposals.len() != count {
        return Err(InvariantViolation::Proposals);
    }
    // Who approved what waits may have left since.
    let voters = proposals.iter().flat_map(|it| {
        let votes = it.votes.iter().filter(|_| it.due.is_none());
        votes.chain(it.vetoes.iter())
    });
    if voters
        .into_iter()
        .any(|account| !trustees.accounts.contains(account))
    {
        return Err(InvariantViolation::Votes);
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
