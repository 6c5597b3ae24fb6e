//! Daily quotas of an identity, by block time in UTC.

use allod_primitives::DidId;
use allod_primitives::limits::{
    PRUNED_PER_BLOCK_MAX, QUOTA_DOCUMENTS_PER_DAY, QUOTA_GUARDIANS_PER_DAY, QUOTA_NEXT_PER_DAY,
    QUOTA_RANK_PER_DAY, QUOTA_TOKENS_PER_DAY,
};
use allod_primitives::operation::Lane;
use allod_primitives::record::{QUOTA_USE_VERSION, QuotaUse};

use super::storage::{QUOTA_DAYS, QUOTAS};
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

/// Checks that `did` has something left today.
pub(crate) fn check(
    state: &(impl StateRead + ?Sized),
    block: &BlockEnv,
    did: &DidId,
    purpose: Purpose,
) -> Result<(), TransactionError> {
    let mut used = today(state, block, did);
    match purpose.counter(&mut used) {
        Some(count) if *count < purpose.per_day() => Ok(()),
        _ => Err(TransactionError::OverQuota),
    }
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
    let day = block.time.day();
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
