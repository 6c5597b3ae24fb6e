//! The core search: anybody moves, every move is judged.

use stateright::{Model, Property};

use super::canonical::{BASE, canonical};
use super::moves::{Action, Move, NEW, Who, moves, proposer_of, submission};
use super::views::{authority, superior, view};
use super::world::Config;
use crate::operation::{Body, Lane};
use crate::rules::{Flaws, Rules};
use crate::settle::settled;
use crate::state::{
    Effect, GUARDIANS, Guardians, PROPOSERS, Rank, Retirement, State, Status, Time, proposer,
};
use crate::step::{Context, Refusal, step};

/// What the core search checks, in the order of the bits of [`CoreState::broken`].
pub const CORE_PROPERTIES: [&str; 9] = [
    "LowerNeverRemovesHigher",
    "LowerNeverBlocksHigher",
    "BelowQuorumNothing",
    "SomebodyCanAct",
    "DeactivationIsFinal",
    "NothingReplays",
    "EffectIsInOrder",
    "OneKeyOneRank",
    "NextNeverFails",
];
const REMOVES: u16 = 1;
const BLOCKS: u16 = 1 << 1;
const QUORUM: u16 = 1 << 2;
const ACTS: u16 = 1 << 3;
const FINAL: u16 = 1 << 4;
const REPLAYS: u16 = 1 << 5;
const ORDER: u16 = 1 << 6;
const KEYS: u16 = 1 << 7;
const NEXT_FAILS: u16 = 1 << 8;

/// A state and which properties are broken in it or by the move to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CoreState {
    /// The state, canonical.
    pub state: State,
    /// Bits by place in [`CORE_PROPERTIES`].
    pub broken: u16,
}

/// The search in one configuration.
#[derive(Debug)]
pub struct CoreModel {
    config: Config,
    rules: Rules,
}

impl CoreModel {
    /// Makes the search of a configuration under rules that may have flaws.
    pub fn new(config: Config, flaws: Flaws) -> Self {
        Self {
            config,
            rules: Config::rules(flaws),
        }
    }

