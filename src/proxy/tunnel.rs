//! After a 101: bytes both ways, until one side ends, nothing moves, or the drain is over.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::{Context as Cx, Poll, ready};
use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional};

use super::connection::Context;
use super::drain::Stage;
use super::limits;
use super::upstream::Lease;
use super::worker::Shared;

/// Starts a tunnel between client and endpoint. It begins when the 101 has gone out.
pub(super) fn start(
    context: &Arc<Context>,
    client: OnUpgrade,
    endpoint: OnUpgrade,
    mut lease: Lease,
    idle: Duration,
) {
    // As long as it lives the client's connection counts as open.
    let context = Arc::clone(context);
    let open = Open::new(&context.worker.shared);
    tokio::spawn(async move {
        let both = async {
            lease.ended().await;
            tokio::try_join!(client, endpoint)
        };
        let Ok(Ok((client, endpoint))) = tokio::time::timeout(limits::HEAD_TIME, both).await else {
            return;
        };
        let metrics = &open.0.metrics;
        let counts = [&metrics.tunnelled_up, &metrics.tunnelled_down];
        let (client, endpoint) = (TokioIo::new(client), TokioIo::new(endpoint));
        carry(&context.worker.shared, client, endpoint, idle, counts).await;
    });
}

/// Carries bytes both ways. When one side has no more to say the other may still finish. `counts`:
/// bytes from the client, and to it.
pub(super) async fn carry<A, B>(
    shared: &Shared,
    client: A,
    endpoint: B,
    idle: Duration,
    counts: [&AtomicU64; 2],
) where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let moved = AtomicBool::new(false);
    let [from_client, to_client] = counts;
    let mut client = Told(client, &moved, from_client);
    let mut endpoint = Told(endpoint, &moved, to_client);
    let mut copy = pin!(copy_bidirectional(&mut client, &mut endpoint));
    let mut over = pin!(shared.drain.reached(Stage::Over));
    loop {
        tokio::select! {
            // How it ended is the business of its two ends.
            _ = &mut copy => return,
            () = &mut over => return,
            () = tokio::time::sleep(idle) => {
                if !moved.swap(false, Relaxed) {
                    return;
                }
            }
        }
    }
}

/// Counts a tunnel while it lives.
struct Open(Arc<Shared>);

impl Open {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.metrics.tunnels.fetch_add(1, Relaxed);
        Self(Arc::clone(shared))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.metrics.tunnels.fetch_sub(1, Relaxed);
    }
}

/// A stream that tells when bytes were read, and how many.
struct Told<'a, S>(S, &'a AtomicBool, &'a AtomicU64);

impl<S: AsyncRead + Unpin> AsyncRead for Told<'_, S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Cx<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.0).poll_read(cx, buf))?;
        self.1.store(true, Relaxed);
        let len = buf.filled().len() - before;
        self.2.fetch_add(len as u64, Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Told<'_, S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Cx<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Cx<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Cx<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
