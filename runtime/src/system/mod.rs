//! Accounts' nonces, block numbers and hashes, and the outcome of every extrinsic.
//!
//! Not a pallet one can call. `Events` lives outside the state tree: a block's node keeps it
//! beside the block.

pub mod event;
pub mod storage;
pub mod types;

pub use event::Event;
pub use storage::{block_hash, nonce, number};
pub use types::{AccountInfo, LastRuntimeUpgradeInfo};
