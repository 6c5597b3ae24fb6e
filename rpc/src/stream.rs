//! What comes over the wire, encrypted or not; and what a WebSocket is told when the node closes it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// How a WebSocket is closed by the library: code 1000, "done". A message is text, in which the
/// byte 0x02 never follows 0x88, so nothing else is these four bytes.
pub(crate) const CLOSE_DONE: [u8; 4] = [0x88, 2, 0x03, 0xE8];
/// How it is closed when the node stops: code 1001, "going away", and why.
pub(crate) const CLOSE_AWAY: &[u8] = b"\x88\x10\x03\xE9the node stops";
/// How it is closed when what it sends are no calls: code 1008, "policy violation", and which.
pub(crate) const CLOSE_GARBAGE: &[u8] = b"\x88\x25\x03\xF0too many messages that are no calls";
/// How it is closed when its key is gone.
pub(crate) const CLOSE_KEY: &[u8] = b"\x88\x1C\x03\xF0the API key was taken away";

/// One socket's bytes.
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

macro_rules! either {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Stream::Plain(inner) => {
                let $stream = Pin::new(inner);
                $call
            }
            Stream::Tls(inner) => {
                let $stream = Pin::new(&mut **inner);
                $call
            }
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_read(context, buffer))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        either!(self, stream => stream.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self, stream => stream.poll_write_vectored(context, pieces))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_shutdown(context))
    }
}

/// Writes another frame in the place of [`CLOSE_DONE`].
#[derive(Debug, Default)]
pub(crate) struct Farewell {
    written: usize,
}

impl Farewell {
    /// Writes what is missing; returns the length of what it stands for.
    pub(crate) fn poll(
        &mut self,
        frame: &'static [u8],
        stream: &mut Stream,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        while let Some(rest) = frame.get(self.written..).filter(|it| !it.is_empty()) {
            match ready!(Pin::new(&mut *stream).poll_write(context, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.written += count,
            }
        }
        Poll::Ready(Ok(CLOSE_DONE.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_farewell_is_a_frame() {
        for (frame, code) in [(CLOSE_AWAY, 1001), (CLOSE_GARBAGE, 1008), (CLOSE_KEY, 1008)] {
            assert_eq!(usize::from(frame[1]) + 2, frame.len(), "{frame:?}");
            assert_eq!(u16::from_be_bytes([frame[2], frame[3]]), code);
        }
    }
}
