//! The game: a thief against one rescuer who acts within the delay.
//!
//! The thief moves first, as often as he likes, and between the announcement of the rescuer's
//! operation and its inclusion: that is front-running, and he may list the keys that it reveals.
//! Time passes only while the rescuer has nothing that must be done: no change of the thief's may
//! take effect at the next step.

use stateright::{Model, Property};

use super::canonical::{BASE, GONE, canonical, place_ids};
use super::moves::{Action, Move, Who, fresh_owner_rank, moves, submission};
use super::profile::Profile;
use super::world::{Config, DELAY, OWNER_RANKS, THIEF_KEYS, owner_set};
use crate::keys::KeySet;
use crate::operation::{Body, Lane, Reveal};
use crate::rules::{Flaws, Rules};
use crate::settle::settled;
use crate::state::{Change, Effect, GUARDIANS, OperationId, PROPOSERS, Pending, Rank, State};
use crate::step::{Context, Refusal, step};

/// What the game checks.
pub const GAME_PROPERTIES: [&str; 4] = [
    "ThiefNeverWins",
    "RescueIsNotRefused",
    "RescueIsComplete",
    "RescuerCanAct",
];
const WINS: u8 = 1;
const REFUSED: u8 = 1 << 1;
const INCOMPLETE: u8 = 1 << 2;
const IDLE: u8 = 1 << 3;

/// Who rescues, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Strategy {
    /// Nobody does: shows that the thief would win.
    Nobody,
    /// The owner rotates everything with rank 0's next keys.
    NextRotates,
    /// The owner cancels with rank 0's next keys.
    NextCancels,
    /// The guardians recover, and cancel what would stop them.
    GuardiansRecover,
    /// The guardians cancel.
    GuardiansCancel,
    /// The owner replaces the lower ranks with rank 0's exposed keys.
    ExposedRotates,
    /// The owner cancels with rank 0's exposed keys.
    ExposedCancels,
    /// The owner withdraws what the thief proposes with the same keys.
    ExposedWithdraws,
}

impl Strategy {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Nobody,
        Self::NextRotates,
        Self::NextCancels,
        Self::GuardiansRecover,
        Self::GuardiansCancel,
        Self::ExposedRotates,
        Self::ExposedCancels,
        Self::ExposedWithdraws,
    ];

    /// Returns the rescuer's lane.
    pub const fn lane(self) -> Option<Lane> {
        match self {
            Self::Nobody => None,
            Self::NextRotates | Self::NextCancels => Some(Lane::Next(0)),
            Self::GuardiansRecover | Self::GuardiansCancel => Some(Lane::Guardians),
            Self::ExposedRotates | Self::ExposedCancels | Self::ExposedWithdraws => {
                Some(Lane::Rank(0))
            }
        }
    }

    /// Returns whether the specification says that it wins.
    pub fn wins(self, config: &Config, thief: &Profile) -> bool {
        let next = config.commits(0) && thief.next[0];
        let guardians = config.guardians && thief.guardians;
        match self {
            Self::Nobody => false,
            Self::NextRotates | Self::NextCancels => config.commits(0) && !next,
            Self::GuardiansRecover | Self::GuardiansCancel => {
                config.guardians && !guardians && !next
            }
            Self::ExposedRotates | Self::ExposedCancels => !thief.exposed[0] && !next && !guardians,
            Self::ExposedWithdraws => {
                thief.exposed[0] && !next && !guardians && (config.commits(0) || config.guardians)
            }
        }
    }

    /// Returns the largest profile that the strategy must beat, if it must beat any.
    ///
    /// **Lemma.** A strategy that beats a profile beats every smaller one. Proof: what the rescuer
    /// does depends on the state alone, and a thief with more parties can make every move of one
    /// with fewer; so every play of the smaller game is one of the larger. What must be beaten is
    /// closed under union ([`Strategy::wins`] only says which parties the thief must lack; for
    /// `ExposedWithdraws`, also that he has rank 0's keys, which the largest has), so one search
    /// covers all. The test `the_largest_profile_stands_for_all` checks both.
    pub fn strongest(self, config: &Config) -> Option<Profile> {
        let profiles = Profile::all(config).into_iter().map(|(it, _)| it);
        profiles
            .filter(|it| self.wins(config, it))
            .max_by_key(Profile::len)
    }

    /// Returns whether a thief with this one party takes the identity if nobody acts: with a party
    /// at the top at once; with one that may propose, after the delay.
    pub fn loses_without_rescue(config: &Config, thief: &Profile) -> bool {
        let proposes = |rank: usize| rank < 2 || config.all_capabilities;
        thief.guardians
            || thief.next[0]
            || (0..OWNER_RANKS).any(|it| thief.exposed[it] && proposes(it))
            || (1..OWNER_RANKS).any(|it| thief.next[it] && proposes(it))
    }

    /// Returns the invariant of the specification that its victory is.
    pub fn invariant(self, thief: &Profile) -> &'static str {
        match self {
            Self::Nobody => "TheDelayMatters",
            Self::NextRotates | Self::NextCancels if thief.guardians => "NextBeatsGuardians",
            Self::NextRotates | Self::NextCancels => "NextBeatsExposed",
            Self::GuardiansRecover | Self::GuardiansCancel => "GuardiansBeatExposed",
            Self::ExposedRotates | Self::ExposedCancels => "Rank0BeatsLower",
            Self::ExposedWithdraws => "StalemateAtWorst",
        }
    }
}

