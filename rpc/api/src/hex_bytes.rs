//! Byte strings as JSON: `0x` and hexadecimal digits.

use std::borrow::Cow;
use std::fmt;

use allod_primitives::H256;
use schemars::generate::Contract;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Bytes, written as `0x` and lower-case hexadecimal digits; `""` is read as no bytes.
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HexBytes(pub Vec<u8>);

/// 32 bytes, written as `0x` and 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HexHash(pub H256);

/// Why text is not a byte string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HexError {
    /// Does not begin with `0x`.
    #[error("hex: text must begin with 0x")]
    NoPrefix,
    /// A character that is no hexadecimal digit, or an odd number of digits.
    #[error("hex: not an even number of digits after 0x")]
    Digits,
    /// Not as many bytes as the type has.
    #[error("hex: {actual} bytes where {expected} are expected")]
    Length {
        /// Bytes the type has.
        expected: usize,
        /// Bytes found.
        actual: usize,
    },
}

/// Reads `0x` and hexadecimal digits of either case; `""` is no bytes.
///
/// # Errors
/// [`HexError`] names what is wrong.
pub fn from_hex(text: &str) -> Result<Vec<u8>, HexError> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let digits = text.strip_prefix("0x").ok_or(HexError::NoPrefix)?;
    hex::decode(digits).map_err(|_| HexError::Digits)
}

/// Reads exactly 32 bytes.
///
/// # Errors
/// [`HexError`] names what is wrong.
pub fn hash_from_hex(text: &str) -> Result<H256, HexError> {
    let bytes = from_hex(text)?;
    let actual = bytes.len();
    let expected = 32;
    bytes
        .try_into()
        .map(H256)
        .map_err(|_| HexError::Length { expected, actual })
}

/// Writes `0x` and lower-case hexadecimal digits.
pub fn to_hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 + 2 * bytes.len());
    text.push_str("0x");
    push_digits(&mut text, bytes);
    text
}

/// Appends lower-case hexadecimal digits. Proofs are mostly digits: a library's iterator of
/// characters was a tenth of what an answer cost.
pub fn push_digits(text: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

impl From<Vec<u8>> for HexBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<H256> for HexHash {
    fn from(hash: H256) -> Self {
        Self(hash)
    }
}

impl fmt::Display for HexBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_hex(&self.0))
    }
}

impl fmt::Debug for HexBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for HexHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for HexHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for HexBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for HexHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HexBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        from_hex(&text).map(Self).map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for HexHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        hash_from_hex(&text).map(Self).map_err(de::Error::custom)
    }
}

// Inline, because the forms that are read are more than those that are written.
impl JsonSchema for HexBytes {
    fn schema_name() -> Cow<'static, str> {
        "HexBytes".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let pattern = match generator.contract() {
            Contract::Serialize => "^0x([0-9a-f]{2})*$",
            _ => "^(0x([0-9a-fA-F]{2})*)?$",
        };
        json_schema!({ "type": "string", "pattern": pattern })
    }
}

impl JsonSchema for HexHash {
    fn schema_name() -> Cow<'static, str> {
        "HexHash".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let pattern = match generator.contract() {
            Contract::Serialize => "^0x[0-9a-f]{64}$",
            _ => "^0x[0-9a-fA-F]{64}$",
        };
        json_schema!({ "type": "string", "pattern": pattern })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_round_trip_through_json() {
        let json = serde_json::to_string(&HexBytes(vec![0, 255])).unwrap();
        assert_eq!(json, "\"0x00ff\"");
        let back: HexBytes = serde_json::from_str(&json).unwrap();
        assert_eq!(back.0, [0, 255]);
        let empty: HexBytes = serde_json::from_str("\"\"").unwrap();
        assert!(empty.0.is_empty());
    }

    #[test]
    fn text_that_is_not_hexadecimal_is_named() {
        assert_eq!(from_hex("00"), Err(HexError::NoPrefix));
        assert_eq!(from_hex("0x0"), Err(HexError::Digits));
        assert_eq!(from_hex("0xzz"), Err(HexError::Digits));
        let short = HexError::Length {
            expected: 32,
            actual: 1,
        };
        assert_eq!(hash_from_hex("0x00"), Err(short));
    }
}
