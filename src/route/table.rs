//! The route table: what a proxy needs to know to serve, and nothing else.
//!
//! It names no service, task state or label: the data plane could serve it from any source.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::api::service_cluster::Traffic;
use crate::api::value::Span;

/// Everything one cluster's proxies serve.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RouteTable {
    /// Listener-wide settings.
    pub listener: Listener,
    /// Routes by name (`host` + path, see [`Route::name`]).
    pub routes: BTreeMap<String, Route>,
    /// Backends by name.
    pub backends: BTreeMap<String, Backend>,
}

/// Listener-wide settings. Ports are not among them: those are fixed when a proxy starts.
#[derive(Clone, Debug, PartialEq)]
pub struct Listener {
    /// The cluster's name, for logs and metrics.
    pub cluster: String,
    /// Timeouts, limits, TLS, access log.
    pub traffic: Traffic,
    /// Requests in flight may go on for so long after SIGTERM.
    pub drain_timeout: Span,
    /// New connections are still taken for so long after SIGTERM.
    pub drain_minimum: Span,
}

impl Default for Listener {
    fn default() -> Self {
        let drain = crate::api::service_cluster::Drain::default();
        Self {
            cluster: String::new(),
            traffic: Traffic::default(),
            drain_timeout: drain.timeout,
            drain_minimum: drain.minimum,
        }
    }
}

/// One host and path, and where its requests go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Route {
    /// Host in lower case without a port; `*.` in front stands for all below it; `*` alone is
    /// the default route, for hosts that no other route names.
    pub host: String,
    /// The path.
    pub path: PathMatch,
    /// The matched prefix is cut off before the request is forwarded (`/app/x` becomes `/x`).
    pub rewrite: bool,
    /// Backends and their weights, in order of name. Never empty.
    pub targets: Vec<Target>,
}

/// How the path of a request is matched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PathMatch {
    /// On segment borders: `/app` matches `/app` and `/app/x`, not `/apple`. Normal form: starts
    /// with `/`, does not end with one unless it is `/`, which matches all.
    Prefix(String),
}

impl Default for PathMatch {
    fn default() -> Self {
        Self::Prefix("/".to_owned())
    }
}

/// A share of a route's traffic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// Name of the backend.
    pub backend: String,
    /// Explicit weight; `None`: the number of its endpoints (canary by task count).
    pub weight: Option<u32>,
}

/// The endpoints of one application service on one port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backend {
    /// Service name, for logs and metrics.
    pub service: String,
    /// Endpoints, in order of address. Empty: the answer is 503.
    pub endpoints: Vec<Endpoint>,
}

/// Where a task answers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// Address and port.
    pub address: SocketAddr,
    /// Task id (or service id for a virtual address).
    pub id: String,
}

impl Route {
    /// The route's name: host and path. Unique in a table.
    #[must_use]
    pub fn name(&self) -> String {
        let PathMatch::Prefix(path) = &self.path;
        format!("{}{path}", self.host)
    }
}
