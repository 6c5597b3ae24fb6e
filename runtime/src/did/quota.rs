//! Daily quotas of an identity, by block time in UTC.

use allod_primitives::DidId;
use allod_primitives::limits::{
    QUOTA_DOCUMENTS_PER_DAY, QUOTA_GUARDIANS_PER_DAY, QUOTA_RANK_PER_DAY, QUOTA_TOKENS_PER_DAY,
};
use allod_primitives::operation::Lane;
use allod_primitives::record::{QUOTA_USE_VERSION, QuotaUse};

use super::storage::QUOTAS;
use crate::frame::{BlockEnv, Overlay, StateRead, TransactionError};

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
            Self::Lane(Lane::Guardians) => QUOTA_GUARDIANS_PER_DAY,
            Self::Lane(Lane::Documents) => QUOTA_DOCUMENTS_PER_DAY,
            Self::Tokens => QUOTA_TOKENS_PER_DAY,
        }
    }

    fn counter(self, used: &mut QuotaUse) -> Option<&mut u16> {
        match self {
            Self::Lane(Lane::Rank(index)) => used.ranks.get_mut(usize::from(index)),
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
    QUOTAS.put(state, did, &used);
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
