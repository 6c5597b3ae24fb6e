//! Building, judging and executing blocks that are not decided yet.

use std::time::Duration;

use allod_consensus::{InvalidBlock, Progress, ProposedBlock, ValidationContext};
use allod_primitives::header::extrinsics_root;
use allod_primitives::limits::BLOCK_SIGNATURE_UNITS_MAX;
use allod_primitives::tree::value_hash;
use allod_primitives::{Block, H256, Header, Height, TimeMs, decode_strict};
use allod_runtime::executive::{self, BlockError, Executed};
use allod_runtime::frame::StateRead;
use allod_runtime::tree::Preview;
use parity_scale_codec::Encode;
use tokio::time::Instant;

use super::application::{Ledger, Outcome};
use super::chain::{Chain, Halt};
use crate::limits::OUTCOMES_MAX;
use crate::storage::State;

/// The state under a block that is at work: each read of it is a step.
struct Stepping<'a>(State<'a>, &'a Progress);

impl StateRead for Stepping<'_> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.1.step();
        self.0.get(key)
    }

    fn next_key(&self, after: &[u8]) -> Option<Vec<u8>> {
        self.1.step();
        self.0.next_key(after)
    }
}

impl Ledger {
    pub(super) fn try_build(&mut self, height: Height) -> Result<ProposedBlock, Halt> {
        if let Some(block) = self.built_before(height) {
            return Ok(block);
        }
        let parent = self.parent();
        let mut limits = self.config.limits;
        limits.items = limits.items.min(self.pace.items);
        let count = limits.extrinsics.min(limits.items as usize);
        let start = Instant::now();
        let candidates = self.parts.mempool.candidates(count, limits.bytes);
        let candidates = candidates.iter().map(|bytes| bytes.to_vec());
        let chain = &self.parts.chain;
        let built = {
            let state = Stepping(chain.store.state(), &chain.progress);
            let now = self.now();
            let executive = chain.executive();
            executive.build_block(&state, &parent, now, candidates, &limits, &chain.signatures)
        };
        chain.store.healthy()?;
        let built = built.map_err(halt_of)?;
        for (hash, error) in &built.rejected {
            tracing::debug!(%hash, %error, "a waiting transaction has become invalid");
            self.parts.mempool.reject(hash, *error);
        }
        let preview = preview(chain, &built.executed)?;
        self.pace.measured(items(&built.executed), start.elapsed());
        let proposer = self.config.proposer;
        let header = executive::header(&parent, &built.executed, preview.root(), proposer);
        let hash = header.hash();
        let block = Block {
            header,
            extrinsics: built.extrinsics,
        };
        let bytes = block.encode();
        let executed = built.executed;
        self.remember(
            hash,
            Outcome {
                block,
                executed,
                preview,
            },
        );
        self.built = Some((height, hash));
        Ok(ProposedBlock { hash, bytes })
    }

    /// Returns the block built for an earlier round, unless its time has become too old to be
    /// accepted.
    fn built_before(&self, height: Height) -> Option<ProposedBlock> {
        let (_, hash) = self.built.filter(|(built, _)| *built == height)?;
        let block = &self.outcomes.get(&hash)?.block;
        let age = self.now().0.saturating_sub(block.header.digest.time.0);
        let fresh = u128::from(age) * 2 < self.config.behind_max.as_millis();
        fresh.then(|| ProposedBlock {
            hash,
            bytes: block.encode(),
        })
    }

    fn remember(&mut self, hash: H256, outcome: Outcome) {
        while self.outcomes.len() >= OUTCOMES_MAX
            && let Some(victim) = self.outcomes.keys().next().copied()
        {
            self.outcomes.remove(&victim);
        }
        self.outcomes.insert(hash, outcome);
    }

