//! The whole state, page by page, and the root over it.

use crate::hash::H256;
use crate::keys;
use crate::limits::{STATE_BYTES_MAX, STATE_ENTRIES_MAX};
use crate::tree::{Path, empty_root, inner_hash, leaf_hash};

use super::{Entry, LightError, PageValue, StatePage, VerifiedHeader};

/// Collects the pages of the whole state. Nothing of them is proven before [`Self::finish`].
///
/// Memory: keys and values as they come, at most [`STATE_BYTES_MAX`] bytes of them, and 64 bytes
/// per key.
#[derive(Clone, Debug, Default)]
pub struct StatePages {
    entries: Vec<Entry>,
    bytes: usize,
}

/// The maps whose values come whole: small ones, about which strangers ask.
pub(super) struct Whole([Vec<u8>; 2]);

impl Whole {
    pub(super) fn new() -> Self {
        Self([
            keys::item("Revocation", "Tags"),
            keys::item("Grant", "Grants"),
        ])
    }

    /// Returns whether `value` may stand under `key`: no hash where a value has to be.
    pub(super) fn accepts(&self, key: &[u8], value: &PageValue) -> bool {
        value.value().is_some() || !self.0.iter().any(|prefix| key.starts_with(prefix))
    }
}

/// The whole state as of a verified header. [`StatePages::finish`] is the only source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedState {
    header: VerifiedHeader,
    entries: Vec<Entry>,
}

impl VerifiedState {
    /// Returns the header the state is as of.
    pub const fn header(&self) -> &VerifiedHeader {
        &self.header
    }

    /// Returns every key with its value or the value's hash, ascending.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Returns header and entries apart.
    pub fn into_parts(self) -> (VerifiedHeader, Vec<Entry>) {
        (self.header, self.entries)
    }
}

impl StatePages {
    /// Begins with no page.
    pub const fn new() -> Self {
        Self {
            entries: Vec::new(),
            bytes: 0,
        }
    }

    /// Returns the last key so far, behind which the next page begins.
    pub fn last_key(&self) -> Option<&[u8]> {
        self.entries.last().map(|(key, _)| key.as_slice())
    }

    /// Adds a page.
    ///
    /// # Errors
    /// [`LightError::PageEmpty`] if it brings nothing, and says that more follows;
    /// [`LightError::PageOrder`] unless keys ascend strictly over all pages;
    /// [`LightError::ValueWithheld`] for the hash of a revocation or a grant;
    /// [`LightError::PageLimit`], [`LightError::PageBytes`] if it is too much. The pages are of no
    /// use any more then.
    ///
    /// Source: spec/proofs.md §6.
    pub fn add(&mut self, page: StatePage) -> Result<(), LightError> {
        ensure!(
            !page.more || !page.entries.is_empty(),
            LightError::PageEmpty
        );
        let (max, bytes_max, whole) = (STATE_ENTRIES_MAX, STATE_BYTES_MAX, Whole::new());
        for (key, value) in page.entries {
            ensure!(
                self.last_key().is_none_or(|last| last < key.as_slice()),
                LightError::PageOrder
            );
            ensure!(
                whole.accepts(&key, &value),
                LightError::ValueWithheld { key }
            );
            ensure!(self.entries.len() < max, LightError::PageLimit { max });
            let value_bytes = value.value().map_or(size_of::<H256>(), <[u8]>::len);
            self.bytes = self.bytes.saturating_add(key.len());
            self.bytes = self.bytes.saturating_add(value_bytes);
            ensure!(
                self.bytes <= bytes_max,
                LightError::PageBytes { max: bytes_max }
            );
            self.entries.push((key, value));
        }
        Ok(())
    }

    /// Proves that the pages are the whole state after the block of `header`.
    ///
    /// Cost: three hashes per key, and sorting.
    ///
    /// # Errors
    /// [`LightError::StateRoot`] if something is missing, added or changed.
    ///
    /// Source: spec/proofs.md §6; spec/state.md §tree.
    pub fn finish(self, header: &VerifiedHeader) -> Result<VerifiedState, LightError> {
        let entries = self.entries.iter();
        let root = state_root_of(entries.map(|(key, value)| (key.as_slice(), value.hash())));
        ensure!(
            root == Some(*header.state_root()),
            LightError::StateRoot {
                height: header.number(),
            }
        );
        Ok(VerifiedState {
            header: header.clone(),
            entries: self.entries,
        })
    }
}

/// Returns the root of the tree over these keys and value hashes, in any order; `None` if a key
/// comes twice.
///
/// Memory: 64 bytes per key. Cost: three hashes per key, and sorting.
///
/// Source: spec/state.md §tree.
pub fn state_root_of<'a>(entries: impl IntoIterator<Item = (&'a [u8], H256)>) -> Option<H256> {
    let leaf = |(key, hash): (&[u8], H256)| (Path::of(key), leaf_hash(key, &hash));
    let mut leaves: Vec<(Path, H256)> = entries.into_iter().map(leaf).collect();
    leaves.sort_unstable();
    // Left parts whose right part is still to come, with the bit at which the two differ. Bits
    // grow towards the end: what ends last is the deepest.
    let mut open: Vec<(u8, H256)> = Vec::new();
    let mut leaves = leaves.into_iter().peekable();
    let mut root = empty_root();
    while let Some((path, hash)) = leaves.next() {
        root = hash;
        let bit = match leaves.peek() {
            Some((next, _)) => Some(path.first_difference(next)?),
            None => None,
        };
        while let Some((above, left)) = open.pop_if(|(above, _)| bit.is_none_or(|bit| *above > bit))
        {
            root = inner_hash(above, &left, &root);
        }
        open.extend(bit.map(|bit| (bit, root)));
    }
    Some(root)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(value: PageValue) -> StatePage {
        StatePage {
            entries: vec![(b"key".to_vec(), value)],
            more: false,
        }
    }

    /// Goal: what a node sends is bounded in bytes. Method: as if all but so many had come.
    #[test]
    fn pages_of_too_many_bytes_are_refused() {
        let value = PageValue::whole(vec![1; 5]).unwrap();
        let hash = PageValue::Hash(H256([1; 32]));
        for (value, bytes) in [(value, 8), (hash, 35)] {
            let almost = |short: usize| StatePages {
                entries: Vec::new(),
                bytes: STATE_BYTES_MAX - bytes + short,
            };
            assert_eq!(almost(0).add(page(value.clone())), Ok(()));
            let max = STATE_BYTES_MAX;
            let error = almost(1).add(page(value));
            assert_eq!(error, Err(LightError::PageBytes { max }));
        }
    }
}