    fn at(&self) -> Context<'_> {
        Context::new(&self.rules, BASE)
    }

    /// Judges a move; `None` if it changes nothing.
    fn after(&self, last: &State, it: &Move) -> Option<CoreState> {
        let asked = submission(last, &self.rules, it);
        let mut broken = 0;
        let taken = match step(last, &self.at(), &asked) {
            Ok(taken) => taken,
            Err(_) => return None,
        };
        broken |= self.judged_binding(last, &asked, &taken.state);
        if let Err(refusal) = taken.result {
            broken |= if matches!(it.lane, Lane::Next(_)) {
                NEXT_FAILS
            } else {
                0
            };
            let _ = refusal;
            return (broken != 0)
                .then(|| self.arrived(last, canonical(&taken.state, &self.rules, BASE), broken));
        }
        let after = canonical(&taken.state, &self.rules, BASE);
        broken |= self.judged_authority(last, it, &taken.state);
        broken |= self.judged_cancel(last, it, &taken.state);
        broken |= judged_rest(last, &taken.state, BASE, Some(it.lane));
        Some(self.arrived(last, after, broken))
    }

    /// Adds what is broken in the state itself.
    fn arrived(&self, last: &State, state: State, mut broken: u16) -> CoreState {
        broken |= self.judged_state(&state);
        if !last.is_active() && state.is_active() {
            broken |= FINAL;
        }
        CoreState { state, broken }
    }

    /// Binding, lanes, quotas, signers: who is not meant is not hit, what was taken is not taken
    /// again.
    fn judged_binding(&self, last: &State, asked: &crate::Submission, after: &State) -> u16 {
        let mut broken = 0;
        let at = self.at();
        let mut wrong = [*asked; 4];
        wrong[0].operation.network = 1;
        wrong[1].operation.fork = 1;
        wrong[2].operation.did = 1;
        wrong[3].operation.valid_until = BASE - 1;
        if wrong.iter().any(|it| step(last, &at, it).is_ok()) || step(after, &at, asked).is_ok() {
            broken |= REPLAYS;
        }
        for lane in lanes().filter(|it| it.slot() != asked.operation.lane.slot()) {
            let slot = self.rules.lane_slot(lane);
            let head = last.lanes[slot] != after.lanes[slot];
            if head || last.quota.used[slot] != after.quota.used[slot] {
                broken |= BLOCKS;
            }
        }
        let mut fewer = *asked;
        let least = asked.signers & asked.signers.wrapping_neg();
        fewer.signers &= !least;
        let set = match asked.operation.lane {
            Lane::Guardians => last.policy.guardians.map(|it| it.set),
            Lane::Rank(rank) => Some(last.policy.ranks[usize::from(rank)].set),
            _ => asked.operation.reveal.map(|it| it.set),
        };
        let enough = set.is_some_and(|it| it.reached_by(fewer.signers));
        let mut twice = fewer;
        twice.repeated = fewer.signers;
        let mut padded = *asked;
        padded.signers |= 1 << 60;
        let takes = |it: &crate::Submission| step(last, &at, it).is_ok();
        if (takes(&fewer) != enough) || takes(&twice) || takes(&padded) {
            broken |= QUORUM;
        }
        broken
    }

    /// Nobody below touches at once what those above have.
    fn judged_authority(&self, last: &State, it: &Move, after: &State) -> u16 {
        let Some(mut above) = superior(it.lane) else {
            return 0;
        };
        if it.lane == Lane::Rank(0) && !last.policy.is_protected() {
            return 0;
        }
        if let (Lane::Next(rank), Lane::Rank(_)) = (above, it.lane) {
            if rank > 0 && last.policy.ranks[usize::from(rank)].next.is_none() {
                above = Lane::Rank(rank - 1);
            }
        }
        let mut broken = 0;
        let seen = |state: &State| {
            let mut seen = view(&without_lanes(state), above, false);
            // A cancellation is the guardians' business only when it takes effect.
            seen.status = Status::Active;
            seen
        };
        if seen(last) != seen(after) {
            broken |= REMOVES;
        }
        if matches!(it.body, Body::Deactivate)
            && it.lane == Lane::Rank(0)
            && last.policy.is_protected()
        {
            broken |= REMOVES;
        }
        let own = proposer_of(it.lane);
        if let Some(new) = own
            .and_then(|slot| after.pending[slot].as_ref())
            .filter(|it| it.id == NEW)
        {
            let delay = match own {
                Some(GUARDIANS) => last.policy.guardians.map_or(0, |it| it.delay),
                _ => last.policy.delay,
            };
            if new.effective_at < BASE + self.rules.clamped(delay) {
                broken |= REMOVES;
            }
        }
        broken |= self.judged_capabilities(last, it, after);
        broken
    }

    /// Below rank 0 nobody hands out at once what he does not have.
    fn judged_capabilities(&self, last: &State, it: &Move, after: &State) -> u16 {
        let Some(rank) = it.lane.rank().filter(|rank| *rank > 0) else {
            return 0;
        };
        let had = last.policy.ranks[rank].capabilities;
        let gained = last.policy.ranks.iter().zip(&after.policy.ranks);
        let gained = gained.filter(|(before, now)| before != now);
        let mut gained = gained.map(|(before, now)| now.capabilities & !before.capabilities);
        if gained.any(|it| it & !had != 0) {
            REMOVES
        } else {
            0
        }
    }

    /// A cancellation hits the change it names and nothing else of equal or higher standing.
    fn judged_cancel(&self, last: &State, it: &Move, after: &State) -> u16 {
        let Body::Cancel(id) = it.body else { return 0 };
        let named = last.find(id);
        let mut broken = 0;
        if it.reveal.is_none() {
            for slot in (0..PROPOSERS).filter(|slot| Some(*slot) != named) {
                let moot = matches!(last.pending[slot].as_ref().map(|it| &it.effect), Some(Effect::Cancellation(of)) if *of == id);
                if last.pending[slot].is_some() && after.pending[slot].is_none() && !moot {
                    broken |= REPLAYS;
                }
            }
        }
        // Next keys that cancel somebody else's change make him rest, whatever their reveal
        // clears.
        if let (Lane::Next(0), Some(slot)) = (it.lane, named) {
            if slot == GUARDIANS && after.cool_downs[slot].until <= BASE {
                broken |= BLOCKS;
            }
        }
        broken
    }

    /// Time passes by one step.
    fn later(&self, last: &State) -> CoreState {
        let now = BASE + 1;
        let after = settled(last, &self.rules, now).state;
        let mut broken = 0;
        let due = last
            .pending
            .iter()
            .flatten()
            .any(|it| it.effective_at <= now);
        if !due && (after.policy != last.policy || after.status != last.status) {
            broken |= REMOVES;
        }
        let recovered = last.pending[GUARDIANS]
            .as_ref()
            .filter(|it| it.effective_at <= now);
        if let Some(Effect::Recovery(rank)) = recovered.map(|it| it.effect.clone()) {
            broken |= self.judged_recovery(last, rank);
        }
        broken |= judged_rest(last, &after, now, None);
        self.arrived(last, canonical(&after, &self.rules, now), broken)
    }

    /// A recovery leaves nothing that somebody else put there.
    fn judged_recovery(&self, last: &State, rank: Rank) -> u16 {
        let mut dirty = last.clone();
        dirty.document.methods = 0b11;
        dirty.document.controllers = 0b1;
        let clean = settled(&dirty, &self.rules, BASE + 1).state;
        let mut ranks = [Rank::VACANT; crate::RANKS];
        ranks[0] = rank;
        let retired = clean.document.retired.iter();
        let compromised = retired.filter(|(_, it)| matches!(it, Retirement::CompromisedSince(_)));
        let good = clean.policy.ranks == ranks
            && clean.policy.guardians == last.policy.guardians
            && clean.document.methods == 0
            && clean.document.controllers == 0
            && compromised.count() == 2
            && clean.grant_epoch == last.grant_epoch + 1
            && clean.pending.iter().all(Option::is_none)
            && clean.cool_downs.iter().all(|it| it.count == 0);
        if good || !clean.is_active() {
            0
        } else {
            REMOVES
        }
    }

    /// Properties of a state alone.
    fn judged_state(&self, state: &State) -> u16 {
        let mut broken = 0;
        if !state.is_active() {
            let acts = lanes().any(|lane| {
                let body = Body::Deactivate;
                let it = Move {
                    lane,
                    reveal: None,
                    body,
                };
                step(state, &self.at(), &submission(state, &self.rules, &it))
                    != Err(Refusal::Deactivated)
                    && matches!(lane, Lane::Rank(0))
            });
            return if acts { FINAL } else { 0 };
        }
        let ranks = &state.policy.ranks;
        if !ranks[0].set.is_sound() {
            broken |= ACTS;
        }
        let shared = (0..crate::RANKS)
            .any(|low| (0..low).any(|high| ranks[low].set.shares_with(&ranks[high].set)));
        let ghost = ranks.iter().any(|it| it.is_vacant() && *it != Rank::VACANT);
        if shared || ghost {
            broken |= KEYS;
        }
        let moot = state.pending.iter().flatten().any(|it| match it.effect {
            Effect::Cancellation(id) => state.find(id) != Some(GUARDIANS),
            _ => false,
        });
        if moot {
            broken |= BLOCKS;
        }
        broken | self.judged_order(state) | self.judged_stoppable(state)
    }

    /// Settling early, late, step by step or at once is the same.
    fn judged_order(&self, state: &State) -> u16 {
        let last_time = state
            .pending
            .iter()
            .flatten()
            .map(|it| it.effective_at)
            .max();
        let Some(last_time) = last_time else { return 0 };
        let at_once = settled(state, &self.rules, last_time).state;
        let mut step_by_step = state.clone();
        for now in BASE..=last_time {
            step_by_step = settled(&step_by_step, &self.rules, now).state;
        }
        if at_once == step_by_step { 0 } else { ORDER }
    }

    /// Whatever waits, everybody above who exists can end it now.
    fn judged_stoppable(&self, state: &State) -> u16 {
        let mut broken = 0;
        for slot in 0..PROPOSERS {
            let Some(pending) = &state.pending[slot] else {
                continue;
            };
            let own = if slot == GUARDIANS {
                Lane::Guardians
            } else {
                Lane::Rank(slot as u8 - 1)
            };
            let above = lanes().filter(|lane| authority(*lane) < authority(own));
            for lane in above.filter(|lane| exists(state, *lane)) {
                let ends = ways_to_end(state, lane, slot, pending.id)
                    .into_iter()
                    .any(|it| {
                        let asked = submission(state, &self.rules, &it);
                        let taken = step(state, &self.at(), &asked);
                        taken.is_ok_and(|it| it.result.is_ok() && it.state.pending[slot].is_none())
                    });
                if !ends {
                    broken |= REMOVES;
                }
            }
        }
        broken
    }

    /// Every operation of a higher party does the same whatever those below have done: its outcome
    /// is that in the state from which everything of theirs is removed.
    fn unhindered(&self, state: &State, it: &Move) -> bool {
        let targets_lower = match it.body {
            Body::Cancel(id) => state.find(id).is_none_or(|slot| {
                let scrubbed = view(state, it.lane, false);
                scrubbed.pending[slot].is_none()
            }),
            _ => false,
        };
        if targets_lower || it.lane == Lane::Documents {
            return true;
        }
        let scrubbed = view(state, it.lane, false);
        let asked = submission(state, &self.rules, it);
        let real = step(state, &self.at(), &asked);
        let ideal = step(&scrubbed, &self.at(), &asked);
        match (real, ideal) {
            (Ok(real), Ok(ideal)) => {
                let seen =
                    |state: &State| view(&canonical(state, &self.rules, BASE), it.lane, true);
                real.result == ideal.result
                    && (seen(&real.state) == seen(&ideal.state) || real.result.is_err())
            }
            (Err(real), Err(ideal)) => real == ideal,
            _ => false,
        }
    }
}

