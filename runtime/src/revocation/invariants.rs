//! What holds of the pallet's state after every block.

use allod_primitives::token::REVOCATION_ENTRY_VERSION;
use allod_primitives::{H256, decode_strict};

use super::storage::{EXPIRIES, TAGS, split};
use crate::did::invariants::suffixes;
use crate::frame::StateRead;

/// What does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvariantViolation {
    /// A tag without its place in the order of expiry, or of an unknown version.
    #[error("revocation {tag} is not listed under its expiry")]
    NotListed {
        /// The tag.
        tag: H256,
    },
    /// A key that its map does not explain, or an expiry without its tag.
    #[error("a map of the pallet has an entry that belongs to no revocation")]
    Orphan,
}

/// Checks the whole of the pallet's state.
///
/// Cost: reads all of it; for tests.
///
/// # Errors
/// [`InvariantViolation`] names the first that does not hold.
pub fn check(state: &(impl StateRead + ?Sized)) -> Result<(), InvariantViolation> {
    let tags = suffixes(state, &TAGS.prefix());
    for tag in &tags {
        let tag: H256 = decode_strict(tag).map_err(|_| InvariantViolation::Orphan)?;
        let entry = TAGS.get(state, &tag).ok_or(InvariantViolation::Orphan)?;
        let listed = EXPIRIES.contains(state, &(entry.exp.to_be_bytes(), tag));
        if !listed || entry.version != REVOCATION_ENTRY_VERSION {
            return Err(InvariantViolation::NotListed { tag });
        }
    }
    let expiries = suffixes(state, &EXPIRIES.prefix());
    let readable = expiries.iter().all(|suffix| split(suffix).is_some());
    if readable && expiries.len() == tags.len() {
        Ok(())
    } else {
        Err(InvariantViolation::Orphan)
    }
}
