//! Our resources as protobuf. Field numbers are for ever: a proxy of one release talks to an
//! operator of another. A change that an old proxy must not ignore takes a new type URL.

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
}

/// Milliseconds, in a message of its own so that "missing" differs from zero.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(super) struct Duration {
    #[prost(uint64, tag = "1")]
    pub(super) millis: u64,
}

/// Type `type.skep.dev/route.v1`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct Route {
    #[prost(string, tag = "1")]
    pub(super) host: String,
    #[prost(string, tag = "2")]
    pub(super) prefix: String,
    #[prost(bool, tag = "3")]
    pub(super) rewrite: bool,
    #[prost(message, repeated, tag = "4")]
    pub(super) targets: Vec<Target>,
}

/// A share of a route's traffic.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct Target {
    #[prost(string, tag = "1")]
    pub(super) backend: String,
    #[prost(uint32, optional, tag = "2")]
    pub(super) weight: Option<u32>,
}

/// Type `type.skep.dev/backend.v1`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct Backend {
    #[prost(string, tag = "1")]
    pub(super) service: String,
    #[prost(message, repeated, tag = "2")]
    pub(super) endpoints: Vec<Endpoint>,
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
