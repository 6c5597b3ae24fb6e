//! Strict, bounded, canonical decoding.
//!
//! SCALE (parity-scale-codec) leaves three doors open that a ledger must shut: lists without a
//! maximum, bytes after the value, and several encodings of one set. Here a list is a
//! [`BoundedVec`], text is a [`Text`], a value is decoded by [`decode_strict`] (no byte may be
//! left over), and whatever is a set is checked to be sorted and unique where it is used.
//! Compact integers are canonical by the codec itself.

use std::fmt;
use std::ops::Deref;

use parity_scale_codec::{Compact, Decode, DecodeWithMemTracking, Encode, Error, Input, Output};
use scale_info::{Type, TypeInfo};

/// Decodes one `T` that fills `bytes` exactly.
///
/// # Errors
/// The codec's error, or one saying that bytes were left over.
pub fn decode_strict<T: Decode>(bytes: &[u8]) -> Result<T, Error> {
    let mut input = bytes;
    let value = T::decode(&mut input)?;
    ensure!(input.is_empty(), "bytes after the value");
    Ok(value)
}

/// A list of at most `MAX` elements; the maximum is checked before the first is decoded.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BoundedVec<T, const MAX: u32>(Vec<T>);

/// More elements than the bound allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{count} elements where at most {max} fit")]
pub struct TooMany {
    /// How many there were.
    pub count: usize,
    /// How many fit.
    pub max: u32,
}

impl<T, const MAX: u32> BoundedVec<T, MAX> {
    /// Returns the empty list.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds `element` at the end.
    ///
    /// # Errors
    /// [`TooMany`] if the list is full.
    pub fn push(&mut self, element: T) -> Result<(), TooMany> {
        if self.0.len() >= MAX as usize {
            return Err(TooMany {
                count: self.0.len().saturating_add(1),
                max: MAX,
            });
        }
        self.0.push(element);
        Ok(())
    }

    /// Keeps the elements that `keep` approves.
    pub fn retain(&mut self, keep: impl FnMut(&T) -> bool) {
        self.0.retain(keep);
    }

    /// Returns the elements for change in place; their number cannot change.
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        &mut self.0
    }

    /// Returns the plain list.
    pub fn into_vec(self) -> Vec<T> {
        self.0
    }
}

impl<T, const MAX: u32> TryFrom<Vec<T>> for BoundedVec<T, MAX> {
    type Error = TooMany;

    fn try_from(list: Vec<T>) -> Result<Self, TooMany> {
        if list.len() > MAX as usize {
            return Err(TooMany {
                count: list.len(),
                max: MAX,
            });
        }
        Ok(Self(list))
    }
}

impl<T, const MAX: u32> Default for BoundedVec<T, MAX> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, const MAX: u32> Deref for BoundedVec<T, MAX> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: fmt::Debug, const MAX: u32> fmt::Debug for BoundedVec<T, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'a, T, const MAX: u32> IntoIterator for &'a BoundedVec<T, MAX> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<T: Encode, const MAX: u32> Encode for BoundedVec<T, MAX> {
    fn size_hint(&self) -> usize {
        self.0.size_hint()
    }

    fn encode_to<O: Output + ?Sized>(&self, out: &mut O) {
        self.0.encode_to(out);
    }
}

impl<T: Decode, const MAX: u32> Decode for BoundedVec<T, MAX> {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        let count = Compact::<u32>::decode(input)?.0;
        ensure!(count <= MAX, "more elements than the list's maximum");
        let mut list = Vec::new();
        for _ in 0..count {
            list.push(T::decode(input)?);
        }
        Ok(Self(list))
    }
}

impl<T: DecodeWithMemTracking, const MAX: u32> DecodeWithMemTracking for BoundedVec<T, MAX> {}

impl<T: TypeInfo + 'static, const MAX: u32> TypeInfo for BoundedVec<T, MAX> {
    type Identity = Vec<T>;

    fn type_info() -> Type {
        Vec::<T>::type_info()
    }
}

/// UTF-8 text of at most `MAX` bytes without control characters (below U+0020, and U+007F).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Text<const MAX: u32>(String);

/// Why a string is not a [`Text`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Longer than the bound.
    #[error("{bytes} bytes of text where at most {max} fit")]
    TooLong {
        /// Length found.
        bytes: usize,
        /// Length allowed.
        max: u32,
    },
    /// Holds a control character.
    #[error("text holds a control character")]
    ControlCharacter,
    /// Not UTF-8.
    #[error("text is not UTF-8")]
    NotUtf8,
}

impl<const MAX: u32> Text<MAX> {
    /// Checks `text`.
    ///
    /// # Errors
    /// [`TextError`] if it is too long or holds a control character.
    pub fn new(text: impl Into<String>) -> Result<Self, TextError> {
        let text = text.into();
        if text.len() > MAX as usize {
            return Err(TextError::TooLong {
                bytes: text.len(),
                max: MAX,
            });
        }
        if text.chars().any(|c| c.is_ascii_control()) {
            return Err(TextError::ControlCharacter);
        }
        Ok(Self(text))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MAX: u32> fmt::Debug for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<const MAX: u32> fmt::Display for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<const MAX: u32> Encode for Text<MAX> {
    fn size_hint(&self) -> usize {
        self.0.len().saturating_add(4)
    }

    fn encode_to<O: Output + ?Sized>(&self, out: &mut O) {
        self.0.encode_to(out);
    }
}

impl<const MAX: u32> Decode for Text<MAX> {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        let bytes = BoundedVec::<u8, MAX>::decode(input)?.into_vec();
        let text = String::from_utf8(bytes).map_err(|_| "text is not UTF-8")?;
        Self::new(text).map_err(|_| "text holds a control character".into())
    }
}

impl<const MAX: u32> DecodeWithMemTracking for Text<MAX> {}

impl<const MAX: u32> TypeInfo for Text<MAX> {
    type Identity = str;

    fn type_info() -> Type {
        str::type_info()
    }
}

/// Returns whether `list` is strictly ascending by `key`, hence sorted and free of duplicates.
pub fn is_strictly_ascending<T, K: Ord>(list: &[T], key: impl Fn(&T) -> K) -> bool {
    list.iter()
        .zip(list.iter().skip(1))
        .all(|(a, b)| key(a) < key(b))
}
