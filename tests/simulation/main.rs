//! Whole nodes in one thread and in virtual time: real engine, ledger, mempool, runtime and state
//! tree over simulated networks, clocks and disks. From one seed come latency, loss,
//! duplication, partitions, crashes that lose every unsynced write, full disks, wrong clocks and
//! the work that clients submit; then named checkers judge what is left. See docs/simulation.md.
//!
//! `ALLOD_SIM_SEED=7` replays one seed and prints what happens. `ALLOD_SIM_SEEDS=50` is how many
//! seeds from 0 on to run.
#![allow(
    missing_docs,
    clippy::print_stdout,
    reason = "test code, whose counts are to be read"
)]

#[path = "../mutations/author.rs"]
#[allow(dead_code, reason = "what mutations need and simulations do not")]
mod author;
mod checkers;
mod entropy;
mod fleet;
mod plan;
mod run;
mod trace;
mod witness;
mod workload;

use std::sync::Mutex;
use std::time::Instant;

use entropy::{is_pinned, output, pinned};
use plan::Plan;
use run::run;

/// Seeds of an ordinary test run.
const SEEDS_DEFAULT: u64 = 8;
/// Names one seed.
const SEED: &str = "ALLOD_SIM_SEED";
/// Says how many seeds, from 0 on.
const SEEDS: &str = "ALLOD_SIM_SEEDS";

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable)
        .ok()
        .filter(|text| !text.is_empty())?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} is a number")),
    )
}

/// Runs one seed in this process, and says how to replay it if it fails.
fn run_seed(seed: u64, verbose: bool) {
    let plan = Plan::draw(seed);
    match run(&plan, verbose) {
        // The harness has begun a line of its own.
        Ok(report) => println!("\nseed {seed}: {} nodes, {report:?}", plan.nodes),
        Err(violation) => {
            panic!("seed {seed}: {violation:?}; replay: make sim SEED={seed}");
        }
    }
}

/// Runs one seed in a process of its own; returns its report.
fn report_of(seed: u64) -> Result<String, String> {
    let output = output(PROMISES, (SEED, format!("{seed}/quiet")));
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let report = printed.lines().find(|line| line.starts_with("seed "));
    match (output.status.success(), report) {
        (true, Some(report)) => Ok(report.to_owned()),
        _ => {
            let error = String::from_utf8_lossy(&output.stderr);
            Err(format!(
                "seed {seed} failed; replay: make sim SEED={seed}\n{error}"
            ))
        }
    }
}

const PROMISES: &str = "promises_hold_under_crashes_loss_and_partitions";

/// Goal: whatever happens, every promise holds. Method: seeds, each a run in a process of its
/// own; as many at once as there are processors.
#[test]
fn promises_hold_under_crashes_loss_and_partitions() {
    let named = std::env::var(SEED).ok();
    if let Some(seed) = named.as_deref().and_then(|it| it.strip_suffix("/quiet")) {
        return run_seed(seed.parse().expect("made above"), false);
    }
    if let Some(seed) = number(SEED) {
        return pinned(PROMISES, || run_seed(seed, true));
    }
    let seeds = Mutex::new(0..number(SEEDS).unwrap_or(SEEDS_DEFAULT));
    let failures = Mutex::new(Vec::new());
    let work = || {
        let next = || {
            seeds
                .lock()
                .expect("no code panics while it holds this lock")
                .next()
        };
        while let Some(seed) = next() {
            let started = Instant::now();
            match report_of(seed) {
                Ok(report) => println!("{report} in {:.1?}", started.elapsed()),
                Err(failure) => {
                    println!("{failure}");
                    let mut list = failures.lock().expect("no code panics while it holds this");
                    list.push(seed);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        (0..threads).for_each(|_| drop(scope.spawn(work)));
    });
    let failed = failures
        .into_inner()
        .expect("no code panics while it holds this lock");
    assert_eq!(
        failed,
        Vec::<u64>::new(),
        "seeds; replay one by `make sim SEED=...`"
    );
}

/// Goal: a seed is a run: what failed can be seen again. Method: a seed of four nodes and one of
/// seven, twice each; the hash over every commit, acknowledgement, crash and count of messages,
/// each with its time, must be the same.
#[test]
fn a_seed_is_a_run_bit_for_bit() {
    for seed in [2, 3] {
        let (first, second) = (report_of(seed), report_of(seed));
        assert_eq!(
            first.expect("every promise holds"),
            second.expect("every promise holds")
        );
    }
}

/// Goal: a block that was acknowledged survives the loss of everything that was not synced.
/// Method: all four nodes crash at once, five times, under load.
#[test]
fn all_nodes_crash_at_once_and_nothing_acknowledged_is_lost() {
    pinned(
        "all_nodes_crash_at_once_and_nothing_acknowledged_is_lost",
        || {
            let report = run(&Plan::all_crash(1, 5), false).expect("every promise holds");
            assert!(report.acknowledged > 20, "{report:?}");
            assert!(report.height > 20, "{report:?}");
        },
    );
}

/// Goal: the test above would notice. Method: the same run on disks that forget to sync; the
/// checker of acknowledged messages, and no other, must fail.
#[test]
fn removing_the_sync_loses_what_was_acknowledged() {
    pinned("removing_the_sync_loses_what_was_acknowledged", || {
        let mut plan = Plan::all_crash(1, 5);
        plan.syncs_ignored = true;
        let violation = run(&plan, false).expect_err("the safeguard is gone");
        assert_eq!(
            violation.checker, "nothing_acknowledged_is_lost",
            "{violation:?}"
        );
    });
}

/// Goal: a validator that forgets what it signed does not sign twice, and the checker would notice
/// if it did. Method: one node loses its log thirty times, with its guard and without.
#[test]
fn removing_the_guard_lets_a_validator_sign_twice() {
    pinned("removing_the_guard_lets_a_validator_sign_twice", || {
        run(&Plan::forgetful(1), false).expect("every promise holds");
        // A crash has to hit between two messages of a round: thirty mostly do, not always.
        let unguarded = |seed| {
            let mut plan = Plan::forgetful(seed);
            plan.guards_off = true;
            run(&plan, false).err()
        };
        let violation = (1..=5).find_map(unguarded).expect("the safeguard is gone");
        assert_eq!(violation.checker, "nobody_equivocates", "{violation:?}");
    });
}

/// Goal: clocks that jump, together or one alone, cost rounds and nothing else. Method: thirteen
/// jumps of up to an hour in half a minute, one node off by hours besides, and crashes.
#[test]
fn clocks_that_jump_by_hours_neither_fork_nor_stall() {
    pinned("clocks_that_jump_by_hours_neither_fork_nor_stall", || {
        for seed in 1..=6 {
            let report = run(&Plan::jumping(seed), false);
            let report = report.unwrap_or_else(|it| panic!("jumping seed {seed}: {it:?}"));
            println!("jumping seed {seed}: {report:?}");
            assert!(report.height > 30, "{report:?}");
            assert!(report.acknowledged > 20, "{report:?}");
        }
    });
}

/// Goal: without faults the chain does not stumble. Method: a calm run; almost no time passes
/// beside the work.
#[test]
fn a_calm_network_makes_five_blocks_a_second_under_load() {
    pinned(
        "a_calm_network_makes_five_blocks_a_second_under_load",
        || {
            assert!(is_pinned());
            let report = run(&Plan::calm(1, 4), false).expect("every promise holds");
            assert!(report.height >= 30 && report.virtual_s < 20, "{report:?}");
        },
    );
}
