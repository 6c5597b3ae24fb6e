//! Whole nodes on simulated networks and disks, started and crashed at will.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use allod_chain::gossip::{Fate, SimNetwork as GossipNetwork};
use allod_chain::keyfile::{keypair, peer_id_bytes};
use allod_chain::ledger::Genesis;
use allod_chain::node::{GossipWorld, RunningNode, Setup, Shared, Stopped, World, start};
use allod_chain::seams::{SeededEntropy, TokioClock};
use allod_chain::storage::MemoryStore;
use allod_consensus::sim::{SimNetwork as ConsensusNetwork, SimWal};
use allod_consensus::{Keys, LocalSigner, Seams, StopReason};
use allod_primitives::{ForkId, Height, TimeMs};
use allod_runtime::authority::types::{Parameters, ValidatorInfo};
use allod_runtime::genesis::GenesisConfig;
use ed25519_dalek::SigningKey;
use rand::Rng;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::author::{bounded, key, public, text};
use crate::plan::{Plan, rng};
use crate::trace::Trace;
use crate::witness::Witness;

/// Time of genesis.
pub(crate) const START: TimeMs = TimeMs(20_000 * 86_400_000 + 43_200_000);

/// What survives a node's crash.
struct Place {
    network: SigningKey,
    validator: SigningKey,
    disk: MemoryStore,
    wal: SimWal,
    guard: Witness,
    clock: Arc<TokioClock>,
}

/// A node that runs.
struct Live {
    shared: Arc<Shared>,
    kill: oneshot::Sender<()>,
    supervisor: JoinHandle<()>,
}

/// Who can hear whom, for transactions.
#[derive(Default)]
struct Ether {
    up: BTreeSet<String>,
    apart: BTreeSet<String>,
}

/// The nodes of one run.
pub(crate) struct Fleet {
    pub(crate) genesis: Genesis,
    pub(crate) trace: Trace,
    consensus: ConsensusNetwork,
    gossip: GossipNetwork,
    ether: Arc<Mutex<Ether>>,
    places: Vec<Place>,
    live: Mutex<Vec<Option<Live>>>,
    /// What nodes said when they stopped by themselves though nothing was done to them.
    surprises: Mutex<Vec<String>>,
    /// Nodes whose disk is full, which may stop.
    full: Mutex<BTreeSet<usize>>,
    /// Nodes that have lost their log, which may later find that it contradicts itself.
    forgetful: Mutex<BTreeSet<usize>>,
    /// Nodes that asked for their log to be moved away.
    diverged: Mutex<BTreeSet<usize>>,
}

