//! The sockets of the server: so many at a time, each open as long as bytes move, and read from as
//! its [`Traffic`] allows.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use allod_rpc_api::limits::REQUEST_HEAD_MS_MAX;
use jsonrpsee::server::StopHandle;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, timeout_at};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::connection::{Connection, Cut};
use crate::counts::{Counts, Open, Refused};
use crate::stream::{CLOSE_AWAY, CLOSE_DONE, CLOSE_GARBAGE, CLOSE_KEY, Farewell, Stream};
use crate::tls::Tls;
use crate::visitors::Visitors;

/// A socket that no byte goes through for this long is closed. Above what calls wait.
pub(crate) const IDLE: Duration = Duration::from_secs(120);
/// Sockets beyond those of the operator, so that probes and refusals get through.
pub(crate) const SPARE: u32 = 64;
/// Until the next try when the system gives no socket.
const RETRY: Duration = Duration::from_millis(100);

/// Where sockets come in.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    pub(crate) visitors: Arc<Visitors>,
    pub(crate) counts: Arc<Counts>,
    pub(crate) tls: Arc<Tls>,
    pub(crate) stopping: CancellationToken,
}

impl Door {
    /// Makes a connection from `peer`, unless that has far too many.
    fn enter(&self, peer: IpAddr) -> Option<Arc<Connection>> {
        let place = match self.visitors.of_socket(peer) {
            None => None,
            Some(source) => match self.visitors.enter(source) {
                Some(place) => Some(place),
                None => {
                    self.counts.refused(Refused::AddressConnections);
                    return None;
                }
            },
        };
        let stopping = self.stopping.clone();
        Some(Arc::new(Connection::from(peer, place, stopping)))
    }
}

/// Takes sockets until the server stops, and hands each to `serve`. One above `sockets_max` is
/// closed at once.
pub(crate) async fn accept(
    listener: TcpListener,
    sockets_max: u32,
    door: Door,
    stop: StopHandle,
    serve: impl Fn(Socket, Arc<Connection>, StopHandle) + Send + Sync + 'static,
) {
    let serve = Arc::new(serve);
    let places = Arc::new(Semaphore::new(sockets_max as usize));
    let stopped = stop.clone().shutdown();
    tokio::pin!(stopped);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = door.stopping.cancelled() => break,
            () = &mut stopped => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "no socket");
                tokio::time::sleep(RETRY).await;
                continue;
            }
        };
        let Ok(place) = places.clone().try_acquire_owned() else {
            door.counts.refused(Refused::Connections);
            continue;
        };
        let Some(connection) = door.enter(peer.ip()) else {
            continue;
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a socket that is closed already");
            continue;
        }
        let open = (place, door.counts.connected());
        let Some(acceptor) = door.tls.acceptor() else {
            let socket = Socket::new(Stream::Plain(stream), connection.clone(), open);
            serve(socket, connection, stop.clone());
            continue;
        };
        let (serve, stop) = (serve.clone(), stop.clone());
        tokio::spawn(async move {
            let stopping = connection.stopping.clone();
            let shaken = tokio::select! {
                // The first request must come within the same time.
                shaken = timeout_at(connection.patience.end(), acceptor.accept(stream)) => shaken,
                () = stopping.cancelled() => return,
            };
            match shaken {
                Ok(Ok(stream)) => {
                    let stream = Stream::Tls(Box::new(stream));
                    serve(
                        Socket::new(stream, connection.clone(), open),
                        connection,
                        stop,
                    );
                }
                Ok(Err(error)) => tracing::debug!(%error, "no TLS"),
                Err(_) => tracing::debug!("a TLS handshake takes too long"),
            }
        });
    }
    // The port is free before those who wait for the end are told.
    drop(listener);
}

/// Until when a socket is open.
#[derive(Debug)]
pub(crate) struct Patience(Mutex<Until>);

