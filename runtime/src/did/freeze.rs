//! A freeze of an identity's logins, decided by trustees.
//!
//! It changes one field of the record and adds an entry to the log; control, lanes, quotas and
//! pending changes are not touched, and no check of an operation looks at it.

use allod_primitives::log::{LogKind, Stated};
use allod_primitives::record::Freeze;
use allod_primitives::{DidId, H256};

use super::apply::{Cause, append};
use super::settle::settle;
use super::storage::RECORDS;
use crate::frame::Context;

/// Why a freeze could not be set or taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FreezeRefused {
    /// There is no such identity, or it is deactivated.
    Unknown,
    /// There is no freeze to take away.
    NotFrozen,
}

/// Freezes the logins of `did`, or ends that (`None`), and logs it, after what time has brought
/// about by now.
///
/// `cause`: hash of the proposal that decided it.
///
/// # Errors
/// [`FreezeRefused`]; the caller rolls back then.
///
/// Source: spec/governance.md §7.
pub(crate) fn set_freeze(
    context: &mut Context<'_>,
    did: DidId,
    freeze: Option<Freeze>,
    cause: H256,
) -> Result<(), FreezeRefused> {
    settle(context, &did);
    let record = RECORDS.get(&context.state, &did);
    let mut record = record
        .filter(|record| record.is_active())
        .ok_or(FreezeRefused::Unknown)?;
    if freeze.is_none() && record.frozen.is_none() {
        return Err(FreezeRefused::NotFrozen);
    }
    let stated = freeze.clone().map_or(Stated::Unfrozen, Stated::Frozen);
    record.frozen = freeze;
    record.updated = context.block.time;
    let cause = Cause {
        kind: LogKind::Governance,
        operation_hash: cause,
        signatures_hash: H256::ZERO,
        stated: Some(stated),
    };
    append(context, did, cause, record);
    Ok(())
}
