//! The pallet's storage items and their readers.
//!
//! Source: spec/did.md §1.

use allod_primitives::control;
use allod_primitives::document::{Fragment, MethodKey, RetiredMethod};
use allod_primitives::keys::{self, Hasher};
use allod_primitives::record::{DidRecord, QuotaUse};
use allod_primitives::{DidId, H256, TimeMs, blake2_256, decode_strict};
use parity_scale_codec::Encode;

use super::types::{RETIRED_KEY_VERSION, RetiredKey};
use crate::frame::{Map, Overlay, StateRead, StorageEntry};

/// Records by identity.
pub const RECORDS: Map<DidId, DidRecord> = Map::new("Did", "Records", Hasher::Identity);
/// Fragments of retired methods by identity and hash of the key.
pub const RETIRED_KEYS: Map<(DidId, H256), RetiredKey> =
    Map::new("Did", "RetiredKeys", Hasher::Identity);
/// What identities have used of their quotas.
pub const QUOTAS: Map<DidId, QuotaUse> = Map::new("Did", "Quotas", Hasher::Identity);

/// Identities in the order of the time of their next effect (milliseconds, big-endian).
pub const DUE: Map<([u8; 8], DidId), ()> = Map::new("Did", "Due", Hasher::Identity);
/// Quotas in the order of their day (big-endian), so that they can be forgotten.
pub const QUOTA_DAYS: Map<([u8; 4], DidId), ()> = Map::new("Did", "QuotaDays", Hasher::Identity);

/// Returns the record of `did` as it is at `now`, whether or not that is written down yet.
pub fn effective_record(
    state: &(impl StateRead + ?Sized),
    did: &DidId,
    now: TimeMs,
) -> Option<DidRecord> {
    let record = record(state, did)?;
    if record.pending.iter().any(|it| it.effective_at <= now) {
        return Some(control::effective(&record, now).record);
    }
    Some(record)
}

/// Returns the record of `did` as it is written down; what time has brought about since then is
/// in [`effective_record`].
pub fn record(state: &(impl StateRead + ?Sized), did: &DidId) -> Option<DidRecord> {
    RECORDS.get(state, did)
}

/// Returns the retired method of `did` that had `fragment`.
pub fn retired(
    state: &(impl StateRead + ?Sized),
    did: &DidId,
    fragment: &str,
) -> Option<RetiredMethod> {
    let bytes = state.get(&keys::did_retired(did, fragment))?;
    Some(decode(&bytes))
}

/// Returns the retired method of `did` that had `key`.
pub fn retired_by_key(
    state: &(impl StateRead + ?Sized),
    did: &DidId,
    key: &MethodKey,
) -> Option<RetiredMethod> {
    let entry = RETIRED_KEYS.get(state, &(*did, key_hash(key)))?;
    retired(state, did, entry.fragment.as_str())
}

/// Returns all methods that `did` has retired, in the order of their storage keys.
///
/// Cost: one read per method, at most `RETIRED_METHODS_MAX`.
pub fn retired_methods(state: &(impl StateRead + ?Sized), did: &DidId) -> Vec<RetiredMethod> {
    let prefix = keys::map("Did", "Retired", Hasher::Identity, did);
    let mut found = Vec::new();
    let mut at = prefix.clone();
    while let Some(next) = state.next_key(&at) {
        if !next.starts_with(&prefix) {
            break;
        }
        found.extend(state.get(&next).map(|bytes| decode(&bytes)));
        at = next;
    }
    found
}

/// Returns what `did` has used of its quotas on its last active day.
pub fn quota(state: &(impl StateRead + ?Sized), did: &DidId) -> Option<QuotaUse> {
    QUOTAS.get(state, did)
}

/// Returns the hash by which `Did.RetiredKeys` lists a key.
pub fn key_hash(key: &MethodKey) -> H256 {
    blake2_256(&key.encode())
}

/// Stores `record` and, if it waits for something, when to look at it again.
pub(crate) fn put_record(state: &mut Overlay<'_>, did: &DidId, record: &DidRecord) {
    let due = |record: &DidRecord| record.pending.iter().map(|it| it.effective_at).min();
    let before = RECORDS.get(state, did).as_ref().and_then(due);
    let after = due(record);
    if before != after {
        if let Some(at) = before {
            DUE.remove(state, &(at.0.to_be_bytes(), *did));
        }
        if let Some(at) = after {
            DUE.put(state, &(at.0.to_be_bytes(), *did), &());
        }
    }
    RECORDS.put(state, did, record);
}

/// Reads a key of [`DUE`] after its prefix.
pub(crate) fn split_due(suffix: &[u8]) -> Option<(TimeMs, DidId)> {
    let (at, did) = suffix.split_first_chunk::<8>()?;
    Some((TimeMs(u64::from_be_bytes(*at)), DidId(did.try_into().ok()?)))
}

/// Lists `method` as retired, by fragment and by key.
pub(crate) fn put_retired(state: &mut Overlay<'_>, did: &DidId, method: &RetiredMethod) {
    let fragment = &method.method.fragment;
    state.put(keys::did_retired(did, fragment.as_str()), method.encode());
    let entry = RetiredKey {
        version: RETIRED_KEY_VERSION,
        fragment: fragment.clone(),
    };
    RETIRED_KEYS.put(state, &(*did, key_hash(&method.method.key)), &entry);
}

fn decode(bytes: &[u8]) -> RetiredMethod {
    decode_strict(bytes).expect("state holds only what this runtime encoded, under its root")
}

/// Describes the storage items.
pub fn storage_metadata() -> Vec<StorageEntry> {
    vec![
        StorageEntry::map(&RECORDS, "Records of identities."),
        StorageEntry::keyed::<(DidId, Fragment), RetiredMethod>(
            "Retired",
            vec![Hasher::Identity, Hasher::Blake2_128Concat],
            "Verification methods no longer in force, by identity and fragment.",
        ),
        StorageEntry::keyed::<(DidId, H256), RetiredKey>(
            RETIRED_KEYS.item,
            vec![Hasher::Identity, Hasher::Identity],
            "Fragments of retired methods, by identity and blake2-256 of the key.",
        ),
        StorageEntry::map(&QUOTAS, "What identities have used of a day's quotas."),
        StorageEntry::keyed::<([u8; 8], DidId), ()>(
            DUE.item,
            vec![Hasher::Identity, Hasher::Identity],
            "Identities by the time of their next effect (milliseconds, big-endian).",
        ),
        StorageEntry::keyed::<([u8; 4], DidId), ()>(
            QUOTA_DAYS.item,
            vec![Hasher::Identity, Hasher::Identity],
            "Quotas by their day (big-endian).",
        ),
    ]
}
