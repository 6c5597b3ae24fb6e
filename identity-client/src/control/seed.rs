//! Next keys out of one seed: what a recovery sheet holds.
//!
//! ```text
//! key(rank, n)        = Ed25519 key of the seed H("allod/next-key/v1", seed ++ rank(1) ++ n(4 LE))
//! salt(rank, n)       = first 16 bytes of H("allod/next-salt/v1", seed ++ rank(1) ++ n(4 LE))
//! commitment(rank, n) = next_keys_commitment([{ key(rank, n), weight 1 }], threshold 1, salt(rank, n))
//! reveal(rank, n)     = { that key, threshold 1, salt(rank, n), next: commitment(rank, n + 1) }
//! ```
//!
//! Source: spec/recovery-sheet.md §1.

use std::fmt;

use allod_primitives::H256;
use allod_primitives::codec::BoundedVec;
use allod_primitives::hash::domain_hash;
use allod_primitives::limits::RANK_KEYS_MAX;
use allod_primitives::operation::Reveal;
use allod_primitives::policy::{ControlKey, WeightedKey, next_keys_commitment};
use zeroize::Zeroizing;

use crate::keys::{KeyFileError, SecretKey, random_bytes};

/// Generations among which the one a rank commits to is looked for.
pub const GENERATIONS_SEARCHED: u32 = 1024;

/// The seed of all next keys of one identity. Never printed but by a recovery sheet.
#[derive(Clone, PartialEq, Eq)]
pub struct NextSeed(Zeroizing<[u8; 32]>);

/// One generation of a rank's next keys.
#[derive(Clone, Debug)]
pub struct Generation {
    /// The rank.
    pub rank: u8,
    /// Its number, from 0.
    pub number: u32,
    /// Its key.
    pub key: SecretKey,
    salt: [u8; 16],
    next: H256,
}

impl NextSeed {
    /// Returns a new one from the system's randomness.
    ///
    /// # Errors
    /// [`KeyFileError::Entropy`] if the system has none.
    pub fn generate() -> Result<Self, KeyFileError> {
        Ok(Self(Zeroizing::new(random_bytes()?)))
    }

    /// Returns the seed of these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Returns its bytes.
    pub fn bytes(&self) -> Zeroizing<[u8; 32]> {
        self.0.clone()
    }

    /// Returns generation `number` of the next keys of `rank`.
    pub fn generation(&self, rank: u8, number: u32) -> Generation {
        Generation {
            rank,
            number,
            key: self.key(rank, number),
            salt: self.salt(rank, number),
            next: self.commitment(rank, number.saturating_add(1)),
        }
    }

    /// Returns what a rank commits to when generation `number` is its next.
    pub fn commitment(&self, rank: u8, number: u32) -> H256 {
        let key = self.key(rank, number);
        next_keys_commitment(&alone(&key), 1, &self.salt(rank, number))
    }

    /// Returns the generation that `commitment` is to, if it is one of the first
    /// [`GENERATIONS_SEARCHED`] of this seed: then this is the right sheet.
    ///
    /// Cost: one key for each generation tried, about 20 µs.
    pub fn find(&self, rank: u8, commitment: &H256) -> Option<Generation> {
        let mut numbers = 0..GENERATIONS_SEARCHED;
        let number = numbers.find(|number| self.commitment(rank, *number) == *commitment)?;
        Some(self.generation(rank, number))
    }

    fn key(&self, rank: u8, number: u32) -> SecretKey {
        let seed = self.derive("allod/next-key/v1", rank, number);
        SecretKey::from_seed(*seed)
    }

    fn salt(&self, rank: u8, number: u32) -> [u8; 16] {
        let derived = self.derive("allod/next-salt/v1", rank, number);
        let (salt, _) = derived.split_at(16);
        salt.try_into().expect("the half of 32 bytes is 16")
    }

    fn derive(&self, tag: &'static str, rank: u8, number: u32) -> Zeroizing<[u8; 32]> {
        let parts: [&[u8]; 3] = [&*self.0, &[rank], &number.to_le_bytes()];
        Zeroizing::new(domain_hash(tag, &parts).0)
    }
}

impl Generation {
    /// Returns what opens the commitment to this generation and commits to the one after it.
    pub fn reveal(&self) -> Reveal {
        Reveal {
            keys: alone(&self.key),
            threshold: 1,
            salt: self.salt,
            next: Some(self.next),
        }
    }

    /// Returns the commitment to the generation after this one.
    pub const fn next(&self) -> H256 {
        self.next
    }
}

fn alone(key: &SecretKey) -> BoundedVec<WeightedKey, RANK_KEYS_MAX> {
    let mut keys = BoundedVec::new();
    let key = ControlKey::Ed25519(key.public());
    keys.push(WeightedKey { key, weight: 1 })
        .expect("a rank takes one key");
    keys
}

impl fmt::Debug for NextSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NextSeed")
    }
}
