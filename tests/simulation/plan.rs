//! Everything that happens to a network, drawn from one number.

use std::time::Duration;

use allod_consensus::sim::LinkModel;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Something that goes wrong at a given time, and comes right again after a while.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// Nodes crash, lose every unsynced write, and are started again.
    /// The unlucky one among them may lose its consensus log with it.
    Crash {
        nodes: Vec<usize>,
        down: Duration,
        log_lost: Option<usize>,
    },
    /// These nodes hear only each other, on both networks.
    Partition { side: Vec<usize>, lasts: Duration },
    /// A node's clock is off by this much from now on.
    Clock { node: usize, offset_ms: i64 },
    /// A node's disk takes no more writes; the node stops, and is started again with room.
    DiskFull { node: usize, lasts: Duration },
}

/// One run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) nodes: usize,
    pub(crate) clients: usize,
    pub(crate) links: LinkModel,
    /// For how long faults begin; then everything heals.
    pub(crate) chaos: Duration,
    /// Sorted by time.
    pub(crate) faults: Vec<(Duration, Fault)>,
    /// Whether disks forget to sync: the safeguard whose absence must be noticed.
    pub(crate) syncs_ignored: bool,
    /// Whether validators sign whatever they are asked to: another such safeguard.
    pub(crate) guards_off: bool,
}

/// Returns a generator of its own for each purpose, so that one more draw for one purpose does
/// not change the others.
pub(crate) fn rng(seed: u64, purpose: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(purpose);
    rng
}

impl Plan {
    /// Returns a run in which nothing goes wrong.
    pub(crate) fn calm(seed: u64, nodes: usize) -> Self {
        Self {
            seed,
            nodes,
            clients: 5,
            links: LinkModel::default(),
            chaos: Duration::from_secs(10),
            faults: Vec::new(),
            syncs_ignored: false,
            guards_off: false,
        }
    }

    /// Draws a run: four nodes, or seven for one seed in four.
    pub(crate) fn draw(seed: u64) -> Self {
        let mut rng = rng(seed, 0);
        let nodes = if seed % 4 == 3 { 7 } else { 4 };
        let slowest = rng.gen_range(4..60);
        let links = LinkModel {
            latency: Duration::from_millis(1)..=Duration::from_millis(slowest),
            loss: rng.gen_range(0.0..0.05),
            duplication: rng.gen_range(0.0..0.05),
            corruption: rng.gen_range(0.0..0.01),
        };
        let count = rng.gen_range(3..9);
        let chaos = Duration::from_secs(30);
        // What makes a node faulty rather than unfortunate happens to one node of a run: four
        // nodes promise to bear one, and no more.
        let unlucky = rng.gen_range(0..nodes);
        let mut faults: Vec<(Duration, Fault)> = (0..count)
            .map(|_| {
                let at = Duration::from_millis(rng.gen_range(500..30_000));
                (at, draw_fault(nodes, unlucky, &mut rng))
            })
            .collect();
        for node in 0..nodes {
            let offset_ms = rng.gen_range(-1500..1500);
            faults.push((Duration::ZERO, Fault::Clock { node, offset_ms }));
        }
        faults.sort_by_key(|(at, _)| *at);
        Self {
            links,
            chaos,
            faults,
            ..Self::calm(seed, nodes)
        }
    }

    /// Draws a run in which one node crashes again and again, mostly in the middle of a round,
    /// and loses its log each time.
    pub(crate) fn forgetful(seed: u64) -> Self {
        let mut rng = rng(seed, 0);
        let mut plan = Self::calm(seed, 4);
        plan.chaos = Duration::from_secs(30);
        plan.links.latency = Duration::from_millis(20)..=Duration::from_millis(80);
        let crash = |n: u64| {
            let at = Duration::from_millis(1000 * n + rng.gen_range(0..900));
            let crash = Fault::Crash {
                nodes: vec![0],
                down: Duration::from_millis(20),
                log_lost: Some(0),
            };
            (at, crash)
        };
        plan.faults = (1..30).map(crash).collect();
        plan
    }

