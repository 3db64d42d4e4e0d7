//! `skep operator` and `skep proxy`: what runs inside the containers.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::args::Global;
use super::error::{CliError, Result};
use super::{logging, session};
use crate::api::value::Span;
use crate::operator::{self, OperatorSettings};
use crate::proxy::{self, ControlSettings, ProxySettings};

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
    pub replica: u32,
    /// Where all operators answer with their health and metrics; each asks the others there
    #[arg(
        long,
        env = "SKEP_PEERS",
        value_name = "HOST:PORT",
        default_value = "skep-operator:9901"
    )]
    pub peers: String,
    /// How long each operator waits for the one before it
    #[arg(long, env = "SKEP_BEAT", value_name = "SPAN", default_value = "2s")]
    pub beat: Span,
    /// A change that restarts proxies waits until nothing more has come for so long
    #[arg(long, env = "SKEP_SETTLE", value_name = "SPAN", default_value = "1s")]
    pub settle: Span,
    /// Look at the whole Swarm at least so often
    #[arg(long, env = "SKEP_RESYNC", value_name = "SPAN", default_value = "30s")]
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
    #[arg(long, env = "SKEP_TASK", value_name = "ID")]
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
    /// Threads that serve; 0: one a core
    #[arg(long, env = "SKEP_WORKERS", value_name = "N", default_value_t = 0)]
    pub workers: usize,
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

/// Runs the operator until SIGTERM or SIGINT.
pub async fn operator(global: &Global, args: OperatorArgs) -> Result {
    logging::init(&args.log.log)?;
    let settings = OperatorSettings {
        endpoint: session::endpoint(global)?,
        image: args.image,
        control_listen: args.control_listen,
        admin_listen: args.admin_listen,
        ca: args.ca,
        identity: args.identity,
        replica: args.replica,
        peers: Some(args.peers),
        beat: args.beat.get(),
        quiet: args.settle.get(),
        resync: args.resync.get(),
    };
    until_stopped(|stop| operator::run(settings, stop)).await
}

/// Runs a proxy until SIGTERM or SIGINT, and then until it is drained.
pub async fn proxy(args: ProxyArgs) -> Result {
    logging::init(&args.log.log)?;
    let settings = ProxySettings {
        cluster: args.cluster,
        node: args.node,
        task: args.task,
        control: Some(ControlSettings {
            endpoint: args.control,
            ca: args.ca,
            identity: args.identity,
        }),
        listen: vec![args.http_listen],
        admin: args.admin_listen,
        state_dir: Some(args.state),
        secrets_dir: crate::names::SECRETS_DIR.into(),
        workers: args.workers,
        bound: None,
    };
    until_stopped(|stop| proxy::run(settings, stop)).await
}

/// Runs a daemon with a token that SIGTERM and SIGINT cancel.
async fn until_stopped<F, E>(daemon: impl FnOnce(CancellationToken) -> F) -> Result
where
    F: Future<Output = std::result::Result<(), E>>,
    E: std::fmt::Display,
{
    let stop = CancellationToken::new();
    let signals = tokio::spawn(cancel_on_signal(stop.clone())?);
    let outcome = daemon(stop).await;
    signals.abort();
    outcome.map_err(|error| CliError::Failed(error.to_string()))
}

/// A future that cancels the token at the first signal. The handlers stand when this returns, so
/// that a signal during start-up is not lost.
fn cancel_on_signal(stop: CancellationToken) -> Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).map_err(unstarted)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(unstarted)?;
    Ok(async move {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        tracing::info!(signal = name, "stopping");
        stop.cancel();
    })
}

/// A process that cannot listen for signals could not be stopped in good order: it does not start.
#[allow(clippy::needless_pass_by_value)] // As map_err wants it.
fn unstarted(error: std::io::Error) -> CliError {
    CliError::Failed(format!("cannot listen for signals: {error}"))
}
