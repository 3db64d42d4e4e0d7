//! One control stream as a pure state machine, for both ends: messages in, messages out. It knows
//! no socket, no clock and no task, so that every order of events can be tested.
//!
//! *Guarantees.* A route (or passthrough) is sent after the backends that were published with
//! or before it have been acknowledged; a backend is removed after every change of these has been. At most one
//! response per type waits for its answer. Snapshots that are published meanwhile are folded: the
//! newest counts, nothing queues. What a client refused is not sent again until it changes; the
//! client keeps what it had. Without a published snapshot nothing at all is said, so an operator
//! that has just started cannot look like "remove everything".
//!
//! *Assumptions.* A client answers in order. It applies a response whole, or refuses it whole, or
//! names each resource that it refuses and applies the others.

mod client;
mod server;
mod subscription;

pub use client::{ClientSession, Received, report};
pub use server::ServerSession;

use crate::control::resource::TypeUrl;

/// The types in the order in which they are sent.
///
/// The session treats bodies as opaque; these are the only things it knows of them.
pub const TYPES: [TypeUrl; 5] = [LISTENER, CERTIFICATE, BACKEND, ROUTE, PASSTHROUGH];
const LISTENER: TypeUrl = "type.skep.dev/listener.v1";
const BACKEND: TypeUrl = "type.skep.dev/backend.v1";
const ROUTE: TypeUrl = "type.skep.dev/route.v1";
const PASSTHROUGH: TypeUrl = "type.skep.dev/passthrough.v1";
const CERTIFICATE: TypeUrl = "type.skep.dev/certificate.v1";
/// What names backends.
const USERS: [TypeUrl; 2] = [ROUTE, PASSTHROUGH];

/// Resources of one response together take at most about so many bytes (a single larger one
/// travels alone).
pub const MAX_RESPONSE: usize = 1 << 20;

/// The other end broke the protocol; the stream is of no further use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The first request of a stream does not say who asks.
    #[error("the first request has no node with an id and a cluster")]
    NoNode,
    /// Names other than `*` were subscribed to.
    #[error("subscribed to `{name}` of {type_url}: only all (`*`) can be subscribed to")]
    NotAll {
        /// The type.
        type_url: String,
        /// The name.
        name: String,
    },
    /// A response cannot be answered.
    #[error("a response of type `{type_url}` is unusable: {reason}")]
    Response {
        /// The type it names.
        type_url: String,
        /// What is wrong.
        reason: &'static str,
    },
}

impl Error {
    /// A bounded name for metrics and logs.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::NoNode => "NoNode",
            Self::NotAll { .. } => "NotAll",
            Self::Response { .. } => "BadResponse",
        }
    }
}

fn known_type(type_url: &str) -> Option<TypeUrl> {
    TYPES.into_iter().find(|kind| *kind == type_url)
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
