//! Booting consensus and watching over it.

use std::convert::Infallible;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use arc_malachitebft_app_channel::app::consensus::Error as EngineError;
use arc_malachitebft_app_channel::app::engine::util::events::{Event, RxEvent};
use arc_malachitebft_app_channel::app::metrics::export;
use arc_malachitebft_app_channel::app::types::PeerId;
use arc_malachitebft_app_channel::app::types::core::LinearTimeouts;
use arc_malachitebft_app_channel::{ConsensusRequest, EngineHandle};
use fs2::FileExt as _;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::{error, info};

use crate::application::Application;
use crate::config::{ConsensusConfig, Keys, Timeouts, keypair};
use crate::context::Ctx;
use crate::driver::{Driver, Ended};
use crate::engine::{self, Voice, World};
use crate::handle::{Command, ConsensusHandle, Pulse, StopReason};
use crate::late::{self, Late, Listeners};
use crate::limits::{PEER_COMMANDS_MAX, PROBE_TIMEOUT, PULSES_MAX};
use crate::pacing::{Pacer, WorkSignal};
use crate::peers::{self, PeerCommand};
use crate::progress::Progress;
use crate::proposals::SeenProposals;
use crate::seen::SharedSeen;
use crate::signing::{EngineSigner, GuardFailure, Zip215Verifier};
use crate::sim::{SimPeer, SimWal};

/// How long each step takes longer in each further round of a height.
const ROUND_DELTA: Duration = Duration::from_millis(500);
/// Longest wait of any step, however many rounds failed.
const STEP_MAX: Duration = Duration::from_secs(60);
/// How often the engine is asked for a sign of life.
const PROBE_INTERVAL: Duration = Duration::from_secs(10);
/// How long an orderly stop may take before it becomes a kill.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// How often it is looked whether the log's file is free.
const LOG_POLL: Duration = Duration::from_millis(2);

/// What consensus touches the world through.
#[derive(Debug, Default)]
pub enum Seams {
    /// TCP and a log in a file: see [`ConsensusConfig`].
    #[default]
    Real,
    /// A simulated network and a log in memory; addresses and the log's path are not used.
    Simulated {
        /// The node's place on the network.
        network: SimPeer,
        /// The node's log.
        wal: SimWal,
    },
}

/// Why consensus did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// An address is no TCP multiaddr, or a peer's does not end in `/p2p/<peer id>`.
    #[error("bad address {address}")]
    BadAddress {
        /// What was configured.
        address: String,
    },
    /// The application does not know who decides the next block.
    #[error("no validator set for the block after the tip")]
    NoValidators,
    /// The engine refused to start: address in use, log unreadable.
    #[error("the consensus engine did not start: {reason}")]
    Engine {
        /// The engine's words.
        reason: String,
    },
}

/// Boots consensus on the current tokio runtime.
///
/// `work`: see [`WorkSignal`].
///
/// # Errors
/// [`StartError`]; nothing is left running then.
pub async fn start(
    config: ConsensusConfig,
    keys: Keys,
    app: Box<dyn Application>,
    work: WorkSignal,
    seams: Seams,
) -> Result<ConsensusHandle, StartError> {
    if app.validator_set(app.tip().next()).is_none() {
        return Err(StartError::NoValidators);
    }
    let proposals = SeenProposals::default();
    let guard_failure = GuardFailure::default();
    let signer = keys.validator.clone().map(|signer| EngineSigner {
        seen: SharedSeen::of(app.as_ref(), &signer.public_key()),
        signer,
        failure: guard_failure.clone(),
        late: Late::default(),
    });
    let voice = Voice {
        signer: signer.clone(),
        verifier: Zip215Verifier {
            chain: config.chain,
            proposals: proposals.clone(),
        },
    };
    let (world, log) = match seams {
        Seams::Real => (World::Real(config.wal.clone()), Some(config.wal.clone())),
        Seams::Simulated { network, wal } => (World::Simulated(network, wal), None),
    };
    let (channels, engine) = engine::boot(&config, &keys, voice, world).await?;
    info!(moniker = %config.moniker, ?keys, tip = %app.tip(), "consensus started");
    let (pulse, pulses) = mpsc::channel(PULSES_MAX);
    let progress = app.progress();
    let driver = Driver {
        chain: config.chain,
        app,
        signer: signer.clone(),
        timeouts: linear(&config.timeouts),
        pacer: Pacer::new(config.pacing),
        work,
        proposals,
        network: channels.network,
        pulses,
    };
    let (commands, received) = mpsc::channel(16);
    let (peers, asked) = mpsc::channel(PEER_COMMANDS_MAX);
    let supervisor = Supervisor {
        late: signer.map(|signer| tokio::spawn(late::speak(signer, listeners(&engine, &keys)))),
        engine,
        log,
        diverged: watch_replay(channels.events.subscribe()),
        driver: tokio::spawn(driver.run(channels.consensus)),
        probes: channels.requests,
        progress: progress.clone(),
        peers,
        connections: tokio::spawn(peers::serve(channels.net_requests, asked)),
        guard_failure,
    };
    let (alive, dropped) = oneshot::channel();
    let supervisor = tokio::spawn(supervisor.run(received, dropped));
    Ok(ConsensusHandle::new(
        commands,
        Pulse::new(pulse, progress),
        supervisor,
        alive,
    ))
}

