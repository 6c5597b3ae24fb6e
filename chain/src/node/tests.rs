//! Whole nodes in one thread and in virtual time: real engine, ledger and mempool, simulated
//! networks, clock and disk.

use std::sync::Arc;
use std::time::Duration;

use allod_consensus::sim::{LinkModel, SimNetwork as ConsensusNetwork, SimWal};
use allod_consensus::{Keys, MemoryGuard, Seams};
use allod_primitives::{Height, keys};
use tokio::sync::mpsc::Receiver;

use super::*;
use crate::gossip::{Fate, SimNetwork};
use crate::ledger::Genesis;
use crate::mempool::TxStatus;
use crate::seams::{SeededEntropy, TokioClock};
use crate::storage::MemoryStore;
use crate::testing::*;

/// What survives a node's crash.
struct Place {
    index: u32,
    disk: MemoryStore,
    wal: SimWal,
    guard: MemoryGuard,
}

struct Net {
    genesis: Genesis,
    clock: Arc<TokioClock>,
    consensus: ConsensusNetwork,
    gossip: SimNetwork,
    places: Vec<Place>,
}

impl Net {
    fn new(seed: u64, validators: u32) -> Self {
        let place = |index| Place {
            index,
            disk: MemoryStore::new(),
            wal: SimWal::new(),
            guard: MemoryGuard::new(),
        };
        Self {
            genesis: Genesis::new(&genesis_config(validators)).unwrap(),
            clock: Arc::new(TokioClock::new(START.plus_ms(1000))),
            consensus: ConsensusNetwork::new(seed, LinkModel::default()),
            gossip: SimNetwork::new(|_, _| Fate::Arrives(Duration::from_millis(3))),
            places: (0..validators).map(place).collect(),
        }
    }

    async fn start(&self, index: usize) -> RunningNode {
        let place = &self.places[index];
        let keys = Keys {
            network: network(place.index),
            validator: Some(validator(place.index)),
        };
        let world = World {
            backend: Arc::new(place.disk.clone()),
            clock: self.clock.clone(),
            entropy: Arc::new(SeededEntropy::new(u64::from(place.index))),
            gossip: GossipWorld::Simulated(self.gossip.clone()),
            consensus: Seams::Simulated {
                network: self.consensus.peer(&keys.network),
                wal: place.wal.clone(),
            },
            guard: Arc::new(place.guard.clone()),
        };
        let setup = Setup::new(self.genesis.clone(), keys, "/ip4/127.0.0.1/tcp/0");
        start(setup, world).await.unwrap()
    }
}

fn simulate<F: Future<Output = ()>>(scenario: F) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(scenario);
}

async fn finalized(watch: &mut Receiver<TxStatus>) -> Height {
    let deadline = Duration::from_secs(30);
    loop {
        let status = tokio::time::timeout(deadline, watch.recv()).await;
        match status.expect("in time").expect("watched to the end") {
            TxStatus::Finalized { height, .. } => return height,
            TxStatus::Ready | TxStatus::Future => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Waits until `node` has committed `height`.
async fn reach(node: &RunningNode, height: Height) {
    let mut heads = node.shared().subscribe_heads();
    while node.shared().chain().store().tip().height() < height {
        let head = tokio::time::timeout(Duration::from_secs(60), heads.recv()).await;
        head.expect("in time").expect("not lagging");
    }
}

#[test]
fn a_single_validator_makes_blocks_and_registers_identities() {
    simulate(async {
        let net = Net::new(1, 1);
        let node = net.start(0).await;
        reach(&node, Height(2)).await;
        let (did, body) = inception(&net.genesis.chain, 1, START);
        let shared = node.shared().clone();
        let hash = allod_primitives::header::extrinsic_hash(&body);
        let mut watch = shared.mempool().watch(hash);
        assert_eq!(shared.mempool().submit(vec![body]).await, [Ok(hash)]);
        let height = finalized(&mut watch).await;
        let reader = shared.chain().store().reader();
        assert!(reader.value(&keys::did_record(&did)).unwrap().is_some());
        assert_eq!(reader.extrinsic(&hash).unwrap(), Some((height, 1)));
        drop(reader);
        assert!(shared.is_ready());
        let metrics = shared.metrics_text();
        assert!(metrics.contains("allod_transactions_total 1"), "{metrics}");
        assert_eq!(metrics.matches("# EOF").count(), 1);
        node.stop().await;
    });
}

#[test]
fn four_nodes_agree_and_a_crashed_one_comes_back() {
    simulate(async {
        let net = Net::new(2, 4);
        let mut nodes = Vec::new();
        for index in 0..4 {
            nodes.push(net.start(index).await);
        }
        let mut watches = Vec::new();
        for seed in 0..40u32 {
            let (_, body) = inception(&net.genesis.chain, seed, START);
            let mempool = nodes[seed as usize % 4].shared().mempool().clone();
            watches.push(mempool.watch(allod_primitives::header::extrinsic_hash(&body)));
            let results = mempool.submit(vec![body]).await;
            assert!(results[0].is_ok(), "{results:?}");
        }
        for watch in &mut watches {
            finalized(watch).await;
        }
        nodes.remove(3).kill().await;
        net.places[3].disk.crash();
        let (did, body) = inception(&net.genesis.chain, 100, START);
        let mempool = nodes[0].shared().mempool().clone();
        let mut watch = mempool.watch(allod_primitives::header::extrinsic_hash(&body));
        mempool.submit(vec![body]).await;
        let height = finalized(&mut watch).await;
        nodes.push(net.start(3).await);
        for node in &nodes {
            reach(node, height).await;
            let reader = node.shared().chain().store().reader();
            assert!(reader.value(&keys::did_record(&did)).unwrap().is_some());
        }
        let root = |node: &RunningNode| {
            let reader = node.shared().chain().store().reader();
            reader.header(height).unwrap().unwrap().state_root
        };
        assert!(nodes.iter().all(|node| root(node) == root(&nodes[0])));
        for node in nodes {
            node.stop().await;
        }
    });
}
