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
    /// The part of the newest state that says who is admitted: current and next set, validators, observers of the pallet
    /// `Authority`.
    pub membership: BTreeMap<Vec<u8>, Vec<u8>>,
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
    let mut membership = BTreeMap::new();
    if schema.is_some() {
        let height = reader.tip()?;
        tip = reader.header(height)?;
        let first = Height(height.0.saturating_sub(GROWTH_BLOCKS_MAX).max(1));
        if first < height {
            earlier = reader.header(first)?;
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
        membership,
    })
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
    use super::*;

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
