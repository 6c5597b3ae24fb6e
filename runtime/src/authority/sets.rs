//! Validator sets over time, and the peers a node may talk to.
//!
//! ```text
//! after block h          CurrentSet = set(h+1)      NextSet = set(h+2)
//! header of h            validator_set = set(h)     next_validator_set = set(h+1)
//! executed in h          changes NextSet, so that it takes effect for h+2
//! ```

use allod_primitives::certificate::Validator;
use allod_primitives::{Height, PublicKey, ValidatorSet};

use super::error::Error;
use super::storage::{CURRENT_SET, NEXT_SET, OBSERVERS, VALIDATORS};
use super::types::{PeerAddress, PeerId, STORED_VERSION, SetEntry};
use crate::frame::{Overlay, StateRead};

/// What a peer is admitted as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerRole {
    /// A member of the current or the next set.
    Validator(PublicKey),
    /// A peer that does not vote.
    Observer,
}

/// A peer a node may talk to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its libp2p identity.
    pub peer_id: PeerId,
    /// Where it listens.
    pub address: PeerAddress,
    /// What it is.
    pub role: PeerRole,
}

/// Returns the set that certifies the block after the state's, and the one after that; `None`
/// only in an empty state.
pub fn validator_sets(state: &(impl StateRead + ?Sized)) -> Option<(ValidatorSet, ValidatorSet)> {
    let (current, next) = set_entries(state)?;
    Some((current.set, next.set))
}

/// Returns [`validator_sets`] with their numbers and first heights.
pub fn set_entries(state: &(impl StateRead + ?Sized)) -> Option<(SetEntry, SetEntry)> {
    Some((CURRENT_SET.get(state)?, NEXT_SET.get(state)?))
}

/// Returns every admitted peer: members of both sets, then observers. A validator that leaves
/// stays admitted until the last block it certifies.
pub fn peers(state: &(impl StateRead + ?Sized)) -> Vec<Peer> {
    let validators = VALIDATORS.values(state).into_iter().map(|stored| Peer {
        peer_id: stored.info.peer_id,
        address: stored.info.address,
        role: PeerRole::Validator(stored.info.public_key),
    });
    let observers = OBSERVERS.values(state).into_iter().map(|observer| Peer {
        peer_id: observer.peer_id,
        address: observer.address,
        role: PeerRole::Observer,
    });
    validators.chain(observers).collect()
}

/// Begins a block: its next set becomes current, and who is in neither set is forgotten.
pub(crate) fn rotate(state: &mut Overlay<'_>) {
    let Some((current, next)) = set_entries(state) else {
        return;
    };
    if current == next {
        return;
    }
    CURRENT_SET.put(state, &next);
    for validator in current.set.validators() {
        if next.set.position(&validator.public_key).is_none() {
            VALIDATORS.remove(state, &validator.public_key);
        }
    }
}

/// Replaces the next set, in block `height`: changed sets are numbered on from the current one.
/// Returns the new entry.
pub(crate) fn set_next(
    state: &mut Overlay<'_>,
    height: Height,
    validators: Vec<Validator>,
) -> Result<SetEntry, Error> {
    let set = ValidatorSet::new(validators).map_err(|_| Error::InvalidSet)?;
    let current = CURRENT_SET.get(state).ok_or(Error::InvalidSet)?;
    let entry = if set == current.set {
        current
    } else {
        SetEntry {
            version: STORED_VERSION,
            id: current.id.saturating_add(1),
            since: height.next().next(),
            set,
        }
    };
    NEXT_SET.put(state, &entry);
    Ok(entry)
}
