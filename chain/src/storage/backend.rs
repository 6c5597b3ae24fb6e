//! What the node asks of a database: columns of sorted bytes, consistent views, atomic batches.

use std::fmt;

/// A column: an own space of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Column {
    /// Named single values: schema, genesis, tip, oldest readable version.
    Meta,
    /// Height (8 BE) → encoded header.
    Headers,
    /// Height → encoded extrinsics.
    Bodies,
    /// Height → encoded certificate.
    Certificates,
    /// Block hash → height.
    Heights,
    /// Height ++ block hash → encoded block that may yet be decided.
    Undecided,
    /// Storage key → current value; what the state tree commits to.
    State,
    /// Storage key ++ height → value *before* that block.
    History,
    /// Height → its time and the storage keys it changed.
    Changed,
    /// Height ++ storage key → value of that block outside the tree, such as its events.
    Scratch,
    /// Identity ++ n (8 BE) → log entry, with the place of its extrinsic.
    Logs,
    /// Extrinsic hash → height and index.
    Extrinsics,
    /// Hash of a validator set → the set.
    ValidatorSets,
}

impl Column {
    /// Every column.
    pub const ALL: [Self; 13] = [
        Self::Meta,
        Self::Headers,
        Self::Bodies,
        Self::Certificates,
        Self::Heights,
        Self::Undecided,
        Self::State,
        Self::History,
        Self::Changed,
        Self::Scratch,
        Self::Logs,
        Self::Extrinsics,
        Self::ValidatorSets,
    ];

    /// Returns the column family's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Headers => "headers",
            Self::Bodies => "bodies",
            Self::Certificates => "certificates",
            Self::Heights => "heights",
            Self::Undecided => "undecided",
            Self::State => "state",
            Self::History => "history",
            Self::Changed => "changed",
            Self::Scratch => "scratch",
            Self::Logs => "logs",
            Self::Extrinsics => "extrinsics",
            Self::ValidatorSets => "validator_sets",
        }
    }
}

/// The database failed: always fatal, for what it holds is then unknown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BackendError {
    /// The engine reported an error: disk full, input or output failed, corruption.
    #[error("database failed in {operation}: {message}")]
    Engine {
        /// What was asked.
        operation: &'static str,
        /// The engine's words.
        message: String,
    },
    /// Another process holds the database.
    #[error("the database is in use by another process: {message}")]
    InUse {
        /// The engine's words.
        message: String,
    },
}

/// Whether a write must survive a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// It has, with every write before it, once `write` returned.
    Synced,
    /// It may be lost, until a later synced write.
    Unsynced,
}

/// One change of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Sets a value.
    Put(Column, Vec<u8>, Vec<u8>),
    /// Removes a value; nothing if absent.
    Delete(Column, Vec<u8>),
}

/// Changes that happen together or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch(pub Vec<Change>);

impl Batch {
    /// Returns an empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets `key` to `value`.
    pub fn put(&mut self, column: Column, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.0.push(Change::Put(column, key.into(), value.into()));
    }

    /// Removes `key`.
    pub fn delete(&mut self, column: Column, key: impl Into<Vec<u8>>) {
        self.0.push(Change::Delete(column, key.into()));
    }
}

/// A key and its value.
pub type Pair = (Vec<u8>, Vec<u8>);

/// What a scan yields.
pub type Pairs<'a> = Box<dyn Iterator<Item = Result<Pair, BackendError>> + 'a>;

/// The database as it was at one moment: later writes do not show.
pub trait View {
    /// Returns the value of `key`.
    ///
    /// # Errors
    /// [`BackendError`] if the database failed.
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, BackendError>;

    /// Returns the pairs from the first key at or above `from`, ascending by bytes.
    fn scan<'a>(&'a self, column: Column, from: &[u8]) -> Pairs<'a>;
}

/// How much room a file system has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskSpace {
    /// Bytes that this process may still use.
    pub free_bytes: u64,
    /// Bytes of all of it.
    pub size_bytes: u64,
}

/// A database.
pub trait KeyValue: Send + Sync + fmt::Debug + 'static {
    /// Returns a consistent view of this moment.
    fn view(&self) -> Box<dyn View + '_>;

    /// Applies `batch` atomically.
    ///
    /// # Errors
    /// [`BackendError`]; whether the batch took effect is then unknown, and the caller must not
    /// go on writing.
    fn write(&self, batch: Batch, durability: Durability) -> Result<(), BackendError>;

    /// Returns about how many bytes the database holds on its disk.
    fn disk_bytes(&self) -> u64;

    /// Returns how much room its file system has; `None` if it lies on none or that cannot be told.
    fn disk_space(&self) -> Option<DiskSpace> {
        None
    }
}
