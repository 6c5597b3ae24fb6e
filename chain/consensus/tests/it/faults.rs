//! Crashes, loss, lost logs, bad proposers.

use std::time::Duration;

use allod_consensus::sim::LinkModel;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::net::{Net, simulate};

fn lossy() -> LinkModel {
    LinkModel {
        loss: 0.05,
        duplication: 0.02,
        ..LinkModel::default()
    }
}

/// Goal: a crashed validator catches up under 5 % loss. Method: kill one at height 10, boot it
/// again when the others are at 30.
#[test]
fn a_restarted_validator_catches_up_under_loss() {
    simulate(async {
        let mut net = Net::new(11, 4, lossy());
        net.boot_all().await;
        net.reach(&[0, 1, 2, 3], 10).await;
        net.crash(3).await;
        net.reach(&[0, 1, 2], 30).await;
        assert!(net.nodes[3].store.height() < 30);
        net.boot(3).await;
        net.reach(&[3], 45).await;
        net.assert_agreement();
    });
}

/// Goal: without a quorum nothing is finalized, with it everything goes on. Method: kill two of
/// four, wait a minute, boot one.
#[test]
fn half_the_validators_halt_the_chain_and_do_not_fork_it() {
    simulate(async {
        let mut net = Net::new(12, 4, LinkModel::default());
        net.boot_all().await;
        net.reach(&[0, 1, 2, 3], 5).await;
        net.crash(2).await;
        net.crash(3).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        let halted = net.nodes[0].store.height();
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(net.nodes[0].store.height(), halted);
        net.boot(3).await;
        net.reach(&[0, 1, 3], halted + 10).await;
        net.assert_agreement();
    });
}

/// Goal: a partition of two against two halts, and heals. Method: cut for two minutes.
#[test]
fn a_partition_heals() {
    simulate(async {
        let mut net = Net::new(13, 4, LinkModel::default());
        net.boot_all().await;
        net.reach(&[0, 1, 2, 3], 5).await;
        let (a, b) = (net.nodes[0].network.clone(), net.nodes[1].network.clone());
        net.network.isolate([&a, &b]);
        tokio::time::sleep(Duration::from_secs(120)).await;
        let halted = net.nodes[0].store.height();
        assert!(halted <= 6, "no side has a quorum");
        net.network.heal();
        net.reach(&[0, 1, 2, 3], halted + 10).await;
        net.assert_agreement();
    });
}

/// Crashes nodes forty times at random instants, two at once at times, and boots them again;
/// `loses_log` draws whether a crash takes the log along. Then all must go on.
fn crash_at_random(seed: u64, links: LinkModel, loses_log: f64) {
    simulate(async {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut net = Net::new(seed, 4, links);
        net.boot_all().await;
        for _ in 0..40 {
            tokio::time::sleep(Duration::from_millis(rng.gen_range(0..1500))).await;
            let (first, second) = (rng.gen_range(0..4), rng.gen_range(0..4));
            net.crash(first).await;
            if rng.gen_bool(loses_log) {
                net.lose_log(first);
            }
            if second != first && rng.gen_bool(0.3) {
                net.crash(second).await;
                tokio::time::sleep(Duration::from_millis(rng.gen_range(0..3000))).await;
                net.boot(second).await;
            }
            net.boot(first).await;
            net.assert_agreement();
        }
        let heights = net.nodes.iter().map(|node| node.store.height());
        net.reach_with_repairs(heights.max().unwrap() + 10).await;
        net.assert_agreement();
    });
}

/// Goal: no crash forks or stalls the chain. Method: crashes under loss and damage, some seeds.
#[test]
fn crashes_at_any_instant_neither_fork_nor_stall_the_chain() {
    for seed in 30..35 {
        let links = LinkModel {
            corruption: 0.02,
            ..lossy()
        };
        crash_at_random(seed, links, 0.0);
    }
}

/// Goal: even a lost log makes no validator sign twice. Method: the same, and every third crash
/// loses the log. `assert_agreement` checks that nobody saw evidence.
#[test]
fn crashes_with_lost_logs_never_make_a_validator_sign_twice() {
    for seed in 40..45 {
        crash_at_random(seed, lossy(), 0.3);
    }
}

/// Goal: nobody finalizes what the application refuses. Method: one validator builds blocks that
/// all others refuse.
#[test]
fn a_refused_proposal_is_not_decided() {
    simulate(async {
        let mut net = Net::new(15, 4, LinkModel::default());
        net.nodes[2].store.build_bad_blocks();
        net.boot_all().await;
        net.reach(&[0, 1, 2, 3], 20).await;
        net.assert_agreement();
        let blocks = net.nodes[0].store.blocks();
        assert!(blocks.iter().all(|block| !block.bad));
        assert!(
            blocks.iter().any(|block| block.round > 0),
            "its turns went to the next in turn"
        );
    });
}

