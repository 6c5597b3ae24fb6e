//! Changes of ranks, guardians and delay, and what they clear (spec/control.md §2, §3 rule 6, §4).

use crate::operation::Reveal;
use crate::rules::Rules;
use crate::state::{Change, OperationId};
use crate::state::{
    CoolDown, Effect, GUARDIANS, PROPOSERS, Policy, Proposer, RANKS, Rank, State, Time, proposer,
};
use crate::step::Refusal;

/// Who makes a change of control.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Actor {
    /// The exposed keys of a rank, at once.
    Exposed(usize),
    /// The next keys of a rank, at once.
    Next(usize),
    /// Nobody: a pending change of this rank takes effect.
    Effect(usize),
}

impl Actor {
    /// Returns the acting rank.
    const fn rank(self) -> usize {
        match self {
            Self::Exposed(rank) | Self::Next(rank) | Self::Effect(rank) => rank,
        }
    }
}

/// Returns why a rank's exposed keys may not make this change at once.
pub(crate) fn refusal_at_once(policy: &Policy, rank: usize, change: &Change) -> Option<Refusal> {
    let apex = change.ranks[0].is_some() || change.guardians.is_some() || change.delay.is_some();
    if change.ranks[..rank].iter().any(Option::is_some) || (rank > 0 && apex) {
        return Some(Refusal::NotAbove);
    }
    if rank == 0 && apex && policy.is_protected() {
        return Some(Refusal::MustWait);
    }
    if rank > 0 && change.ranks[rank].is_some() && policy.ranks[rank].next.is_some() {
        return Some(Refusal::RevealRequired);
    }
    None
}

/// Returns `KeyInTwoRanks` if the ranks of the change share keys with each other, or with one
/// above them, and not below the acting rank, that it does not set.
pub(crate) fn shares_keys(
    rules: &Rules,
    policy: &Policy,
    acting: usize,
    change: &Change,
) -> Option<Refusal> {
    let conflict = (0..RANKS).any(|low| {
        let Some(rank) = change.ranks[low] else {
            return false;
        };
        (0..low).any(|high| {
            let set = change.ranks[high];
            let counts = set.is_some() || high <= acting || rules.flaws.rank_between_blocks;
            counts && set.unwrap_or(policy.ranks[high]).set.shares_with(&rank.set)
        })
    });
    conflict.then_some(Refusal::KeyInTwoRanks)
}

/// Returns `KeyInTwoRanks` if a rank of the change shares a key with any other rank, for a planted
/// flaw.
pub(crate) fn shares_keys_anywhere(policy: &Policy, change: &Change) -> Option<Refusal> {
    let rank = |index: usize| change.ranks[index].unwrap_or(policy.ranks[index]);
    let conflict = (0..RANKS).any(|one| {
        change.ranks[one].is_some()
            && (0..RANKS).any(|other| other != one && rank(one).set.shares_with(&rank(other).set))
    });
    conflict.then_some(Refusal::KeyInTwoRanks)
}