fn without_lanes(state: &State) -> State {
    State {
        lanes: Default::default(),
        quota: Default::default(),
        ..state.clone()
    }
}

/// A rank's fresh keys do not inherit the rest that others earned.
fn judged_rest(last: &State, after: &State, now: Time, by: Option<Lane>) -> u16 {
    let inherits = (0..crate::RANKS).any(|rank| {
        last.policy.ranks[rank] != after.policy.ranks[rank]
            && by != Some(Lane::Rank(rank as u8))
            && after.cool_downs[proposer(rank)].until > now
    });
    let guardians = |it: &State| it.policy.guardians.map(|it: Guardians| it.set);
    let guardians_inherit =
        guardians(last) != guardians(after) && after.cool_downs[GUARDIANS].until > now;
    if inherits || guardians_inherit {
        BLOCKS
    } else {
        0
    }
}

fn lanes() -> impl Iterator<Item = Lane> {
    let ranks = (0..crate::RANKS as u8).flat_map(|it| [Lane::Next(it), Lane::Rank(it)]);
    ranks.chain([Lane::Guardians])
}

fn exists(state: &State, lane: Lane) -> bool {
    let ranks = &state.policy.ranks;
    match lane {
        Lane::Rank(rank) => !ranks[usize::from(rank)].is_vacant(),
        Lane::Next(rank) => {
            let rank = usize::from(rank);
            // A commitment to a key that a rank above has is void by that rank's doing.
            ranks[rank].next.is_some_and(|next| {
                !ranks[..rank]
                    .iter()
                    .any(|above| above.set.shares_with(&next))
            })
        }
        Lane::Guardians => state.policy.guardians.is_some(),
        Lane::Documents => false,
    }
}

