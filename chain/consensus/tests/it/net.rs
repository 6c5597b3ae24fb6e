//! Several nodes on one simulated network.

use std::sync::Arc;
use std::time::Duration;

use allod_consensus::sim::{LinkModel, SimNetwork, SimWal};
use allod_consensus::{
    ConsensusConfig, ConsensusHandle, Keys, LocalSigner, MemoryGuard, Pacing, Pulse, Seams,
    SignGuard, StopReason, ValidatorSigner, WorkSignal, start,
};
use allod_primitives::{ChainId, ForkId, H256, PublicKey, Validator, ValidatorSet};
use ed25519_dalek::SigningKey;

use crate::app::Store;

pub(crate) fn chain() -> ChainId {
    ChainId {
        genesis: H256([7; 32]),
        fork_id: ForkId(0),
    }
}

/// Returns the keys of node `n`: network and validator keys differ.
pub(crate) fn keys(n: u8, guard: Arc<dyn SignGuard>) -> Keys {
    Keys {
        network: network(n),
        validator: Some(signer(n, guard)),
    }
}

/// Returns the key by which others know node `n`.
pub(crate) fn network(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[100 + n; 32])
}

/// Returns what votes as validator `n`.
pub(crate) fn signer(n: u8, guard: Arc<dyn SignGuard>) -> Arc<dyn ValidatorSigner> {
    let key = SigningKey::from_bytes(&[1 + n; 32]);
    Arc::new(LocalSigner::new(chain(), key, guard))
}

/// Returns the public key of validator `n`.
pub(crate) fn public(n: u8) -> PublicKey {
    let key = SigningKey::from_bytes(&[1 + n; 32]);
    PublicKey(key.verifying_key().to_bytes())
}

/// Returns the set of the first `count` nodes, all of the same power.
pub(crate) fn set(count: u8) -> ValidatorSet {
    let mut validators: Vec<Validator> = (0..count)
        .map(|n| Validator {
            public_key: public(n),
            power: 10,
        })
        .collect();
    validators.sort_by_key(|validator| validator.public_key);
    ValidatorSet::new(validators).unwrap()
}

/// Runs `scenario` in virtual time, on one thread.
pub(crate) fn simulate<F: Future<Output = ()>>(scenario: F) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(scenario);
}

/// A node: what survives its crashes, and its running consensus.
pub(crate) struct Node {
    pub(crate) network: SigningKey,
    pub(crate) signer: Arc<dyn ValidatorSigner>,
    pub(crate) store: Store,
    pub(crate) wal: SimWal,
    handle: Option<ConsensusHandle>,
    /// Whether its log was lost at some time.
    lost_log: bool,
}

/// Nodes and their network.
pub(crate) struct Net {
    pub(crate) network: SimNetwork,
    pub(crate) nodes: Vec<Node>,
    pub(crate) work: WorkSignal,
    pub(crate) pacing: Pacing,
}

impl Net {
    /// Returns `count` validators, none running, with work for every block.
    pub(crate) fn new(seed: u64, count: u8, links: LinkModel) -> Self {
        let node = |n| Node {
            network: network(n),
            signer: signer(n, Arc::new(MemoryGuard::new())),
            store: Store::new(set(count), n),
            wal: SimWal::new(),
            handle: None,
            lost_log: false,
        };
        let work = WorkSignal::new();
        work.set(true);
        Self {
            network: SimNetwork::new(seed, links),
            nodes: (0..count).map(node).collect(),
            work,
            pacing: Pacing::default(),
        }
    }

    pub(crate) async fn boot(&mut self, n: usize) {
        let node = &mut self.nodes[n];
        assert!(node.handle.is_none(), "node {n} runs already");
        let mut config = ConsensusConfig::new(chain(), format!("node{n}"), "/nowhere");
        config.pacing = self.pacing;
        let seams = Seams::Simulated {
            network: self.network.peer(&node.network),
            wal: node.wal.clone(),
        };
        let app = Box::new(node.store.clone());
        let keys = Keys {
            network: node.network.clone(),
            validator: Some(node.signer.clone()),
        };
        let handle = start(config, keys, app, self.work.clone(), seams).await;
        node.handle = Some(handle.unwrap());
    }

