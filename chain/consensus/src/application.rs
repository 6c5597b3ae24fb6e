//! What the consensus engine asks of the chain above it, in our own types only.

use std::fmt;

use allod_primitives::{Certificate, H256, Height, PublicKey, Signature, TimeMs, ValidatorSet};

use crate::progress::Progress;

/// A block as the proposer hands it to consensus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProposedBlock {
    /// Block hash: blake2b-256 of the encoded header, the value that validators sign.
    pub hash: H256,
    /// Encoded block, at most [`crate::limits::BLOCK_BYTES_MAX`] bytes.
    pub bytes: Vec<u8>,
}

/// Which rules about time apply to a block that is being validated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValidationContext {
    /// The value is proposed for the first time: its time is judged against the local clock too.
    FirstProposal,
    /// The value is re-proposed, restreamed, synchronised or recovered: only the monotonicity of
    /// its time counts, or a long partition would halt the chain.
    Replay,
}

/// Why a block is not acceptable. The distinction protects honest blocks from forged bodies.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBlock {
    /// The bytes are not *the* encoding of any block: undecodable, or the body is not the one its
    /// header commits to. They say nothing about a block hash, so consensus drops them unvoted.
    #[error("malformed block: {reason}")]
    Malformed {
        /// What is wrong, for the log.
        reason: String,
    },
    /// The bytes are exactly the block `hash`, and the block breaks a rule: consensus votes nil.
    #[error("refused block {hash}: {reason}")]
    Refused {
        /// Hash of the block.
        hash: H256,
        /// The broken rule, for the log.
        reason: String,
    },
}

/// The application cannot go on: disk failure, corruption, a broken invariant of its own.
///
/// Consensus stops at once and answers nothing; [`crate::StopReason::Application`] carries it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct FatalError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

impl FatalError {
    /// Wraps an error.
    pub fn new(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(error.into())
    }
}

/// Whether a committed block did anything; heartbeats slow down while blocks are empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockLoad {
    /// The block holds nothing but what every block holds.
    Empty,
    /// The block holds at least one submitted extrinsic.
    Useful,
}

/// What kind of message a validator signed twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EvidenceKind {
    /// Two proposals of one round.
    Proposal,
    /// Two prevotes of one round.
    Prevote,
    /// Two precommits of one round.
    Precommit,
}

/// One of two conflicting signed messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedChoice {
    /// The block hash signed for; `None` is nil (votes only).
    pub block_hash: Option<H256>,
    /// Round of the proof of lock that a proposal names; `None` for votes and fresh proposals.
    pub pol_round: Option<u32>,
    /// The validator's signature over the preimage of a vote or proposal.
    pub signature: Signature,
}

/// Proof that a validator signed two conflicting messages: both signatures are its own.
///
/// Best effort of the engine: at most three pairs per validator and height, seen by this node
/// alone, not gossiped. The application must put it into a block for others to act on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Who signed.
    pub validator: PublicKey,
    /// Height of both messages.
    pub height: Height,
    /// Round of both messages.
    pub round: u32,
    /// Kind of both messages.
    pub kind: EvidenceKind,
    /// The message seen first.
    pub first: SignedChoice,
    /// The message that contradicts it.
    pub second: SignedChoice,
}

/// The chain, as consensus sees it.
///
/// One driver task calls it, in order, never two calls at once. Calls are synchronous and should
/// take milliseconds: the engine waits for all but [`Self::commit`] while its timeouts run.
/// Everything a `put`, `commit` or `extend` method stored must survive a crash once it returned.
pub trait Application: Send + 'static {
    /// Returns what counts its steps; asked for once. One that counts none must answer each call
    /// within [`crate::limits::PROBE_TIMEOUT`], or it counts as hung.
    fn progress(&self) -> Progress {
        Progress::default()
    }

    /// Returns the height of the last committed block; 0 when only genesis exists.
    fn tip(&self) -> Height;

    /// Returns the time of that block; of genesis when only genesis exists.
    fn tip_time(&self) -> TimeMs;

    /// Returns the validators that decide `height`; asked for `tip + 1` and `tip + 2`, and for
    /// committed heights that peers synchronise. `None` if it is not known.
    fn validator_set(&self, height: Height) -> Option<ValidatorSet>;

    /// Builds the block that this node proposes for `height = tip + 1`.
    ///
    /// Called again for a later round of the same height; the same block may be returned.
    /// Consensus calls [`Self::put_undecided`] with the result before it uses it.
    ///
    /// # Errors
    /// [`FatalError`] stops consensus.
    fn build(&mut self, height: Height, round: u32) -> Result<ProposedBlock, FatalError>;

    /// Decodes, executes and judges a block for `height = tip + 1`; returns its hash.
    ///
    /// # Errors
    /// [`InvalidBlock`]; consensus logs the reason.
    fn validate(
        &mut self,
        height: Height,
        bytes: &[u8],
        context: ValidationContext,
    ) -> Result<H256, InvalidBlock>;

    /// Stores a valid block of `height` durably, keyed by (height, hash); storing twice is a
    /// no-op. Consensus votes for a block only once this returned.
    ///
    /// # Errors
    /// [`FatalError`] stops consensus.
    fn put_undecided(&mut self, height: Height, hash: H256, bytes: &[u8])
    -> Result<(), FatalError>;

    /// Returns every block stored by [`Self::put_undecided`] for `height`, (hash, bytes).
    fn undecided(&self, height: Height) -> Vec<(H256, Vec<u8>)>;

    /// Commits the undecided block `hash` with its certificate in one durable write; the tip
    /// becomes `certificate.height`. Blocks of lower or equal height may be forgotten as
    /// undecided ones. Returns whether the block did any work, which paces the next one.
    ///
    /// # Errors
    /// [`FatalError`] stops consensus.
    fn commit(&mut self, hash: H256, certificate: Certificate) -> Result<BlockLoad, FatalError>;

    /// Replaces the stored certificate of the tip by one with more signatures.
    ///
    /// # Errors
    /// [`FatalError`] stops consensus.
    fn extend_certificate(&mut self, certificate: Certificate) -> Result<(), FatalError>;

    /// Returns a committed block and its certificate, for peers that catch up.
    fn decided(&self, height: Height) -> Option<(Vec<u8>, Certificate)>;

    /// Returns the lowest height that [`Self::decided`] still serves (1 if nothing was pruned).
    fn history_min(&self) -> Height;

    /// Takes note of a validator's double signing. Must not fail: it is best effort.
    fn report_evidence(&mut self, evidence: Evidence);
}

impl fmt::Debug for dyn Application {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Application")
            .field("tip", &self.tip())
            .finish_non_exhaustive()
    }
}
