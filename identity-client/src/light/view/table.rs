//! Every followed key at one block, with as many of the values as fit.
//!
//! Keys and value hashes are all here, so a key that is not here is absent from the ledger. Values
//! of revocations and grants are always here; of records and retired methods, those that were
//! needed lately, at most `cached_max` of them.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use allod_primitives::light::PageValue;
use allod_primitives::tree::value_hash;
use allod_primitives::{H256, keys};

/// A storage key, shared between the table and its queue.
pub(super) type Key = Arc<[u8]>;

/// What the table knows under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// The ledger holds nothing there.
    Absent,
    /// The ledger holds this.
    Value(Arc<[u8]>),
    /// The ledger holds a value of this hash, which is not here.
    Hash(H256),
    /// The key belongs to none of the maps that are followed.
    NotFollowed,
}

#[derive(Debug)]
enum Slot {
    Hash(H256),
    /// Always kept.
    Whole(Arc<[u8]>),
    /// Kept while it is used: `used` since the hand of the clock last passed.
    Cached {
        value: Arc<[u8]>,
        used: AtomicBool,
    },
}

/// The four maps whose changes headers commit to.
#[derive(Debug)]
struct Maps {
    records: Vec<u8>,
    retired: Vec<u8>,
    tags: Vec<u8>,
    grants: Vec<u8>,
}

/// Every followed key at one block.
#[derive(Debug)]
pub(super) struct Table {
    maps: Maps,
    slots: HashMap<Key, Slot>,
    /// Cached keys in the order in which the clock's hand passes them.
    queue: VecDeque<Key>,
    cached_max: usize,
}

impl Table {
    /// Makes an empty one that keeps at most `cached_max` values of records and retired methods;
    /// all of them if that is `usize::MAX`.
    pub(super) fn new(cached_max: usize) -> Self {
        Self {
            maps: Maps {
                records: keys::item("Did", "Records"),
                retired: keys::item("Did", "Retired"),
                tags: keys::item("Revocation", "Tags"),
                grants: keys::item("Grant", "Grants"),
            },
            slots: HashMap::new(),
            queue: VecDeque::new(),
            cached_max,
        }
    }

    /// Returns how many keys there are.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Returns how many values of records and retired methods are here.
    pub(super) fn cached(&self) -> usize {
        self.queue.len()
    }

    /// Tells what the ledger holds under `key`.
    pub(super) fn get(&self, key: &[u8]) -> Known {
        match self.slots.get(key) {
            Some(Slot::Hash(hash)) => Known::Hash(*hash),
            Some(Slot::Whole(value)) => Known::Value(Arc::clone(value)),
            Some(Slot::Cached { value, used }) => {
                used.store(true, Ordering::Relaxed);
                Known::Value(Arc::clone(value))
            }
            None if self.maps.is_followed(key) => Known::Absent,
            None => Known::NotFollowed,
        }
    }

    /// Returns the keys that begin with `prefix`, ascending, at most `count`. A walk over all keys.
    pub(super) fn under(&self, prefix: &[u8], count: usize) -> Vec<Vec<u8>> {
        let keys = self.slots.keys().filter(|key| key.starts_with(prefix));
        let mut keys: Vec<Vec<u8>> = keys.map(|key| key.to_vec()).collect();
        keys.sort_unstable();
        keys.truncate(count);
        keys
    }

    /// Returns every key whose value is not here.
    pub(super) fn missing(&self) -> Vec<Key> {
        let slots = self.slots.iter();
        let missing = slots.filter(|(_, slot)| matches!(slot, Slot::Hash(_)));
        missing.map(|(key, _)| Arc::clone(key)).collect()
    }

    /// Takes in a key of the whole state; others than followed are passed over.
    pub(super) fn insert(&mut self, key: &[u8], value: &PageValue) {
        if !self.maps.is_followed(key) {
            return;
        }
        let slot = match value.value().filter(|_| self.maps.is_whole(key)) {
            Some(value) => Slot::Whole(value.into()),
            None => Slot::Hash(value.hash()),
        };
        self.slots.insert(key.into(), slot);
    }

    /// Takes in a fetched value, if it is the one that the ledger holds. Returns whether it is.
    pub(super) fn fill(&mut self, key: &[u8], value: &[u8]) -> bool {
        match self.slots.get(key) {
            Some(Slot::Hash(hash)) if *hash == value_hash(value) => {
                self.cache(key.into(), value.into());
                true
            }
            _ => false,
        }
    }

