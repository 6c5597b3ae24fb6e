//! Real TCP on the loopback interface, with logs and guards in files.

use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use allod_consensus::{
    ConsensusConfig, ConsensusHandle, FileGuard, GuardFile, Keys, OpenGuardError, Pacing,
    PeerError, Seams, WorkSignal, metrics, peer_id, start,
};
use ed25519_dalek::SigningKey;
use tokio::task::JoinSet;

use crate::app::Store;
use crate::net::{chain, network, public, set, signer};
use crate::proxy::Lingering;

/// These networks live in real time: one at a time, so that they do not take it from each other.
static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Returns `count` addresses whose ports were free a moment ago.
fn addresses(count: usize) -> Vec<String> {
    let listeners: Vec<_> = (0..count)
        .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
        .collect();
    let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
    listeners
        .iter()
        .map(|l| format!("/ip4/127.0.0.1/tcp/{}", port(l)))
        .collect()
}

/// Returns the keys of node `n`, whose guard is a file. The engine's parts let go of the guard only
/// after consensus has stopped, which in one process takes a moment.
async fn keys(dir: &Path, n: u8) -> Keys {
    let path = dir.join(format!("{n}.guard"));
    let expected = if path.exists() {
        GuardFile::Existing
    } else {
        GuardFile::New
    };
    let opened = async {
        loop {
            match FileGuard::open(&path, chain(), public(n), expected) {
                Err(OpenGuardError::InUse { .. }) => tokio::task::yield_now().await,
                opened => return opened,
            }
        }
    };
    let limit = Duration::from_secs(60);
    let guard = tokio::time::timeout(limit, opened).await.unwrap().unwrap();
    Keys {
        network: network(n),
        validator: Some(signer(n, Arc::new(guard))),
    }
}

async fn boot(
    dir: &Path,
    keys: Keys,
    listen: &str,
    peers: Vec<String>,
    store: &Store,
) -> ConsensusHandle {
    let name = keys.peer_id();
    let mut config = ConsensusConfig::new(chain(), &name[..], dir.join(&name).join("wal"));
    config.listen = listen.to_owned();
    config.peers = peers;
    config.pacing = Pacing {
        min_spacing: Duration::from_millis(20),
        ..Pacing::default()
    };
    let work = WorkSignal::new();
    work.set(true);
    start(config, keys, Box::new(store.clone()), work, Seams::Real)
        .await
        .unwrap()
}

/// Four validators on loopback.
struct Cluster {
    dir: tempfile::TempDir,
    addresses: Vec<String>,
    /// Pinned addresses of the validators.
    peers: Vec<String>,
    stores: Vec<Store>,
    handles: Vec<Option<ConsensusHandle>>,
}

impl Cluster {
    /// Boots four validators; one more address is left over.
    async fn boot() -> Self {
        let addresses = addresses(5);
        let reached = addresses[..4].to_vec();
        Self::boot_behind(addresses, reached).await
    }

    /// Boots four validators that listen at `addresses` and dial each other at `reached`.
    async fn boot_behind(addresses: Vec<String>, reached: Vec<String>) -> Self {
        let pinned = |(n, at): (u8, String)| format!("{at}/p2p/{}", peer_id(&network(n)));
        let mut cluster = Self {
            dir: tempfile::tempdir().unwrap(),
            peers: (0..).zip(reached).map(pinned).collect(),
            addresses,
            stores: (0..5).map(|n| Store::new(set(4), n)).collect(),
            handles: (0..4).map(|_| None).collect(),
        };
        for n in 0..4 {
            cluster.boot_one(n).await;
        }
        cluster
    }

    async fn boot_one(&mut self, n: usize) {
        let mut others = self.peers.clone();
        others.remove(n);
        let (listen, store) = (&self.addresses[n], &self.stores[n]);
        let keys = keys(self.dir.path(), n as u8).await;
        let handle = boot(self.dir.path(), keys, listen, others, store).await;
        self.handles[n] = Some(handle);
    }

    async fn stop(&mut self, n: usize) {
        self.handles[n].take().unwrap().stop().await;
    }
}

/// Waits in real time, but not for ever.
async fn reach(store: &Store, height: u64) {
    let limit = Duration::from_secs(120);
    tokio::time::timeout(limit, store.reach(height))
        .await
        .unwrap();
}

