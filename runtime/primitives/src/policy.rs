//! Control policies: who may change an identity.
//!
//! A policy is up to four ranks, rank 0 the highest, optionally guardians, and a delay. What they
//! may do is in spec/control.md.

use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode};
use scale_info::TypeInfo;

use crate::codec::{BoundedVec, Text, is_strictly_ascending};
use crate::crypto::{KeyError, PublicKey};
use crate::hash::{H256, domain_hash};
use crate::limits::{
    CONTROL_DELAY_MS_MAX_CEILING, CONTROL_DELAY_MS_MIN_FLOOR, GUARDIANS_MAX, ORIGIN_BYTES_MAX,
    RANK_BYTES_MAX, RANK_KEYS_MAX, RANKS_MAX,
};

/// A key that may sign operations.
#[derive(
    Clone,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
)]
pub enum ControlKey {
    /// Ed25519, 32 bytes.
    #[codec(index = 0)]
    Ed25519(PublicKey),
    /// P-256, compressed, 33 bytes; ES256 with low s.
    #[codec(index = 1)]
    P256([u8; 33]),
    /// secp256k1, compressed, 33 bytes; ES256K with low s.
    #[codec(index = 2)]
    Secp256k1([u8; 33]),
    /// A passkey of the wallet's own relying party; never valid for login.
    #[codec(index = 3)]
    WebAuthn(WebAuthnKey),
}

/// A WebAuthn credential's key and where its assertions must come from.
#[derive(
    Clone,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
)]
pub struct WebAuthnKey {
    /// P-256 key, compressed.
    pub public_key: [u8; 33],
    /// SHA-256 of the relying party's id.
    pub rp_id_hash: H256,
    /// The exact origin, such as `https://wallet.example`.
    pub origin: Text<ORIGIN_BYTES_MAX>,
}

/// A key and what it weighs.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct WeightedKey {
    /// The key.
    pub key: ControlKey,
    /// Its weight, at least 1.
    pub weight: u16,
}

/// What a rank may do besides changing the ranks below it. A set of bits.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    Default,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
)]
pub struct Capabilities(pub u8);

impl Capabilities {
    /// Update the document.
    pub const DOCUMENT: Self = Self(1);
    /// Revoke tokens, log out everywhere, revoke grants as their owner.
    pub const TOKENS_AND_GRANTS: Self = Self(2);
    /// Propose a change upwards.
    pub const PROPOSE_UP: Self = Self(4);
    /// Cancel pending changes of lower proposers.
    pub const CANCEL: Self = Self(8);
    /// All of them.
    pub const ALL: Self = Self(15);

    /// Returns whether every bit of `other` is set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Returns the union.
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns what both have.
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

/// One rank: weighted keys and the sum of weights that acts for it. A rank without keys is
/// *vacant*: it has the default value, and nobody can act for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Rank {
    /// Keys, strictly ascending by key.
    pub keys: BoundedVec<WeightedKey, RANK_KEYS_MAX>,
    /// 1 to the sum of weights.
    pub threshold: u32,
    /// What it may do.
    pub capabilities: Capabilities,
    /// Commitment to its next keys, if pre-rotated; see [`next_keys_commitment`].
    pub next: Option<H256>,
}

/// Guardians: an m-of-n whose members stay hidden until they act.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct GuardianSet {
    /// Merkle root over individually salted leaves; see [`crate::guardian`].
    pub root: H256,
    /// Number of leaves, 1 to `GUARDIANS_MAX`.
    pub count: u16,
    /// Weight that recovers.
    pub threshold: u32,
    /// Milliseconds a recovery waits and can be cancelled.
    pub delay_ms: u64,
}

/// Who may change an identity.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct ControlPolicy {
    /// One to four ranks, the highest first; neither the first nor the last is vacant.
    pub ranks: BoundedVec<Rank, RANKS_MAX>,
    /// Guardians, if any.
    pub guardians: Option<GuardianSet>,
    /// Milliseconds that a rank's proposal waits and can be cancelled.
    pub delay_ms: u64,
}

/// A new value for one rank.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct RankChange {
    /// Index of the rank, 0 to 3.
    pub index: u8,
    /// Its new value; `None` makes it vacant, which rank 0 never is.
    pub rank: Option<Rank>,
}

