//! One request: find its route, send it on, bring the answer back.

use std::net::SocketAddr;
use std::sync::Arc;

use http::header::{CONNECTION, UPGRADE};
use http::{HeaderValue, Request, Response, StatusCode, Version};
use hyper::body::{Body as _, Incoming};

use super::body::{ReplyBody, RequestBody, Upload};
use super::connection::Context;
use super::drain::Stage;
use super::forwarded::{self, REQUEST_ID};
use super::headers;
use super::metrics::count;
use super::policy::Finish;
use super::prepare::{Prepared, prepare};
use super::reply::Refusal;
use super::table::{Endpoint, LiveRoute};
use super::ticket::Ticket;
use super::upstream::{Failure, Lease, NoConnection};
use super::{clock, limits, tunnel};
use crate::api::service_cluster::Traffic;

/// What became of a request that was sent.
enum Reply {
    /// An endpoint answered over the connection on loan.
    Answered(Response<Incoming>, Lease),
    /// The connection now belongs to a tunnel.
    Switched(Response<()>),
}

/// Answers a request, in whatever way.
pub(super) async fn handle(
    context: Arc<Context>,
    request: Request<Incoming>,
) -> Response<ReplyBody> {
    let shared = &context.worker.shared;
    // Held to the end: a later table does not touch this request.
    let table = shared.tables.load_full();
    let traffic = &table.listener.traffic;
    let mut ticket = Ticket::begin(&context, &request, &traffic.access_log);
    let is_h1 = request.version() < Version::HTTP_2;
    let mut close = shared.drain.stage() != Stage::Serving;
    let (mut parts, body) = request.into_parts();
    // Whatever becomes of it, its client may still be sending when the connection ends.
    context.watch.linger(!body.is_end_stream());
    let id = forwarded::identify(&mut parts.headers, traffic.trusted_hops, &shared.ids);
    ticket.identify(&id);
    let mut finish = Finish::default();
    let reply = match prepare(&context, &table, parts, body, &mut finish).await {
        Ok((route, prepared)) => send(&context, traffic, route, prepared, &mut ticket).await,
        Err(refusal) => Err(refusal),
    };
    let mut response = match reply {
        Ok(Reply::Answered(mut response, lease)) => {
            ticket.status(response.status().as_u16());
            headers::strip_hop(response.headers_mut());
            *response.version_mut() = Version::HTTP_11;
            response.map(|body| ReplyBody::stream(body, lease, ticket))
        }
        Ok(Reply::Switched(response)) => {
            ticket.status(response.status().as_u16());
            close = false;
            context.watch.linger(false);
            response.map(|()| ReplyBody::empty(ticket))
        }
        Err(refusal) => {
            close |= refusal.close;
            refusal.answer(ticket)
        }
    };
    response.headers_mut().insert(REQUEST_ID, id);
    finish.apply(response.headers_mut());
    if close && is_h1 {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    response
}

/// Sends a request to one endpoint after another until one answers.
async fn send(
    context: &Arc<Context>,
    traffic: &Traffic,
    route: &LiveRoute,
    prepared: Prepared,
    ticket: &mut Ticket,
) -> Result<Reply, Refusal> {
    let Prepared {
        mut request,
        upload,
        mut upgrade,
    } = prepared;
    let metrics = &context.worker.shared.metrics;
    let mut tried: Vec<SocketAddr> = Vec::new();
    let mut stale: Option<Arc<Endpoint>> = None;
    let mut last = None;
    for attempt in 0..=limits::ATTEMPTS {
        let (endpoint, fresh) = match stale.take() {
            // A connection kept for reuse had ended: the endpoint itself may be well.
            Some(endpoint) => (endpoint, true),
            None if tried.len() == limits::ATTEMPTS => break,
            None => {
                let Some((backend, endpoint)) = route.pick(&tried, clock::now()) else {
                    break;
                };
                ticket.attempt(backend, endpoint);
                (Arc::clone(endpoint), false)
            }
        };
        if attempt > 0 {
            count(&metrics.retries);
        }
        let mut lease = match borrow(context, traffic, &endpoint, fresh).await {
            Ok(lease) => lease,
            Err(failed) => {
                last = Some(failed);
                tried.push(endpoint.address);
                continue;
            }
        };
        let spare = spare(&request, &lease, upload.as_ref(), upgrade.is_some());
        let sent =
            lease
                .connection
                .exchange(request, upload.as_ref(), traffic.request_timeout.get());
        match sent.await {
            Ok(response) => {
                endpoint.answered();
                if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                    return switch(context, traffic, response, lease, upgrade.take());
                }
                return Ok(Reply::Answered(response, lease));
            }
            Err(Failure::TimedOut) => {
                count(&metrics.timeouts);
                return Err(Refusal::new(
                    StatusCode::GATEWAY_TIMEOUT,
                    "UpstreamTimeout",
                    format!(
                        "no answer from {} within {}",
                        route.name, traffic.request_timeout
                    ),
                )
                .closing());
            }
            Err(Failure::Broken(error, unsent)) => {
                let again = unsent.map(|unsent| *unsent).or(spare);
                let Some(again) = again else {
                    return Err(broken(route, upload.as_ref(), &error));
                };
                request = again;
                if lease.reused {
                    stale = Some(endpoint);
                } else {
                    tried.push(endpoint.address);
                }
            }
        }
    }
    if last.is_none() {
        ticket.meant_for(route.backends().next());
    }
    Err(unreachable(route, last.as_ref()))
}

