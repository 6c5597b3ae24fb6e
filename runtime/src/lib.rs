//! The state machine: dispatch, storage, events, metadata and the pallets.
//!
//! Pure: a block's result is a function of the state before it, its parent's header and its
//! extrinsics. No clock, entropy, thread, file or log; signatures are asked of an oracle, so that
//! the node can answer from its batch-verified cache.

pub mod authority;
pub mod did;
pub mod executive;
pub mod frame;
pub mod genesis;
pub mod grant;
pub mod revocation;
pub mod runtime;
pub mod system;
pub mod timestamp;
pub mod tree;
pub mod version;

pub use runtime::{RuntimeCall, RuntimeError, RuntimeEvent, is_identity_key};
