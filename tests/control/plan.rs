//! Random sequences: a seeded world in which owner, thief, guardians and controllers act.
//!
//! A plan is a list of steps, each of which makes sense without the others, so that steps can be
//! dropped: an operation's place in its lane is found when it is run.

use allod_control_model::{
    Body, Carrier, Change, Context, Document, Guardians, KeySet, Keys, Lane, Operation,
    OperationId, Patch, Payer, Policy, Proposal, RANKS, Rank, Reveal, Rules, State, Submission,
    Time, capability, settled, step,
};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::concrete::bits;
use super::ledger::{DELAYS, START};

const HOUR: Time = 3_600_000;
const DAY: Time = 24 * HOUR;
/// Keys from here on belong to the other identities.
pub(crate) const OTHERS_KEYS: u32 = 60;
/// Time of the block that creates the identity.
pub(crate) const BEGIN: Time = START + 10;
/// What the model calls the inception.
pub(crate) const INCEPTION: OperationId = 1;

/// Where an operation claims to stand in its lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    InTurn,
    Ahead(u64),
    Behind,
    /// After another predecessor.
    Forked,
}

/// One operation and its block.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) now: Time,
    pub(crate) place: Place,
    /// The operation but for its place.
    pub(crate) submission: Submission,
    /// Sends this earlier operation a second time instead.
    pub(crate) again: Option<OperationId>,
}

/// A whole sequence.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) policy: Policy,
    pub(crate) document: Document,
    pub(crate) steps: Vec<Step>,
}

/// The specification with the bounds of the test's network.
pub(crate) fn rules() -> Rules {
    Rules {
        delay_min: DELAYS.0,
        delay_max: DELAYS.1,
        ..Rules::default()
    }
}

impl Step {
    /// Puts the operation in its place.
    pub(crate) fn placed(&self, state: &State, rules: &Rules) -> Submission {
        let mut submission = self.submission;
        let operation = &mut submission.operation;
        let head = state.lanes[rules.lane_slot(operation.lane)];
        (operation.seq, operation.prev) = (head.next_seq, head.last);
        match self.place {
            Place::InTurn => {}
            Place::Ahead(by) => operation.seq += by,
            Place::Behind => operation.seq = operation.seq.saturating_sub(1),
            Place::Forked => operation.prev = operation.prev.wrapping_add(77),
        }
        submission
    }
}

/// Makes the plan of a seed.
pub(crate) fn plan(seed: u64, others: &[(u8, State)]) -> Plan {
    let mut world = World {
        rng: ChaCha8Rng::seed_from_u64(seed),
        rules: rules(),
        focus: None,
    };
    let policy = world.policy();
    let document = Document {
        methods: world.rng.r#gen::<u64>() & 0xFF,
        controllers: if world.chance(0.3) {
            world.controllers()
        } else {
            0
        },
        ..Document::default()
    };
    let mut state = State::incepted(policy, document.clone(), INCEPTION);
    let mut count = world.rng.gen_range(8..22);
    if world.chance(0.06) {
        world.focus = Some(world.lane(&state));
        count = 36;
    }
    let mut steps: Vec<Step> = Vec::new();
    let mut now = BEGIN;
    for n in 0..count {
        now = world.later(&state, now);
        let effective = settled(&state, &world.rules, now).state;
        let mut step_ = world.step(&effective, n + 10, now);
        if let Some(earlier) = steps.choose(&mut world.rng)
            && world.rng.gen_bool(0.04)
        {
            step_.again = Some(earlier.submission.operation.id);
        } else {
            let submission = step_.placed(&state, &world.rules);
            let mut at = Context::new(&world.rules, now);
            at.others = others;
            if let Ok(taken) = step(&state, &at, &submission) {
                state = taken.state;
            }
        }
        steps.push(step_);
    }
    Plan {
        policy,
        document,
        steps,
    }
}

struct World {
    rng: ChaCha8Rng,
    rules: Rules,
    /// The lane that most steps are in, so that its quota is met.
    focus: Option<Lane>,
}

impl World {
    fn chance(&mut self, chance: f64) -> bool {
        self.rng.gen_bool(chance)
    }

    /// One to three keys, most often none that `state` lists.
    fn set(&mut self, listed: Keys) -> KeySet {
        let free: Vec<u32> = (0..OTHERS_KEYS)
            .filter(|it| listed & (1 << it) == 0)
            .collect();
        let count = self.rng.gen_range(1..4);
        let chosen = free.choose_multiple(&mut self.rng, count);
        let mut keys = chosen.fold(0, |all, it| all | 1 << it);
        let known: Vec<u32> = bits(listed).collect();
        if let Some(known) = known.choose(&mut self.rng)
            && self.rng.gen_bool(0.12)
        {
            keys |= 1 << known;
        }
        self.weighted(keys)
    }

