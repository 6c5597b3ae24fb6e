//! Reading the ledger without believing the nodes that answer.
//!
//! A [`LightClient`] asks nodes for *proofs*, checks them, and works every answer out itself, by
//! the same pure functions that nodes run. It begins at the genesis block that a DID's network
//! names, at a checkpoint, or where it ended last; it follows the changes of validators; it
//! compares new blocks with another node's, and stops for good at two certified histories.
//!
//! It fails closed: a node that is silent, behind, or lies is passed over for the next, and if
//! there is none the answer is an error. Nothing here falls back to an unproven answer; who wants
//! one calls [`rpc::Client`](crate::rpc::Client).
//!
//! ```text
//!  question -> node -> bundle -> Trust::verify_read -> time and place -> answers::… -> Proven
//!                 ^                  |      \                 |
//!                 |                  |       two histories -> frozen, evidence on disk
//!                 +--- next node <---+------------------------+
//! ```
//!
//! Source: spec/proofs.md.

mod anchor;
mod blind;
mod client;
mod compare;
mod config;
mod error;
mod evidence;
mod keep;
mod kept;
mod log;
mod node;
mod nodes;
mod offline;
mod questions;
mod store;
mod verify;
pub mod view;
mod wire;

pub use allod_primitives::light::{Checkpoint, HeaderMark};
pub use client::{AsOf, LightClient, LightStatus, Proven};
pub use compare::Comparison;
pub use config::{
    Anchor, COMPARE_EVERY, LightConfig, Now, STALENESS, TRUSTING_PERIOD, TRUSTING_PERIOD_MAX,
};
pub use error::{ConfigError, Fault, ReadError};
pub use evidence::{EVIDENCE_VERSION, Evidence, EvidenceHeader};
pub use log::ProvenLog;
pub use node::{Node, Notifications, RemoteNode};
pub use nodes::{ASIDE_MS, Aside, NODES_MAX};
pub use offline::{ProvenRecord, TRAIL_TRANSITIONS_MAX, Trail, kept_trust};
pub use questions::Historical;
pub use store::{Step, Store, StoreError, TRUST_FILE_VERSION, There};
pub use view::{Prefetch, VerifiedView, ViewConfig, ViewError, ViewState, ViewStatus};
