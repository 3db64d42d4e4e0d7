//! The operator's end of the control streams: every connected proxy gets the snapshot of its
//! cluster, at once when it changes.

mod fleet;
mod service;
mod stream;

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::TcpIncoming;

use super::identity::Identity;
use super::resource::{ProxyState, Snapshot};
use fleet::Fleet;
use service::Discovery;

/// A proxy that does not answer for the sum of these is gone: it leaves the fleet.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);
/// A proxy opens one stream per connection; more is a mistake or worse.
const STREAMS_PER_CONNECTION: u32 = 8;
/// How long streams may take to end when the operator stops.
const GRACE: Duration = Duration::from_secs(3);

/// The server of control streams. Clones are the same server.
#[derive(Clone, Debug)]
pub struct Server {
    fleet: Arc<Fleet>,
}

/// The server could not run.
#[derive(Debug, thiserror::Error)]
#[error("the control server failed: {0}")]
pub struct Error(#[from] tonic::transport::Error);

impl Error {
    /// A bounded name for metrics and conditions.
    #[must_use]
    pub fn category(&self) -> &'static str {
        "ControlServer"
    }
}

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}

impl Server {
    /// A server that has nothing to say yet: proxies connect and keep what they have.
    #[must_use]
    pub fn new() -> Self {
        Self {
            fleet: Arc::new(Fleet::new()),
        }
    }

    /// Makes a snapshot the one to serve for a cluster. An equal one changes nothing.
    pub fn publish(&self, cluster: &str, snapshot: Snapshot) {
        self.fleet.publish(cluster, snapshot);
    }

    /// Has nothing to say for a cluster any longer: its proxies keep what they have.
    pub fn withdraw(&self, cluster: &str) {
        self.fleet.withdraw(cluster);
    }

    /// The connected proxies of a cluster, in order of task id; each task once, by its newest
    /// stream.
    #[must_use]
    pub fn fleet(&self, cluster: &str) -> Vec<ProxyState> {
        self.fleet.proxies(cluster)
    }

    /// Changes whenever what [`Server::fleet`] says of any cluster changes.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.fleet.changes()
    }

    /// Serves streams until the token is cancelled; then they end, and the proxies go elsewhere.
    /// Only clients that the authority of `identity` vouches for as proxies get a word.
    pub async fn serve(
        &self,
        listener: TcpListener,
        identity: Identity,
        shutdown: CancellationToken,
    ) -> Result<(), Error> {
        let discovery = Discovery::new(Arc::clone(&self.fleet), shutdown.clone());
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let serve = tonic::transport::Server::builder()
            .tls_config(identity.server_tls())?
            .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
            .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
            .http2_max_header_list_size(16 << 10)
            .max_concurrent_streams(STREAMS_PER_CONNECTION)
            .initial_stream_window_size(1 << 20)
            .initial_connection_window_size(2 << 20)
            .add_service(discovery)
            .serve_with_incoming_shutdown(incoming, shutdown.clone().cancelled_owned());
        let late = async {
            shutdown.cancelled().await;
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            served = serve => served?,
            () = late => tracing::warn!("some proxies kept their connection past the end"),
        }
        Ok(())
    }
}
