//! The loop over the engine's messages.

use allod_primitives::{Certificate, ChainId, H256, Height, ValidatorSet};
use arc_malachitebft_app_channel::app::consensus::VoteExtensionError;
use arc_malachitebft_app_channel::app::engine::host::HeightParams;
use arc_malachitebft_app_channel::app::types::core::{LinearTimeouts, Round, Validity};
use arc_malachitebft_app_channel::app::types::{LocallyProposedValue, ProposedValue};
use arc_malachitebft_app_channel::{AppMsg, NetworkMsg, Reply};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{debug, error};

use crate::application::{Application, BlockLoad, FatalError, ProposedBlock};
use crate::context::{Address, BlockId, Ctx, proposer_index};
use crate::driver::blocks::Blocks;
use crate::limits::BLOCK_BYTES_MAX;
use crate::pacing::{Pacer, WorkSignal};
use crate::parts::Assembler;
use crate::proposals::SeenProposals;
use crate::signing::EngineSigner;

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
pub(super) enum Broken {
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
    pub(crate) signer: Option<EngineSigner>,
    pub(crate) timeouts: LinearTimeouts,
    pub(crate) pacer: Pacer,
    pub(crate) work: WorkSignal,
    pub(crate) proposals: SeenProposals,
    pub(crate) network: mpsc::Sender<NetworkMsg<Ctx>>,
    /// Who wants to know that this task gets on.
    pub(crate) pulses: mpsc::Receiver<oneshot::Sender<()>>,
}

/// The highest heights of which blocks are streamed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reached {
    /// By the proposer of the height's first round.
    pub(super) begun: Height,
    /// By any validator.
    pub(super) stirred: Height,
}

/// The driver while it runs.
pub(super) struct Running {
    pub(super) driver: Driver,
    pub(super) blocks: Blocks,
    pub(super) assembler: Assembler,
    pub(super) round: u32,
    /// Stream identifiers: a number unique in this run, after the time of its start.
    pub(super) streams: u64,
    /// When the current height started.
    pub(super) started: Instant,
    /// What the last committed block did, and its certificate.
    pub(super) committed: Option<(Certificate, BlockLoad)>,
    /// Last height that came by synchronisation rather than by vote.
    pub(super) synced: Height,
    /// How far the other validators are known to be.
    pub(super) reached: watch::Sender<Reached>,
    /// Delayed answers; aborted with the driver.
    pub(super) delayed: JoinSet<()>,
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
        loop {
            // Few ask for a pulse, so that they may come first; the same order every time.
            let message = tokio::select! {
                biased;
                Some(reply) = running.driver.pulses.recv() => {
                    let _ = reply.send(());
                    continue;
                }
                message = messages.recv() => message,
            };
            let Some(message) = message else {
                return Ended::Engine;
            };
            if let Err(error) = running.answer(message).await {
                error!(%error, "consensus cannot go on");
                return Ended::Application(error);
            }
        }
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
            other => self.answer_aside(other)?,
        }
        Ok(())
    }

    /// Answers what is not part of a round: synchronisation, and what is never asked.
    fn answer_aside(&mut self, message: AppMsg<Ctx>) -> Result<(), FatalError> {
        match message {
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
            other => unreachable!("answered before: {other:?}"),
        }
        Ok(())
    }

    pub(super) fn set(&self, height: Height) -> Result<ValidatorSet, FatalError> {
        let set = self.driver.app.validator_set(height);
        set.ok_or_else(|| FatalError::new(Broken::NoValidators(height)))
    }

    pub(super) fn params(&self, height: Height) -> Result<HeightParams<Ctx>, FatalError> {
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

    /// Builds, stores, hands over and streams this node's own block. Without a signature for the
    /// stream nothing is handed over: the engine then goes on when the time for proposals is up,
    /// as it would not if the proposal itself stayed unsigned.
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
        let Some(init) = self.head(height, number, None, hash, bytes.len()).await else {
            return Ok(());
        };
        let _ = reply.send(LocallyProposedValue::new(
            height.into(),
            round,
            BlockId(hash),
        ));
        self.stream(init, &bytes).await;
        Ok(())
    }
}

pub(super) fn proposer_of(set: &ValidatorSet, height: Height, round: u32) -> Address {
    let proposer = set.validators().get(proposer_index(set, height, round));
    Address(
        proposer
            .expect("the proposer's index is within the set")
            .public_key,
    )
}

pub(super) fn value(
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
