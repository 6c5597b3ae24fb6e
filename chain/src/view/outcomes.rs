//! How extrinsics ended, read from the events of their blocks.

use std::collections::BTreeMap;
use std::sync::Arc;

use allod_primitives::{H256, Height, decode_strict};
use allod_rpc::fault;
use allod_rpc::view::{Fault, Finalized};
use allod_runtime::RuntimeEvent;
use allod_runtime::frame::wire::{EventRecord, Phase};
use allod_runtime::system::{self, storage::EVENTS};
use parking_lot::Mutex;

use crate::ledger::Chain;

/// Blocks whose outcomes are remembered: those that finish just now.
const REMEMBERED_MAX: usize = 4;

/// How one extrinsic ended.
#[derive(Clone, Debug, Default)]
struct Outcome {
    failure: Option<Fault>,
    item_failures: Vec<(u32, Fault)>,
}

/// The outcomes of one block that are not plain success, by index of the extrinsic.
type BlockOutcomes = Arc<BTreeMap<u32, Outcome>>;

/// Outcomes of blocks. Those of the last few are kept, since all watchers of a block ask at once.
#[derive(Debug)]
pub(super) struct Outcomes {
    chain: Arc<Chain>,
    recent: Mutex<Vec<(H256, BlockOutcomes)>>,
}

impl Outcomes {
    pub(super) fn new(chain: Arc<Chain>) -> Self {
        Self {
            chain,
            recent: Mutex::default(),
        }
    }

    /// Returns how extrinsic `index` of the finalized `block` ended.
    pub(super) fn finalized(&self, block: H256, height: Height, index: u32) -> Finalized {
        let Some(outcomes) = self.of(block, height) else {
            return super::unknown_outcome(block, height, index);
        };
        let outcome = outcomes.get(&index).cloned().unwrap_or_default();
        Finalized {
            block,
            height,
            index,
            failure: outcome.failure,
            item_failures: outcome.item_failures,
        }
    }

    fn of(&self, block: H256, height: Height) -> Option<BlockOutcomes> {
        // The lock is held while reading, so that a block's events are decoded once.
        let mut recent = self.recent.lock();
        if let Some((_, found)) = recent.iter().find(|(hash, _)| *hash == block) {
            return Some(found.clone());
        }
        let reader = self.chain.store().reader();
        let bytes = reader.scratch(height, &EVENTS.key()).ok()??;
        let events: Vec<EventRecord<RuntimeEvent, H256>> = decode_strict(&bytes).ok()?;
        let outcomes = Arc::new(collect(&events));
        if recent.len() >= REMEMBERED_MAX {
            recent.remove(0);
        }
        recent.push((block, outcomes.clone()));
        Some(outcomes)
    }
}

fn collect(events: &[EventRecord<RuntimeEvent, H256>]) -> BTreeMap<u32, Outcome> {
    let mut outcomes: BTreeMap<u32, Outcome> = BTreeMap::new();
    for record in events {
        let Phase::ApplyExtrinsic(index) = record.phase else {
            continue;
        };
        if let RuntimeEvent::System(system::Event::ExtrinsicFailed { dispatch_error, .. }) =
            &record.event
        {
            outcomes.entry(index).or_default().failure = Some(fault::dispatch(dispatch_error));
        }
        if let Some(failed) = fault::item_failure(&record.event) {
            outcomes
                .entry(index)
                .or_default()
                .item_failures
                .push(failed);
        }
    }
    outcomes
}
