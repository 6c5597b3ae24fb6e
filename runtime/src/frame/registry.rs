//! How a pallet describes itself for the metadata.
//!
//! Calls, events and errors describe themselves by their types; storage entries and constants
//! are listed. Each pallet's `storage.rs` provides `pub fn storage_metadata() -> Vec<StorageEntry>`
//! and, if it has constants, `pub fn constants() -> Vec<Constant>`:
//!
//! ```
//! use allod_primitives::keys::Hasher;
//! use allod_runtime::frame::{Map, StorageEntry, Value};
//!
//! const COUNT: Value<u32> = Value::new("Example", "Count");
//! const NAMES: Map<[u8; 32], Vec<u8>> = Map::new("Example", "Names", Hasher::Identity);
//!
//! fn storage_metadata() -> Vec<StorageEntry> {
//!     vec![
//!         StorageEntry::value(&COUNT, "How many there are."),
//!         StorageEntry::map(&NAMES, "Names by identifier."),
//!     ]
//! }
//! assert_eq!(storage_metadata().len(), 2);
//! ```

use allod_primitives::keys::Hasher;
use parity_scale_codec::Encode;
use scale_info::{MetaType, TypeInfo, meta_type};

use super::storage::{Map, Value};

/// The key side of a storage entry.
#[derive(Clone, Debug)]
pub struct EntryKey {
    /// How each part of the key is hashed, in order.
    pub hashers: Vec<Hasher>,
    /// Type of the key; a tuple if there are several hashers.
    pub ty: MetaType,
}

/// One storage item as the metadata lists it.
#[derive(Clone, Debug)]
pub struct StorageEntry {
    /// Name of the item.
    pub name: &'static str,
    /// Key, for maps.
    pub key: Option<EntryKey>,
    /// Type of the value.
    pub value: MetaType,
    /// SCALE of the value where nothing is stored; `None` if there is no such value.
    pub default: Option<Vec<u8>>,
    /// What it is, one sentence.
    pub docs: &'static str,
}

impl StorageEntry {
    /// Describes a plain item.
    pub fn value<T: TypeInfo + 'static>(item: &Value<T>, docs: &'static str) -> Self {
        Self {
            name: item.item,
            key: None,
            value: meta_type::<T>(),
            default: None,
            docs,
        }
    }

    /// Describes a map.
    pub fn map<K, V>(item: &Map<K, V>, docs: &'static str) -> Self
    where
        K: TypeInfo + 'static,
        V: TypeInfo + 'static,
    {
        let key = EntryKey {
            hashers: vec![item.hasher],
            ty: meta_type::<K>(),
        };
        Self {
            name: item.item,
            key: Some(key),
            value: meta_type::<V>(),
            default: None,
            docs,
        }
    }

    /// Describes any other shape, such as a map with two keys.
    pub fn keyed<K, V>(name: &'static str, hashers: Vec<Hasher>, docs: &'static str) -> Self
    where
        K: TypeInfo + 'static,
        V: TypeInfo + 'static,
    {
        let key = EntryKey {
            hashers,
            ty: meta_type::<K>(),
        };
        Self {
            name,
            key: Some(key),
            value: meta_type::<V>(),
            default: None,
            docs,
        }
    }

    /// Says what readers assume where nothing is stored.
    #[must_use]
    pub fn or_default(mut self, default: &impl Encode) -> Self {
        self.default = Some(default.encode());
        self
    }
}

/// One constant of a pallet.
#[derive(Clone, Debug)]
pub struct Constant {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub ty: MetaType,
    /// Its value, SCALE.
    pub value: Vec<u8>,
    /// What it is, one sentence.
    pub docs: &'static str,
}

impl Constant {
    /// Describes a constant.
    pub fn new<T: Encode + TypeInfo + 'static>(
        name: &'static str,
        value: &T,
        docs: &'static str,
    ) -> Self {
        Self {
            name,
            ty: meta_type::<T>(),
            value: value.encode(),
            docs,
        }
    }
}

/// A pallet as the metadata lists it.
#[derive(Clone, Debug)]
pub struct Pallet {
    /// Its index in calls, events and errors.
    pub index: u8,
    /// Its name, the first part of its storage keys.
    pub name: &'static str,
    /// Its storage items.
    pub storage: Vec<StorageEntry>,
    /// Its call enum.
    pub calls: Option<MetaType>,
    /// Its event enum.
    pub events: Option<MetaType>,
    /// Its error enum.
    pub errors: Option<MetaType>,
    /// Its constants.
    pub constants: Vec<Constant>,
    /// What it is, one sentence.
    pub docs: &'static str,
}
