//! What the node's parts share and RPC answers from.

use std::fmt;
use std::sync::Arc;

use allod_consensus::ValidatorSigner;
use allod_primitives::{Height, PublicKey};
use allod_rpc::HeadInfo;
use allod_runtime::authority::{self, Peer, PeerRole};
use tokio::sync::{broadcast, watch};

use super::metrics::Metrics;
use crate::gossip::Gossip;
use crate::keyfile;
use crate::ledger::Chain;
use crate::mempool::Mempool;

/// The readable side of a running node, and the door to its mempool.
pub struct Shared {
    pub(super) chain: Arc<Chain>,
    pub(super) mempool: Mempool,
    pub(super) gossip: Arc<dyn Gossip>,
    pub(super) metrics: Metrics,
    pub(super) heads: broadcast::Sender<HeadInfo>,
    pub(super) peers: watch::Sender<Vec<Peer>>,
    pub(super) starting: Height,
    pub(super) validator: Option<PublicKey>,
    /// What votes for it.
    pub(super) signer: Option<Arc<dyn ValidatorSigner>>,
    /// Age at which the tip no longer counts as fresh.
    pub(super) tip_age_ms_max: u64,
}

/// What a node sees of the validator set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ValidatorsSeen {
    /// Validators of the set.
    pub(super) all: usize,
    /// Those connected, and this node if it is one.
    pub(super) connected: usize,
    /// Whether these are a quorum.
    pub(super) is_quorum: bool,
    /// Whether this node's key is in the set.
    pub(super) is_member: bool,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("chain", &self.chain)
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// Returns store, tree and signatures.
    pub fn chain(&self) -> &Arc<Chain> {
        &self.chain
    }

    /// Returns the mempool.
    pub fn mempool(&self) -> &Mempool {
        &self.mempool
    }

    /// Returns a receiver of every block committed from now on.
    pub fn subscribe_heads(&self) -> broadcast::Receiver<HeadInfo> {
        self.heads.subscribe()
    }

    /// Returns whom the state admits.
    pub fn admitted(&self) -> Vec<Peer> {
        self.peers.borrow().clone()
    }

    /// Returns the libp2p identities of the peers connected now, in base58, sorted.
    pub fn connected(&self) -> Vec<String> {
        self.gossip.connected()
    }

    /// Returns the height of the tip when the node started.
    pub fn starting(&self) -> Height {
        self.starting
    }

    /// Returns the key with which this node votes when it is in the set.
    pub fn validator(&self) -> Option<PublicKey> {
        self.validator
    }

    /// Returns whether what votes for this node would answer; true of observers.
    pub fn is_signer_reachable(&self) -> bool {
        let signer = self.signer.as_ref();
        signer.is_none_or(|signer| signer.is_reachable())
    }

    /// Returns the node's metrics in OpenMetrics text.
    pub fn metrics_text(&self) -> String {
        self.metrics.text(self)
    }

    /// Returns whether the newest block is recent: a node that catches up, or whose network
    /// stands still, has an old one.
    pub fn is_fresh(&self) -> bool {
        let now = self.chain.clock().now().0;
        let time = self.chain.store().tip().header.digest.time.0;
        now.saturating_sub(time) <= self.tip_age_ms_max
    }

    /// Returns whether this node and the validators it is connected to are a quorum.
    pub fn sees_quorum(&self) -> bool {
        self.validators_seen().is_some_and(|seen| seen.is_quorum)
    }

    /// Returns what this node sees of the validator set; `None` if the state has none.
    pub(super) fn validators_seen(&self) -> Option<ValidatorsSeen> {
        let (set, _) = authority::validator_sets(&self.chain.store().state())?;
        let connected = self.connected();
        let here = |peer: &Peer| {
            let peer_id = keyfile::peer_id(&peer.peer_id).map(|peer_id| peer_id.to_base58());
            peer_id.is_some_and(|peer_id| connected.binary_search(&peer_id).is_ok())
        };
        let admitted = self.admitted();
        let keys = admitted.iter().filter_map(|peer| match peer.role {
            PeerRole::Validator(key) if Some(key) == self.validator || here(peer) => Some(key),
            _ => None,
        });
        let seen = keys.filter_map(|key| set.validators().get(set.position(&key)?));
        let powers: Vec<u64> = seen.map(|validator| validator.power).collect();
        Some(ValidatorsSeen {
            all: set.validators().len(),
            connected: powers.len(),
            is_quorum: set.is_quorum(powers.iter().sum()),
            is_member: self
                .validator
                .is_some_and(|key| set.position(&key).is_some()),
        })
    }

    /// Returns whether clients should be sent here: fresh, and connected to a quorum.
    pub fn is_ready(&self) -> bool {
        self.is_fresh() && self.sees_quorum()
    }
}
