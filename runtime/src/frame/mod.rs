//! A small FRAME: typed storage, dispatch with rollback, events, metadata.
//!
//! Wire-compatible with Substrate where clients look (spec/runtime.md); nothing of its macros.
//! A pallet is a folder with `types storage call event error`; its call, event and error enums
//! have fixed indices and derive `TypeInfo`, from which the metadata is made.

pub mod call;
pub mod context;
pub mod dispatch;
pub mod metadata;
pub mod registry;
pub mod state;
pub mod storage;
pub mod wire;

pub use call::{PalletCall, SignatureCheck, Validity};
pub use context::{BlockEnv, Context, Direct, SignatureOracle};
pub use dispatch::{DispatchError, DispatchResult, ModuleError, Origin, TransactionError};
pub use registry::{Constant, EntryKey, Pallet, StorageEntry};
pub use state::{Overlay, StateRead};
pub use storage::{Map, Value};

#[cfg(test)]
mod tests;
