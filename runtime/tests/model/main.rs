//! The state machine agrees with a naive model that shares only the primitives' types.
//!
//! Method: a seeded world signs good and broken transactions; model and executive judge and carry
//! out each of them; verdicts, log entries, records, retired methods, quotas, budgets, tokens and
//! grants must be the same after every block. Every block is executed a second time, and the
//! pallets' invariants hold after it.

mod bodies;
mod chain;
mod change;
mod compare;
mod control;
mod defects;
mod judge;
mod ledger;
mod parties;
mod world;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ed25519_dalek::SigningKey;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use chain::{Chain, Verdict};
use ledger::{Action, DAY_MS, Ledger, Outcome, Registrar};
use parties::BURST_LANES;
use world::{Tx, World, public};

/// Transactions of one run.
const STEPS: usize = 2_000;
/// Bits of work the network asks for.
const WORK_BITS: u8 = 4;
/// Blocks from one comparison of everything to the next; logs are compared in each.
const COMPARED_EVERY: u64 = 8;
/// Stands for a block that could not forget all that was dead.
const PRUNED_IN_PART: &str = "more dead than one block forgets";
/// Stands for a pending change that took effect.
const TOOK_EFFECT: &str = "a change took effect";
/// Transactions that may be sent again.
const MEMORY: usize = 64;

struct Run {
    model: Ledger,
    chain: Chain,
    world: World,
    sent: VecDeque<Tx>,
    /// Every name of an error that was met.
    names: BTreeSet<String>,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let keys: Vec<SigningKey> = (0..2)
            .map(|_| SigningKey::from_bytes(&rng.r#gen()))
            .collect();
        let budgets = [2_000, 3];
        let start = 20_000 * DAY_MS;
        let accounts: Vec<_> = keys.iter().map(public).zip(budgets).collect();
        let chain = Chain::new(start, &accounts, Some(WORK_BITS));
        let registrar = |per_day: u32| Registrar {
            per_day: per_day as usize,
            paid: Vec::new(),
            nonce: 0,
        };
        let registrars = accounts.iter().map(|it| (it.0, registrar(it.1)));
        let model = Ledger {
            chain: chain.id,
            height: 0,
            now: start,
            identities: BTreeMap::new(),
            registrars: registrars.collect(),
            vouchers: true,
            work_bits: Some(WORK_BITS),
            tokens: Vec::new(),
            grants: Vec::new(),
            effects: 0,
        };
        Self {
            model,
            world: World::new(rng, chain.id, keys),
            chain,
            sent: VecDeque::new(),
            names: BTreeSet::new(),
        }
    }

    /// Makes a block; returns how many transactions were offered.
    fn block(&mut self) -> usize {
        let later = match self.world.rng.gen_range(0..100) {
            0 => self.world.rng.gen_range(DAY_MS / 2..3 * DAY_MS),
            1..4 => self.world.rng.gen_range(0..6 * 3_600_000),
            _ => self.world.rng.gen_range(1..500),
        };
        let now = self.model.now + later.max(1);
        if self.model.begin_block(now) {
            self.names.insert(PRUNED_IN_PART.to_owned());
        }
        let count = match self.world.rng.gen_range(0..60) {
            0 => 60,
            _ => self.world.rng.gen_range(0..6),
        };
        let mut bodies = Vec::new();
        let mut expected = Vec::new();
        self.world.focus = None;
        if count > 6 {
            let lane = *BURST_LANES.choose(&mut self.world.rng).expect("some");
            self.world.focus = self.world.someone(&self.model).map(|did| (did, lane));
        }
        for index in 0..count {
            let tx = self.transaction(count > 6);
            let sender = tx.sender.as_ref().map(|(key, nonce)| (key, *nonce));
            let body = self.chain.bytes(sender, &tx.action);
            // Which of two equal candidates was refused could not be told; see `Chain::block` for
            // replays within a block.
            if bodies.contains(&body) {
                continue;
            }
            let account = tx.sender.as_ref().map(|(key, nonce)| (public(key), *nonce));
            let outcome = self.model.offer(account, &tx.action);
            if index == 0 && !matches!(tx.action, Action::RevokeGrant(_)) {
                let judged = self.chain.judge(now, &body);
                assert_eq!(
                    kind(judged),
                    kind(verdict(outcome.clone())),
                    "model and runtime disagree: mempool"
                );
            }
            bodies.push(body);
            expected.push((outcome, tx));
        }
        let found = self.chain.block(now, &bodies);
        for (found, (outcome, tx)) in found.into_iter().zip(expected) {
            let mut expected = verdict(outcome);
            // Builders pass over what is far ahead as over what merely waits.
            if expected == Verdict::Refused("Future".to_owned()) {
                self.names.insert("Future".to_owned());
                expected = Verdict::Waits;
            }
            assert_eq!(found, expected, "model and runtime disagree: {tx:?}");
            self.remember(found, tx);
        }
        if self.model.height.is_multiple_of(COMPARED_EVERY) {
            compare::compare(&self.model, &self.chain);
            self.chain.check_invariants();
        }
        count
    }

    fn transaction(&mut self, burst: bool) -> Tx {
        if burst && self.model.height.is_multiple_of(2) {
            return self.many_tokens();
        }
        if self.world.chance(12) && !self.sent.is_empty() {
            let index = self.world.rng.gen_range(0..self.sent.len());
            let mut again = self.sent[index].clone();
            if let Some((key, nonce)) = &mut again.sender {
                *nonce = self
                    .model
                    .registrars
                    .get(&public(key))
                    .map_or(0, |it| it.nonce);
            }
            return again;
        }
        let mut tx = self.world.transaction(&self.model);
        if self.world.chance(3) {
            self.world.spoil(&self.model, &mut tx);
        }
        tx
    }

    /// Revokes bare until quotas end, or many tokens of one expiry in a batch.
    fn many_tokens(&mut self) -> Tx {
        let one = |run: &mut Self| {
            let mut operation = run.world.token(&run.model);
            operation.exp = run.model.now / 1000 + 5;
            run.world.signed_token(&run.model, &operation)
        };
        if self.world.chance(10) {
            let items = (0..150).map(|_| one(self)).collect();
            return self
                .world
                .by_registrar(&self.model, Action::RevokeTokens(items));
        }
        Tx {
            sender: None,
            action: Action::RevokeToken(one(self)),
        }
    }

    fn remember(&mut self, verdict: Verdict, tx: Tx) {
        match verdict {
            Verdict::Refused(name) => drop(self.names.insert(name)),
            Verdict::Waits => {}
            Verdict::Done { failure, items, .. } => {
                self.names.extend(failure);
                self.names.extend(items.into_iter().map(|it| it.1));
            }
        }
        self.sent.push_back(tx);
        if self.sent.len() > MEMORY {
            self.sent.pop_front();
        }
    }
}

fn verdict(outcome: Outcome) -> Verdict {
    match outcome {
        Outcome::Refused(name) => Verdict::Refused(name.to_owned()),
        Outcome::Waits => Verdict::Waits,
        Outcome::Done(done) => done.into(),
    }
}

/// What the mempool can know: whether it is good, bad or early, not what it will do.
fn kind(verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Done { .. } => ledger::Done::default().into(),
        other => other,
    }
}

