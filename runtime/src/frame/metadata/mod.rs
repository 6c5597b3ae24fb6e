//! The runtime's description of itself, in Substrate's metadata versions 14, 15 and 16.
//!
//! Made from the types: calls, events and errors describe themselves, storage entries and
//! constants come from [`crate::runtime::pallets`]. Paths of types that clients know by name are
//! rewritten to Substrate's. Documentation is part of it, so that clients show what a call does;
//! clients take the bytes to be the same for one `spec_version`, and so a change of either raises
//! it once there is a release.
//!
//! Source: spec/runtime.md §6.

mod apis;
mod paths;
mod v14;
mod v15;
mod v16;

pub use apis::function_names;

use frame_metadata::RuntimeMetadataPrefixed;
use frame_metadata::v14::{StorageEntryModifier, StorageEntryType, StorageHasher};
use parity_scale_codec::Encode;
use scale_info::{MetaType, TypeInfo, meta_type};

use super::registry::{Pallet, StorageEntry};
use super::wire::{
    AccountId32, CheckGenesis, CheckMortality, CheckNonce, CheckSpecVersion, CheckTxVersion, Extra,
    MultiAddress, MultiSignature, RuntimeVersion, UncheckedExtrinsic,
};
use crate::runtime::pallets;
use crate::{RuntimeCall, RuntimeError, RuntimeEvent};
use allod_primitives::H256;
use allod_primitives::keys::Hasher;

/// Version of the extrinsic format.
const EXTRINSIC_VERSION: u8 = 4;

/// The address type of extrinsics.
pub(super) type Address = MultiAddress<AccountId32, ()>;

/// Stands for the whole runtime where the metadata asks for its type.
#[derive(Clone, Copy, Debug, TypeInfo)]
pub struct Runtime;

/// Returns the metadata of version `format` (14, 15 or 16), without length prefix: `"meta"`, the
/// version as one byte, then its fields. `version`: of the state machine, a constant in it.
///
/// Cost: milliseconds; callers keep the result.
pub fn encode(version: &RuntimeVersion, format: u32) -> Option<Vec<u8>> {
    describe(Outline::new(version), format)
}

/// What the metadata of a runtime is made from. Nothing of one pallet, call, event or error is
/// named but in its types: what is added there is in the metadata.
pub(crate) struct Outline {
    /// Every pallet.
    pub(crate) pallets: Vec<Pallet>,
    /// Every call, by pallet.
    pub(crate) calls: MetaType,
    /// Every event, by pallet.
    pub(crate) events: MetaType,
    /// Every error, by pallet.
    pub(crate) errors: MetaType,
    /// An extrinsic.
    pub(crate) extrinsic: MetaType,
}

impl Outline {
    fn new(version: &RuntimeVersion) -> Self {
        Self::of::<RuntimeCall, RuntimeEvent, RuntimeError>(pallets(version))
    }

    /// Returns the outline of a runtime of these pallets and outer enums.
    pub(crate) fn of<C, V, E>(pallets: Vec<Pallet>) -> Self
    where
        C: TypeInfo + 'static,
        V: TypeInfo + 'static,
        E: TypeInfo + 'static,
    {
        Self {
            pallets,
            calls: meta_type::<C>(),
            events: meta_type::<V>(),
            errors: meta_type::<E>(),
            extrinsic: meta_type::<UncheckedExtrinsic<Address, C, MultiSignature, Extra>>(),
        }
    }
}

/// Returns the metadata of a runtime, as [`encode`] does.
pub(crate) fn describe(outline: Outline, format: u32) -> Option<Vec<u8>> {
    let metadata: RuntimeMetadataPrefixed = match format {
        14 => v14::metadata(outline).into(),
        15 => v15::metadata(outline).into(),
        16 => v16::metadata(outline).into(),
        _ => return None,
    };
    Some(metadata.encode())
}

/// A transaction extension: name, explicit and implicit type.
struct Extension {
    name: &'static str,
    explicit: MetaType,
    implicit: MetaType,
}

/// The extensions in the order of their data.
fn extensions() -> [Extension; 5] {
    fn extension<E: TypeInfo + 'static, I: TypeInfo + 'static>(name: &'static str) -> Extension {
        Extension {
            name,
            explicit: meta_type::<E>(),
            implicit: meta_type::<I>(),
        }
    }
    [
        extension::<CheckSpecVersion, u32>("CheckSpecVersion"),
        extension::<CheckTxVersion, u32>("CheckTxVersion"),
        extension::<CheckGenesis, H256>("CheckGenesis"),
        extension::<CheckMortality, H256>("CheckMortality"),
        extension::<CheckNonce, ()>("CheckNonce"),
    ]
}

fn entry_type(entry: &StorageEntry) -> StorageEntryType {
    match &entry.key {
        None => StorageEntryType::Plain(entry.value),
        Some(key) => StorageEntryType::Map {
            hashers: key.hashers.iter().copied().map(hasher).collect(),
            key: key.ty,
            value: entry.value,
        },
    }
}

fn hasher(hasher: Hasher) -> StorageHasher {
    match hasher {
        Hasher::Blake2_128Concat => StorageHasher::Blake2_128Concat,
        Hasher::Twox64Concat => StorageHasher::Twox64Concat,
        Hasher::Identity => StorageHasher::Identity,
    }
}

/// Returns how an absent value reads, and its bytes (`None` for an optional one).
fn modifier(entry: &StorageEntry) -> (StorageEntryModifier, Vec<u8>) {
    match &entry.default {
        Some(default) => (StorageEntryModifier::Default, default.clone()),
        None => (StorageEntryModifier::Optional, vec![0]),
    }
}

#[cfg(test)]
mod tests;
