//! The proxy's own answers: short plain text, with the reason for machines in a header.

use std::borrow::Cow;

use http::header::{self, HeaderName};
use http::{HeaderValue, Response, StatusCode};

use super::body::ReplyBody;
use super::ticket::Ticket;

/// Names the reason of an answer that the proxy made itself; bounded, CamelCase.
pub(super) const REASON: HeaderName = HeaderName::from_static("x-skep-reason");

/// Why a request is not answered by an endpoint.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) reason: &'static str,
    pub(super) text: Cow<'static, str>,
    pub(super) location: Option<HeaderValue>,
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
            location: None,
            close: false,
        }
    }

    pub(super) fn closing(mut self) -> Self {
        self.close = true;
        self
    }

    /// The body is larger than the cluster allows. What is left of it is not read.
    pub(super) fn too_large() -> Self {
        let text = "the request's body is larger than maxRequestBody allows";
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "BodyTooLarge", text).closing()
    }

    /// As a response; the caller says `Connection: close` where the protocol knows it.
    pub(super) fn answer(self, mut ticket: Ticket) -> Response<ReplyBody> {
        ticket.status(self.status.as_u16());
        ticket.refused(self.reason);
        let text = format!("{}\n", self.text);
        let mut response = Response::new(ReplyBody::text(text, ticket));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(REASON, HeaderValue::from_static(self.reason));
        headers.insert(header::SERVER, HeaderValue::from_static("skep"));
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        if let Some(location) = self.location {
            headers.insert(header::LOCATION, location);
        }
        response
    }
}
