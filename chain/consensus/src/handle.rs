//! A running consensus: watched, steered and stopped from here.

use std::convert::Infallible;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::application::FatalError;
use crate::guard::GuardError;
use crate::peers::PeerCommand;
use crate::progress::Progress;

/// Why consensus is not running any more. The node should exit with a clear code.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StopReason {
    /// [`ConsensusHandle::stop`] was called.
    #[error("stopped on request")]
    Requested,
    /// The application could not go on.
    #[error("the application failed")]
    Application(#[source] FatalError),
    /// The sign guard could not record: nothing may be signed. Look at its disk.
    #[error("the sign guard failed")]
    Guard(#[source] GuardError),
    /// What the log says that this validator signed is not what follows from the log: the log was
    /// lost in the middle of the height under way, and the votes it once held came back from
    /// peers. Move the log's file away and start again; the sign guard prevents double signing.
    #[error("the write-ahead log contradicts itself; it was lost once, move it away")]
    LogDiverged,
    /// The engine ended by itself: a failure that a restart heals.
    #[error("the consensus engine ended")]
    EngineEnded,
    /// The engine stopped answering. It does so on purpose when its write-ahead log is damaged
    /// or cannot be written: look at the log and the disk before restarting.
    #[error("the consensus engine hangs; inspect the write-ahead log and the disk")]
    EngineHung,
}

/// Why a change of the admitted peers was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PeerError {
    /// Not a multiaddr that ends in `/p2p/<peer id>`.
    #[error("not a multiaddr ending in /p2p/<peer id>: {address}")]
    BadAddress {
        /// What was given.
        address: String,
    },
    /// The network refused it: already there, or not there.
    #[error("refused by the network: {reason}")]
    Refused {
        /// The network's words.
        reason: String,
    },
    /// Consensus is not running any more.
    #[error("consensus is not running")]
    NotRunning,
}

/// A change of the admitted peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PeerChange {
    Admit,
    Remove,
}

/// What the handle asks of the supervisor task.
#[derive(Debug)]
pub(crate) enum Command {
    Peers(PeerCommand),
    Stop,
    Kill,
}

/// A running consensus. Dropping it stops consensus.
#[derive(Debug)]
pub struct ConsensusHandle {
    commands: mpsc::Sender<Command>,
    pulse: Pulse,
    /// `None` once it ended.
    supervisor: Option<JoinHandle<StopReason>>,
    /// The supervisor stops consensus when this is dropped.
    _alive: oneshot::Sender<Infallible>,
}

impl ConsensusHandle {
    pub(crate) fn new(
        commands: mpsc::Sender<Command>,
        pulse: Pulse,
        supervisor: JoinHandle<StopReason>,
        alive: oneshot::Sender<Infallible>,
    ) -> Self {
        Self {
            commands,
            pulse,
            supervisor: Some(supervisor),
            _alive: alive,
        }
    }

    /// Waits until consensus ends and says why. Cancel safe; once the reason was told, it is
    /// only ever [`StopReason::EngineEnded`] again.
    pub async fn wait(&mut self) -> StopReason {
        let Some(supervisor) = &mut self.supervisor else {
            return StopReason::EngineEnded;
        };
        // The supervisor is neither aborted nor written to panic.
        let reason = supervisor.await.unwrap_or(StopReason::EngineEnded);
        self.supervisor = None;
        reason
    }

    /// Returns whether consensus has ended, so that [`Self::wait`] returns at once.
    pub fn ended(&self) -> bool {
        self.supervisor.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Stops consensus in order: the log is flushed, connections are closed.
    pub async fn stop(mut self) -> StopReason {
        let _ = self.commands.send(Command::Stop).await;
        self.wait().await
    }

    /// Stops consensus as a crash would: nothing is flushed, nobody is told. For simulations.
    pub async fn kill(mut self) {
        let _ = self.commands.send(Command::Kill).await;
        self.wait().await;
    }

    /// Returns what tells whether consensus gets on, and can be cloned.
    pub fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }

    /// Returns a handle that changes the admitted peers and can be cloned.
    pub fn peers(&self) -> PeerAdmission {
        PeerAdmission(self.commands.clone())
    }

