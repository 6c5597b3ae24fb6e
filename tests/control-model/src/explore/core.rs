//! The core search: anybody moves, every move is judged.

use stateright::{Model, Property};

use super::canonical::{BASE, canonical};
use super::judge::{ACTS, BLOCKS, FINAL, Judge, KEYS, NEXT_FAILS, ORDER, QUORUM, REMOVES, REPLAYS};
use super::moves::{Action, Move, Who, moves, submission};
use super::world::Config;
use crate::rules::Flaws;
use crate::settle::settled;
use crate::state::State;
use crate::step::step;

/// What the core search checks: the invariants of the specification that are about single moves
/// and states, and two that the others lean on.
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

/// A state, and which properties the move to it has broken.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CoreState {
    /// The state, canonical.
    pub state: State,
    /// Bits by place in [`CORE_PROPERTIES`].
    pub broken: u16,
}

/// The search in one configuration.
#[derive(Debug)]
pub struct CoreModel(Judge);

impl CoreModel {
    /// Makes the search of a configuration under rules that may have flaws.
    pub fn new(config: Config, flaws: Flaws) -> Self {
        Self(Judge {
            config,
            rules: Config::rules(flaws),
        })
    }

    /// Makes a move; `None` if it changes nothing and breaks nothing.
    fn after(&self, last: &State, it: &Move) -> Option<CoreState> {
        let asked = submission(last, &self.0.rules, it);
        let real = step(last, &self.0.at(), &asked);
        let broken = self.0.of_move(last, it, &asked, &real);
        let state = match real {
            Ok(taken) if taken.result.is_ok() => canonical(&taken.state, &self.0.rules, BASE),
            _ if broken == 0 => return None,
            _ => last.clone(),
        };
        Some(CoreState { state, broken })
    }

    /// Lets one step of time pass.
    fn later(&self, last: &State) -> CoreState {
        let after = settled(last, &self.0.rules, BASE + 1).state;
        CoreState {
            broken: self.0.of_time(last, &after),
            state: canonical(&after, &self.0.rules, BASE + 1),
        }
    }

    fn holds(&self, at: &CoreState, bit: u16) -> bool {
        at.broken & bit == 0 && self.0.of_state(&at.state, bit) == 0
    }
}

impl Model for CoreModel {
    type State = CoreState;
    type Action = Action;

    fn init_states(&self) -> Vec<CoreState> {
        let state = canonical(&self.0.config.initial(), &self.0.rules, BASE);
        vec![CoreState { state, broken: 0 }]
    }

    fn actions(&self, at: &CoreState, actions: &mut Vec<Action>) {
        if at.broken != 0 || !at.state.is_active() {
            return;
        }
        let all = moves(&at.state, &self.0.config, Who::Anybody, |_| true);
        actions.extend(all.into_iter().map(Action::Acts));
        actions.push(Action::TimePasses);
    }

    fn next_state(&self, last: &CoreState, action: Action) -> Option<CoreState> {
        match action {
            Action::Acts(it) => self.after(&last.state, &it),
            Action::TimePasses => Some(self.later(&last.state)),
            Action::Announces(_) | Action::Included => None,
        }
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let [
            removes,
            blocks,
            quorum,
            acts,
            last,
            replays,
            order,
            keys,
            fails,
        ] = CORE_PROPERTIES;
        vec![
            Property::always(removes, |it: &Self, at| it.holds(at, REMOVES)),
            Property::always(blocks, |it: &Self, at| it.holds(at, BLOCKS)),
            Property::always(quorum, |it: &Self, at| it.holds(at, QUORUM)),
            Property::always(acts, |it: &Self, at| it.holds(at, ACTS)),
            Property::always(last, |it: &Self, at| it.holds(at, FINAL)),
            Property::always(replays, |it: &Self, at| it.holds(at, REPLAYS)),
            Property::always(order, |it: &Self, at| it.holds(at, ORDER)),
            Property::always(keys, |it: &Self, at| it.holds(at, KEYS)),
            Property::always(fails, |it: &Self, at| it.holds(at, NEXT_FAILS)),
        ]
    }
}
