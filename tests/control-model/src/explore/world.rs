//! The small world that is explored: three ranks of two keys, three guardians, one thief.

use crate::keys::{KeySet, Keys};
use crate::rules::{Flaws, Rules};
use crate::state::{Document, Guardians, Policy, RANKS, Rank, State, Time, capability};

/// Ranks that the owner has at the beginning.
pub(crate) const OWNER_RANKS: usize = 3;
/// Delay of the owner's policy, in steps of time.
pub(crate) const DELAY: Time = 2;

/// Which of the owner's ranks are committed to next keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Commitments {
    /// None.
    None,
    /// Rank 0.
    Top,
    /// All.
    All,
}

/// One configuration of the owner's identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Config {
    /// Pre-rotation.
    pub commitments: Commitments,
    /// Whether there are guardians, two of three.
    pub guardians: bool,
    /// Capabilities: all for every rank; or as by default, where the lowest rank, a device, can
    /// neither propose nor cancel.
    pub all_capabilities: bool,
    /// The guardians' delay in steps of time; the policy's is 2.
    pub guardians_delay: Time,
}

impl Config {
    /// Returns every configuration that differs from the others: without guardians their delay
    /// does not.
    pub fn all() -> Vec<Self> {
        let mut found = Vec::new();
        for commitments in [Commitments::None, Commitments::Top, Commitments::All] {
            for all_capabilities in [false, true] {
                for guardians_delay in [0, 1, 2, 3] {
                    found.push(Self {
                        commitments,
                        guardians: guardians_delay > 0,
                        all_capabilities,
                        guardians_delay,
                    });
                }
            }
        }
        found
    }

    /// Returns its name in reports.
    pub fn name(&self) -> String {
        let commitments = match self.commitments {
            Commitments::None => "no next keys",
            Commitments::Top => "next keys of rank 0",
            Commitments::All => "next keys of every rank",
        };
        let guardians = if self.guardians {
            format!("guardians' delay {} of {DELAY}", self.guardians_delay)
        } else {
            "no guardians".to_owned()
        };
        let capabilities = if self.all_capabilities {
            "all capabilities"
        } else {
            "default capabilities"
        };
        format!("{commitments}, {guardians}, {capabilities}")
    }

    /// Returns whether the owner's rank has a commitment.
    pub(crate) const fn commits(&self, rank: usize) -> bool {
        match self.commitments {
            Commitments::None => false,
            Commitments::Top => rank == 0,
            Commitments::All => true,
        }
    }

    /// Returns the rules with numbers of this size.
    pub fn rules(flaws: Flaws) -> Rules {
        Rules {
            delay_min: 1,
            delay_max: 9,
            cool_down_first: 1,
            cool_down_max: 2,
            day: 1 << 40,
            flaws,
            ..Rules::default()
        }
    }

    /// Returns the owner's identity at the beginning.
    pub fn initial(&self) -> State {
        let mut ranks = [Rank::VACANT; RANKS];
        for (index, rank) in ranks.iter_mut().enumerate().take(OWNER_RANKS) {
            *rank = self.owner_rank(index, 0);
        }
        let policy = Policy {
            ranks,
            guardians: self.guardians.then(|| self.owner_guardians()),
            delay: DELAY,
        };
        State::incepted(policy, Document::default(), 0)
    }

    /// Returns a rank of the owner's keys of one of the two generations.
    pub(crate) fn owner_rank(&self, rank: usize, generation: usize) -> Rank {
        let device = capability::DOCUMENT | capability::TOKENS_AND_GRANTS;
        let capabilities = if self.all_capabilities || rank < 2 {
            capability::ALL
        } else {
            device
        };
        Rank {
            set: owner_set(rank, generation),
            capabilities,
            next: self.commits(rank).then(|| owner_set(rank, 1 - generation)),
        }
    }

    /// Returns the owner's guardians.
    pub(crate) const fn owner_guardians(&self) -> Guardians {
        Guardians {
            set: KeySet::new(GUARDIAN_KEYS, 2),
            delay: self.guardians_delay,
        }
    }
}

/// The owner's guardians: keys 20 to 22.
pub(crate) const GUARDIAN_KEYS: Keys = 0b111 << 20;
/// A guardian who is the thief: key 24.
pub(crate) const THIEF_GUARDIAN: Keys = 1 << 24;
/// Every key that is the thief's from the beginning.
pub(crate) const THIEF_KEYS: Keys = 0b1111_1111 << 12 | THIEF_GUARDIAN;

/// Returns two keys of the owner's: rank r's of generation g are keys 4r + 2g and 4r + 2g + 1.
/// Rank 0 needs both, rank 1 either, rank 2 the second, which is heavy.
pub(crate) const fn owner_set(rank: usize, generation: usize) -> KeySet {
    let keys = 0b11 << (4 * rank + 2 * generation);
    match rank {
        0 => KeySet::new(keys, 2),
        1 => KeySet::new(keys, 1),
        _ => KeySet {
            keys,
            heavy: 0b10 << (4 * rank + 2 * generation),
            threshold: 2,
        },
    }
}

/// Returns the thief's own key for a rank: keys 12 to 15.
pub(crate) const fn thief_set(rank: usize) -> KeySet {
    KeySet::new(1 << (12 + rank), 1)
}

/// Returns the thief's own next key for a rank: keys 16 to 19.
pub(crate) const fn thief_next(rank: usize) -> KeySet {
    KeySet::new(1 << (16 + rank), 1)
}

/// Returns a rank of the thief's.
pub(crate) fn thief_rank(rank: usize, commits: bool) -> Rank {
    Rank {
        set: thief_set(rank),
        capabilities: capability::ALL,
        next: commits.then(|| thief_next(rank)),
    }
}

/// Returns guardians that are the thief.
pub(crate) const fn thief_guardians() -> Guardians {
    Guardians {
        set: KeySet::new(THIEF_GUARDIAN, 1),
        delay: 1,
    }
}
