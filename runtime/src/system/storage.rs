//! The pallet's storage.

use allod_primitives::keys::Hasher;
use allod_primitives::limits::BLOCK_HASH_COUNT;
use allod_primitives::{H256, Height, PublicKey};

use super::types::{AccountInfo, LastRuntimeUpgradeInfo};
use crate::RuntimeEvent;
use crate::frame::wire::{AccountId32, EventRecord, RuntimeVersion};
use crate::frame::{Constant, Map, Overlay, StateRead, StorageEntry, Value};

/// Nonces by account.
pub const ACCOUNT: Map<PublicKey, AccountInfo> =
    Map::new("System", "Account", Hasher::Blake2_128Concat);
/// Number of the last block.
pub const NUMBER: Value<u32> = Value::new("System", "Number");
/// Hashes of genesis and of the last [`BLOCK_HASH_COUNT`] blocks but the very last.
pub const BLOCK_HASH: Map<u32, H256> = Map::new("System", "BlockHash", Hasher::Twox64Concat);
/// Events of the block; outside the state tree.
pub const EVENTS: Value<Vec<EventRecord<RuntimeEvent, H256>>> = Value::new("System", "Events");
/// Version of the state machine that wrote the state last.
pub const LAST_RUNTIME_UPGRADE: Value<LastRuntimeUpgradeInfo> =
    Value::new("System", "LastRuntimeUpgrade");

/// SS58 prefix of addresses: Substrate's generic one.
pub const SS58_PREFIX: u16 = 42;

/// Returns the nonce the account's next extrinsic must have.
pub fn nonce(state: &(impl StateRead + ?Sized), account: &PublicKey) -> u32 {
    ACCOUNT.get(state, account).unwrap_or_default().nonce
}

/// Returns the number of the last block.
pub fn number(state: &(impl StateRead + ?Sized)) -> Height {
    Height(u64::from(NUMBER.get(state).unwrap_or_default()))
}

/// Returns the hash of block `height`, if the state remembers it. It never holds the hash of
/// the last block itself, which only that block's child records.
pub fn block_hash(state: &(impl StateRead + ?Sized), height: Height) -> Option<H256> {
    BLOCK_HASH.get(state, &u32::try_from(height.0).ok()?)
}

/// Advances the account's nonce.
pub(crate) fn bump_nonce(state: &mut Overlay<'_>, account: &PublicKey) {
    let mut info = ACCOUNT.get(state, account).unwrap_or_default();
    info.nonce = info.nonce.saturating_add(1);
    ACCOUNT.put(state, account, &info);
}

/// Records a new block's number and its parent's hash, and forgets the oldest hash. Genesis is
/// never forgotten: signed extrinsics are bound to it.
pub(crate) fn begin_block(state: &mut Overlay<'_>, number: u32, parent_hash: &H256) {
    NUMBER.put(state, &number);
    let Some(parent) = number.checked_sub(1) else {
        return;
    };
    BLOCK_HASH.put(state, &parent, parent_hash);
    if let Some(old) = parent.checked_sub(BLOCK_HASH_COUNT).filter(|old| *old > 0) {
        BLOCK_HASH.remove(state, &old);
    }
}

/// Describes the storage items.
pub fn storage_metadata() -> Vec<StorageEntry> {
    let account: Map<AccountId32, AccountInfo> =
        Map::new("System", "Account", Hasher::Blake2_128Concat);
    vec![
        StorageEntry::map(
            &account,
            "Nonce of each account that ever sent an extrinsic.",
        )
        .or_default(&AccountInfo::default()),
        StorageEntry::value(&NUMBER, "Number of the block.").or_default(&0u32),
        StorageEntry::map(&BLOCK_HASH, "Hashes of genesis and of recent blocks.")
            .or_default(&H256::ZERO),
        StorageEntry::value(&EVENTS, "Events of the block; outside the state tree.")
            .or_default(&Vec::<u8>::new()),
        StorageEntry::value(
            &LAST_RUNTIME_UPGRADE,
            "Version of the state machine that wrote the state last.",
        ),
    ]
}

/// Describes the constants of a version of the state machine.
pub fn constants(version: &RuntimeVersion) -> Vec<Constant> {
    vec![
        Constant::new(
            "BlockHashCount",
            &BLOCK_HASH_COUNT,
            "Block hashes kept, and so the longest period of a mortal extrinsic.",
        ),
        Constant::new("Version", version, "Version of the runtime."),
        Constant::new("SS58Prefix", &SS58_PREFIX, "Prefix of SS58 addresses."),
    ]
}
