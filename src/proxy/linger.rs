//! The end of a connection whose client may still be sending.
//!
//! A socket that is closed with unread bytes is reset, and a reset takes the answer away before
//! the client has read it: a browser that posts too much would never learn why it was refused.
//! So the answer's end is sent, and what still comes is read and thrown away for a while.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::limits;
use super::watch::Watch;

/// A client's socket, or TLS over it, which sends an end of its own first.
pub(super) struct Linger<S> {
    stream: S,
    watch: Arc<Watch>,
    end: End,
}

enum End {
    Open,
    Discarding(Box<Discard>),
    Over,
}

struct Discard {
    until: Pin<Box<Sleep>>,
    left: usize,
    room: [u8; 8192],
}

impl<S> Linger<S> {
    pub(super) fn new(stream: S, watch: Arc<Watch>) -> Self {
        let end = End::Open;
        Self { stream, watch, end }
    }
}

impl Discard {
    fn new() -> Self {
        Self {
            until: Box::pin(sleep(limits::LINGER_TIME)),
            left: limits::LINGER_BYTES,
            room: [0; 8192],
        }
    }

    /// Ready when the client has ended, or has had its chance.
    fn poll(&mut self, stream: Pin<&mut impl AsyncRead>, cx: &mut Context<'_>) -> Poll<()> {
        let mut stream = stream;
        while self.until.as_mut().poll(cx).is_pending() {
            let mut room = ReadBuf::new(&mut self.room);
            let read = ready!(stream.as_mut().poll_read(cx, &mut room));
            let len = room.filled().len();
            self.left = self.left.saturating_sub(len);
            if read.is_err() || len == 0 || self.left == 0 {
                break;
            }
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Linger<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Linger<S> {
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
        let this = &mut *self;
        if matches!(this.end, End::Open) {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
            this.end = if this.watch.lingers() {
                End::Discarding(Box::new(Discard::new()))
            } else {
                End::Over
            };
        }
        if let End::Discarding(discard) = &mut this.end {
            ready!(discard.poll(Pin::new(&mut this.stream), cx));
            this.end = End::Over;
        }
        Poll::Ready(Ok(()))
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::time::Instant;

    use super::*;

    fn socket(lingers: bool) -> (Linger<tokio::io::DuplexStream>, tokio::io::DuplexStream) {
        let (ours, theirs) = duplex(64 << 10);
        let watch = Arc::new(Watch::new(true));
        watch.linger(lingers);
        (Linger::new(ours, watch), theirs)
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_waits_for_what_the_client_still_sends() {
        let (mut ours, mut theirs) = socket(true);
        let client = tokio::spawn(async move {
            assert_eq!(
                theirs.read(&mut [0; 8]).await.unwrap(),
                0,
                "the end is sent first"
            );
            theirs.write_all(&vec![0; 200_000]).await.unwrap();
        });
        ours.shutdown().await.unwrap();
        let sent = tokio::time::timeout(limits::LINGER_TIME, client).await;
        sent.expect("nobody reads what is sent").unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_neither_sends_nor_ends_is_not_waited_for_long() {
        let (mut ours, _theirs) = socket(true);
        let began = Instant::now();
        ours.shutdown().await.unwrap();
        assert!(began.elapsed() >= limits::LINGER_TIME);
        assert!(began.elapsed() < limits::LINGER_TIME * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_sends_without_end_is_cut() {
        let (mut ours, mut theirs) = socket(true);
        tokio::spawn(async move { while theirs.write_all(&[0; 8192]).await.is_ok() {} });
        let began = Instant::now();
        ours.shutdown().await.unwrap();
        assert!(began.elapsed() < limits::LINGER_TIME);
    }

    #[tokio::test(start_paused = true)]
    async fn an_ordinary_end_waits_for_nobody() {
        let (mut ours, _theirs) = socket(false);
        let began = Instant::now();
        ours.shutdown().await.unwrap();
        assert_eq!(began.elapsed(), std::time::Duration::ZERO);
    }
}