/// Makes the change, with `reveal` of the acting rank first. Nothing here can fail.
pub(crate) fn apply(
    state: &mut State,
    rules: &Rules,
    actor: Actor,
    reveal: Option<&Reveal>,
    change: &Change,
) {
    let mut set = change.ranks;
    let lacking = match actor {
        Actor::Exposed(rank) | Actor::Next(rank)
            if rank > 0 && !rules.flaws.capabilities_escalate =>
        {
            !state.policy.ranks[rank].capabilities
        }
        _ => 0,
    };
    for rank in set.iter_mut().flatten() {
        rank.capabilities &= !lacking;
    }
    if let (Actor::Next(rank), Some(reveal)) = (actor, reveal) {
        let capabilities = state.policy.ranks[rank].capabilities;
        set[rank].get_or_insert(Rank {
            set: reveal.set,
            capabilities,
            next: reveal.next,
        });
    }
    let before = state.policy.ranks;
    let mut changed = set.map(|it| it.is_some());
    let blind = matches!(actor, Actor::Effect(_)) && rules.flaws.effect_shares_keys;
    // What is set yields to what stands above and is not below the acting rank.
    for index in (0..RANKS).filter(|_| !blind) {
        let above = (0..index).filter(|high| *high <= actor.rank() && set[*high].is_none());
        let rivals = |it: Rank| {
            above
                .clone()
                .any(|high| before[high].set.shares_with(&it.set))
        };
        set[index] = set[index].map(|it| if rivals(it) { vacated(rules, it) } else { it });
    }
    // What is not set yields to what is.
    for index in 0..RANKS {
        let yields = set
            .iter()
            .flatten()
            .any(|it| it.set.shares_with(&before[index].set));
        state.policy.ranks[index] = match set[index] {
            Some(rank) => rank,
            None if yields && !blind => vacated(rules, before[index]),
            None => before[index],
        };
        changed[index] |= set[index].is_none() && yields && !blind;
    }
    if let Some(guardians) = change.guardians {
        state.policy.guardians = guardians;
        state.cool_downs[GUARDIANS] = CoolDown::default();
    }
    if let Some(delay) = change.delay {
        state.policy.delay = delay;
    }
    let everything = changed[0] || change.guardians.is_some() || change.delay.is_some();
    clear(state, rules, &changed, everything);
    for (index, _) in changed.iter().enumerate().filter(|(_, it)| **it) {
        if actor != Actor::Exposed(index) && !rules.flaws.cool_down_outlives_thief {
            state.cool_downs[proposer(index)] = CoolDown::default();
        }
    }
}

fn vacated(rules: &Rules, rank: Rank) -> Rank {
    let next = rank.next.filter(|_| rules.flaws.vacant_keeps_commitment);
    Rank {
        next,
        ..Rank::VACANT
    }
}

/// Rule 6: a change of rank i clears what Rank(j), j >= i, proposed; of rank 0, guardians or
/// delay, all.
fn clear(state: &mut State, rules: &Rules, changed: &[bool; RANKS], everything: bool) {
    if rules.flaws.change_clears_nothing {
        return;
    }
    let first = changed.iter().position(|it| *it);
    let from = if everything {
        GUARDIANS
    } else {
        first.map_or(PROPOSERS, proposer)
    };
    for slot in from..PROPOSERS {
        remove(state, rules, slot);
    }
}

/// Removes a pending change, and with a recovery its cancellation.
pub(crate) fn remove(state: &mut State, rules: &Rules, slot: Proposer) -> Option<Effect> {
    let gone = state.pending[slot].take()?;
    if matches!(gone.effect, Effect::Recovery(_)) && !rules.flaws.cancellation_outlives_recovery {
        for other in &mut state.pending {
            if other
                .as_ref()
                .is_some_and(|it| it.effect == Effect::Cancellation(gone.id))
            {
                *other = None;
            }
        }
    }
    Some(gone.effect)
}

/// Cancels the change in `slot`; its proposer rests if somebody else did it.
pub(crate) fn cancel(
    state: &mut State,
    rules: &Rules,
    slot: Proposer,
    withdrawal: bool,
    now: Time,
) {
    remove(state, rules, slot);
    if !withdrawal {
        cool_down(state, rules, slot, now);
    }
}

/// Lets a proposer rest, longer each time.
pub(crate) fn cool_down(state: &mut State, rules: &Rules, slot: Proposer, now: Time) {
    let count = state.cool_downs[slot].count.saturating_add(1);
    state.cool_downs[slot] = CoolDown {
        count,
        until: now.saturating_add(rules.cool_down(count)),
    };
}

/// Returns whether a cancellation of `id` finds the change of `slot`.
pub(crate) fn hits(rules: &Rules, state: &State, id: OperationId) -> Option<Proposer> {
    if rules.flaws.cancel_needs_no_id {
        return state
            .find(id)
            .or(state.pending.iter().position(Option::is_some));
    }
    state.find(id)
}