/// The rescuer's operation that everybody has seen. Its keys are known from the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Announced {
    /// All lower ranks anew.
    Rotation,
    /// A recovery.
    Recovery,
    /// A cancellation of this id.
    Cancellation(OperationId),
}

/// A state of the game.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GameState {
    /// The identity, canonical.
    pub state: State,
    /// The rescuer's operation that everybody has seen.
    pub announced: Option<Announced>,
    /// Whether the pending recovery is the rescuer's.
    pub recovering: bool,
    /// Bits by place in [`GAME_PROPERTIES`].
    pub broken: u8,
}

/// The game in one configuration, against one profile, with one strategy.
#[derive(Debug)]
pub struct GameModel {
    config: Config,
    rules: Rules,
    thief: Profile,
    strategy: Strategy,
}

impl GameModel {
    /// Makes a game under rules that may have flaws.
    pub fn new(config: Config, flaws: Flaws, thief: Profile, strategy: Strategy) -> Self {
        Self {
            config,
            rules: Config::rules(flaws),
            thief,
            strategy,
        }
    }

    fn thief_may_act(&self, state: &State, lane: Lane) -> bool {
        let has = |set: KeySet| {
            let owners = lane.rank().is_some_and(|rank| {
                rank < OWNER_RANKS && (0..2).any(|g| owner_set(rank, g) == set)
            });
            if owners { self.thief.has(lane) } else { true }
        };
        match lane {
            Lane::Rank(rank) => has(state.policy.ranks[usize::from(rank)].set),
            Lane::Next(rank) => state.policy.ranks[usize::from(rank)].next.is_some_and(has),
            Lane::Guardians => state
                .policy
                .guardians
                .is_some_and(|it| it.set.keys & THIEF_KEYS != 0 || self.thief.guardians),
            Lane::Documents => false,
        }
    }

    /// Returns whether rank 0, guardians, delay or life are the owner's no more.
    fn is_lost(&self, state: &State) -> bool {
        let top = &state.policy.ranks[0];
        let owners = |set: KeySet| (0..2).any(|generation| owner_set(0, generation) == set);
        let guardians = self.config.guardians.then(|| self.config.owner_guardians());
        !state.is_active()
            || !owners(top.set)
            || !top.next.is_none_or(owners)
            || top.next.is_some() != self.config.commits(0)
            || state.policy.guardians != guardians
            || state.policy.delay != DELAY
    }

    fn is_threat(&self, it: &GameState, slot: usize) -> bool {
        it.state.pending[slot].is_some() && !(slot == GUARDIANS && it.recovering)
    }

    fn threats<'a>(&'a self, it: &'a GameState) -> impl Iterator<Item = &'a Pending> {
        let slots = (0..PROPOSERS).filter(|slot| self.is_threat(it, *slot));
        slots.filter_map(|slot| it.state.pending[slot].as_ref())
    }

