//! Gossip within one process, for simulations: every message has a fate that the test decides.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::JoinHandle;

use super::{AdmittedPeer, Exchange, Gossip};
use crate::limits::{GOSSIP_OFFER_AGE, GOSSIP_OFFER_MAX};

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It arrives after this time.
    Arrives(Duration),
    /// It is lost.
    Lost,
}

type Decide = dyn Fn(&str, &str) -> Fate + Send + Sync;
type Members = Mutex<BTreeMap<String, Arc<dyn Exchange>>>;

/// The network between simulated nodes. Clones are the same network.
#[derive(Clone)]
pub struct SimNetwork {
    members: Arc<Members>,
    decide: Arc<Decide>,
}

impl fmt::Debug for SimNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let members = self.members.lock();
        f.debug_struct("SimNetwork")
            .field("members", &members.keys())
            .finish_non_exhaustive()
    }
}

impl SimNetwork {
    /// Returns a network without members. `decide`: sender's and receiver's name to fate, asked
    /// for every message.
    pub fn new(decide: impl Fn(&str, &str) -> Fate + Send + Sync + 'static) -> Self {
        Self {
            members: Arc::default(),
            decide: Arc::new(decide),
        }
    }

    /// Adds a member; a second one by the same name takes the first one's place. It leaves when
    /// what is returned is dropped. Must be called within a tokio runtime.
    pub fn join(&self, name: &str, exchange: Arc<dyn Exchange>) -> Arc<dyn Gossip> {
        self.members
            .lock()
            .insert(name.to_owned(), exchange.clone());
        Arc::new(SimGossip {
            name: name.to_owned(),
            network: self.clone(),
            healer: tokio::spawn(heal(self.clone(), name.to_owned(), exchange)),
        })
    }

    fn others(&self, name: &str) -> Vec<(String, Arc<dyn Exchange>)> {
        let members = self.members.lock();
        let others = members.iter().filter(|(other, _)| *other != name);
        others
            .map(|(other, exchange)| (other.clone(), exchange.clone()))
            .collect()
    }

    fn send(&self, from: &str, to: &str, target: Arc<dyn Exchange>, batch: Vec<Arc<[u8]>>) {
        if let Fate::Arrives(after) = (self.decide)(from, to) {
            tokio::spawn(async move {
                tokio::time::sleep(after).await;
                target.receive(batch);
            });
        }
    }
}

/// Offers what has waited, as the real one does.
async fn heal(network: SimNetwork, name: String, exchange: Arc<dyn Exchange>) {
    loop {
        tokio::time::sleep(GOSSIP_OFFER_AGE).await;
        let waiting = exchange.waiting(GOSSIP_OFFER_AGE, GOSSIP_OFFER_MAX);
        if waiting.is_empty() {
            continue;
        }
        for (other, target) in network.others(&name) {
            let lacking = target.lacking(&waiting);
            let batch: Vec<_> = lacking
                .iter()
                .filter_map(|hash| exchange.get(hash))
                .collect();
            if !batch.is_empty() {
                network.send(&name, &other, target, batch);
            }
        }
    }
}

struct SimGossip {
    name: String,
    network: SimNetwork,
    healer: JoinHandle<()>,
}

impl fmt::Debug for SimGossip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimGossip")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Drop for SimGossip {
    fn drop(&mut self) {
        self.healer.abort();
        self.network.members.lock().remove(&self.name);
    }
}

impl Gossip for SimGossip {
    fn announce(&self, transactions: Vec<Arc<[u8]>>) {
        for (other, target) in self.network.others(&self.name) {
            self.network
                .send(&self.name, &other, target, transactions.clone());
        }
    }

    fn admit(&self, _: Vec<AdmittedPeer>) {}

    fn connected(&self) -> Vec<String> {
        self.network
            .others(&self.name)
            .into_iter()
            .map(|(name, _)| name)
            .collect()
    }
}
