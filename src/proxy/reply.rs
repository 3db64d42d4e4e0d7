//! The proxy's own answers: short plain text, with the reason for machines in a header.

use std::borrow::Cow;

use http::header::{self, HeaderName};
use http::{HeaderValue, Response, StatusCode};

use super::body::ReplyBody;
use super::ticket::Ticket;

/// Names the reason of an answer that the proxy made itself; bounded, CamelCase.
pub(super) const REASON: HeaderName = HeaderName::from_static("x-skep-reason");

/// The methods that this proxy serves, for those who ask by another.
const METHODS: HeaderValue =
    HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");

/// Why a request is not answered by an endpoint.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) reason: &'static str,
    pub(super) text: Cow<'static, str>,
    /// Headers besides the usual ones.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// What is left of the request is not worth reading.
    pub(super) close: bool,
}

impl Refusal {
    pub(super) fn new(
        status: StatusCode,
        reason: &'static str,
        text: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status,
            reason,
            text: text.into(),
            headers: Vec::new(),
            close: false,
        }
    }

    pub(super) fn closing(mut self) -> Self {
        self.close = true;
        self
    }

    /// With one more header.
    pub(super) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Go there instead. A place that cannot stand in a header is left out.
    pub(super) fn elsewhere(
        status: StatusCode,
        reason: &'static str,
        text: &'static str,
        place: Option<&str>,
    ) -> Self {
        let place = place.and_then(|place| place.parse().ok());
        let refusal = Self::new(status, reason, text);
        match place {
            Some(place) => refusal.with(header::LOCATION, place),
            None => refusal,
        }
    }

    /// The body is larger than the route or the cluster allows. What is left of it is not read.
    pub(super) fn too_large() -> Self {
        let text = "the request's body is larger than maxRequestBody allows";
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "BodyTooLarge", text).closing()
    }

    /// The method is one that no gateway should serve.
    pub(super) fn method(reason: &'static str, text: &'static str) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, reason, text).with(header::ALLOW, METHODS)
    }

    /// As a response; the caller says `Connection: close` where the protocol knows it.
    pub(super) fn answer(self, mut ticket: Ticket) -> Response<ReplyBody> {
        ticket.status(self.status.as_u16());
        ticket.refused(self.reason);
        let body = if self.status == StatusCode::NO_CONTENT {
            ReplyBody::empty(ticket)
        } else {
            ReplyBody::text(format!("{}\n", self.text), ticket)
        };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(REASON, HeaderValue::from_static(self.reason));
        headers.insert(header::SERVER, HeaderValue::from_static("skep"));
        if self.status != StatusCode::NO_CONTENT {
            let plain = HeaderValue::from_static("text/plain; charset=utf-8");
            headers.insert(header::CONTENT_TYPE, plain);
        }
        for (name, value) in self.headers {
            headers.append(name, value);
        }
        response
    }
}
