//! A key's place in the tree.

use sha2::{Digest, Sha256};

/// sha256 of a storage key: 256 bits that are read from the most significant one of the first
/// byte. Keys that an attacker chooses still spread evenly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path([u8; 32]);

impl Path {
    /// The path of a storage key.
    pub fn of(key: &[u8]) -> Self {
        Self(Sha256::digest(key).into())
    }

    /// The bytes of the path.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Bit `index`, counted from the most significant bit of the first byte.
    pub fn bit(&self, index: u8) -> bool {
        let mask = 0x80u8.wrapping_shr(u32::from(index & 7));
        self.0
            .get(usize::from(index >> 3))
            .is_some_and(|byte| byte & mask != 0)
    }

    /// The first bit at which two paths differ; `None` when they are the same.
    pub fn first_difference(&self, other: &Self) -> Option<u8> {
        let bytes = self.0.iter().zip(&other.0);
        let (place, difference) = bytes
            .map(|(a, b)| a ^ b)
            .enumerate()
            .find(|(_, difference)| *difference != 0)?;
        let bit = u8::try_from(difference.leading_zeros()).ok()?;
        u8::try_from(place).ok()?.checked_mul(8)?.checked_add(bit)
    }

    /// Whether two paths agree on every bit that `mask` marks.
    pub(super) fn agrees_on(&self, other: &Self, mask: &[u8; 32]) -> bool {
        let bytes = self.0.iter().zip(&other.0);
        bytes
            .zip(mask)
            .all(|((a, b), marked)| (a ^ b) & marked == 0)
    }
}