    pub(super) fn try_validate(
        &mut self,
        height: Height,
        bytes: &[u8],
        context: ValidationContext,
    ) -> Result<H256, InvalidBlock> {
        let malformed = |reason: &str| InvalidBlock::Malformed {
            reason: reason.into(),
        };
        let block: Block = decode_strict(bytes).map_err(|e| malformed(&e.to_string()))?;
        let hash = block.header.hash();
        if extrinsics_root(&block.extrinsics) != block.header.extrinsics_root {
            return Err(malformed(
                "the body is not the one that the header commits to",
            ));
        }
        let refused = |reason: String| InvalidBlock::Refused { hash, reason };
        if context == ValidationContext::FirstProposal {
            self.check_time(block.header.digest.time).map_err(refused)?;
        }
        if !self.outcomes.contains_key(&hash) {
            self.check_place(height, &block.header).map_err(refused)?;
            let start = Instant::now();
            let outcome = self.execute(block).map_err(refused)?;
            self.pace
                .measured(items(&outcome.executed), start.elapsed());
            self.remember(hash, outcome);
        }
        Ok(hash)
    }

    fn check_time(&self, time: TimeMs) -> Result<(), String> {
        let now = self.now();
        let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        if time > now.plus_ms(ms(self.config.ahead_max)) {
            return Err(format!("time {time} is ahead of this node's clock {now}"));
        }
        if now > time.plus_ms(ms(self.config.behind_max)) {
            return Err(format!("time {time} is behind this node's clock {now}"));
        }
        Ok(())
    }

    pub(super) fn check_place(&self, height: Height, header: &Header) -> Result<(), String> {
        let tip = self.parts.chain.store.tip();
        if header.number != height || height != tip.height().next() {
            return Err(format!("number {} where {height} is due", header.number));
        }
        if header.parent_hash != tip.hash {
            return Err(format!(
                "parent {} is not the tip {}",
                header.parent_hash, tip.hash
            ));
        }
        if self.next_sets.0.position(&header.proposer).is_none() {
            return Err(format!("proposer {} is no validator", header.proposer));
        }
        Ok(())
    }

    /// Executes a block on the tip and compares the result with its header, field by field by
    /// making the header anew.
    pub(super) fn execute(&self, block: Block) -> Result<Outcome, String> {
        let chain = &self.parts.chain;
        let parent = self.parent();
        let state = Stepping(chain.store.state(), &chain.progress);
        let executive = chain.executive();
        let view = executive.view(&state, &parent, block.header.digest.time);
        let checks = block.extrinsics.iter();
        // No more than a valid block has: what an invalid one has beyond that is for nobody to check.
        let checks = checks.flat_map(|body| view.signature_checks(body));
        let checks = checks.take(BLOCK_SIGNATURE_UNITS_MAX as usize);
        chain.signatures.prepare(&checks.collect::<Vec<_>>());
        let executed =
            executive.execute_block(&state, &parent, &block.extrinsics, &chain.signatures);
        drop(state);
        if let Err(error) = chain.store.healthy() {
            self.halt(error.into());
            return Err("the database failed".into());
        }
        let executed = executed.map_err(|error| {
            if let BlockError::UpgradeRequired(upgrade) = error {
                self.halt(upgrade.into());
            }
            error.to_string()
        })?;
        let preview = preview(chain, &executed).map_err(|halt| halt.to_string())?;
        let proposer = block.header.proposer;
        let header = executive::header(&parent, &executed, preview.root(), proposer);
        if header != block.header {
            return Err(format!(
                "header says {:?}, executed {header:?}",
                block.header
            ));
        }
        Ok(Outcome {
            block,
            executed,
            preview,
        })
    }
}

fn items(executed: &Executed) -> u32 {
    let items = executed.results.iter().map(|result| result.items);
    items.fold(0, u32::saturating_add)
}

fn halt_of(error: BlockError) -> Halt {
    match error {
        BlockError::UpgradeRequired(upgrade) => upgrade.into(),
        other => Halt::Bug(format!("cannot build a block: {other}")),
    }
}

fn preview(chain: &Chain, executed: &Executed) -> Result<Preview, Halt> {
    let changes = executed.changes.iter();
    let changes = changes.map(|(key, value)| {
        chain.progress.step();
        (key, value.as_deref().map(value_hash))
    });
    let preview = chain.tree.read().preview(changes);
    preview.map_err(|error| Halt::Bug(format!("state tree: {error}")))
}
