//! What the node keeps on disk, and the one write per block that makes it durable.
//!
//! [`Store`] knows blocks, certificates, current and recent state, logs and indexes. It works on
//! any [`KeyValue`]: [`RocksStore`] on disk, [`MemoryStore`] in simulations. It is *not* the state
//! tree, which is computed from the state column at start and compared with the tip's header.
//!
//! **Commit point.** [`Store::commit`] writes everything of a block in one synced batch. What was
//! stored before it (undecided blocks) can be redone or thrown away; what happens after it
//! (removing old versions) can be repeated.
//!
//! **Old versions.** Beside the current value of a key, the history column holds, under key ++
//! height, the value that the block of that height replaced. The value at height H is the first
//! such entry above H, else the current value: one seek, whatever the distance.
//! Source: spec/storage.md.

mod backend;
mod error;
mod history;
mod inspect;
mod memory;
mod reader;
mod rocks;
mod store;
#[cfg(test)]
mod tests;

pub use backend::{
    BackendError, Batch, Change, Column, DiskSpace, Durability, KeyValue, Pair, Pairs, View,
};
pub use error::{HistoryError, OpenError, StorageError};
pub use inspect::{BlockBytes, Inspected, directory_bytes, inspect};
pub use memory::MemoryStore;
pub use reader::{IndexedEntry, Reader};
pub use rocks::RocksStore;
pub use store::{
    Changes, CommitInput, GenesisState, LoggedEntry, SCHEMA, Scratch, State, Store, StoreOptions,
    Tip,
};
