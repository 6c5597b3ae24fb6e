//! What time alone does: `effective(record, now)` (spec/control.md §3).

use crate::control::{Actor, apply, cool_down, remove};
use crate::quota;
use crate::rules::Rules;
use crate::state::{
    CoolDown, Effect, GUARDIANS, OperationId, PROPOSERS, Proposer, RANKS, Rank, Retirement, State,
    Status, Time,
};

/// A state that time has passed over, and what took effect, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The state.
    pub state: State,
    /// Ids of the pending changes that took effect, and when.
    pub effects: Vec<(OperationId, Time)>,
}

/// Returns `state` as it is at `now`.
pub fn settled(state: &State, rules: &Rules, now: Time) -> Settled {
    let mut state = state.clone();
    let mut effects = Vec::new();
    while let Some(slot) = due(&state, rules, now) {
        let before = state.policy;
        let (id, at) = take_effect(&mut state, rules, slot);
        let own = slot.checked_sub(1);
        quota::give_back(&mut state, rules, now, &before, own, own.is_none());
        effects.push((id, at));
    }
    Settled { state, effects }
}

/// Returns whose change takes effect next, if its time has come: the earliest, then the highest.
fn due(state: &State, rules: &Rules, now: Time) -> Option<Proposer> {
    if !state.is_active() {
        return None;
    }
    let slots = state.pending.iter().enumerate();
    let candidates = slots.filter_map(|(slot, it)| Some((it.as_ref()?.effective_at, slot)));
    let mut due = candidates.filter(|(at, _)| *at <= now || rules.flaws.effect_ignores_time);
    if rules.flaws.effects_by_standing {
        return due.map(|(_, slot)| slot).next();
    }
    due.by_ref().min().map(|(_, slot)| slot)
}

fn take_effect(state: &mut State, rules: &Rules, slot: Proposer) -> (OperationId, Time) {
    let pending = state.pending[slot].clone().expect("the slot is due");
    let at = pending.effective_at;
    // A recovery's cancellation goes with it; everything else stays until the change has cleared
    // it.
    remove(state, rules, slot);
    if !rules.flaws.cool_down_outlives_thief {
        state.cool_downs[slot] = CoolDown::default();
    }
    match pending.effect {
        Effect::Control(change) => {
            apply(
                state,
                rules,
                Actor::Effect(slot.saturating_sub(1)),
                None,
                &change,
            );
        }
        Effect::Recovery(rank) => recover(state, rules, rank, pending.proposed_at, at),
        Effect::Deactivation => deactivate(state, at),
        Effect::Cancellation(id) => {
            if let Some(hit) = state.find(id) {
                remove(state, rules, hit);
            }
            cool_down(state, rules, GUARDIANS, at);
        }
    }
    (pending.id, at)
}

fn recover(state: &mut State, rules: &Rules, rank: Rank, since: Time, at: Time) {
    if rules.flaws.recovery_keeps_lower_ranks {
        state.policy.ranks[0] = rank;
    } else {
        state.policy.ranks = [Rank::VACANT; RANKS];
        state.policy.ranks[0] = rank;
    }
    retire_all(state, Retirement::CompromisedSince(since));
    state.document.controllers = 0;
    state.not_before = state.not_before.max(at);
    state.grant_epoch = state.grant_epoch.saturating_add(1);
    state.pending = Default::default();
    state.cool_downs = [CoolDown::default(); PROPOSERS];
}

/// Ends the identity: the document is emptied, nothing waits any more.
pub(crate) fn deactivate(state: &mut State, at: Time) {
    state.status = Status::Deactivated(at);
    retire_all(state, Retirement::Routine);
    state.document.controllers = 0;
    state.pending = Default::default();
}

fn retire_all(state: &mut State, reason: Retirement) {
    for method in (0..64).filter(|it| state.document.methods & (1 << it) != 0) {
        state.document.retired.push((method, reason));
    }
    state.document.methods = 0;
}
