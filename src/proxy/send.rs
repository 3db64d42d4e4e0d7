//! A prepared request goes to one endpoint after another until one answers.

mod outcome;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONNECTION, SET_COOKIE, UPGRADE};
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use tokio::time::sleep;

use super::body::{RequestBody, Upload};
use super::connection::Context;
use super::headers;
use super::metrics::count;
use super::prepare::Prepared;
use super::reply::Refusal;
use super::table::{Endpoint, LiveBackend, LiveRoute, Retrying, Wish};
use super::ticket::Ticket;
use super::upstream::{Failure, Lease, NoConnection};
use super::{clock, framing, limits, tunnel};
use crate::api::service_cluster::Traffic;
use outcome::{Last, client_stalled, late, lost, unreachable};

/// What became of a request that was sent.
pub(super) enum Reply {
    /// An endpoint answered over the connection on loan.
    Answered(Answered),
    /// The connection now belongs to a tunnel.
    Switched(Response<()>),
}

/// An endpoint's answer.
pub(super) struct Answered {
    pub(super) response: Response<Incoming>,
    pub(super) lease: Lease,
    /// The request may still be on its way.
    pub(super) upload: Option<Upload>,
    /// By which the client will stay with the endpoint.
    pub(super) cookie: Option<HeaderValue>,
    /// An answer that does not move for so long is given up.
    pub(super) stuck: Duration,
}

/// One request while it is sent.
struct Sending<'r> {
    context: &'r Arc<Context>,
    traffic: &'r Traffic,
    route: &'r LiveRoute,
    ticket: &'r mut Ticket,
    upload: Option<Upload>,
    upgrade: Option<OnUpgrade>,
    /// Where the client wants to go, and whether it is told by TLS.
    wish: Option<(Wish, bool)>,
    tried: Vec<SocketAddr>,
    /// A connection kept for reuse had ended: its endpoint may be well.
    stale: Option<Chosen<'r>>,
    /// Why the last endpoint gave no answer.
    last: Option<Last>,
    /// It was sent again, without a policy, after a new connection broke.
    resent: bool,
    retrying: Option<Retrying>,
}

type Chosen<'r> = (&'r Arc<LiveBackend>, &'r Arc<Endpoint>);

/// What to do after a try.
enum Next {
    Done(Reply),
    Again(Request<RequestBody>),
}

/// Sends a request to one endpoint after another until one answers.
pub(super) async fn send(
    context: &Arc<Context>,
    traffic: &Traffic,
    route: &LiveRoute,
    prepared: Prepared,
    ticket: &mut Ticket,
) -> Result<Reply, Refusal> {
    let Prepared {
        mut request,
        upload,
        upgrade,
        wish,
    } = prepared;
    if let Some(within) = route.policy.request_timeout {
        context.watch.be_patient(within.get());
    }
    let mut sending = Sending {
        context,
        traffic,
        route,
        ticket,
        upload,
        upgrade,
        wish,
        tried: Vec::new(),
        stale: None,
        last: None,
        resent: false,
        retrying: route.begin(),
    };
    for attempt in 0..=sending.most() {
        let is_stale = sending.stale.is_some();
        let Some(chosen) = sending.choose().await else {
            break;
        };
        if attempt > 0 {
            count(&context.worker.shared.metrics.retries);
        }
        let Some(mut lease) = sending.borrow(chosen, is_stale).await else {
            continue;
        };
        let spare = sending.spare(&request, &lease);
        let within = sending.request_timeout();
        context.watch.progress();
        let sent = lease.exchange(request, sending.upload.as_ref(), within);
        let next = match sent.await {
            Ok(response) => sending.answered(response, chosen, lease, spare),
            Err(failure) => sending
                .failed(failure, chosen, &lease, spare)
                .map(Next::Again),
        };
        match next? {
            Next::Done(reply) => return Ok(reply),
            Next::Again(again) => request = again,
        }
    }
    if sending.last.is_none() {
        sending.ticket.meant_for(route.backends().next());
    }
    Err(unreachable(route, sending.last.as_ref()))
}

impl<'r> Sending<'r> {
    /// Endpoints that are tried at most.
    fn most(&self) -> usize {
        match &self.route.policy.retries {
            None => limits::ATTEMPTS,
            Some(retries) => usize::try_from(retries.attempts).map_or(usize::MAX, |it| it + 1),
        }
    }

    fn request_timeout(&self) -> Duration {
        let own = self.route.policy.request_timeout;
        own.unwrap_or(self.traffic.timeouts.request).get()
    }