/// Runs a seed to its end and returns the names of errors it met.
fn run(seed: u64) -> BTreeSet<String> {
    let mut run = Run::new(seed);
    let mut steps = 0;
    while steps < STEPS {
        steps += run.block();
    }
    compare::compare(&run.model, &run.chain);
    if run.model.effects > 0 {
        run.names.insert(TOOK_EFFECT.to_owned());
    }
    run.names
}

/// Every error the calls can be refused with or fail with.
const NAMES: [&str; 38] = [
    "AlreadyExists",
    "BadProof",
    "CoolingDown",
    "Deactivated",
    "Expired",
    "ForkedLane",
    "FragmentUsed",
    "Future",
    "HigherPending",
    "IdMismatch",
    "InFuture",
    "KeyInTwoRanks",
    "KeyUsed",
    "Malformed",
    "MustWait",
    "NoCapability",
    "NoRole",
    "NoSuchMethod",
    "NoSuchPending",
    "NotAbove",
    "NotAdmitted",
    "NotController",
    "NotFound",
    "NotMonotone",
    "OverBudget",
    "OverQuota",
    "RevealRequired",
    "SlotTaken",
    "Stale",
    "TooLarge",
    "TooManyMethods",
    "UnknownVersion",
    "ValidTooLong",
    "WrongFork",
    "WrongLane",
    "WrongNetwork",
    "WrongOrigin",
    "WrongPayer",
];

#[test]
fn model_and_state_machine_agree_and_every_error_is_met() {
    let mut met = BTreeSet::new();
    for seed in 1..=6 {
        met.extend(run(seed));
    }
    let names = NAMES.into_iter().chain([PRUNED_IN_PART, TOOK_EFFECT]);
    let missing: Vec<&str> = names.into_iter().filter(|it| !met.contains(*it)).collect();
    assert!(missing.is_empty(), "never met: {missing:?}");
}
