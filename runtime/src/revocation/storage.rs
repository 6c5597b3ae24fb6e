//! The pallet's storage items and their readers.
//!
//! Source: spec/revocation.md §1.

use allod_primitives::H256;
use allod_primitives::keys::Hasher;
use allod_primitives::limits::{PRUNED_PER_BLOCK_MAX, TOKEN_LEEWAY_S};
use allod_primitives::token::RevocationEntry;

use crate::frame::{Context, Map, Overlay, StateRead, StorageEntry};

/// Revoked tokens by tag.
pub const TAGS: Map<H256, RevocationEntry> = Map::new("Revocation", "Tags", Hasher::Identity);
/// Their tags in the order of expiry: `exp` big-endian, then the tag.
pub const EXPIRIES: Map<([u8; 8], H256), ()> = Map::new("Revocation", "Expiries", Hasher::Identity);

/// Returns the revocation of the token with this tag, if it is revoked.
pub fn revocation(state: &(impl StateRead + ?Sized), tag: &H256) -> Option<RevocationEntry> {
    TAGS.get(state, tag)
}

/// Lists a token as revoked.
pub(super) fn put(state: &mut Overlay<'_>, tag: &H256, entry: &RevocationEntry) {
    TAGS.put(state, tag, entry);
    EXPIRIES.put(state, &(entry.exp.to_be_bytes(), *tag), &());
}

/// Forgets tokens that every verifier refuses by their `exp`, a bounded number in each block.
///
/// Source: spec/revocation.md §4.
pub(super) fn prune(context: &mut Context<'_>) {
    let now = context.block.time.seconds();
    // Each search begins where the last one ended: from the start it would pass all that this
    // block has deleted, again for each entry.
    let mut suffix = Vec::new();
    for _ in 0..PRUNED_PER_BLOCK_MAX {
        let Some(next) = EXPIRIES.next_suffix(&context.state, &suffix) else {
            return;
        };
        suffix = next;
        let Some((exp, tag)) = split(&suffix) else {
            return;
        };
        if u64::from_be_bytes(exp).saturating_add(TOKEN_LEEWAY_S) >= now {
            return;
        }
        EXPIRIES.remove(&mut context.state, &(exp, tag));
        TAGS.remove(&mut context.state, &tag);
    }
}

/// Reads a key of [`EXPIRIES`] after its prefix.
pub(super) fn split(suffix: &[u8]) -> Option<([u8; 8], H256)> {
    let (exp, tag) = suffix.split_first_chunk::<8>()?;
    Some((*exp, H256(tag.try_into().ok()?)))
}

/// Describes the storage items.
pub fn storage_metadata() -> Vec<StorageEntry> {
    vec![
        StorageEntry::map(&TAGS, "Revoked tokens by tag."),
        StorageEntry::keyed::<([u8; 8], H256), ()>(
            EXPIRIES.item,
            vec![Hasher::Identity, Hasher::Identity],
            "Revoked tokens in the order of expiry (seconds, big-endian).",
        ),
    ]
}