/// Goal: the log matters: a validator restarts in the middle of a height without contradicting
/// itself. Method: kill all four at once, many times, and boot them again.
#[test]
fn killing_all_validators_at_once_loses_nothing() {
    simulate(async {
        let mut rng = ChaCha8Rng::seed_from_u64(16);
        let mut net = Net::new(16, 4, LinkModel::default());
        net.boot_all().await;
        for _ in 0..15 {
            tokio::time::sleep(Duration::from_millis(rng.gen_range(50..700))).await;
            let before: Vec<_> = net.nodes.iter().map(|node| node.store.hashes()).collect();
            for n in 0..4 {
                net.crash(n).await;
            }
            net.boot_all().await;
            for (node, before) in net.nodes.iter().zip(before) {
                assert_eq!(node.store.hashes()[..before.len()], before);
            }
        }
        let reached = net
            .nodes
            .iter()
            .map(|node| node.store.height())
            .max()
            .unwrap();
        net.reach(&[0, 1, 2, 3], reached + 5).await;
        net.assert_agreement();
    });
}

/// Goal: signing twice is seen and reported. Method: a second node runs with validator 0's key
/// and a guard of its own; the honest nodes must report both signatures, and go on.
#[test]
fn a_validator_that_runs_twice_is_reported() {
    simulate(async {
        let mut net = Net::new(17, 4, LinkModel::default());
        net.add_twin_of(0);
        net.boot_all().await;
        net.reach(&[1, 2, 3], 60).await;
        let evidence = net.nodes[1].store.evidence();
        let twin = net.nodes[0].signer.public_key();
        assert!(!evidence.is_empty());
        for evidence in evidence {
            assert_eq!(evidence.validator, twin);
            assert_ne!(evidence.first, evidence.second);
        }
    });
}

/// Goal: a damaged log stops a validator for good instead of letting it guess. Method: damage
/// the log between a crash and the next boot, in the middle of a height.
#[test]
fn a_damaged_log_is_reported_as_a_hang() {
    simulate(async {
        let mut net = Net::new(18, 4, LinkModel::default());
        net.boot_all().await;
        net.reach(&[0, 1, 2, 3], 3).await;
        // Without a quorum the log of the height under way fills with votes.
        net.crash(2).await;
        net.crash(3).await;
        tokio::time::sleep(Duration::from_secs(10)).await;
        net.crash(0).await;
        assert!(net.nodes[0].wal.damage());
        net.boot(0).await;
        let reason = net.wait(0).await;
        assert!(
            matches!(reason, allod_consensus::StopReason::EngineHung),
            "{reason}"
        );
    });
}

/// Goal: a failing application stops its node with that reason, and only its node. Method: its
/// disk fails at the next commit.
#[test]
fn a_failing_application_stops_its_node() {
    simulate(async {
        let mut net = Net::new(19, 4, LinkModel::default());
        net.boot_all().await;
        net.reach(&[0, 1, 2, 3], 3).await;
        net.nodes[1].store.fail_commits();
        let reason = net.wait(1).await;
        assert!(
            matches!(reason, allod_consensus::StopReason::Application(_)),
            "{reason}"
        );
        net.reach(&[0, 2, 3], 10).await;
        net.assert_agreement();
    });
}

/// Goal: damaged and forged messages cost nothing but time. Method: one message in twenty
/// arrives damaged, on every link, status and synchronisation included.
#[test]
fn damaged_messages_do_not_stop_or_fork_the_chain() {
    simulate(async {
        let links = LinkModel {
            corruption: 0.05,
            loss: 0.02,
            ..LinkModel::default()
        };
        let mut net = Net::new(20, 4, links);
        net.nodes
            .iter()
            .for_each(|node| node.store.set_payload(vec![9; 200_000]));
        net.boot_all().await;
        net.reach(&[0, 1, 2, 3], 10).await;
        net.crash(3).await;
        net.reach(&[0, 1, 2], 30).await;
        net.boot(3).await;
        net.reach(&[0, 1, 2, 3], 45).await;
        net.assert_agreement();
    });
}

/// Goal: who watches over a node learns that its application hangs, though everything else goes on.
/// Method: real threads and time; a commit that waits for the test.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn an_application_that_hangs_answers_no_pulse() {
    let mut net = Net::new(24, 1, LinkModel::default());
    net.boot(0).await;
    net.reach(&[0], 2).await;
    let pulse = net.pulse(0);
    assert!(pulse.beats().await, "an application that works");
    let (hold, hangs) = net.nodes[0].store.hold_a_commit();
    hangs.await.unwrap();
    let answer = tokio::time::timeout(Duration::from_millis(300), pulse.beats()).await;
    assert!(answer.is_err(), "it hangs: {answer:?}");
    drop(hold);
    assert!(pulse.beats().await, "it goes on");
    net.crash(0).await;
    assert!(!pulse.beats().await, "it ended");
}
