//! Proposals, cancellations and cool-downs.

use parity_scale_codec::Encode;

use crate::codec::BoundedVec;
use crate::governance::ControlParameters;
use crate::hash::H256;
use crate::limits::{COOL_DOWN_MS_FIRST, COOL_DOWN_MS_MAX, PENDING_BYTES_MAX};
use crate::operation::ProposedChange;
use crate::policy::Capabilities;
use crate::record::{CoolDown, DidRecord, Pending, PendingChange, Proposer};
use crate::types::TimeMs;

use super::policy::{Manner, Touched, drop_orphans, is_within, set};
use super::{Outcome, Party, Refusal};

/// Makes what rank `index` proposes a pending change.
///
/// Source: spec/control.md §2, §3.
pub(super) fn propose(
    record: &mut DidRecord,
    index: u8,
    proposed: &ProposedChange,
    id: H256,
    now: TimeMs,
    parameters: &ControlParameters,
) -> Result<Vec<Outcome>, Refusal> {
    let rank = record.policy.ranks.get(usize::from(index));
    let rank = rank.ok_or(Refusal::Misplaced)?;
    let change = match proposed {
        ProposedChange::Control(change) => {
            if index > 0 && !rank.capabilities.contains(Capabilities::PROPOSE_UP) {
                return Err(Refusal::NoCapability);
            }
            if index > 0 && !is_within(change, 0) {
                return Err(Refusal::NotAbove);
            }
            let mut policy = record.policy.clone();
            let manner = Manner {
                acting: index,
                surely: false,
                ceiling: Capabilities::ALL,
            };
            set(&mut policy, change, manner, &mut Touched::default())?;
            PendingChange::Control(change.clone())
        }
        ProposedChange::Deactivation | ProposedChange::CancelRecovery(_) if index > 0 => {
            return Err(Refusal::NotAbove);
        }
        ProposedChange::Deactivation => PendingChange::Deactivation,
        ProposedChange::CancelRecovery(recovery) => {
            let of_guardians =
                |it: &Pending| it.proposer == Proposer::Guardians && it.id == *recovery;
            if !record.pending.iter().any(of_guardians) {
                return Err(Refusal::NoSuchPending);
            }
            PendingChange::Cancellation(*recovery)
        }
    };
    let delay = parameters.clamp(record.policy.delay_ms);
    let pending = Pending {
        id,
        proposer: Proposer::Rank(index),
        proposed_at: now,
        effective_at: now.plus_ms(delay),
        change,
    };
    add(record, pending, now)
}

/// Puts a pending change in its proposer's slot and displaces those of lower standing.
///
/// Source: spec/control.md §3, rules 1 to 5.
pub(super) fn add(
    record: &mut DidRecord,
    pending: Pending,
    now: TimeMs,
) -> Result<Vec<Outcome>, Refusal> {
    let proposer = pending.proposer;
    if record.pending.iter().any(|it| it.proposer == proposer) {
        return Err(Refusal::SlotTaken);
    }
    let excepted = matches!(pending.change, PendingChange::Cancellation(_));
    if !excepted && record.pending.iter().any(|it| it.proposer < proposer) {
        return Err(Refusal::HigherPending);
    }
    let mut cool_downs = record.cool_downs.iter();
    if cool_downs.any(|it| it.proposer == proposer && now < it.until) {
        return Err(Refusal::CoolingDown);
    }
    if pending.encoded_size() > PENDING_BYTES_MAX {
        return Err(Refusal::TooLarge);
    }
    // Who stayed quiet for as long as the next cool-down would last starts again from the first.
    record
        .cool_downs
        .retain(|it| it.proposer != proposer || now < it.until.plus_ms(it.next_ms));
    let mut outcomes: Vec<Outcome> = record
        .pending
        .iter()
        .filter(|it| it.proposer > proposer)
        .map(|it| Outcome::Displaced { id: it.id })
        .collect();
    outcomes.push(Outcome::Proposed {
        id: pending.id,
        proposer,
        effective_at: pending.effective_at,
    });
    record.pending.retain(|it| it.proposer < proposer);
    record
        .pending
        .push(pending)
        .map_err(|_| Refusal::SlotTaken)?;
    Ok(outcomes)
}

/// Removes the pending change of this id.
///
/// Source: spec/control.md §4.
pub(super) fn cancel(
    record: &mut DidRecord,
    party: Party,
    id: H256,
    now: TimeMs,
) -> Result<Vec<Outcome>, Refusal> {
    let pending = record.pending.iter().find(|it| it.id == id);
    let proposer = pending.ok_or(Refusal::NoSuchPending)?.proposer;
    let is_own = match (party, proposer) {
        (Party::Next(0), _) => false,
        (Party::Guardians, other) => other == Proposer::Guardians,
        (Party::Rank(_) | Party::Next(_), Proposer::Guardians) => return Err(Refusal::NotAbove),
        (Party::Rank(index) | Party::Next(index), Proposer::Rank(other)) => {
            if other < index {
                return Err(Refusal::NotAbove);
            }
            if other > index && !has_cancel(record, index) {
                return Err(Refusal::NoCapability);
            }
            other == index
        }
    };
    record.pending.retain(|it| it.id != id);
    if !is_own {
        cool_down(record, proposer, now);
    }
    let mut outcomes = vec![Outcome::Cancelled { id }];
    drop_orphans(record, &mut outcomes);
    Ok(outcomes)
}

fn has_cancel(record: &DidRecord, index: u8) -> bool {
    let rank = record.policy.ranks.get(usize::from(index));
    rank.is_some_and(|rank| rank.capabilities.contains(Capabilities::CANCEL))
}

/// Makes `proposer` rest, twice as long as the last time.
pub(super) fn cool_down(record: &mut DidRecord, proposer: Proposer, now: TimeMs) {
    let mut list = record.cool_downs.clone().into_vec();
    let last = list.iter().find(|it| it.proposer == proposer);
    let rest = last.map_or(COOL_DOWN_MS_FIRST, |it| it.next_ms);
    list.retain(|it| it.proposer != proposer);
    list.push(CoolDown {
        proposer,
        until: now.plus_ms(rest),
        next_ms: rest.saturating_mul(2).min(COOL_DOWN_MS_MAX),
    });
    list.sort_by_key(|it| it.proposer);
    record.cool_downs =
        BoundedVec::try_from(list).expect("one per proposer, and there are PENDING_MAX of them");
}

/// Forgets the cool-downs of those whose keys a party above them changed.
///
/// `acting`: the rank whose exposed keys changed things at once; its own cool-down stays.
pub(super) fn forget(record: &mut DidRecord, touched: &Touched, acting: Option<u8>) {
    let is_new = |proposer: Proposer| match proposer {
        Proposer::Guardians => touched.guardians,
        Proposer::Rank(index) => touched.rank(index) && acting != Some(index),
    };
    record.cool_downs.retain(|it| !is_new(it.proposer));
}
