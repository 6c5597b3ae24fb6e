//! The writing side: what consensus asks for.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use allod_consensus::{
    Application, BlockLoad, Evidence, FatalError, InvalidBlock, Progress, ProposedBlock,
    ValidationContext,
};
use allod_primitives::{Block, Certificate, H256, Header, Height, PublicKey, TimeMs, ValidatorSet};
use allod_runtime::executive::{BuildLimits, Executed};
use allod_runtime::tree::Preview;
use tokio::sync::mpsc;

use super::chain::{Chain, Halt};
use super::pace::Pace;
use crate::mempool::Mempool;
use crate::seams::heavy;

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
pub(super) struct Outcome {
    pub(super) block: Block,
    pub(super) executed: Executed,
    pub(super) preview: Preview,
}

/// Builds, judges and commits blocks.
pub struct Ledger {
    pub(super) config: LedgerConfig,
    pub(super) parts: LedgerParts,
    /// Executed blocks of the next height.
    pub(super) outcomes: BTreeMap<H256, Outcome>,
    /// This node's own block of the next height.
    pub(super) built: Option<(Height, H256)>,
    /// The sets that decide the two heights after the tip.
    pub(super) next_sets: (ValidatorSet, ValidatorSet),
    pub(super) pace: Pace,
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
    pub(super) fn halt(&self, halt: Halt) -> FatalError {
        tracing::error!(%halt, "the chain cannot go on");
        // Nobody listens any more when the node already stops.
        let _ = self.parts.halts.send(halt.clone());
        FatalError::new(halt)
    }

    pub(super) fn now(&self) -> TimeMs {
        self.parts.chain.clock.now()
    }

    pub(super) fn parent(&self) -> Header {
        self.parts.chain.store.tip().header
    }
}

impl Application for Ledger {
    fn progress(&self) -> Progress {
        self.parts.chain.progress.clone()
    }

    fn tip(&self) -> Height {
        self.parts.chain.store.tip().height()
    }

    fn tip_time(&self) -> TimeMs {
        self.parts.chain.store.tip().header.digest.time
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
