//! The writing side: what consensus asks for.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use allod_consensus::{
    Application, BlockLoad, Evidence, FatalError, InvalidBlock, ProposedBlock, ValidationContext,
};
use allod_primitives::header::extrinsics_root;
use allod_primitives::limits::{BATCH_ITEMS_MAX, BLOCK_ITEMS_MAX};
use allod_primitives::tree::value_hash;
use allod_primitives::{
    Block, Certificate, H256, Header, Height, PublicKey, TimeMs, ValidatorSet, decode_strict,
};
use allod_runtime::executive::{self, BlockError, BuildLimits, Executed};
use allod_runtime::frame::wire::Phase;
use allod_runtime::tree::Preview;
use allod_runtime::{RuntimeEvent, did};
use parity_scale_codec::Encode;
use tokio::sync::mpsc;

use super::chain::{Chain, Halt};
use crate::limits::{
    BLOCK_ITEMS_FIRST, BLOCK_ITEMS_MEASURED_MIN, BLOCK_WORK_MAX, OUTCOMES_MAX, TREE_NODES_MAX,
    TREE_VERSIONS_MIN,
};
use crate::mempool::{Included, Mempool};
use crate::seams::heavy;
use crate::storage::{CommitInput, LoggedEntry};

/// Rules about time and size that are this node's to apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerConfig {
    /// Key of this node's proposals; observers never build.
    pub proposer: PublicKey,
    /// How far a first proposal's time may lie ahead of this node's clock (default 5 s).
    pub ahead_max: Duration,
    /// How far it may lie behind (default 60 s).
    pub behind_max: Duration,
    /// How much of a block to fill.
    pub limits: BuildLimits,
}

impl LedgerConfig {
    /// Returns the defaults for a node whose proposals carry `proposer`.
    pub fn new(proposer: PublicKey) -> Self {
        Self {
            proposer,
            ahead_max: Duration::from_secs(5),
            behind_max: Duration::from_secs(60),
            limits: BuildLimits::default(),
        }
    }
}

/// Keeps the time to build or execute a block within bounds, by the time that the last ones took.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// Items that fit into [`BLOCK_WORK_MAX`].
    items: u32,
    /// Microseconds per item, averaged over the last blocks; at least 1.
    item_us: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            items: BLOCK_ITEMS_FIRST,
            item_us: 1,
        }
    }
}

impl Pace {
    /// Takes note that `items` took from `start` to `end`.
    fn measured(&mut self, items: u32, start: TimeMs, end: TimeMs) {
        if items < BLOCK_ITEMS_MEASURED_MIN {
            return;
        }
        let us = end.0.saturating_sub(start.0).saturating_mul(1000) / u64::from(items);
        self.item_us = ((self.item_us.saturating_mul(3).saturating_add(us)) / 4).max(1);
        let max = u64::try_from(BLOCK_WORK_MAX.as_micros()).unwrap_or(u64::MAX);
        let fit = u32::try_from(max / self.item_us).unwrap_or(u32::MAX);
        // One full batch must always fit, beside the time's inherent.
        self.items = fit.clamp(BATCH_ITEMS_MAX + 1, BLOCK_ITEMS_MAX);
    }
}

/// A block that was committed.
#[derive(Clone, Copy, Debug)]
pub struct Committed<'a> {
    /// The block.
    pub block: &'a Block,
    /// Its hash.
    pub hash: H256,
    /// What it did.
    pub executed: &'a Executed,
    /// The proof that it is final.
    pub certificate: &'a Certificate,
}

/// Told of every committed block, after store, tree and mempool know it.
pub type OnCommit = Box<dyn FnMut(Committed<'_>) + Send>;

/// What a ledger works with.
pub struct LedgerParts {
    /// The chain to write.
    pub chain: Arc<Chain>,
    /// Where transactions come from.
    pub mempool: Mempool,
    /// Called after each commit.
    pub on_commit: OnCommit,
    /// Called with every proof of double signing.
    pub on_evidence: Box<dyn FnMut(&Evidence) + Send>,
    /// Where a fatal error is reported, besides to consensus.
    pub halts: mpsc::UnboundedSender<Halt>,
}

impl fmt::Debug for LedgerParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LedgerParts")
            .field("chain", &self.chain)
            .finish_non_exhaustive()
    }
}

