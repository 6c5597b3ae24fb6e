//! The store: opened against a genesis, written once per block.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use allod_primitives::{
    Block, Certificate, DidId, H256, Header, Height, ValidatorSet, decode_strict,
    header::extrinsic_hash,
    log::{LogEntry, Stated},
};
use parity_scale_codec::Encode;
use parking_lot::{Mutex, RwLock};

use super::backend::{Batch, Column, DiskSpace, Durability, KeyValue};
use super::error::{OpenError, StorageError};
use super::history::{self, Window, history_key};
use super::reader::{
    IndexedEntry, OLDEST, Reader, TIP, corrupt, height_key, log_key, scratch_key, undecided_key,
};
use crate::limits::{HISTORY_BLOCKS_MIN, HISTORY_MS_MIN, UNDECIDED_PER_HEIGHT_MAX};

/// Version of the layout; raised by every change of spec/storage.md.
pub const SCHEMA: u32 = 2;

pub(super) const SCHEMA_KEY: &[u8] = b"schema";
pub(super) const GENESIS_KEY: &[u8] = b"genesis";

/// Values that a block sets (`Some`) or removes (`None`), by storage key.
pub type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;
/// Values of one block outside the tree, by storage key.
pub type Scratch = BTreeMap<Vec<u8>, Vec<u8>>;

/// How much the store keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreOptions {
    /// Blocks whose state stays readable, at least (default and minimum 1,024).
    pub history_blocks: u64,
    /// Milliseconds for which a block's state stays readable, at least (default 10 minutes).
    pub history_ms: u64,
    /// Keeps every version and every block's events for ever.
    pub archive: bool,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            history_blocks: HISTORY_BLOCKS_MIN,
            history_ms: HISTORY_MS_MIN,
            archive: false,
        }
    }
}

/// The genesis block and the state after it.
#[derive(Clone, Debug)]
pub struct GenesisState {
    /// Its header; the body is empty.
    pub header: Header,
    /// The state's values.
    pub values: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Its values outside the tree.
    pub scratch: Scratch,
    /// The validator sets its header names.
    pub sets: Vec<ValidatorSet>,
}

/// The last committed block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tip {
    /// Its header.
    pub header: Header,
    /// Its hash.
    pub hash: H256,
}

impl Tip {
    /// Returns its height.
    pub fn height(&self) -> Height {
        self.header.number
    }
}

/// A log entry that a block adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedEntry {
    /// Whose log.
    pub did: DidId,
    /// The entry and its extrinsic.
    pub entry: IndexedEntry,
}

impl LoggedEntry {
    /// Names the entry that extrinsic `extrinsic` added to the log of `did`, and what is stated
    /// with it.
    pub const fn new(
        did: DidId,
        entry: LogEntry,
        extrinsic: Option<u32>,
        stated: Option<Stated>,
    ) -> Self {
        let entry = IndexedEntry {
            entry,
            extrinsic,
            stated,
        };
        Self { did, entry }
    }
}

/// Everything one block writes.
#[derive(Debug)]
pub struct CommitInput<'a> {
    /// The block.
    pub block: &'a Block,
    /// Its hash.
    pub hash: H256,
    /// The proof that it is final.
    pub certificate: &'a Certificate,
    /// Changed values.
    pub changes: &'a Changes,
    /// Its values outside the tree.
    pub scratch: &'a Scratch,
    /// Entries it adds to logs.
    pub logged: &'a [LoggedEntry],
    /// Validator sets that its header, or one to come, names.
    pub sets: &'a [ValidatorSet],
}

/// The node's database. Shared by reference; one task writes.
#[derive(Debug)]
pub struct Store {
    backend: Arc<dyn KeyValue>,
    tip: RwLock<Tip>,
    /// What the undecided column holds, so that blocks need not be read to be counted.
    undecided: Mutex<BTreeSet<(Height, H256)>>,
    window: Window,
    poison: OnceLock<StorageError>,
}

