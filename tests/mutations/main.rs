//! A hundred thousand mutations of everything that crosses the wire, none of which is taken.
//!
//! Half of them change bytes without knowing the format; the other half change one field and
//! sign again with the right keys, so that exactly one rule is left to refuse it. Whatever is
//! refused is refused by a typed error, without a panic and without a change of state; whatever
//! is taken is shown to be the same thing or another valid one. `named` holds one test for each
//! attack that has a name.
//!
//! `ALLOD_MUTATIONS_SEED` replays a run; the counts by error are printed (`--nocapture`).
#![allow(
    missing_docs,
    clippy::print_stdout,
    reason = "test code, whose counts are to be read"
)]

mod access;
mod author;
mod bytes;
mod covered;
mod ledger;
mod login;
mod named;
mod tally;
mod wire;
mod zip215;

use tally::{Half, Tally, rng};

/// Rounds of each wire type in each half.
const ROUNDS: usize = 2_700;

type Part = fn(usize, &mut rand_chacha::ChaCha8Rng, &mut Tally);

/// Every part of the run, with how many times [`ROUNDS`] it takes.
const PARTS: &[(Part, usize)] = &[
    (wire::header::byte_half, 1),
    (wire::header::field_half, 1),
    (wire::certificate::byte_half, 1),
    (wire::certificate::field_half, 1),
    (wire::tree::byte_half, 1),
    (wire::tree::field_half, 2),
    (wire::objects::byte_half, 1),
    (wire::objects::field_half, 1),
    (ledger::bytes::byte_half, 6),
    (ledger::bytes::resigned_half, 1),
    (ledger::operations::field_half, 3),
    (ledger::control::field_half, 3),
    (ledger::inceptions::field_half, 2),
    (ledger::tokens::field_half, 1),
    (ledger::grants::field_half, 1),
    (ledger::envelope::field_half, 2),
    (login::byte_half, 1),
    (login::field_half, 1),
    (access::field_half, 1),
];

/// Goal: nothing but valid messages is taken. Method: seeded mutations of every wire type, in
/// threads that share nothing; the counts of all are added up.
#[test]
fn a_hundred_thousand_mutations_are_refused_by_typed_errors() {
    println!("ALLOD_MUTATIONS_SEED={}", tally::seed());
    let started = std::time::Instant::now();
    let mut tally = Tally::default();
    std::thread::scope(|scope| {
        let run = |(part, (run, times)): (usize, &(Part, usize))| {
            let (run, times) = (*run, *times);
            scope.spawn(move || {
                let mut tally = Tally::default();
                run(times * ROUNDS, &mut rng(part as u64), &mut tally);
                tally
            })
        };
        let threads: Vec<_> = PARTS.iter().enumerate().map(run).collect();
        for thread in threads {
            match thread.join() {
                Ok(part) => tally.merge(part),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    tally.print();
    let (bytes, fields) = (tally.total(Half::Bytes), tally.total(Half::Fields));
    println!(
        "{bytes} of bytes, {fields} of fields, in {:.1?}",
        started.elapsed()
    );
    assert_covered(&tally);
}

/// Checks that there were enough, and that every error was met.
fn assert_covered(tally: &Tally) {
    assert!(tally.total(Half::Bytes) >= 50_000 && tally.total(Half::Fields) >= 50_000);
    for (kind, errors) in covered::ERRORS {
        for error in *errors {
            assert!(
                tally.refusals(&format!("{kind}::{error}")) > 0,
                "{kind}::{error} not met"
            );
        }
    }
}
