//! What a party and those above it see of a state: what nobody below may touch at once.

use crate::keys::KeySet;
use crate::operation::Lane;
use crate::state::{CoolDown, GUARDIANS, PROPOSERS, RANKS, Rank, State, proposer};

/// Returns the place of a lane's party in the order of authority, 0 the highest (spec/control.md
/// §1).
pub(crate) fn authority(lane: Lane) -> usize {
    match lane {
        Lane::Next(0) => 0,
        Lane::Guardians => 1,
        Lane::Rank(0) => 2,
        Lane::Next(rank) => 1 + 2 * usize::from(rank),
        Lane::Rank(rank) => 2 + 2 * usize::from(rank),
        Lane::Documents => usize::MAX,
    }
}

/// Returns the party directly above, whether it exists or not.
pub(crate) fn superior(lane: Lane) -> Option<Lane> {
    match lane {
        Lane::Next(0) | Lane::Documents => None,
        Lane::Guardians => Some(Lane::Next(0)),
        Lane::Rank(0) => Some(Lane::Guardians),
        Lane::Next(rank) => Some(Lane::Rank(rank - 1)),
        Lane::Rank(rank) => Some(Lane::Next(rank)),
    }
}

/// Returns the state without everything that only parties below that of `lane` have.
///
/// The views are nested: a lower party's holds a higher one's. `acted`: the party has just acted,
/// so what it did to the exposed keys of its own rank counts.
pub(crate) fn view(state: &State, lane: Lane, acted: bool) -> State {
    let mut it = state.clone();
    let (first_rank, first_slot) = match lane {
        Lane::Next(rank) => (usize::from(rank) + 1, proposer(usize::from(rank))),
        Lane::Rank(rank) => (usize::from(rank) + 1, proposer(usize::from(rank)) + 1),
        Lane::Guardians => (1, GUARDIANS + 1),
        Lane::Documents => (RANKS, PROPOSERS),
    };
    let first_slot = if lane == Lane::Next(0) {
        GUARDIANS
    } else {
        first_slot
    };
    for rank in &mut it.policy.ranks[first_rank..] {
        *rank = Rank::VACANT;
    }
    let hides_exposed = match lane {
        Lane::Next(_) => !acted,
        Lane::Guardians => true,
        _ => false,
    };
    if hides_exposed {
        it.policy.ranks[first_rank - 1].set = KeySet::EMPTY;
    }
    for slot in first_slot..PROPOSERS {
        it.pending[slot] = None;
        it.cool_downs[slot] = CoolDown::default();
    }
    it
}

/// Returns whether a party and those above it see the same.
pub(crate) fn same_view(one: &State, other: &State, lane: Lane, acted: bool) -> bool {
    let (one, other) = (view(one, lane, acted), view(other, lane, acted));
    one.policy == other.policy && one.pending == other.pending && one.cool_downs == other.cool_downs
}
