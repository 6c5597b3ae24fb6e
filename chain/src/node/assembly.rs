//! Starting and stopping a node.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use allod_consensus::{
    ConsensusConfig, ConsensusHandle, Keys, Pacing, Progress, Pulse, Seams, StopReason, Timeouts,
    WorkSignal,
};
use allod_primitives::PublicKey;
use allod_primitives::hash::twox_128;
use allod_rpc::HeadInfo;
use allod_runtime::authority::{self, Peer};
use libp2p::{Multiaddr, PeerId};
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinSet;

use super::metrics::Metrics;
use super::peers::{self, consensus_addresses, gossip_peers};
use super::shared::Shared;
use crate::gossip::{Exchange, Gossip, GossipConfig, ListenError, NetworkGossip, SimNetwork};
use crate::keyfile;
use crate::ledger::{
    Chain, Committed, Genesis, Halt, Ledger, LedgerConfig, LedgerParts, OpenChainError,
};
use crate::limits::{ADMISSION_SPACING, HEADS_BUFFERED_MAX};
use crate::mempool::{Limits, Mempool};
use crate::seams::{Clock, Entropy};
use crate::storage::{KeyValue, StoreOptions};

/// What the node is.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Its name in logs and metrics.
    pub name: String,
    /// The chain's first block.
    pub genesis: Genesis,
    /// Its keys.
    pub keys: Keys,
    /// Where consensus listens, a TCP multiaddr.
    pub listen: String,
    /// The engine's write-ahead log.
    pub wal: PathBuf,
    /// Block spacing.
    pub pacing: Pacing,
    /// Step timeouts.
    pub timeouts: Timeouts,
    /// How far a first proposal's time may lie ahead of the clock.
    pub ahead_max: Duration,
    /// How far it may lie behind.
    pub behind_max: Duration,
    /// How much is kept.
    pub store: StoreOptions,
    /// Bounds of the mempool.
    pub pool: Limits,
    /// Counts the steps of its start and of its blocks, for whoever watches over it.
    pub progress: Progress,
}

impl Setup {
    /// Returns defaults for a node of the chain of `genesis` that listens on `listen`.
    pub fn new(genesis: Genesis, keys: Keys, listen: impl Into<String>) -> Self {
        Self {
            name: "node".into(),
            genesis,
            keys,
            listen: listen.into(),
            wal: PathBuf::new(),
            pacing: Pacing::default(),
            timeouts: Timeouts::default(),
            ahead_max: Duration::from_secs(5),
            behind_max: Duration::from_secs(60),
            store: StoreOptions::default(),
            pool: Limits::default(),
            progress: Progress::default(),
        }
    }
}

/// How transactions travel.
#[derive(Clone, Debug)]
pub enum GossipWorld {
    /// Over TCP, listening here.
    Tcp(Multiaddr),
    /// Within this process.
    Simulated(SimNetwork),
}

