//! Why storage could not answer.

use allod_primitives::{H256, Height};

use super::backend::{BackendError, Column};

/// Why a read or a write failed. Fatal: the node stops and is restarted on a healthy disk.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// The database failed.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// A stored value does not decode, or one that must exist does not.
    #[error("corrupt database: column {} at key 0x{}", .column.name(), hex::encode(.key))]
    Corrupt {
        /// Where.
        column: Column,
        /// Its key.
        key: Vec<u8>,
    },
    /// A commit that does not follow the tip: a bug of the caller.
    #[error("block {height} does not follow the tip {tip}")]
    NotNext {
        /// Height asked to commit.
        height: Height,
        /// Height of the tip.
        tip: Height,
    },
}

/// Why a database was not opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// It failed or is corrupt.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// It was written by a version with another layout.
    #[error("the database has layout {found}, this version reads {expected}")]
    Schema {
        /// Layout found.
        found: u32,
        /// Layout this version reads and writes.
        expected: u32,
    },
    /// It belongs to another chain.
    #[error("the database belongs to genesis {found}, the chain spec says {expected}")]
    Genesis {
        /// Hash found.
        found: H256,
        /// Hash of the chain spec's genesis block.
        expected: H256,
    },
}

impl From<BackendError> for OpenError {
    fn from(error: BackendError) -> Self {
        Self::Storage(error.into())
    }
}

/// Why the state of a height cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// Older than the window that is kept.
    #[error("state of block {height} was pruned, the oldest kept is {oldest}")]
    Pruned {
        /// Height asked for.
        height: Height,
        /// Oldest height that can be read.
        oldest: Height,
    },
    /// Not there yet.
    #[error("block {height} does not exist, the tip is {tip}")]
    Unknown {
        /// Height asked for.
        height: Height,
        /// Height of the tip.
        tip: Height,
    },
    /// The database failed or is corrupt.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<BackendError> for HistoryError {
    fn from(error: BackendError) -> Self {
        Self::Storage(error.into())
    }
}
