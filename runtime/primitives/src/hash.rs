//! Hash functions and the 32-byte hash type.

use std::fmt::{self, Write as _};

use blake2::digest::consts::{U16, U32};
use blake2::{Blake2b, Digest};
use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode};
use scale_info::TypeInfo;
use sha2::Sha256;
use twox_hash::XxHash64;

/// 32 bytes of hash output. Displayed as `0x` and 64 lower-case hexadecimal digits.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
)]
pub struct H256(pub [u8; 32]);

impl H256 {
    /// The hash that stands for "none": parent of genesis, predecessor of a lane's first operation.
    pub const ZERO: Self = Self([0; 32]);

    /// Returns the 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for H256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0x")?;
        let digits = self.0.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        // Not by formatting every byte: hashes are printed a thousand times a second.
        let mut digits = digits.filter_map(|digit| char::from_digit(digit.into(), 16));
        digits.try_for_each(|digit| f.write_char(digit))
    }
}

impl fmt::Debug for H256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<[u8; 32]> for H256 {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl AsRef<[u8]> for H256 {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Returns blake2b with a 32-byte output (unkeyed; *not* a truncation of blake2b-512).
pub fn blake2_256(data: &[u8]) -> H256 {
    H256(Blake2b::<U32>::digest(data).into())
}

/// Returns blake2b with a 16-byte output, the prefix of `Blake2_128Concat` map keys.
pub fn blake2_128(data: &[u8]) -> [u8; 16] {
    Blake2b::<U16>::digest(data).into()
}

/// Returns SHA-256.
pub fn sha2_256(data: &[u8]) -> H256 {
    H256(Sha256::digest(data).into())
}

/// Returns xxHash64 of `data` with seed 0, little-endian.
pub fn twox_64(data: &[u8]) -> [u8; 8] {
    XxHash64::oneshot(0, data).to_le_bytes()
}

/// Returns xxHash64 with seed 0 then with seed 1, each little-endian: Substrate's item prefix.
pub fn twox_128(data: &[u8]) -> [u8; 16] {
    let mut out = [0; 16];
    out[..8].copy_from_slice(&XxHash64::oneshot(0, data).to_le_bytes());
    out[8..].copy_from_slice(&XxHash64::oneshot(1, data).to_le_bytes());
    out
}

/// Returns the hash of `parts` under the domain `tag`:
/// `blake2b-256(len(tag) as u8 ++ tag ++ parts[0] ++ parts[1] ++ …)`.
///
/// `tag`: ASCII, at most 255 bytes, one per purpose, listed in spec/identifiers.md. Parts are
/// concatenated without separators, so every part but the last must be of fixed length or carry
/// its own (SCALE does).
pub fn domain_hash(tag: &'static str, parts: &[&[u8]]) -> H256 {
    let mut hasher = Blake2b::<U32>::new();
    let length = u8::try_from(tag.len()).expect("tags are literals shorter than 256 bytes");
    hasher.update([length]);
    hasher.update(tag.as_bytes());
    for part in parts {
        hasher.update(part);
    }
    H256(hasher.finalize().into())
}
