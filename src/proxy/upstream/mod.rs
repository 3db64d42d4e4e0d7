//! Connections to endpoints: pooled per worker, HTTP/1.1 driven by the task of the request itself.
//!
//! hyper's connection is a future that someone must poll. HTTP/1.1 ones are polled here by whoever
//! uses the connection, not by a task of its own: no wake-up crosses tasks, a client that leaves
//! closes its upstream at once, and a connection that died in the pool is found out before it is
//! used. An HTTP/2 connection serves many requests, so it has a task.

mod dial;
mod exchange;
mod h1;
mod h2;
mod pool;
mod transport;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as _, Frame};
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};

use dial::{Dialed, dial};
pub(super) use exchange::Failure;
pub(super) use pool::Pool;
pub(super) use transport::Transport;

use super::table::Endpoint;

/// What the last connection of an endpoint agreed to speak.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Spoken(AtomicU8);

const H1: u8 = 1;

/// A connection on loan, and where to give it back.
#[derive(Debug)]
pub(super) struct Lease {
    link: Link,
    pub(super) endpoint: Arc<Endpoint>,
    worker: usize,
    /// It has served a request before, so the endpoint may be about to close it.
    pub(super) reused: bool,
}

#[derive(Debug)]
enum Link {
    H1(Box<h1::Connection>),
    H2(h2::Stream),
}

/// Why no connection could be had.
#[derive(Debug)]
pub(super) enum NoConnection {
    Failed(io::Error),
    TimedOut,
    /// It was taken and closed at once.
    Closed,
    /// The other end answered, but TLS did not come about: why, in plain words.
    Tls(&'static str),
}

impl std::fmt::Display for NoConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Failed(error) => error.fmt(f),
            Self::TimedOut => f.write_str("no connection in time"),
            Self::Closed => f.write_str("closed at once"),
            Self::Tls(error) => write!(f, "no TLS: {error}"),
        }
    }
}

impl Lease {
    /// An idle connection to the endpoint, or room on a shared one.
    pub(super) fn idle(endpoint: &Arc<Endpoint>, worker: usize) -> Option<Self> {
        let shared = endpoint.pool.shared(worker);
        let link = match shared.and_then(h2::Multiplex::take) {
            Some(stream) => Link::H2(stream),
            None => Link::H1(endpoint.pool.take(worker)?),
        };
        Some(Self::of(link, endpoint, worker, true))
    }

    /// A new connection to the endpoint, of which no other request knows.
    pub(super) async fn connect(
        endpoint: &Arc<Endpoint>,
        worker: usize,
        only_h1: bool,
        within: Duration,
    ) -> Result<Self, NoConnection> {
        let link = match endpoint.pool.shared(worker) {
            Some(shared) if !only_h1 => shared_link(endpoint, shared, within).await?,
            _ => alone_link(endpoint, only_h1, within).await?,
        };
        Ok(Self::of(link, endpoint, worker, false))
    }

    /// A connection that is neither taken from nor left to anybody.
    pub(super) async fn alone(
        endpoint: &Arc<Endpoint>,
        within: Duration,
    ) -> Result<Self, NoConnection> {
        let link = alone_link(endpoint, false, within).await?;
        Ok(Self::of(link, endpoint, 0, false))
    }

    fn of(link: Link, endpoint: &Arc<Endpoint>, worker: usize, reused: bool) -> Self {
        Self {
            link,
            endpoint: Arc::clone(endpoint),
            worker,
            reused,
        }
    }

    /// Back to the pool, if the last exchange is over on both sides; otherwise it is closed.
    pub(super) fn give_back(self, now: u64) {
        if let Link::H1(mut connection) = self.link
            && connection.settle()
        {
            self.endpoint.pool.keep(self.worker, connection, now);
        }
    }

    /// What comes next of an answer over this connection.
    pub(super) fn poll_body(
        &mut self,
        body: &mut Incoming,
        cx: &mut Context<'_>,
    ) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        let connection = match &mut self.link {
            Link::H1(connection) => connection,
            Link::H2(_) => return Pin::new(body).poll_frame(cx),
        };
        // What is ready first; then let the connection read on, which alone can bring more, so
        // the body need not wake us itself.
        let mut frame = Pin::new(&mut *body).poll_frame(&mut quiet());
        if frame.is_pending() {
            connection.drive(cx);
            frame = Pin::new(body).poll_frame(&mut quiet());
        }
        frame
    }

    /// Others use it too (HTTP/2).
    pub(super) fn is_shared(&self) -> bool {
        matches!(self.link, Link::H2(_))
    }

    /// Waits until an HTTP/1.1 connection has ended.
    pub(super) async fn ended(&mut self) {
        if let Link::H1(connection) = &mut self.link {
            connection.ended().await;
        }
    }
}

async fn alone_link(
    endpoint: &Endpoint,
    only_h1: bool,
    within: Duration,
) -> Result<Link, NoConnection> {
    Ok(match dial(endpoint, only_h1, within).await? {
        Dialed::H1(connection) => Link::H1(connection),
        Dialed::H2(opened) => Link::H2(h2::Stream::alone(opened)),
    })
}

/// A stream on a shared connection. Of many requests without one, one opens it and the others
/// wait; unless the endpoint is known to speak HTTP/1.1, which nobody can share.
async fn shared_link(
    endpoint: &Endpoint,
    shared: &h2::Multiplex,
    within: Duration,
) -> Result<Link, NoConnection> {
    let deadline = Instant::now() + within;
    let turn = if endpoint.spoken.0.load(Relaxed) == H1 {
        None
    } else {
        let turn = timeout_at(deadline, shared.opening.lock()).await;
        Some(turn.map_err(|_| NoConnection::TimedOut)?)
    };
    if turn.is_some()
        && let Some(stream) = shared.take()
    {
        return Ok(Link::H2(stream));
    }
    let left = deadline.saturating_duration_since(Instant::now());
    match dial(endpoint, false, left).await? {
        Dialed::H1(connection) => {
            endpoint.spoken.0.store(H1, Relaxed);
            Ok(Link::H1(connection))
        }
        Dialed::H2(opened) => {
            endpoint.spoken.0.store(0, Relaxed);
            Ok(Link::H2(shared.add(opened)))
        }
    }
}

/// Wakes nobody.
pub(super) fn quiet() -> Context<'static> {
    Context::from_waker(Waker::noop())
}
