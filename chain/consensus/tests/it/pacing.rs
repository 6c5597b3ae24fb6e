//! Blocks on demand, in virtual time.

use std::time::Duration;

use allod_consensus::sim::LinkModel;

use crate::net::{Net, simulate};

fn gaps(net: &Net) -> Vec<Duration> {
    let times = net.nodes[0].store.times();
    times.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

/// Goal: an idle chain beats from 1 s to 5 s. Method: no work for two minutes; measure.
#[test]
fn an_idle_chain_slows_down_to_its_longest_heartbeat() {
    simulate(async {
        let mut net = Net::new(21, 4, LinkModel::default());
        net.work.set(false);
        net.nodes
            .iter()
            .for_each(|node| node.store.take_work_from(&net.work));
        net.boot_all().await;
        tokio::time::sleep(Duration::from_secs(120)).await;
        let gaps = gaps(&net);
        let near = |gap: Duration, s: u64| gap.abs_diff(Duration::from_secs(s)).as_millis() < 150;
        for (gap, expected) in gaps.iter().zip([1, 2, 4, 5, 5, 5, 5]) {
            assert!(near(*gap, expected), "{gaps:?}");
        }
        net.assert_agreement();
    });
}

/// Goal: the first block after idle comes at once, then the heartbeat starts over. Method: give
/// work once in the middle of a pause.
#[test]
fn work_ends_an_idle_pause_at_once() {
    simulate(async {
        let mut net = Net::new(22, 4, LinkModel::default());
        net.work.set(false);
        net.nodes
            .iter()
            .for_each(|node| node.store.take_work_from(&net.work));
        net.boot_all().await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        net.reach(&[0, 1, 2, 3], net.nodes[0].store.height() + 1)
            .await;
        tokio::time::sleep(Duration::from_secs(3)).await;

        let before = net.nodes[0].store.height();
        let start = tokio::time::Instant::now();
        net.work.set(true);
        net.reach(&[0, 1, 2, 3], before + 1).await;
        assert!(
            start.elapsed() < Duration::from_millis(100),
            "{:?}",
            start.elapsed()
        );
        net.reach(&[0, 1, 2, 3], before + 2).await;
        let beat = start.elapsed();
        assert!(
            beat > Duration::from_millis(800) && beat < Duration::from_millis(1500),
            "{beat:?}"
        );
    });
}

/// Goal: a busy chain keeps its least spacing. Method: work all the time; measure.
#[test]
fn a_busy_chain_keeps_its_least_spacing() {
    simulate(async {
        let mut net = Net::new(23, 4, LinkModel::default());
        net.boot_all().await;
        net.reach(&[0, 1, 2, 3], 30).await;
        let gaps = gaps(&net);
        let mean = gaps.iter().sum::<Duration>() / gaps.len() as u32;
        assert!(
            mean.abs_diff(Duration::from_millis(200)) < Duration::from_millis(20),
            "{mean:?}"
        );
    });
}
