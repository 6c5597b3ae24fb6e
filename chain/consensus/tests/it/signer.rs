//! Signers that are elsewhere, and not always there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use allod_consensus::sim::LinkModel;
use allod_consensus::{
    MemoryGuard, Seen, SignError, SignGuard, SignMessage, SignRecord, ValidatorSigner,
};
use allod_primitives::{Height, PublicKey, Signature};
use async_trait::async_trait;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::net::{Net, signer, simulate};

/// A signer that can be away; clones share it.
#[derive(Clone)]
struct Away {
    signer: Arc<dyn ValidatorSigner>,
    away: Arc<AtomicBool>,
    signed: Arc<AtomicU32>,
}

impl Away {
    fn new(n: u8) -> Self {
        Self {
            signer: signer(n, Arc::new(MemoryGuard::new())),
            away: Arc::default(),
            signed: Arc::default(),
        }
    }

    fn go(&self, away: bool) {
        self.away.store(away, Ordering::Relaxed);
    }

    fn signed(&self) -> u32 {
        self.signed.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl ValidatorSigner for Away {
    fn public_key(&self) -> PublicKey {
        self.signer.public_key()
    }

    async fn sign(&self, message: &SignMessage, seen: &Seen) -> Result<Signature, SignError> {
        if self.away.load(Ordering::Relaxed) {
            return Err(SignError::Unreachable);
        }
        self.signed.fetch_add(1, Ordering::Relaxed);
        self.signer.sign(message, seen).await
    }
}

/// Returns a network whose signers can be away.
fn net(seed: u64, count: u8) -> (Net, Vec<Away>) {
    let mut net = Net::new(seed, count, LinkModel::default());
    let signers: Vec<Away> = (0..count).map(Away::new).collect();
    for (node, signer) in net.nodes.iter_mut().zip(&signers) {
        node.signer = Arc::new(signer.clone());
    }
    (net, signers)
}

async fn within_minutes(done: impl Future<Output = ()>) {
    let limit = Duration::from_secs(600);
    tokio::time::timeout(limit, done).await.unwrap();
}

/// Goal: a node without its signer is a follower. Method: one of four loses its signer for fifty
/// heights; it commits them all and signs nothing, then votes again.
#[test]
fn a_validator_whose_signer_is_away_follows_in_silence() {
    simulate(async {
        let (mut net, signers) = net(41, 4);
        net.boot_all().await;
        net.reach(&[0, 1, 2, 3], 5).await;
        signers[3].go(true);
        let signed = signers[3].signed();
        let height = net.nodes[3].store.height();
        net.reach(&[0, 1, 2, 3], height + 50).await;
        assert_eq!(signers[3].signed(), signed);
        signers[3].go(false);
        let height = net.nodes[3].store.height();
        net.reach(&[0, 1, 2, 3], height + 10).await;
        assert!(signers[3].signed() > signed);
        net.assert_agreement();
    });
}

/// Goal: silence ends with its cause. Method: more than a third lose their signers at once, for
/// longer than any timeout; when they are back, the round goes on without anybody's restart.
#[test]
fn a_network_whose_signers_were_away_goes_on_when_they_are_back() {
    for (seed, count, away) in [(42, 4, 2), (43, 4, 4), (44, 1, 1), (45, 7, 3)] {
        simulate(async {
            let (mut net, signers) = net(seed, count);
            net.boot_all().await;
            net.reach(&[0], 5).await;
            for round in 0..10 {
                signers[..away].iter().for_each(|signer| signer.go(true));
                tokio::time::sleep(Duration::from_millis(30_000 + 777 * round)).await;
                let stuck = net.nodes[0].store.height();
                tokio::time::sleep(Duration::from_secs(30)).await;
                assert_eq!(net.nodes[0].store.height(), stuck, "no quorum signs");
                signers[..away].iter().for_each(|signer| signer.go(false));
                let all: Vec<usize> = (0..usize::from(count)).collect();
                within_minutes(net.reach(&all, stuck + 3)).await;
            }
            net.assert_agreement();
        });
    }
}

/// Goal: no order of going and coming back does harm. Method: all four signers come and go at
/// random while nodes crash; the chain goes on, and nobody sees two votes.
#[test]
fn signers_that_come_and_go_at_random_stop_nothing_for_good() {
    for seed in 50..54 {
        simulate(async {
            let (mut net, signers) = net(seed, 4);
            net.boot_all().await;
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            for _ in 0..200 {
                signers[rng.gen_range(0..4)].go(rng.gen_bool(0.4));
                tokio::time::sleep(Duration::from_millis(rng.gen_range(1..400))).await;
                if rng.gen_bool(0.03) {
                    let n = rng.gen_range(0..4);
                    signers[n].go(false);
                    net.crash(n).await;
                    net.boot(n).await;
                }
            }
            signers.iter().for_each(|signer| signer.go(false));
            let height = net.nodes[0].store.height();
            within_minutes(net.reach(&[0, 1, 2, 3], height + 10)).await;
            net.assert_agreement();
        });
    }
}

/// A guard that thinks itself out of date.
struct Old(MemoryGuard);

impl SignGuard for Old {
    fn check_and_record(&self, message: &SignRecord) -> Result<(), allod_consensus::GuardError> {
        self.0.check_and_record(message)
    }

    fn judge(&self, _height: Height, seen: &Seen) -> Result<(), allod_consensus::GuardError> {
        let (signed, known) = (seen.signed, Height(0));
        if signed > known {
            return Err(allod_consensus::GuardError::Outdated { signed, known });
        }
        Ok(())
    }

    fn waits_for_disk(&self) -> bool {
        false
    }
}

/// Goal: the guard learns what the chain holds of its key. Method: a validator signs for a while
/// and is started again with an empty guard that believes the node; it signs nothing more.
#[test]
fn a_node_tells_its_guard_what_its_key_has_signed() {
    simulate(async {
        let mut net = Net::new(46, 4, LinkModel::default());
        net.boot_all().await;
        net.reach(&[0, 1, 2, 3], 20).await;
        net.crash(2).await;
        net.nodes[2].signer = signer(2, Arc::new(Old(MemoryGuard::new())));
        net.boot(2).await;
        net.reach(&[0, 1, 2, 3], 60).await;
        let silent = net.nodes[2].signer.public_key();
        let set = crate::net::set(4);
        let position = set.position(&silent).unwrap();
        for certificate in &net.nodes[0].store.certificates()[30..60] {
            let mut signers = certificate.signatures.iter();
            assert!(signers.all(|it| usize::from(it.signer) != position));
        }
        net.assert_agreement();
    });
}

/// Goal: two nodes that share a signer are as honest as one. Method: a second node asks the signer
/// of validator 0 for whatever it wants to say; compare with
/// `faults::a_validator_that_runs_twice_is_reported`, where each has a guard of its own.
#[test]
fn two_nodes_with_one_signer_never_sign_twice() {
    simulate(async {
        let mut net = Net::new(17, 4, LinkModel::default());
        net.add_twin_of(0);
        net.nodes[4].signer = net.nodes[0].signer.clone();
        net.boot_all().await;
        within_minutes(net.reach(&[1, 2, 3], 60)).await;
        for node in &net.nodes {
            assert_eq!(node.store.evidence(), []);
        }
    });
}