    fn weighted(&mut self, keys: Keys) -> KeySet {
        let heavy = keys & self.rng.r#gen::<u64>() & self.rng.r#gen::<u64>();
        let set = KeySet {
            keys,
            heavy,
            threshold: 1,
        };
        let sum = set.weight(keys) as u8;
        KeySet {
            threshold: self.rng.gen_range(1..=sum),
            ..set
        }
    }

    fn rank(&mut self, listed: Keys) -> Rank {
        Rank {
            set: self.set(listed),
            capabilities: match self.chance(0.5) {
                true => capability::ALL,
                false => self.rng.gen_range(0..16),
            },
            next: self.chance(0.5).then(|| self.set(listed)),
        }
    }

    fn delay(&mut self) -> Time {
        let delays = [HOUR, 2 * HOUR, DAY, 3 * DAY, 30 * DAY];
        *delays.choose(&mut self.rng).expect("some")
    }

    fn guardians(&mut self) -> Guardians {
        let mut keys = 0u64;
        while keys.count_ones() < 3 {
            keys |= 1 << self.rng.gen_range(0..OTHERS_KEYS);
        }
        let set = match self.chance(0.7) {
            true => KeySet::new(keys, 2),
            false => self.weighted(keys),
        };
        Guardians {
            set,
            delay: self.delay(),
        }
    }

    fn policy(&mut self) -> Policy {
        let mut ranks = [Rank::VACANT; RANKS];
        let mut listed = 0;
        let count = *[1, 2, 2, 3, 3, 4].choose(&mut self.rng).expect("some");
        for rank in &mut ranks[..count] {
            let mut made = self.rank(listed);
            while made.set.keys & listed != 0 {
                made = self.rank(listed);
            }
            listed |= made.set.keys;
            *rank = made;
        }
        if self.chance(0.8) {
            ranks[0].capabilities = capability::ALL;
        }
        if count > 2 && self.chance(0.1) {
            ranks[1] = Rank::VACANT;
        }
        Policy {
            ranks,
            guardians: self.chance(0.5).then(|| self.guardians()),
            delay: self.delay(),
        }
    }

    fn controllers(&mut self) -> u64 {
        self.rng.gen_range(0..16) << 1
    }

    /// The time of the next block: soon, or around something that happens by time.
    fn later(&mut self, state: &State, now: Time) -> Time {
        let mut moments: Vec<Time> = Vec::new();
        moments.extend(state.pending.iter().flatten().map(|it| it.effective_at));
        for rest in state.cool_downs.iter().filter(|it| it.count > 0) {
            let next = self.rules.cool_down(rest.count.saturating_add(1));
            moments.extend([rest.until, rest.until + next]);
        }
        moments.push((now / DAY + 1) * DAY);
        let moment = *moments.choose(&mut self.rng).expect("a midnight at least");
        let soon = if self.focus.is_some() { 0.95 } else { 0.6 };
        let then = match self.rng.gen_range(0..10) {
            _ if self.chance(soon) => now + self.rng.gen_range(1..1_000),
            0..7 => moment + self.rng.gen_range(0..3) - 1,
            7..9 => now + self.rng.gen_range(1..12 * HOUR),
            _ => now + self.rng.gen_range(1..20 * DAY),
        };
        then.max(now + 1)
    }

    fn lane(&mut self, state: &State) -> Lane {
        let mut lanes = vec![Lane::Documents];
        for (index, rank) in (0u8..).zip(&state.policy.ranks) {
            if !rank.is_vacant() || self.rng.gen_bool(0.03) {
                lanes.extend([Lane::Rank(index); 2]);
            }
            if rank.next.is_some() || self.rng.gen_bool(0.03) {
                lanes.push(Lane::Next(index));
            }
        }
        if state.policy.guardians.is_some() || self.rng.gen_bool(0.03) {
            lanes.extend([Lane::Guardians; 2]);
        }
        *lanes.choose(&mut self.rng).expect("documents at least")
    }

