//! The node's side: asks a signer over its socket, and says so when it is gone.
//!
//! One task owns the connection. While there is none, requests fail at once, so that consensus
//! never waits for a signer that is away; one that hangs costs it one second.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use allod_consensus::{Seen, SignError, SignMessage, ValidatorSigner};
use allod_primitives::{ChainId, PublicKey, Signature};
use async_trait::async_trait;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, interval_at, sleep, timeout};

use super::protocol::{Answer, Ask, FrameError, Request, Said, read_frame, write_frame};
use crate::limits::{
    SIGNER_ANSWER_TIMEOUT, SIGNER_HELLO_EVERY, SIGNER_QUEUE_MAX, SIGNER_RETRY, SIGNER_START_WAIT,
};

/// A signer in another process. Its task ends with the last clone of it.
#[derive(Debug)]
pub struct RemoteSigner {
    chain: ChainId,
    key: PublicKey,
    asks: mpsc::Sender<Asked>,
    reachable: Arc<watch::Sender<bool>>,
}

/// A request that waits for its answer.
#[derive(Debug)]
struct Asked {
    request: Request,
    reply: oneshot::Sender<Said>,
}

/// Why a signer cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// Nobody listens, or whoever does said nothing in time.
    #[error("the signer at {path} does not answer: {source}")]
    Silent {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: FrameError,
    },
    /// The signer serves another node.
    #[error("the signer at {path} serves another node")]
    Busy {
        /// The socket.
        path: PathBuf,
    },
    /// The signer is of another chain.
    #[error("the signer at {path} signs for another chain")]
    OtherChain {
        /// The socket.
        path: PathBuf,
    },
    /// The signer has another key than before.
    #[error("the signer at {path} has the key {found}, and had {expected} when the node started")]
    OtherKey {
        /// The socket.
        path: PathBuf,
        /// The key of this validator.
        expected: PublicKey,
        /// The key it has now.
        found: PublicKey,
    },
    /// What it says is not of this protocol.
    #[error("whoever listens at {path} is no signer of this version")]
    NoSigner {
        /// The socket.
        path: PathBuf,
    },
}

impl ConnectError {
    /// Returns whether waiting may help.
    const fn is_temporary(&self) -> bool {
        matches!(self, Self::Silent { .. } | Self::Busy { .. })
    }
}

impl RemoteSigner {
    /// Connects to the signer at `path` and asks for its key; waits up to
    /// [`SIGNER_START_WAIT`] for one that is not there yet.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn connect(path: &Path, chain: ChainId) -> Result<Self, ConnectError> {
        let deadline = Instant::now() + SIGNER_START_WAIT;
        let mut waits = false;
        let (stream, key) = loop {
            match greet(path, &chain).await {
                Ok(greeted) => break greeted,
                Err(error) if error.is_temporary() && Instant::now() < deadline => {
                    if !waits {
                        tracing::warn!(%error, "waiting for the signer");
                        waits = true;
                    }
                    sleep(SIGNER_RETRY).await;
                }
                Err(error) => return Err(error),
            }
        };
        let (asks, asked) = mpsc::channel(SIGNER_QUEUE_MAX);
        let reachable = Arc::new(watch::Sender::new(true));
        let line = Line {
            path: path.to_owned(),
            chain,
            key,
            reachable: reachable.clone(),
        };
        tokio::spawn(line.run(stream, asked));
        Ok(Self {
            chain,
            key,
            asks,
            reachable,
        })
    }
}

#[cfg(test)]
impl RemoteSigner {
    /// Returns what tells whether the signer is there.
    pub(super) fn watch(&self) -> watch::Receiver<bool> {
        self.reachable.subscribe()
    }
}

#[async_trait]
impl ValidatorSigner for RemoteSigner {
    fn public_key(&self) -> PublicKey {
        self.key
    }

    fn is_reachable(&self) -> bool {
        *self.reachable.borrow()
    }

    async fn sign(&self, message: &SignMessage, seen: &Seen) -> Result<Signature, SignError> {
        let Some(ask) = Ask::of(message) else {
            let reason = "not a message of a validator";
            return Err(SignError::Refused { reason });
        };
        if !self.is_reachable() {
            return Err(SignError::Unreachable);
        }
        let (reply, said) = oneshot::channel();
        let request = Request::new(&self.chain, seen, ask);
        let asked = Asked { request, reply };
        // A full queue is one that nobody empties.
        let sent = self.asks.try_send(asked);
        sent.map_err(|_| SignError::Unreachable)?;
        let signature = said.await.map_err(|_| SignError::Unreachable)?.signed()?;
        // A signer that is wrong or lies must not make this node look like it.
        let preimage = message.preimage(&self.chain, &self.key);
        let checked = self.key.verify(&preimage, &signature);
        let reason = "its signature does not verify";
        checked.map_err(|_| SignError::Refused { reason })?;
        Ok(signature)
    }
}

