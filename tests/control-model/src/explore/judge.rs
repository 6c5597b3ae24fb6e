//! What is right about a move, a step of time, a state. Every judgement returns the bits of the
//! properties that it breaks.

use super::canonical::BASE;
use super::moves::{Move, NEW, Who, moves, proposer_of, submission};
use super::views::{authority, same_view, superior, view};
use super::world::Config;
use crate::operation::{Body, Lane, Reveal, Submission};
use crate::rules::Rules;
use crate::settle::settled;
use crate::state::{
    Change, Effect, GUARDIANS, PROPOSERS, RANKS, Rank, Retirement, State, Time, proposer,
};
use crate::step::{Context, Refusal, Taken, step};

pub(super) const REMOVES: u16 = 1;
pub(super) const BLOCKS: u16 = 1 << 1;
pub(super) const QUORUM: u16 = 1 << 2;
pub(super) const ACTS: u16 = 1 << 3;
pub(super) const FINAL: u16 = 1 << 4;
pub(super) const REPLAYS: u16 = 1 << 5;
pub(super) const ORDER: u16 = 1 << 6;
pub(super) const KEYS: u16 = 1 << 7;
pub(super) const NEXT_FAILS: u16 = 1 << 8;

const fn bit_if(broken: bool, bit: u16) -> u16 {
    if broken { bit } else { 0 }
}

/// Judges by the invariants, under rules that may have flaws.
#[derive(Debug)]
pub(super) struct Judge {
    pub(super) config: Config,
    pub(super) rules: Rules,
}