    /// Draws a run in which time jumps: the clocks of all four nodes go forward together by up to an
    /// hour, thirteen times, each node at a moment of its own; one *villain* moreover is off by
    /// hours, ahead or behind, half of the time; and a node crashes now and then. In sum less than
    /// the clients' messages are valid.
    pub(crate) fn jumping(seed: u64) -> Self {
        let mut rng = rng(seed, 0);
        let mut plan = Self::calm(seed, 4);
        plan.chaos = Duration::from_secs(30);
        plan.links.latency = Duration::from_millis(1)..=Duration::from_millis(rng.gen_range(4..60));
        let villain = rng.gen_range(0..4);
        let mut ahead_ms = 0;
        for jump in 1..=13 {
            ahead_ms += rng.gen_range(1..3_600_000);
            let at = Duration::from_millis(2200 * jump);
            // Mostly as one launcher tells its nodes, sometimes as four operators would.
            let spread = if rng.gen_bool(0.7) { 20 } else { 1500 };
            for node in 0..4 {
                let at = at + Duration::from_millis(rng.gen_range(0..spread));
                let wrong = node == villain && rng.gen_bool(0.5);
                let off_ms = if wrong {
                    rng.gen_range(-21_600_000..21_600_000)
                } else {
                    0
                };
                let offset_ms = ahead_ms + off_ms;
                plan.faults.push((at, Fault::Clock { node, offset_ms }));
            }
            if rng.gen_bool(0.3) {
                let crash = Fault::Crash {
                    nodes: vec![rng.gen_range(0..4)],
                    down: Duration::from_millis(rng.gen_range(100..1500)),
                    log_lost: None,
                };
                plan.faults
                    .push((at + Duration::from_millis(rng.gen_range(0..100)), crash));
            }
        }
        plan.faults.sort_by_key(|(at, _)| *at);
        plan
    }

    /// Draws a run in which all nodes crash at once, `times` times, and nothing else happens.
    pub(crate) fn all_crash(seed: u64, times: u32) -> Self {
        let mut rng = rng(seed, 0);
        let mut plan = Self::calm(seed, 4);
        plan.chaos = Duration::from_secs(4) * (times + 1);
        let crash = |n: u32| {
            let at = Duration::from_secs(4) * n + Duration::from_millis(rng.gen_range(0..900));
            let crash = Fault::Crash {
                nodes: (0..4).collect(),
                down: Duration::from_millis(500),
                log_lost: None,
            };
            (at, crash)
        };
        plan.faults = (1..=times).map(crash).collect();
        plan
    }
}

fn draw_fault(nodes: usize, unlucky: usize, rng: &mut ChaCha8Rng) -> Fault {
    let mut order: Vec<usize> = (0..nodes).collect();
    order.shuffle(rng);
    match rng.gen_range(0..10) {
        0..5 => {
            // Three crashes in ten take down two nodes, one in twenty all of them.
            let count = match rng.gen_range(0..20) {
                0 => nodes,
                1..7 => 2,
                _ => 1,
            };
            order.truncate(count);
            Fault::Crash {
                log_lost: Some(unlucky).filter(|it| order.contains(it) && rng.gen_bool(0.5)),
                nodes: order,
                down: Duration::from_millis(rng.gen_range(100..5000)),
            }
        }
        5..8 => {
            order.truncate(rng.gen_range(1..=nodes / 2));
            let lasts = Duration::from_millis(rng.gen_range(300..6000));
            Fault::Partition { side: order, lasts }
        }
        8 => Fault::Clock {
            node: unlucky,
            offset_ms: rng.gen_range(-20_000..20_000),
        },
        _ => Fault::DiskFull {
            node: order[0],
            lasts: Duration::from_millis(rng.gen_range(500..4000)),
        },
    }
}