fn listeners(engine: &EngineHandle, keys: &Keys) -> Listeners {
    let own = keypair(&keys.network).public().to_peer_id();
    Listeners {
        engine: engine.actor.get_cell(),
        own: PeerId::from_bytes(&own.to_bytes()).expect("libp2p's identifier is an identifier"),
    }
}

fn linear(timeouts: &Timeouts) -> LinearTimeouts {
    LinearTimeouts {
        propose: timeouts.propose,
        propose_delta: ROUND_DELTA,
        prevote: timeouts.prevote,
        prevote_delta: ROUND_DELTA,
        precommit: timeouts.precommit,
        precommit_delta: ROUND_DELTA,
        rebroadcast: timeouts.rebroadcast,
        max_timeout: STEP_MAX,
    }
}

/// Watches engine and driver: when one ends, the other is stopped.
struct Supervisor {
    engine: EngineHandle,
    /// The log's file, if it is one.
    log: Option<PathBuf>,
    /// Finishes if the replay of the log contradicts the log.
    diverged: JoinHandle<()>,
    /// Says what the signer was not there for.
    late: Option<JoinHandle<()>>,
    driver: JoinHandle<Ended>,
    probes: mpsc::Sender<ConsensusRequest<Ctx>>,
    progress: Progress,
    peers: mpsc::Sender<PeerCommand>,
    /// Serves `peers`.
    connections: JoinHandle<()>,
    guard_failure: GuardFailure,
}

impl Supervisor {
    async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        mut dropped: oneshot::Receiver<Infallible>,
    ) -> StopReason {
        let hung = watch_over(self.probes.clone(), self.progress.clone());
        tokio::pin!(hung);
        let reason = loop {
            tokio::select! {
                biased;
                ended = &mut self.driver => break match ended {
                    Ok(Ended::Application(error)) => StopReason::Application(error),
                    Ok(Ended::Engine) => self.engine_left().await,
                    Err(panic) => StopReason::Application(
                        crate::application::FatalError::new(panic),
                    ),
                },
                _ = &mut self.engine.handle => break self.ended(),
                () = self.guard_failure.told() => break self.ended(),
                () = &mut hung => break StopReason::EngineHung,
                _ = &mut dropped => break StopReason::Requested,
                command = commands.recv() => match command {
                    // Where too much waits, the dropped reply tells the caller.
                    Some(Command::Peers(command)) => drop(self.peers.try_send(command)),
                    Some(Command::Stop) | None => break StopReason::Requested,
                    Some(Command::Kill) => {
                        self.kill().await;
                        return StopReason::Requested;
                    }
                },
            }
        };
        if !matches!(reason, StopReason::Requested) {
            error!(%reason, "consensus stops");
        }
        self.stop().await;
        reason
    }

    /// Tells why the engine left the driver. After a failure of its log the engine stops its
    /// parts and stays itself, lest a restart does harm; after any other it ends.
    async fn engine_left(&mut self) -> StopReason {
        match timeout(STOP_TIMEOUT, &mut self.engine.handle).await {
            Ok(_) => self.ended(),
            Err(_) if self.diverged.is_finished() => StopReason::LogDiverged,
            Err(_) => StopReason::EngineHung,
        }
    }

    /// Tells why the engine ended: the signer's failure, if there was one, is the cause.
    fn ended(&self) -> StopReason {
        let failure = self.guard_failure.take();
        failure.map_or(StopReason::EngineEnded, StopReason::Guard)
    }

    /// Ends the children in order; the engine's supervisor ends with its first child.
    async fn stop(mut self) {
        let children = self.engine.actor.get_children();
        for child in &children {
            child.stop(Some("consensus stops".into()));
        }
        let ended = async {
            for child in &children {
                let _ = child.wait(None).await;
            }
        };
        if timeout(STOP_TIMEOUT, ended).await.is_err() {
            error!("the consensus engine did not stop in time");
        }
        self.kill().await;
        if let Some(log) = &self.log
            && timeout(STOP_TIMEOUT, released(log)).await.is_err()
        {
            error!(log = %log.display(), "the consensus engine did not let go of its log");
        }
    }

    /// Ends everything at once; when it returns the application is let go of, unless it hangs.
    async fn kill(&mut self) {
        self.diverged.abort();
        self.connections.abort();
        if let Some(late) = &self.late {
            late.abort();
        }
        self.driver.abort();
        for child in self.engine.actor.get_children() {
            child.kill();
        }
        self.engine.actor.kill();
        // A task that is at work goes on to where it would wait; till then it commits and answers.
        let gone = async {
            if !self.driver.is_finished() {
                let _ = (&mut self.driver).await;
            }
        };
        if timeout(STOP_TIMEOUT, gone).await.is_err() {
            error!("the application hangs and was left behind");
        }
    }
}

