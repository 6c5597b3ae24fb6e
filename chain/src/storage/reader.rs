//! Typed reads of one consistent view.

use std::collections::BTreeSet;

use allod_primitives::{
    Block, Certificate, DidId, H256, Header, Height, TimeMs, ValidatorSet, decode_strict,
    log::{LogEntry, Stated},
};
use parity_scale_codec::{Compact, Decode, Encode};

use super::backend::{Column, View};
use super::error::{HistoryError, StorageError};
use super::history;

/// Key of the tip in [`Column::Meta`].
pub(super) const TIP: &[u8] = b"tip";
/// Key of the oldest readable version in [`Column::Meta`].
pub(super) const OLDEST: &[u8] = b"oldest";

/// A log entry and where the extrinsic that caused it lies.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct IndexedEntry {
    /// The entry.
    pub entry: LogEntry,
    /// Index of the extrinsic in the entry's block; `None` if no extrinsic caused it.
    pub extrinsic: Option<u32>,
    /// What the entry's cause does not tell.
    pub stated: Option<Stated>,
}

/// The database as it was at one moment. Short-lived: it holds back the freeing of space, and
/// the thread that holds one must not write.
pub struct Reader<'a> {
    pub(super) view: Box<dyn View + 'a>,
}

impl std::fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reader")
    }
}

type Read<T> = Result<T, StorageError>;

/// Returns the element at `index` of an encoded list of byte strings: steps over those before it.
fn nth(list: &[u8], index: u32) -> Result<Option<&[u8]>, parity_scale_codec::Error> {
    let mut rest = list;
    let count = Compact::<u32>::decode(&mut rest)?.0;
    if index >= count {
        return Ok(None);
    }
    for _ in 0..index {
        (_, rest) = first(rest)?;
    }
    Ok(Some(first(rest)?.0))
}

/// Splits the first byte string off, without its length.
fn first(mut list: &[u8]) -> Result<(&[u8], &[u8]), parity_scale_codec::Error> {
    let length = Compact::<u32>::decode(&mut list)?.0;
    let length = usize::try_from(length).map_err(|_| "no such length")?;
    let split = list.split_at_checked(length);
    split.ok_or_else(|| "a list ends early".into())
}