/// A change of a policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct PolicyChange {
    /// Ranks to change, strictly ascending by index.
    pub ranks: BoundedVec<RankChange, RANKS_MAX>,
    /// New guardians: `Some(None)` removes them, `None` leaves them.
    pub guardians: Option<Option<GuardianSet>>,
    /// New delay, in milliseconds.
    pub delay_ms: Option<u64>,
}

/// Why a policy is not valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// No rank at all.
    #[error("policy has no rank")]
    NoRank,
    /// A rank without a key.
    #[error("rank {rank} has no key")]
    NoKey {
        /// Index of the rank.
        rank: u8,
    },
    /// Keys of a rank not strictly ascending.
    #[error("keys of rank {rank} are not sorted and unique")]
    KeysNotSortedUnique {
        /// Index of the rank.
        rank: u8,
    },
    /// A weight of zero.
    #[error("rank {rank} has a key of weight zero")]
    ZeroWeight {
        /// Index of the rank.
        rank: u8,
    },
    /// A threshold of zero or above the sum of weights.
    #[error("threshold {threshold} of rank {rank} is not within 1 to {sum}")]
    Threshold {
        /// Index of the rank.
        rank: u8,
        /// The threshold found.
        threshold: u32,
        /// The sum of the rank's weights.
        sum: u32,
    },
    /// One key in two ranks.
    #[error("a key of rank {rank} is also in a higher rank")]
    KeyInTwoRanks {
        /// Index of the lower rank.
        rank: u8,
    },
    /// Bits that mean nothing.
    #[error("capabilities of rank {rank} have unknown bits")]
    UnknownCapability {
        /// Index of the rank.
        rank: u8,
    },
    /// A key that may not be registered.
    #[error("key of rank {rank}: {error}")]
    Key {
        /// Index of the rank.
        rank: u8,
        /// What is wrong with it.
        error: KeyError,
    },
    /// Guardians with a threshold of zero.
    #[error("guardians' threshold is zero")]
    GuardianThreshold,
    /// A number of guardians outside 1 to [`GUARDIANS_MAX`].
    #[error("{count} guardians, not 1 to {GUARDIANS_MAX}")]
    GuardianCount {
        /// The number found.
        count: u16,
    },
    /// A delay outside what any network accepts.
    #[error("delay of {delay_ms} ms is not within one hour and ninety days")]
    Delay {
        /// The delay found.
        delay_ms: u64,
    },
    /// A rank that takes more than [`RANK_BYTES_MAX`].
    #[error("rank {rank} takes more than {RANK_BYTES_MAX} bytes")]
    RankTooLarge {
        /// Index of the rank.
        rank: u8,
    },
    /// A vacant rank 0, a vacant last rank, or a rank without keys that is not the vacant one.
    #[error("rank {rank} is vacant where it must not be")]
    Vacant {
        /// Index of the rank.
        rank: u8,
    },
    /// A change that changes nothing, or with ranks out of order or beyond the maximum.
    #[error("ranks to change are empty, not ascending, or beyond the maximum")]
    Ranks,
}

/// Checks a delay against the bounds of every network.
///
/// # Errors
/// [`PolicyError::Delay`].
pub const fn check_delay(delay_ms: u64) -> Result<(), PolicyError> {
    if delay_ms < CONTROL_DELAY_MS_MIN_FLOOR || delay_ms > CONTROL_DELAY_MS_MAX_CEILING {
        return Err(PolicyError::Delay { delay_ms });
    }
    Ok(())
}

impl GuardianSet {
    /// Checks every rule that needs nothing but the set itself.
    ///
    /// # Errors
    /// [`PolicyError`] names the first rule broken.
    ///
    /// Source: spec/control.md §8.
    pub fn check(&self) -> Result<(), PolicyError> {
        if self.threshold == 0 {
            return Err(PolicyError::GuardianThreshold);
        }
        if self.count == 0 || u32::from(self.count) > GUARDIANS_MAX {
            return Err(PolicyError::GuardianCount { count: self.count });
        }
        check_delay(self.delay_ms)
    }
}