    /// Returns whether a change of the thief's takes effect at the next step of time.
    fn must_act(&self, it: &GameState) -> bool {
        self.threats(it).any(|it| it.effective_at <= BASE + 1)
    }

    /// Returns what the rescuer does here.
    fn rescue(&self, it: &GameState) -> Option<Announced> {
        let urgent = self
            .threats(it)
            .min_by_key(|it| it.effective_at)
            .map(|it| it.id);
        let touched = (1..OWNER_RANKS).any(|rank| {
            let set = it.state.policy.ranks[rank].set;
            (0..2).all(|generation| owner_set(rank, generation) != set)
        });
        let needed = urgent.is_some() || touched;
        match self.strategy {
            Strategy::Nobody => None,
            Strategy::NextRotates | Strategy::ExposedRotates => {
                Some(Announced::Rotation).filter(|_| needed)
            }
            Strategy::GuardiansRecover if !it.recovering => {
                Some(Announced::Recovery).filter(|_| needed)
            }
            Strategy::NextCancels
            | Strategy::GuardiansRecover
            | Strategy::GuardiansCancel
            | Strategy::ExposedCancels
            | Strategy::ExposedWithdraws => urgent.map(Announced::Cancellation),
        }
    }

    /// Returns the announced operation.
    fn operation(&self, state: &State, it: Announced) -> Option<Move> {
        let lane = self.strategy.lane()?;
        let top = state.policy.ranks[0];
        let reveal = top.next.filter(|_| lane == Lane::Next(0));
        let reveal = reveal.map(|set| Reveal {
            set,
            next: Some(top.set),
        });
        let body = match it {
            Announced::Rotation => Body::Rotate {
                change: self.lower_ranks(state),
                document: None,
            },
            Announced::Recovery => Body::Recover(fresh_owner_rank(state, &self.config, 0)),
            Announced::Cancellation(id) => Body::Cancel(id),
        };
        Some(Move { lane, reveal, body })
    }

    /// The ranks below 0 as the owner wants them.
    fn lower_ranks(&self, state: &State) -> Change {
        let mut change = Change::default();
        for rank in 1..OWNER_RANKS {
            change.ranks[rank] = Some(fresh_owner_rank(state, &self.config, rank));
        }
        change.ranks[OWNER_RANKS] = Some(Rank::VACANT);
        change
    }

    /// Makes the next state of the game from the raw state after a move.
    fn arrived(&self, last: &GameState, raw: &State, now: u64, mut next: GameState) -> GameState {
        let places = place_ids(raw);
        if let Some(Announced::Cancellation(id)) = &mut next.announced {
            *id = places(*id);
        }
        if last.recovering && raw.pending[GUARDIANS].is_none() && now == BASE {
            next.recovering = false;
            next.broken |= INCOMPLETE;
        }
        next.state = canonical(raw, &self.rules, now);
        if self.is_lost(&next.state) {
            next.broken |= WINS;
        } else if self.strategy != Strategy::Nobody && !self.rescuer_can_act(&next) {
            next.broken |= IDLE;
        }
        next
    }

    /// Returns whether the rescuer's operation, were it needed, would do what it says.
    fn rescuer_can_act(&self, it: &GameState) -> bool {
        let operation = self
            .rescue(it)
            .and_then(|does| self.operation(&it.state, does));
        let Some(it_does) = operation else {
            return true;
        };
        let asked = submission(&it.state, &self.rules, &it_does);
        let taken = step(&it.state, &Context::new(&self.rules, BASE), &asked);
        taken.is_ok_and(|it| it.result.is_ok())
    }

    fn thief_moves(&self, last: &GameState, it: &Move) -> Option<GameState> {
        let asked = submission(&last.state, &self.rules, it);
        let taken = step(&last.state, &Context::new(&self.rules, BASE), &asked).ok()?;
        if taken.result.is_err() && !matches!(it.lane, Lane::Next(_)) {
            return None;
        }
        let next = self.arrived(last, &taken.state, BASE, last.clone());
        (next != *last).then_some(next)
    }

