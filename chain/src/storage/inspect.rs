//! A look at a database without opening it for writing: beside a running node, or without one.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use allod_primitives::{H256, Header, Height, keys};

use super::StorageError;
use super::backend::{Column, KeyValue};
use super::reader::Reader;
use super::rocks::RocksStore;
use super::store::{GENESIS_KEY, SCHEMA_KEY};

/// Blocks over which growth is measured.
const GROWTH_BLOCKS_MAX: u64 = 10_000;
/// Blocks of a span whose size is looked at, evenly spread over it.
const SAMPLES: u64 = 256;

/// What a database says of itself.
#[derive(Clone, Debug)]
pub struct Inspected {
    /// Version of its layout.
    pub schema: Option<u32>,
    /// The chain that it holds.
    pub genesis: Option<H256>,
    /// Header of the newest block.
    pub tip: Option<Header>,
    /// Header of an earlier block, at most ten thousand before, not genesis: what growth is
    /// measured from.
    pub earlier: Option<Header>,
    /// Mean bytes of the blocks since `earlier`, and of all blocks; of samples, as they are
    /// encoded.
    pub block_bytes: Option<BlockBytes>,
    /// The part of the newest state that says who is admitted: current and next set, validators, observers of the pallet
    /// `Authority`.
    pub membership: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// How large blocks are, on average.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockBytes {
    /// Of late.
    pub recent: u64,
    /// Since genesis.
    pub all: u64,
}

/// Items of the state that say who is admitted (spec/governance.md §2).
const MEMBERSHIP_ITEMS: [&str; 4] = ["CurrentSet", "NextSet", "Validators", "Observers"];

/// Looks at the database in `directory`. Writes nothing into it.
///
/// # Errors
/// [`BackendError`]: it is damaged, or changed too much while it was read; then ask again.
pub fn inspect(directory: &Path) -> Result<Inspected, StorageError> {
    let logs = std::env::temp_dir().join(format!("allod-inspect-{}", std::process::id()));
    let found = look(directory, &logs);
    // The engine's own log of this look; nobody needs it.
    let _ = fs::remove_dir_all(&logs);
    found
}

fn look(directory: &Path, logs: &Path) -> Result<Inspected, StorageError> {
    let backend = RocksStore::open_read_only(directory, logs)?;
    let reader = Reader {
        view: backend.view(),
    };
    let schema = reader.decoded(Column::Meta, SCHEMA_KEY)?;
    let genesis = reader.decoded(Column::Meta, GENESIS_KEY)?;
    let (mut tip, mut earlier) = (None, None);
    let (mut membership, mut block_bytes) = (BTreeMap::new(), None);
    if schema.is_some() {
        let height = reader.tip()?;
        tip = reader.header(height)?;
        let first = Height(height.0.saturating_sub(GROWTH_BLOCKS_MAX).max(1));
        if first < height {
            earlier = reader.header(first)?;
            let recent = mean_bytes(&reader, first.0, height.0)?;
            let all = mean_bytes(&reader, 1, height.0)?;
            block_bytes = recent
                .zip(all)
                .map(|(recent, all)| BlockBytes { recent, all });
        }
        for item in MEMBERSHIP_ITEMS {
            let prefix = keys::item("Authority", item);
            for pair in reader.view.scan(Column::State, &prefix) {
                let (key, value) = pair?;
                if !key.starts_with(&prefix) {
                    break;
                }
                membership.insert(key, value);
            }
        }
    }
    Ok(Inspected {
        schema,
        genesis,
        tip,
        earlier,
        block_bytes,
        membership,
    })
}

/// Returns the mean size of the blocks from height `first` to `last`, of at most [`SAMPLES`] of them.
fn mean_bytes(reader: &Reader<'_>, first: u64, last: u64) -> Result<Option<u64>, StorageError> {
    let step = usize::try_from((last - first) / SAMPLES + 1).unwrap_or(usize::MAX);
    let (mut sum, mut count) = (0_u64, 0_u64);
    for height in (first..=last).rev().step_by(step) {
        if let Some(bytes) = reader.block_bytes(Height(height))? {
            sum = sum.saturating_add(bytes.len() as u64);
            count += 1;
        }
    }
    Ok(sum.checked_div(count))
}

/// Returns the bytes of all files of a directory and those below it.
pub fn directory_bytes(directory: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(directory) else {
        return 0;
    };
    let bytes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(it) if it.is_dir() => directory_bytes(&entry.path()),
        Ok(it) => it.len(),
        // A file that was removed meanwhile.
        Err(_) => 0,
    });
    bytes.sum()
}

#[cfg(test)]
mod tests {
    use super::super::BackendError;
    use super::super::backend::{Batch, Durability};
    use super::super::reader::height_key;
    use super::*;

    /// Method: 10,000 blocks of a hundred bytes, then 1,000 ten times as large.
    #[test]
    fn the_size_of_blocks_is_measured_of_late_and_since_genesis() {
        let dir = tempfile::tempdir().unwrap();
        let store = RocksStore::open(dir.path(), 8 << 20).unwrap();
        let mut batch = Batch::new();
        for height in 1..=11_000_u64 {
            let bytes = if height > 10_000 { 990 } else { 90 };
            let key = height_key(Height(height)).to_vec();
            batch.put(Column::Headers, key.clone(), vec![1; 10]);
            batch.put(Column::Bodies, key, vec![2; bytes]);
        }
        store.write(batch, Durability::Synced).unwrap();
        let reader = Reader { view: store.view() };
        let mean = |first, last| mean_bytes(&reader, first, last).unwrap();
        assert_eq!(mean(10_001, 11_000), Some(1000));
        assert_eq!(mean(1, 10_000), Some(100));
        let all = mean(1, 11_000).unwrap();
        assert!((170..=195).contains(&all), "{all}");
        assert_eq!(mean(20_000, 20_001), None);
    }

    /// Method: a store of the engine is looked at while it is open for writing.
    #[test]
    fn a_database_is_looked_at_beside_its_node_and_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let store = RocksStore::open(dir.path(), 8 << 20).unwrap();
        let names = || {
            let names = fs::read_dir(dir.path()).unwrap();
            let mut names: Vec<_> = names.map(|it| it.unwrap().file_name()).collect();
            names.sort();
            names
        };
        let before = names();
        let found = inspect(dir.path()).unwrap();
        assert!(found.schema.is_none() && found.tip.is_none());
        assert_eq!(names(), before);
        drop(store);
        assert!(inspect(dir.path()).is_ok());
        assert!(matches!(
            inspect(&dir.path().join("absent")),
            Err(StorageError::Backend(BackendError::Engine { .. }))
        ));
        assert!(directory_bytes(dir.path()) > 0);
    }
}
