//! One request: find its route, send it on, bring the answer back.

use std::sync::Arc;

use http::header::{CONNECTION, SET_COOKIE};
use http::{HeaderValue, Request, Response, Version};
use http_body::Body as _;
use hyper::body::Incoming;

use super::body::ReplyBody;
use super::connection::Context;
use super::drain::Stage;
use super::forwarded::{self, REQUEST_ID};
use super::framing;
use super::headers;
use super::policy::Finish;
use super::prepare::prepare;
use super::send::{Answered, Reply, send};
use super::ticket::Ticket;

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
    let (mut parts, body) = request.into_parts();
    // Whatever becomes of it, its client may still be sending when the connection ends.
    context.watch.linger(!body.is_end_stream());
    let id = forwarded::identify(&mut parts.headers, traffic.trusted_hops, &shared.ids);
    ticket.identify(&id);
    let mut close = false;
    let mut finish = Finish::default();
    let prepared = match framing::check_request(&parts.headers) {
        Ok(()) => prepare(&context, &table, parts, body, &mut finish).await,
        Err(refusal) => Err(refusal),
    };
    let reply = match prepared {
        Ok((route, prepared)) => send(&context, traffic, route, prepared, &mut ticket).await,
        Err(refusal) => Err(refusal),
    };
    let mut response = match reply {
        Ok(Reply::Answered(answered)) => pass(&context, is_h1, answered, ticket),
        Ok(Reply::Switched(response)) => {
            ticket.status(response.status().as_u16());
            context.watch.linger(false);
            let mut response = response.map(|()| ReplyBody::empty(ticket));
            response.headers_mut().insert(REQUEST_ID, id);
            finish.apply(response.headers_mut());
            return response;
        }
        Err(refusal) => {
            close |= refusal.close;
            refusal.answer(ticket)
        }
    };
    response.headers_mut().insert(REQUEST_ID, id);
    finish.apply(response.headers_mut());
    // A drain may have begun while the endpoint took its time.
    if is_h1 && (close || shared.drain.stage() != Stage::Serving) {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    response
}

/// An endpoint's answer, made ready for the client.
fn pass(
    context: &Context,
    is_h1: bool,
    answered: Answered,
    mut ticket: Ticket,
) -> Response<ReplyBody> {
    let Answered {
        mut response,
        lease,
        upload,
        cookie,
        stuck,
    } = answered;
    ticket.status(response.status().as_u16());
    headers::strip_hop(response.headers_mut());
    if let Some(cookie) = cookie {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    *response.version_mut() = Version::HTTP_11;
    response.map(|body| {
        if is_h1 || body.is_end_stream() {
            return ReplyBody::stream(body, lease, ticket);
        }
        let held = context.worker.stalls.hold(lease, upload, stuck);
        ReplyBody::held(body, held, ticket)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size<A, B, F>(_: fn(A, B) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_request_is_not_copied_around_by_the_kilobyte() {
        // hyper moves this future once for each request.
        let size = size(handle);
        assert!(size <= 4_096, "{size} bytes");
    }
}
