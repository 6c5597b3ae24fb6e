//! What became final, and whose turn it was.

use std::sync::atomic::{AtomicU64, Ordering};

use allod_consensus::proposer_index;
use allod_primitives::TimeMs;
use allod_runtime::authority;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::{Number, Real, counter, gauge, histogram, seconds};
use crate::ledger::Committed;
use crate::limits::ROUNDS_COUNTED_MAX;
use crate::node::shared::Shared;

/// Final blocks.
#[derive(Debug)]
pub(super) struct Blocks {
    height: Number,
    round: Number,
    time: Real,
    interval: Histogram,
    size: Histogram,
    rounds_failed: Counter,
    proposals: Counter,
    proposals_missed: Counter,
    transactions: Counter,
    items: Counter,
    failed: Counter,
    pub(super) evidence: Counter,
    last_time: AtomicU64,
}

impl Blocks {
    pub(super) fn new(r: &mut Registry) -> Self {
        let time = Gauge::default();
        let help = "Time of the newest final block, since the epoch";
        r.register_with_unit("last_block_timestamp", help, Unit::Seconds, time.clone());
        let interval = [0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0];
        let bytes = [1e3, 1e4, 1e5, 3e5, 1e6, 2e6, 4e6];
        let interval_help = "Time between blocks, by their headers";
        let size_help = "Bytes of a block's extrinsics";
        let missed = "Rounds without a decision in which it was this validator's turn";
        Self {
            height: gauge(r, "block_height", "Height of the newest final block"),
            round: gauge(
                r,
                "block_round",
                "Round in which it was decided; 0 is the first",
            ),
            time,
            interval: histogram(r, "block_interval", Unit::Seconds, interval_help, &interval),
            size: histogram(r, "block_size", Unit::Bytes, size_help, &bytes),
            rounds_failed: counter(r, "block_rounds_failed", "Rounds without a decision"),
            proposals: counter(
                r,
                "proposals",
                "Final blocks whose turn was this validator's",
            ),
            proposals_missed: counter(r, "proposals_missed", missed),
            transactions: counter(r, "transactions", "Extrinsics in final blocks"),
            items: counter(r, "transaction_items", "Items they attempted"),
            failed: counter(
                r,
                "transactions_failed",
                "Extrinsics that failed in dispatch",
            ),
            evidence: counter(r, "evidence", "Proofs of double signing seen"),
            last_time: AtomicU64::new(0),
        }
    }

    pub(super) fn committed(&self, node: &Shared, committed: &Committed<'_>) {
        let header = &committed.block.header;
        let TimeMs(time) = header.digest.time;
        let last = self.last_time.swap(time, Ordering::Relaxed);
        if last > 0 {
            self.interval.observe(seconds(time.saturating_sub(last)));
        }
        let bytes: usize = committed.block.extrinsics.iter().map(Vec::len).sum();
        self.size.observe(bytes as f64);
        for result in committed.executed.results.iter().skip(1) {
            self.transactions.inc();
            self.items.inc_by(result.items.into());
            if result.outcome.is_err() {
                self.failed.inc();
            }
        }
        self.round.set(committed.certificate.round.into());
        self.rounds_failed
            .inc_by(committed.certificate.round.into());
        self.turns(node, committed);
    }

    /// Counts the rounds in which it was this validator's turn.
    fn turns(&self, node: &Shared, committed: &Committed<'_>) {
        let state = node.chain().store().state();
        let sets = authority::validator_sets(&state);
        let Some((key, (set, _))) = node.validator().zip(sets) else {
            return;
        };
        let Some(own) = set.position(&key) else {
            return;
        };
        let height = committed.block.header.number;
        let decided = committed.certificate.round;
        if proposer_index(&set, height, decided) == own {
            self.proposals.inc();
        }
        let rounds = decided.saturating_sub(ROUNDS_COUNTED_MAX)..decided;
        let missed = rounds.filter(|round| proposer_index(&set, height, *round) == own);
        self.proposals_missed.inc_by(missed.count() as u64);
    }

    pub(super) fn update(&self, node: &Shared) {
        let tip = node.chain().store().tip();
        self.height.set(tip.height().0);
        self.time.set(seconds(tip.header.digest.time.0));
    }
}
