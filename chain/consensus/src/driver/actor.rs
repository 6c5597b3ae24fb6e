//! The loop over the engine's messages.

use std::collections::BTreeMap;
use std::sync::Arc;

use allod_primitives::{Certificate, ChainId, H256, Height, ValidatorSet};
use arc_malachitebft_app_channel::app::consensus::VoteExtensionError;
use arc_malachitebft_app_channel::app::engine::host::{HeightParams, Next, SyncedValueOutcome};
use arc_malachitebft_app_channel::app::streaming::{StreamId, StreamMessage};
use arc_malachitebft_app_channel::app::types::core::{
    CommitCertificate, LinearTimeouts, Round, Validity,
};
use arc_malachitebft_app_channel::app::types::sync::RawDecidedValue;
use arc_malachitebft_app_channel::app::types::{
    LocallyProposedValue, MisbehaviorEvidence, PeerId, ProposedValue,
};
use arc_malachitebft_app_channel::{AppMsg, NetworkMsg, Reply};
use bytes::Bytes;
use ed25519_dalek::SigningKey;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

use crate::application::{
    Application, BlockLoad, FatalError, InvalidBlock, ProposedBlock, ValidationContext,
};
use crate::context::{
    Address, BlockId, Ctx, Height as EngineHeight, Part, PartInit, proposer_index,
};
use crate::driver::blocks::{Blocks, Verdict};
use crate::driver::convert;
use crate::limits::{
    BLOCK_BYTES_MAX, FUTURE_HEIGHTS_MAX, FUTURE_ROUNDS_MAX, SYNC_BATCH_MAX, SYNC_RESPONSE_BYTES_MAX,
};
use crate::pacing::{Pacer, WorkSignal};
use crate::parts::{Assembled, Assembler, cut};
use crate::proposals::SeenProposals;
use crate::signing::{sign_init, verify_init};

/// Blocks found on disk at the start of a height are shown to the engine under rounds from here
/// on, one each: their true rounds are unknown, and places of real rounds must stay free.
const RECOVERED_ROUND: u32 = 1 << 30;

/// Why the driver ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The application failed.
    Application(FatalError),
    /// The engine closed its channel.
    Engine,
}

impl From<FatalError> for Ended {
    fn from(error: FatalError) -> Self {
        Self::Application(error)
    }
}

/// The engine and the application contradict each other: a broken invariant.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("no validator set for height {0}")]
    NoValidators(Height),
    #[error("built a block of {bytes} bytes")]
    BlockTooLong { bytes: usize },
    #[error("decided height {decided} on top of {tip}")]
    WrongHeight { decided: Height, tip: Height },
    #[error("the engine's certificate of {height} does not verify")]
    BadCertificate {
        height: Height,
        #[source]
        source: allod_primitives::certificate::CertificateError,
    },
}

/// What the driver is started with.
pub(crate) struct Driver {
    pub(crate) chain: ChainId,
    pub(crate) app: Box<dyn Application>,
    pub(crate) key: Option<Arc<SigningKey>>,
    pub(crate) timeouts: LinearTimeouts,
    pub(crate) pacer: Pacer,
    pub(crate) work: WorkSignal,
    pub(crate) proposals: SeenProposals,
    pub(crate) network: mpsc::Sender<NetworkMsg<Ctx>>,
}

/// The highest heights of which blocks are streamed.
#[derive(Clone, Copy, Debug, Default)]
struct Reached {
    /// By the proposer of the height's first round.
    begun: Height,
    /// By any validator.
    stirred: Height,
}

/// The driver while it runs.
struct Running {
    driver: Driver,
    blocks: Blocks,
    assembler: Assembler,
    round: u32,
    /// Stream identifiers: a number unique in this run, after the time of its start.
    streams: u64,
    /// When the current height started.
    started: Instant,
    /// What the last committed block did, and its certificate.
    committed: Option<(Certificate, BlockLoad)>,
    /// Last height that came by synchronisation rather than by vote.
    synced: Height,
    /// How far the other validators are known to be.
    reached: watch::Sender<Reached>,
    /// Delayed answers; aborted with the driver.
    delayed: JoinSet<()>,
}

