//! What it takes to decide: the rule table, and how it is amended.
//!
//! The table says how many votes a kind of action takes and how long it then waits. Amending it
//! is an action like others, but never one without delay, and never one that leaves a number of
//! votes nobody could reach.
//!
//! Source: spec/governance.md §3.

use super::error::Error;
use super::event::Event;
use super::governance::begin_anew;
use super::storage::{RULES, TRUSTEES, rule};
use super::types::{
    Action, ActionKind, Actions, Rule, STORED_VERSION, StoredRule, TrusteeAccounts, Trustees,
};
use crate::frame::{Context, StateRead};

/// What a proposal takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// Votes that approve it.
    pub votes: u32,
    /// Vetoes that cancel it once it is approved: as many as could have kept it from that.
    pub vetoes: u32,
    /// Milliseconds it waits once it is approved; zero: none.
    pub delay_ms: u64,
}

/// Returns what a proposal of `actions` takes: the most that any of them does.
pub fn requirement(state: &(impl StateRead + ?Sized), actions: &Actions) -> Requirement {
    let (count, threshold) = trustee_counts(state);
    let mut votes = 1;
    let mut delay_ms = 0;
    for action in actions {
        let mut take = |kind| {
            let rule = rule(state, kind);
            votes = votes.max(rule.votes.unwrap_or(threshold));
            delay_ms = delay_ms.max(rule.delay_ms);
        };
        take(action.kind());
        // Else a protection could be taken away by fewer, or sooner, than it holds.
        if let Action::SetRule { kind, .. } = action {
            take(*kind);
        }
    }
    let against = count.saturating_sub(votes).saturating_add(1);
    Requirement {
        votes,
        vetoes: against,
        delay_ms,
    }
}

/// Returns how many trustees there are, and their threshold; nothing passes in an empty state.
fn trustee_counts(state: &(impl StateRead + ?Sized)) -> (u32, u32) {
    let trustees = TRUSTEES.get(state);
    trustees.map_or((0, u32::MAX), |trustees| {
        let count = u32::try_from(trustees.accounts.len()).unwrap_or(u32::MAX);
        (count, trustees.threshold)
    })
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