    fn step(&mut self, state: &State, id: OperationId, now: Time) -> Step {
        let focus = self.focus.filter(|_| self.rng.gen_bool(0.85));
        let lane = focus.unwrap_or_else(|| self.lane(state));
        let body = self.body(state, lane, now);
        let lane = if self.chance(0.02) {
            self.lane(state)
        } else {
            lane
        };
        let in_batch = self.chance(0.2);
        let mut operation = Operation {
            id,
            network: u8::from(self.chance(0.005)),
            fork: u8::from(self.chance(0.005)),
            did: u8::from(self.chance(0.005)),
            lane,
            seq: 0,
            prev: 0,
            payer: self.payer(in_batch),
            valid_until: self.valid_until(now),
            controller: None,
            reveal: None,
            body,
        };
        if let Lane::Next(rank) = lane
            && !self.chance(0.01)
        {
            operation.reveal = Some(self.reveal(state, usize::from(rank)));
        }
        if matches!(body, Body::UpdateDocument(_)) && self.chance(0.3) {
            operation.controller = Some(self.rng.gen_range(1..5));
        }
        let signers = self.signers(state, &operation);
        let repeated = if self.chance(0.005) { signers } else { 0 };
        Step {
            now,
            place: match self.rng.gen_range(0..60) {
                0 => Place::Ahead(self.rng.gen_range(1..12)),
                1 => Place::Behind,
                2 => Place::Forked,
                _ => Place::InTurn,
            },
            submission: Submission {
                operation,
                signers,
                repeated,
                carrier: if in_batch {
                    Carrier::Batch
                } else {
                    Carrier::Bare
                },
            },
            again: None,
        }
    }

    fn payer(&mut self, in_batch: bool) -> Payer {
        let in_batch = if self.chance(0.02) {
            !in_batch
        } else {
            in_batch
        };
        match (in_batch, self.chance(0.7)) {
            (_, true) => Payer::Any,
            (true, false) => Payer::Sponsor,
            (false, false) => Payer::Own,
        }
    }

    fn valid_until(&mut self, now: Time) -> Time {
        match self.rng.gen_range(0..100) {
            0 => now - 1,
            1..4 => now,
            4 => now + self.rules.validity_max + 1,
            5 => now + self.rules.validity_max,
            _ => now + self.rng.gen_range(0..40 * DAY),
        }
    }

    fn reveal(&mut self, state: &State, rank: usize) -> Reveal {
        let committed = state.policy.ranks[rank].next;
        let set = committed.filter(|_| !self.rng.gen_bool(0.03));
        Reveal {
            set: set.unwrap_or_else(|| self.set(0)),
            next: self.chance(0.8).then(|| self.set(listed(state))),
        }
    }

    /// Who signs: most often as many as it takes.
    fn signers(&mut self, state: &State, operation: &Operation) -> Keys {
        let set = match (operation.lane, operation.reveal) {
            (_, Some(reveal)) => reveal.set,
            (Lane::Rank(rank) | Lane::Next(rank), None) => {
                state.policy.ranks[usize::from(rank)].set
            }
            (Lane::Guardians, None) => state.policy.guardians.map_or(KeySet::EMPTY, |it| it.set),
            (Lane::Documents, None) => match operation.controller {
                Some(number) => KeySet::new(1 << (OTHERS_KEYS + u32::from(number) - 1), 1),
                None => self.writer(state, &operation.body),
            },
        };
        let mut keys: Vec<u32> = bits(set.keys).collect();
        keys.shuffle(&mut self.rng);
        let all = self.chance(0.3);
        let mut signers = 0;
        for key in keys {
            if all || !set.reached_by(signers) {
                signers |= 1 << key;
            }
        }
        match self.rng.gen_range(0..60) {
            0 => signers & signers.wrapping_sub(1),
            1 => signers | 1 << self.rng.gen_range(0..64),
            2 => self.rng.r#gen::<u64>() & self.rng.r#gen::<u64>() & listed(state),
            _ => signers,
        }
    }

    fn writer(&mut self, state: &State, body: &Body) -> KeySet {
        let needed = match body {
            Body::SetNotBefore { .. } => capability::TOKENS_AND_GRANTS,
            _ => capability::DOCUMENT,
        };
        let lacking = self.chance(0.1);
        let ranks = state.policy.ranks.iter();
        let able: Vec<&Rank> = ranks
            .filter(|it| !it.is_vacant() && (lacking || it.may(needed)))
            .collect();
        able.choose(&mut self.rng)
            .map_or(KeySet::EMPTY, |it| it.set)
    }

