//! Requests and responses on a libp2p stream: each is the whole of its direction, SCALE-encoded,
//! with a maximum that is enforced while reading.

use std::io;

use allod_primitives::decode_strict;
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::StreamProtocol;
use libp2p::request_response;
use parity_scale_codec::{Decode, Encode};

use super::message::{Request, Response};
use crate::limits::GOSSIP_MESSAGE_BYTES_MAX;

/// The codec; it has no state.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scale;

async fn read<T: Decode>(io: &mut (impl AsyncRead + Unpin + Send)) -> io::Result<T> {
    let mut bytes = Vec::new();
    let max = GOSSIP_MESSAGE_BYTES_MAX as u64;
    io.take(max + 1).read_to_end(&mut bytes).await?;
    let invalid = |what: &'static str| io::Error::new(io::ErrorKind::InvalidData, what);
    if bytes.len() > GOSSIP_MESSAGE_BYTES_MAX {
        return Err(invalid("message above its maximum"));
    }
    decode_strict(&bytes).map_err(|_| invalid("message does not decode"))
}

async fn write(io: &mut (impl AsyncWrite + Unpin + Send), message: &impl Encode) -> io::Result<()> {
    io.write_all(&message.encode()).await?;
    io.close().await
}

#[async_trait::async_trait]
impl request_response::Codec for Scale {
    type Protocol = StreamProtocol;
    type Request = Request;
    type Response = Response;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Request>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io).await
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Response>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io).await
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        request: Request,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, &request).await
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        response: Response,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, &response).await
    }
}
