//! Model, runtime and replay of the log agree about control.
//!
//! Method: seeded sequences of operations, by owners, thieves, guardians and controllers, biased
//! towards what is allowed and towards moments at which time changes something. Each runs through
//! the model (`tests/control-model`), through the runtime (blocks built by the executive, real
//! signatures) and through a verifier that has nothing but the log and the operations. After every
//! step the three must agree about the verdict and about everything that control depends on. At
//! the end the client's own verifier replays the exported log.
//!
//! `ALLOD_CONTROL_SEED=7` runs the sequence of that seed alone. A difference is shrunk by leaving
//! out steps for as long as a difference stays.

mod base;
mod concrete;
mod exported;
mod ledger;
mod plan;
mod replay;
mod trial;
mod verdict;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use allod_control_model::{Flaws, Rules};

use base::Base;
use plan::{Plan, plan, rules};
use trial::{Difference, Met, run};

/// Sequences of one run.
const SEQUENCES: u64 = 2_000;

/// What every run must meet, as the model calls it.
const NAMES: [&str; 30] = [
    "BadProof",
    "Deactivated",
    "Expired",
    "ForkedLane",
    "Future",
    "Malformed",
    "NotController",
    "NotFound",
    "OverQuota",
    "Stale",
    "ValidTooLong",
    "WrongFork",
    "WrongLane",
    "WrongNetwork",
    "WrongPayer",
    "a change took effect",
    "done",
    "taken, CoolingDown",
    "taken, HigherPending",
    "taken, InFuture",
    "taken, KeyInTwoRanks",
    "taken, MethodUsed",
    "taken, MustWait",
    "taken, NoCapability",
    "taken, NoSuchMethod",
    "taken, NoSuchPending",
    "taken, NotAbove",
    "taken, NotMonotone",
    "taken, RevealRequired",
    "taken, SlotTaken",
];

/// Finds the first seed below `count` whose sequence shows a difference, on all processors.
fn first_difference(count: u64, rules: &Rules, met: &Mutex<Met>) -> Option<u64> {
    let next = AtomicU64::new(0);
    let found = AtomicU64::new(u64::MAX);
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let work = || {
        let base = Base::new();
        let mut here = Met::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= count || found.load(Ordering::Relaxed) < seed {
                break;
            }
            let plan = plan(seed, &base.others);
            if run(&base, &plan, rules, &mut here).is_err() {
                found.fetch_min(seed, Ordering::Relaxed);
            }
        }
        let mut met = met.lock().expect("no worker panicked");
        for (name, times) in here {
            *met.entry(name).or_default() += times;
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(work);
        }
    });
    Some(found.into_inner()).filter(|it| *it != u64::MAX)
}

/// Leaves out steps for as long as a difference stays.
fn shrunk(base: &Base, mut plan: Plan, rules: &Rules) -> (Plan, Difference) {
    let differs = |plan: &Plan| run(base, plan, rules, &mut Met::new()).err();
    let mut difference = differs(&plan).expect("it differed before");
    plan.steps.truncate(difference.step + 1);
    let mut size = plan.steps.len().max(1);
    while size > 0 {
        let mut at = 0;
        while at < plan.steps.len() {
            let mut less = plan.clone();
            less.steps.drain(at..(at + size).min(plan.steps.len()));
            match differs(&less) {
                Some(still) => {
                    less.steps.truncate(still.step + 1);
                    (plan, difference) = (less, still);
                }
                None => at += size,
            }
        }
        size /= 2;
    }
    (plan, difference)
}

fn report(seed: u64, rules: &Rules) -> String {
    let base = Base::new();
    let (plan, difference) = shrunk(&base, plan(seed, &base.others), rules);
    format!(
        "ALLOD_CONTROL_SEED={seed}, {} steps left: {plan:#?}\nstep {}: {}",
        plan.steps.len(),
        difference.step,
        difference.text
    )
}

#[test]
fn model_runtime_and_replay_agree_on_2000_random_sequences() {
    if let Ok(seed) = std::env::var("ALLOD_CONTROL_SEED") {
        let seed: u64 = seed.parse().expect("ALLOD_CONTROL_SEED is a number");
        let base = Base::new();
        let plan = plan(seed, &base.others);
        let done = run(&base, &plan, &rules(), &mut Met::new());
        assert!(done.is_ok(), "{}", report(seed, &rules()));
        return;
    }
    let met = Mutex::new(Met::new());
    if let Some(seed) = first_difference(SEQUENCES, &rules(), &met) {
        panic!("{}", report(seed, &rules()));
    }
    let met = met.into_inner().expect("no worker panicked");
    let missing: Vec<&&str> = NAMES.iter().filter(|it| !met.contains_key(**it)).collect();
    assert!(missing.is_empty(), "never met: {missing:?} in {met:#?}");
    assert!(met["done"] > 5 * SEQUENCES, "too little was done: {met:#?}");
}

/// Every rule that somebody could have written instead: the model's planted flaws.
macro_rules! flaws {
    ($($name:ident),* $(,)?) => {
        [$((
            stringify!($name),
            Flaws {
                $name: true,
                ..Flaws::default()
            },
        )),*]
    };
}

#[test]
fn every_planted_flaw_of_the_model_is_found_as_a_difference() {
    let flaws = flaws![
        exposed_keys_cancel_recovery,
        reveal_shares_lane_with_exposed,
        recovery_keeps_lower_ranks,
        proposal_of_rank0_displaces_recovery,
        key_in_two_ranks_refused,
        cancel_needs_no_id,
        effect_ignores_time,
        effects_by_standing,
        guardian_counts_twice,
        capabilities_escalate,
        rank_between_blocks,
        cancel_after_reveal,
        cool_down_outlives_thief,
        cancellation_outlives_recovery,
        effect_shares_keys,
        vacant_keeps_commitment,
        cool_down_stops_cancelling,
        change_clears_nothing,
    ];
    let mut missed = Vec::new();
    for (name, flaws) in flaws {
        let rules = Rules { flaws, ..rules() };
        let found = first_difference(SEQUENCES, &rules, &Mutex::new(Met::new()));
        if found.is_none() {
            missed.push(name);
        }
    }
    assert!(
        missed.is_empty(),
        "not found in {SEQUENCES} sequences: {missed:?}"
    );
}

#[test]
fn a_difference_is_shrunk_to_the_steps_that_show_it() {
    let flaws = Flaws {
        recovery_keeps_lower_ranks: true,
        ..Flaws::default()
    };
    let rules = Rules { flaws, ..rules() };
    let seed = first_difference(SEQUENCES, &rules, &Mutex::new(Met::new()));
    let base = Base::new();
    let plan = plan(seed.expect("the flaw shows"), &base.others);
    let (plan, difference) = shrunk(&base, plan, &rules);
    assert!(difference.text.starts_with("policy"), "{}", difference.text);
    // A recovery, and another step, before which its time has come.
    assert_eq!(plan.steps.len(), 2, "{plan:#?}");
}
