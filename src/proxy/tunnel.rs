//! After a 101: bytes both ways, until one side ends, nothing moves, or the drain is over.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context as Cx, Poll, ready};
use std::time::Duration;

use hyper::upgrade::{OnUpgrade, Upgraded};
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
    let open = Open::new(&context.worker.shared);
    tokio::spawn(async move {
        let both = async {
            lease.ended().await;
            tokio::try_join!(client, endpoint)
        };
        let Ok(Ok((client, endpoint))) = tokio::time::timeout(limits::HEAD_TIME, both).await else {
            return;
        };
        carry(&open.0, client, endpoint, idle).await;
    });
}

async fn carry(shared: &Shared, client: Upgraded, endpoint: Upgraded, idle: Duration) {
    let moved = AtomicBool::new(false);
    let mut client = Told(TokioIo::new(client), &moved);
    let mut endpoint = Told(TokioIo::new(endpoint), &moved);
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

/// A stream that tells when bytes were read.
struct Told<'a>(TokioIo<Upgraded>, &'a AtomicBool);

impl AsyncRead for Told<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Cx<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.0).poll_read(cx, buf))?;
        self.1.store(true, Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Told<'_> {
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