impl Store {
    /// Opens `backend`, writing the genesis block if it is empty.
    ///
    /// # Errors
    /// [`OpenError`]: another layout, another chain, or a database that fails.
    pub fn open(
        backend: Arc<dyn KeyValue>,
        genesis: &GenesisState,
        options: StoreOptions,
    ) -> Result<Self, OpenError> {
        let expected = genesis.header.hash();
        let found = {
            let reader = Reader {
                view: backend.view(),
            };
            let schema: Option<u32> = reader.decoded(Column::Meta, SCHEMA_KEY)?;
            match schema {
                None => None,
                Some(SCHEMA) => reader.decoded::<H256>(Column::Meta, GENESIS_KEY)?,
                Some(found) => {
                    let expected = SCHEMA;
                    return Err(OpenError::Schema { found, expected });
                }
            }
        };
        match found {
            Some(found) if found != expected => {
                return Err(OpenError::Genesis { found, expected });
            }
            Some(_) => {}
            None => backend.write(genesis_batch(genesis, expected), Durability::Synced)?,
        }
        let reader = Reader {
            view: backend.view(),
        };
        let tip = read_tip(&reader)?;
        let undecided = reader.undecided_names()?;
        drop(reader);
        let blocks = if options.archive {
            u64::MAX
        } else {
            options.history_blocks
        };
        Ok(Self {
            backend,
            tip: RwLock::new(tip),
            undecided: Mutex::new(undecided),
            window: Window {
                blocks,
                ms: options.history_ms,
                keep_scratch: options.archive,
            },
            poison: OnceLock::new(),
        })
    }

    /// Returns the last committed block.
    pub fn tip(&self) -> Tip {
        self.tip.read().clone()
    }

    /// Returns a consistent view of this moment.
    pub fn reader(&self) -> Reader<'_> {
        Reader {
            view: self.backend.view(),
        }
    }

    /// Returns the current state as the state machine reads it. A failing read answers "absent"
    /// and poisons the store: check [`Self::healthy`] before using what was computed.
    pub fn state(&self) -> State<'_> {
        State {
            reader: self.reader(),
            poison: &self.poison,
        }
    }

    /// Returns whether no read through [`Self::state`] has failed.
    ///
    /// # Errors
    /// The first failure.
    pub fn healthy(&self) -> Result<(), StorageError> {
        self.poison.get().map_or(Ok(()), |error| Err(error.clone()))
    }

    /// Returns about how many bytes the database holds on disk.
    pub fn disk_bytes(&self) -> u64 {
        self.backend.disk_bytes()
    }

    /// Returns how much room the database's file system has, if that can be told.
    pub fn disk_space(&self) -> Option<DiskSpace> {
        self.backend.disk_space()
    }

    /// Stores a block that may yet be decided, durably; at most
    /// [`UNDECIDED_PER_HEIGHT_MAX`] per height, further ones replace none and are refused
    /// silently, since agreement asks for far fewer.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn put_undecided(
        &self,
        height: Height,
        hash: &H256,
        bytes: &[u8],
    ) -> Result<(), StorageError> {
        let mut held = self.undecided.lock();
        let of_height = held.range((height, H256::ZERO)..=(height, H256([0xff; 32])));
        if held.contains(&(height, *hash)) || of_height.count() >= UNDECIDED_PER_HEIGHT_MAX {
            return Ok(());
        }
        let mut batch = Batch::new();
        batch.put(Column::Undecided, undecided_key(height, hash), bytes);
        self.backend.write(batch, Durability::Synced)?;
        held.insert((height, *hash));
        Ok(())
    }

    /// Commits a block in one synced write: this is the moment it is final here.
    ///
    /// # Errors
    /// [`StorageError`]; the node must stop then.
    pub fn commit(&self, input: &CommitInput<'_>) -> Result<(), StorageError> {
        let height = input.block.header.number;
        let tip = self.tip.read().height();
        if height != tip.next() {
            return Err(StorageError::NotNext { height, tip });
        }
        let mut batch = Batch::new();
        self.put_state(&mut batch, height, input)?;
        put_block(&mut batch, input);
        let mut undecided = self.undecided.lock();
        let later = undecided.split_off(&(height.next(), H256::ZERO));
        for (height, hash) in std::mem::replace(&mut *undecided, later) {
            batch.delete(Column::Undecided, undecided_key(height, &hash));
        }
        drop(undecided);
        self.backend.write(batch, Durability::Synced)?;
        *self.tip.write() = Tip {
            header: input.block.header.clone(),
            hash: input.hash,
        };
        Ok(())
    }

    /// Forgets a few versions beyond the window. Called after a commit; not durable by itself.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn prune(&self) -> Result<(), StorageError> {
        let batch = history::prune(&self.reader(), self.window)?;
        match batch {
            None => Ok(()),
            Some(batch) => Ok(self.backend.write(batch, Durability::Unsynced)?),
        }
    }

    /// Replaces the certificate of a committed block by one with more signatures. It is not
    /// synced: the one it replaces proves the block as well.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn put_certificate(&self, certificate: &Certificate) -> Result<(), StorageError> {
        let mut batch = Batch::new();
        let key = height_key(certificate.height);
        batch.put(Column::Certificates, key, certificate.encode());
        Ok(self.backend.write(batch, Durability::Unsynced)?)
    }

    fn put_state(
        &self,
        batch: &mut Batch,
        height: Height,
        input: &CommitInput<'_>,
    ) -> Result<(), StorageError> {
        let reader = self.reader();
        let mut changed = Vec::with_capacity(input.changes.len());
        for (key, value) in input.changes {
            let old = reader.value(key)?;
            if old == *value {
                continue;
            }
            batch.put(Column::History, history_key(key, height), old.encode());
            match value {
                Some(value) => batch.put(Column::State, key.clone(), value.clone()),
                None => batch.delete(Column::State, key.clone()),
            }
            changed.push(key);
        }
        let record = (input.block.header.digest.time, changed);
        batch.put(Column::Changed, height_key(height), record.encode());
        for (key, value) in input.scratch {
            batch.put(Column::Scratch, scratch_key(height, key), value.clone());
        }
        Ok(())
    }
}

