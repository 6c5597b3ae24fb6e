//! The process that holds a validator's key: one socket, one client at a time.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use allod_consensus::{
    FileGuard, GuardFile, LocalSigner, OpenGuardError, SignGuard, ValidatorSigner,
};
use allod_primitives::{ChainId, PublicKey};
use async_trait::async_trait;
use ed25519_dalek::SigningKey;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{sleep, timeout};

use super::protocol::{Answer, FrameError, Request, Said, read_frame, write_frame};
use crate::limits::{
    SIGNER_ACCEPT_PAUSE, SIGNER_IDLE_MAX, SIGNER_TURNED_AWAY_MAX, SIGNER_WRITE_TIMEOUT,
};

/// What a signer is.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// The chain it signs for.
    pub chain: ChainId,
    /// The guard's file.
    pub guard: PathBuf,
    /// Which guard is expected there.
    pub expected: GuardFile,
    /// The socket; its directory exists.
    pub listen: PathBuf,
    /// Users besides the own one whose processes may ask.
    pub allowed: Vec<u32>,
}

/// Why a signer does not start, or cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The guard cannot be used.
    #[error(transparent)]
    Guard(#[from] OpenGuardError),
    /// Another signer listens there.
    #[error("another signer uses {path}")]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// A file or socket cannot be made.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is something at the socket's path that is no socket.
    #[error("{path} is there and no socket")]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// The guard could not write: nothing can be signed any more.
    #[error("the sign guard failed; nothing is signed any more")]
    GuardFailed,
}

/// Where clients come in.
#[async_trait]
pub(super) trait Door: Send {
    /// Waits for the next client.
    async fn next(&mut self) -> io::Result<UnixStream>;
}

#[async_trait]
impl Door for &UnixListener {
    async fn next(&mut self) -> io::Result<UnixStream> {
        Ok(self.accept().await?.0)
    }
}

/// A signer that listens.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    path: PathBuf,
    desk: Arc<Desk>,
}

/// What answers requests.
#[derive(Debug)]
struct Desk {
    chain: ChainId,
    signer: LocalSigner,
    allowed: Vec<u32>,
    /// The one place at the desk.
    place: Arc<Semaphore>,
    turned_away: Arc<Semaphore>,
    /// Told when the guard failed.
    failed: mpsc::Sender<()>,
}

impl Server {
    /// Opens the guard and listens. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`ServerError`]; nothing listens then.
    pub fn start(
        config: &ServerConfig,
        key: SigningKey,
    ) -> Result<(Self, mpsc::Receiver<()>), ServerError> {
        let public = PublicKey(key.verifying_key().to_bytes());
        let guard = FileGuard::open(&config.guard, config.chain, public, config.expected)?;
        Self::with_guard(config, key, Arc::new(guard))
    }

    fn with_guard(
        config: &ServerConfig,
        key: SigningKey,
        guard: Arc<dyn SignGuard>,
    ) -> Result<(Self, mpsc::Receiver<()>), ServerError> {
        let path = config.listen.clone();
        let file = |source| ServerError::File {
            path: path.clone(),
            source,
        };
        let listener = listen(&path, !config.allowed.is_empty())?;
        let mut allowed = config.allowed.clone();
        allowed.push(own_user().map_err(file)?);
        let (failed, failure) = mpsc::channel(1);
        let desk = Desk {
            chain: config.chain,
            signer: LocalSigner::new(config.chain, key, guard),
            allowed,
            place: Arc::new(Semaphore::new(1)),
            turned_away: Arc::new(Semaphore::new(SIGNER_TURNED_AWAY_MAX)),
            failed,
        };
        let server = Self {
            listener,
            path: path.clone(),
            desk: Arc::new(desk),
        };
        Ok((server, failure))
    }

    /// Returns the validator's public key.
    pub fn public_key(&self) -> PublicKey {
        self.desk.signer.public_key()
    }

    /// Answers one request, as over the socket.
    #[cfg(test)]
    pub(super) async fn answer(&self, request: Request) -> Said {
        self.desk.answer(request).await
    }

    /// Lets these users ask and nobody else, the own one included.
    #[cfg(test)]
    pub(super) fn allow_only(&mut self, users: Vec<u32>) {
        let desk = Arc::get_mut(&mut self.desk);
        desk.expect("nobody is connected yet").allowed = users;
    }

    /// Starts with any guard: tests replace the real one to see that they would notice.
    #[cfg(test)]
    pub(super) fn start_with(
        config: &ServerConfig,
        key: SigningKey,
        guard: Arc<dyn SignGuard>,
    ) -> Result<(Self, mpsc::Receiver<()>), ServerError> {
        Self::with_guard(config, key, guard)
    }

    /// Serves until the future is dropped; `failure` is what [`Self::start`] returned.
    ///
    /// # Errors
    /// [`ServerError::GuardFailed`], after the client was told.
    pub async fn serve(&self, failure: mpsc::Receiver<()>) -> Result<(), ServerError> {
        self.serve_those(&mut &self.listener, failure).await
    }