/// What the node runs on.
pub struct World {
    /// Its disk.
    pub backend: Arc<dyn KeyValue>,
    /// Its clock.
    pub clock: Arc<dyn Clock>,
    /// Its randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Its network for transactions.
    pub gossip: GossipWorld,
    /// Its network and log for consensus.
    pub consensus: Seams,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World")
            .field("backend", &self.backend)
            .field("gossip", &self.gossip)
            .finish_non_exhaustive()
    }
}

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The chain could not be opened.
    #[error(transparent)]
    Chain(#[from] OpenChainError),
    /// The state holds no validators.
    #[error(transparent)]
    Ledger(#[from] Halt),
    /// Transactions cannot be listened for.
    #[error(transparent)]
    Gossip(#[from] ListenError),
    /// Consensus did not start.
    #[error(transparent)]
    Consensus(#[from] allod_consensus::StartError),
}

/// Why a node does not run any more.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Stopped {
    /// It was asked to stop.
    #[error("stopped on request")]
    Requested,
    /// The chain cannot go on.
    #[error(transparent)]
    Halted(#[from] Halt),
    /// Consensus ended.
    #[error(transparent)]
    Consensus(StopReason),
}

/// A running node. Dropping it stops it without waiting.
#[derive(Debug)]
pub struct RunningNode {
    shared: Arc<Shared>,
    consensus: ConsensusHandle,
    halts: mpsc::UnboundedReceiver<Halt>,
    work: WorkSignal,
    tasks: JoinSet<()>,
}

/// Tells whether a node's own tasks get on, whatever its network does.
#[derive(Clone, Debug)]
pub struct Heart {
    consensus: Pulse,
    mempool: Mempool,
}

impl Heart {
    /// Waits until the task that makes and executes blocks and the one that admits transactions
    /// have answered, or the former makes progress with a block; for ever where one of them hangs
    /// or ended. Cancel safe.
    pub async fn beat(&self) {
        let (consensus, mempool) = tokio::join!(self.consensus.beats(), self.mempool.beats());
        if !(consensus && mempool) {
            std::future::pending().await
        }
    }
}

/// Starts a node. Must be called within a tokio runtime.
///
/// # Errors
/// [`StartError`]; nothing runs then.
pub async fn start(setup: Setup, world: World) -> Result<RunningNode, StartError> {
    let (backend, clock, entropy) = (world.backend, world.clock, world.entropy);
    let progress = setup.progress.clone();
    let (of, kept, random) = (&setup.genesis, setup.store, entropy.clone());
    let chain = Chain::open(backend, of, kept, clock, random, progress)?;
    let chain = Arc::new(chain);
    let admitted = admitted(&chain)?;
    let own = keyfile::keypair(&setup.keys.network).public().to_peer_id();
    let work = WorkSignal::new();
    let mut tasks = JoinSet::new();
    let slot = Arc::new(OnceLock::new());
    let mempool = start_mempool(&setup, &chain, &work, slot.clone(), &mut tasks);
    let gossip = start_gossip(&setup, world.gossip, &mempool, entropy, &admitted, &own).await?;
    let empty = slot.set(gossip.clone());
    empty.expect("the slot was made empty in this function");
    let validator = setup.keys.validator();
    let shared = Arc::new(Shared {
        signer: setup.keys.validator.clone(),
        mempool,
        gossip: gossip.clone(),
        metrics: Metrics::default(),
        heads: broadcast::Sender::new(HEADS_BUFFERED_MAX),
        peers: watch::Sender::new(admitted.clone()),
        starting: chain.store().tip().height(),
        validator,
        tip_age_ms_max: tip_age_ms_max(&setup.pacing),
        chain,
    });
    shared.metrics.began(shared.chain.clock().now().0);
    let (sender, halts) = mpsc::unbounded_channel();
    let ledger = Ledger::new(ledger_config(&setup, validator), parts(&shared, sender))?;
    let addresses = consensus_addresses(&admitted, &own);
    let config = ConsensusConfig {
        listen: setup.listen.clone(),
        peers: addresses.iter().cloned().collect(),
        timeouts: setup.timeouts,
        pacing: setup.pacing,
        ..ConsensusConfig::new(setup.genesis.chain, setup.name.clone(), setup.wal.clone())
    };
    let (keys, seams) = (setup.keys, world.consensus);
    let ledger = Box::new(ledger);
    let consensus = allod_consensus::start(config, keys, ledger, work.clone(), seams).await?;
    let list = shared.peers.subscribe();
    tasks.spawn(peers::follow(
        list,
        addresses,
        own,
        consensus.peers(),
        gossip,
    ));
    Ok(RunningNode {
        shared,
        consensus,
        halts,
        work,
        tasks,
    })
}

impl RunningNode {
    /// Returns what others may read and submit to.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Returns what tells whether the node gets on.
    pub fn heart(&self) -> Heart {
        Heart {
            consensus: self.consensus.pulse(),
            mempool: self.shared.mempool().clone(),
        }
    }

    /// Makes a block soon after each of `jumps` of the clock, so that an idle network need not wait
    /// for its heartbeat to learn what time it is. The next commit puts pacing right again.
    pub(super) fn follow_jumps(&mut self, mut jumps: watch::Receiver<u64>) {
        let work = self.work.clone();
        self.tasks.spawn(async move {
            while jumps.changed().await.is_ok() {
                work.set(true);
            }
        });
    }

    /// Waits until the node stops by itself, and says why. Cancel safe.
    pub async fn wait(&mut self) -> Stopped {
        let reason = tokio::select! {
            biased;
            Some(halt) = self.halts.recv() => return Stopped::Halted(halt),
            reason = self.consensus.wait() => reason,
        };
        // Whatever made consensus stop may have said so here a moment before.
        match (self.halts.try_recv(), reason) {
            (Ok(halt), _) => Stopped::Halted(halt),
            (Err(_), StopReason::Requested) => Stopped::Requested,
            (Err(_), reason) => Stopped::Consensus(reason),
        }
    }

    /// Stops the node in order.
    pub async fn stop(mut self) {
        self.consensus.stop().await;
        self.tasks.shutdown().await;
    }

    /// Stops the node as a crash would. For simulations.
    pub async fn kill(mut self) {
        self.tasks.abort_all();
        self.consensus.kill().await;
        self.tasks.shutdown().await;
    }
}

fn admitted(chain: &Chain) -> Result<Vec<Peer>, OpenChainError> {
    let peers = authority::peers(&chain.store().state());
    chain.store().healthy()?;
    Ok(peers)
}

fn start_mempool(
    setup: &Setup,
    chain: &Arc<Chain>,
    work: &WorkSignal,
    gossip: Arc<OnceLock<Arc<dyn Gossip>>>,
    tasks: &mut JoinSet<()>,
) -> Mempool {
    let height = chain.store().tip().height();
    let work = work.clone();
    let (mempool, admission) = Mempool::new(
        setup.pool,
        height,
        chain.clone(),
        ADMISSION_SPACING,
        Arc::new(move |pending| work.set(pending)),
        Arc::new(move |transactions| {
            if let Some(gossip) = gossip.get() {
                gossip.announce(transactions);
            }
        }),
    );
    tasks.spawn(admission.run());
    mempool
}

async fn start_gossip(
    setup: &Setup,
    world: GossipWorld,
    mempool: &Mempool,
    entropy: Arc<dyn Entropy>,
    admitted: &[Peer],
    own: &PeerId,
) -> Result<Arc<dyn Gossip>, ListenError> {
    let exchange: Arc<dyn Exchange> = Arc::new(mempool.clone());
    Ok(match world {
        GossipWorld::Simulated(network) => network.join(&own.to_base58(), exchange),
        GossipWorld::Tcp(listen) => {
            let config = GossipConfig {
                chain: setup.genesis.chain,
                key: setup.keys.network.clone(),
                listen,
                peers: gossip_peers(admitted, own),
            };
            Arc::new(NetworkGossip::start(config, exchange, entropy).await?)
        }
    })
}

fn ledger_config(setup: &Setup, validator: Option<PublicKey>) -> LedgerConfig {
    LedgerConfig {
        ahead_max: setup.ahead_max,
        behind_max: setup.behind_max,
        // Observers are never asked for a block.
        ..LedgerConfig::new(validator.unwrap_or(PublicKey([0; 32])))
    }
}

/// A tip older than two heartbeats and the time to agree is not fresh.
fn tip_age_ms_max(pacing: &Pacing) -> u64 {
    let age = pacing.heartbeat_max * 2 + Duration::from_secs(5);
    u64::try_from(age.as_millis()).unwrap_or(u64::MAX)
}

fn parts(shared: &Arc<Shared>, halts: mpsc::UnboundedSender<Halt>) -> LedgerParts {
    let (for_commits, for_evidence) = (shared.clone(), shared.clone());
    LedgerParts {
        chain: shared.chain.clone(),
        mempool: shared.mempool.clone(),
        on_commit: Box::new(move |committed| on_commit(&for_commits, &committed)),
        on_evidence: Box::new(move |_| for_evidence.metrics.evidence()),
        halts,
    }
}

fn on_commit(shared: &Shared, committed: &Committed<'_>) {
    let header = &committed.block.header;
    tracing::info!(
        height = header.number.0,
        hash = %committed.hash,
        extrinsics = committed.block.extrinsics.len(),
        round = committed.certificate.round,
        "committed"
    );
    shared.metrics.committed(shared, committed);
    let authority = twox_128(b"Authority");
    if committed
        .executed
        .changes
        .keys()
        .any(|key| key.starts_with(&authority))
    {
        let peers = authority::peers(&shared.chain.store().state());
        shared.peers.send_if_modified(|list| {
            let modified = *list != peers;
            *list = peers;
            modified
        });
    }
    // Nobody may be listening.
    let _ = shared.heads.send(HeadInfo {
        hash: committed.hash,
        header: header.clone(),
    });
}
