//! Daily quotas of an identity, by block time in UTC.
//!
//! What a thief has used up must not count against those who come after him: a rank's lane is given
//! back its day when another party replaces the rank's keys. That happens once a day for each lane:
//! else one operation of rank 0 would be worth ten of rank 1, and each of these ten of rank 2. A
//! recovery, which waits for an hour at least, always gives it back.
//!
//! Source: spec/did.md §2.

use allod_primitives::control::next_effect;
use allod_primitives::limits::{
    PRUNED_PER_BLOCK_MAX, QUOTA_DOCUMENTS_PER_DAY, QUOTA_GUARDIANS_PER_DAY, QUOTA_NEXT_PER_DAY,
    QUOTA_RANK_PER_DAY, QUOTA_TOKENS_PER_DAY,
};
use allod_primitives::operation::Lane;
use allod_primitives::policy::{ControlPolicy, Rank};
use allod_primitives::record::{Pending, PendingChange, Proposer, QUOTA_USE_VERSION, QuotaUse};
use allod_primitives::{DidId, TimeMs};

use super::storage::{QUOTA_DAYS, QUOTAS, RECORDS};
use crate::frame::{BlockEnv, Context, Overlay, StateRead, TransactionError};

/// What a quota is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Operations of a lane.
    Lane(Lane),
    /// Token revocations.
    Tokens,
}

impl Purpose {
    /// Returns how many operations of one day it covers.
    pub(crate) const fn per_day(self) -> u16 {
        match self {
            Self::Lane(Lane::Rank(_)) => QUOTA_RANK_PER_DAY,
            Self::Lane(Lane::Next(_)) => QUOTA_NEXT_PER_DAY,
            Self::Lane(Lane::Guardians) => QUOTA_GUARDIANS_PER_DAY,
            Self::Lane(Lane::Documents) => QUOTA_DOCUMENTS_PER_DAY,
            Self::Tokens => QUOTA_TOKENS_PER_DAY,
        }
    }

    fn counter(self, used: &mut QuotaUse) -> Option<&mut u16> {
        match self {
            Self::Lane(Lane::Rank(index)) => used.ranks.get_mut(usize::from(index)),
            Self::Lane(Lane::Next(index)) => used.next.get_mut(usize::from(index)),
            Self::Lane(Lane::Guardians) => Some(&mut used.guardians),
            Self::Lane(Lane::Documents) => Some(&mut used.documents),
            Self::Tokens => Some(&mut used.tokens),
        }
    }
}

/// Who replaces keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// A rank, which gives nothing back to itself.
    Rank(u8),
    /// The guardians, by a recovery that took effect.
    Recovery,
    /// Next keys.
    Next,
}

impl By {
    /// Returns who acts in `lane`; guardians and documents replace no key at once.
    pub(super) const fn lane(lane: Lane) -> Self {
        match lane {
            Lane::Rank(index) => Self::Rank(index),
            _ => Self::Next,
        }
    }

    /// Returns whose change took effect.
    pub(super) const fn effect(pending: &Pending) -> Self {
        match (&pending.change, pending.proposer) {
            (PendingChange::Recovery(_), _) | (_, Proposer::Guardians) => Self::Recovery,
            (_, Proposer::Rank(index)) => Self::Rank(index),
        }
    }
}

/// Gives back what lanes of ranks have used today whose keys `by` replaced.
pub(super) fn renew(
    state: &mut Overlay<'_>,
    block: &BlockEnv,
    did: &DidId,
    (before, after): (&ControlPolicy, &ControlPolicy),
    by: By,
) {
    let mut used = today(state, block, did);
    if give_back(&mut used, before, after, by) {
        QUOTAS.put(state, did, &used);
    }
}

