//! Healthy networks agree and make progress.

use std::time::Duration;

use allod_consensus::sim::LinkModel;
use allod_consensus::{ConsensusConfig, Keys, MemoryGuard, Seams, WorkSignal, start};
use ed25519_dalek::SigningKey;

use crate::app::Store;
use crate::net::{Net, chain, keys, set, simulate};

/// Goal: the basic promise. Method: four validators, fifty heights, compare the chains.
#[test]
fn four_validators_finalize_fifty_identical_blocks() {
    simulate(async {
        let mut net = Net::new(1, 4, LinkModel::default());
        net.boot_all().await;
        net.reach(&[0, 1, 2, 3], 50).await;
        net.assert_agreement();
        let blocks = net.nodes[0].store.blocks();
        let first_round = blocks[..50].iter().filter(|block| block.round == 0).count();
        assert_eq!(
            first_round, 50,
            "a healthy network needs one round per block"
        );
        let builders: std::collections::BTreeSet<u8> =
            blocks.iter().map(|block| block.builder).collect();
        assert_eq!(builders.len(), 4, "everybody takes a turn");
    });
}

/// Goal: full-size blocks pass. Method: payloads that need dozens of parts, arriving in any order.
#[test]
fn large_blocks_travel_in_parts_that_overtake_each_other() {
    simulate(async {
        let links = LinkModel {
            latency: Duration::from_millis(1)..=Duration::from_millis(40),
            duplication: 0.05,
            ..LinkModel::default()
        };
        let mut net = Net::new(2, 4, links);
        net.nodes
            .iter()
            .for_each(|node| node.store.set_payload(vec![5; 4 * 1024 * 1024 - 200]));
        net.boot_all().await;
        net.reach(&[0, 1, 2, 3], 4).await;
        net.assert_agreement();
    });
}

/// Goal: a single validator is a network. Method: boot one.
#[test]
fn one_validator_alone_finalizes() {
    simulate(async {
        let mut net = Net::new(3, 1, LinkModel::default());
        net.boot_all().await;
        net.reach(&[0], 10).await;
        net.assert_agreement();
    });
}

/// Goal: an observer follows without voting. Method: a node without a validator's key joins late.
#[test]
fn an_observer_follows_the_chain() {
    simulate(async {
        let mut net = Net::new(4, 4, LinkModel::default());
        net.boot_all().await;
        net.reach(&[0], 12).await;

        let observer = Store::new(set(4), 9);
        let seams = Seams::Simulated {
            network: net.network.peer(&SigningKey::from_bytes(&[200; 32])),
            wal: Default::default(),
        };
        let config = ConsensusConfig::new(chain(), "observer", "/nowhere");
        let keys = Keys {
            network: SigningKey::from_bytes(&[200; 32]),
            validator: None,
        };
        let guard = std::sync::Arc::new(MemoryGuard::new());
        let app = Box::new(observer.clone());
        let handle = start(config, keys, app, guard, WorkSignal::new(), seams)
            .await
            .unwrap();
        observer.reach(40).await;
        net.reach(&[0], 40).await;
        assert_eq!(observer.hashes()[..40], net.nodes[0].store.hashes()[..40]);
        handle.stop().await;
    });
}

/// Goal: an orderly stop ends everything. Method: stop a node, ask why it ended, boot it again.
#[test]
fn a_node_stops_on_request() {
    simulate(async {
        let store = Store::new(set(1), 0);
        let network = allod_consensus::sim::SimNetwork::new(5, LinkModel::default());
        let work = WorkSignal::new();
        work.set(true);
        for boot in 1..3 {
            let seams = Seams::Simulated {
                network: network.peer(&keys(0).network),
                wal: Default::default(),
            };
            let config = ConsensusConfig::new(chain(), "solo", "/nowhere");
            let guard = std::sync::Arc::new(MemoryGuard::new());
            let app = Box::new(store.clone());
            let handle = start(config, keys(0), app, guard, work.clone(), seams)
                .await
                .unwrap();
            store.reach(boot * 5).await;
            let reason = handle.stop().await;
            assert!(matches!(reason, allod_consensus::StopReason::Requested));
        }
    });
}
