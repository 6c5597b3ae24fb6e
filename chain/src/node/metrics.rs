//! What the node counts, in OpenMetrics text.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use allod_primitives::TimeMs;
use parking_lot::Mutex;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::shared::Shared;
use crate::ledger::Committed;

type Number = Gauge<u64, AtomicU64>;

/// The node's counters. Gauges are read from the node when they are asked for.
pub struct Metrics {
    registry: Mutex<Registry>,
    height: Number,
    round: Number,
    block_interval: Histogram,
    block_bytes: Histogram,
    transactions: Counter,
    items: Counter,
    failed: Counter,
    evidence: Counter,
    pool_ready: Number,
    pool_future: Number,
    pool_bytes: Number,
    peers: Number,
    state_keys: Number,
    database_bytes: Number,
    signatures_batched: Number,
    signatures_single: Number,
    signatures_remembered: Number,
    tip_age_ms: Number,
    last_time: AtomicU64,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("allod");
        let r = &mut registry;
        let interval = [0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0];
        let interval_help = "Time between blocks, by their headers";
        let bytes = [1e3, 1e4, 1e5, 3e5, 1e6, 2e6, 4e6];
        let remembered = "Signatures not verified again, being remembered";
        Self {
            height: gauge(r, "height", "Height of the newest final block"),
            round: gauge(r, "round", "Round in which it was decided"),
            block_interval: histogram(r, "block_interval_seconds", interval_help, &interval),
            block_bytes: histogram(r, "block_bytes", "Bytes of a block's extrinsics", &bytes),
            transactions: counter(r, "transactions", "Extrinsics in final blocks"),
            items: counter(r, "items", "Items they attempted"),
            failed: counter(
                r,
                "transactions_failed",
                "Extrinsics that failed in dispatch",
            ),
            evidence: counter(r, "evidence", "Proofs of double signing seen"),
            pool_ready: gauge(r, "mempool_ready", "Transactions that may be in a block"),
            pool_future: gauge(r, "mempool_future", "Transactions that wait for others"),
            pool_bytes: gauge(r, "mempool_bytes", "Bytes of waiting transactions"),
            peers: gauge(r, "peers", "Peers connected for transactions"),
            state_keys: gauge(r, "state_keys", "Keys of the state"),
            database_bytes: gauge(r, "database_bytes", "Bytes of the database's files"),
            signatures_batched: gauge(r, "signatures_batched", "Signatures verified in batches"),
            signatures_single: gauge(r, "signatures_single", "Signatures verified one by one"),
            signatures_remembered: gauge(r, "signatures_remembered", remembered),
            tip_age_ms: gauge(r, "tip_age_milliseconds", "Age of the newest final block"),
            last_time: AtomicU64::new(0),
            registry: Mutex::new(registry),
        }
    }
}

fn gauge(registry: &mut Registry, name: &str, help: &str) -> Number {
    let metric = Number::default();
    registry.register(name, help, metric.clone());
    metric
}

fn counter(registry: &mut Registry, name: &str, help: &str) -> Counter {
    let metric = Counter::default();
    registry.register(name, help, metric.clone());
    metric
}

fn histogram(registry: &mut Registry, name: &str, help: &str, buckets: &[f64]) -> Histogram {
    let metric = Histogram::new(buckets.iter().copied());
    registry.register(name, help, metric.clone());
    metric
}

impl Metrics {
    /// Counts a committed block.
    pub(super) fn committed(&self, committed: &Committed<'_>) {
        let header = &committed.block.header;
        self.height.set(header.number.0);
        self.round.set(committed.certificate.round.into());
        let TimeMs(time) = header.digest.time;
        let last = self.last_time.swap(time, Ordering::Relaxed);
        if last > 0 {
            // Milliseconds between blocks are far below 2^53.
            self.block_interval
                .observe(time.saturating_sub(last) as f64 / 1000.0);
        }
        let bytes: usize = committed.block.extrinsics.iter().map(Vec::len).sum();
        self.block_bytes.observe(bytes as f64);
        for result in committed.executed.results.iter().skip(1) {
            self.transactions.inc();
            self.items.inc_by(result.items.into());
            if result.outcome.is_err() {
                self.failed.inc();
            }
        }
    }

    /// Counts a proof of double signing.
    pub(super) fn evidence(&self) {
        self.evidence.inc();
    }

    /// Returns everything as text, consensus' own metrics included.
    pub(super) fn text(&self, node: &Shared) -> String {
        let chain = node.chain();
        let tip = chain.store().tip();
        self.height.set(tip.height().0);
        let now = chain.clock().now().0;
        self.tip_age_ms
            .set(now.saturating_sub(tip.header.digest.time.0));
        let pool = node.mempool().size();
        self.pool_ready.set(pool.ready as u64);
        self.pool_future.set(pool.future as u64);
        self.pool_bytes.set(pool.bytes as u64);
        self.peers.set(node.connected().len() as u64);
        let keys = chain.with_tree(|tree| tree.at(tree.newest()).map(|view| view.key_count()));
        self.state_keys.set(keys.unwrap_or(0));
        self.database_bytes.set(chain.store().disk_bytes());
        let counts = chain.signatures().counts();
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        self.signatures_batched.set(load(&counts.batched));
        self.signatures_single.set(load(&counts.single));
        self.signatures_remembered.set(load(&counts.remembered));
        let mut text = String::new();
        encode(&mut text, &self.registry.lock()).expect("writing to a string does not fail");
        let own = text.trim_end().trim_end_matches("# EOF").to_owned();
        own + &allod_consensus::metrics()
    }
}
