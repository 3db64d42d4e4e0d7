//! What a client is told when no endpoint answers.

use std::time::Duration;

use http::StatusCode;

use crate::api::value::Span;
use crate::proxy::body::Upload;
use crate::proxy::reply::Refusal;
use crate::proxy::table::LiveRoute;
use crate::proxy::upstream::NoConnection;

/// Why the last endpoint gave no answer.
pub(super) enum Last {
    NoConnection(NoConnection),
    /// It broke off.
    Broke,
    /// It was asked again for this status.
    Status(StatusCode),
}

/// An endpoint took too long.
pub(super) fn late(route: &LiveRoute, within: Duration) -> Refusal {
    let within = Span::from_millis(u64::try_from(within.as_millis()).unwrap_or(u64::MAX));
    let text = format!("no answer from {} within {within}", route.name);
    Refusal::new(StatusCode::GATEWAY_TIMEOUT, "UpstreamTimeout", text).closing()
}

/// The client took too long.
pub(super) fn client_stalled() -> Refusal {
    let text = "the request's body did not come in time";
    Refusal::new(StatusCode::REQUEST_TIMEOUT, "ClientTimeout", text).closing()
}

/// The exchange broke, and the request may have been acted on.
pub(super) fn lost(route: &LiveRoute, upload: Option<&Upload>) -> Refusal {
    if upload.is_some_and(Upload::is_too_large) {
        return Refusal::too_large();
    }
    if upload.is_some_and(Upload::is_client_gone) {
        let text = "the request broke off";
        return Refusal::new(StatusCode::BAD_REQUEST, "ClientGone", text).closing();
    }
    broke(route).closing()
}

fn broke(route: &LiveRoute) -> Refusal {
    let name = &route.name;
    let text = format!("an endpoint of {name} closed the connection without an answer");
    Refusal::new(StatusCode::BAD_GATEWAY, "UpstreamBroke", text)
}

/// No endpoint could be asked, or all tries failed.
pub(super) fn unreachable(route: &LiveRoute, last: Option<&Last>) -> Refusal {
    let name = &route.name;
    let services = services(route);
    let (status, reason, text) = match last {
        None => (
            StatusCode::SERVICE_UNAVAILABLE,
            "NoEndpoints",
            format!("no running endpoint for {name}{services}"),
        ),
        Some(Last::Broke) => return broke(route),
        Some(Last::Status(status)) => (
            StatusCode::BAD_GATEWAY,
            "RetriesFailed",
            format!("no endpoint of {name} answered better than {status}{services}"),
        ),
        Some(Last::NoConnection(NoConnection::TimedOut)) => (
            StatusCode::GATEWAY_TIMEOUT,
            "ConnectTimeout",
            format!("no endpoint of {name} took a connection in time"),
        ),
        Some(Last::NoConnection(NoConnection::Failed(_))) => (
            StatusCode::BAD_GATEWAY,
            "ConnectFailed",
            format!("no endpoint of {name} took a connection{services}"),
        ),
        Some(Last::NoConnection(NoConnection::Closed)) => (
            StatusCode::BAD_GATEWAY,
            "ConnectFailed",
            format!("the endpoints of {name} close connections at once{services}"),
        ),
        Some(Last::NoConnection(NoConnection::Tls(error))) => (
            StatusCode::BAD_GATEWAY,
            "UpstreamTls",
            format!("no TLS with the endpoints of {name}{services}: {error}"),
        ),
    };
    Refusal::new(status, reason, text)
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
