//! The route table: what a proxy needs to know to serve, and nothing else.
//!
//! It names no task state or label: the data plane could serve it from any source.

mod backend;
mod certificate;
mod policy;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

pub use backend::{Backend, BackendProtocol, BackendTls, Endpoint, HealthCheck, Outlier};
pub use certificate::{Certificate, CertificateSource, SecretText};
pub use policy::{
    Affinity, BasicAuth, Cors, HeaderEdits, Policy, RateKey, RateLimit, Redirect, Retries,
};

use crate::api::service_cluster::Traffic;
use crate::api::value::Span;

/// Everything one cluster's proxies serve.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RouteTable {
    /// Listener-wide settings.
    pub listener: Listener,
    /// Routes by name (see [`Route::name`]).
    pub routes: BTreeMap<String, Route>,
    /// Backends by name.
    pub backends: BTreeMap<String, Backend>,
    /// TLS connections passed on unopened, by their host.
    pub passthroughs: BTreeMap<String, Passthrough>,
    /// Certificates by name. No host stands at two of them; others may stand in there.
    pub certificates: BTreeMap<String, Certificate>,
}

/// Listener-wide settings. The container's ports are not among them: those are fixed when a proxy
/// starts.
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
    /// The port that clients reach HTTPS by, for redirects; 0: none is published.
    pub https_port: u16,
    /// Name of the certificate for hosts that have none; `None`: their handshake is refused.
    pub default_certificate: Option<String>,
}

impl Default for Listener {
    fn default() -> Self {
        let drain = crate::api::service_cluster::Drain::default();
        Self {
            cluster: String::new(),
            traffic: Traffic::default(),
            drain_timeout: drain.timeout,
            drain_minimum: drain.minimum,
            https_port: 443,
            default_certificate: None,
        }
    }
}

/// One host and path, and where its requests go.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Route {
    /// Host in lower case without a port; `*.` in front stands for all below it; `*` alone is
    /// the default route, for hosts that no other route names.
    pub host: String,
    /// The path.
    pub path: PathMatch,
    /// What else a request must have.
    pub when: Conditions,
    /// Where clients are sent instead. Requests that are there already are forwarded.
    pub redirect: Option<Redirect>,
    /// The matched prefix is cut off before the request is forwarded (`/app/x` becomes `/x`).
    pub rewrite: bool,
    /// Backends and their weights, in order of name. Empty only where there is a redirect.
    pub targets: Vec<Target>,
    /// Limits, checks and changes on the way.
    pub policy: Policy,
}

/// How the path of a request is matched. Exact ones come before expressions, these before
/// prefixes; longer ones before shorter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PathMatch {
    /// On segment borders: `/app` matches `/app` and `/app/x`, not `/apple`. Normal form: starts
    /// with `/`, does not end with one unless it is `/`, which matches all.
    Prefix(String),
    /// This path alone. Starts with `/`.
    Exact(String),
    /// A regular expression (of the `regex` crate) for the whole path.
    Regex(String),
}

impl Default for PathMatch {
    fn default() -> Self {
        Self::Prefix("/".to_owned())
    }
}

impl PathMatch {
    /// The path or expression as it is written.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Prefix(text) | Self::Exact(text) | Self::Regex(text) => text,
        }
    }
}

/// What a request must have besides host and path. Of routes at one place those with a method
/// come first, then those with more headers.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Conditions {
    /// One of these methods, in capitals; empty: any.
    pub methods: BTreeSet<String>,
    /// All of these headers; names in lower case.
    pub headers: BTreeMap<String, HeaderTest>,
}

impl Conditions {
    /// Every request has it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.methods.is_empty() && self.headers.is_empty()
    }
}

/// What is asked of a header's value. Of several values one is enough.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HeaderTest {
    /// It is there.
    Present,
    /// It is this, letter by letter.
    Exact(String),
    /// This expression matches the whole of it.
    Regex(String),
}

/// A share of a route's traffic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// Name of the backend.
    pub backend: String,
    /// Explicit weight; `None`: the number of its endpoints (canary by task count).
    pub weight: Option<u32>,
}

/// A host whose TLS connections go to endpoints unopened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passthrough {
    /// Host as in [`Route::host`]; `*` alone takes all that have neither a passthrough nor a
    /// certificate.
    pub host: String,
    /// Backends and their weights, in order of name. Never empty.
    pub targets: Vec<Target>,
}

impl Route {
    /// The route's name: host, path and conditions. Unique in a table.
    #[must_use]
    pub fn name(&self) -> String {
        let mut name = match &self.path {
            PathMatch::Prefix(path) => format!("{}{path}", self.host),
            PathMatch::Exact(path) => format!("{}={path}", self.host),
            PathMatch::Regex(pattern) => format!("{}~{pattern}", self.host),
        };
        let methods: Vec<&str> = self.when.methods.iter().map(String::as_str).collect();
        if !methods.is_empty() {
            let _ = write!(name, " {}", methods.join(","));
        }
        for (header, test) in &self.when.headers {
            let _ = match test {
                HeaderTest::Present => write!(name, " {header}"),
                HeaderTest::Exact(value) => write!(name, " {header}={value}"),
                HeaderTest::Regex(pattern) => write!(name, " {header}~{pattern}"),
            };
        }
        name
    }
}
