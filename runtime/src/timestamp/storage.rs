//! The pallet's storage.

use allod_primitives::TimeMs;

use crate::frame::{Constant, StateRead, StorageEntry, Value};

/// Time of the last block.
pub const NOW: Value<u64> = Value::new("Timestamp", "Now");

/// Half of the usual distance between blocks, in milliseconds: clients take twice this as the
/// block time when they choose how long an extrinsic lives.
pub const MINIMUM_PERIOD_MS: u64 = 100;

/// Returns the time of the last block.
pub fn now(state: &(impl StateRead + ?Sized)) -> TimeMs {
    TimeMs(NOW.get(state).unwrap_or_default())
}

/// Describes the storage items.
pub fn storage_metadata() -> Vec<StorageEntry> {
    vec![StorageEntry::value(&NOW, "Time of the block, in ms since 1970.").or_default(&0u64)]
}

/// Describes the constants.
pub fn constants() -> Vec<Constant> {
    vec![Constant::new(
        "MinimumPeriod",
        &MINIMUM_PERIOD_MS,
        "Half of the usual distance between blocks, in ms.",
    )]
}
