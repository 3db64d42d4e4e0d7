//! How the operator is started.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::swarm::Endpoint;

/// How the operator is started.
#[derive(Clone, Debug)]
pub struct OperatorSettings {
    /// The engine, which must be a Swarm manager.
    pub endpoint: Endpoint,
    /// Image of the proxies; `None`: the operator service's own.
    pub image: Option<String>,
    /// Address of the control stream.
    pub control_listen: SocketAddr,
    /// Address of health and metrics.
    pub admin_listen: SocketAddr,
    /// File with the authority's certificate (PEM).
    pub ca: PathBuf,
    /// File with the operator's certificate and key (PEM).
    pub identity: PathBuf,
    /// File with the key that stored certificates are sealed to.
    pub sealing: PathBuf,
    /// Which replica this is, from 1. Replica k waits k-1 beats before it acts.
    pub replica: u32,
    /// `host:port` behind which all replicas answer on their admin ports; `None`: there are no others.
    pub peers: Option<String>,
    /// How long one replica waits for the one before it.
    pub beat: Duration,
    /// A plan that restarts proxies waits until it was the same for so long.
    pub quiet: Duration,
    /// How often everything is looked at, whatever the events say.
    pub resync: Duration,
}