/// Returns whether anything was given back.
fn give_back(used: &mut QuotaUse, before: &ControlPolicy, after: &ControlPolicy, by: By) -> bool {
    let mut given = false;
    for (index, rank) in (0u8..).zip(&after.ranks) {
        let place = usize::from(index);
        let keys = |rank: &Rank| {
            rank.keys
                .iter()
                .map(|it| it.key.clone())
                .collect::<Vec<_>>()
        };
        let old = before.ranks.get(place).map(keys).unwrap_or_default();
        let replaced = !rank.is_vacant() && keys(rank) != old;
        let bit = 1u8.checked_shl(index.into()).unwrap_or(0);
        let again = used.renewed & bit != 0 && by != By::Recovery;
        let count = used.ranks.get_mut(place).filter(|count| **count > 0);
        if let Some(count) = count.filter(|_| replaced && !again && by != By::Rank(index)) {
            *count = 0;
            used.renewed |= bit;
            given = true;
        }
    }
    given
}

/// Returns what `did` has used of its quotas on the day of `now`, with what effects give back whose
/// time has come, whether or not a block has written them down.
pub fn quota_at(state: &(impl StateRead + ?Sized), did: &DidId, now: TimeMs) -> QuotaUse {
    let mut used = of_day(state, did, now);
    let mut record = RECORDS.get(state, did);
    while let Some(present) = &record {
        let Some(effect) = next_effect(present, now) else {
            break;
        };
        let by = By::effect(&effect.pending);
        give_back(&mut used, &present.policy, &effect.record.policy, by);
        record = Some(effect.record);
    }
    used
}

/// Checks that `did` has something left today.
pub(crate) fn check(
    state: &(impl StateRead + ?Sized),
    block: &BlockEnv,
    did: &DidId,
    purpose: Purpose,
) -> Result<(), TransactionError> {
    let is_left = |mut used: QuotaUse| {
        let count = purpose.counter(&mut used);
        count.is_some_and(|count| *count < purpose.per_day())
    };
    if is_left(today(state, block, did)) || is_left(quota_at(state, did, block.time)) {
        return Ok(());
    }
    Err(TransactionError::OverQuota)
}

/// Counts one operation.
pub(crate) fn charge(state: &mut Overlay<'_>, block: &BlockEnv, did: &DidId, purpose: Purpose) {
    let mut used = today(state, block, did);
    if let Some(count) = purpose.counter(&mut used) {
        *count = count.saturating_add(1);
    }
    let before = QUOTAS.get(state, did).map(|before| before.day);
    if before != Some(used.day) {
        if let Some(day) = before {
            QUOTA_DAYS.remove(state, &(day.to_be_bytes(), *did));
        }
        QUOTA_DAYS.put(state, &(used.day.to_be_bytes(), *did), &());
    }
    QUOTAS.put(state, did, &used);
}

/// Forgets what was used on days gone by, at most [`PRUNED_PER_BLOCK_MAX`] identities a block.
pub(super) fn prune(context: &mut Context<'_>) {
    let today = context.block.time.day();
    let mut suffix = Vec::new();
    for _ in 0..PRUNED_PER_BLOCK_MAX {
        let Some(next) = QUOTA_DAYS.next_suffix(&context.state, &suffix) else {
            return;
        };
        suffix = next;
        let Some((day, did)) = split_day(&suffix) else {
            return;
        };
        if u32::from_be_bytes(day) >= today {
            return;
        }
        QUOTA_DAYS.remove(&mut context.state, &(day, did));
        QUOTAS.remove(&mut context.state, &did);
    }
}

/// Reads a key of [`QUOTA_DAYS`] after its prefix.
pub(super) fn split_day(suffix: &[u8]) -> Option<([u8; 4], DidId)> {
    let (day, did) = suffix.split_first_chunk::<4>()?;
    Some((*day, DidId(did.try_into().ok()?)))
}

fn today(state: &(impl StateRead + ?Sized), block: &BlockEnv, did: &DidId) -> QuotaUse {
    of_day(state, did, block.time)
}

fn of_day(state: &(impl StateRead + ?Sized), did: &DidId, now: TimeMs) -> QuotaUse {
    let day = now.day();
    let fresh = QuotaUse {
        version: QUOTA_USE_VERSION,
        day,
        ..QuotaUse::default()
    };
    QUOTAS
        .get(state, did)
        .filter(|used| used.day == day)
        .unwrap_or(fresh)
}
