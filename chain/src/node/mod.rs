//! The parts put together: one running node.
//!
//! [`start`] takes a [`Setup`] (what the node is) and a [`World`] (disk, clock, randomness,
//! networks) and returns a [`RunningNode`]. The real world is made by [`run`], which the binary
//! calls; a simulation makes its own and runs many nodes in one thread. RPC is not part of it:
//! [`Shared`] is what `crate::view` answers from.
//!
//! ```text
//!   RPC ──submit──▶ Mempool ◀──batches── Gossip ◀──▶ other nodes' mempools
//!                     │ candidates, work
//!                     ▼
//!   Consensus ◀──▶ Ledger ──one synced write──▶ Store
//! ```
//!
//! **Invariants.** Consensus and gossip talk to the peers that the state admits, and to nobody
//! else. A node stops itself rather than go on after a fatal error, and says why by its exit code
//! ([`ExitCode`]).

mod assembly;
mod exit;
mod keys;
mod logs;
mod metrics;
mod operator;
mod peers;
mod run;
mod service;
mod shared;
mod stdin;
#[cfg(test)]
mod tests;

pub use assembly::{GossipWorld, Heart, RunningNode, Setup, StartError, Stopped, World, start};
pub use exit::ExitCode;
pub use logs::{LogFormat, start_logs};
pub use metrics::Metrics;
pub use peers::{consensus_address, gossip_peers};
pub use run::{RunError, RunOptions, run};
pub use shared::Shared;
