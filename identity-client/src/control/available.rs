//! The keys at hand.

use allod_primitives::H256;
use allod_primitives::guardian::Invitation;
use allod_primitives::operation::Reveal;
use allod_primitives::policy::{ControlKey, Rank, WeightedKey};

use super::{Generation, NextSeed};

/// What a person can sign with here and now.
#[derive(Clone, Debug, Default)]
pub struct Available {
    /// Control keys, whichever rank they belong to; guardians' keys too.
    pub keys: Vec<ControlKey>,
    /// Seeds of next keys: recovery sheets.
    pub seeds: Vec<NextSeed>,
    /// Next keys that no seed gives, such as several people's: opened commitments.
    pub reveals: Vec<Reveal>,
    /// Guardianships held, for recoveries of others.
    pub invitations: Vec<Invitation>,
}

/// The next keys of a rank, at hand.
#[derive(Clone, Debug)]
pub struct NextHeld {
    /// Opens the rank's commitment and commits to the keys after these.
    pub reveal: Reveal,
    /// The generation, if a seed gives it: its key signs.
    pub generation: Option<Generation>,
}

impl Available {
    /// Returns the next keys of `rank`, if its commitment can be opened.
    pub fn next(&self, index: u8, rank: &Rank) -> Option<NextHeld> {
        let commitment: H256 = rank.next?;
        let mut seeds = self.seeds.iter();
        if let Some(generation) = seeds.find_map(|seed| seed.find(index, &commitment)) {
            return Some(NextHeld {
                reveal: generation.reveal(),
                generation: Some(generation),
            });
        }
        let mut reveals = self.reveals.iter();
        let reveal = reveals.find(|it| it.commitment() == commitment)?;
        Some(NextHeld {
            reveal: reveal.clone(),
            generation: None,
        })
    }

    /// Returns the weight of those of `keys` that are at hand.
    pub fn weight(&self, keys: &[WeightedKey]) -> u32 {
        let held = keys.iter().filter(|it| self.keys.contains(&it.key));
        held.fold(0, |sum: u32, it| sum.saturating_add(u32::from(it.weight)))
    }
}