/// Goal: the real network carries consensus, and a stranger gets nothing. Method: four validators
/// finalize ten blocks; an unlisted node that dials all of them stays at height 0 until one
/// validator admits it at run time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_validators_finalize_over_tcp_and_a_stranger_is_shut_out() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut cluster = Cluster::boot().await;
    let stranger = Keys {
        network: SigningKey::from_bytes(&[250; 32]),
        validator: None,
    };
    let id = stranger.peer_id();
    let (dir, listen) = (cluster.dir.path(), cluster.addresses[4].clone());
    let store = cluster.stores[4].clone();
    let outside = boot(dir, stranger, &listen, cluster.peers.clone(), &store).await;

    for store in &cluster.stores[..4] {
        reach(store, 10).await;
    }
    let first = cluster.stores[0].hashes()[..10].to_vec();
    for other in &cluster.stores[1..4] {
        assert_eq!(other.hashes()[..10], first);
    }
    // A listed node would have caught up while these blocks were made.
    reach(&cluster.stores[0], cluster.stores[0].height() + 20).await;
    assert_eq!(store.height(), 0, "nobody talks to a stranger");

    let address = format!("{listen}/p2p/{id}");
    let host = cluster.handles[0].as_ref().unwrap();
    let refused = host.admit_peer(&listen).await;
    assert!(
        matches!(refused, Err(PeerError::BadAddress { .. })),
        "an address must name its peer"
    );
    host.admit_peer(&address).await.unwrap();
    reach(&store, 10).await;
    let connected = host.peers().connected().await.unwrap();
    assert!(connected.contains(&id), "{connected:?}");
    assert!(metrics().contains("malachite"), "the engine has metrics");

    outside.stop().await;
    for n in 0..4 {
        cluster.stop(n).await;
    }
}

/// Goal: logs and guards in files carry a validator over a restart. Method: two of four stop, so
/// the chain halts in the middle of a height; they come back on the same files and ports.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn validators_come_back_on_their_files_and_ports() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut cluster = Cluster::boot().await;
    reach(&cluster.stores[0], 5).await;
    cluster.stop(2).await;
    cluster.stop(3).await;
    cluster.boot_one(3).await;
    cluster.boot_one(2).await;
    let reached = cluster.stores[0].height();
    for store in &cluster.stores[..4] {
        reach(store, reached + 5).await;
        assert_eq!(store.evidence(), []);
    }
    for n in 0..4 {
        cluster.stop(n).await;
    }
}

/// Goal: a validator is heard again after a restart that its peers did not notice, as after a power
/// cut. Method: two of four are restarted while the other two's connections to them stay open with
/// nobody at the far end, until the new ones are there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn validators_are_heard_again_though_their_old_connections_linger() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let world = Lingering::new();
    let mut proxies = JoinSet::new();
    let addresses = addresses(4);
    let mut reached = Vec::new();
    for address in &addresses {
        let port = address.rsplit('/').next().unwrap().parse().unwrap();
        let port = world.before(([127, 0, 0, 1], port).into(), &mut proxies);
        reached.push(format!("/ip4/127.0.0.1/tcp/{}", port.await));
    }
    let mut cluster = Cluster::boot_behind(addresses, reached).await;
    for store in &cluster.stores[..4] {
        reach(store, 5).await;
    }
    cluster.stop(2).await;
    cluster.stop(3).await;
    let limit = Duration::from_secs(60);
    // Each of the two had one to everybody at least.
    tokio::time::timeout(limit, world.holds(5)).await.unwrap();
    cluster.boot_one(3).await;
    cluster.boot_one(2).await;
    for n in [2, 3] {
        let peers = cluster.handles[n].as_ref().unwrap().peers();
        let all_connected = async {
            while peers.connected().await.unwrap().len() < 3 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(limit, all_connected).await.unwrap();
    }
    world.let_go();

    let tip = cluster.stores[0].height();
    for store in &cluster.stores[..4] {
        reach(store, tip + 5).await;
        assert_eq!(store.evidence(), []);
    }
    for n in 0..4 {
        cluster.stop(n).await;
    }
}

/// Goal: whoever has stopped may start again at once, on the same files. Method: one validator,
/// again and again; the engine's own thread holds the log for a moment after the engine has ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_free_once_consensus_has_stopped() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let dir = tempfile::tempdir().unwrap();
    let listen = addresses(1).remove(0);
    let store = Store::new(set(1), 0);
    for round in 1..=20 {
        let keys = keys(dir.path(), 0).await;
        let handle = boot(dir.path(), keys, &listen, Vec::new(), &store).await;
        reach(&store, round).await;
        handle.stop().await;
    }
}