/// A block and what it does, before it is decided.
struct Outcome {
    block: Block,
    executed: Executed,
    preview: Preview,
}

/// Builds, judges and commits blocks.
pub struct Ledger {
    config: LedgerConfig,
    parts: LedgerParts,
    /// Executed blocks of the next height.
    outcomes: BTreeMap<H256, Outcome>,
    /// This node's own block of the next height.
    built: Option<(Height, H256)>,
    /// The sets that decide the two heights after the tip.
    next_sets: (ValidatorSet, ValidatorSet),
    pace: Pace,
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger")
            .field("chain", &self.parts.chain)
            .field("outcomes", &self.outcomes.len())
            .finish_non_exhaustive()
    }
}

impl Ledger {
    /// Returns the writing side of `parts.chain`.
    ///
    /// # Errors
    /// [`Halt`] if the state holds no validators or cannot be read.
    pub fn new(config: LedgerConfig, parts: LedgerParts) -> Result<Self, Halt> {
        let sets = allod_runtime::authority::validator_sets(&parts.chain.store.state());
        parts.chain.store.healthy()?;
        let next_sets = sets.ok_or_else(|| Halt::Bug("the state holds no validators".into()))?;
        Ok(Self {
            config,
            parts,
            outcomes: BTreeMap::new(),
            built: None,
            next_sets,
            pace: Pace::default(),
        })
    }

    /// Reports `halt` to the node and returns it for consensus.
    fn halt(&self, halt: Halt) -> FatalError {
        tracing::error!(%halt, "the chain cannot go on");
        // Nobody listens any more when the node already stops.
        let _ = self.parts.halts.send(halt.clone());
        FatalError::new(halt)
    }

    fn now(&self) -> TimeMs {
        self.parts.chain.clock.now()
    }

    fn parent(&self) -> Header {
        self.parts.chain.store.tip().header
    }

