//! Healthy networks agree and make progress.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use allod_consensus::sim::{LinkModel, SimNetwork, SimWal};
use allod_consensus::{
    ConsensusConfig, ConsensusHandle, GuardError, Keys, MemoryGuard, PeerError, Seams, SignGuard,
    SignRecord, StopReason, WorkSignal, start,
};
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
        let app = Box::new(observer.clone());
        let handle = start(config, keys, app, WorkSignal::new(), seams)
            .await
            .unwrap();
        observer.reach(40).await;
        net.reach(&[0], 40).await;
        assert_eq!(observer.hashes()[..40], net.nodes[0].store.hashes()[..40]);
        handle.stop().await;
    });
}

/// Boots the only validator of a chain.
async fn solo(store: &Store, guard: Arc<dyn SignGuard>) -> ConsensusHandle {
    let network = SimNetwork::new(5, LinkModel::default());
    let seams = Seams::Simulated {
        network: network.peer(&crate::net::network(0)),
        wal: SimWal::new(),
    };
    let config = ConsensusConfig::new(chain(), "solo", "/nowhere");
    let work = WorkSignal::new();
    work.set(true);
    let app = Box::new(store.clone());
    start(config, keys(0, guard), app, work, seams)
        .await
        .unwrap()
}

/// Goal: an orderly stop ends everything. Method: stop a node, ask why it ended, boot it again.
#[test]
fn a_node_stops_on_request() {
    simulate(async {
        let store = Store::new(set(1), 0);
        for boot in 1..3 {
            let handle = solo(&store, Arc::new(MemoryGuard::new())).await;
            store.reach(boot * 5).await;
            assert!(!handle.ended());
            let reason = handle.stop().await;
            assert!(matches!(reason, StopReason::Requested));
        }
    });
}

/// Goal: no node runs on unheld. Method: drop its handle while another part of it is in use.
#[test]
fn dropping_the_handle_stops_the_node() {
    simulate(async {
        let store = Store::new(set(1), 0);
        let handle = solo(&store, Arc::new(MemoryGuard::new())).await;
        let peers = handle.peers();
        store.reach(3).await;
        drop(handle);
        tokio::time::sleep(Duration::from_secs(10)).await;
        let stopped = store.height();
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(store.height(), stopped);
        assert!(matches!(
            peers.connected().await,
            Err(PeerError::NotRunning)
        ));
    });
}

/// A guard whose disk fails after a few records.
struct FailingGuard(AtomicU32);

impl SignGuard for FailingGuard {
    fn check_and_record(&self, _message: &SignRecord) -> Result<(), GuardError> {
        if self.0.fetch_sub(1, Ordering::Relaxed) == 0 {
            return Err(GuardError::Unavailable(std::io::Error::other(
                "the disk failed",
            )));
        }
        Ok(())
    }

    fn waits_for_disk(&self) -> bool {
        false
    }
}

/// Goal: nothing is signed that was not recorded, and the reason is told. Method: a guard that
/// fails at the eighth record: the prevote of height 3.
#[test]
fn a_failing_guard_stops_its_validator() {
    simulate(async {
        let store = Store::new(set(1), 0);
        let guard = Arc::new(FailingGuard(AtomicU32::new(7)));
        let reason = solo(&store, guard).await.wait().await;
        assert!(matches!(reason, StopReason::Guard(_)), "{reason}");
        assert_eq!(store.height(), 2);
    });
}