    fn included(&self, last: &GameState) -> Option<GameState> {
        let it = self.operation(&last.state, last.announced?)?;
        let mut next = GameState {
            announced: None,
            ..last.clone()
        };
        let asked = submission(&last.state, &self.rules, &it);
        let taken = step(&last.state, &Context::new(&self.rules, BASE), &asked);
        let (state, result) = match taken {
            Ok(taken) => (taken.state, taken.result),
            Err(refusal) => (last.state.clone(), Err(refusal)),
        };
        match (result, it.body) {
            (Ok(()), Body::Recover(_)) => next.recovering = true,
            (Ok(()), Body::Rotate { change, .. }) => {
                let restored = (1..OWNER_RANKS)
                    .all(|rank| Some(state.policy.ranks[rank]) == change.ranks[rank]);
                let quiet = (0..PROPOSERS).all(|slot| state.pending[slot].is_none());
                if !restored || !quiet {
                    next.broken |= INCOMPLETE;
                }
            }
            (Ok(()), _) => {}
            // What was to be cancelled has gone by itself.
            (Err(Refusal::NoSuchPending), Body::Cancel(id)) if id == GONE => {}
            (Err(_), _) => next.broken |= REFUSED,
        }
        Some(self.arrived(
            &GameState {
                recovering: false,
                ..last.clone()
            },
            &state,
            BASE,
            next,
        ))
    }

    fn later(&self, last: &GameState) -> GameState {
        let now = BASE + 1;
        let due = last.state.pending[GUARDIANS]
            .as_ref()
            .is_some_and(|it| it.effective_at <= now);
        let raw = settled(&last.state, &self.rules, now).state;
        let mut next = last.clone();
        if last.recovering && due {
            next.recovering = false;
            let lower = raw.policy.ranks[1..].iter().any(|it| !it.is_vacant());
            if lower || raw.pending.iter().any(Option::is_some) {
                next.broken |= INCOMPLETE;
            }
        } else if last.recovering
            && !matches!(
                raw.pending[GUARDIANS].as_ref().map(|it| &it.effect),
                Some(Effect::Recovery(_))
            )
        {
            next.recovering = false;
            next.broken |= INCOMPLETE;
        }
        self.arrived(last, &raw, now, next)
    }
}

impl Model for GameModel {
    type State = GameState;
    type Action = Action;

    fn init_states(&self) -> Vec<GameState> {
        let state = canonical(&self.config.initial(), &self.rules, BASE);
        vec![GameState {
            state,
            announced: None,
            recovering: false,
            broken: 0,
        }]
    }

    fn actions(&self, at: &GameState, actions: &mut Vec<Action>) {
        if at.broken != 0 {
            return;
        }
        let may_act = |lane| self.thief_may_act(&at.state, lane);
        let thief = moves(&at.state, &self.config, Who::Thief, may_act);
        actions.extend(thief.into_iter().map(Action::Acts));
        if at.announced.is_some() {
            actions.push(Action::Included);
            return;
        }
        if let Some(rescue) = self.rescue(at) {
            actions.push(Action::Announces(rescue));
        }
        if self.strategy == Strategy::Nobody || !self.must_act(at) {
            actions.push(Action::TimePasses);
        }
    }

    fn next_state(&self, last: &GameState, action: Action) -> Option<GameState> {
        match action {
            Action::Acts(it) => self.thief_moves(last, &it),
            Action::Announces(it) => Some(GameState {
                announced: Some(it),
                ..last.clone()
            }),
            Action::Included => self.included(last),
            Action::TimePasses => Some(self.later(last)),
        }
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(GAME_PROPERTIES[0], |_, it: &GameState| {
                it.broken & WINS == 0
            }),
            Property::always(GAME_PROPERTIES[1], |_, it: &GameState| {
                it.broken & REFUSED == 0
            }),
            Property::always(GAME_PROPERTIES[2], |_, it: &GameState| {
                it.broken & INCOMPLETE == 0
            }),
            Property::always(GAME_PROPERTIES[3], |_, it: &GameState| {
                it.broken & IDLE == 0
            }),
        ]
    }
}
