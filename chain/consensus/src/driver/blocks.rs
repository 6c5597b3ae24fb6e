//! The blocks of the current height: judged once, remembered, kept for later when too early.
//!
//! A received block is handed to the engine only if its proposer streamed it, or if a signed
//! proposal of it has been seen; the engine keeps two blocks per round, and strangers must not
//! fill those places. A block that is neither waits here for the next round.

use std::collections::{BTreeMap, BTreeSet};

use allod_primitives::{H256, Height};
use arc_malachitebft_app_channel::app::types::PeerId;
use tracing::{debug, warn};

use crate::application::{Application, FatalError, InvalidBlock, ValidationContext};
use crate::limits::{PARKED_BYTES_MAX, PARKED_PER_PUBLISHER_MAX, VALUES_PER_HEIGHT_MAX};
use crate::parts::Assembled;
use crate::proposals::{Proposed, SeenProposals};

/// What to tell the engine about a received block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing: the bytes prove nothing about any block.
    Nothing,
    /// Nothing yet: ask again when the next round starts.
    Later,
    /// The block may be voted for; it is stored.
    Valid,
    /// The block breaks a rule.
    Invalid,
}

/// A complete block that waits for its height, its proposal or a later round.
#[derive(Debug)]
pub(super) struct Parked {
    publisher: PeerId,
    pub(super) block: Assembled,
}

/// The verdicts of one height and the blocks that wait.
#[derive(Debug)]
pub(super) struct Blocks {
    height: Height,
    proposals: SeenProposals,
    /// Valid blocks of this height, all of them stored by the application.
    valid: BTreeSet<H256>,
    /// Refused blocks, with the round and rules by which they were refused.
    refused: BTreeMap<H256, (u32, ValidationContext)>,
    /// The one block of each round that was handed over before its proposal was seen.
    unproposed: BTreeMap<u32, H256>,
    parked: Vec<Parked>,
}

impl Blocks {
    pub(super) fn new(proposals: SeenProposals) -> Self {
        Self {
            height: Height(0),
            proposals,
            valid: BTreeSet::new(),
            refused: BTreeMap::new(),
            unproposed: BTreeMap::new(),
            parked: Vec::new(),
        }
    }

    pub(super) fn height(&self) -> Height {
        self.height
    }

    /// Begins `height`: validates the stored blocks again, as after a crash, and returns their
    /// hashes.
    pub(super) fn begin(&mut self, height: Height, app: &mut dyn Application) -> Vec<H256> {
        self.height = height;
        self.valid.clear();
        self.refused.clear();
        self.unproposed.clear();
        self.parked
            .retain(|parked| parked.block.init.height.0 >= height.0);
        for (hash, bytes) in app
            .undecided(height)
            .into_iter()
            .take(VALUES_PER_HEIGHT_MAX)
        {
            match app.validate(height, &bytes, ValidationContext::Replay) {
                Ok(judged) if judged == hash => {
                    self.valid.insert(hash);
                }
                verdict => warn!(%height, %hash, ?verdict, "a stored block is not valid any more"),
            }
        }
        self.valid.iter().copied().collect()
    }

    /// Notes a block that this node built and stored.
    pub(super) fn built(&mut self, hash: H256) {
        self.valid.insert(hash);
    }

    /// Judges a received block of the current height; a valid one is stored durably.
    ///
    /// `from_proposer`: whether the validator that streamed it proposes in the round it names.
    pub(super) fn judge(
        &mut self,
        block: &Assembled,
        from_proposer: bool,
        app: &mut dyn Application,
    ) -> Result<Verdict, FatalError> {
        let (hash, round) = (block.init.block_hash, block.init.round);
        if self.valid.contains(&hash) {
            return Ok(Verdict::Valid);
        }
        let proposed = self.proposals.lookup(self.height, &hash);
        if proposed == Proposed::No {
            let place = self
                .unproposed
                .get(&round)
                .is_none_or(|first| *first == hash);
            if !from_proposer || !place {
                return Ok(Verdict::Later);
            }
        }
        if self.valid.len() >= VALUES_PER_HEIGHT_MAX && proposed != Proposed::Locked {
            return Ok(Verdict::Nothing);
        }
        let context = match proposed {
            Proposed::Locked => ValidationContext::Replay,
            Proposed::No | Proposed::Fresh => ValidationContext::FirstProposal,
        };
        let refusal = if block.init.pol_round.is_some() && proposed != Proposed::Locked {
            // Its streamer says that two thirds prevoted it once; their proposal may be under way.
            Verdict::Later
        } else {
            Verdict::Invalid
        };
        if self.refused.get(&hash) == Some(&(round, context)) {
            return Ok(refusal);
        }
        let verdict = match app.validate(self.height, &block.bytes, context) {
            Ok(judged) if judged == hash => {
                app.put_undecided(self.height, hash, &block.bytes)?;
                self.valid.insert(hash);
                Verdict::Valid
            }
            Err(InvalidBlock::Refused {
                hash: judged,
                reason,
            }) if judged == hash => {
                warn!(height = %self.height, round, %hash, %reason, "refused a proposed block");
                self.refused.insert(hash, (round, context));
                refusal
            }
            other => {
                warn!(height = %self.height, round, %hash, ?other, "dropped the bytes of a block");
                Verdict::Nothing
            }
        };
        if proposed == Proposed::No && matches!(verdict, Verdict::Valid | Verdict::Invalid) {
            self.unproposed.insert(round, hash);
        }
        Ok(verdict)
    }

    /// Keeps a block for later, within bounds: a publisher's oldest makes room for its newest.
    pub(super) fn park(&mut self, publisher: PeerId, block: Assembled) {
        let own = |parked: &Parked| parked.publisher == publisher;
        if self.parked.iter().any(|parked| parked.block == block) {
            return;
        }
        let count = self.parked.iter().filter(|parked| own(parked)).count();
        let oldest = self.parked.iter().position(own);
        if let (true, Some(oldest)) = (count >= PARKED_PER_PUBLISHER_MAX, oldest) {
            self.parked.remove(oldest);
        }
        let held: usize = self
            .parked
            .iter()
            .map(|parked| parked.block.bytes.len())
            .sum();
        if held + block.bytes.len() > PARKED_BYTES_MAX {
            debug!(height = %block.init.height, "no room to keep a block for later");
            return;
        }
        self.parked.push(Parked { publisher, block });
    }

    /// Takes the blocks that waited for the current height.
    pub(super) fn unpark(&mut self) -> Vec<(PeerId, Assembled)> {
        let height = self.height.0;
        let (due, later) = std::mem::take(&mut self.parked)
            .into_iter()
            .partition::<Vec<_>, _>(|parked| parked.block.init.height.0 == height);
        self.parked = later;
        due.into_iter()
            .map(|parked| (parked.publisher, parked.block))
            .collect()
    }
}

#[cfg(test)]
mod tests;