#[derive(Debug)]
struct Until {
    end: Instant,
    was_asked: bool,
}

impl Default for Patience {
    fn default() -> Self {
        Self(Mutex::new(Until {
            end: Instant::now() + Duration::from_millis(REQUEST_HEAD_MS_MAX),
            was_asked: false,
        }))
    }
}

impl Patience {
    /// A request has come.
    pub(crate) fn asked(&self) {
        let mut until = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        until.was_asked = true;
        until.end = Instant::now() + IDLE;
    }

    /// Bytes went through. Before the first request they do not count.
    fn moved(&self) {
        let mut until = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if until.was_asked {
            until.end = Instant::now() + IDLE;
        }
    }

    fn end(&self) -> Instant {
        let until = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        until.end
    }

    /// Fails once the time is up; wakes the task then.
    fn check(&self, timer: &mut Pin<Box<Sleep>>, context: &mut Context<'_>) -> io::Result<()> {
        while timer.as_mut().poll(context).is_ready() {
            let end = self.end();
            if end <= Instant::now() {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "nothing moved"));
            }
            timer.as_mut().reset(end);
        }
        Ok(())
    }
}

/// One socket.
pub(crate) struct Socket {
    stream: Stream,
    farewell: Farewell,
    connection: Arc<Connection>,
    /// Reading and writing are of two tasks, so each has a timer that wakes it.
    reading: Pin<Box<Sleep>>,
    writing: Pin<Box<Sleep>>,
    /// Ends the reading.
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    _place: (OwnedSemaphorePermit, Open),
}

impl Socket {
    fn new(
        stream: Stream,
        connection: Arc<Connection>,
        place: (OwnedSemaphorePermit, Open),
    ) -> Self {
        let timer = || Box::pin(tokio::time::sleep_until(connection.patience.end()));
        Self {
            reading: timer(),
            writing: timer(),
            stream,
            farewell: Farewell::default(),
            cut: Box::pin(connection.is_cut.clone().cancelled_owned()),
            connection,
            _place: place,
        }
    }

    /// Notes what a try to write came to.
    fn wrote(
        &mut self,
        written: Poll<io::Result<usize>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let count = match &written {
            Poll::Pending => {
                let patience = &self.connection.patience;
                patience.check(&mut self.writing, context)?;
                None
            }
            Poll::Ready(Ok(count)) => {
                self.connection.patience.moved();
                Some(*count)
            }
            Poll::Ready(Err(_)) => Some(0),
        };
        self.connection.traffic.wrote(count);
        written
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.connection.gone.cancel();
    }
}

/// Returns how a WebSocket is closed instead of as one that is done with.
fn farewell(connection: &Connection) -> Option<&'static [u8]> {
    match connection.why_cut() {
        Some(Cut::Garbage) => Some(CLOSE_GARBAGE),
        Some(Cut::Key) => Some(CLOSE_KEY),
        None => connection.stopping.is_cancelled().then_some(CLOSE_AWAY),
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let patience = &this.connection.patience;
        patience.check(&mut this.reading, context)?;
        if this.cut.as_mut().poll(context).is_ready() {
            let error = io::Error::new(io::ErrorKind::ConnectionAborted, "read no more");
            return Poll::Ready(Err(error));
        }
        ready!(this.connection.traffic.poll_may_read(context));
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
        if buffer.filled().len() > before {
            patience.moved();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let instead = farewell(&this.connection).filter(|_| bytes == CLOSE_DONE);
        let written = match instead {
            Some(frame) => this.farewell.poll(frame, &mut this.stream, context),
            None => Pin::new(&mut this.stream).poll_write(context, bytes),
        };
        this.wrote(written, context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(context, pieces);
        this.wrote(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.stream).poll_flush(context);
        // What was encrypted waits below; reading stops meanwhile, as while nothing is taken.
        let taken = flushed.is_ready().then_some(0);
        this.connection.traffic.wrote(taken);
        flushed
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
