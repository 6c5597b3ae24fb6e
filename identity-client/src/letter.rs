//! Letters: what people hand to one another off the ledger, as JSON or as one line of text.
//!
//! ```text
//! JSON  { "version": 1, "kind": "partial-operation", …readable fields…, "data": "0x…" }
//! text  ALLOD:OP1:<base32 of SCALE(letter) ++ check>
//! ```
//!
//! The text has capital letters, digits and colons only, so that a QR code takes it in its
//! alphanumeric mode; reading ignores case and white space. `check` is the first 4 bytes of
//! `H("allod/letter/v1", code ++ SCALE(letter))`, so that a typing error is found. What counts is
//! `data`; the readable fields beside it must agree with it, or the letter is refused.
//!
//! Source: spec/recovery-sheet.md §4.

use allod_primitives::decode_strict;
use allod_primitives::hash::domain_hash;
use data_encoding::BASE32_NOPAD;
use parity_scale_codec::{Decode, Encode};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::hex;

const VERSION: u64 = 1;
const PREFIX: &str = "ALLOD:";
const CHECK_BYTES: usize = 4;
/// Bytes of the longest letter read.
const LETTER_BYTES_MAX: usize = 128 * 1024;

/// Something that people hand to one another.
pub trait Letter: Encode + Decode {
    /// Its `kind` in JSON.
    const KIND: &'static str;
    /// Its code in text: capital letters and the version.
    const CODE: &'static str;

    /// Returns its readable fields.
    fn fields(&self) -> Vec<(&'static str, Value)>;

    /// Returns whether it agrees with itself.
    fn is_sound(&self) -> bool;

    /// Returns it as JSON.
    fn to_json(&self) -> Value {
        let mut members = Map::new();
        members.insert("version".into(), VERSION.into());
        members.insert("kind".into(), Self::KIND.into());
        for (name, value) in self.fields() {
            members.insert(name.into(), value);
        }
        members.insert("data".into(), hex::encode(self.encode()).into());
        Value::Object(members)
    }

    /// Returns it as one line.
    fn to_text(&self) -> String {
        to_text(Self::CODE, &self.encode())
    }

    /// Reads either form.
    ///
    /// # Errors
    /// [`LetterError`].
    fn parse(text: &str) -> Result<Self, LetterError> {
        if text.len() > LETTER_BYTES_MAX {
            return Err(LetterError::TooLong);
        }
        let letter: Self = match text.trim_start().starts_with('{') {
            true => from_json(text)?,
            false => {
                let bytes = from_text(Self::CODE, text)?;
                decode_strict(&bytes).map_err(|_| LetterError::Form)?
            }
        };
        if !letter.is_sound() {
            return Err(LetterError::Contradiction);
        }
        Ok(letter)
    }
}

/// Why a letter cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LetterError {
    /// Longer than any letter.
    #[error("it is too long")]
    TooLong,
    /// Neither a letter's JSON nor its text.
    #[error("it is not a letter of allod")]
    Form,
    /// A letter of another kind or version.
    #[error("it is {found:?}, not {wanted:?}")]
    Kind {
        /// What it is.
        found: String,
        /// What was wanted.
        wanted: &'static str,
    },
    /// The check does not match: a typing or reading error.
    #[error("a character is wrong: the check at its end does not match")]
    Check,
    /// Its parts contradict one another.
    #[error("its parts contradict one another")]
    Contradiction,
}

fn from_json<L: Letter>(text: &str) -> Result<L, LetterError> {
    let value: Value = serde_json::from_str(text).map_err(|_| LetterError::Form)?;
    let member = |name: &str| value.get(name).and_then(Value::as_str);
    let kind = member("kind").ok_or(LetterError::Form)?;
    if kind != L::KIND || value.get("version").and_then(Value::as_u64) != Some(VERSION) {
        return Err(LetterError::Kind {
            found: kind.to_owned(),
            wanted: L::KIND,
        });
    }
    let data = member("data").ok_or(LetterError::Form)?;
    let bytes = hex::decode(data).map_err(|_| LetterError::Form)?;
    let letter: L = decode_strict(&bytes).map_err(|_| LetterError::Form)?;
    if letter.to_json() != value {
        return Err(LetterError::Contradiction);
    }
    Ok(letter)
}

/// Returns the line of text of a letter's bytes.
pub(crate) fn to_text(code: &str, bytes: &[u8]) -> String {
    let all = Zeroizing::new([bytes, &check(code, bytes)].concat());
    format!("{PREFIX}{code}:{}", BASE32_NOPAD.encode(&all))
}

/// Returns the bytes of a letter in its line of text.
pub(crate) fn from_text(code: &'static str, text: &str) -> Result<Zeroizing<Vec<u8>>, LetterError> {
    let text: Zeroizing<String> = Zeroizing::new(text.split_whitespace().collect());
    let text = Zeroizing::new(text.to_ascii_uppercase());
    let rest = text.strip_prefix(PREFIX).ok_or(LetterError::Form)?;
    let (found, rest) = rest.split_once(':').ok_or(LetterError::Form)?;
    if found != code {
        return Err(LetterError::Kind {
            found: found.to_owned(),
            wanted: code,
        });
    }
    let all = BASE32_NOPAD.decode(rest.as_bytes());
    let mut all = all.map(Zeroizing::new).map_err(|_| LetterError::Check)?;
    let length = all.len().checked_sub(CHECK_BYTES);
    let found = all.split_off(length.ok_or(LetterError::Check)?);
    if found != check(code, &all) {
        return Err(LetterError::Check);
    }
    Ok(all)
}

fn check(code: &str, bytes: &[u8]) -> [u8; CHECK_BYTES] {
    let [a, b, c, d, ..] = domain_hash("allod/letter/v1", &[code.as_bytes(), bytes]).0;
    [a, b, c, d]
}
