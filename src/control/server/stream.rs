//! Drives one session: requests and publications in, responses out.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use super::fleet::{Fleet, Member, Publication};
use crate::control::proto::{DeltaDiscoveryRequest, DeltaDiscoveryResponse, Node};
use crate::control::resource::ProxyState;
use crate::control::session::{Error, ServerSession};

/// A client must say who it is within this time.
const FIRST_REQUEST: Duration = Duration::from_secs(10);

type Responses = mpsc::Sender<Result<DeltaDiscoveryResponse, Status>>;

/// Follows a stream to its end. The error, if any, is what the client is to be told.
pub(super) async fn follow(
    fleet: Arc<Fleet>,
    mut requests: Streaming<DeltaDiscoveryRequest>,
    responses: &Responses,
    shutdown: CancellationToken,
) -> Result<(), Status> {
    let goodbye = || Status::unavailable("this operator is stopping; connect to another one");
    let first = tokio::select! {
        first = tokio::time::timeout(FIRST_REQUEST, requests.message()) => first,
        () = shutdown.cancelled() => return Err(goodbye()),
    };
    let first = first.map_err(|_| Status::deadline_exceeded("no request came"))?;
    let Some(first) = first? else {
        return Ok(());
    };
    let mut session = ServerSession::new();
    session.request(first).map_err(refuse)?;
    let node = session.node().ok_or_else(|| refuse(Error::NoNode))?;
    let (mut member, mut publication) = fleet.join(proxy(node));
    let task = node.id.clone();
    tracing::info!(task, cluster = node.cluster, "proxy connected");
    // The sender lives as long as this member does, so the first look needs no change.
    publication.mark_changed();
    let ended = tokio::select! {
        ended = exchange(&mut session, &mut member, &mut requests, &mut publication, responses) => ended,
        () = shutdown.cancelled() => Err(goodbye()),
    };
    tracing::info!(task, "proxy disconnected");
    ended
}

async fn exchange(
    session: &mut ServerSession,
    member: &mut Member,
    requests: &mut Streaming<DeltaDiscoveryRequest>,
    publication: &mut Publication,
    responses: &Responses,
) -> Result<(), Status> {
    loop {
        let out = tokio::select! {
            request = requests.message() => match request? {
                Some(request) => session.request(request).map_err(refuse)?,
                None => return Ok(()),
            },
            changed = publication.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
                let published = publication.borrow_and_update().clone();
                published.map_or_else(Vec::new, |published| session.publish(published))
            }
            () = responses.closed() => return Ok(()),
        };
        for response in out {
            if responses.send(Ok(response)).await.is_err() {
                return Ok(());
            }
        }
        member.tell(|state| {
            state.acked = session.acked().map(str::to_owned);
            state.settled = session.settled().map(str::to_owned);
            state.refused_whole = session.refused_whole();
            state.refused = session.refused();
            state.certificates = Arc::clone(session.certificates());
        });
    }
}

fn proxy(node: &Node) -> ProxyState {
    ProxyState {
        task: node.id.clone(),
        cluster: node.cluster.clone(),
        node: node
            .locality
            .as_ref()
            .map(|locality| locality.sub_zone.clone())
            .unwrap_or_default(),
        build: node.user_agent_version.clone(),
        ..ProxyState::default()
    }
}

#[allow(clippy::needless_pass_by_value)] // It is a `map_err` function.
fn refuse(error: Error) -> Status {
    Status::invalid_argument(error.to_string())
}
