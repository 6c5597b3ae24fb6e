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
    Change, CoolDown, Document, Effect, LaneHead, OperationId, QuotaUse, Rank, State, Status, Time,
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
    for cool_down in &mut it.cool_downs {
        *cool_down = canonical_cool_down(*cool_down, rules, now);
    }
    rename_generations(&mut it);
    it
}

/// Returns the map from ids to places.
pub(crate) fn place_ids(state: &State) -> impl Fn(OperationId) -> OperationId + '_ {
    |id| state.find(id).map_or(GONE, |slot| slot as OperationId + 1)
}

/// A cool-down that a proposal now would forget is none.
fn canonical_cool_down(it: CoolDown, rules: &Rules, now: Time) -> CoolDown {
    if it.count == 0 {
        return CoolDown::default();
    }
    let count = it.count.min(rules.cool_down_count_max());
    let next = rules.cool_down(count.saturating_add(1));
    if now >= it.until.saturating_add(next) {
        return CoolDown::default();
    }
    CoolDown {
        count,
        until: (BASE + it.until) - now,
    }
}

/// The owner's two generations of a rank's keys are alike: names are given anew.
fn rename_generations(state: &mut State) {
    for rank in 0..OWNER_RANKS {
        let old = owner_set(rank, 0).keys;
        let new = owner_set(rank, 1).keys;
        let it = state.policy.ranks[rank];
        let present = it.set.keys;
        let next = it.next.map_or(0, |it| it.keys);
        let only_new_present = present & new != 0 && present & old == 0;
        let only_old_next = present & (old | new) == 0 && next & old != 0 && next & new == 0;
        if only_new_present || only_old_next {
            swap_everywhere(state, rank);
        }
    }
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