    fn try_build(&mut self, height: Height) -> Result<ProposedBlock, Halt> {
        if let Some(block) = self.built_before(height) {
            return Ok(block);
        }
        let parent = self.parent();
        let mut limits = self.config.limits;
        limits.items = limits.items.min(self.pace.items);
        let count = limits.extrinsics.min(limits.items as usize);
        let start = self.now();
        let candidates = self.parts.mempool.candidates(count, limits.bytes);
        let candidates = candidates.iter().map(|bytes| bytes.to_vec());
        let chain = &self.parts.chain;
        let built = {
            let state = chain.store.state();
            let now = self.now();
            executive::build_block(&state, &parent, now, candidates, &limits, &chain.signatures)
        };
        chain.store.healthy()?;
        let built = built.map_err(halt_of)?;
        for (hash, error) in &built.rejected {
            tracing::debug!(%hash, %error, "a waiting transaction has become invalid");
            self.parts.mempool.reject(hash, *error);
        }
        let preview = preview(chain, &built.executed)?;
        self.pace
            .measured(items(&built.executed), start, self.now());
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

    fn try_validate(
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
            let start = self.now();
            let outcome = self.execute(block).map_err(refused)?;
            self.pace
                .measured(items(&outcome.executed), start, self.now());
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

    fn check_place(&self, height: Height, header: &Header) -> Result<(), String> {
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
    fn execute(&self, block: Block) -> Result<Outcome, String> {
        let chain = &self.parts.chain;
        let parent = self.parent();
        let state = chain.store.state();
        let view = executive::View::new(&state, &parent, block.header.digest.time);
        let checks = block.extrinsics.iter();
        let checks = checks.flat_map(|body| view.signature_checks(body));
        chain.signatures.prepare(&checks.collect::<Vec<_>>());
        let executed =
            executive::execute_block(&state, &parent, &block.extrinsics, &chain.signatures);
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

    fn try_commit(&mut self, hash: H256, certificate: &Certificate) -> Result<BlockLoad, Halt> {
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
        chain.store.commit(&CommitInput {
            block: &block,
            hash,
            certificate,
            changes: &executed.changes,
            scratch: &executed.scratch,
            logged: &logged,
            sets: &new,
        })?;
        chain.store.prune()?;
        let oldest = chain.store.reader().oldest()?;
        commit_tree(&chain, height, preview, oldest)?;
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
        executive::check_version(&chain.store.state(), height.next())?;
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
    let changes = changes.map(|(key, value)| (key, value.as_deref().map(value_hash)));
    let preview = chain.tree.read().preview(changes);
    preview.map_err(|error| Halt::Bug(format!("state tree: {error}")))
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
        let RuntimeEvent::Did(did::Event::Logged { did, entry }) = &record.event else {
            return None;
        };
        let extrinsic = match record.phase {
            Phase::ApplyExtrinsic(index) => Some(index),
            _ => None,
        };
        Some(LoggedEntry::new(*did, *entry, extrinsic))
    });
    entries.collect()
}

impl Application for Ledger {
    fn tip(&self) -> Height {
        self.parts.chain.store.tip().height()
    }

    fn validator_set(&self, height: Height) -> Option<ValidatorSet> {
        let tip = self.tip();
        if height == tip.next() {
            return Some(self.next_sets.0.clone());
        }
        if height == tip.next().next() {
            return Some(self.next_sets.1.clone());
        }
        let reader = self.parts.chain.store.reader();
        let header = reader.header(height).ok()??;
        reader.validator_set(&header.digest.validator_set).ok()?
    }

    fn build(&mut self, height: Height, _round: u32) -> Result<ProposedBlock, FatalError> {
        heavy(|| self.try_build(height)).map_err(|halt| self.halt(halt))
    }

    fn validate(
        &mut self,
        height: Height,
        bytes: &[u8],
        context: ValidationContext,
    ) -> Result<H256, InvalidBlock> {
        heavy(|| self.try_validate(height, bytes, context))
    }

    fn put_undecided(
        &mut self,
        height: Height,
        hash: H256,
        bytes: &[u8],
    ) -> Result<(), FatalError> {
        let stored = heavy(|| self.parts.chain.store.put_undecided(height, &hash, bytes));
        stored.map_err(|error| self.halt(error.into()))
    }

    fn undecided(&self, height: Height) -> Vec<(H256, Vec<u8>)> {
        let blocks = self.parts.chain.store.reader().undecided(height);
        blocks.unwrap_or_else(|error| {
            self.halt(error.into());
            Vec::new()
        })
    }

    fn commit(&mut self, hash: H256, certificate: Certificate) -> Result<BlockLoad, FatalError> {
        heavy(|| self.try_commit(hash, &certificate)).map_err(|halt| self.halt(halt))
    }

    fn extend_certificate(&mut self, certificate: Certificate) -> Result<(), FatalError> {
        let stored = self.parts.chain.store.put_certificate(&certificate);
        stored.map_err(|error| self.halt(error.into()))
    }

    fn decided(&self, height: Height) -> Option<(Vec<u8>, Certificate)> {
        let reader = self.parts.chain.store.reader();
        let certificate = reader.certificate(height).ok()??;
        Some((reader.block_bytes(height).ok()??, certificate))
    }

    fn history_min(&self) -> Height {
        Height(1)
    }

    fn report_evidence(&mut self, evidence: Evidence) {
        tracing::warn!(
            validator = %evidence.validator,
            height = %evidence.height,
            round = evidence.round,
            kind = ?evidence.kind,
            first = ?evidence.first,
            second = ?evidence.second,
            "a validator signed two conflicting messages"
        );
        (self.parts.on_evidence)(&evidence);
    }
}
