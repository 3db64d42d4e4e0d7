//! The gRPC service, written by hand: one method, no code generation.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service};
use tonic::server::{Grpc, NamedService};
use tonic::{Request, Response, Status, Streaming};

use super::fleet::Fleet;
use super::stream;
use crate::control::identity::carries_name;
use crate::control::proto::{DELTA_PATH, DeltaDiscoveryRequest, DeltaDiscoveryResponse, SERVICE};
use crate::names::PROXY_TLS_NAME;

/// Streams of this operator at once. A control network has room for some 4,000 proxies.
const MAX_STREAMS: usize = 8192;
/// A request with the initial versions of 50,000 routes takes about 5 MB.
const MAX_REQUEST: usize = 16 << 20;
/// One response per type waits for its answer; a client that makes us say more is waited for.
const RESPONSES: usize = 8;

type Responses = ReceiverStream<Result<DeltaDiscoveryResponse, Status>>;

#[derive(Clone, Debug)]
pub(super) struct Discovery {
    fleet: Arc<Fleet>,
    streams: Arc<Semaphore>,
    shutdown: CancellationToken,
}

impl Discovery {
    pub(super) fn new(fleet: Arc<Fleet>, shutdown: CancellationToken) -> Self {
        Self {
            fleet,
            streams: Arc::new(Semaphore::new(MAX_STREAMS)),
            shutdown,
        }
    }

    fn open(
        &self,
        request: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Responses>, Status> {
        authenticate(&request)?;
        let permit = Arc::clone(&self.streams)
            .try_acquire_owned()
            .map_err(|_| Status::resource_exhausted("too many control streams"))?;
        let (responses, outgoing) = mpsc::channel(RESPONSES);
        let fleet = Arc::clone(&self.fleet);
        let shutdown = self.shutdown.clone();
        tokio::spawn(async move {
            let requests = request.into_inner();
            if let Err(status) = stream::follow(fleet, requests, &responses, shutdown).await {
                // The stream may be gone already; then nobody needs to know why it ended.
                let _ = responses.try_send(Err(status));
            }
            drop(permit);
        });
        Ok(Response::new(ReceiverStream::new(outgoing)))
    }
}

/// The authority's signature has been checked in the handshake; here, what it was given for.
fn authenticate<T>(request: &Request<T>) -> Result<(), Status> {
    let certificates = request.peer_certs();
    let leaf = certificates.as_ref().and_then(|chain| chain.first());
    match leaf {
        Some(leaf) if carries_name(leaf, PROXY_TLS_NAME) => Ok(()),
        _ => Err(Status::permission_denied(format!(
            "only a certificate for {PROXY_TLS_NAME} may open a control stream"
        ))),
    }
}

impl NamedService for Discovery {
    const NAME: &'static str = SERVICE;
}

impl Service<http::Request<Body>> for Discovery {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let method = Method(self.clone());
        Box::pin(async move {
            if request.uri().path() != DELTA_PATH {
                let status = Status::unimplemented("only DeltaAggregatedResources is served");
                return Ok(status.into_http());
            }
            let codec = tonic_prost::ProstCodec::default();
            let mut grpc = Grpc::new(codec).max_decoding_message_size(MAX_REQUEST);
            Ok(grpc.streaming(method, request).await)
        })
    }
}

/// The method as tonic wants it.
struct Method(Discovery);

impl tonic::server::StreamingService<DeltaDiscoveryRequest> for Method {
    type Response = DeltaDiscoveryResponse;
    type ResponseStream = Responses;
    type Future = Ready<Result<Response<Responses>, Status>>;

    fn call(&mut self, request: Request<Streaming<DeltaDiscoveryRequest>>) -> Self::Future {
        ready(self.0.open(request))
    }
}
