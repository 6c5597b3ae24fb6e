//! What the node counts, in OpenMetrics text. Names follow Prometheus' conventions: base units as
//! suffix, `_total` for counters; docs/node.md lists what matters, and `packaging/` has dashboards
//! and alerts made of them.

mod blocks;
mod process;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use self::blocks::Blocks;
use self::process::Process;
use super::shared::Shared;
use crate::ledger::Committed;
use crate::limits::POOL_BYTES_MAX;
use crate::mempool::REFUSALS;

type Number = Gauge<u64, AtomicU64>;
type Real = Gauge<f64, AtomicU64>;
/// One label and its value.
type Label = [(&'static str, &'static str); 1];
type Counters = Family<Label, Counter>;

/// The node's counters. Gauges are read from the node when they are asked for.
pub struct Metrics {
    registry: Mutex<Registry>,
    blocks: Blocks,
    pool: Pool,
    peers: Peers,
    disk: Disk,
    process: Process,
    signatures: Counters,
    state_keys: Number,
    ready: Number,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        let process = Process::new(&mut registry);
        let r = registry.sub_registry_with_prefix("allod");
        let build = Family::<Label, Number>::default();
        build
            .get_or_create(&[("version", env!("CARGO_PKG_VERSION"))])
            .set(1);
        r.register("build_info", "Always 1; the version is a label", build);
        let signatures = Counters::default();
        let help =
            "Signatures judged: in batches, one by one, or remembered and not verified again";
        r.register("signatures_verified", help, signatures.clone());
        Self {
            blocks: Blocks::new(r),
            pool: Pool::new(r),
            peers: Peers::new(r),
            disk: Disk::new(r),
            process,
            signatures,
            state_keys: gauge(r, "state_keys", "Keys of the state"),
            ready: gauge(
                r,
                "ready",
                "1 if clients should be sent here, as /ready says",
            ),
            registry: Mutex::new(registry),
        }
    }
}

fn gauge(registry: &mut Registry, name: &str, help: &str) -> Number {
    let metric = Number::default();
    registry.register(name, help, metric.clone());
    metric
}

fn gauge_of(registry: &mut Registry, name: &str, unit: Unit, help: &str) -> Number {
    let metric = Number::default();
    registry.register_with_unit(name, help, unit, metric.clone());
    metric
}

fn counter(registry: &mut Registry, name: &str, help: &str) -> Counter {
    let metric = Counter::default();
    registry.register(name, help, metric.clone());
    metric
}

fn histogram(r: &mut Registry, name: &str, unit: Unit, help: &str, buckets: &[f64]) -> Histogram {
    let metric = Histogram::new(buckets.iter().copied());
    r.register_with_unit(name, help, unit, metric.clone());
    metric
}

/// Lets a counter show what is counted elsewhere and only ever grows.
fn show(counters: &Counters, label: Label, value: u64) {
    let counter = counters.get_or_create(&label);
    counter.inner().store(value, Ordering::Relaxed);
}

impl Metrics {
    /// Counts a committed block.
    pub(super) fn committed(&self, node: &Shared, committed: &Committed<'_>) {
        self.blocks.committed(node, committed);
    }

    /// Counts a proof of double signing.
    pub(super) fn evidence(&self) {
        self.blocks.evidence.inc();
    }

    /// Notes when the process began.
    pub(super) fn began(&self, ms: u64) {
        self.process.start.set(seconds(ms));
    }

    /// Returns everything as text, consensus' own metrics included.
    pub(super) fn text(&self, node: &Shared) -> String {
        let chain = node.chain();
        self.process.update();
        self.blocks.update(node);
        self.pool.update(node);
        self.peers.update(node);
        self.disk.update(node);
        self.ready.set(node.is_ready().into());
        let keys = chain.with_tree(|tree| tree.at(tree.newest()).map(|view| view.key_count()));
        self.state_keys.set(keys.unwrap_or(0));
        let counts = chain.signatures().counts();
        let how = [
            ("batched", &counts.batched),
            ("single", &counts.single),
            ("remembered", &counts.remembered),
        ];
        for (how, count) in how {
            let count = count.load(Ordering::Relaxed);
            show(&self.signatures, [("how", how)], count);
        }
        let mut text = String::new();
        encode(&mut text, &self.registry.lock()).expect("writing to a string does not fail");
        let own = text.trim_end().trim_end_matches("# EOF").to_owned();
        own + &allod_consensus::metrics()
    }
}