    /// Does what a block did to `key`. Values that are here stay up to date, if the block brings
    /// the new one.
    pub(super) fn change(&mut self, key: &[u8], value: Option<&PageValue>) {
        let Some(value) = value else {
            // The queue forgets it when the hand comes by.
            self.slots.remove(key);
            return;
        };
        let kept = self.keeps_all() && !self.maps.is_whole(key);
        match (self.slots.get_mut(key), value.value()) {
            (Some(Slot::Cached { value: cached, .. }), Some(value)) => *cached = value.into(),
            (_, Some(whole)) if kept => self.cache(key.into(), whole.into()),
            _ => self.insert(key, value),
        }
    }

    /// Whether every value is to be here.
    pub(super) fn keeps_all(&self) -> bool {
        self.cached_max == usize::MAX
    }

    fn cache(&mut self, key: Key, value: Arc<[u8]>) {
        while self.queue.len() >= self.cached_max.max(1) {
            self.pass();
        }
        self.queue.push_back(Arc::clone(&key));
        let used = AtomicBool::new(false);
        self.slots.insert(key, Slot::Cached { value, used });
    }

    /// Moves the hand on by one: what was used since gets another round, anything else goes.
    fn pass(&mut self) {
        let Some(key) = self.queue.pop_front() else {
            return;
        };
        let Some(slot) = self.slots.get_mut(&key) else {
            return;
        };
        if let Slot::Cached { value, used } = slot {
            if used.swap(false, Ordering::Relaxed) {
                self.queue.push_back(key);
            } else {
                *slot = Slot::Hash(value_hash(value));
            }
        }
    }
}

impl Maps {
    fn is_followed(&self, key: &[u8]) -> bool {
        key.starts_with(&self.records) || key.starts_with(&self.retired) || self.is_whole(key)
    }

    /// Whether values under `key` are small, and asked for by strangers: always kept.
    fn is_whole(&self, key: &[u8]) -> bool {
        key.starts_with(&self.tags) || key.starts_with(&self.grants)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use allod_primitives::DidId;

    fn hash(value: &[u8]) -> PageValue {
        PageValue::Hash(value_hash(value))
    }

    fn whole(value: &[u8]) -> PageValue {
        PageValue::whole(value.to_vec()).unwrap()
    }

    fn record(number: u8) -> Vec<u8> {
        keys::did_record(&DidId([number; 32]))
    }

    /// Goal: however many values are filled in, at most `cached_max` stay, the used ones longest,
    /// and what goes is still known by its hash.
    #[test]
    fn the_cache_is_bounded_and_keeps_what_is_used() {
        let mut table = Table::new(4);
        for number in 0..8 {
            table.insert(&record(number), &hash(&[number]));
        }
        for number in 0..8 {
            assert!(table.fill(&record(number), &[number]));
            assert_eq!(table.get(&record(0)), Known::Value([0].as_slice().into()));
            assert!(table.cached() <= 4);
        }
        let here = (0..8).filter(|it| matches!(table.get(&record(*it)), Known::Value(_)));
        assert_eq!(here.count(), 4);
        let gone = (0..8).find(|it| matches!(table.get(&record(*it)), Known::Hash(_)));
        let gone = gone.unwrap();
        assert_eq!(table.get(&record(gone)), Known::Hash(value_hash(&[gone])));
        assert_eq!(table.missing().len(), 4);
    }

    #[test]
    fn a_value_of_another_hash_is_not_taken() {
        let mut table = Table::new(4);
        table.insert(&record(1), &hash(b"true"));
        assert!(!table.fill(&record(1), b"false"));
        assert!(!table.fill(&record(2), b"true"));
        assert_eq!(table.get(&record(1)), Known::Hash(value_hash(b"true")));
    }

    #[test]
    fn cached_values_follow_changes_and_deletions() {
        let mut table = Table::new(2);
        let tag = keys::revocation(&H256([1; 32]));
        table.insert(&record(1), &hash(b"old"));
        assert!(table.fill(&record(1), b"old"));
        table.change(&record(1), Some(&whole(b"new")));
        table.change(&record(2), Some(&whole(b"other")));
        table.change(&tag, Some(&whole(b"revoked")));
        assert_eq!(
            table.get(&record(1)),
            Known::Value(b"new".as_slice().into())
        );
        assert_eq!(table.get(&record(2)), Known::Hash(value_hash(b"other")));
        assert_eq!(table.get(&tag), Known::Value(b"revoked".as_slice().into()));
        table.change(&record(1), None);
        assert_eq!(table.get(&record(1)), Known::Absent);
        assert_eq!(table.get(b"System"), Known::NotFollowed);
        // A deleted key that comes back is not cached twice.
        table.change(&record(1), Some(&whole(b"again")));
        assert!(table.fill(&record(1), b"again"));
        assert!(table.fill(&record(2), b"other"));
        assert!(table.cached() <= 2);
    }
}