impl Judge {
    pub(super) fn at(&self) -> Context<'_> {
        Context::new(&self.rules, BASE)
    }

    /// Judges a move that was tried, whether it succeeded or not.
    pub(super) fn of_move(
        &self,
        last: &State,
        it: &Move,
        asked: &Submission,
        real: &Result<Taken, Refusal>,
    ) -> u16 {
        let broken = bit_if(self.is_hindered(last, it, asked, real), BLOCKS);
        let Ok(taken) = real else { return broken };
        if taken.result.is_err() {
            return broken | bit_if(matches!(it.lane, Lane::Next(_)), NEXT_FAILS);
        }
        let after = &taken.state;
        broken
            | self.lanes(last, it.lane, after)
            | self.authority(last, it, after)
            | Self::cancel(last, it, after)
            | Self::rest(last, after, BASE, Some(it.lane))
    }

    /// Judges one step of time.
    pub(super) fn of_time(&self, last: &State, after: &State) -> u16 {
        let now = BASE + 1;
        let is_due = |time: Time| time <= now;
        let due = last
            .pending
            .iter()
            .flatten()
            .any(|it| is_due(it.effective_at));
        let changed = after.policy != last.policy || after.status != last.status;
        let mut broken = bit_if(!due && changed, REMOVES);
        let recovery = last.pending[GUARDIANS].as_ref();
        if let Some(it) = recovery.filter(|it| is_due(it.effective_at))
            && let Effect::Recovery(rank) = it.effect
        {
            broken |= self.judged_recovery(last, rank);
        }
        broken | Self::rest(last, after, now, None)
    }

    /// Judges by one property what can be seen in a state alone.
    pub(super) fn of_state(&self, state: &State, bit: u16) -> u16 {
        let found = match bit {
            FINAL => self.end(state),
            _ if !state.is_active() => 0,
            REMOVES => self.judged_stoppable(state),
            BLOCKS => Self::moot(state),
            QUORUM | REPLAYS => self.binding(state),
            ACTS => bit_if(!state.policy.ranks[0].set.is_sound(), ACTS),
            ORDER => self.judged_order(state),
            KEYS => Self::keys(state),
            _ => 0,
        };
        found & bit
    }

    /// Every operation of a higher party does the same whatever those below have done: its outcome
    /// is that in the state from which everything of theirs is removed.
    fn is_hindered(
        &self,
        state: &State,
        it: &Move,
        asked: &Submission,
        real: &Result<Taken, Refusal>,
    ) -> bool {
        let scrubbed = view(state, it.lane, false);
        // What is below is not there any more; whether it can be cancelled is judged elsewhere.
        if let Body::Cancel(id) = it.body
            && state.find(id).is_some()
            && scrubbed.find(id).is_none()
        {
            return false;
        }
        match (real, &step(&scrubbed, &self.at(), asked)) {
            (Ok(real), Ok(ideal)) => {
                let same = || same_view(&real.state, &ideal.state, it.lane, true);
                real.result != ideal.result || (real.result.is_ok() && !same())
            }
            (Err(real), Err(ideal)) => real != ideal,
            _ => true,
        }
    }

    /// An operation moves no lane but its own, and takes no other's quota.
    fn lanes(&self, last: &State, lane: Lane, after: &State) -> u16 {
        let others = lanes().filter(|it| it.slot() != lane.slot());
        let touched = others.map(|it| self.rules.lane_slot(it)).any(|slot| {
            let head = last.lanes[slot] != after.lanes[slot];
            head || last.quota.used[slot] < after.quota.used[slot]
        });
        bit_if(touched, BLOCKS)
    }

    /// Nobody below touches at once what those above have, nor waits for less than the delay.
    fn authority(&self, last: &State, it: &Move, after: &State) -> u16 {
        let Some(mut above) = superior(it.lane) else {
            return 0;
        };
        let protected = last.policy.is_protected();
        if it.lane == Lane::Rank(0) && !protected {
            return 0;
        }
        if let (Lane::Next(rank), Lane::Rank(_)) = (above, it.lane)
            && rank > 0
            && last.policy.ranks[usize::from(rank)].next.is_none()
        {
            above = Lane::Rank(rank - 1);
        }
        let touched = !same_view(last, after, above, false) || !after.is_active();
        let own = proposer_of(it.lane);
        let new = own.and_then(|slot| after.pending[slot].as_ref());
        let early = new.filter(|it| it.id == NEW).is_some_and(|new| {
            let delay = match own {
                Some(GUARDIANS) => last.policy.guardians.map_or(0, |it| it.delay),
                _ => last.policy.delay,
            };
            new.effective_at < BASE + self.rules.clamped(delay)
        });
        bit_if(touched || early, REMOVES) | self.judged_capabilities(last, it, after)
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

    /// A cancellation hits the change it names and nothing else, and by next keys it counts as one.
    fn cancel(last: &State, it: &Move, after: &State) -> u16 {
        let Body::Cancel(id) = it.body else { return 0 };
        let named = last.find(id);
        let stray = (0..PROPOSERS)
            .filter(|slot| Some(*slot) != named)
            .any(|slot| {
                let before = last.pending[slot].as_ref().map(|it| &it.effect);
                let moot = before == Some(&Effect::Cancellation(id));
                before.is_some() && after.pending[slot].is_none() && !moot
            });
        // What the reveal clears is not the cancellation's doing.
        let stray = stray && it.reveal.is_none();
        let void = it.lane == Lane::Next(0)
            && named == Some(GUARDIANS)
            && after.cool_downs[GUARDIANS].until <= BASE;
        bit_if(stray, REPLAYS) | bit_if(void, BLOCKS)
    }

    /// A rank's fresh keys do not inherit the rest that others earned.
    fn rest(last: &State, after: &State, now: Time, by: Option<Lane>) -> u16 {
        let inherits = (0..RANKS).any(|rank| {
            last.policy.ranks[rank] != after.policy.ranks[rank]
                && by != Some(Lane::Rank(rank as u8))
                && after.cool_downs[proposer(rank)].until > now
        });
        let anew = last.policy.guardians != after.policy.guardians;
        let guardians_inherit = anew && after.cool_downs[GUARDIANS].until > now;
        bit_if(inherits || guardians_inherit, BLOCKS)
    }

    /// A recovery leaves nothing that somebody else put there.
    fn judged_recovery(&self, last: &State, rank: Rank) -> u16 {
        let mut dirty = last.clone();
        dirty.document.methods = 0b11;
        dirty.document.controllers = 0b1;
        let clean = settled(&dirty, &self.rules, BASE + 1).state;
        let mut ranks = [Rank::VACANT; RANKS];
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

    /// One operation of each party: bound to its place, and to enough keys of that party.
    fn binding(&self, state: &State) -> u16 {
        let all = moves(state, &self.config, Who::Anybody, |_| true);
        let firsts = lanes().filter_map(|lane| all.iter().find(|it| it.lane == lane));
        firsts.fold(0, |broken, it| {
            broken | self.submission(state, &submission(state, &self.rules, it))
        })
    }

    /// Who is not meant is not hit, what was taken is not taken again, too few keys do nothing.
    fn submission(&self, last: &State, asked: &Submission) -> u16 {
        let at = self.at();
        let takes = |it: &Submission| step(last, &at, it).is_ok();
        let mut wrong = [*asked; 6];
        wrong[0].operation.network = 1;
        wrong[1].operation.fork = 1;
        wrong[2].operation.did = 1;
        wrong[3].operation.valid_until = BASE - 1;
        wrong[4].operation.seq += 1;
        wrong[5].operation.prev = 98;
        let again = step(last, &at, asked).map(|it| step(&it.state, &at, asked));
        let replays = wrong.iter().any(takes) || again.is_ok_and(|it| it.is_ok());
        let mut fewer = *asked;
        fewer.signers &= !(asked.signers & asked.signers.wrapping_neg());
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
        let quorum = (takes(&fewer) != (enough && takes(asked))) || takes(&twice) || takes(&padded);
        bit_if(replays, REPLAYS) | bit_if(quorum, QUORUM)
    }

    /// A deactivated identity takes nothing, whoever signs, and time does not wake it.
    fn end(&self, state: &State) -> u16 {
        if state.is_active() {
            return 0;
        }
        let all = moves(state, &self.config, Who::Anybody, |_| true);
        let refused = all.iter().all(|it| {
            let asked = submission(state, &self.rules, it);
            step(state, &self.at(), &asked).is_err()
        });
        let after = settled(state, &self.rules, BASE + 100).state;
        let silent = state.pending.iter().all(Option::is_none);
        bit_if(!refused || !silent || after.is_active(), FINAL)
    }

    fn keys(state: &State) -> u16 {
        let ranks = &state.policy.ranks;
        let shares = |low: usize| {
            ranks[..low]
                .iter()
                .any(|it| it.set.shares_with(&ranks[low].set))
        };
        let ghost = ranks.iter().any(|it| it.is_vacant() && *it != Rank::VACANT);
        bit_if((0..RANKS).any(shares) || ghost, KEYS)
    }

    /// A cancellation waits only while its recovery does.
    fn moot(state: &State) -> u16 {
        let moot = state.pending.iter().flatten().any(|it| match it.effect {
            Effect::Cancellation(id) => state.find(id) != Some(GUARDIANS),
            _ => false,
        });
        bit_if(moot, BLOCKS)
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
}

fn lanes() -> impl Iterator<Item = Lane> {
    let ranks = (0..RANKS as u8).flat_map(|it| [Lane::Next(it), Lane::Rank(it)]);
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
    let reveal = reveal.map(|set| Reveal { set, next: None });
    let make = |body| Move { lane, reveal, body };
    let mut ways = vec![make(Body::Cancel(id))];
    if slot != GUARDIANS && matches!(lane, Lane::Rank(_)) {
        let rank = slot - 1;
        let mut change = Change::default();
        change.ranks[rank] = Some(Rank::VACANT);
        ways.push(make(Body::Rotate {
            change,
            document: None,
        }));
    }
    ways
}
