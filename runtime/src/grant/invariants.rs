//! What holds of the pallet's state after every block.

use allod_primitives::grant::GRANT_ENTRY_VERSION;
use allod_primitives::{H256, decode_strict};

use super::storage::{EXPIRIES, GRANTS, split};
use crate::did::invariants::suffixes;
use crate::frame::StateRead;

/// What does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvariantViolation {
    /// A grant without its place in the order of expiry, or of an unknown version.
    #[error("grant {gid} is not listed under its expiry")]
    NotListed {
        /// The gid.
        gid: H256,
    },
    /// A key that its map does not explain, or an expiry without its grant.
    #[error("a map of the pallet has an entry that belongs to no grant")]
    Orphan,
}

/// Checks the whole of the pallet's state.
///
/// Cost: reads all of it; for tests.
///
/// # Errors
/// [`InvariantViolation`] names the first that does not hold.
pub fn check(state: &(impl StateRead + ?Sized)) -> Result<(), InvariantViolation> {
    let gids = suffixes(state, &GRANTS.prefix());
    for gid in &gids {
        let gid: H256 = decode_strict(gid).map_err(|_| InvariantViolation::Orphan)?;
        let entry = GRANTS.get(state, &gid).ok_or(InvariantViolation::Orphan)?;
        let listed = EXPIRIES.contains(state, &(entry.expiry_day.to_be_bytes(), gid));
        if !listed || entry.version != GRANT_ENTRY_VERSION {
            return Err(InvariantViolation::NotListed { gid });
        }
    }
    let expiries = suffixes(state, &EXPIRIES.prefix());
    let readable = expiries.iter().all(|suffix| split(suffix).is_some());
    if readable && expiries.len() == gids.len() {
        Ok(())
    } else {
        Err(InvariantViolation::Orphan)
    }
}