/// Waits until nobody holds the log's file. The engine's thread lets go of it only some time after
/// the actor that it belongs to has ended, and until then nobody else can open it.
async fn released(log: &Path) {
    while let Ok(file) = File::open(log) {
        if file.try_lock_exclusive().is_ok() {
            return;
        }
        tokio::time::sleep(LOG_POLL).await;
    }
}

/// Returns the engine's metrics of all nodes of this process, in Prometheus' text format, each
/// labelled with its node's moniker.
pub fn metrics() -> String {
    let mut text = String::new();
    export(&mut text);
    text
}

/// Asks the engine for signs of life; ends when there is none.
///
/// A damaged log makes the engine stop working on purpose without ending, and so does a handler
/// that waits for ever; both leave the question unanswered. So does a block that takes its time,
/// for which it waits: as long as there is progress, that is no reason.
async fn watch_over(probes: mpsc::Sender<ConsensusRequest<Ctx>>, progress: Progress) {
    loop {
        tokio::time::sleep(PROBE_INTERVAL).await;
        let answer = ConsensusRequest::dump_state(&probes);
        tokio::pin!(answer);
        loop {
            let before = progress.count();
            match timeout(PROBE_TIMEOUT, &mut answer).await {
                Ok(Ok(_)) => break,
                Err(_) if progress.count() != before => {}
                Ok(Err(_)) | Err(_) => return,
            }
        }
    }
}

/// Waits for the engine to find its log at odds with itself.
fn watch_replay(mut events: RxEvent<Ctx>) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            match events.recv().await {
                Ok(Event::WalReplayError(error)) if is_divergence(&error) => return,
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    })
}

fn is_divergence(error: &EngineError<Ctx>) -> bool {
    matches!(error, EngineError::ReplayDivergence(..))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: the engine waits for a block that takes minutes, and nobody takes it for hung; without
    /// progress it is. Method: a question that nobody answers, in virtual time.
    #[tokio::test(start_paused = true)]
    async fn an_engine_that_waits_for_a_long_block_does_not_count_as_hung() {
        let (probes, _unanswered) = mpsc::channel(1);
        let progress = Progress::default();
        let hung = watch_over(probes, progress.clone());
        tokio::pin!(hung);
        let works = async {
            for _ in 0..600 {
                progress.step();
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        tokio::select! {
            biased;
            () = &mut hung => panic!("there was progress"),
            () = works => {}
        }
        let limit = PROBE_INTERVAL + 2 * PROBE_TIMEOUT;
        assert_eq!(timeout(limit, hung).await, Ok(()), "there was none");
    }
}