    /// Admits the peer `address`, a multiaddr that ends in `/p2p/<peer id>`, and dials it.
    ///
    /// # Errors
    /// [`PeerError`].
    pub async fn admit_peer(&self, address: &str) -> Result<(), PeerError> {
        self.peers().admit(address).await
    }

    /// Removes an admitted peer and closes its connection.
    ///
    /// # Errors
    /// [`PeerError`].
    pub async fn remove_peer(&self, address: &str) -> Result<(), PeerError> {
        self.peers().remove(address).await
    }
}

/// Tells whether the task between engine and application gets on: it answers while blocks are
/// neither made nor executed, and when there is nothing to decide. The engine itself is looked
/// after by consensus, which ends with [`StopReason::EngineHung`].
#[derive(Clone, Debug)]
pub struct Pulse {
    asks: mpsc::Sender<oneshot::Sender<()>>,
    progress: Progress,
}

impl Pulse {
    pub(crate) fn new(asks: mpsc::Sender<oneshot::Sender<()>>, progress: Progress) -> Self {
        Self { asks, progress }
    }

    /// Waits for an answer, or for progress of a block that takes its time; for ever where the
    /// application hangs. `false`: consensus ended. Cancel safe.
    pub async fn beats(&self) -> bool {
        let answered = async {
            let (reply, answer) = oneshot::channel();
            self.asks.send(reply).await.is_ok() && answer.await.is_ok()
        };
        tokio::select! {
            biased;
            is_alive = answered => is_alive,
            () = self.progress.is_made() => true,
        }
    }
}

/// Changes the admitted peers of a running consensus, and lists those connected.
#[derive(Clone, Debug)]
pub struct PeerAdmission(mpsc::Sender<Command>);

impl PeerAdmission {
    /// Like [`ConsensusHandle::admit_peer`].
    ///
    /// # Errors
    /// [`PeerError`].
    pub async fn admit(&self, address: &str) -> Result<(), PeerError> {
        self.change(PeerChange::Admit, address).await
    }

    /// Like [`ConsensusHandle::remove_peer`].
    ///
    /// # Errors
    /// [`PeerError`].
    pub async fn remove(&self, address: &str) -> Result<(), PeerError> {
        self.change(PeerChange::Remove, address).await
    }

    /// Returns the ids of the admitted peers that are connected now, sorted; none on a simulated
    /// network.
    ///
    /// # Errors
    /// [`PeerError::NotRunning`].
    pub async fn connected(&self) -> Result<Vec<String>, PeerError> {
        let (reply, answer) = oneshot::channel();
        self.0
            .send(Command::Peers(PeerCommand::Connected(reply)))
            .await
            .map_err(|_| PeerError::NotRunning)?;
        answer.await.map_err(|_| PeerError::NotRunning)
    }

    async fn change(&self, change: PeerChange, address: &str) -> Result<(), PeerError> {
        let (reply, answer) = oneshot::channel();
        let command = PeerCommand::Change(change, address.to_owned(), reply);
        self.0
            .send(Command::Peers(command))
            .await
            .map_err(|_| PeerError::NotRunning)?;
        answer.await.map_err(|_| PeerError::NotRunning)?
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Goal: a block that takes minutes is told from an application that hangs. Method: nobody
    /// answers, in virtual time, while steps are made and after the last.
    #[tokio::test(start_paused = true)]
    async fn a_block_that_gets_on_counts_as_an_answer_and_one_that_does_not_as_none() {
        let (asks, _unanswered) = mpsc::channel(4);
        let progress = Progress::default();
        let pulse = Pulse::new(asks, progress.clone());
        let works = async {
            for _ in 0..300 {
                progress.step();
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        let beats = async {
            for _ in 0..20 {
                let minute = Duration::from_secs(60);
                let beat = tokio::time::timeout(minute, pulse.beats()).await;
                assert_eq!(beat, Ok(true));
            }
        };
        tokio::join!(works, beats);
        let beat = tokio::time::timeout(Duration::from_secs(3600), pulse.beats()).await;
        assert!(beat.is_err(), "it hangs");
    }
}