/// Returns the first state of `nodes` validators.
fn config(nodes: usize) -> GenesisConfig {
    let info = |n: usize| ValidatorInfo {
        public_key: public(&key("validator", n as u64)),
        power: 1,
        peer_id: bounded(peer_id_bytes(&key("network", n as u64))),
        address: text(&format!("/ip4/127.0.0.1/tcp/{}", 40_000 + 2 * n)),
    };
    GenesisConfig {
        spec_version: 1,
        time: START,
        origin: None,
        fork_id: ForkId(0),
        trustees: vec![public(&key("trustee", 0))],
        trustee_threshold: 1,
        registrars: vec![(public(&key("registrar", 0)), 1_000_000)],
        validators: (0..nodes).map(info).collect(),
        observers: Vec::new(),
        admission_vouchers: true,
        admission_work_bits: None,
        parameters: Parameters::default(),
        rules: Vec::new(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .expect("no code panics while it holds this lock")
}

fn name(network: &SigningKey) -> String {
    keypair(network).public().to_peer_id().to_base58()
}

impl Fleet {
    /// Returns nodes of which none runs. Must be called within a paused runtime.
    pub(crate) fn new(plan: &Plan, verbose: bool) -> Arc<Self> {
        let place = |n: usize| {
            let disk = MemoryStore::new();
            disk.ignore_syncs(plan.syncs_ignored);
            Place {
                network: key("network", n as u64),
                validator: key("validator", n as u64),
                disk,
                wal: SimWal::new(),
                guard: Witness::new(plan.guards_off),
                clock: Arc::new(TokioClock::new(START.plus_ms(1000))),
            }
        };
        let ether = Arc::new(Mutex::new(Ether::default()));
        let seen = ether.clone();
        let draws = Mutex::new(rng(plan.seed, 1));
        let links = plan.links.clone();
        let decide = move |from: &str, to: &str| {
            let ether = seen
                .lock()
                .expect("no code panics while it holds this lock");
            let mut draws = draws
                .lock()
                .expect("no code panics while it holds this lock");
            let (lost, after) = (
                draws.gen_bool(links.loss),
                draws.gen_range(links.latency.clone()),
            );
            let connected = ether.up.contains(from)
                && ether.up.contains(to)
                && ether.apart.contains(from) == ether.apart.contains(to);
            if lost || !connected {
                Fate::Lost
            } else {
                Fate::Arrives(after)
            }
        };
        Arc::new(Self {
            genesis: Genesis::new(&config(plan.nodes)).expect("a valid configuration"),
            trace: Trace::new(verbose),
            consensus: ConsensusNetwork::new(plan.seed, plan.links.clone()),
            gossip: GossipNetwork::new(decide),
            ether,
            places: (0..plan.nodes).map(place).collect(),
            live: Mutex::new((0..plan.nodes).map(|_| None).collect()),
            surprises: Mutex::default(),
            full: Mutex::default(),
            forgetful: Mutex::default(),
            diverged: Mutex::default(),
        })
    }

    pub(crate) fn count(&self) -> usize {
        self.places.len()
    }

    fn live(&self) -> MutexGuard<'_, Vec<Option<Live>>> {
        lock(&self.live)
    }

    fn ether(&self) -> MutexGuard<'_, Ether> {
        lock(&self.ether)
    }

    /// Returns the door to a node that runs. Not to be held across its crash.
    pub(crate) fn shared(&self, node: usize) -> Option<Arc<Shared>> {
        self.live()[node].as_ref().map(|live| live.shared.clone())
    }

    /// Starts a node on what its last crash left.
    pub(crate) async fn boot(self: &Arc<Self>, node: usize) {
        let place = &self.places[node];
        let keys = Keys {
            network: place.network.clone(),
            validator: Some(Arc::new(LocalSigner::new(
                self.genesis.chain,
                place.validator.clone(),
                Arc::new(place.guard.clone()),
            ))),
        };
        let world = World {
            backend: Arc::new(place.disk.clone()),
            clock: place.clock.clone(),
            entropy: Arc::new(SeededEntropy::new(node as u64)),
            gossip: GossipWorld::Simulated(self.gossip.clone()),
            consensus: Seams::Simulated {
                network: self.consensus.peer(&keys.network),
                wal: place.wal.clone(),
            },
        };
        let mut setup = Setup::new(self.genesis.clone(), keys, "/ip4/127.0.0.1/tcp/0");
        setup.name = format!("node{node}");
        self.ether().up.insert(name(&place.network));
        let running = start(setup, world)
            .await
            .expect("a node starts on its own disk");
        let tip = running.shared().chain().store().tip().height();
        self.trace.note(&format!("n{node} up at {tip}"));
        let shared = running.shared().clone();
        let (kill, killed) = oneshot::channel();
        let supervisor = tokio::spawn(supervise(self.clone(), node, running, killed));
        self.live()[node] = Some(Live {
            shared,
            kill,
            supervisor,
        });
    }

    /// Crashes a node: nothing more is written, and what was not synced is gone. Returns whether
    /// it ran.
    pub(crate) async fn crash(&self, node: usize) -> bool {
        let live = self.live()[node].take();
        let place = &self.places[node];
        self.ether().up.remove(&name(&place.network));
        let ran = live.is_some();
        if let Some(Live {
            shared,
            kill,
            supervisor,
        }) = live
        {
            drop(shared);
            // It may have stopped by itself, because its disk is full.
            let _ = kill.send(());
            supervisor.await.expect("the supervisor does not panic");
        }
        place.disk.crash();
        self.trace.note(&format!("n{node} crashed"));
        ran
    }

    /// Loses the consensus log of a node that is down.
    pub(crate) fn lose_log(&self, node: usize) {
        self.places[node].wal.wipe();
        lock(&self.forgetful).insert(node);
        self.trace.note(&format!("n{node} lost its log"));
    }

    /// Does what an operator is told to do: moves away the logs of nodes that stopped because
    /// theirs, once lost, contradicts itself, and starts them again.
    pub(crate) async fn move_logs_away(self: &Arc<Self>) {
        let asked = std::mem::take(&mut *lock(&self.diverged));
        for node in asked {
            // One that somebody else takes down comes back, and asks again if it must.
            if self.crash(node).await {
                self.lose_log(node);
                self.boot(node).await;
            }
        }
    }

    /// Takes note of why a node stopped by itself; whatever was not done to it is a surprise.
    fn stopped(&self, node: usize, reason: &Stopped) {
        self.trace.note(&format!("n{node} stopped: {reason}"));
        let diverged = matches!(reason, Stopped::Consensus(StopReason::LogDiverged));
        if diverged && lock(&self.forgetful).contains(&node) {
            lock(&self.diverged).insert(node);
        } else if !lock(&self.full).contains(&node) {
            lock(&self.surprises).push(format!("node {node} stopped by itself: {reason}"));
        }
    }

    /// Separates these nodes from the others, on both networks.
    pub(crate) fn part(&self, side: &[usize]) {
        self.consensus
            .isolate(side.iter().map(|node| &self.places[*node].network));
        self.ether().apart = side
            .iter()
            .map(|node| name(&self.places[*node].network))
            .collect();
        self.trace.note(&format!("{side:?} apart"));
    }

    /// Ends all partitions.
    pub(crate) fn heal(&self) {
        self.consensus.heal();
        self.ether().apart.clear();
        self.trace.note("healed");
    }

    pub(crate) fn set_clock(&self, node: usize, offset_ms: i64) {
        self.places[node].clock.set_offset_ms(offset_ms);
    }

    /// Fills a node's disk, or makes room.
    pub(crate) fn fill_disk(&self, node: usize, full: bool) {
        self.places[node].disk.break_writes(full);
        let mut list = lock(&self.full);
        if full {
            list.insert(node);
        } else {
            list.remove(&node);
        }
    }

    pub(crate) fn surprises(&self) -> Vec<String> {
        lock(&self.surprises).clone()
    }

    /// Returns what a validator signed in contradiction to itself.
    pub(crate) fn conflicts(&self, node: usize) -> Vec<allod_consensus::SignRecord> {
        self.places[node].guard.conflicts()
    }

    /// Returns how many consensus messages have been sent.
    pub(crate) fn messages(&self) -> u64 {
        self.consensus.messages()
    }

    /// Waits until every node has committed `height`; `false` if `limit` passes first.
    pub(crate) async fn reach(&self, height: Height, limit: Duration) -> bool {
        let tip = |node| {
            self.shared(node)
                .map(|it| it.chain().store().tip().height())
        };
        let reached = async {
            while !(0..self.count()).all(|node| tip(node).is_some_and(|tip| tip >= height)) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(limit, reached).await.is_ok()
    }

    /// Returns the highest tip.
    pub(crate) fn highest(&self) -> Height {
        let live = self.live();
        let tips = live
            .iter()
            .flatten()
            .map(|it| it.shared.chain().store().tip().height());
        tips.max().unwrap_or_default()
    }

    /// Crashes every node for good, so that the run ends.
    pub(crate) async fn end(&self) {
        for node in 0..self.count() {
            self.crash(node).await;
        }
    }
}

/// Follows a node's blocks until it is killed or stops by itself.
async fn supervise(
    fleet: Arc<Fleet>,
    node: usize,
    mut running: RunningNode,
    mut killed: oneshot::Receiver<()>,
) {
    let mut heads = running.shared().subscribe_heads();
    loop {
        tokio::select! {
            biased;
            _ = &mut killed => return running.kill().await,
            head = heads.recv() => if let Ok(head) = head {
                let (height, hash) = (head.height(), head.hash);
                fleet.trace.note(&format!("n{node} {height} {hash} m{}", fleet.messages()));
            },
            reason = running.wait() => {
                fleet.stopped(node, &reason);
                return running.kill().await;
            }
        }
    }
}
