//! Gossip on loopback and in a simulated network: batches, healing, and the refusal of strangers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use allod_primitives::header::extrinsic_hash;
use allod_primitives::{ChainId, ForkId, H256};
use ed25519_dalek::SigningKey;
use libp2p::PeerId;
use parking_lot::Mutex;

use super::message::Request;
use super::peer::{Peer, next_port};
use super::*;
use crate::limits::{GOSSIP_BATCH_MAX, GOSSIP_QUEUE_MAX};
use crate::seams::SeededEntropy;

/// An exchange that only remembers, for tests of gossip itself.
#[derive(Debug, Default)]
struct Basket(Mutex<BTreeMap<H256, Arc<[u8]>>>);

impl Exchange for Basket {
    fn receive(&self, transactions: Vec<Arc<[u8]>>) {
        let mut basket = self.0.lock();
        for transaction in transactions {
            basket.insert(extrinsic_hash(&transaction), transaction);
        }
    }

    fn lacking(&self, hashes: &[H256]) -> Vec<H256> {
        let basket = self.0.lock();
        let lacking = hashes.iter().filter(|hash| !basket.contains_key(hash));
        lacking.copied().collect()
    }

    fn get(&self, hash: &H256) -> Option<Arc<[u8]>> {
        self.0.lock().get(hash).cloned()
    }

    fn waiting(&self, _: Duration, count: usize) -> Vec<H256> {
        self.0.lock().keys().take(count).copied().collect()
    }

    fn is_rescue(&self, _: &[u8]) -> bool {
        false
    }
}