impl PolicyChange {
    /// Returns whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.ranks.is_empty() && self.guardians.is_none() && self.delay_ms.is_none()
    }

    /// Checks every rule that needs nothing but the change itself. An empty one passes.
    ///
    /// # Errors
    /// [`PolicyError`] names the first rule broken.
    ///
    /// Source: spec/control.md §2.
    pub fn check(&self) -> Result<(), PolicyError> {
        let within = |it: &RankChange| u32::from(it.index) < RANKS_MAX;
        if !self.ranks.iter().all(within) || !is_strictly_ascending(&self.ranks, |it| it.index) {
            return Err(PolicyError::Ranks);
        }
        let mut seen: Vec<&ControlKey> = Vec::new();
        for RankChange { index, rank } in &self.ranks {
            match rank {
                Some(rank) => {
                    rank.check(*index)?;
                    if rank.keys.iter().any(|it| seen.contains(&&it.key)) {
                        return Err(PolicyError::KeyInTwoRanks { rank: *index });
                    }
                    seen.extend(rank.keys.iter().map(|it| &it.key));
                }
                None if *index == 0 => return Err(PolicyError::Vacant { rank: 0 }),
                None => {}
            }
        }
        if let Some(Some(guardians)) = &self.guardians {
            guardians.check()?;
        }
        self.delay_ms.map_or(Ok(()), check_delay)
    }
}

impl ControlPolicy {
    /// Checks every rule that needs nothing but the policy itself.
    ///
    /// # Errors
    /// [`PolicyError`] names the first rule broken.
    ///
    /// Source: spec/control.md §1, §2.
    pub fn check(&self) -> Result<(), PolicyError> {
        if self.ranks.is_empty() {
            return Err(PolicyError::NoRank);
        }
        check_delay(self.delay_ms)?;
        let mut seen: Vec<&ControlKey> = Vec::new();
        let last = self.ranks.len().saturating_sub(1);
        for (index, rank) in (0u8..).zip(&self.ranks) {
            if rank.is_vacant() {
                if index == 0 || usize::from(index) == last {
                    return Err(PolicyError::Vacant { rank: index });
                }
                continue;
            }
            rank.check(index)?;
            if rank.keys.iter().any(|k| seen.contains(&&k.key)) {
                return Err(PolicyError::KeyInTwoRanks { rank: index });
            }
            seen.extend(rank.keys.iter().map(|k| &k.key));
        }
        self.guardians.as_ref().map_or(Ok(()), GuardianSet::check)
    }
}

impl Rank {
    /// Checks one rank by itself; `rank` is its index, for the error.
    ///
    /// # Errors
    /// [`PolicyError`] names the first rule broken.
    pub fn check(&self, rank: u8) -> Result<(), PolicyError> {
        if self.encoded_size() > RANK_BYTES_MAX {
            return Err(PolicyError::RankTooLarge { rank });
        }
        if self.keys.is_empty() {
            return Err(PolicyError::NoKey { rank });
        }
        if !is_strictly_ascending(&self.keys, |k| k.key.clone()) {
            return Err(PolicyError::KeysNotSortedUnique { rank });
        }
        if self.keys.iter().any(|k| k.weight == 0) {
            return Err(PolicyError::ZeroWeight { rank });
        }
        let sum = self
            .keys
            .iter()
            .fold(0u32, |sum, k| sum.saturating_add(u32::from(k.weight)));
        if self.threshold == 0 || self.threshold > sum {
            return Err(PolicyError::Threshold {
                rank,
                threshold: self.threshold,
                sum,
            });
        }
        if !Capabilities::ALL.contains(self.capabilities) {
            return Err(PolicyError::UnknownCapability { rank });
        }
        for weighted in &self.keys {
            weighted
                .key
                .check_registrable()
                .map_err(|error| PolicyError::Key { rank, error })?;
        }
        Ok(())
    }

    /// Returns whether nobody can act for it.
    pub fn is_vacant(&self) -> bool {
        *self == Self::default()
    }

    /// Returns whether one of its keys is a key of `other`.
    pub fn shares_key_with(&self, other: &Self) -> bool {
        self.keys.iter().any(|it| other.weight_of(&it.key) > 0)
    }

    /// Returns the weight of `key` in this rank, 0 if it is not listed.
    pub fn weight_of(&self, key: &ControlKey) -> u32 {
        self.keys
            .iter()
            .find(|k| &k.key == key)
            .map_or(0, |k| u32::from(k.weight))
    }
}

/// Returns the commitment to the keys a rank rotates to next:
/// `H("allod/next-keys/v1", SCALE(keys) ++ threshold(4 LE) ++ salt(16))`.
pub fn next_keys_commitment(
    keys: &BoundedVec<WeightedKey, RANK_KEYS_MAX>,
    threshold: u32,
    salt: &[u8; 16],
) -> H256 {
    domain_hash(
        "allod/next-keys/v1",
        &[&keys.encode(), &threshold.to_le_bytes(), salt],
    )
}
