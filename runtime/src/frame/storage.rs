//! Typed storage items over flat keys.
//!
//! An item is a constant; its key is Substrate's: `twox128(pallet) ++ twox128(item)` and, for a
//! map, the hashed key. Values are SCALE.

use std::marker::PhantomData;

use allod_primitives::decode_strict;
use allod_primitives::keys::{self, Hasher};
use parity_scale_codec::{Decode, Encode};

use super::state::{Overlay, StateRead};

/// A plain item.
#[derive(Debug)]
pub struct Value<T> {
    /// The pallet's name.
    pub pallet: &'static str,
    /// The item's name.
    pub item: &'static str,
    kind: PhantomData<fn() -> T>,
}

impl<T: Encode + Decode> Value<T> {
    /// Declares an item.
    pub const fn new(pallet: &'static str, item: &'static str) -> Self {
        Self {
            pallet,
            item,
            kind: PhantomData,
        }
    }

    /// Returns the item's key.
    pub fn key(&self) -> Vec<u8> {
        keys::item(self.pallet, self.item)
    }

    /// Returns the value, if set.
    pub fn get(&self, state: &(impl StateRead + ?Sized)) -> Option<T> {
        state.get(&self.key()).map(|bytes| decode(&bytes))
    }

    /// Sets the value.
    pub fn put(&self, state: &mut Overlay<'_>, value: &T) {
        state.put(self.key(), value.encode());
    }

    /// Deletes the value.
    pub fn kill(&self, state: &mut Overlay<'_>) {
        state.delete(self.key());
    }
}

/// A map.
#[derive(Debug)]
pub struct Map<K, V> {
    /// The pallet's name.
    pub pallet: &'static str,
    /// The item's name.
    pub item: &'static str,
    /// How keys are hashed.
    pub hasher: Hasher,
    kind: PhantomData<fn(K) -> V>,
}

impl<K: Encode, V: Encode + Decode> Map<K, V> {
    /// Declares a map.
    pub const fn new(pallet: &'static str, item: &'static str, hasher: Hasher) -> Self {
        Self {
            pallet,
            item,
            hasher,
            kind: PhantomData,
        }
    }

    /// Returns the prefix of all the map's keys.
    pub fn prefix(&self) -> Vec<u8> {
        keys::item(self.pallet, self.item)
    }

    /// Returns the key of one entry.
    pub fn key(&self, key: &K) -> Vec<u8> {
        keys::map(self.pallet, self.item, self.hasher, key)
    }

    /// Returns the value under `key`, if set.
    pub fn get(&self, state: &(impl StateRead + ?Sized), key: &K) -> Option<V> {
        state.get(&self.key(key)).map(|bytes| decode(&bytes))
    }

    /// Returns whether `key` is set.
    pub fn contains(&self, state: &(impl StateRead + ?Sized), key: &K) -> bool {
        state.get(&self.key(key)).is_some()
    }

    /// Sets the value under `key`.
    pub fn put(&self, state: &mut Overlay<'_>, key: &K, value: &V) {
        state.put(self.key(key), value.encode());
    }

    /// Deletes the entry under `key`.
    pub fn remove(&self, state: &mut Overlay<'_>, key: &K) {
        state.delete(self.key(key));
    }

    /// Returns all values in the order of their keys' hashes. For maps known to be small.
    pub fn values(&self, state: &(impl StateRead + ?Sized)) -> Vec<V> {
        let prefix = self.prefix();
        let mut values = Vec::new();
        let mut key = prefix.clone();
        while let Some(next) = state.next_key(&key) {
            if !next.starts_with(&prefix) {
                break;
            }
            values.extend(state.get(&next).map(|bytes| decode(&bytes)));
            key = next;
        }
        values
    }

    /// Returns the bytes after the prefix of the first full key greater than
    /// `prefix ++ after`, in byte order, if it is still in this map.
    pub fn next_suffix(&self, state: &(impl StateRead + ?Sized), after: &[u8]) -> Option<Vec<u8>> {
        let prefix = self.prefix();
        let next = state.next_key(&[prefix.as_slice(), after].concat())?;
        next.strip_prefix(prefix.as_slice()).map(<[u8]>::to_vec)
    }
}

/// Decodes what this code has stored. Anything else is a broken database, which its root check
/// at start has excluded.
fn decode<T: Decode>(bytes: &[u8]) -> T {
    decode_strict(bytes).expect("state holds only what this runtime encoded, under its root")
}
