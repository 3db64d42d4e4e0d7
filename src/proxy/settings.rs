//! What a proxy is told when it starts. All else comes with the table.

use std::net::SocketAddr;
use std::path::PathBuf;

use tokio::sync::watch;

/// How `skep proxy` is set up.
#[derive(Clone, Debug)]
pub struct ProxySettings {
    /// Name of the service cluster that it serves.
    pub cluster: String,
    /// Id of the node that it runs on.
    pub node: String,
    /// Id of the task that it is.
    pub task: String,
    /// Where the operators are; `None`: serve the kept state only.
    pub control: Option<ControlSettings>,
    /// Addresses that take HTTP. Port 0 takes a free one, told through `bound`.
    pub listen: Vec<SocketAddr>,
    /// Address of health and metrics.
    pub admin: SocketAddr,
    /// Directory of the last good state; `None`: none is kept.
    pub state_dir: Option<PathBuf>,
    /// Directory where Docker puts the secrets that the table names files of.
    pub secrets_dir: PathBuf,
    /// Threads that serve; 0: one a core.
    pub workers: usize,
    /// Is told the addresses as they are bound.
    pub bound: Option<watch::Sender<Bound>>,
}

/// The control stream of a proxy.
#[derive(Clone, Debug)]
pub struct ControlSettings {
    /// `host:port` of the operators; all addresses of the name are tried.
    pub endpoint: String,
    /// File with the certificate of the authority (PEM).
    pub ca: PathBuf,
    /// File with certificate and key of the proxy (PEM).
    pub identity: PathBuf,
}

/// The addresses a proxy has bound.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bound {
    /// Health and metrics; known first.
    pub admin: Option<SocketAddr>,
    /// Traffic, in the order of `ProxySettings::listen`; empty until a table exists.
    pub traffic: Vec<SocketAddr>,
}

impl ProxySettings {
    /// Settings for a cluster with the fixed ports of the container on all addresses, state in
    /// `/state` and no control stream.
    #[must_use]
    pub fn new(cluster: &str) -> Self {
        let any = std::net::Ipv6Addr::UNSPECIFIED;
        Self {
            cluster: cluster.to_owned(),
            node: String::new(),
            task: String::new(),
            control: None,
            listen: vec![(any, crate::names::PROXY_HTTP_PORT).into()],
            admin: (any, crate::names::ADMIN_PORT).into(),
            state_dir: Some(crate::names::PROXY_STATE_DIR.into()),
            secrets_dir: crate::names::SECRETS_DIR.into(),
            workers: 0,
            bound: None,
        }
    }
}