/// Milliseconds since the epoch are far below 2^53.
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

/// What waits for a block.
#[derive(Debug)]
struct Pool {
    transactions: Family<Label, Number>,
    size: Number,
    rejections: Counters,
}

impl Pool {
    fn new(r: &mut Registry) -> Self {
        let transactions = Family::default();
        let help = "Transactions that wait: ready for a block, or future, that is, for others";
        r.register("mempool_transactions", help, transactions.clone());
        let rejections = Counters::default();
        let help = "Transactions submitted to this node that it did not take, by reason";
        r.register("mempool_rejections", help, rejections.clone());
        let help = "Bytes that waiting transactions may have, rescues aside";
        let limit = gauge_of(r, "mempool_limit", Unit::Bytes, help);
        limit.set(POOL_BYTES_MAX as u64);
        Self {
            size: gauge_of(
                r,
                "mempool_size",
                Unit::Bytes,
                "Bytes of waiting transactions",
            ),
            transactions,
            rejections,
        }
    }

    fn update(&self, node: &Shared) {
        let size = node.mempool().size();
        for (state, count) in [("ready", size.ready), ("future", size.future)] {
            let gauge = self.transactions.get_or_create(&[("state", state)]);
            gauge.set(count as u64);
        }
        self.size.set(size.bytes as u64);
        let refused = node.mempool().refused();
        for (reason, count) in REFUSALS.into_iter().zip(refused) {
            show(&self.rejections, [("reason", reason)], count);
        }
    }
}

/// Whom the node is connected to.
#[derive(Debug)]
struct Peers {
    connected: Number,
    admitted: Number,
    validators: Number,
    validators_connected: Number,
    quorum: Number,
    active: Number,
    signer: Number,
}

impl Peers {
    fn new(r: &mut Registry) -> Self {
        let connected = "Validators of the set that this node is connected to, itself included";
        let quorum = "1 if this node and the validators it is connected to are a quorum";
        let active = "1 if the key of this node is in the validator set";
        let signer = "0 if what signs for this validator is away: it keeps silent";
        Self {
            connected: gauge(r, "peers_connected", "Peers connected for transactions"),
            admitted: gauge(
                r,
                "peers_admitted",
                "Peers that the state admits, this one included",
            ),
            validators: gauge(r, "validators", "Validators of the set"),
            validators_connected: gauge(r, "validators_connected", connected),
            quorum: gauge(r, "quorum_connected", quorum),
            active: gauge(r, "validator_active", active),
            signer: gauge(r, "signer_reachable", signer),
        }
    }

    fn update(&self, node: &Shared) {
        self.signer.set(node.is_signer_reachable().into());
        self.connected.set(node.connected().len() as u64);
        self.admitted.set(node.admitted().len() as u64);
        let Some(seen) = node.validators_seen() else {
            return;
        };
        self.validators.set(seen.all as u64);
        self.validators_connected.set(seen.connected as u64);
        self.quorum.set(seen.is_quorum.into());
        self.active.set(seen.is_member.into());
    }
}

/// Where the database lies.
#[derive(Debug)]
struct Disk {
    database: Number,
    free: Number,
    size: Number,
}

impl Disk {
    fn new(r: &mut Registry) -> Self {
        let free = "Bytes of the data directory's file system that the node may still use";
        let size = "Bytes of the data directory's file system";
        Self {
            database: gauge_of(
                r,
                "database_size",
                Unit::Bytes,
                "Bytes of the database's files",
            ),
            free: gauge_of(r, "disk_free", Unit::Bytes, free),
            size: gauge_of(r, "disk_size", Unit::Bytes, size),
        }
    }

    fn update(&self, node: &Shared) {
        let store = node.chain().store();
        self.database.set(store.disk_bytes());
        if let Some(space) = store.disk_space() {
            self.free.set(space.free_bytes);
            self.size.set(space.size_bytes);
        }
    }
}
