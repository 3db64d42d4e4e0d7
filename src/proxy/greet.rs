//! The first bytes of a connection: who the client is, and what it speaks.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::proxy_protocol::{self, Header};

/// What HTTP/2 begins with (prior knowledge).
const H2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Reads the header of the PROXY protocol; what follows it stays in `bytes`. `None`: there is none,
/// or the client is gone.
pub(super) async fn client(
    stream: &mut TcpStream,
    bytes: &mut BytesMut,
) -> Option<Option<SocketAddr>> {
    loop {
        match proxy_protocol::parse(bytes) {
            Header::Partial => more(stream, bytes).await?,
            Header::Invalid => return None,
            Header::Whole(len, address) => {
                bytes.advance(len);
                return Some(address);
            }
        }
    }
}

/// Whether the client speaks HTTP/2 without having agreed on it. `None`: it is gone.
pub(super) async fn is_h2(stream: &mut TcpStream, bytes: &mut BytesMut) -> Option<bool> {
    loop {
        let len = bytes.len().min(H2_PREFACE.len());
        let is_h2 = bytes[..len] == H2_PREFACE[..len];
        if !is_h2 || len == H2_PREFACE.len() {
            return Some(is_h2);
        }
        more(stream, bytes).await?;
    }
}

/// Reads on. `None`: there is no more.
pub(super) async fn more(stream: &mut TcpStream, bytes: &mut BytesMut) -> Option<()> {
    match stream.read_buf(bytes).await {
        Ok(len) if len > 0 => Some(()),
        _ => None,
    }
}

/// A socket with what was read of it before.
#[derive(Debug)]
pub(super) struct Replay {
    first: Bytes,
    stream: TcpStream,
}

impl Replay {
    pub(super) fn new(first: BytesMut, stream: TcpStream) -> Self {
        Self {
            first: first.freeze(),
            stream,
        }
    }
}

impl AsyncRead for Replay {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.first.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let len = self.first.len().min(buf.remaining());
        buf.put_slice(&self.first.split_to(len));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Replay {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }
}
