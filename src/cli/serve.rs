//! `skep operator` and `skep proxy`: what runs inside the containers.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use crate::api::value::Span;

/// `operator`.
#[derive(Clone, Debug, Args)]
pub struct OperatorArgs {
    /// Image of the proxies of service clusters that name none [default: the operator's own]
    #[arg(long, env = "SKEP_IMAGE", value_name = "IMAGE")]
    pub image: Option<String>,
    /// Address of the control stream that proxies connect to
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:7443")]
    pub control_listen: SocketAddr,
    /// Address of health and metrics
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:9901")]
    pub admin_listen: SocketAddr,
    /// File with the certificate of the authority (PEM)
    #[arg(long, value_name = "FILE", default_value = "/run/secrets/skep-ca")]
    pub ca: PathBuf,
    /// File with the operator's certificate and key (PEM)
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/run/secrets/skep-operator-identity"
    )]
    pub identity: PathBuf,
    /// Which of the operators this is, from 1: later ones leave the work to earlier ones
    #[arg(long, env = "SKEP_REPLICA", value_name = "N", default_value_t = 1)]
    pub replica: u64,
    /// Look at the whole Swarm at least so often
    #[arg(long, env = "SKEP_RESYNC", value_name = "SPAN", default_value = "60s")]
    pub resync: Span,
    /// What is logged.
    #[command(flatten)]
    pub log: LogArgs,
}

/// `proxy`.
#[derive(Clone, Debug, Args)]
pub struct ProxyArgs {
    /// Service cluster to serve
    #[arg(long, env = "SKEP_CLUSTER", value_name = "NAME")]
    pub cluster: String,
    /// Id of the node it runs on, told to the operator
    #[arg(long, env = "SKEP_NODE", value_name = "ID", default_value = "")]
    pub node: String,
    /// Id of the task it is, told to the operator
    #[arg(long, env = "SKEP_TASK", value_name = "ID", default_value = "")]
    pub task: String,
    /// Operators to get routes from; all addresses of the name are tried
    #[arg(
        long,
        env = "SKEP_CONTROL",
        value_name = "HOST:PORT",
        default_value = "skep-operator:7443"
    )]
    pub control: String,
    /// Address for HTTP
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8080")]
    pub http_listen: SocketAddr,
    /// Address for HTTPS
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8443")]
    pub https_listen: SocketAddr,
    /// Address of health and metrics
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:9901")]
    pub admin_listen: SocketAddr,
    /// File with the certificate of the authority (PEM)
    #[arg(long, value_name = "FILE", default_value = "/run/secrets/skep-ca")]
    pub ca: PathBuf,
    /// File with the proxy's certificate and key (PEM)
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/run/secrets/skep-proxy-identity"
    )]
    pub identity: PathBuf,
    /// Folder that keeps the last good state
    #[arg(
        long,
        env = "SKEP_STATE",
        value_name = "FOLDER",
        default_value = "/state"
    )]
    pub state: PathBuf,
    /// What is logged.
    #[command(flatten)]
    pub log: LogArgs,
}

/// What a daemon logs.
#[derive(Clone, Debug, Args)]
pub struct LogArgs {
    /// What to log: a level (error, warn, info, debug, trace) or a list such as info,skep::plan=debug
    #[arg(long, env = "RUST_LOG", value_name = "FILTER", default_value = "info")]
    pub log: String,
}
