//! Whose signatures an operation needs, and how much of them is there.

use allod_primitives::codec::BoundedVec;
use allod_primitives::limits::{RANK_KEYS_MAX, RANKS_MAX};
use allod_primitives::operation::{Body, KeySignature, Lane, Operation};
use allod_primitives::policy::{
    Capabilities, ControlKey, ControlPolicy, GuardianSet, Rank, WeightedKey,
};
use parity_scale_codec::{Decode, Encode};

use super::Available;

/// Keys of which a weight must sign.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct KeyQuorum {
    /// The keys.
    pub keys: BoundedVec<WeightedKey, RANK_KEYS_MAX>,
    /// The weight.
    pub threshold: u32,
}

/// Whose signatures an operation needs.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Quorum {
    /// Keys of one of these lists to its threshold, and no others.
    #[codec(index = 0)]
    Keys(BoundedVec<KeyQuorum, RANKS_MAX>),
    /// Guardians, to their threshold.
    #[codec(index = 1)]
    Guardians(GuardianSet),
}

impl Quorum {
    /// Returns who signs `operation`; `None` if nobody can: `policy` has no such rank, no
    /// guardians, or a commitment that the reveal does not open.
    ///
    /// `policy`: of the effective record, or of the controller's if the operation names one. An
    /// inception brings its own.
    ///
    /// Source: spec/did.md §2, check 13; spec/control.md §1.
    pub fn of(operation: &Operation, policy: &ControlPolicy) -> Option<Self> {
        if let Body::Incept(inception) = &operation.body {
            return Self::one(inception.policy.ranks.first()?);
        }
        if operation.controller.is_some() {
            return Self::with(policy, Capabilities::DOCUMENT);
        }
        match operation.lane {
            Lane::Rank(index) => Self::one(policy.ranks.get(usize::from(index))?),
            Lane::Next(index) => {
                let rank = policy.ranks.get(usize::from(index))?;
                let reveal = operation.reveal.as_ref()?;
                if rank.next != Some(reveal.commitment()) {
                    return None;
                }
                Self::lists(vec![KeyQuorum {
                    keys: reveal.keys.clone(),
                    threshold: reveal.threshold,
                }])
            }
            Lane::Guardians => policy.guardians.clone().map(Self::Guardians),
            Lane::Documents => {
                let needed = match operation.body {
                    Body::SetNotBefore { .. } => Capabilities::TOKENS_AND_GRANTS,
                    _ => Capabilities::DOCUMENT,
                };
                Self::with(policy, needed)
            }
        }
    }

    fn one(rank: &Rank) -> Option<Self> {
        Self::lists(vec![KeyQuorum::of(rank)?])
    }

    fn with(policy: &ControlPolicy, needed: Capabilities) -> Option<Self> {
        let ranks = policy.ranks.iter();
        let able = ranks.filter(|rank| rank.capabilities.contains(needed));
        Self::lists(able.filter_map(KeyQuorum::of).collect())
    }

    fn lists(lists: Vec<KeyQuorum>) -> Option<Self> {
        if lists.is_empty() {
            return None;
        }
        BoundedVec::try_from(lists).ok().map(Self::Keys)
    }

    /// Returns whether `signature` may be among `others`: its key is listed, for guardians with
    /// its leaf, and together they can become one party's. Verifies nothing.
    pub fn admits(&self, others: &[KeySignature], signature: &KeySignature) -> bool {
        match self {
            Self::Keys(lists) => {
                let all = || others.iter().chain([signature]);
                let in_one = |list: &KeyQuorum| all().all(|it| list.weight_of(&it.key) > 0);
                signature.leaf.is_none() && lists.iter().any(in_one)
            }
            Self::Guardians(set) => signature.leaf.as_ref().is_some_and(|leaf| {
                let taken = |it: &KeySignature| {
                    let other = it.leaf.as_ref();
                    other.is_some_and(|other| other.index == leaf.index)
                };
                set.contains(&signature.key, leaf) && !others.iter().any(taken)
            }),
        }
    }

    /// Returns the weight that must sign; of several lists, the least.
    pub fn threshold(&self) -> u32 {
        self.missing(&[])
    }

    /// Returns the weight that `signatures` lack.
    pub fn missing(&self, signatures: &[KeySignature]) -> u32 {
        match self {
            Self::Keys(lists) => {
                let missing = lists.iter().filter_map(|list| list.missing(signatures));
                missing.min().unwrap_or(u32::MAX)
            }
            Self::Guardians(set) => {
                let leaves = signatures.iter().filter_map(|it| it.leaf.as_ref());
                let weights = leaves.map(|it| u32::from(it.weight));
                set.threshold
                    .saturating_sub(weights.fold(0, u32::saturating_add))
            }
        }
    }

    /// Returns the weight that the keys at hand lack.
    pub fn missing_at_hand(&self, available: &Available) -> u32 {
        match self {
            Self::Keys(lists) => {
                let missing = lists
                    .iter()
                    .map(|it| it.threshold.saturating_sub(available.weight(&it.keys)));
                missing.min().unwrap_or(u32::MAX)
            }
            Self::Guardians(set) => {
                let held = available.invitations.iter().filter(|it| {
                    it.set == *set && available.keys.contains(&it.key) && it.check().is_ok()
                });
                let weight = held.fold(0u32, |sum, it| {
                    sum.saturating_add(u32::from(it.leaf.weight))
                });
                set.threshold.saturating_sub(weight)
            }
        }
    }

    /// Returns the keys that may still sign; none are known of guardians.
    pub fn waiting_for(&self, signatures: &[KeySignature]) -> Vec<ControlKey> {
        let Self::Keys(lists) = self else {
            return Vec::new();
        };
        let open = lists.iter().filter(|it| it.missing(signatures).is_some());
        let keys = open.flat_map(|it| it.keys.iter().map(|it| it.key.clone()));
        let mut keys: Vec<ControlKey> = keys
            .filter(|key| !signatures.iter().any(|it| it.key == *key))
            .collect();
        keys.sort();
        keys.dedup();
        keys
    }
}

impl KeyQuorum {
    fn of(rank: &Rank) -> Option<Self> {
        let vacant = rank.is_vacant();
        (!vacant).then(|| Self {
            keys: rank.keys.clone(),
            threshold: rank.threshold,
        })
    }

    fn weight_of(&self, key: &ControlKey) -> u32 {
        let mut keys = self.keys.iter();
        keys.find(|it| it.key == *key)
            .map_or(0, |it| u32::from(it.weight))
    }

    /// Returns what is missing, or `None` if one of the signers is not listed here.
    fn missing(&self, signatures: &[KeySignature]) -> Option<u32> {
        let sum = signatures.iter().try_fold(0u32, |sum, it| {
            let weight = self.weight_of(&it.key);
            (weight > 0).then(|| sum.saturating_add(weight))
        })?;
        Some(self.threshold.saturating_sub(sum))
    }
}
