//! A worker: one thread, one runtime, one listening socket of its own for each address.
//!
//! The kernel spreads connections over the sockets (`SO_REUSEPORT`); a connection, its upstreams
//! and their pools stay on one thread, so nothing on the way of a request is contended.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::access_log::Log;
use super::connection::Arrival;
use super::drain::{Drain, Stage};
use super::id::Ids;
use super::metrics::{Metrics, count};
use super::stalls::Stalls;
use super::table::Table;
use super::{clock, connection, limits, tls};
use crate::control::ShownCertificate;
use crate::control::client::ClientStatus;

/// What all workers share.
pub(super) struct Shared {
    pub(super) tables: ArcSwap<Table>,
    pub(super) metrics: Metrics,
    pub(super) log: Log,
    pub(super) drain: Drain,
    pub(super) ids: Ids,
    /// The control stream, for health and metrics.
    pub(super) control: watch::Receiver<ClientStatus>,
    /// The certificates from files, for the operator.
    pub(super) certificates: watch::Sender<Arc<[ShownCertificate]>>,
}

#[cfg(test)]
impl Shared {
    /// For a test of one part; and the other end of the control stream's state.
    pub(super) fn alone() -> (Arc<Self>, watch::Sender<ClientStatus>) {
        let status = watch::Sender::new(ClientStatus::default());
        let shared = Self {
            tables: ArcSwap::from_pointee(Table::default()),
            metrics: Metrics::default(),
            log: Log::start(std::io::sink()).unwrap(),
            drain: Drain::new(),
            ids: Ids::new(),
            control: status.subscribe(),
            certificates: watch::Sender::default(),
        };
        (Arc::new(shared), status)
    }
}

/// What is spoken on a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speech {
    /// HTTP.
    Plain,
    /// TLS, and in it HTTP or whatever is passed on.
    Tls,
}

/// One thread's part.
pub(super) struct Worker {
    pub(super) index: usize,
    pub(super) shared: Arc<Shared>,
    /// Answers under way to clients of HTTP/2.
    pub(super) stalls: Arc<Stalls>,
    pub(super) http1: http1::Builder,
    pub(super) http2: http2::Builder<TokioExecutor>,
}

impl Worker {
    pub(super) fn new(index: usize, shared: Arc<Shared>) -> Self {
        let mut http1 = http1::Builder::new();
        http1
            // Time is kept by `watch`, at no cost per request.
            .header_read_timeout(None)
            .max_buf_size(limits::CLIENT_BUFFER)
            .max_header_size(limits::HEAD_BYTES);
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits::H2_STREAMS)
            .max_send_buf_size(limits::H2_SEND_BUFFER)
            .max_pending_accept_reset_streams(limits::H2_RESETS)
            .max_local_error_reset_streams(limits::H2_RESETS)
            .max_header_list_size(u32::try_from(limits::HEAD_BYTES).unwrap_or(u32::MAX))
            .keep_alive_interval(limits::H2_PING)
            .keep_alive_timeout(limits::H2_PONG);
        Self {
            index,
            shared,
            stalls: Arc::default(),
            http1,
            http2,
        }
    }

    /// Serves until the drain is over. Each listener is one that no other worker uses.
    pub(super) async fn run(self: Arc<Self>, listeners: Vec<(TcpListener, Speech)>) {
        for (listener, speech) in listeners {
            tokio::spawn(Arc::clone(&self).accept(listener, speech));
        }
        tokio::spawn(Arc::clone(&self).sweep());
        self.shared.drain.reached(Stage::Over).await;
    }

    async fn accept(self: Arc<Self>, listener: TcpListener, speech: Speech) {
        let mut closing = std::pin::pin!(self.shared.drain.reached(Stage::Closing));
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = &mut closing => return,
            };
            match accepted {
                Ok((stream, peer)) => self.admit(stream, peer, speech),
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    // Mostly out of file descriptors: some must close first.
                    tracing::warn!(%error, "cannot take a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    fn admit(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr, speech: Speech) {
        use std::sync::atomic::Ordering::Relaxed;
        let metrics = &self.shared.metrics;
        count(&metrics.accepted);
        let open = metrics.connections.fetch_add(1, Relaxed);
        let guard = Open::new(&self.shared);
        let limit = self.shared.tables.load().listener.traffic.max_connections;
        if u64::try_from(open).unwrap_or(0) >= limit {
            count(&metrics.refused);
            match speech {
                Speech::Plain => connection::refuse(&stream),
                Speech::Tls => tls::refuse_now(&stream),
            }
            return;
        }
        let arrival = Arrival::new(Arc::clone(self), &stream, peer, guard);
        match speech {
            Speech::Plain => tokio::spawn(connection::serve(arrival, stream)),
            Speech::Tls => tokio::spawn(tls::serve(arrival, stream)),
        };
    }

    /// Closes upstream connections that nobody has used for long, or that ended in the pool.
    async fn sweep(self: Arc<Self>) {
        loop {
            tokio::time::sleep(limits::SWEEP).await;
            let idle = u64::try_from(limits::IDLE_UPSTREAM_TIME.as_millis()).unwrap_or(u64::MAX);
            let now = clock::now();
            self.stalls.sweep(now);
            let before = now.saturating_sub(idle);
            let table = self.shared.tables.load_full();
            for backend in table.all().flat_map(|route| route.backends()) {
                for endpoint in &backend.endpoints {
                    endpoint.pool.sweep(self.index, before);
                }
            }
        }
    }
}

/// Counts a client connection while anything of it lives.
pub(super) struct Open {
    shared: Arc<Shared>,
    /// It came after the drain had begun.
    late: bool,
}

impl Open {
    /// Counts one that is among the open ones already.
    fn new(shared: &Arc<Shared>) -> Self {
        use std::sync::atomic::Ordering::Relaxed;
        let late = shared.drain.stage() != Stage::Serving;
        if late {
            shared.metrics.late_connections.fetch_add(1, Relaxed);
        }
        Self {
            shared: Arc::clone(shared),
            late,
        }
    }
}

impl Open {
    /// The stage at which the connection is closed when it has no request: one that came after
    /// the drain had begun is told so with its first answer, and must get that.
    pub(super) fn leaves_at(&self) -> Stage {
        if self.late {
            Stage::Closing
        } else {
            Stage::Finishing
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        use std::sync::atomic::Ordering::Relaxed;
        let metrics = &self.shared.metrics;
        // In this order: nobody may see fewer old ones than there are.
        if self.late {
            metrics.late_connections.fetch_sub(1, Relaxed);
        }
        metrics.connections.fetch_sub(1, Relaxed);
    }
}

/// Errors of `accept` that tell of the connection, not of the listener.
fn is_of_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}
