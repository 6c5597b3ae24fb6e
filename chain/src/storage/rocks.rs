//! The database on disk: RocksDB, one column family per column.

use std::path::{Path, PathBuf};

use nix::sys::statvfs::statvfs;
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType,
    Direction, IteratorMode, Options, Snapshot, WriteBatch, WriteOptions,
};

use super::backend::{
    BackendError, Batch, Change, Column, DiskSpace, Durability, KeyValue, Pairs, View,
};

const MIB: usize = 1024 * 1024;
/// Bytes of one memtable of the columns that grow with every block.
const BUFFER_BYTES_LARGE: usize = 16 * MIB;
/// Bytes of one memtable of the others.
const BUFFER_BYTES_SMALL: usize = 2 * MIB;
/// Files held open; further ones are opened when read.
const OPEN_FILES_MAX: i32 = 256;
/// Bytes of RocksDB's log before old memtables are written out.
const LOG_BYTES_MAX: u64 = 128 * MIB as u64;

/// RocksDB in a directory. One process may hold it at a time.
#[derive(Debug)]
pub struct RocksStore {
    db: DB,
    directory: PathBuf,
}

impl RocksStore {
    /// Opens or creates the database in `directory`. `cache_bytes`: block cache, shared by all
    /// columns.
    ///
    /// # Errors
    /// [`BackendError::InUse`] if another process holds it, else [`BackendError::Engine`].
    pub fn open(directory: &Path, cache_bytes: usize) -> Result<Self, BackendError> {
        let cache = Cache::new_lru_cache(cache_bytes).map_err(|e| failed("cache", e))?;
        let mut options = Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        options.set_max_open_files(OPEN_FILES_MAX);
        options.set_max_total_wal_size(LOG_BYTES_MAX);
        options.set_max_background_jobs(2);
        options.set_keep_log_file_num(2);
        options.set_max_log_file_size(MIB);
        let columns = Column::ALL.map(|column| {
            ColumnFamilyDescriptor::new(column.name(), column_options(column, &cache))
        });
        let db = DB::open_cf_descriptors(&options, directory, columns).map_err(|error| {
            let message = error.to_string();
            if message.contains("lock") {
                BackendError::InUse { message }
            } else {
                failed("open", error)
            }
        })?;
        let directory = directory.to_owned();
        Ok(Self { db, directory })
    }

    /// Opens the database in `directory` for reading alone, beside whoever writes it. `logs`: where
    /// the engine writes about it, lest it be in that directory.
    ///
    /// # Errors
    /// [`BackendError::Engine`].
    pub(super) fn open_read_only(directory: &Path, logs: &Path) -> Result<Self, BackendError> {
        let mut options = Options::default();
        options.set_db_log_dir(logs);
        options.set_max_open_files(OPEN_FILES_MAX);
        let columns = Column::ALL.map(Column::name);
        let db = DB::open_cf_for_read_only(&options, directory, columns, false);
        Ok(Self {
            db: db.map_err(|error| failed("open", error))?,
            directory: directory.to_owned(),
        })
    }

    fn column(&self, column: Column) -> &ColumnFamily {
        self.db
            .cf_handle(column.name())
            .expect("every column was opened or created by `open`")
    }
}

fn column_options(column: Column, cache: &Cache) -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    table.set_cache_index_and_filter_blocks(true);
    table.set_pin_l0_filter_and_index_blocks_in_cache(true);
    if matches!(
        column,
        Column::State | Column::Extrinsics | Column::Heights | Column::Logs
    ) {
        table.set_bloom_filter(10.0, false);
    }
    let mut options = Options::default();
    options.set_block_based_table_factory(&table);
    // Hashes, keys and signatures do not compress.
    options.set_compression_type(DBCompressionType::None);
    options.set_write_buffer_size(match column {
        Column::State | Column::History | Column::Bodies | Column::Undecided => BUFFER_BYTES_LARGE,
        _ => BUFFER_BYTES_SMALL,
    });
    options
}

fn failed(operation: &'static str, error: rocksdb::Error) -> BackendError {
    BackendError::Engine {
        operation,
        message: error.to_string(),
    }
}

impl KeyValue for RocksStore {
    fn view(&self) -> Box<dyn View + '_> {
        Box::new(RocksView {
            store: self,
            snapshot: self.db.snapshot(),
        })
    }

    fn write(&self, batch: Batch, durability: Durability) -> Result<(), BackendError> {
        let mut writes = WriteBatch::default();
        for change in &batch.0 {
            match change {
                Change::Put(column, key, value) => writes.put_cf(self.column(*column), key, value),
                Change::Delete(column, key) => writes.delete_cf(self.column(*column), key),
            }
        }
        let mut options = WriteOptions::default();
        options.set_sync(durability == Durability::Synced);
        let written = self.db.write_opt(writes, &options);
        written.map_err(|error| failed("write", error))
    }

    fn disk_bytes(&self) -> u64 {
        let sum = Column::ALL.iter().map(|column| {
            let name = "rocksdb.total-sst-files-size";
            let bytes = self.db.property_int_value_cf(self.column(*column), name);
            bytes.ok().flatten().unwrap_or(0)
        });
        sum.sum()
    }

    fn disk_space(&self) -> Option<DiskSpace> {
        let space = statvfs(&self.directory).ok()?;
        let bytes = |blocks: u64| blocks.saturating_mul(space.fragment_size());
        Some(DiskSpace {
            free_bytes: bytes(space.blocks_available()),
            size_bytes: bytes(space.blocks()),
        })
    }
}

struct RocksView<'db> {
    store: &'db RocksStore,
    snapshot: Snapshot<'db>,
}

impl View for RocksView<'_> {
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, BackendError> {
        let value = self.snapshot.get_cf(self.store.column(column), key);
        value.map_err(|error| failed("get", error))
    }

    fn scan<'a>(&'a self, column: Column, from: &[u8]) -> Pairs<'a> {
        let mode = IteratorMode::From(from, Direction::Forward);
        let pairs = self.snapshot.iterator_cf(self.store.column(column), mode);
        Box::new(pairs.map(|pair| {
            let (key, value) = pair.map_err(|error| failed("scan", error))?;
            Ok((key.into_vec(), value.into_vec()))
        }))
    }
}
