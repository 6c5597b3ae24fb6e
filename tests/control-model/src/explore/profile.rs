//! What a set of stolen keys comes to: the parties that it can act as.
//!
//! **Lemma.** Two sets of keys that reach the thresholds of the same parties allow the same moves.
//! Proof: the rules read the signers of an operation in one place, `check_signers`, which asks of
//! one party whether all signers are of its keys and reach its threshold; keys that a thief lists
//! in a rank are his choice and public, whoever holds them; and a rank that he sets he can set to
//! a key of his own instead of one he holds by half. So the 2^15 subsets of the owner's six
//! exposed keys, six next keys and three guardians fall into at most 2^7 profiles, and each
//! profile is explored. The test `every_subset_of_keys_acts_as_its_profile` checks the lemma on
//! every subset.

use super::world::{Config, GUARDIAN_KEYS, OWNER_RANKS, owner_set};
use crate::keys::{KeySet, Keys};
use crate::operation::Lane;

/// Keys of the owner's at the beginning: 6 exposed, 6 next, 3 guardians.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ExposedKeys(pub Keys);

impl ExposedKeys {
    /// Returns every subset, 2^15 of them.
    pub fn all() -> impl Iterator<Item = Self> {
        (0_u64..1 << 15).map(|bits| Self(bits & 0xfff | (bits >> 12) << 20))
    }
}

/// The parties whose thresholds the thief's keys reach.
///
/// He keeps what he can do: whenever a rank gets new keys of the owner's, those become his as well
/// if the profile has the rank. (A thief who sits on the device steals again.)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Profile {
    /// Next keys, by rank.
    pub next: [bool; OWNER_RANKS],
    /// Exposed keys, by rank.
    pub exposed: [bool; OWNER_RANKS],
    /// A quorum of guardians.
    pub guardians: bool,
}

impl Profile {
    /// Returns the profile of a set of keys.
    pub fn of(keys: ExposedKeys) -> Self {
        let reached = |rank, generation| owner_set(rank, generation).reached_by(keys.0);
        Self {
            next: [0, 1, 2].map(|rank| reached(rank, 1)),
            exposed: [0, 1, 2].map(|rank| reached(rank, 0)),
            guardians: KeySet::new(GUARDIAN_KEYS, 2).reached_by(keys.0),
        }
    }

    /// Returns every profile that differs in this configuration, with the number of subsets of
    /// keys that come to it.
    pub fn all(config: &Config) -> Vec<(Self, u32)> {
        let mut found = std::collections::BTreeMap::new();
        for keys in ExposedKeys::all() {
            let mut profile = Self::of(keys);
            for rank in 0..OWNER_RANKS {
                profile.next[rank] &= config.commits(rank);
            }
            profile.guardians &= config.guardians;
            *found.entry(profile).or_insert(0) += 1;
        }
        found.into_iter().collect()
    }

    /// Returns the number of parties.
    pub fn len(&self) -> usize {
        let parties = self.next.iter().chain(&self.exposed);
        parties.chain([&self.guardians]).filter(|it| **it).count()
    }

    /// Returns whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns whether it has every party that `other` has.
    pub fn contains(&self, other: &Self) -> bool {
        let bits = |it: &Self| [it.next, it.exposed, [it.guardians; OWNER_RANKS]];
        let pairs = bits(self)
            .into_iter()
            .flatten()
            .zip(bits(other).into_iter().flatten());
        pairs.into_iter().all(|(it, of)| it || !of)
    }

    /// Returns whether the thief acts as the owner's party of this lane.
    pub fn has(&self, lane: Lane) -> bool {
        let of = |bits: &[bool; OWNER_RANKS], rank: u8| {
            bits.get(usize::from(rank)).copied().unwrap_or(false)
        };
        match lane {
            Lane::Rank(rank) => of(&self.exposed, rank),
            Lane::Next(rank) => of(&self.next, rank),
            Lane::Guardians => self.guardians,
            Lane::Documents => false,
        }
    }

    /// Returns its name in reports: `N0 G R0 N1 R1 N2 R2`, those he has.
    pub fn name(&self) -> String {
        let mut parties = Vec::new();
        for rank in 0..OWNER_RANKS {
            if self.next[rank] {
                parties.push(format!("N{rank}"));
            }
            if rank == 0 && self.guardians {
                parties.push("G".to_owned());
            }
            if self.exposed[rank] {
                parties.push(format!("R{rank}"));
            }
        }
        if parties.is_empty() {
            "nothing".to_owned()
        } else {
            parties.join(" ")
        }
    }
}
