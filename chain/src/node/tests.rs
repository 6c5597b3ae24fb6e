//! Whole nodes in one thread and in virtual time: real engine, ledger and mempool, simulated
//! networks, clock and disk.

use std::sync::Arc;
use std::time::Duration;

use allod_consensus::sim::{LinkModel, SimNetwork as ConsensusNetwork, SimWal};
use allod_consensus::{Keys, LocalSigner, MemoryGuard, Seams, StopReason};
use allod_primitives::header::extrinsic_hash;
use allod_primitives::{H256, Height, decode_strict, keys, tree::Proof};
use allod_rpc::view::{ChainInfo, NodeView, TxStatus as Told};
use allod_runtime::RuntimeCall;
use allod_runtime::authority::{self, Action};
use allod_runtime::system::storage::EVENTS;
use allod_runtime::version::SPEC_VERSION;
use tokio::sync::mpsc::Receiver;

use super::*;
use crate::gossip::{Fate, SimNetwork};
use crate::ledger::{Genesis, Halt};
use crate::mempool::TxStatus;
use crate::seams::{SeededEntropy, TokioClock};
use crate::storage::MemoryStore;
use crate::testing::*;
use crate::view::ChainView;

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
        self.try_start(index).await.unwrap()
    }

    async fn try_start(&self, index: usize) -> Result<RunningNode, StartError> {
        let place = &self.places[index];
        let keys = Keys {
            network: network(place.index),
            validator: Some(Arc::new(LocalSigner::new(
                self.genesis.chain,
                validator(place.index),
                Arc::new(place.guard.clone()),
            ))),
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
        };
        let setup = Setup::new(self.genesis.clone(), keys, "/ip4/127.0.0.1/tcp/0");
        start(setup, world).await
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

/// Submits and waits for the final block.
async fn submit(node: &RunningNode, body: Vec<u8>) -> Height {
    let mempool = node.shared().mempool();
    let mut watch = mempool.watch(extrinsic_hash(&body));
    let results = mempool.submit(vec![body]).await;
    assert!(results[0].is_ok(), "{results:?}");
    finalized(&mut watch).await
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
        let hash = extrinsic_hash(&body);
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
        for gauge in [
            "validators",
            "validators_connected",
            "validator_active",
            "ready",
        ] {
            let line = format!("\nallod_{gauge} 1\n");
            assert!(metrics.contains(&line), "{metrics}");
        }
        let made = metrics
            .lines()
            .find_map(|it| it.strip_prefix("allod_proposals_total "));
        assert!(made.is_some_and(|made| made.parse::<u64>().unwrap() >= 2));
        assert!(metrics.contains("allod_proposals_missed_total 0\n"));
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
            watches.push(mempool.watch(extrinsic_hash(&body)));
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
        let mut watch = mempool.watch(extrinsic_hash(&body));
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

#[test]
fn clients_see_state_events_proofs_and_history_of_recent_blocks() {
    simulate(async {
        let net = Net::new(3, 1);
        let node = net.start(0).await;
        let info = ChainInfo {
            chain: "test".into(),
            chain_type: "Development".into(),
            node: "allod-node".into(),
            version: "0".into(),
        };
        let view = ChainView::new(node.shared().clone(), info);
        let (did, body) = inception(&net.genesis.chain, 1, START);
        let mut watched = view.submit_and_watch(vec![body.clone()]).await;
        let mut watched = watched.remove(0).expect("taken");
        let block = loop {
            match watched.updates.recv().await.expect("watched to the end") {
                Told::Finalized(finalized) => break finalized,
                status => assert_eq!(status, Told::Ready),
            }
        };
        assert_eq!(
            (block.index, block.failure, block.item_failures.len()),
            (1, None, 0)
        );
        reach(&node, Height(block.height.0 + 2)).await;
        let parent = view.hash_of(Height(block.height.0 - 1)).expect("kept");
        let key = keys::did_record(&did);
        assert_eq!(view.storage_at(&parent, &key), Ok(None));
        let record = view
            .storage_at(&block.block, &key)
            .expect("kept")
            .expect("created");
        let prefix = &key[..32];
        assert_eq!(view.keys_at(&parent, prefix, 10, None), Ok(Vec::new()));
        assert_eq!(
            view.keys_at(&block.block, prefix, 10, None),
            Ok(vec![key.clone()])
        );
        let events = view.storage_at(&block.block, &EVENTS.key()).expect("kept");
        assert!(events.is_some_and(|events| events.len() > 50));
        let absent = keys::grant(&H256([1; 32]));
        let asked = [key.clone(), absent.clone()];
        let proof: Proof = decode_strict(&view.prove_at(&block.block, &asked).unwrap()).unwrap();
        let root = view.header(&block.block).expect("kept").state_root;
        let verified = proof.verify(&root, &asked).expect("an honest proof");
        assert!(format!("{:?}", verified.get(&key)).contains("Present"));
        assert!(format!("{:?}", verified.get(&absent)).contains("Absent"));
        let history = view.history(&did, 0, 10).expect("indexed");
        assert_eq!((history.len(), history[0].extrinsic_index), (1, Some(1)));
        assert_eq!(view.log_entries(&did, 0, 10), Ok(vec![history[0].entry]));
        assert!(history[0].operation.is_some());
        assert!(!record.is_empty() && view.pending().is_empty());
        assert!(!view.sync_state().syncing);
        let again = view.submit_and_watch(vec![body]).await.remove(0);
        let status = again.expect("told again").updates.recv().await;
        assert!(matches!(status, Some(Told::Finalized(_))), "{status:?}");
        node.stop().await;
    });
}

#[test]
fn a_node_halts_before_a_block_that_needs_another_version() {
    simulate(async {
        let net = Net::new(4, 1);
        let mut node = net.start(0).await;
        let action = Action::ScheduleUpgrade {
            spec_version: SPEC_VERSION + 1,
            height: Height(8),
        };
        let call = RuntimeCall::Authority(authority::Call::propose {
            actions: vec![action].try_into().unwrap(),
            expires: START.plus_ms(3_600_000),
        });
        submit(&node, signed(&trustee(), 0, net.genesis.hash, call)).await;
        let stopped = tokio::time::timeout(Duration::from_secs(300), node.wait()).await;
        let stopped = stopped.expect("in time");
        assert!(
            matches!(stopped, Stopped::Halted(Halt::Upgrade(_))),
            "{stopped:?}"
        );
        assert_eq!(node.shared().chain().store().tip().height(), Height(7));
        node.stop().await;
        let again = net.try_start(0).await;
        let code = again
            .map(drop)
            .map_err(|error| RunError::from(error).exit_code());
        assert_eq!(code, Err(ExitCode::UpgradeNeeded));
    });
}

/// Goal: a supervisor starts an engine that hangs again, and leaves to a person what no start heals.
#[test]
fn an_exit_code_tells_what_another_start_heals_from_what_needs_a_person() {
    let code = |reason| RunError::from(Stopped::Consensus(reason)).exit_code();
    assert_eq!(code(StopReason::LogDiverged), ExitCode::Engine);
    assert_eq!(code(StopReason::EngineHung), ExitCode::EngineStopped);
    assert_eq!(code(StopReason::EngineEnded), ExitCode::EngineStopped);
}

#[test]
fn a_full_disk_stops_the_node_and_costs_nothing_acknowledged() {
    simulate(async {
        let net = Net::new(5, 1);
        let mut node = net.start(0).await;
        let (did, body) = inception(&net.genesis.chain, 1, START);
        let height = submit(&node, body).await;
        net.places[0].disk.break_writes(true);
        let stopped = tokio::time::timeout(Duration::from_secs(60), node.wait()).await;
        let stopped = stopped.expect("in time");
        assert!(
            matches!(stopped, Stopped::Halted(Halt::Storage(_))),
            "{stopped:?}"
        );
        assert_eq!(RunError::from(stopped).exit_code(), ExitCode::Database);
        node.kill().await;
        net.places[0].disk.crash();
        net.places[0].disk.break_writes(false);
        let node = net.start(0).await;
        assert!(node.shared().chain().store().tip().height() >= height);
        let record = node
            .shared()
            .chain()
            .store()
            .reader()
            .value(&keys::did_record(&did));
        assert!(record.unwrap().is_some());
        reach(&node, Height(height.0 + 3)).await;
        node.stop().await;
    });
}

/// Goal: a watchdog hears of a node whose network stands still, and nothing of one that ended.
/// Method: one of two validators runs, so that no block is made.
#[test]
fn a_node_without_a_quorum_has_a_pulse_and_one_that_ended_has_none() {
    simulate(async {
        let net = Net::new(47, 2);
        let node = net.start(0).await;
        let heart = node.heart();
        let beat = |seconds| tokio::time::timeout(Duration::from_secs(seconds), heart.beat());
        beat(1).await.expect("at the start");
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert_eq!(node.shared().chain().store().tip().height(), Height(0));
        beat(1).await.expect("after ten minutes without a block");
        node.stop().await;
        beat(600).await.expect_err("it ended");
    });
}
