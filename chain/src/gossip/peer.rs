//! One admitted peer: where it is, what is queued for it, when it is dialled next. Pure.

use std::collections::VecDeque;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};
use tokio::time::Instant;

use super::message::Request;
use crate::limits::{
    GOSSIP_BATCH_BYTES_MAX, GOSSIP_BATCH_MAX, GOSSIP_IN_FLIGHT_MAX, GOSSIP_QUEUE_BYTES_MAX,
    GOSSIP_QUEUE_MAX, GOSSIP_REDIAL_MAX, GOSSIP_REDIAL_MIN, GOSSIP_RESCUES_MAX,
};

/// A node that may be talked to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AdmittedPeer {
    /// Its libp2p identity.
    pub peer_id: PeerId,
    /// Where it listens for transactions; `None` if it can only be waited for.
    pub address: Option<Multiaddr>,
}

/// Not a multiaddr that ends in `/p2p/<peer id>`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a multiaddr ending in /p2p/<peer id>: {address}")]
pub struct AddressError {
    /// What was given.
    pub address: String,
}

impl FromStr for AdmittedPeer {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let bad = || AddressError {
            address: text.to_owned(),
        };
        let mut address: Multiaddr = text.parse().map_err(|_| bad())?;
        match address.pop() {
            Some(Protocol::P2p(peer_id)) if !address.is_empty() => Ok(Self {
                peer_id,
                address: Some(address),
            }),
            _ => Err(bad()),
        }
    }
}

/// Returns the address whose TCP port is the next one: where a node whose consensus listens on
/// `consensus` takes transactions, unless it is configured otherwise. `None` without a TCP port.
pub(crate) fn next_port(consensus: &Multiaddr) -> Option<Multiaddr> {
    let mut found = false;
    let address = consensus
        .iter()
        .filter(|part| !matches!(part, Protocol::P2p(_)));
    let address = address.map(|part| match part {
        Protocol::Tcp(port) => {
            found = true;
            Protocol::Tcp(if port == 0 { 0 } else { port.wrapping_add(1) })
        }
        other => other,
    });
    let address: Multiaddr = address.collect();
    found.then_some(address)
}

#[derive(Debug)]
pub(super) struct Peer {
    pub(super) address: Option<Multiaddr>,
    /// Connections open to it; two when both sides dialled at once.
    pub(super) connections: u32,
    pub(super) dialling: bool,
    /// Messages that it has not answered.
    pub(super) in_flight: usize,
    /// An offer or a probe is among them.
    pub(super) offered: bool,
    pub(super) last_heard: Instant,
    /// Rescues go first, and nothing else drops them.
    rescues: VecDeque<Arc<[u8]>>,
    queue: VecDeque<Arc<[u8]>>,
    queue_bytes: usize,
    redial_at: Instant,
    redial_after: Duration,
}

impl Peer {
    pub(super) fn new(address: Option<Multiaddr>, now: Instant) -> Self {
        Self {
            address,
            connections: 0,
            dialling: false,
            in_flight: 0,
            offered: false,
            last_heard: now,
            rescues: VecDeque::new(),
            queue: VecDeque::new(),
            queue_bytes: 0,
            redial_at: now,
            redial_after: GOSSIP_REDIAL_MIN,
        }
    }

    /// Queues a transaction, dropping the oldest beyond the bounds.
    pub(super) fn enqueue(&mut self, transaction: Arc<[u8]>) {
        self.queue_bytes = self.queue_bytes.saturating_add(transaction.len());
        self.queue.push_back(transaction);
        while self.queue.len() > GOSSIP_QUEUE_MAX || self.queue_bytes > GOSSIP_QUEUE_BYTES_MAX {
            let Some(dropped) = self.queue.pop_front() else {
                break;
            };
            self.queue_bytes = self.queue_bytes.saturating_sub(dropped.len());
        }
    }

    /// Queues a rescue, dropping the oldest one beyond the bound.
    pub(super) fn enqueue_rescue(&mut self, transaction: Arc<[u8]>) {
        if self.rescues.len() >= GOSSIP_RESCUES_MAX {
            self.rescues.pop_front();
        }
        self.rescues.push_back(transaction);
    }

    pub(super) fn has_queued(&self) -> bool {
        !self.queue.is_empty() || !self.rescues.is_empty()
    }

    /// Returns the next message to send, if there is something to send and the peer keeps up.
    pub(super) fn next_push(&mut self) -> Option<Request> {
        if self.connections == 0 || self.in_flight >= GOSSIP_IN_FLIGHT_MAX {
            return None;
        }
        let (mut batch, mut bytes, mut of_queue) = (Vec::new(), 0usize, 0usize);
        while batch.len() < GOSSIP_BATCH_MAX
            && let Some(next) = self.rescues.front().or(self.queue.front())
        {
            let sum = bytes.saturating_add(next.len());
            if !batch.is_empty() && sum > GOSSIP_BATCH_BYTES_MAX {
                break;
            }
            bytes = sum;
            // Longer than any extrinsic may be: it was never taken into the mempool.
            if let Ok(transaction) = next.to_vec().try_into() {
                batch.push(transaction);
            }
            if self.rescues.pop_front().is_none()
                && let Some(sent) = self.queue.pop_front()
            {
                of_queue = of_queue.saturating_add(sent.len());
            }
        }
        self.queue_bytes = self.queue_bytes.saturating_sub(of_queue);
        if batch.is_empty() {
            return None;
        }
        let batch = batch.try_into().expect("at most the maximum was taken");
        Some(Request::Push(batch))
    }

    /// Takes note that a connection is open. Returns whether it is the only one.
    pub(super) fn opened(&mut self, now: Instant) -> bool {
        self.connections = self.connections.saturating_add(1);
        self.dialling = false;
        self.last_heard = now;
        self.redial_after = GOSSIP_REDIAL_MIN;
        self.connections == 1
    }

    /// Takes note that a connection is closed, `remaining` being open.
    pub(super) fn closed(&mut self, remaining: u32, now: Instant) {
        self.connections = remaining;
        if remaining == 0 {
            self.rescues.clear();
            self.queue.clear();
            self.queue_bytes = 0;
            self.in_flight = 0;
            self.offered = false;
            self.redial_at = now + self.redial_after;
        }
    }

    /// Takes note that a dial failed. `jitter`: 0 to 255, spreads the peers of one lost node.
    pub(super) fn dial_failed(&mut self, now: Instant, jitter: u8) {
        self.dialling = false;
        let after = self.redial_after;
        self.redial_at = now + after + after.mul_f32(f32::from(jitter) / 1024.0);
        self.redial_after = (after * 2).min(GOSSIP_REDIAL_MAX);
    }

    /// Returns the address to dial if it is time to.
    pub(super) fn dial(&mut self, now: Instant) -> Option<Multiaddr> {
        if self.connections > 0 || self.dialling || now < self.redial_at {
            return None;
        }
        let address = self.address.clone()?;
        self.dialling = true;
        Some(address)
    }
}
