//! What holds of the pallet's state after every block.

use std::collections::BTreeSet;

use allod_primitives::DidId;
use allod_primitives::codec::is_strictly_ascending;
use allod_primitives::control::{Party, allowed_methods};
use allod_primitives::document::{Document, MethodKey};
use allod_primitives::keys;
use allod_primitives::record::{DID_RECORD_VERSION, DidRecord, LaneHead};
use allod_primitives::{H256, decode_strict};

use super::quota::Purpose;
use super::storage::{DUE, QUOTA_DAYS, QUOTAS, RECORDS, RETIRED_KEYS, key_hash, retired_methods};
use crate::frame::StateRead;

/// What does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvariantViolation {
    /// A key of the pallet that its maps do not explain.
    #[error("a map of the pallet has an entry that belongs to no record")]
    Orphan,
    /// Version, times or what waits.
    #[error("record of {did} has an unknown version, or times or pending changes out of order")]
    Record {
        /// Whose.
        did: DidId,
    },
    /// A policy that breaks its rules.
    #[error("policy of {did} breaks a rule")]
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
    /// The log has fewer entries than operations were taken.
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
    let quotas = suffixes(state, &QUOTAS.prefix());
    for did in &quotas {
        let did: DidId = decode_strict(did).map_err(|_| InvariantViolation::Orphan)?;
        check_quota(state, did)?;
    }
    if suffixes(state, &QUOTA_DAYS.prefix()).len() != quotas.len() {
        return Err(InvariantViolation::Orphan);
    }
    check_due(state, &dids)
}

/// Checks that an identity is listed by the time of its next effect, and no other.
fn check_due(
    state: &(impl StateRead + ?Sized),
    dids: &[Vec<u8>],
) -> Result<(), InvariantViolation> {
    let mut waiting = 0usize;
    for did in dids {
        let did: DidId = decode_strict(did).map_err(|_| InvariantViolation::Orphan)?;
        let record = RECORDS.get(state, &did).ok_or(InvariantViolation::Orphan)?;
        if let Some(at) = record.pending.iter().map(|it| it.effective_at).min() {
            waiting = waiting.saturating_add(1);
            if !DUE.contains(state, &(at.0.to_be_bytes(), did)) {
                return Err(InvariantViolation::Record { did });
            }
        }
    }
    if suffixes(state, &DUE.prefix()).len() != waiting {
        return Err(InvariantViolation::Orphan);
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
    let waiting = is_strictly_ascending(&record.pending, |it| it.proposer)
        && is_strictly_ascending(&record.cool_downs, |it| it.proposer)
        && (record.is_active() || (record.pending.is_empty() && record.cool_downs.is_empty()));
    if record.version != DID_RECORD_VERSION
        || record.updated < record.created
        || record.not_before > record.updated
        || !waiting
    {
        return Err(InvariantViolation::Record { did });
    }
    if record.policy.check().is_err() {
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
    let heads = || lanes.ranks.iter().chain(&lanes.next).chain(others);
    let agrees = |head: &LaneHead| (head.next_seq == 0) == (head.last == H256::ZERO);
    let [first, ..] = &lanes.ranks;
    if first.next_seq == 0 || !heads().all(agrees) {
        return Err(InvariantViolation::Lane { did });
    }
    let operations = heads().fold(0u64, |sum, head| sum.saturating_add(head.next_seq));
    // Effects of time and decisions of governance have entries too.
    if record.log.count < operations || record.log.head == H256::ZERO {
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
        || count > allowed_methods(record, record.updated, Some(Party::Rank(0))) as usize
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
    let next = Purpose::Lane(Lane::Next(0)).per_day();
    if !QUOTA_DAYS.contains(state, &(used.day.to_be_bytes(), did)) {
        return Err(InvariantViolation::Orphan);
    }
    if used.next.iter().any(|count| *count > next)
        || used.ranks.iter().any(|count| *count > rank)
        || used.guardians > Purpose::Lane(Lane::Guardians).per_day()
        || used.documents > Purpose::Lane(Lane::Documents).per_day()
        || used.tokens > Purpose::Tokens.per_day()
    {
        return Err(InvariantViolation::Quota { did });
    }
    Ok(())
}
