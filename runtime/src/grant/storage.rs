//! The pallet's storage items and their readers.
//!
//! Source: spec/grants.md §1.

use allod_primitives::H256;
use allod_primitives::grant::GrantEntry;
use allod_primitives::keys::Hasher;
use allod_primitives::limits::PRUNED_PER_BLOCK_MAX;

use crate::frame::{Context, Map, Overlay, StateRead, StorageEntry};

/// Grants by gid.
pub const GRANTS: Map<H256, GrantEntry> = Map::new("Grant", "Grants", Hasher::Identity);
/// Their gids in the order of expiry: the day big-endian, then the gid.
pub const EXPIRIES: Map<([u8; 4], H256), ()> = Map::new("Grant", "Expiries", Hasher::Identity);

/// Returns what the ledger knows of the grant with this gid.
pub fn grant(state: &(impl StateRead + ?Sized), gid: &H256) -> Option<GrantEntry> {
    GRANTS.get(state, gid)
}

/// Lists a new grant.
pub(super) fn put_new(state: &mut Overlay<'_>, gid: &H256, entry: &GrantEntry) {
    GRANTS.put(state, gid, entry);
    EXPIRIES.put(state, &(entry.expiry_day.to_be_bytes(), *gid), &());
}

/// Forgets grants whose day has passed, a bounded number in each block.
///
/// Source: spec/grants.md §5.
pub(super) fn prune(context: &mut Context<'_>) {
    let today = context.block.time.day();
    // Each search begins where the last one ended: from the start it would pass all that this
    // block has deleted, again for each entry.
    let mut suffix = Vec::new();
    for _ in 0..PRUNED_PER_BLOCK_MAX {
        let Some(next) = EXPIRIES.next_suffix(&context.state, &suffix) else {
            return;
        };
        suffix = next;
        let Some((day, gid)) = split(&suffix) else {
            return;
        };
        if u32::from_be_bytes(day) >= today {
            return;
        }
        EXPIRIES.remove(&mut context.state, &(day, gid));
        GRANTS.remove(&mut context.state, &gid);
    }
}

/// Reads a key of [`EXPIRIES`] after its prefix.
pub(super) fn split(suffix: &[u8]) -> Option<([u8; 4], H256)> {
    let (day, gid) = suffix.split_first_chunk::<4>()?;
    Some((*day, H256(gid.try_into().ok()?)))
}

/// Describes the storage items.
pub fn storage_metadata() -> Vec<StorageEntry> {
    vec![
        StorageEntry::map(&GRANTS, "Grants by identifier."),
        StorageEntry::keyed::<([u8; 4], H256), ()>(
            EXPIRIES.item,
            vec![Hasher::Identity, Hasher::Identity],
            "Grants in the order of expiry (day, big-endian).",
        ),
    ]
}