    fn body(&mut self, state: &State, lane: Lane, now: Time) -> Body {
        let waits = state.pending.iter().any(Option::is_some);
        let cancels = self.chance(if waits { 0.35 } else { 0.05 });
        let cut_off = |world: &mut Self| Body::SetNotBefore {
            at: match world.rng.gen_range(0..6) {
                0 => state.not_before.saturating_sub(1),
                1 => now + world.rng.gen_range(0..2),
                _ => world
                    .rng
                    .gen_range(state.not_before..=now.max(state.not_before)),
            },
            bump_grant_epoch: world.rng.r#gen(),
        };
        match (lane, self.rng.gen_range(0..100)) {
            (Lane::Documents, 0..80) => Body::UpdateDocument(self.patch(state)),
            (Lane::Documents, _) => cut_off(self),
            _ if cancels => Body::Cancel(self.waiting(state)),
            (Lane::Guardians, _) => Body::Recover(self.rank(listed(state))),
            (Lane::Rank(_), 0..4) => cut_off(self),
            (Lane::Rank(0) | Lane::Next(0), 4..7) => Body::Deactivate,
            (Lane::Rank(rank), 7..55) => Body::Propose(self.proposal(state, usize::from(rank))),
            (Lane::Rank(rank), _) => self.rotation(state, usize::from(rank), false),
            (Lane::Next(rank), _) => self.rotation(state, usize::from(rank), true),
        }
    }

    fn rotation(&mut self, state: &State, rank: usize, by_next: bool) -> Body {
        let document = self.chance(0.25).then(|| self.patch(state));
        let nothing = if by_next {
            self.chance(0.5)
        } else {
            document.is_some() && self.chance(0.4)
        };
        Body::Rotate {
            change: match nothing {
                true => Change::default(),
                false => self.change(state, rank, false),
            },
            document,
        }
    }

    fn proposal(&mut self, state: &State, rank: usize) -> Proposal {
        let recovery = state.pending[0].as_ref().map(|it| it.id);
        match (self.rng.gen_range(0..20), recovery) {
            (0, _) => Proposal::Deactivation,
            (1..14, Some(id)) if rank == 0 => Proposal::CancelRecovery(id),
            (1, _) => Proposal::CancelRecovery(self.waiting(state)),
            _ => Proposal::Control(self.change(state, rank, true)),
        }
    }

    /// What waits, or something else.
    fn waiting(&mut self, state: &State) -> OperationId {
        let waiting: Vec<OperationId> = state.pending.iter().flatten().map(|it| it.id).collect();
        let found = waiting.choose(&mut self.rng).copied();
        let found = found.filter(|_| !self.rng.gen_bool(0.05));
        found.unwrap_or_else(|| self.rng.gen_range(1..30))
    }

    fn change(&mut self, state: &State, rank: usize, upwards: bool) -> Change {
        let lowest = match self.rng.gen_range(0..20) {
            0 => 0,
            1..12 => rank,
            _ if upwards => self.rng.gen_range(0..=rank),
            _ => (rank + 1).min(RANKS - 1),
        };
        let mut change = Change::default();
        let mut taken = listed(state);
        if self.chance(0.3) {
            taken = 0;
        }
        for index in lowest..RANKS {
            let first = index == lowest && self.chance(0.6);
            if !first && !self.chance(0.3) {
                continue;
            }
            let vacant = self.chance(if index == 0 { 0.01 } else { 0.2 });
            let mut made = self.rank(taken);
            for _ in 0..9 {
                let sets = change.ranks.iter().flatten();
                let mut shares = sets.map(|it| it.set.shares_with(&made.set));
                if shares.any(|it| it) && !self.rng.gen_bool(0.02) {
                    made = self.rank(taken);
                }
            }
            change.ranks[index] = Some(if vacant { Rank::VACANT } else { made });
        }
        let apex = if rank == 0 && lowest == 0 { 0.2 } else { 0.02 };
        if self.chance(apex) {
            change.guardians = Some(self.chance(0.7).then(|| self.guardians()));
        }
        if self.chance(apex) {
            change.delay = Some(self.delay());
        }
        change
    }

    fn patch(&mut self, state: &State) -> Patch {
        let dice = |world: &mut Self| world.rng.r#gen::<u64>();
        let methods = 0x00FF_FFFF;
        let mut retire = state.document.methods & dice(self) & dice(self);
        let add = methods & dice(self) & dice(self) & dice(self) & dice(self);
        if self.chance(0.05) {
            retire |= methods & dice(self) & dice(self) & dice(self) & dice(self);
        }
        let fresh = bits(add).filter(|it| !state.document.is_used(*it as u8));
        let fresh = fresh.fold(0, |all, it| all | 1 << it);
        Patch {
            retire,
            add: if self.chance(0.8) { fresh } else { add },
            controllers: self.chance(0.2).then(|| self.controllers()),
        }
    }
}

/// Returns every key that a rank has.
fn listed(state: &State) -> Keys {
    let ranks = state.policy.ranks.iter();
    ranks.fold(0, |all, it| all | it.set.keys)
}