impl Driver {
    /// Answers the engine until it is gone or the application fails.
    pub(crate) async fn run(self, mut messages: mpsc::Receiver<AppMsg<Ctx>>) -> Ended {
        let mut running = Running {
            blocks: Blocks::new(self.proposals.clone()),
            driver: self,
            assembler: Assembler::default(),
            round: 0,
            streams: 0,
            started: Instant::now(),
            committed: None,
            synced: Height(0),
            reached: watch::Sender::new(Reached::default()),
            delayed: JoinSet::new(),
        };
        while let Some(message) = messages.recv().await {
            if let Err(error) = running.answer(message).await {
                error!(%error, "consensus cannot go on");
                return Ended::Application(error);
            }
        }
        Ended::Engine
    }
}

impl Running {
    /// Answers one message. A reply whose receiver is gone is nobody's loss, here and below.
    async fn answer(&mut self, message: AppMsg<Ctx>) -> Result<(), FatalError> {
        match message {
            AppMsg::ConsensusReady { reply } => {
                let height = self.driver.app.tip().next();
                let _ = reply.send((height.into(), self.params(height)?));
            }
            AppMsg::StartedRound {
                height,
                round,
                reply_value,
                ..
            } => {
                let values = self.started_round(height.into(), round)?;
                let _ = reply_value.send(values);
            }
            AppMsg::GetValue {
                height,
                round,
                reply,
                ..
            } => {
                self.get_value(height.into(), round, reply).await?;
            }
            AppMsg::ReceivedProposalPart {
                from,
                published_by,
                part,
                reply,
            } => {
                let value = self.received_part(published_by.unwrap_or(from), part)?;
                let _ = reply.send(value);
            }
            AppMsg::RestreamProposal {
                height,
                round,
                valid_round,
                value_id,
                ..
            } => {
                self.restream(height.into(), round, valid_round, value_id.0)
                    .await;
            }
            AppMsg::Decided {
                certificate, reply, ..
            } => {
                self.decided(&certificate)?;
                let _ = reply.send(());
            }
            AppMsg::Finalized {
                certificate,
                evidence,
                reply,
                ..
            } => {
                self.finalized(&certificate, &evidence, reply)?;
            }
            AppMsg::ProcessSyncedValue {
                height,
                round,
                proposer,
                value_bytes,
                reply,
            } => {
                let outcome = self.synced_value(height, round, proposer, &value_bytes)?;
                let _ = reply.send(outcome);
            }
            AppMsg::GetDecidedValues { range, reply } => {
                let _ = reply.send(self.decided_values(range.start().0, range.end().0));
            }
            AppMsg::GetHistoryMinHeight { reply } => {
                let _ = reply.send(self.driver.app.history_min().into());
            }
            // Extensions are disabled, so the engine asks neither of these.
            AppMsg::ExtendVote { reply, .. } => {
                let _ = reply.send(None);
            }
            AppMsg::VerifyVoteExtensions {
                extensions, reply, ..
            } => {
                let refuse =
                    |(address, ())| (address, Err(VoteExtensionError::InvalidVoteExtension));
                let _ = reply.send(extensions.into_iter().map(refuse).collect());
            }
        }
        Ok(())
    }

    fn set(&self, height: Height) -> Result<ValidatorSet, FatalError> {
        let set = self.driver.app.validator_set(height);
        set.ok_or_else(|| FatalError::new(Broken::NoValidators(height)))
    }

    fn params(&self, height: Height) -> Result<HeightParams<Ctx>, FatalError> {
        let set = self.set(height)?;
        Ok(HeightParams::new((&set).into(), self.driver.timeouts, None))
    }

    /// Begins a round; returns the blocks the engine does not know of yet.
    fn started_round(
        &mut self,
        height: Height,
        round: Round,
    ) -> Result<Vec<ProposedValue<Ctx>>, FatalError> {
        let Some(round) = round.as_u32() else {
            return Ok(Vec::new());
        };
        self.round = round;
        let mut values = Vec::new();
        if height != self.blocks.height() {
            self.started = Instant::now();
            self.assembler.forget_below(height.0);
            let recovered = self.blocks.begin(height, self.driver.app.as_mut());
            let set = self.set(height)?;
            for (nth, hash) in (RECOVERED_ROUND..).zip(recovered) {
                let proposer = proposer_of(&set, height, nth);
                values.push(value(height, nth, None, proposer, hash, Validity::Valid));
            }
        }
        for (publisher, block) in self.blocks.unpark() {
            values.extend(self.received_block(publisher, block)?);
        }
        Ok(values)
    }