impl Reader<'_> {
    /// Returns the height of the tip.
    ///
    /// # Errors
    /// [`StorageError`]; so do all reads.
    pub fn tip(&self) -> Read<Height> {
        self.meta_height(TIP)
    }

    /// Returns the oldest height whose state can be read.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn oldest(&self) -> Read<Height> {
        self.meta_height(OLDEST)
    }

    /// Returns the header at `height`.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn header(&self, height: Height) -> Read<Option<Header>> {
        self.decoded(Column::Headers, &height_key(height))
    }

    /// Returns the height of the block `hash`.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn height_of(&self, hash: &H256) -> Read<Option<Height>> {
        self.decoded(Column::Heights, &hash.0)
    }

    /// Returns the header of the block `hash`.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn header_of(&self, hash: &H256) -> Read<Option<Header>> {
        match self.height_of(hash)? {
            None => Ok(None),
            Some(height) => self.header(height),
        }
    }

    /// Returns the encoded block at `height`.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn block_bytes(&self, height: Height) -> Read<Option<Vec<u8>>> {
        let key = height_key(height);
        let Some(mut bytes) = self.view.get(Column::Headers, &key)? else {
            return Ok(None);
        };
        let body = self.view.get(Column::Bodies, &key)?;
        bytes.extend_from_slice(&body.ok_or_else(|| corrupt(Column::Bodies, &key))?);
        Ok(Some(bytes))
    }

    /// Returns the block at `height`.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn block(&self, height: Height) -> Read<Option<Block>> {
        let Some(bytes) = self.block_bytes(height)? else {
            return Ok(None);
        };
        let block = decode_strict(&bytes);
        let block = block.map_err(|_| corrupt(Column::Bodies, &height_key(height)))?;
        Ok(Some(block))
    }

    /// Returns the extrinsic at `index` of the block at `height`, of whose other extrinsics
    /// nothing is decoded.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn extrinsic_at(&self, height: Height, index: u32) -> Read<Option<Vec<u8>>> {
        let key = height_key(height);
        let Some(body) = self.view.get(Column::Bodies, &key)? else {
            return Ok(None);
        };
        let found = nth(&body, index).map_err(|_| corrupt(Column::Bodies, &key))?;
        Ok(found.map(<[u8]>::to_vec))
    }

    /// Returns the certificate of the block at `height`; none for genesis.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn certificate(&self, height: Height) -> Read<Option<Certificate>> {
        self.decoded(Column::Certificates, &height_key(height))
    }

    /// Returns the value of `key` that belongs to the block at `height` alone, outside the tree.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn scratch(&self, height: Height, key: &[u8]) -> Read<Option<Vec<u8>>> {
        Ok(self.view.get(Column::Scratch, &scratch_key(height, key))?)
    }

    /// Returns the scratch column's keys of `height`.
    pub(super) fn scratch_keys(&self, height: Height) -> Read<Vec<Vec<u8>>> {
        let prefix = height_key(height);
        let mut keys = Vec::new();
        for pair in self.view.scan(Column::Scratch, &prefix) {
            let (key, _) = pair?;
            if !key.starts_with(&prefix) {
                break;
            }
            keys.push(key);
        }
        Ok(keys)
    }

    /// Returns the storage keys that the block at `height` changed, while its parent's state is
    /// readable.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn changed(&self, height: Height) -> Read<Option<Vec<Vec<u8>>>> {
        let found: Option<(TimeMs, Vec<Vec<u8>>)> =
            self.decoded(Column::Changed, &height_key(height))?;
        Ok(found.map(|(_, keys)| keys))
    }

    /// Returns where the extrinsic `hash` lies: height and index.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn extrinsic(&self, hash: &H256) -> Read<Option<(Height, u32)>> {
        self.decoded(Column::Extrinsics, &hash.0)
    }

    /// Returns the validator set that headers name by `hash`.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn validator_set(&self, hash: &H256) -> Read<Option<ValidatorSet>> {
        self.decoded(Column::ValidatorSets, &hash.0)
    }

    /// Returns up to `count` log entries of `did` from number `from`, ascending.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn log(&self, did: &DidId, from: u64, count: usize) -> Read<Vec<IndexedEntry>> {
        let prefix = did.encode();
        let mut entries = Vec::new();
        for pair in self.view.scan(Column::Logs, &log_key(did, from)) {
            let (key, value) = pair?;
            if entries.len() >= count || !key.starts_with(&prefix) {
                break;
            }
            entries.push(decode_strict(&value).map_err(|_| corrupt(Column::Logs, &key))?);
        }
        Ok(entries)
    }

    /// Returns the undecided blocks of `height`: hash and bytes.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn undecided(&self, height: Height) -> Read<Vec<(H256, Vec<u8>)>> {
        let prefix = height_key(height);
        let mut blocks = Vec::new();
        for pair in self.view.scan(Column::Undecided, &prefix) {
            let (key, value) = pair?;
            let Some(hash) = key.strip_prefix(&prefix[..]) else {
                break;
            };
            let hash: [u8; 32] = hash
                .try_into()
                .map_err(|_| corrupt(Column::Undecided, &key))?;
            blocks.push((H256(hash), value));
        }
        Ok(blocks)
    }

    /// Returns the heights and hashes of all undecided blocks.
    pub(super) fn undecided_names(&self) -> Read<BTreeSet<(Height, H256)>> {
        let mut names = BTreeSet::new();
        for pair in self.view.scan(Column::Undecided, &[]) {
            let (key, _) = pair?;
            let name = key.split_first_chunk::<8>();
            let name = name.and_then(|(height, hash)| {
                let hash = H256(<[u8; 32]>::try_from(hash).ok()?);
                Some((Height(u64::from_be_bytes(*height)), hash))
            });
            names.insert(name.ok_or_else(|| corrupt(Column::Undecided, &key))?);
        }
        Ok(names)
    }

    /// Returns the current value of a storage key.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn value(&self, key: &[u8]) -> Read<Option<Vec<u8>>> {
        Ok(self.view.get(Column::State, key)?)
    }

    /// Returns the first storage key strictly above `after`.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn next_key(&self, after: &[u8]) -> Read<Option<Vec<u8>>> {
        let mut pairs = self.view.scan(Column::State, after);
        for pair in &mut pairs {
            let (key, _) = pair?;
            if key != after {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }

    /// Calls `each` with every current storage key and value, ascending.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn each_value(&self, mut each: impl FnMut(Vec<u8>, Vec<u8>)) -> Read<()> {
        for pair in self.view.scan(Column::State, &[]) {
            let (key, value) = pair?;
            each(key, value);
        }
        Ok(())
    }

    /// Returns the value of `key` after the block at `height`, its scratch values included.
    ///
    /// # Errors
    /// [`HistoryError`] if the height is not within the window.
    pub fn value_at(&self, height: Height, key: &[u8]) -> Result<Option<Vec<u8>>, HistoryError> {
        history::value_at(self, height, key)
    }

    /// Returns up to `count` storage keys that start with `prefix` and lie strictly above
    /// `start`, as they were after the block at `height`, ascending.
    ///
    /// Cost: O(keys of the prefix changed since `height` + keys returned).
    ///
    /// # Errors
    /// [`HistoryError`] if the height is not within the window.
    pub fn keys_at(
        &self,
        height: Height,
        prefix: &[u8],
        start: Option<&[u8]>,
        count: usize,
    ) -> Result<Vec<Vec<u8>>, HistoryError> {
        history::keys_at(self, height, prefix, start, count)
    }

    fn meta_height(&self, key: &[u8]) -> Read<Height> {
        let height = self.decoded(Column::Meta, key)?;
        height.ok_or_else(|| corrupt(Column::Meta, key))
    }

    pub(super) fn decoded<T: Decode>(&self, column: Column, key: &[u8]) -> Read<Option<T>> {
        match self.view.get(column, key)? {
            None => Ok(None),
            Some(bytes) => {
                let value = decode_strict(&bytes).map_err(|_| corrupt(column, key))?;
                Ok(Some(value))
            }
        }
    }
}

pub(super) fn corrupt(column: Column, key: &[u8]) -> StorageError {
    StorageError::Corrupt {
        column,
        key: key.to_vec(),
    }
}

/// Heights as keys are big-endian, so that bytes sort as numbers do.
pub(super) fn height_key(height: Height) -> [u8; 8] {
    height.0.to_be_bytes()
}

pub(super) fn scratch_key(height: Height, key: &[u8]) -> Vec<u8> {
    [height_key(height).as_slice(), key].concat()
}

pub(super) fn undecided_key(height: Height, hash: &H256) -> Vec<u8> {
    [height_key(height).as_slice(), &hash.0].concat()
}

pub(super) fn log_key(did: &DidId, n: u64) -> Vec<u8> {
    [did.encode(), n.to_be_bytes().to_vec()].concat()
}