    pub(crate) async fn boot_all(&mut self) {
        for n in 0..self.nodes.len() {
            self.boot(n).await;
        }
    }

    /// Adds a node that votes with the key of node `n`, unknown to that node's guard.
    pub(crate) fn add_twin_of(&mut self, n: usize) {
        let index = self.nodes.len() as u8;
        self.nodes.push(Node {
            network: network(index),
            signer: signer(n as u8, Arc::new(MemoryGuard::new())),
            store: Store::new(set(index), index),
            wal: SimWal::new(),
            handle: None,
            lost_log: false,
        });
    }

    pub(crate) fn pulse(&self, n: usize) -> Pulse {
        self.nodes[n]
            .handle
            .as_ref()
            .expect("the node runs")
            .pulse()
    }

    /// Waits until a node's consensus ends by itself.
    pub(crate) async fn wait(&mut self, n: usize) -> StopReason {
        self.nodes[n]
            .handle
            .take()
            .expect("the node runs")
            .wait()
            .await
    }

    /// Kills a node that runs; repairs one that had ended because its lost log showed.
    pub(crate) async fn crash(&mut self, n: usize) {
        let mut handle = self.nodes[n].handle.take().expect("the node was booted");
        if handle.ended() {
            let reason = handle.wait().await;
            self.repair(n, &reason);
        } else {
            handle.kill().await;
        }
    }

    /// Loses a node's log.
    pub(crate) fn lose_log(&mut self, n: usize) {
        self.nodes[n].wal.wipe();
        self.nodes[n].lost_log = true;
    }

    /// Does what [`StopReason::LogDiverged`] asks of an operator; nothing else may have happened.
    fn repair(&mut self, n: usize, reason: &StopReason) {
        assert!(matches!(reason, StopReason::LogDiverged), "{reason}");
        assert!(
            self.nodes[n].lost_log,
            "a log that was never lost never diverges"
        );
        self.nodes[n].wal.wipe();
    }

    /// Waits until all have committed `height`; repairs the nodes whose lost log shows.
    pub(crate) async fn reach_with_repairs(&mut self, height: u64) {
        let stores: Vec<Store> = self.nodes.iter().map(|node| node.store.clone()).collect();
        let done = async {
            for store in stores {
                store.reach(height).await;
            }
        };
        tokio::pin!(done);
        while tokio::time::timeout(Duration::from_secs(1), &mut done)
            .await
            .is_err()
        {
            for n in 0..self.nodes.len() {
                if self.nodes[n]
                    .handle
                    .as_ref()
                    .is_some_and(ConsensusHandle::ended)
                {
                    self.crash(n).await;
                    self.boot(n).await;
                }
            }
        }
    }

    /// Waits until the nodes have committed `height`.
    pub(crate) async fn reach(&self, nodes: &[usize], height: u64) {
        for n in nodes {
            self.nodes[*n].store.reach(height).await;
        }
    }

    /// Checks that no two nodes disagree about a block, and that every certificate is genuine.
    pub(crate) fn assert_agreement(&self) {
        let longest = self
            .nodes
            .iter()
            .map(|node| node.store.hashes())
            .max_by_key(Vec::len)
            .unwrap();
        for (n, node) in self.nodes.iter().enumerate() {
            let hashes = node.store.hashes();
            assert_eq!(hashes, longest[..hashes.len()], "node {n} forked");
            for certificate in node.store.certificates() {
                certificate
                    .verify(&chain(), &set(self.nodes.len() as u8))
                    .unwrap();
            }
            assert_eq!(
                node.store.evidence(),
                [],
                "node {n} saw an honest node sign twice"
            );
        }
    }
}