    /// Builds, stores, hands over and streams this node's own block.
    async fn get_value(
        &mut self,
        height: Height,
        round: Round,
        reply: Reply<LocallyProposedValue<Ctx>>,
    ) -> Result<(), FatalError> {
        let tip = self.driver.app.tip();
        let (Some(number), true) = (round.as_u32(), height == tip.next()) else {
            debug!(%height, %round, %tip, "asked too late for a block");
            return Ok(());
        };
        let ProposedBlock { hash, bytes } = self.driver.app.build(height, number)?;
        if bytes.len() > BLOCK_BYTES_MAX {
            return Err(FatalError::new(Broken::BlockTooLong { bytes: bytes.len() }));
        }
        self.driver.app.put_undecided(height, hash, &bytes)?;
        self.blocks.built(hash);
        let _ = reply.send(LocallyProposedValue::new(
            height.into(),
            round,
            BlockId(hash),
        ));
        self.stream(height, number, None, hash, &bytes).await;
        Ok(())
    }

    /// Streams a block that was proposed before, under a later round.
    async fn restream(&mut self, height: Height, round: Round, valid_round: Round, hash: H256) {
        let stored = self.driver.app.undecided(height);
        let block = stored.into_iter().find(|(stored, _)| *stored == hash);
        match (block, round.as_u32()) {
            (Some((_, bytes)), Some(round)) => {
                self.stream(height, round, valid_round.as_u32(), hash, &bytes)
                    .await;
            }
            _ => debug!(%height, %hash, "asked to restream a block that is not kept"),
        }
    }

