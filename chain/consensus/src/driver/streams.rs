//! Streams of blocks: this node's own, and those it receives.

use allod_primitives::{H256, Height, PublicKey, ValidatorSet};
use arc_malachitebft_app_channel::NetworkMsg;
use arc_malachitebft_app_channel::app::streaming::{StreamId, StreamMessage};
use arc_malachitebft_app_channel::app::types::core::{Round, Validity};
use arc_malachitebft_app_channel::app::types::{PeerId, ProposedValue};
use tracing::debug;

use crate::application::FatalError;
use crate::context::{Ctx, Part, PartInit};
use crate::driver::actor::{Driver, Running, proposer_of, value};
use crate::driver::blocks::Verdict;
use crate::limits::{FUTURE_HEIGHTS_MAX, FUTURE_ROUNDS_MAX};
use crate::parts::{Assembled, cut};
use crate::signing::{WITHHELD, verify_init};

impl Running {
    /// Streams a block that was proposed before, under a later round.
    pub(super) async fn restream(
        &mut self,
        height: Height,
        round: Round,
        valid_round: Round,
        hash: H256,
    ) {
        let stored = self.driver.app.undecided(height);
        let block = stored.into_iter().find(|(stored, _)| *stored == hash);
        let (Some((_, bytes)), Some(round)) = (block, round.as_u32()) else {
            return debug!(%height, %hash, "asked to restream a block that is not kept");
        };
        let pol_round = valid_round.as_u32();
        let head = self.head(height, round, pol_round, hash, bytes.len()).await;
        if let Some(head) = head {
            self.stream(head, &bytes).await;
        }
    }

    /// Returns the signed head of a stream; `None` if nobody signs it.
    pub(super) async fn head(
        &mut self,
        height: Height,
        round: u32,
        pol_round: Option<u32>,
        block_hash: H256,
        bytes: usize,
    ) -> Option<PartInit> {
        let signer = self.driver.signer.as_ref()?;
        let init = PartInit {
            height: height.into(),
            round,
            pol_round,
            block_hash,
            block_bytes: u32::try_from(bytes).expect("blocks are bounded below 2^32"),
            streamer: PublicKey([0; 32]),
            signature: WITHHELD,
        };
        // A guard that failed has said so to the supervisor.
        signer.sign_init(init).await.ok().flatten()
    }

    /// Publishes the parts of a block.
    pub(super) async fn stream(&mut self, init: PartInit, bytes: &[u8]) {
        // The head's signature tells streams of different contents and runs apart.
        self.streams += 1;
        let mut id = init.signature.0[..8].to_vec();
        id.extend_from_slice(&self.streams.to_le_bytes());
        for message in cut(StreamId::new(id.into()), init, bytes) {
            let sent = self
                .driver
                .network
                .send(NetworkMsg::PublishProposalPart(message))
                .await;
            if sent.is_err() {
                return debug!("the network is gone");
            }
        }
    }

    /// Takes a part; returns the block it completes, judged, if the engine is to know it.
    pub(super) fn received_part(
        &mut self,
        publisher: PeerId,
        message: StreamMessage<Part>,
    ) -> Result<Option<ProposedValue<Ctx>>, FatalError> {
        let (driver, current, round) = (&self.driver, self.blocks.height(), self.round);
        let reached = &self.reached;
        let assembled = self.assembler.insert(publisher, message, |init| {
            let Some(set) = admits(driver, init, current, round) else {
                return false;
            };
            let height = Height::from(init.height);
            let first = proposer_of(&set, height, 0).0 == init.streamer && init.round == 0;
            reached.send_modify(|reached| {
                reached.stirred = reached.stirred.max(height);
                if first {
                    reached.begun = reached.begun.max(height);
                }
            });
            true
        });
        match assembled {
            Some(block) => self.received_block(publisher, block),
            None => Ok(None),
        }
    }

    pub(super) fn received_block(
        &mut self,
        publisher: PeerId,
        block: Assembled,
    ) -> Result<Option<ProposedValue<Ctx>>, FatalError> {
        let (height, init) = (self.blocks.height(), &block.init);
        // A block above the tip's successor waits until the engine gets there.
        let judgeable = init.height.0 == height.0 && self.driver.app.tip().next() == height;
        if !judgeable {
            if init.height.0 > height.0 {
                self.blocks.park(publisher, block);
            }
            return Ok(None);
        }
        let set = self.set(height)?;
        let proposer = proposer_of(&set, height, init.round);
        let from_proposer = proposer.0 == init.streamer;
        let validity = match self
            .blocks
            .judge(&block, from_proposer, self.driver.app.as_mut())?
        {
            Verdict::Valid => Validity::Valid,
            Verdict::Invalid => Validity::Invalid,
            Verdict::Nothing => return Ok(None),
            Verdict::Later => {
                self.blocks.park(publisher, block);
                return Ok(None);
            }
        };
        let PartInit {
            round,
            pol_round,
            block_hash,
            ..
        } = block.init;
        Ok(Some(value(
            height, round, pol_round, proposer, block_hash, validity,
        )))
    }
}

/// Judges the head of a stream: near in height and round, signed by a validator of its height.
/// Returns that height's validators if the stream is to be taken.
fn admits(driver: &Driver, init: &PartInit, current: Height, round: u32) -> Option<ValidatorSet> {
    let height: Height = init.height.into();
    let near = height >= current && height.0 - current.0 <= FUTURE_HEIGHTS_MAX;
    let round = if height == current { round } else { 0 };
    if !near || init.round > round.saturating_add(FUTURE_ROUNDS_MAX) {
        return None;
    }
    let set = driver.app.validator_set(height)?;
    set.position(&init.streamer)?;
    verify_init(&driver.chain, init).then_some(set)
}