struct Node {
    basket: Arc<Basket>,
    gossip: NetworkGossip,
    admitted: AdmittedPeer,
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn peer_id(seed: u8) -> PeerId {
    let keypair = libp2p::identity::Keypair::ed25519_from_bytes([seed; 32]).unwrap();
    keypair.public().to_peer_id()
}

async fn node(seed: u8, peers: Vec<AdmittedPeer>) -> Node {
    let config = GossipConfig {
        chain: ChainId {
            genesis: H256([7; 32]),
            fork_id: ForkId(0),
        },
        key: key(seed),
        listen: "/ip4/127.0.0.1/tcp/0".parse().unwrap(),
        peers,
    };
    let basket = Arc::new(Basket::default());
    let entropy = Arc::new(SeededEntropy::new(u64::from(seed)));
    let gossip = NetworkGossip::start(config, basket.clone(), entropy)
        .await
        .unwrap();
    let address = Some(gossip.listening().clone());
    let admitted = AdmittedPeer {
        peer_id: peer_id(seed),
        address,
    };
    Node {
        basket,
        gossip,
        admitted,
    }
}

/// Looks at `condition` until it holds; fails after a deadline.
async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(tokio::time::Instant::now() < deadline, "never: {what}");
        tokio::task::yield_now().await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn transactions(from: u32, count: u32) -> Vec<Arc<[u8]>> {
    let list = from..from + count;
    list.map(|n| Arc::from(n.to_le_bytes().to_vec())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_share_transactions_and_a_stranger_is_refused() {
    let a = node(1, Vec::new()).await;
    let b = node(2, Vec::new()).await;
    let c = node(3, Vec::new()).await;
    let all = [&a, &b, &c].map(|node| node.admitted.clone());
    [&a, &b, &c]
        .iter()
        .for_each(|node| node.gossip.admit(all.to_vec()));
    // The stranger admits them, they do not admit it.
    let stranger = node(4, all.to_vec()).await;
    for node in [&a, &b, &c] {
        eventually("connected", || node.gossip.connected().len() == 2).await;
    }
    a.gossip.announce(transactions(0, 1000));
    eventually("received", || b.basket.0.lock().len() == 1000).await;
    eventually("received", || c.basket.0.lock().len() == 1000).await;
    stranger.gossip.announce(transactions(5000, 10));
    c.gossip.announce(transactions(2000, 10));
    eventually("received", || a.basket.0.lock().len() == 10).await;
    assert_eq!(stranger.basket.0.lock().len(), 0);
    assert_eq!(
        b.basket
            .0
            .lock()
            .keys()
            .filter(|hash| { **hash == extrinsic_hash(&5000u32.to_le_bytes()) })
            .count(),
        0
    );
    assert!(!a.gossip.connected().contains(&peer_id(4).to_base58()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_missed_while_apart_is_offered_on_meeting() {
    let a = node(1, Vec::new()).await;
    let b = node(2, Vec::new()).await;
    a.basket.receive(transactions(0, 600));
    a.gossip.announce(transactions(0, 600));
    let all = [a.admitted.clone(), b.admitted.clone()];
    a.gossip.admit(all.to_vec());
    b.gossip.admit(all.to_vec());
    eventually("healed", || b.basket.0.lock().len() == 600).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_is_no_longer_admitted_is_disconnected() {
    let a = node(1, Vec::new()).await;
    let b = node(2, Vec::new()).await;
    let all = [a.admitted.clone(), b.admitted.clone()];
    a.gossip.admit(all.to_vec());
    b.gossip.admit(all.to_vec());
    eventually("connected", || a.gossip.connected().len() == 1).await;
    a.gossip.admit(vec![a.admitted.clone()]);
    eventually("gone", || a.gossip.connected().is_empty()).await;
    eventually("told", || b.gossip.connected().is_empty()).await;
}

#[tokio::test]
async fn an_address_in_use_is_an_error() {
    let a = node(1, Vec::new()).await;
    let config = GossipConfig {
        chain: ChainId {
            genesis: H256([7; 32]),
            fork_id: ForkId(0),
        },
        key: key(2),
        listen: a.gossip.listening().clone(),
        peers: Vec::new(),
    };
    let entropy = Arc::new(SeededEntropy::new(1));
    let started = NetworkGossip::start(config, Arc::new(Basket::default()), entropy).await;
    assert!(started.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_simulated_loss_heals() {
    let lose_first = Mutex::new(2);
    let network = SimNetwork::new(move |_, _| {
        let mut left = lose_first.lock();
        if *left > 0 {
            *left -= 1;
            return Fate::Lost;
        }
        Fate::Arrives(Duration::from_millis(10))
    });
    let baskets = [(); 3].map(|()| Arc::new(Basket::default()));
    let names = ["a", "b", "c"];
    let gossip = [0, 1, 2].map(|i| network.join(names[i], baskets[i].clone()));
    baskets[0].receive(transactions(0, 3));
    gossip[0].announce(transactions(0, 3));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(baskets[1].0.lock().len(), 0);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(baskets.iter().all(|basket| basket.0.lock().len() == 3));
    assert_eq!(gossip[0].connected(), ["b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn a_queue_is_bounded_and_sent_in_bounded_batches() {
    let now = tokio::time::Instant::now();
    let mut peer = Peer::new(None, now);
    let count = u32::try_from(GOSSIP_QUEUE_MAX).unwrap() + 5;
    transactions(0, count)
        .into_iter()
        .for_each(|tx| peer.enqueue(tx));
    assert_eq!(peer.next_push(), None, "not connected");
    peer.opened(now);
    let Some(Request::Push(batch)) = peer.next_push() else {
        panic!("there is something to send");
    };
    assert_eq!(batch.len(), GOSSIP_BATCH_MAX);
    assert_eq!(batch[0][..], 5u32.to_le_bytes(), "the oldest were dropped");
    peer.enqueue(Arc::from(vec![1; 400_000]));
    peer.enqueue(Arc::from(vec![2; 400_000]));
    let mut largest = 0;
    while let Some(Request::Push(batch)) = peer.next_push() {
        largest = largest.max(batch.iter().map(|tx| tx.len()).sum());
    }
    assert_eq!(largest, 400_000);
}

#[test]
fn admitted_peers_are_read_from_multiaddrs() {
    let text = format!("/ip4/127.0.0.1/tcp/30333/p2p/{}", peer_id(1));
    let peer: AdmittedPeer = text.parse().unwrap();
    assert_eq!(peer.peer_id, peer_id(1));
    let address = peer.address.unwrap();
    assert_eq!(
        next_port(&address).unwrap().to_string(),
        "/ip4/127.0.0.1/tcp/30334"
    );
    assert!("/ip4/127.0.0.1/tcp/30333".parse::<AdmittedPeer>().is_err());
    assert!("nonsense".parse::<AdmittedPeer>().is_err());
    assert_eq!(next_port(&"/ip4/127.0.0.1".parse().unwrap()), None);
}

/// A flood fills what is queued for a peer before and after a rescue.
#[test]
fn a_rescue_is_pushed_first_and_nothing_drops_it() {
    let now = tokio::time::Instant::now();
    let mut peer = Peer::new(None, now);
    peer.opened(now);
    let flood = |n: usize| -> Arc<[u8]> { Arc::from(n.to_le_bytes()) };
    let rescue: Arc<[u8]> = Arc::from(*b"rescue");
    (0..20_000).for_each(|n| peer.enqueue(flood(n)));
    peer.enqueue_rescue(rescue.clone());
    (0..20_000).for_each(|n| peer.enqueue(flood(n)));
    let Some(Request::Push(batch)) = peer.next_push() else {
        panic!("there is something to push");
    };
    let batch = batch.into_vec();
    assert_eq!(batch[0][..], rescue[..]);
    assert_eq!(batch.len(), GOSSIP_BATCH_MAX);
    let Some(Request::Push(batch)) = peer.next_push() else {
        panic!("there is more to push");
    };
    assert!(batch.iter().all(|it| it[..] != rescue[..]), "once");
}
