//! The recovery sheet: the seed of an identity's next keys, on paper.
//!
//! It is printed once, as words and as a QR code, and read back when the keys in use are lost or
//! stolen. What can be done with it is [`control`](crate::control)'s affair: the seed goes into
//! [`Available::seeds`](crate::control::Available::seeds).
//!
//! Source: spec/recovery-sheet.md §2.

mod qr;
#[cfg(test)]
mod tests;
mod text;
mod words;

use std::fmt;

use allod_primitives::hash::domain_hash;
use allod_primitives::policy::Rank;
use allod_primitives::{Did, DidId, NetworkId, decode_strict};
use data_encoding::BASE32_NOPAD;
use parity_scale_codec::Encode;
use zeroize::Zeroizing;

use crate::control::{Generation, NextSeed};
use crate::letter::{self, LetterError};

pub use qr::Ink;
pub use words::WORDS;

const VERSION: u8 = 1;
const CODE: &str = "RS1";
const CHECK_LETTERS: usize = 4;

/// A recovery sheet.
#[derive(Clone, PartialEq, Eq)]
pub struct RecoverySheet {
    /// The identity it is for.
    pub did: Did,
    /// The rank whose next keys it gives.
    pub rank: u8,
    /// What they are derived from.
    pub seed: NextSeed,
}

/// Why a sheet cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SheetError {
    /// Too few or too many words.
    #[error("{found} words, not {WORDS}")]
    WordCount {
        /// How many there are.
        found: usize,
    },
    /// A word that is not on the list.
    #[error("word {number}, {word:?}, is not on the list{}", Nearest(*.nearest))]
    UnknownWord {
        /// Which one, from 1.
        number: usize,
        /// The word.
        word: String,
        /// The nearest on the list, if one is near.
        nearest: Option<&'static str>,
    },
    /// All words are on the list, but they do not belong together.
    #[error("the words do not belong together: one of them is wrong, or two are swapped")]
    Checksum,
    /// The words are whole, but the check beside them is that of another sheet.
    #[error("the check does not match: words, identity, rank or check are of another sheet")]
    Check,
    /// The text of a QR code that is not a sheet's.
    #[error(transparent)]
    Letter(#[from] LetterError),
}

struct Nearest(Option<&'static str>);

impl fmt::Display for Nearest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(word) => write!(f, "; perhaps {word:?}"),
            None => Ok(()),
        }
    }
}

impl RecoverySheet {
    /// Reads the words of a sheet for `did` and `rank`.
    ///
    /// `check`: the letters beside the words, if they are at hand. Without them, whether it is the
    /// right sheet shows in [`find`](Self::find).
    ///
    /// # Errors
    /// [`SheetError`] says which word is wrong.
    pub fn from_words(
        text: &str,
        did: Did,
        rank: u8,
        check: Option<&str>,
    ) -> Result<Self, SheetError> {
        let sheet = Self {
            did,
            rank,
            seed: words::seed(text)?,
        };
        let matches = |check: &str| check.trim().eq_ignore_ascii_case(&sheet.check());
        if check.is_none_or(matches) {
            Ok(sheet)
        } else {
            Err(SheetError::Check)
        }
    }

    /// Reads the text of a sheet's QR code.
    ///
    /// # Errors
    /// [`SheetError::Letter`].
    pub fn from_letter(text: &str) -> Result<Self, SheetError> {
        let bytes = letter::from_text(CODE, text)?;
        let decoded = decode_strict::<(u8, NetworkId, DidId, u8, [u8; 32])>(&bytes);
        let (version, network, did, rank, seed) = decoded.map_err(|_| LetterError::Form)?;
        if version != VERSION {
            return Err(LetterError::Form.into());
        }
        Ok(Self {
            did: Did::new(network, did),
            rank,
            seed: NextSeed::from_bytes(seed),
        })
    }

    /// Returns the words.
    pub fn words(&self) -> Vec<&'static str> {
        words::words(&self.seed)
    }

    /// Returns the letters that bind words, identity and rank together.
    pub fn check(&self) -> String {
        let hash = domain_hash("allod/recovery-sheet/v1", &[&self.bytes()]);
        let mut text = BASE32_NOPAD.encode(&hash.0);
        text.truncate(CHECK_LETTERS);
        text
    }

    /// Returns what its QR code says. It holds the seed.
    pub fn letter(&self) -> Zeroizing<String> {
        Zeroizing::new(letter::to_text(CODE, &self.bytes()))
    }

    /// Returns its QR code for a terminal.
    pub fn qr(&self, ink: Ink) -> Zeroizing<String> {
        qr::draw(&self.letter(), ink).expect("a sheet is far shorter than a QR code can be")
    }

    /// Returns the sheet as text to be printed, with instructions.
    pub fn print(&self) -> Zeroizing<String> {
        text::print(self)
    }

    /// Returns the generation of next keys that `rank` commits to, if this is its sheet.
    pub fn find(&self, rank: &Rank) -> Option<Generation> {
        self.seed.find(self.rank, rank.next.as_ref()?)
    }

    fn bytes(&self) -> Zeroizing<Vec<u8>> {
        let (network, did) = (self.did.network(), self.did.id());
        let seed = self.seed.bytes();
        Zeroizing::new((VERSION, network, did, self.rank, *seed).encode())
    }
}

impl fmt::Debug for RecoverySheet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecoverySheet of {} rank {}", self.did, self.rank)
    }
}

/// Draws any text, such as a letter's, as a QR code for a terminal; `None` if it is too long for one.
pub fn terminal_qr(text: &str, ink: Ink) -> Option<String> {
    qr::draw(text, ink).map(|it| it.to_string())
}
