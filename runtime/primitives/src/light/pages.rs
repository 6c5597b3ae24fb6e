//! The whole state, page by page, and the root over it.

use crate::hash::H256;
use crate::limits::STATE_ENTRIES_MAX;
use crate::tree::{Path, empty_root, inner_hash, leaf_hash};

use super::{Entry, LightError, StatePage, VerifiedHeader};

/// Collects the pages of the whole state. Nothing of them is proven before [`Self::finish`].
///
/// Memory: keys and values as they come, and 64 bytes per key.
#[derive(Clone, Debug, Default)]
pub struct StatePages {
    entries: Vec<Entry>,
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
        }
    }

    /// Returns the last key so far, behind which the next page begins.
    pub fn last_key(&self) -> Option<&[u8]> {
        self.entries.last().map(|(key, _)| key.as_slice())
    }

    /// Adds a page.
    ///
    /// # Errors
    /// [`LightError::PageOrder`] unless keys ascend strictly over all pages;
    /// [`LightError::PageLimit`]. The pages are of no use any more then.
    pub fn add(&mut self, page: StatePage) -> Result<(), LightError> {
        let max = STATE_ENTRIES_MAX;
        for (key, value) in page.entries {
            ensure!(
                self.last_key().is_none_or(|last| last < key.as_slice()),
                LightError::PageOrder
            );
            ensure!(self.entries.len() < max, LightError::PageLimit { max });
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