/// A connection to the endpoint; a failure is remembered, so that others are asked first.
async fn borrow(
    context: &Context,
    traffic: &Traffic,
    endpoint: &Arc<Endpoint>,
    fresh: bool,
) -> Result<Lease, NoConnection> {
    let index = context.worker.index;
    if !fresh && let Some(lease) = Lease::idle(endpoint, index) {
        return Ok(lease);
    }
    let metrics = &context.worker.shared.metrics;
    count(&metrics.connects);
    let connect = Lease::connect(endpoint, index, traffic.connect_timeout.get()).await;
    connect.inspect_err(|failed| {
        count(&metrics.connect_failures);
        let avoid = u64::try_from(limits::AVOID.as_millis()).unwrap_or(u64::MAX);
        endpoint.avoid_until(clock::now() + avoid);
        tracing::debug!(address = %endpoint.address, task = &*endpoint.id, %failed, "no connection");
    })
}

/// A copy to send again, where that is allowed and may be needed: an endpoint may close an idle
/// connection at the very moment it is used. Only what is idempotent and has no body.
fn spare(
    request: &Request<RequestBody>,
    lease: &Lease,
    upload: Option<&Upload>,
    upgrades: bool,
) -> Option<Request<RequestBody>> {
    let idempotent = request.method().is_idempotent();
    if !lease.reused || !idempotent || upload.is_some() || upgrades {
        return None;
    }
    let mut copy = Request::new(RequestBody::Empty);
    copy.method_mut().clone_from(request.method());
    copy.uri_mut().clone_from(request.uri());
    copy.headers_mut().clone_from(request.headers());
    Some(copy)
}

/// Hands both connections over to a tunnel.
fn switch(
    context: &Arc<Context>,
    traffic: &Traffic,
    mut response: Response<Incoming>,
    lease: Lease,
    upgrade: Option<hyper::upgrade::OnUpgrade>,
) -> Result<Reply, Refusal> {
    let Some(client) = upgrade else {
        return Err(Refusal::new(
            StatusCode::BAD_GATEWAY,
            "UnexpectedUpgrade",
            "the endpoint switched protocols without being asked to",
        ));
    };
    let endpoint = hyper::upgrade::on(&mut response);
    tunnel::start(context, client, endpoint, lease, traffic.idle_timeout.get());
    let (mut parts, _) = response.into_parts();
    let to = parts.headers.remove(UPGRADE);
    headers::strip_hop(&mut parts.headers);
    if let Some(to) = to {
        parts.headers.insert(UPGRADE, to);
    }
    let connection = HeaderValue::from_static("upgrade");
    parts.headers.insert(CONNECTION, connection);
    Ok(Reply::Switched(Response::from_parts(parts, ())))
}

fn broken(route: &LiveRoute, upload: Option<&Upload>, error: &hyper::Error) -> Refusal {
    if upload.is_some_and(Upload::is_too_large) {
        return Refusal::too_large();
    }
    if upload.is_some_and(Upload::is_client_gone) {
        return Refusal::new(
            StatusCode::BAD_REQUEST,
            "ClientGone",
            "the request broke off",
        )
        .closing();
    }
    tracing::debug!(route = &*route.name, %error, "broken exchange");
    Refusal::new(
        StatusCode::BAD_GATEWAY,
        "UpstreamBroke",
        format!(
            "an endpoint of {} closed the connection without an answer",
            route.name
        ),
    )
    .closing()
}

/// No endpoint could be asked.
fn unreachable(route: &LiveRoute, last: Option<&NoConnection>) -> Refusal {
    match last {
        None => Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "NoEndpoints",
            format!("no running endpoint for {}{}", route.name, services(route)),
        ),
        Some(NoConnection::TimedOut) => Refusal::new(
            StatusCode::GATEWAY_TIMEOUT,
            "ConnectTimeout",
            format!("no endpoint of {} took a connection in time", route.name),
        ),
        Some(NoConnection::Failed(_)) => Refusal::new(
            StatusCode::BAD_GATEWAY,
            "ConnectFailed",
            format!(
                "no endpoint of {} took a connection{}",
                route.name,
                services(route)
            ),
        ),
    }
}

/// The services that should have answered.
fn services(route: &LiveRoute) -> String {
    let names: Vec<&str> = route.backends().map(|backend| &*backend.service).collect();
    match names.as_slice() {
        [] => String::new(),
        [one] => format!(" (service {one})"),
        many => format!(" (services {})", many.join(", ")),
    }
}