fn ways_to_end(state: &State, lane: Lane, slot: usize, id: u32) -> Vec<Move> {
    let reveal = match lane {
        Lane::Next(rank) => state.policy.ranks[usize::from(rank)].next,
        _ => None,
    };
    let reveal = reveal.map(|set| crate::Reveal { set, next: None });
    let make = |body| Move { lane, reveal, body };
    let mut ways = vec![make(Body::Cancel(id))];
    if slot != GUARDIANS && matches!(lane, Lane::Rank(_)) {
        let rank = slot - 1;
        let mut change = crate::Change::default();
        change.ranks[rank] = Some(Rank::VACANT);
        ways.push(make(Body::Rotate {
            change,
            document: None,
        }));
    }
    ways
}

impl Model for CoreModel {
    type State = CoreState;
    type Action = Action;

    fn init_states(&self) -> Vec<CoreState> {
        let state = canonical(&self.config.initial(), &self.rules, BASE);
        vec![CoreState { state, broken: 0 }]
    }

    fn actions(&self, at: &CoreState, actions: &mut Vec<Action>) {
        if at.broken != 0 || !at.state.is_active() {
            return;
        }
        let all = moves(&at.state, &self.config, Who::Anybody, |_| true);
        actions.extend(all.into_iter().map(Action::Acts));
        actions.push(Action::TimePasses);
    }

    fn next_state(&self, last: &CoreState, action: Action) -> Option<CoreState> {
        match action {
            Action::Acts(it) => {
                if !self.unhindered(&last.state, &it) {
                    let state = last.state.clone();
                    return Some(CoreState {
                        state,
                        broken: BLOCKS,
                    });
                }
                self.after(&last.state, &it)
            }
            Action::TimePasses => Some(self.later(&last.state)),
            Action::Announces(_) | Action::Included => None,
        }
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(CORE_PROPERTIES[0], |_, it: &CoreState| {
                it.broken & REMOVES == 0
            }),
            Property::always(CORE_PROPERTIES[1], |_, it: &CoreState| {
                it.broken & BLOCKS == 0
            }),
            Property::always(CORE_PROPERTIES[2], |_, it: &CoreState| {
                it.broken & QUORUM == 0
            }),
            Property::always(CORE_PROPERTIES[3], |_, it: &CoreState| {
                it.broken & ACTS == 0
            }),
            Property::always(CORE_PROPERTIES[4], |_, it: &CoreState| {
                it.broken & FINAL == 0
            }),
            Property::always(CORE_PROPERTIES[5], |_, it: &CoreState| {
                it.broken & REPLAYS == 0
            }),
            Property::always(CORE_PROPERTIES[6], |_, it: &CoreState| {
                it.broken & ORDER == 0
            }),
            Property::always(CORE_PROPERTIES[7], |_, it: &CoreState| {
                it.broken & KEYS == 0
            }),
            Property::always(CORE_PROPERTIES[8], |_, it: &CoreState| {
                it.broken & NEXT_FAILS == 0
            }),
        ]
    }
}
