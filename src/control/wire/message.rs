//! Our resources as protobuf. Field numbers are for ever: a proxy of one release talks to an
//! operator of another. A change that an old proxy must not ignore takes a new type URL.

use std::collections::BTreeMap;

/// Type `type.skep.dev/listener.v1`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Listener {
    #[prost(string, tag = "1")]
    pub(super) cluster: String,
    #[prost(message, optional, tag = "2")]
    pub(super) connect_timeout: Option<Duration>,
    #[prost(message, optional, tag = "3")]
    pub(super) request_timeout: Option<Duration>,
    #[prost(message, optional, tag = "4")]
    pub(super) idle_timeout: Option<Duration>,
    #[prost(uint64, tag = "5")]
    pub(super) max_connections: u64,
    #[prost(uint64, tag = "6")]
    pub(super) max_request_body: u64,
    #[prost(uint32, tag = "7")]
    pub(super) trusted_hops: u32,
    #[prost(bool, tag = "8")]
    pub(super) proxy_protocol: bool,
    #[prost(bool, tag = "9")]
    pub(super) redirect_http_to_https: bool,
    /// 12 or 13.
    #[prost(uint32, tag = "10")]
    pub(super) tls_min_version: u32,
    #[prost(string, repeated, tag = "11")]
    pub(super) tls_cipher_suites: Vec<String>,
    #[prost(bool, tag = "12")]
    pub(super) access_log: bool,
    /// 1 JSON, 2 text.
    #[prost(uint32, tag = "13")]
    pub(super) access_log_format: u32,
    #[prost(message, optional, tag = "14")]
    pub(super) drain_timeout: Option<Duration>,
    #[prost(message, optional, tag = "15")]
    pub(super) drain_minimum: Option<Duration>,
    #[prost(uint32, tag = "16")]
    pub(super) https_port: u32,
    #[prost(string, optional, tag = "17")]
    pub(super) default_certificate: Option<String>,
}

/// Milliseconds, in a message of its own so that "missing" differs from zero.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(super) struct Duration {
    #[prost(uint64, tag = "1")]
    pub(super) millis: u64,
}

/// Type `type.skep.dev/route.v1`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Route {
    #[prost(string, tag = "1")]
    pub(super) host: String,
    /// The path, or the expression, that `path_kind` says.
    #[prost(string, tag = "2")]
    pub(super) path: String,
    #[prost(bool, tag = "3")]
    pub(super) rewrite: bool,
    #[prost(message, repeated, tag = "4")]
    pub(super) targets: Vec<Target>,
    /// 0 prefix, 1 exact, 2 expression.
    #[prost(uint32, tag = "5")]
    pub(super) path_kind: u32,
    #[prost(string, repeated, tag = "6")]
    pub(super) methods: Vec<String>,
    #[prost(message, repeated, tag = "7")]
    pub(super) headers: Vec<HeaderTest>,
    #[prost(message, optional, tag = "8")]
    pub(super) redirect: Option<Redirect>,
    #[prost(message, optional, tag = "9")]
    pub(super) policy: Option<Policy>,
}

/// What is asked of a header.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct HeaderTest {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    /// 0 present, 1 exact, 2 expression.
    #[prost(uint32, tag = "2")]
    pub(super) kind: u32,
    #[prost(string, tag = "3")]
    pub(super) value: String,
}

/// Sends clients elsewhere.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct Redirect {
    #[prost(uint32, tag = "1")]
    pub(super) status: u32,
    #[prost(string, tag = "2")]
    pub(super) target: String,
}

/// A share of a route's traffic.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct Target {
    #[prost(string, tag = "1")]
    pub(super) backend: String,
    #[prost(uint32, optional, tag = "2")]
    pub(super) weight: Option<u32>,
}

/// Type `type.skep.dev/passthrough.v1`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct Passthrough {
    #[prost(string, tag = "1")]
    pub(super) host: String,
    #[prost(message, repeated, tag = "2")]
    pub(super) targets: Vec<Target>,
}

/// Type `type.skep.dev/certificate.v1`: either files or PEM.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[prost(skip_debug)]
pub(super) struct Certificate {
    #[prost(string, repeated, tag = "1")]
    pub(super) hosts: Vec<String>,
    #[prost(string, tag = "2")]
    pub(super) chain_file: String,
    #[prost(string, tag = "3")]
    pub(super) key_file: String,
    #[prost(string, tag = "4")]
    pub(super) chain_pem: String,
    #[prost(string, tag = "5")]
    pub(super) key_pem: String,
    /// Turn by host.
    #[prost(btree_map = "string, uint32", tag = "6")]
    pub(super) stands_in: BTreeMap<String, u32>,
    #[prost(bool, tag = "7")]
    pub(super) awaited: bool,
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificate")
            .field("hosts", &self.hosts)
            .finish_non_exhaustive()
    }
}

