//! Bytes that nobody honest sent.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::cases::{Question, honest};
use crate::library::ask::ask;
use crate::world::World;

/// The messages of a question that come from a node.
fn sent(question: &mut Question) -> Vec<&mut Vec<u8>> {
    match question {
        Question::Genesis { .. } | Question::Checkpoint { .. } | Question::Place { .. } => vec![],
        Question::Headers { list, .. } => list.iter_mut().collect(),
        Question::Transition { transition, .. } => vec![transition],
        Question::Read { proof, .. } => vec![proof],
        Question::Steps { blocks, .. } => blocks.iter_mut().collect(),
        Question::Pages { pages, .. } => pages.iter_mut().collect(),
    }
}

/// Goal: nothing in a bundle is there without being checked. Method: flips one bit of each byte
/// of an honest bundle, transitions and all.
#[test]
fn every_byte_of_a_bundle_counts() {
    let mut random = ChaCha8Rng::seed_from_u64(4);
    let cases = honest(&World::new());
    let names = ["read", "read-after-two-changes-of-set", "steps"];
    for case in cases.iter().filter(|case| names.contains(&case.name)) {
        let count = sent(&mut case.question.clone()).len();
        for message in 0..count {
            let length = sent(&mut case.question.clone())[message].len();
            for place in 0..length {
                let mut question = case.question.clone();
                let bit = 1u8 << random.gen_range(0..8);
                sent(&mut question)[message][place] ^= bit;
                let verdict = ask(&question);
                assert!(verdict.is_err(), "{} {message} {place} {bit}", case.name);
            }
        }
    }
}

/// Goal: no panic, whatever the bytes. Method: cuts, repeats, and changes of honest messages at
/// random, lengths among them.
#[test]
fn hostile_bytes_are_refused_without_a_panic() {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let cases = honest(&World::new());
    let mut refused = 0;
    for _ in 0..3000 {
        let case = &cases[random.gen_range(0..cases.len())];
        let mut question = case.question.clone();
        let mut messages = sent(&mut question);
        if messages.is_empty() {
            continue;
        }
        let chosen = random.gen_range(0..messages.len());
        let bytes = &mut *messages[chosen];
        for _ in 0..random.gen_range(1..4) {
            let place = random.gen_range(0..bytes.len().max(1));
            match random.gen_range(0..4) {
                0 => bytes.truncate(place),
                1 => bytes.insert(place, random.r#gen()),
                2 => bytes.extend_from_within(place.min(bytes.len())..),
                _ => bytes
                    .iter_mut()
                    .skip(place)
                    .take(4)
                    .for_each(|it| *it = 0xff),
            }
        }
        refused += u32::from(ask(&question).is_err());
    }
    assert!(refused > 1500, "{refused}");
}
