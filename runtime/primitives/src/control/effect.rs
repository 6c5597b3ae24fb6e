//! What the passing of time brings about.

use crate::codec::BoundedVec;
use crate::document::{RetireReason, RetiredMethod};
use crate::policy::{Capabilities, Rank};
use crate::record::{DidRecord, Pending, PendingChange, Proposer, Status};
use crate::types::TimeMs;

use super::Outcome;
use super::document::{renew_allowance, retire_all};
use super::pending::{cool_down, forget};
use super::policy::{Manner, Touched, clear, set};

/// One pending change that took effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// The record after it; `updated` is the time of the effect.
    pub record: DidRecord,
    /// Methods it retired.
    pub retired: Vec<RetiredMethod>,
    /// The change.
    pub pending: Pending,
    /// What else happened.
    pub outcomes: Vec<Outcome>,
}

/// A record as it is at some time, whether or not the ledger has written that down yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// The record; its log head is the one written down.
    pub record: DidRecord,
    /// Methods retired by effects that are not written down yet, earliest first.
    pub retired: Vec<RetiredMethod>,
}

/// Returns `record` as it is at `now`: after every pending change whose time has come.
///
/// Cost: a copy of the record, and one more for each effect.
///
/// Source: spec/control.md §3.
pub fn effective(record: &DidRecord, now: TimeMs) -> Effective {
    let mut out = Effective {
        record: record.clone(),
        retired: Vec::new(),
    };
    while let Some(effect) = next_effect(&out.record, now) {
        out.record = effect.record;
        out.retired.extend(effect.retired);
    }
    out
}

/// Returns the first pending change whose time has come at `now`, and what it does.
///
/// Source: spec/control.md §3.
pub fn next_effect(record: &DidRecord, now: TimeMs) -> Option<Effect> {
    let due = record.pending.iter().filter(|it| it.effective_at <= now);
    let pending = due.min_by_key(|it| (it.effective_at, it.proposer))?.clone();
    let at = pending.effective_at;
    let mut record = record.clone();
    record.pending.retain(|it| it.id != pending.id);
    record.updated = at;
    let mut outcomes = Vec::new();
    let mut retired = Vec::new();
    match &pending.change {
        PendingChange::Control(change) => {
            forget_proposer(&mut record, pending.proposer);
            let acting = match pending.proposer {
                Proposer::Rank(index) => index,
                Proposer::Guardians => 0,
            };
            let manner = Manner {
                acting,
                surely: true,
                ceiling: Capabilities::ALL,
            };
            let mut touched = Touched::default();
            set(&mut record.policy, change, manner, &mut touched)
                .expect("done surely, with ranks that the proposal set on trial");
            forget(&mut record, &touched, None);
            clear(&mut record, &touched, &mut outcomes);
        }
        PendingChange::Recovery(rank) => {
            retired = recover(&mut record, rank, &pending, &mut outcomes);
        }
        PendingChange::Deactivation => {
            retired = deactivate(&mut record, at, &mut outcomes);
        }
        PendingChange::Cancellation(recovery) => {
            forget_proposer(&mut record, pending.proposer);
            if record.pending.iter().any(|it| it.id == *recovery) {
                record.pending.retain(|it| it.id != *recovery);
                cool_down(&mut record, Proposer::Guardians, at);
                outcomes.push(Outcome::Cancelled { id: *recovery });
            }
        }
    }
    Some(Effect {
        record,
        retired,
        pending,
        outcomes,
    })
}

fn forget_proposer(record: &mut DidRecord, proposer: Proposer) {
    record.cool_downs.retain(|it| it.proposer != proposer);
}

/// A clean slate under the new rank 0.
fn recover(
    record: &mut DidRecord,
    rank: &Rank,
    pending: &Pending,
    outcomes: &mut Vec<Outcome>,
) -> Vec<RetiredMethod> {
    let at = pending.effective_at;
    drop_pending(record, outcomes);
    record.cool_downs = BoundedVec::new();
    let mut ranks = BoundedVec::new();
    ranks
        .push(rank.clone())
        .expect("one rank is below RANKS_MAX");
    record.policy.ranks = ranks;
    let reason = RetireReason::CompromisedSince(pending.proposed_at);
    let retired = retire_all(record, at, reason);
    record.document.controllers = BoundedVec::new();
    record.not_before = record.not_before.max(at);
    record.grant_epoch = record.grant_epoch.saturating_add(1);
    renew_allowance(record);
    retired
}

/// Ends the identity at `at`.
pub(super) fn deactivate(
    record: &mut DidRecord,
    at: TimeMs,
    outcomes: &mut Vec<Outcome>,
) -> Vec<RetiredMethod> {
    drop_pending(record, outcomes);
    record.cool_downs = BoundedVec::new();
    record.status = Status::Deactivated { at };
    let retired = retire_all(record, at, RetireReason::Routine);
    record.document = crate::document::Document::default();
    retired
}

fn drop_pending(record: &mut DidRecord, outcomes: &mut Vec<Outcome>) {
    let cleared = record.pending.iter();
    outcomes.extend(cleared.map(|it| Outcome::Cleared { id: it.id }));
    record.pending = BoundedVec::new();
}
