//! What holds of the pallet's state after every block.

use std::collections::BTreeSet;

use allod_primitives::DidId;
use allod_primitives::codec::is_strictly_ascending;
use allod_primitives::document::{Document, MethodKey};
use allod_primitives::keys;
use allod_primitives::limits::RETIRED_METHODS_MAX;
use allod_primitives::record::{DID_RECORD_VERSION, DidRecord, LaneHead};
use allod_primitives::{H256, decode_strict};

use super::quota::Purpose;
use super::storage::{QUOTAS, RECORDS, RETIRED_KEYS, key_hash, retired_methods};
use crate::frame::StateRead;

/// What does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvariantViolation {
    /// A key of the pallet that its maps do not explain.
    #[error("a map of the pallet has an entry that belongs to no record")]
    Orphan,
    /// Version, times or reserved fields of a record.
    #[error("record of {did} has an unknown version, times out of order or a reserved field set")]
    Record {
        /// Whose.
        did: DidId,
    },
    /// A policy that this version does not accept.
    #[error("policy of {did} is not one rank in order")]
    Policy {
        /// Whose.
        did: DidId,
    },
    /// A lane has a sequence without an operation or the reverse.
    #[error("a lane of {did} contradicts itself")]
    Lane {
        /// Whose.
        did: DidId,
    },
    /// The log does not have one entry for each operation taken.
    #[error("log of {did} has {entries} entries for {operations} operations")]
    Log {
        /// Whose.
        did: DidId,
        /// Entries.
        entries: u64,
        /// Operations taken in all lanes.
        operations: u64,
    },
    /// A document's lists are unsorted, or a deactivated identity has one.
    #[error("document of {did} is not in order")]
    Document {
        /// Whose.
        did: DidId,
    },
    /// Retired methods, their index and their count disagree, or one is in force again.
    #[error("retired methods of {did} are not in order")]
    Retired {
        /// Whose.
        did: DidId,
    },
    /// More used than there is in a day.
    #[error("quota of {did} is overdrawn")]
    Quota {
        /// Whose.
        did: DidId,
    },
}

/// Checks the whole of the pallet's state.
///
/// Cost: reads all of it; for tests.
///
/// # Errors
/// [`InvariantViolation`] names the first that does not hold.
pub fn check(state: &(impl StateRead + ?Sized)) -> Result<(), InvariantViolation> {
    let mut retired = 0usize;
    let dids = suffixes(state, &RECORDS.prefix());
    for did in &dids {
        let did: DidId = decode_strict(did).map_err(|_| InvariantViolation::Orphan)?;
        let record = RECORDS.get(state, &did).ok_or(InvariantViolation::Orphan)?;
        check_record(did, &record)?;
        check_log(did, &record)?;
        retired = retired.saturating_add(check_retired(state, did, &record)?);
    }
    let listed = suffixes(state, &keys::item("Did", "Retired")).len();
    let indexed = suffixes(state, &RETIRED_KEYS.prefix()).len();
    if listed != retired || indexed != retired {
        return Err(InvariantViolation::Orphan);
    }
    for did in suffixes(state, &QUOTAS.prefix()) {
        let did: DidId = decode_strict(&did).map_err(|_| InvariantViolation::Orphan)?;
        check_quota(state, did)?;
    }
    Ok(())
}

/// Returns what follows `prefix` in all keys that begin with it.
pub(crate) fn suffixes(state: &(impl StateRead + ?Sized), prefix: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut at = prefix.to_vec();
    while let Some(next) = state.next_key(&at) {
        let Some(suffix) = next.strip_prefix(prefix) else {
            break;
        };
        found.push(suffix.to_vec());
        at = next;
    }
    found
}

fn check_record(did: DidId, record: &DidRecord) -> Result<(), InvariantViolation> {
    let reserved =
        record.pending.is_empty() && record.cool_downs.is_empty() && record.frozen.is_none();
    if record.version != DID_RECORD_VERSION
        || record.updated < record.created
        || record.not_before > record.updated
        || !reserved
    {
        return Err(InvariantViolation::Record { did });
    }
    let single = record.policy.ranks.len() == 1 && record.policy.guardians.is_none();
    if !single || record.policy.check().is_err() {
        return Err(InvariantViolation::Policy { did });
    }
    let document = &record.document;
    let fragments = is_strictly_ascending(&document.methods, |it| it.method.fragment.clone());
    let services = is_strictly_ascending(&document.services, |it| it.fragment.clone());
    let ended = record.is_active() || *document == Document::default();
    if !fragments || !services || !ended {
        return Err(InvariantViolation::Document { did });
    }
    Ok(())
}

fn check_log(did: DidId, record: &DidRecord) -> Result<(), InvariantViolation> {
    let lanes = &record.lanes;
    let others = [&lanes.guardians, &lanes.documents];
    let heads = || lanes.ranks.iter().chain(others);
    let agrees = |head: &LaneHead| (head.next_seq == 0) == (head.last == H256::ZERO);
    let [first, unused @ ..] = &lanes.ranks;
    let idle = unused.iter().chain([&lanes.guardians]);
    if first.next_seq == 0
        || !heads().all(agrees)
        || idle.clone().any(|head| *head != LaneHead::default())
    {
        return Err(InvariantViolation::Lane { did });
    }
    let operations = heads().fold(0u64, |sum, head| sum.saturating_add(head.next_seq));
    if record.log.count != operations || record.log.head == H256::ZERO {
        return Err(InvariantViolation::Log {
            did,
            entries: record.log.count,
            operations,
        });
    }
    Ok(())
}

/// Returns how many methods `did` has retired.
fn check_retired(
    state: &(impl StateRead + ?Sized),
    did: DidId,
    record: &DidRecord,
) -> Result<usize, InvariantViolation> {
    let violation = InvariantViolation::Retired { did };
    let retired = retired_methods(state, &did);
    let methods = &record.document.methods;
    let all = || {
        let active = methods.iter().map(|it| &it.method);
        active.chain(retired.iter().map(|it| &it.method))
    };
    let used: BTreeSet<MethodKey> = all().map(|it| it.key).collect();
    let mut fragments: BTreeSet<_> = all().map(|it| it.fragment.clone()).collect();
    let services = record.document.services.iter();
    fragments.extend(services.clone().map(|it| it.fragment.clone()));
    let count = all().count();
    let indexed = retired.iter().all(|it| {
        let entry = RETIRED_KEYS.get(state, &(did, key_hash(&it.method.key)));
        entry.is_some_and(|entry| entry.fragment == it.method.fragment)
    });
    if used.len() != count
        || fragments.len() != count.saturating_add(services.count())
        || record.retired_count as usize != retired.len()
        || count > RETIRED_METHODS_MAX as usize
        || retired.iter().any(|it| it.since > it.until)
        || !indexed
    {
        return Err(violation);
    }
    Ok(retired.len())
}

fn check_quota(state: &(impl StateRead + ?Sized), did: DidId) -> Result<(), InvariantViolation> {
    use allod_primitives::operation::Lane;
    let used = QUOTAS.get(state, &did).ok_or(InvariantViolation::Orphan)?;
    if !RECORDS.contains(state, &did) {
        return Err(InvariantViolation::Orphan);
    }
    let rank = Purpose::Lane(Lane::Rank(0)).per_day();
    if used.ranks.iter().any(|count| *count > rank)
        || used.guardians > Purpose::Lane(Lane::Guardians).per_day()
        || used.documents > Purpose::Lane(Lane::Documents).per_day()
        || used.tokens > Purpose::Tokens.per_day()
    {
        return Err(InvariantViolation::Quota { did });
    }
    Ok(())
}
