//! Committing decided blocks.

use allod_consensus::BlockLoad;
use allod_primitives::{Block, Certificate, H256, Height, ValidatorSet, decode_strict};
use allod_runtime::executive::Executed;
use allod_runtime::frame::wire::Phase;
use allod_runtime::tree::Preview;
use allod_runtime::{RuntimeEvent, did};

use super::application::{Committed, Ledger, Outcome};
use super::chain::{Chain, Halt};
use crate::limits::{TREE_NODES_MAX, TREE_VERSIONS_MIN};
use crate::mempool::Included;
use crate::storage::{CommitInput, LoggedEntry};

impl Ledger {
    pub(super) fn try_commit(
        &mut self,
        hash: H256,
        certificate: &Certificate,
    ) -> Result<BlockLoad, Halt> {
        let height = certificate.height;
        let outcome = match self.outcomes.remove(&hash) {
            Some(outcome) => outcome,
            None => self.recover(height, hash)?,
        };
        let Outcome {
            block,
            executed,
            preview,
        } = outcome;
        let logged = logged(&executed);
        let sets = [executed.next_sets.0.clone(), executed.next_sets.1.clone()];
        let known = (
            block.header.digest.validator_set,
            block.header.digest.next_validator_set,
        );
        let new = sets
            .iter()
            .filter(|set| ![known.0, known.1].contains(&set.hash()));
        let new: Vec<ValidatorSet> = new.cloned().collect();
        let chain = self.parts.chain.clone();
        // Each of these is one step.
        let step = || chain.progress.step();
        step();
        chain.store.commit(&CommitInput {
            block: &block,
            hash,
            certificate,
            changes: &executed.changes,
            scratch: &executed.scratch,
            logged: &logged,
            sets: &new,
        })?;
        step();
        chain.store.prune()?;
        step();
        let oldest = chain.store.reader().oldest()?;
        commit_tree(&chain, height, preview, oldest)?;
        step();
        let [current, next] = sets;
        self.next_sets = (current, next);
        self.outcomes.clear();
        self.built = None;
        let included = (0u32..).zip(&executed.results);
        let included = included.map(|(index, result)| Included {
            hash: result.hash,
            index,
        });
        let included: Vec<Included> = included.skip(1).collect();
        self.parts
            .mempool
            .on_block(height, hash, &included, executed.changes.keys());
        (self.parts.on_commit)(Committed {
            block: &block,
            hash,
            executed: &executed,
            certificate,
        });
        chain.executive().due(&chain.store.state(), height.next())?;
        Ok(match included.is_empty() {
            true => BlockLoad::Empty,
            false => BlockLoad::Useful,
        })
    }

    /// Finds a decided block on disk: after a restart its outcome is not in memory.
    fn recover(&self, height: Height, hash: H256) -> Result<Outcome, Halt> {
        let undecided = self.parts.chain.store.reader().undecided(height)?;
        let found = undecided.into_iter().find(|(found, _)| *found == hash);
        let (_, bytes) = found.ok_or(Halt::DecidedUnknown { height, hash })?;
        let invalid = |reason: String| Halt::DecidedInvalid {
            height,
            hash,
            reason,
        };
        let block: Block = decode_strict(&bytes).map_err(|error| invalid(error.to_string()))?;
        self.check_place(height, &block.header).map_err(invalid)?;
        self.execute(block).map_err(invalid)
    }
}

/// Moves the tree on. Versions below `oldest` go; so do others, down to a minimum, when the tree
/// grows beyond its memory.
fn commit_tree(
    chain: &Chain,
    height: Height,
    preview: Preview,
    oldest: Height,
) -> Result<(), Halt> {
    let mut tree = chain.tree.write();
    let committed = tree.commit(height, preview);
    committed.map_err(|error| Halt::Bug(format!("state tree: {error}")))?;
    tree.prune_below(oldest);
    let (inner, leaves) = tree.node_counts();
    if inner.saturating_add(leaves) > TREE_NODES_MAX {
        let least = Height(height.0.saturating_sub(TREE_VERSIONS_MIN));
        tree.prune_below(least);
    }
    Ok(())
}

/// Returns the log entries of a block's events.
fn logged(executed: &Executed) -> Vec<LoggedEntry> {
    let entries = executed.events.iter().filter_map(|record| {
        let RuntimeEvent::Did(did::Event::Logged { did, entry, stated }) = &record.event else {
            return None;
        };
        let extrinsic = match record.phase {
            Phase::ApplyExtrinsic(index) => Some(index),
            _ => None,
        };
        Some(LoggedEntry::new(*did, *entry, extrinsic, stated.clone()))
    });
    entries.collect()
}
