//! What it takes to decide: the rule table, and how it is amended.
//!
//! The table says how many votes a kind of action takes and how long it then waits. Amending it
//! is an action like others, but never one without delay, and never one that leaves a number of
//! votes nobody could reach.
//!
//! Source: spec/governance.md §3.

use std::convert::Infallible;

use allod_primitives::governance;

use super::error::Error;
use super::event::Event;
use super::governance::begin_anew;
use super::storage::{RULES, TRUSTEES, rule};
use super::types::{
    ActionKind, Actions, Requirement, Rule, STORED_VERSION, StoredRule, TrusteeAccounts, Trustees,
};
use crate::frame::{Context, StateRead};

/// Returns what a proposal of `actions` takes: the most that any of them does.
pub fn requirement(state: &(impl StateRead + ?Sized), actions: &Actions) -> Requirement {
    let trustees = TRUSTEES.get(state);
    let rule = |kind| Ok(rule(state, kind));
    let required: Result<_, Infallible> = governance::requirement(trustees.as_ref(), actions, rule);
    match required {
        Ok(required) => required,
        Err(never) => match never {},
    }
}

/// Returns how many trustees there are, and their threshold; nothing passes in an empty state.
fn trustee_counts(state: &(impl StateRead + ?Sized)) -> (u32, u32) {
    governance::trustee_counts(TRUSTEES.get(state).as_ref())
}

/// Checks that the trustees can reach the votes of every kind.
///
/// # Errors
/// [`Error::Unsatisfiable`].
pub(crate) fn check_satisfiable(state: &(impl StateRead + ?Sized)) -> Result<(), Error> {
    let (count, threshold) = trustee_counts(state);
    let mut votes = ActionKind::ALL.iter().map(|kind| {
        let votes = rule(state, *kind).votes;
        votes.unwrap_or(threshold)
    });
    let reachable = |votes: u32| votes >= 1 && votes <= count;
    if !reachable(threshold) || !votes.all(reachable) {
        return Err(Error::Unsatisfiable);
    }
    Ok(())
}

pub(super) fn set_trustees(
    context: &mut Context<'_>,
    accounts: &TrusteeAccounts,
    threshold: u32,
) -> Result<(), Error> {
    let ascending = accounts.is_sorted_by(|a, b| a < b);
    if accounts.is_empty() || !ascending {
        return Err(Error::InvalidTrustees);
    }
    for account in accounts {
        account.check_registrable().map_err(|_| Error::InvalidKey)?;
    }
    let trustees = Trustees {
        version: STORED_VERSION,
        accounts: accounts.clone(),
        threshold,
    };
    TRUSTEES.put(&mut context.state, &trustees);
    check_satisfiable(&context.state)?;
    begin_anew(context, accounts);
    context.deposit(Event::TrusteesSet {
        count: u32::try_from(accounts.len()).unwrap_or(u32::MAX),
        threshold,
    });
    Ok(())
}

pub(super) fn set_rule(
    context: &mut Context<'_>,
    kind: ActionKind,
    rule: Rule,
) -> Result<(), Error> {
    if !rule.is_delay_valid(kind) {
        return Err(Error::InvalidDelay);
    }
    let stored = StoredRule {
        version: STORED_VERSION,
        rule,
    };
    RULES.put(&mut context.state, &kind, &stored);
    check_satisfiable(&context.state)?;
    context.deposit(Event::RuleSet { kind, rule });
    Ok(())
}
