//! Real TCP on the loopback interface, with logs and guards in files.

use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use allod_consensus::{
    ConsensusConfig, ConsensusHandle, FileGuard, Keys, Pacing, Seams, WorkSignal, metrics, start,
};
use ed25519_dalek::SigningKey;

use crate::app::Store;
use crate::net::{chain, keys, set};

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
    let guard = Arc::new(FileGuard::open(dir.join(format!("{name}.guard"))).unwrap());
    let work = WorkSignal::new();
    work.set(true);
    start(
        config,
        keys,
        Box::new(store.clone()),
        guard,
        work,
        Seams::Real,
    )
    .await
    .unwrap()
}

/// Goal: the real network carries consensus, and a stranger gets nothing. Method: four validators
/// finalize ten blocks; an unlisted node that dials all of them stays at height 0 until one
/// validator admits it at run time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_validators_finalize_over_tcp_and_a_stranger_is_shut_out() {
    let dir = tempfile::tempdir().unwrap();
    let addresses = addresses(5);
    let mut peers: Vec<String> = (0..4)
        .map(|n| format!("{}/p2p/{}", addresses[n as usize], keys(n).peer_id()))
        .collect();
    let stores: Vec<Store> = (0..5).map(|n| Store::new(set(4), n)).collect();

    let mut handles = Vec::new();
    for n in 0..4_u8 {
        let mut others = peers.clone();
        others.remove(n.into());
        let listen = &addresses[usize::from(n)];
        handles.push(boot(dir.path(), keys(n), listen, others, &stores[usize::from(n)]).await);
    }
    let stranger = Keys {
        network: SigningKey::from_bytes(&[250; 32]),
        validator: None,
    };
    let id = stranger.peer_id();
    let outside = boot(
        dir.path(),
        stranger,
        &addresses[4],
        peers.clone(),
        &stores[4],
    )
    .await;

    for store in &stores[..4] {
        tokio::time::timeout(Duration::from_secs(60), store.reach(10))
            .await
            .unwrap();
    }
    // Two more seconds of status messages would have made a listed node catch up.
    stores[0].reach(stores[0].height() + 20).await;
    assert_eq!(stores[4].height(), 0, "nobody talks to a stranger");
    let hashes: Vec<_> = stores[..4]
        .iter()
        .map(|store| store.hashes()[..10].to_vec())
        .collect();
    assert!(hashes.iter().all(|chain| *chain == hashes[0]));

    peers.push(format!("{}/p2p/{id}", addresses[4]));
    handles[0].admit_peer(&peers[4]).await.unwrap();
    tokio::time::timeout(Duration::from_secs(60), stores[4].reach(10))
        .await
        .unwrap();
    let connected = handles[0].peers().connected().await.unwrap();
    assert!(connected.contains(&id), "{connected:?}");
    assert!(metrics().contains("malachite"), "the engine has metrics");

    // A validator that stops and comes back on the same files and port goes on.
    handles.remove(3).stop().await;
    stores[0].reach(stores[0].height() + 5).await;
    let back = boot(
        dir.path(),
        keys(3),
        &addresses[3],
        peers[..3].to_vec(),
        &stores[3],
    )
    .await;
    let reached = stores[0].height();
    tokio::time::timeout(Duration::from_secs(60), stores[3].reach(reached + 5))
        .await
        .unwrap();
    handles.push(back);

    outside.stop().await;
    for handle in handles {
        handle.stop().await;
    }
}
