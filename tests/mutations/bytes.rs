//! The half that knows no format: bytes flipped, inserted, deleted, doubled, cut, spliced, and
//! lengths that lie.

use parity_scale_codec::{Compact, Encode};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::tally::{Half, Tally, Verdict};

/// Returns a mutant of `original`, never equal to it. `other`: bytes to splice from.
pub(crate) fn mutate(original: &[u8], other: &[u8], rng: &mut ChaCha8Rng) -> Vec<u8> {
    loop {
        let mut mutant = original.to_vec();
        // Mostly one defect: several hide each other.
        let defects = if rng.gen_bool(0.8) {
            1
        } else {
            rng.gen_range(2..5)
        };
        for _ in 0..defects {
            mutate_once(&mut mutant, other, rng);
        }
        if mutant != original {
            return mutant;
        }
    }
}

fn mutate_once(bytes: &mut Vec<u8>, other: &[u8], rng: &mut ChaCha8Rng) {
    if bytes.is_empty() {
        bytes.push(rng.r#gen());
        return;
    }
    let at = rng.gen_range(0..bytes.len());
    let length = rng.gen_range(1..=8.min(bytes.len() - at));
    match rng.gen_range(0..10) {
        0 => bytes[at] ^= 1 << rng.gen_range(0..8),
        1 => bytes[at] = rng.r#gen(),
        2 => bytes[at] = [0, 1, 0x7f, 0x80, 0xfe, 0xff][rng.gen_range(0..6)],
        3 => bytes.insert(at, rng.r#gen()),
        4 => drop(bytes.drain(at..at + length)),
        5 => {
            let part = bytes[at..at + length].to_vec();
            bytes.splice(at..at, part);
        }
        6 => bytes.truncate(at),
        7 => bytes.extend((0..length).map(|_| rng.r#gen::<u8>())),
        8 => lie_about_a_length(bytes, at, rng),
        _ => {
            let from = rng.gen_range(0..=other.len());
            let until = (from + 32).min(other.len());
            let end = (at + until - from).min(bytes.len());
            bytes.splice(at..end, other[from..until].iter().copied());
        }
    }
}

/// Replaces the byte at `at`, which may be a compact number, by another one or by a longer form
/// of the same.
fn lie_about_a_length(bytes: &mut Vec<u8>, at: usize, rng: &mut ChaCha8Rng) {
    let value = u32::from(bytes[at] >> 2);
    let lie = match rng.gen_range(0..5) {
        0 => Compact(value + 1).encode(),
        1 => Compact(value.saturating_sub(1)).encode(),
        2 => Compact(u32::MAX).encode(),
        3 => vec![(bytes[at] & 0xfc) | 1, 0],
        _ => vec![(bytes[at] & 0xfc) | 2, 0, 0, 0],
    };
    bytes.splice(at..=at, lie);
}

/// Says what was being judged if the judge panics.
struct Scene<'a>(&'static str, &'a [u8]);

impl Drop for Scene<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("panic while judging {}: 0x{}", self.0, hex::encode(self.1));
        }
    }
}

/// Judges `rounds` mutants of the samples.
pub(crate) fn run(
    name: &'static str,
    samples: &[Vec<u8>],
    rounds: usize,
    rng: &mut ChaCha8Rng,
    tally: &mut Tally,
    mut judge: impl FnMut(&[u8], &[u8]) -> Verdict,
) {
    for _ in 0..rounds {
        let original = &samples[rng.gen_range(0..samples.len())];
        let other = &samples[rng.gen_range(0..samples.len())];
        let mutant = mutate(original, other, rng);
        let scene = Scene(name, &mutant);
        let verdict = judge(original, &mutant);
        drop(scene);
        tally.count(name, Half::Bytes, verdict);
    }
}