    /// Serves whoever comes in by `door`. An error of it is of this moment, too many open files
    /// say: whoever is connected goes on, and others are accepted after a pause.
    pub(super) async fn serve_those(
        &self,
        door: &mut impl Door,
        mut failure: mpsc::Receiver<()>,
    ) -> Result<(), ServerError> {
        let mut clients = tokio::task::JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = door.next() => accepted,
                _ = failure.recv() => return Err(ServerError::GuardFailed),
                Some(_) = clients.join_next() => continue,
            };
            match accepted {
                Ok(stream) => {
                    clients.spawn(self.desk.clone().receive(stream));
                }
                Err(error) => {
                    let path = self.path.display();
                    tracing::error!(%error, %path, "nobody can connect; trying again");
                    tokio::select! {
                        () = sleep(SIGNER_ACCEPT_PAUSE) => {}
                        _ = failure.recv() => return Err(ServerError::GuardFailed),
                    }
                }
            }
        }
    }
}

impl Drop for Server {
    /// Takes the socket away; one that another signer made since cannot be there, for the lock.
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

impl Desk {
    /// Serves a client, or tells it why not.
    async fn receive(self: Arc<Self>, mut stream: UnixStream) {
        let peer = stream.peer_cred();
        let (uid, pid) = peer.map_or((None, None), |peer| (Some(peer.uid()), peer.pid()));
        if !uid.is_some_and(|uid| self.allowed.contains(&uid)) {
            return tracing::warn!(?uid, ?pid, "a process of a user who may not ask");
        }
        if let Ok(_place) = self.place.try_acquire() {
            tracing::info!(?pid, "a node is connected");
            let ended = self.serve_alone(&mut stream).await;
            return tracing::info!(?pid, reason = %ended, "the node is gone");
        }
        tracing::error!(
            ?pid,
            "another node asks: two nodes are set up for one validator"
        );
        if let Ok(_slot) = self.turned_away.try_acquire() {
            // What is unread when a socket closes takes the answer with it.
            let asked = timeout(SIGNER_WRITE_TIMEOUT, read_frame(&mut stream)).await;
            if matches!(asked, Ok(Ok(_))) {
                say(&mut stream, Said::Busy).await;
            }
        }
    }

    /// Answers requests in turn; returns why no more.
    async fn serve_alone(&self, stream: &mut UnixStream) -> FrameError {
        loop {
            let read = timeout(SIGNER_IDLE_MAX, read_frame(stream)).await;
            let body = match read {
                Ok(Ok(body)) => body,
                Ok(Err(FrameError::Malformed)) => {
                    say(stream, Said::Malformed).await;
                    return FrameError::Malformed;
                }
                Ok(Err(error)) => return error,
                Err(_) => return io::Error::from(io::ErrorKind::TimedOut).into(),
            };
            let said = match Request::decode(&body) {
                Ok(request) => self.answer(request).await,
                Err(_) => Said::Malformed,
            };
            let (is_last, has_failed) = match said {
                Said::Malformed => (true, false),
                Said::Failed => (true, true),
                _ => (false, false),
            };
            let written = say(stream, said).await;
            if has_failed {
                // Only the first failure counts.
                let _ = self.failed.try_send(());
            }
            match written {
                true if is_last => return FrameError::Malformed,
                true => {}
                false => return io::Error::from(io::ErrorKind::BrokenPipe).into(),
            }
        }
    }

    /// Answers a request. Signs only what the guard has written down.
    async fn answer(&self, request: Request) -> Said {
        let chain = (request.genesis, request.fork_id);
        if chain != (self.chain.genesis, self.chain.fork_id) {
            tracing::error!(genesis = %request.genesis, "a node of another chain");
            return Said::OtherChain;
        }
        let seen = request.seen();
        let Some(message) = request.ask.message() else {
            return Said::Key(self.signer.public_key());
        };
        let signed = self.signer.sign(&message, &seen).await;
        if let Err(refusal) = &signed {
            tracing::warn!(?message, ?seen, %refusal, "refused");
        }
        signed.into()
    }
}

/// Writes an answer; returns whether it was taken.
async fn say(stream: &mut UnixStream, said: Said) -> bool {
    let answer = Answer::from(said);
    let written = timeout(SIGNER_WRITE_TIMEOUT, write_frame(stream, &answer)).await;
    matches!(written, Ok(Ok(())))
}

/// Returns the user this process runs as, by what the kernel says of the own end of a socket.
fn own_user() -> io::Result<u32> {
    let (own, _other) = UnixStream::pair()?;
    Ok(own.peer_cred()?.uid())
}

/// Binds the socket; takes away the one that a killed signer left. Call with the guard open, which one process has at a time.
fn listen(path: &Path, is_shared: bool) -> Result<UnixListener, ServerError> {
    let file = |source| ServerError::File {
        path: path.to_owned(),
        source,
    };
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => {
            if std::os::unix::net::UnixStream::connect(path).is_ok() {
                let path = path.to_owned();
                return Err(ServerError::InUse { path });
            }
            fs::remove_file(path).map_err(file)?;
        }
        Ok(_) => {
            let path = path.to_owned();
            return Err(ServerError::NotASocket { path });
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(source) => return Err(file(source)),
    }
    let listener = UnixListener::bind(path).map_err(file)?;
    // Who may connect is judged by user; the mode only keeps others from trying.
    let mode = if is_shared { 0o666 } else { 0o600 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(file)?;
    Ok(listener)
}
