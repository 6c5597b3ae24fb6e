//! States that no future can tell apart, made equal.
//!
//! Kept: policy, pending changes with the time left, cool-downs with the time left and how many,
//! whether active. Renamed: the present time becomes [`BASE`]; ids become places; the owner's two
//! generations of keys of a rank change names so that the present one is 0. Left out: lanes and
//! quotas (their independence is checked at every move by the core search), the document,
//! `not_before`, `proposed_at`: no rule of control reads them.

use std::sync::Arc;

use super::world::{OWNER_RANKS, owner_set};
use crate::keys::KeySet;
use crate::operation::LANES;
use crate::rules::Rules;
use crate::state::{
    Change, CoolDown, Document, Effect, LaneHead, OperationId, QuotaUse, RANKS, Rank, State,
    Status, Time,
};

/// The present, in every canonical state.
pub const BASE: Time = 1 << 20;

/// Id of whatever was pending once and is no more.
pub(crate) const GONE: OperationId = 99;

/// Returns the representative of `state` at `now`; `state` is settled.
pub fn canonical(state: &State, rules: &Rules, now: Time) -> State {
    let mut it = state.clone();
    it.lanes = [LaneHead::default(); LANES];
    it.quota = QuotaUse::default();
    it.document = Document::default();
    it.not_before = 0;
    it.grant_epoch = 0;
    if let Status::Deactivated(_) = it.status {
        it.status = Status::Deactivated(BASE);
    }
    let ids = place_ids(state);
    for (slot, pending) in it.pending.iter_mut().enumerate() {
        let Some(pending) = pending else { continue };
        pending.id = slot as OperationId + 1;
        pending.proposed_at = 0;
        pending.effective_at = BASE + pending.effective_at.saturating_sub(now);
        if let Effect::Cancellation(id) = &mut pending.effect {
            *id = ids(*id);
        }
    }
    for (slot, cool_down) in it.cool_downs.iter_mut().enumerate() {
        let waits = state.pending[slot].is_some();
        *cool_down = canonical_cool_down(*cool_down, rules, now, waits);
    }
    rename_generations(&mut it);
    it
}

/// Returns the map from ids to places.
pub(crate) fn place_ids(state: &State) -> impl Fn(OperationId) -> OperationId + '_ {
    |id| state.find(id).map_or(GONE, |slot| slot as OperationId + 1)
}

/// A cool-down that a proposal now would forget is none; unless a proposal was made before, which
/// counts if it is cancelled. How long ago it would have been forgotten does not matter.
fn canonical_cool_down(it: CoolDown, rules: &Rules, now: Time, waits: bool) -> CoolDown {
    if it.count == 0 {
        return CoolDown::default();
    }
    let count = it.count.min(rules.cool_down_count_max());
    let next = rules.cool_down(count.saturating_add(1));
    if now >= it.until.saturating_add(next) {
        let until = BASE - next;
        let forgotten = CoolDown::default();
        return if waits {
            CoolDown { count, until }
        } else {
            forgotten
        };
    }
    CoolDown {
        count,
        until: (BASE + it.until) - now,
    }
}

/// The two generations of a rank are alike: the one that is met first is 0, looking at
/// the rank's own keys, the other ranks', what waits; a next key met first is 1.
fn rename_generations(state: &mut State) {
    for rank in 0..OWNER_RANKS {
        if first_generation(state, rank).is_some_and(|(generation, name)| generation != name) {
            swap_everywhere(state, rank);
        }
    }
}

/// Returns the generation of a rank's keys that is met first, and what its name should be.
pub(crate) fn first_generation(state: &State, rank: usize) -> Option<(usize, usize)> {
    let own = state.policy.ranks[rank];
    let waiting = state.pending.iter().flatten();
    let waiting = waiting.flat_map(|it| match &it.effect {
        Effect::Control(change) => change.ranks,
        Effect::Recovery(it) => [Some(*it), None, None, None],
        Effect::Deactivation | Effect::Cancellation(_) => [None; RANKS],
    });
    let ranks = std::iter::once(own).chain(state.policy.ranks);
    let all = ranks.chain(waiting.flatten());
    let mut sets = all.flat_map(|it| [(Some(it.set), 0), (it.next, 1)]);
    let generation = |keys: u64| (0..2).find(|it| keys & owner_set(rank, *it).keys != 0);
    sets.find_map(|(set, name)| Some((generation(set?.keys)?, name)))
}

fn swap_everywhere(state: &mut State, rank: usize) {
    for it in &mut state.policy.ranks {
        *it = swapped_rank(*it, rank);
    }
    for pending in state.pending.iter_mut().flatten() {
        match &mut pending.effect {
            Effect::Control(change) => {
                let mut new: Change = **change;
                for it in new.ranks.iter_mut().flatten() {
                    *it = swapped_rank(*it, rank);
                }
                *change = Arc::new(new);
            }
            Effect::Recovery(it) => *it = swapped_rank(*it, rank),
            Effect::Deactivation | Effect::Cancellation(_) => {}
        }
    }
}

fn swapped_rank(it: Rank, rank: usize) -> Rank {
    Rank {
        set: swapped(it.set, rank),
        next: it.next.map(|next| swapped(next, rank)),
        ..it
    }
}

fn swapped(set: KeySet, rank: usize) -> KeySet {
    let low = owner_set(rank, 0).keys;
    let high = owner_set(rank, 1).keys;
    let swap = |bits: u64| bits & !(low | high) | (bits & low) << 2 | (bits & high) >> 2;
    KeySet {
        keys: swap(set.keys),
        heavy: swap(set.heavy),
        threshold: set.threshold,
    }
}
