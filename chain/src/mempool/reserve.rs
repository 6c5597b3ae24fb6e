//! Room for rescues, which nothing else can take.

use std::collections::{BTreeMap, HashMap};

use allod_primitives::H256;

use super::judge::{Rescue, Verdict};
use super::pool::{Entry, Limits, Pool, Standing, Told};
use super::status::{DropReason, TxStatus};

/// Precedence of rescues lies above that of everything else.
pub(super) const RESCUE_PRECEDENCE: u64 = u64::MAX / 2;

impl Verdict {
    /// Returns what decides who goes first and who must give way: rescues above everything, next
    /// keys above guardians above rank 0; within a kind, and for everything else, the priority.
    pub(super) fn precedence(&self) -> u64 {
        const STEP: u64 = u64::MAX / 8;
        let priority = self.priority.min(STEP - 1);
        match self.rescue {
            None => self.priority.min(RESCUE_PRECEDENCE - 1),
            Some(Rescue::Rank0) => RESCUE_PRECEDENCE.saturating_add(priority),
            Some(Rescue::Guardians) => RESCUE_PRECEDENCE + STEP + priority,
            Some(Rescue::Next) => RESCUE_PRECEDENCE + 2 * STEP + priority,
        }
    }
}

/// The rescues that wait in their own room. The hash map is only looked up, never walked.
#[derive(Debug, Default)]
pub(super) struct Reserve {
    entries: BTreeMap<Standing, H256>,
    bytes: usize,
    /// Per subject, how many of each kind.
    counts: HashMap<Vec<u8>, BTreeMap<Rescue, usize>>,
}

impl Reserve {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns how many of `subject` are in here.
    pub(super) fn count_of(&self, subject: &[u8]) -> usize {
        self.counts
            .get(subject)
            .map_or(0, |kinds| kinds.values().sum())
    }

    fn count_of_kind(&self, subject: &[u8], kind: Rescue) -> usize {
        let kinds = self.counts.get(subject);
        kinds
            .and_then(|kinds| kinds.get(&kind))
            .copied()
            .unwrap_or(0)
    }

    /// Returns all of them, those of the highest precedence and the newest first.
    pub(super) fn newest_first(&self) -> impl Iterator<Item = H256> + '_ {
        self.entries.values().rev().copied()
    }

    pub(super) fn add(&mut self, hash: H256, entry: &Entry) {
        self.bytes = self.bytes.saturating_add(entry.bytes.len());
        self.entries.insert(entry.standing(), hash);
        let Some(kind) = entry.verdict.rescue else {
            return;
        };
        for subject in &entry.verdict.subjects {
            let kinds = self.counts.entry(subject.clone()).or_default();
            let count = kinds.entry(kind).or_default();
            *count = count.saturating_add(1);
        }
    }

    pub(super) fn remove(&mut self, entry: &Entry) {
        self.bytes = self.bytes.saturating_sub(entry.bytes.len());
        self.entries.remove(&entry.standing());
        let Some(kind) = entry.verdict.rescue else {
            return;
        };
        for subject in &entry.verdict.subjects {
            if let Some(kinds) = self.counts.get_mut(subject) {
                if let Some(count) = kinds.get_mut(&kind) {
                    *count = count.saturating_sub(1);
                }
                kinds.retain(|_, count| *count > 0);
                if kinds.is_empty() {
                    self.counts.remove(subject);
                }
            }
        }
    }

    /// Checks the bounds; for tests.
    pub(super) fn check(&self, limits: &Limits) -> Result<(), &'static str> {
        let must = |holds: bool, what: &'static str| if holds { Ok(()) } else { Err(what) };
        must(self.entries.len() <= limits.rescues, "too many rescues")?;
        must(
            self.bytes <= limits.rescue_bytes,
            "too many bytes of rescues",
        )?;
        let counts = self.counts.values().flat_map(BTreeMap::values);
        let largest = counts.max().copied().unwrap_or(0);
        must(largest <= limits.rescues_per_subject, "rescues per subject")
    }
}

impl Pool {
    /// Makes room for a rescue in the room of the rescues, if it is one and its identity has not
    /// used up its share: rescues of a lower kind give way, the oldest first. Returns false if it
    /// has to compete with everything else.
    pub(super) fn reserve(&mut self, bytes: usize, verdict: &Verdict, told: &mut Told) -> bool {
        let Some(kind) = verdict.rescue else {
            return false;
        };
        let max = self.limits.rescues_per_subject;
        let mut subjects = verdict.subjects.iter();
        if subjects.any(|it| self.reserve.count_of_kind(it, kind) >= max) {
            return false;
        }
        while self.reserve.len() >= self.limits.rescues
            || self.reserve.bytes().saturating_add(bytes) > self.limits.rescue_bytes
        {
            let lowest = self.reserve.entries.first_key_value();
            let lowest = lowest.filter(|((lowest, _), _)| *lowest < verdict.precedence());
            let Some(victim) = lowest.map(|(_, hash)| *hash) else {
                return false;
            };
            self.remove(&victim, TxStatus::Dropped(DropReason::Evicted), told);
        }
        true
    }
}
