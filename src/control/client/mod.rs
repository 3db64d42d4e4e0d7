//! The proxy's end of the control stream: keeps one stream to one operator, for ever.

mod backoff;
mod stream;

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::identity::Identity;
use super::proto::{Locality, Node};
use super::resource::{Change, Refusal, ShownCertificate, Snapshot};
use super::session::ClientSession;
use backoff::Backoff;

/// How the proxy finds the operator, and who it is.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// `host:port` of the operators; resolved anew for each attempt, every address is tried.
    pub endpoint: String,
    /// Certificate and key of the proxy, and the authority that the operator must come from.
    pub identity: Identity,
    /// Task id of this proxy.
    pub task: String,
    /// The service cluster it serves.
    pub cluster: String,
    /// Id of the node it runs on.
    pub node: String,
    /// Version of this binary.
    pub build: String,
    /// Where the state of the stream is told, for health and metrics.
    pub status: Arc<watch::Sender<ClientStatus>>,
    /// The certificates that the proxy has from files; the operator is told when they change.
    pub certificates: watch::Receiver<Arc<[ShownCertificate]>>,
}

/// The state of the control stream.
#[derive(Clone, Debug, Default)]
pub struct ClientStatus {
    /// A stream to an operator is open.
    pub connected: bool,
    /// Everything that the operator has published has been applied. Stays as it was while no
    /// operator answers.
    pub synced: bool,
    /// When the operator was last heard (a message, not a mere keepalive).
    pub last_message: Option<Instant>,
    /// Why the last attempt failed or the last stream ended, until the next one opens.
    pub error: Option<String>,
}

/// A change to apply. The reply decides: `Ok` acknowledges it, `Err` refuses it with the reason.
/// Where that names resources, all others of the change have been applied; where it names none,
/// nothing was. No reply is a refusal.
#[derive(Debug)]
pub struct Delivery {
    /// What came and what went; of one type, never empty.
    pub change: Change,
    /// The answer.
    pub reply: oneshot::Sender<Result<(), Refusal>>,
}

/// Keeps a stream to an operator until the token is cancelled or `deliveries` has no receiver.
///
/// `known` is what the proxy already has (its last good state): the operator sends only what
/// differs, and removes only what it names. Losing the operator changes nothing at the proxy.
pub async fn run(
    settings: ClientSettings,
    known: Snapshot,
    deliveries: mpsc::Sender<Delivery>,
    shutdown: CancellationToken,
) {
    let mut session = ClientSession::new(node(&settings), &known);
    drop(known);
    let mut backoff = Backoff::new();
    loop {
        let started = Instant::now();
        let ended = tokio::select! {
            ended = stream::follow(&settings, &mut session, &deliveries) => ended,
            () = shutdown.cancelled() => break,
        };
        if deliveries.is_closed() {
            break;
        }
        let error = ended.map_or_else(
            |error| error.to_string(),
            |()| "the operator ended the stream".to_owned(),
        );
        let was_good = settings.status.borrow().connected;
        settings.status.send_modify(|status| {
            status.connected = false;
            status.error = Some(error.clone());
        });
        if was_good {
            backoff.reset(started.elapsed());
        }
        let delay = backoff.next_delay();
        tracing::warn!(
            endpoint = settings.endpoint,
            error,
            ?delay,
            "no control stream, trying again"
        );
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = shutdown.cancelled() => break,
            () = deliveries.closed() => break,
        }
    }
    settings
        .status
        .send_modify(|status| status.connected = false);
}

fn node(settings: &ClientSettings) -> Node {
    Node {
        id: settings.task.clone(),
        cluster: settings.cluster.clone(),
        locality: Some(Locality {
            sub_zone: settings.node.clone(),
        }),
        user_agent_name: "skep".to_owned(),
        user_agent_version: settings.build.clone(),
    }
}