/// Type `type.skep.dev/backend.v1`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct Backend {
    #[prost(string, tag = "1")]
    pub(super) service: String,
    #[prost(message, repeated, tag = "2")]
    pub(super) endpoints: Vec<Endpoint>,
    /// 0 HTTP/1.1, 1 HTTP/2.
    #[prost(uint32, tag = "3")]
    pub(super) protocol: u32,
    #[prost(message, optional, tag = "4")]
    pub(super) tls: Option<BackendTls>,
    #[prost(message, optional, tag = "5")]
    pub(super) health: Option<HealthCheck>,
    #[prost(message, optional, tag = "6")]
    pub(super) outlier: Option<Outlier>,
}

/// Where a task answers.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct Endpoint {
    /// 4 or 16 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub(super) ip: Vec<u8>,
    #[prost(uint32, tag = "2")]
    pub(super) port: u32,
    #[prost(string, tag = "3")]
    pub(super) id: String,
}

/// TLS towards endpoints.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct BackendTls {
    #[prost(bool, tag = "1")]
    pub(super) verify: bool,
    #[prost(string, tag = "2")]
    pub(super) name: String,
    #[prost(string, optional, tag = "3")]
    pub(super) ca: Option<String>,
}

/// Active checks.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct HealthCheck {
    #[prost(string, tag = "1")]
    pub(super) path: String,
    #[prost(string, tag = "2")]
    pub(super) host: String,
    #[prost(message, optional, tag = "3")]
    pub(super) interval: Option<Duration>,
    #[prost(message, optional, tag = "4")]
    pub(super) timeout: Option<Duration>,
    #[prost(uint32, tag = "5")]
    pub(super) healthy: u32,
    #[prost(uint32, tag = "6")]
    pub(super) unhealthy: u32,
    #[prost(uint32, optional, tag = "7")]
    pub(super) status: Option<u32>,
}

/// Passive checks.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(super) struct Outlier {
    #[prost(uint32, tag = "1")]
    pub(super) max_fails: u32,
    #[prost(message, optional, tag = "2")]
    pub(super) fail_timeout: Option<Duration>,
}

/// Limits, checks and changes of a route.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Policy {
    /// Networks in CIDR form.
    #[prost(string, repeated, tag = "1")]
    pub(super) allow: Vec<String>,
    #[prost(uint32, optional, tag = "2")]
    pub(super) https_only: Option<u32>,
    #[prost(message, optional, tag = "3")]
    pub(super) cors: Option<Cors>,
    #[prost(message, optional, tag = "4")]
    pub(super) rate_limit: Option<RateLimit>,
    #[prost(message, optional, tag = "5")]
    pub(super) basic_auth: Option<BasicAuth>,
    #[prost(uint64, optional, tag = "6")]
    pub(super) max_request_body: Option<u64>,
    #[prost(message, optional, tag = "7")]
    pub(super) request_timeout: Option<Duration>,
    #[prost(message, optional, tag = "8")]
    pub(super) connect_timeout: Option<Duration>,
    #[prost(message, optional, tag = "9")]
    pub(super) retries: Option<Retries>,
    #[prost(message, optional, tag = "10")]
    pub(super) request_headers: Option<HeaderEdits>,
    #[prost(message, optional, tag = "11")]
    pub(super) response_headers: Option<HeaderEdits>,
    #[prost(string, optional, tag = "12")]
    pub(super) affinity_cookie: Option<String>,
    #[prost(bool, tag = "13")]
    pub(super) affinity_client_ip: bool,
}

/// Cross-origin requests.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct Cors {
    #[prost(string, repeated, tag = "1")]
    pub(super) origins: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub(super) methods: Vec<String>,
    #[prost(string, repeated, tag = "3")]
    pub(super) headers: Vec<String>,
    #[prost(string, repeated, tag = "4")]
    pub(super) expose: Vec<String>,
    #[prost(bool, tag = "5")]
    pub(super) credentials: bool,
    #[prost(message, optional, tag = "6")]
    pub(super) max_age: Option<Duration>,
}

/// Most requests of a time.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(super) struct RateLimit {
    #[prost(uint32, tag = "1")]
    pub(super) requests: u32,
    #[prost(message, optional, tag = "2")]
    pub(super) per: Option<Duration>,
    #[prost(uint32, tag = "3")]
    pub(super) burst: u32,
    /// 0 client, 1 route.
    #[prost(uint32, tag = "4")]
    pub(super) key: u32,
}

/// Basic authentication.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct BasicAuth {
    #[prost(string, tag = "1")]
    pub(super) realm: String,
    #[prost(string, tag = "2")]
    pub(super) secret: String,
}

/// When a request is sent again.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct Retries {
    #[prost(uint32, tag = "1")]
    pub(super) attempts: u32,
    #[prost(uint32, repeated, tag = "2")]
    pub(super) statuses: Vec<u32>,
}

/// Changes to headers.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct HeaderEdits {
    #[prost(string, repeated, tag = "1")]
    pub(super) remove: Vec<String>,
    #[prost(btree_map = "string, string", tag = "2")]
    pub(super) set: std::collections::BTreeMap<String, String>,
    #[prost(btree_map = "string, string", tag = "3")]
    pub(super) add: std::collections::BTreeMap<String, String>,
}
