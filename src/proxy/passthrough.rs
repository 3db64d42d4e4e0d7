//! A TLS connection that is passed on unopened: bytes both ways between a client and an endpoint.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::connection::Arrival;
use super::greet::Replay;
use super::metrics::count;
use super::table::LiveRoute;
use super::worker::Shared;
use super::{clock, limits, tunnel};
use crate::api::service_cluster::Traffic;

/// Carries a connection until one side ends it, nothing moves, or the drain is over.
pub(super) async fn carry(arrival: Arrival, client: Replay, endpoint: TcpStream, idle: Duration) {
    let shared = &arrival.worker.shared;
    // A socket without TCP_NODELAY is slower, not wrong.
    let _ = endpoint.set_nodelay(true);
    let open = Open::new(shared);
    let metrics = &open.0.metrics;
    let counts = [&metrics.passed_up, &metrics.passed_down];
    tunnel::carry(shared, client, endpoint, idle, counts).await;
}

/// A connection to one endpoint after another until one takes it.
pub(super) async fn connect(
    shared: &Shared,
    traffic: &Traffic,
    route: &LiveRoute,
) -> Option<TcpStream> {
    let metrics = &shared.metrics;
    let mut tried = Vec::new();
    while tried.len() < limits::ATTEMPTS {
        let (_, endpoint) = route.pick(&tried, clock::now())?;
        if !tried.is_empty() {
            count(&metrics.retries);
        }
        count(&metrics.connects);
        let connect = TcpStream::connect(endpoint.address);
        if let Ok(Ok(stream)) = timeout(traffic.timeouts.connect.get(), connect).await {
            endpoint.answered();
            return Some(stream);
        }
        count(&metrics.connect_failures);
        let avoid = u64::try_from(limits::AVOID.as_millis()).unwrap_or(u64::MAX);
        endpoint.avoid_until(clock::now() + avoid);
        tried.push(endpoint.address);
        tracing::debug!(address = %endpoint.address, host = &*route.host, "no connection");
    }
    None
}

/// Counts it while it lives.
struct Open(Arc<Shared>);

impl Open {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.metrics.passed.fetch_add(1, Relaxed);
        Self(Arc::clone(shared))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.metrics.passed.fetch_sub(1, Relaxed);
    }
}