    async fn stream(
        &mut self,
        height: Height,
        round: u32,
        pol_round: Option<u32>,
        block_hash: H256,
        bytes: &[u8],
    ) {
        let Some(key) = &self.driver.key else { return };
        let mut init = PartInit {
            height: height.into(),
            round,
            pol_round,
            block_hash,
            block_bytes: u32::try_from(bytes.len()).expect("blocks are bounded below 2^32"),
            streamer: allod_primitives::PublicKey([0; 32]),
            signature: crate::signing::WITHHELD,
        };
        sign_init(&self.driver.chain, key, &mut init);
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

    fn received_part(
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

    fn received_block(
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

    /// Commits: after this the block is final.
    fn decided(&mut self, certificate: &CommitCertificate<Ctx>) -> Result<(), FatalError> {
        let height: Height = certificate.height.into();
        let tip = self.driver.app.tip();
        if height == tip {
            return Ok(debug!(%height, "decided again what is committed"));
        }
        if height != tip.next() {
            return Err(FatalError::new(Broken::WrongHeight {
                decided: height,
                tip,
            }));
        }
        let certificate = self.verified(certificate)?;
        let load = self
            .driver
            .app
            .commit(certificate.block_hash, certificate.clone())?;
        let (round, signers) = (certificate.round, certificate.signatures.len());
        info!(%height, round, signers, hash = %certificate.block_hash, "committed a block");
        self.committed = Some((certificate, load));
        Ok(())
    }

    fn verified(&self, certificate: &CommitCertificate<Ctx>) -> Result<Certificate, FatalError> {
        let height = certificate.height.into();
        let set = self.set(height)?;
        let certificate = convert::certificate(certificate, &set);
        match certificate.verify(&self.driver.chain, &set) {
            Ok(()) => Ok(certificate),
            Err(source) => Err(FatalError::new(Broken::BadCertificate { height, source })),
        }
    }

    /// Stores a fuller certificate, reports evidence, and starts the next height when it is due.
    fn finalized(
        &mut self,
        certificate: &CommitCertificate<Ctx>,
        evidence: &MisbehaviorEvidence<Ctx>,
        reply: Reply<Next<Ctx>>,
    ) -> Result<(), FatalError> {
        let height: Height = certificate.height.into();
        for evidence in convert::evidence(evidence) {
            warn!(?evidence, "a validator signed twice");
            self.driver.app.report_evidence(evidence);
        }
        let (stored, load) = match self.committed.take() {
            Some((stored, load)) if stored.height == height => (stored.signatures.len(), load),
            _ => (usize::MAX, BlockLoad::Useful),
        };
        if certificate.commit_signatures.len() > stored {
            let certificate = self.verified(certificate)?;
            self.driver.app.extend_certificate(certificate)?;
        }
        let next = height.next();
        let start = Next::Start(next.into(), self.params(next)?);
        let wait = self.driver.pacer.after_block(self.started, load);
        if self.synced == height {
            // Peers are ahead: catch up without a pause.
            let _ = reply.send(start);
            return Ok(());
        }
        let work = self.driver.work.clone();
        let begun = reaches(self.reached.subscribe(), move |reached| {
            reached.begun >= next
        });
        let stirred = reaches(self.reached.subscribe(), move |reached| {
            reached.stirred >= next
        });
        while self.delayed.try_join_next().is_some() {}
        self.delayed.spawn(async move {
            wait.until_start(&work, begun, stirred).await;
            let _ = reply.send(start);
        });
        Ok(())
    }

    fn synced_value(
        &mut self,
        height: EngineHeight,
        round: Round,
        proposer: Address,
        bytes: &Bytes,
    ) -> Result<SyncedValueOutcome<Ctx>, FatalError> {
        let next = self.driver.app.tip().next();
        if next.0 != height.0 {
            return Ok(SyncedValueOutcome::LocalTransientError);
        }
        if bytes.len() > BLOCK_BYTES_MAX {
            return Ok(SyncedValueOutcome::PeerFault);
        }
        let (hash, validity) = match self.driver.app.validate(
            next,
            bytes,
            ValidationContext::Replay,
        ) {
            Ok(hash) => {
                self.driver.app.put_undecided(next, hash, bytes)?;
                self.blocks.built(hash);
                self.synced = next;
                (hash, Validity::Valid)
            }
            Err(InvalidBlock::Refused { hash, reason }) => {
                error!(height = %next, %hash, %reason, "refused a block with a certificate: does this node run an old version?");
                (hash, Validity::Invalid)
            }
            Err(InvalidBlock::Malformed { reason }) => {
                warn!(height = %next, %reason, "a peer served a malformed block");
                return Ok(SyncedValueOutcome::PeerFault);
            }
        };
        let value = BlockId(hash);
        let valid_round = Round::Nil;
        let value = ProposedValue {
            height,
            round,
            valid_round,
            proposer,
            value,
            validity,
        };
        Ok(SyncedValueOutcome::Verdict(value))
    }

    /// Returns committed blocks from `first` on, as many as one response holds.
    fn decided_values(&self, first: u64, last: u64) -> Vec<RawDecidedValue<Ctx>> {
        let mut values = Vec::new();
        let mut budget = SYNC_RESPONSE_BYTES_MAX;
        let mut sets: BTreeMap<u64, ValidatorSet> = BTreeMap::new();
        for height in (first..=last.min(self.driver.app.tip().0)).take(SYNC_BATCH_MAX) {
            let Some((bytes, certificate)) = self.driver.app.decided(Height(height)) else {
                break;
            };
            let Some(left) = budget.checked_sub(bytes.len()) else {
                break;
            };
            budget = left;
            let Some(set) = self.driver.app.validator_set(Height(height)) else {
                break;
            };
            let set = sets.entry(height).or_insert(set);
            let Some(certificate) = convert::extended(&certificate, set) else {
                break;
            };
            values.push(RawDecidedValue::new(bytes.into(), certificate));
        }
        values
    }
}

/// Resolves once the others are known to be as far as `far` wants them.
async fn reaches(mut reached: watch::Receiver<Reached>, far: impl Fn(&Reached) -> bool) {
    if reached.wait_for(far).await.is_err() {
        // The driver is gone, and the task that waits here with it.
        std::future::pending().await
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

fn proposer_of(set: &ValidatorSet, height: Height, round: u32) -> Address {
    let proposer = set.validators().get(proposer_index(set, height, round));
    Address(
        proposer
            .expect("the proposer's index is within the set")
            .public_key,
    )
}

fn value(
    height: Height,
    round: u32,
    pol_round: Option<u32>,
    proposer: Address,
    hash: H256,
    validity: Validity,
) -> ProposedValue<Ctx> {
    ProposedValue {
        height: height.into(),
        round: Round::new(round),
        valid_round: Round::from(pol_round),
        proposer,
        value: BlockId(hash),
        validity,
    }
}
