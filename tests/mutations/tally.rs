//! Verdicts, counted.

use std::collections::BTreeMap;
use std::fmt::Debug;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Which kind of mutation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Half {
    /// Of bytes, without knowledge of the format.
    Bytes,
    /// Of a field, signed again by the right keys.
    Fields,
}

/// What became of a mutant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    /// It was refused with this error.
    Refused(String),
    /// It was taken, for a reason that was checked.
    Taken(&'static str),
}

impl Verdict {
    /// Names an error by its type and variant, without what the variant holds.
    pub(crate) fn refused(kind: &str, error: &impl Debug) -> Self {
        Self::Refused(format!("{kind}::{}", variant(error)))
    }

    /// Names a codec error by its root cause.
    pub(crate) fn codec(error: &parity_scale_codec::Error) -> Self {
        let text = error.to_string();
        let cause = text.lines().last().unwrap_or_default().trim();
        Self::Refused(format!("Codec: {cause}"))
    }
}

/// Returns the name of an enum's variant.
pub(crate) fn variant(value: &impl Debug) -> String {
    let text = format!("{value:?}");
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
    text[..end.unwrap_or(text.len())].to_owned()
}

/// Counts by subject, half and verdict.
#[derive(Debug, Default)]
pub(crate) struct Tally(BTreeMap<(Half, &'static str, Verdict), u64>);

impl Tally {
    pub(crate) fn count(&mut self, subject: &'static str, half: Half, verdict: Verdict) {
        *self.0.entry((half, subject, verdict)).or_default() += 1;
    }

    pub(crate) fn merge(&mut self, other: Self) {
        for (key, count) in other.0 {
            *self.0.entry(key).or_default() += count;
        }
    }

    pub(crate) fn total(&self, half: Half) -> u64 {
        let of_half = self.0.iter().filter(|((it, ..), _)| *it == half);
        of_half.map(|(_, count)| count).sum()
    }

    /// Returns how often `error`, as [`Verdict::refused`] names it, was the verdict.
    pub(crate) fn refusals(&self, error: &str) -> u64 {
        let verdict = Verdict::Refused(error.to_owned());
        let hits = self.0.iter().filter(|((.., it), _)| *it == verdict);
        hits.map(|(_, count)| count).sum()
    }

    /// Prints counts by error, then by subject.
    pub(crate) fn print(&self) {
        let mut errors: BTreeMap<(&Verdict, Half), u64> = BTreeMap::new();
        let mut subjects: BTreeMap<(&str, Half), u64> = BTreeMap::new();
        for ((half, subject, verdict), count) in &self.0 {
            *errors.entry((verdict, *half)).or_default() += count;
            *subjects.entry((subject, *half)).or_default() += count;
        }
        for ((subject, half), count) in subjects {
            println!("{count:>8}  {half:?}  {subject}");
        }
        for ((verdict, half), count) in errors {
            println!("{count:>8}  {half:?}  {verdict:?}");
        }
    }
}

/// Returns the seed of this run: `ALLOD_MUTATIONS_SEED`, by default 1.
pub(crate) fn seed() -> u64 {
    let text = std::env::var("ALLOD_MUTATIONS_SEED");
    text.map_or(1, |text| {
        text.parse().expect("ALLOD_MUTATIONS_SEED is a number")
    })
}

/// Returns a generator for one part of the run.
pub(crate) fn rng(part: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed());
    rng.set_stream(part);
    rng
}