    /// The endpoint that is to be asked next.
    async fn choose(&mut self) -> Option<Chosen<'r>> {
        if let Some(stale) = self.stale.take() {
            return Some(stale);
        }
        if self.tried.len() >= self.most() {
            return None;
        }
        let now = clock::now();
        let route = self.route;
        let pick = |tried: &[SocketAddr]| match &self.wish {
            None => route.pick(tried, now),
            Some((wish, _)) => route.pick_for(wish, tried, now),
        };
        let (backend, endpoint) = match pick(&self.tried) {
            Some(chosen) => chosen,
            // Only where a policy asks for more tries than there are endpoints.
            None if !self.tried.is_empty() && self.may_ask_again() => {
                Box::pin(sleep(limits::RETRY_PAUSE)).await;
                route.pick(&[], now)?
            }
            None => return None,
        };
        self.ticket.attempt(backend, endpoint);
        Some((backend, endpoint))
    }

    /// A connection to the endpoint; a failure is remembered, so that others are asked first.
    async fn borrow(&mut self, (backend, endpoint): Chosen<'r>, is_stale: bool) -> Option<Lease> {
        let worker = self.context.worker.index;
        let is_upgrade = self.upgrade.is_some();
        // Upgrades are not sent again, so they get no connection that may be about to end.
        if !is_stale
            && !is_upgrade
            && let Some(lease) = Lease::idle(endpoint, worker)
        {
            return Some(lease);
        }
        let metrics = &self.context.worker.shared.metrics;
        count(&metrics.connects);
        let own = self.route.policy.connect_timeout;
        let within = own.unwrap_or(self.traffic.timeouts.connect).get();
        // Boxed: it is large and rare, and every request's future would be as large.
        match Box::pin(Lease::connect(endpoint, worker, is_upgrade, within)).await {
            Ok(lease) => Some(lease),
            Err(failed) => {
                count(&metrics.connect_failures);
                backend.failed(endpoint, true, clock::now());
                tracing::debug!(address = %endpoint.address, task = &*endpoint.id, %failed, "no connection");
                self.failed_at(endpoint, Last::NoConnection(failed));
                None
            }
        }
    }

    fn failed_at(&mut self, endpoint: &Endpoint, last: Last) {
        self.last = Some(last);
        self.tried.push(endpoint.address);
    }

    /// A copy to send again, where that is allowed and may be needed: by the policy, or because an
    /// endpoint may end a connection at the very moment that it is used again.
    fn spare(&self, request: &Request<RequestBody>, lease: &Lease) -> Option<Request<RequestBody>> {
        let may_go_on = self.forgives() && self.tried.len() + 1 < self.most();
        if !(lease.reused || may_go_on) || self.upload.is_some() || self.upgrade.is_some() {
            return None;
        }
        if !(request.method().is_idempotent() || lease.is_shared()) {
            return None;
        }
        let mut copy = Request::new(RequestBody::Empty);
        *copy.version_mut() = request.version();
        copy.method_mut().clone_from(request.method());
        copy.uri_mut().clone_from(request.uri());
        copy.headers_mut().clone_from(request.headers());
        Some(copy)
    }

    /// Whether the policy has one more try for a request that may be sent again.
    fn may_retry(&mut self) -> bool {
        self.tried.len() + 1 < self.most() && self.may_ask_again()
    }

    fn may_ask_again(&mut self) -> bool {
        self.retrying.as_mut().is_some_and(Retrying::may)
    }

    fn answered(
        &mut self,
        mut response: Response<Incoming>,
        (backend, endpoint): Chosen<'r>,
        lease: Lease,
        spare: Option<Request<RequestBody>>,
    ) -> Result<Next, Refusal> {
        let status = response.status();
        if matches!(status.as_u16(), 502..=504) {
            backend.failed(endpoint, false, clock::now());
        } else {
            backend.answered(endpoint);
        }
        if self.is_to_retry(status)
            && let Some(spare) = spare.filter(|spare| spare.method().is_idempotent())
            && self.may_retry()
        {
            self.failed_at(endpoint, Last::Status(status));
            return Ok(Next::Again(spare));
        }
        let cookie = self.wish.as_ref().and_then(|(wish, is_tls)| {
            let sticky = self.route.sticky()?;
            sticky.cookie(wish, endpoint, *is_tls)
        });
        if status == StatusCode::SWITCHING_PROTOCOLS {
            return self.switch(response, lease, cookie).map(Next::Done);
        }
        framing::check_answer(&mut response)?;
        Ok(Next::Done(Reply::Answered(Answered {
            response,
            lease,
            upload: self.upload.take(),
            cookie,
            stuck: self.request_timeout().max(self.traffic.timeouts.idle.get()),
        })))
    }

    fn is_to_retry(&self, status: StatusCode) -> bool {
        let retries = self.route.policy.retries.as_ref();
        retries.is_some_and(|it| it.statuses.contains(&status.as_u16()))
    }

    /// The request to be sent again, or why there is no answer.
    fn failed(
        &mut self,
        failure: Failure,
        (backend, endpoint): Chosen<'r>,
        lease: &Lease,
        spare: Option<Request<RequestBody>>,
    ) -> Result<Request<RequestBody>, Refusal> {
        let now = clock::now();
        let (error, unsent, refused) = match failure {
            Failure::Stalled => return Err(client_stalled()),
            Failure::TimedOut => {
                count(&self.context.worker.shared.metrics.timeouts);
                backend.failed(endpoint, false, now);
                let refusal = late(self.route, self.request_timeout());
                return match spare.filter(|spare| spare.method().is_idempotent()) {
                    Some(spare) if self.is_to_retry(refusal.status) && self.may_retry() => {
                        self.failed_at(endpoint, Last::Status(refusal.status));
                        Ok(spare)
                    }
                    _ => Err(refusal),
                };
            }
            Failure::Broken {
                error,
                unsent,
                refused,
            } => (error, unsent, refused),
        };
        tracing::debug!(route = &*self.route.name, address = %endpoint.address, %error, "broken exchange");
        let is_unsent = unsent.is_some();
        if lease.reused {
            // It was unsent, or ended as connections do that were idle: on to a new one.
            let again =
                spare.filter(|it| refused || (it.method().is_idempotent() && self.forgives()));
            if let Some(again) = unsent.map(|unsent| *unsent).or(again) {
                self.stale = Some((backend, endpoint));
                return Ok(again);
            }
            backend.failed(endpoint, false, now);
            return Err(lost(self.route, self.upload.as_ref()));
        }
        // A new connection that ends without an answer: its endpoint is on its way out, mostly.
        let is_gone = !error.is_parse();
        if !self.upload.as_ref().is_some_and(Upload::is_clients_fault) {
            backend.failed(endpoint, is_gone, now);
        }
        let again = match unsent {
            Some(unsent) => Some(*unsent),
            None => spare
                .filter(|spare| refused || (is_gone && spare.method().is_idempotent()))
                .filter(|_| self.may_resend()),
        };
        let Some(again) = again else {
            return Err(lost(self.route, self.upload.as_ref()));
        };
        let last = if is_unsent {
            Last::NoConnection(NoConnection::Closed)
        } else {
            Last::Broke
        };
        self.failed_at(endpoint, last);
        Ok(again)
    }

    /// Whether a request may go to another endpoint that broke the first one's new connection:
    /// by the policy, else once, for one request must not bring down one endpoint after another.
    fn may_resend(&mut self) -> bool {
        if self.retrying.is_some() {
            return self.may_retry();
        }
        !std::mem::replace(&mut self.resent, true)
    }

    /// Whether a request may be sent again that met an ending connection; a policy can forbid it.
    fn forgives(&self) -> bool {
        let retries = self.route.policy.retries.as_ref();
        retries.is_none_or(|retries| retries.attempts > 0)
    }

    /// Hands both connections over to a tunnel.
    fn switch(
        &mut self,
        mut response: Response<Incoming>,
        lease: Lease,
        cookie: Option<HeaderValue>,
    ) -> Result<Reply, Refusal> {
        let Some(client) = self.upgrade.take() else {
            return Err(Refusal::new(
                StatusCode::BAD_GATEWAY,
                "UnexpectedUpgrade",
                "the endpoint switched protocols without being asked to",
            ));
        };
        let endpoint = hyper::upgrade::on(&mut response);
        let idle = self.traffic.timeouts.idle.get();
        tunnel::start(self.context, client, endpoint, lease, idle);
        let (mut parts, _) = response.into_parts();
        let to = parts.headers.remove(UPGRADE);
        headers::strip_hop(&mut parts.headers);
        if let Some(to) = to {
            parts.headers.insert(UPGRADE, to);
        }
        if let Some(cookie) = cookie {
            parts.headers.append(SET_COOKIE, cookie);
        }
        let connection = HeaderValue::from_static("upgrade");
        parts.headers.insert(CONNECTION, connection);
        Ok(Reply::Switched(Response::from_parts(parts, ())))
    }
}
