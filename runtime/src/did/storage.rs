//! The pallet's storage items and their readers.
//!
//! Source: spec/did.md §1.

use allod_primitives::document::{Fragment, MethodKey, RetiredMethod};
use allod_primitives::keys::{self, Hasher};
use allod_primitives::record::{DidRecord, QuotaUse};
use allod_primitives::{DidId, H256, blake2_256, decode_strict};
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

/// Returns the record of `did`.
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

/// Returns whether `did` has retired a method with this fragment.
pub(crate) fn is_retired_fragment(
    state: &(impl StateRead + ?Sized),
    did: &DidId,
    fragment: &Fragment,
) -> bool {
    state
        .get(&keys::did_retired(did, fragment.as_str()))
        .is_some()
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
    ]
}
