//! A seed as words, and back.

use bip39::{Language, Mnemonic};
use zeroize::Zeroizing;

use super::SheetError;
use crate::control::NextSeed;

/// Words of a sheet.
pub const WORDS: usize = 24;
/// Letters that tell the words of the list apart.
const TELLING_LETTERS: usize = 4;
/// Mistakes beyond which a word is not near another.
const NEAR_MAX: usize = 2;
const SEED_BYTES: usize = 32;

pub(super) fn words(seed: &NextSeed) -> Vec<&'static str> {
    let mnemonic = Mnemonic::from_entropy_in(Language::English, &*seed.bytes());
    let mnemonic = mnemonic.expect("32 bytes are one of BIP-39's lengths");
    mnemonic.words().collect()
}

pub(super) fn seed(text: &str) -> Result<NextSeed, SheetError> {
    let lower = Zeroizing::new(text.to_lowercase());
    let typed = lower.split(|it: char| !it.is_alphabetic());
    let typed: Vec<&str> = typed.filter(|it| !it.is_empty()).collect();
    if typed.len() != WORDS {
        return Err(SheetError::WordCount { found: typed.len() });
    }
    let mut whole = Vec::with_capacity(WORDS);
    for (number, word) in (1..).zip(typed) {
        whole.push(find(word).ok_or_else(|| SheetError::UnknownWord {
            number,
            word: word.to_owned(),
            nearest: nearest(word),
        })?);
    }
    let whole = Zeroizing::new(whole.join(" "));
    let mnemonic = Mnemonic::parse_in_normalized(Language::English, &whole);
    let mnemonic = mnemonic.map_err(|_| SheetError::Checksum)?;
    let (bytes, _) = mnemonic.to_entropy_array();
    let bytes = Zeroizing::new(bytes);
    let (seed, _) = bytes.split_at(SEED_BYTES);
    let seed = seed.try_into().expect("24 words make 32 bytes");
    Ok(NextSeed::from_bytes(seed))
}

/// Returns the word of the list that was meant: itself, or the one that begins so.
fn find(typed: &str) -> Option<&'static str> {
    let list = Language::English.word_list();
    if let Some(word) = list.iter().find(|word| **word == typed) {
        return Some(word);
    }
    let long = typed.len() >= TELLING_LETTERS;
    match Language::English.words_by_prefix(typed) {
        [word] if long => Some(word),
        _ => None,
    }
}

/// Returns the first of the words that take the fewest mistakes, if they are few.
fn nearest(typed: &str) -> Option<&'static str> {
    let list = Language::English.word_list().iter();
    let near = list.map(|word| (mistakes(typed, word), *word));
    let near = near.filter(|(mistakes, _)| *mistakes <= NEAR_MAX);
    near.min_by_key(|(mistakes, _)| *mistakes)
        .map(|(_, word)| word)
}

/// Returns how many letters must be changed, added, left out or swapped with their neighbour.
fn mistakes(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let changed = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = changed.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(before[j - 2] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}
