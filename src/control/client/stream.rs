//! One stream: connect, follow, until it ends.

use std::net::SocketAddr;
use std::time::Duration;

use http::uri::PathAndQuery;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};

use super::{ClientSettings, Delivery, backoff};
use crate::control::proto::{DELTA_PATH, DeltaDiscoveryRequest, DeltaDiscoveryResponse};
use crate::control::resource::{Change, Refusal};
use crate::control::session::{self, ClientSession};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);
/// One response holds 1 MiB, or a single larger resource; an engine allows no more tasks than fit.
const MAX_MESSAGE: usize = 16 << 20;
/// The hello of each type, an answer to each and a report: no more requests are ever on their way.
const REQUESTS: usize = 12;

/// Why a stream could not be opened, or ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("cannot resolve {endpoint}: {source}")]
    Resolve {
        endpoint: String,
        source: std::io::Error,
    },
    #[error("{endpoint} has no address")]
    NoAddress { endpoint: String },
    #[error("cannot connect to {address}: {reason}")]
    Connect { address: SocketAddr, reason: String },
    #[error("the control stream broke: {} ({})", .0.message(), .0.code())]
    Stream(#[from] tonic::Status),
    #[error(transparent)]
    Protocol(#[from] session::Error),
    #[error("the proxy takes no more changes")]
    Closed,
}

/// Opens a stream and follows it to its end.
pub(super) async fn follow(
    settings: &ClientSettings,
    session: &mut ClientSession,
    deliveries: &mpsc::Sender<Delivery>,
) -> Result<(), Error> {
    let channel = connect(settings).await?;
    let (requests, outgoing) = mpsc::channel(REQUESTS);
    for request in session.hello() {
        requests.send(request).await.map_err(|_| Error::Closed)?;
    }
    // What is told of certificates is told to each operator anew.
    let mut certificates = settings.certificates.clone();
    certificates.mark_changed();
    let mut responses = open(channel, outgoing).await?;
    settings.status.send_modify(|status| {
        status.connected = true;
        status.error = None;
    });
    tracing::info!(endpoint = settings.endpoint, "control stream open");
    loop {
        let response = tokio::select! {
            response = responses.message() => response?,
            // Without a sender there is nothing to tell any more.
            Ok(()) = certificates.changed() => {
                let report = session::report(&certificates.borrow_and_update());
                if requests.send(report).await.is_err() {
                    return Ok(());
                }
                continue;
            }
            () = deliveries.closed() => return Err(Error::Closed),
        };
        let Some(response) = response else {
            return Ok(());
        };
        let received = session.receive(response)?;
        let outcome = if received.fault.is_some() || is_empty(&received.change) {
            Ok(())
        } else {
            deliver(deliveries, received.change.clone()).await?
        };
        if let Err(refusal) = &outcome {
            tracing::warn!(
                reason = refusal.message,
                type_url = received.change.type_url,
                "change refused"
            );
        }
        let answer = session.settle(received, outcome);
        settings.status.send_modify(|status| {
            status.last_message = Some(Instant::now());
            status.synced = session.is_synced();
        });
        if requests.send(answer).await.is_err() {
            return Ok(());
        }
    }
}

async fn deliver(
    deliveries: &mpsc::Sender<Delivery>,
    change: Change,
) -> Result<Result<(), Refusal>, Error> {
    let (reply, answer) = oneshot::channel();
    let delivery = Delivery { change, reply };
    deliveries.send(delivery).await.map_err(|_| Error::Closed)?;
    Ok(answer
        .await
        .unwrap_or_else(|_| Err(Refusal::from("the proxy gave no answer".to_owned()))))
}

fn is_empty(change: &Change) -> bool {
    change.upserts.is_empty() && change.removed.is_empty()
}

async fn open(
    channel: Channel,
    outgoing: mpsc::Receiver<DeltaDiscoveryRequest>,
) -> Result<tonic::Streaming<DeltaDiscoveryResponse>, Error> {
    let mut grpc = tonic::client::Grpc::new(channel).max_decoding_message_size(MAX_MESSAGE);
    grpc.ready()
        .await
        .map_err(|error| tonic::Status::unavailable(error.to_string()))?;
    let codec = tonic_prost::ProstCodec::<DeltaDiscoveryRequest, DeltaDiscoveryResponse>::default();
    let request = tonic::Request::new(ReceiverStream::new(outgoing));
    let path = PathAndQuery::from_static(DELTA_PATH);
    let response = grpc.streaming(request, path, codec).await?;
    Ok(response.into_inner())
}

/// Connects to the first address that answers, starting anywhere in the list, so that proxies
/// spread over the operators.
async fn connect(settings: &ClientSettings) -> Result<Channel, Error> {
    let endpoint = &settings.endpoint;
    let mut addresses: Vec<_> = tokio::net::lookup_host(endpoint)
        .await
        .map_err(|source| Error::Resolve {
            endpoint: endpoint.clone(),
            source,
        })?
        .collect();
    if let Some(start) = (backoff::random_u32() as usize).checked_rem(addresses.len()) {
        addresses.rotate_left(start);
    }
    let mut last = Error::NoAddress {
        endpoint: endpoint.clone(),
    };
    for address in addresses {
        // The handshake is not part of tonic's own timeout.
        let attempt = connect_to(settings, address);
        let attempt = tokio::time::timeout(2 * CONNECT_TIMEOUT, attempt).await;
        match attempt.unwrap_or_else(|_| Err("no answer in time".to_owned())) {
            Ok(channel) => return Ok(channel),
            Err(reason) => {
                tracing::debug!(%address, reason, "no connection to operator");
                last = Error::Connect { address, reason };
            }
        }
    }
    Err(last)
}

async fn connect_to(settings: &ClientSettings, address: SocketAddr) -> Result<Channel, String> {
    let tls = settings.identity.client_tls();
    let endpoint = Endpoint::from_shared(format!("https://{address}"))
        .and_then(|endpoint| endpoint.tls_config(tls))
        .map_err(|error| chain(&error))?;
    endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(4 << 20)
        .initial_connection_window_size(8 << 20)
        .connect()
        .await
        .map_err(|error| chain(&error))
}

/// An error with its causes: tonic's own text is only "transport error".
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
