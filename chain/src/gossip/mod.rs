//! How transactions reach the mempools of the other nodes.
//!
//! A small permissioned network is a full mesh, so there is nothing to route: what was submitted
//! here is pushed to every connected peer in batches, and what came from a peer is not passed on.
//! Queues are bounded and drop their oldest; what is lost that way, or by a broken connection,
//! heals by *offers*: hashes of transactions that have waited here for a second are shown to
//! peers, who ask for those they lack.
//!
//! It is *not* a consensus channel and carries no signatures of its own: transactions are signed,
//! and the connection is authenticated. A node talks only to admitted peers: connections of
//! others are closed as soon as their identity is known. Source: spec/gossip.md.

mod codec;
mod message;
mod network;
mod peer;
mod sim;
mod swarm;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use allod_primitives::H256;

pub use network::{GossipConfig, ListenError, NetworkGossip};
pub(crate) use peer::next_port;
pub use peer::{AddressError, AdmittedPeer};
pub use sim::{Fate, SimNetwork};
pub(crate) use swarm::check_free;

/// The way to the other nodes.
pub trait Gossip: Send + Sync + fmt::Debug + 'static {
    /// Pushes transactions that were submitted here to every connected peer. Does not wait.
    fn announce(&self, transactions: Vec<Arc<[u8]>>);

    /// Replaces the list of those who may be talked to; others are disconnected.
    fn admit(&self, peers: Vec<AdmittedPeer>);

    /// Returns the libp2p identities of the connected peers, sorted.
    fn connected(&self) -> Vec<String>;
}

/// What gossip asks of the mempool.
pub trait Exchange: Send + Sync + 'static {
    /// Takes transactions from a peer; may drop them.
    fn receive(&self, transactions: Vec<Arc<[u8]>>);

    /// Returns which of `hashes` would be welcome.
    fn lacking(&self, hashes: &[H256]) -> Vec<H256>;

    /// Returns a waiting transaction.
    fn get(&self, hash: &H256) -> Option<Arc<[u8]>>;

    /// Returns up to `count` hashes of transactions to offer: rescues first, then those that have
    /// waited for `age`, oldest first.
    fn waiting(&self, age: Duration, count: usize) -> Vec<H256>;

    /// Returns whether a transaction goes before others: it says that it is a rescue.
    fn is_rescue(&self, transaction: &[u8]) -> bool;
}

impl Exchange for crate::mempool::Mempool {
    fn receive(&self, transactions: Vec<Arc<[u8]>>) {
        if !self.offer(transactions) {
            tracing::debug!("dropped a batch of a peer: too many wait to be judged");
        }
    }

    fn lacking(&self, hashes: &[H256]) -> Vec<H256> {
        self.unknown(hashes)
    }

    fn get(&self, hash: &H256) -> Option<Arc<[u8]>> {
        Self::get(self, hash)
    }

    fn waiting(&self, age: Duration, count: usize) -> Vec<H256> {
        self.offerable(age, count)
    }

    fn is_rescue(&self, transaction: &[u8]) -> bool {
        self.claims_rescue(transaction)
    }
}
