//! A network and a log in memory, so that whole nodes can be simulated.
//!
//! A simulation runs on a `current_thread` tokio runtime built with `start_paused(true)`: then
//! time is virtual and passes only while every task waits. It makes one [`SimNetwork`] from a
//! seed, asks it for a [`SimPeer`] per boot of a node, and keeps one [`SimWal`] per node across
//! crashes ([`crate::ConsensusHandle::kill`]).
//!
//! All randomness of the network is drawn from its seed. The engine itself draws entropy for
//! choosing peers to synchronise from, so runs repeat bit for bit only if the process's entropy
//! is pinned as well.

mod network;
mod wal;

pub use network::{LinkModel, SimNetwork, SimPeer};
pub use wal::SimWal;