/// The task that owns the connection.
struct Line {
    path: PathBuf,
    chain: ChainId,
    key: PublicKey,
    reachable: Arc<watch::Sender<bool>>,
}

impl Line {
    /// Carries requests until nobody can ask any more.
    async fn run(self, stream: UnixStream, mut asked: mpsc::Receiver<Asked>) {
        let mut stream = Some(stream);
        loop {
            let Some(mut connected) = stream.take() else {
                match self.again(&mut asked).await {
                    Some(found) => stream = Some(found),
                    None => return,
                }
                continue;
            };
            let Some(error) = self.carry(&mut connected, &mut asked).await else {
                return;
            };
            self.reachable.send_replace(false);
            let path = self.path.display();
            tracing::error!(%error, %path, "the signer is gone: this validator is silent");
        }
    }

    /// Carries requests over one connection; returns why no more, or `None` if nobody asks.
    async fn carry(
        &self,
        stream: &mut UnixStream,
        asked: &mut mpsc::Receiver<Asked>,
    ) -> Option<FrameError> {
        let mut hello = interval_at(Instant::now() + SIGNER_HELLO_EVERY, SIGNER_HELLO_EVERY);
        loop {
            tokio::select! {
                next = asked.recv() => {
                    let Asked { request, reply } = next?;
                    match exchange(stream, &request).await {
                        Ok(said) => {
                            let is_last = matches!(said, Said::Failed | Said::Busy);
                            // Consensus may have ended meanwhile.
                            let _ = reply.send(said);
                            if is_last {
                                return Some(FrameError::Malformed);
                            }
                        }
                        Err(error) => return Some(error),
                    }
                }
                _ = hello.tick() => {
                    let hello = Request::new(&self.chain, &Seen::default(), Ask::Hello);
                    match exchange(stream, &hello).await {
                        Ok(Said::Key(key)) if key == self.key => {}
                        Ok(_) => return Some(FrameError::Malformed),
                        Err(error) => return Some(error),
                    }
                }
            }
        }
    }

    /// Tries to reach the signer until it is there and the same; `None` if nobody asks any more.
    async fn again(&self, asked: &mut mpsc::Receiver<Asked>) -> Option<UnixStream> {
        let mut complained = false;
        loop {
            // Whoever asked before this was noticed is told by the end of the reply's sender.
            while let Ok(Asked { .. }) = asked.try_recv() {}
            if asked.is_closed() {
                return None;
            }
            let greeted = greet(&self.path, &self.chain).await;
            let error = match greeted {
                Ok((stream, key)) if key == self.key => {
                    self.reachable.send_replace(true);
                    tracing::info!(path = %self.path.display(), "the signer is back");
                    return Some(stream);
                }
                Ok((_, found)) => ConnectError::OtherKey {
                    path: self.path.clone(),
                    expected: self.key,
                    found,
                },
                Err(error) => error,
            };
            if !complained && !matches!(error, ConnectError::Silent { .. }) {
                tracing::error!(%error, "the signer cannot be used");
                complained = true;
            }
            sleep(SIGNER_RETRY).await;
        }
    }
}

/// Connects and asks for the key.
async fn greet(path: &Path, chain: &ChainId) -> Result<(UnixStream, PublicKey), ConnectError> {
    let path = || path.to_owned();
    let silent = |source| ConnectError::Silent {
        path: path(),
        source,
    };
    let connecting = timeout(SIGNER_ANSWER_TIMEOUT, UnixStream::connect(path()));
    let mut stream = match connecting.await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(silent(error.into())),
        Err(_) => return Err(silent(out_of_time())),
    };
    let hello = Request::new(chain, &Seen::default(), Ask::Hello);
    match exchange(&mut stream, &hello).await {
        Ok(Said::Key(key)) => Ok((stream, key)),
        Ok(Said::Busy) => Err(ConnectError::Busy { path: path() }),
        Ok(Said::OtherChain) => Err(ConnectError::OtherChain { path: path() }),
        Ok(_) | Err(FrameError::Malformed) => Err(ConnectError::NoSigner { path: path() }),
        Err(error) => Err(silent(error)),
    }
}

/// Asks and waits for the answer. After an error the connection may hold a late answer, and must
/// not be used again.
async fn exchange(stream: &mut UnixStream, request: &Request) -> Result<Said, FrameError> {
    let exchanged = timeout(SIGNER_ANSWER_TIMEOUT, async {
        write_frame(stream, request).await?;
        Answer::decode(&read_frame(stream).await?)
    });
    exchanged.await.unwrap_or_else(|_| Err(out_of_time()))
}

fn out_of_time() -> FrameError {
    io::Error::from(io::ErrorKind::TimedOut).into()
}