fn put_block(batch: &mut Batch, input: &CommitInput<'_>) {
    let height = input.block.header.number;
    let key = height_key(height);
    batch.put(Column::Headers, key, input.block.header.encode());
    batch.put(Column::Bodies, key, input.block.extrinsics.encode());
    batch.put(Column::Certificates, key, input.certificate.encode());
    batch.put(Column::Heights, input.hash.0, height.encode());
    for (index, extrinsic) in (0u32..).zip(&input.block.extrinsics) {
        let hash = extrinsic_hash(extrinsic);
        batch.put(Column::Extrinsics, hash.0, (height, index).encode());
    }
    for logged in input.logged {
        let key = log_key(&logged.did, logged.entry.entry.n);
        batch.put(Column::Logs, key, logged.entry.encode());
    }
    for set in input.sets {
        batch.put(Column::ValidatorSets, set.hash().0, set.encode());
    }
    batch.put(Column::Meta, TIP, height.encode());
}

fn genesis_batch(genesis: &GenesisState, hash: H256) -> Batch {
    let mut batch = Batch::new();
    let height = Height(0);
    batch.put(Column::Meta, SCHEMA_KEY, SCHEMA.encode());
    batch.put(Column::Meta, GENESIS_KEY, hash.0);
    batch.put(Column::Meta, TIP, height.encode());
    batch.put(Column::Meta, OLDEST, height.encode());
    let key = height_key(height);
    batch.put(Column::Headers, key, genesis.header.encode());
    batch.put(Column::Bodies, key, Vec::<Vec<u8>>::new().encode());
    batch.put(Column::Heights, hash.0, height.encode());
    for (key, value) in &genesis.scratch {
        batch.put(Column::Scratch, scratch_key(height, key), value.clone());
    }
    for (key, value) in &genesis.values {
        batch.put(Column::State, key.clone(), value.clone());
    }
    for set in &genesis.sets {
        batch.put(Column::ValidatorSets, set.hash().0, set.encode());
    }
    batch
}

fn read_tip(reader: &Reader<'_>) -> Result<Tip, StorageError> {
    let height = reader.tip()?;
    let key = height_key(height);
    let bytes = reader.view.get(Column::Headers, &key)?;
    let bytes = bytes.ok_or_else(|| corrupt(Column::Headers, &key))?;
    let header: Header = decode_strict(&bytes).map_err(|_| corrupt(Column::Headers, &key))?;
    let hash = header.hash();
    Ok(Tip { header, hash })
}

/// The current state, for the state machine.
#[derive(Debug)]
pub struct State<'a> {
    reader: Reader<'a>,
    poison: &'a OnceLock<StorageError>,
}

impl State<'_> {
    /// Returns the height of the block after which this is the state.
    pub fn height(&self) -> Height {
        self.checked(self.reader.tip())
    }

    /// Returns the value of `key`.
    pub fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.checked(self.reader.value(key))
    }

    /// Returns the first key strictly above `after`.
    pub fn next_key(&self, after: &[u8]) -> Option<Vec<u8>> {
        self.checked(self.reader.next_key(after))
    }

    fn checked<T: Default>(&self, read: Result<T, StorageError>) -> T {
        read.unwrap_or_else(|error| {
            tracing::error!(%error, "reading the state failed");
            // The first failure is the one worth reporting.
            let _ = self.poison.set(error);
            T::default()
        })
    }
}

impl allod_runtime::frame::StateRead for State<'_> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        State::get(self, key)
    }

    fn next_key(&self, after: &[u8]) -> Option<Vec<u8>> {
        State::next_key(self, after)
    }
}
