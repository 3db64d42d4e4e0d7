//! Backends: where requests go, and how.

use std::net::SocketAddr;

use crate::api::value::Span;

/// The endpoints of one application service on one port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backend {
    /// Service name, for logs and metrics.
    pub service: String,
    /// Endpoints, in order of address. Empty: the answer is 503.
    pub endpoints: Vec<Endpoint>,
    /// What the endpoints speak.
    pub protocol: BackendProtocol,
    /// TLS towards the endpoints; `None`: plain.
    pub tls: Option<BackendTls>,
    /// Active checks; `None`: none.
    pub health: Option<HealthCheck>,
    /// When an endpoint that fails requests is left out; `None`: only one that refuses
    /// connections is, for a short while.
    pub outlier: Option<Outlier>,
}

/// Where a task answers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// Address and port.
    pub address: SocketAddr,
    /// Task id (or service id for a virtual address).
    pub id: String,
}

/// What endpoints speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum BackendProtocol {
    /// HTTP/1.1; over TLS HTTP/2 where the endpoint offers it (ALPN).
    #[default]
    Http,
    /// HTTP/2 from the first byte (prior knowledge; over TLS by ALPN), as gRPC servers do.
    Http2,
}

/// TLS towards endpoints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackendTls {
    /// Whether the endpoint's certificate is checked.
    pub verify: bool,
    /// The name asked for by SNI, and checked.
    pub name: String,
    /// File name below the secrets' directory with the authorities (PEM) that are trusted;
    /// `None`: the public ones.
    pub ca: Option<String>,
}

/// Asks each endpoint for a sign of life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// Path and query of a GET request.
    pub path: String,
    /// Host header of the request.
    pub host: String,
    /// Between two checks.
    pub interval: Span,
    /// For one check.
    pub timeout: Span,
    /// So many good ones in a row bring an endpoint back.
    pub healthy: u32,
    /// So many bad ones in a row take it out.
    pub unhealthy: u32,
    /// The status that is good; `None`: 200 to 399.
    pub status: Option<u16>,
}

/// Leaves out an endpoint that fails requests (connection refused or broken, no answer in time,
/// 502, 503, 504). Never the last one that is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outlier {
    /// So many failures within `fail_timeout`; 0: never.
    pub max_fails: u32,
    /// The window, and for how long it is left out.
    pub fail_timeout: Span,
}
