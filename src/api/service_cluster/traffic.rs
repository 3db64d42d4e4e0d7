//! `spec.traffic`: the listeners' settings.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::value::{ByteSize, Span};

/// Settings of the listeners, for all routes of the cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Traffic {
    /// How long things may take.
    pub timeouts: Timeouts,
    /// Client connections of one proxy at once.
    #[schemars(range(min = 1))]
    pub max_connections: u64,
    /// Largest request body; `0`: no limit.
    pub max_request_body: ByteSize,
    /// Proxies in front whose `X-Forwarded-*` headers are believed.
    pub trusted_hops: u32,
    /// Expect the PROXY protocol on every client connection.
    pub proxy_protocol: bool,
    /// Answer plain HTTP with a redirect to HTTPS.
    pub redirect_http_to_https: bool,
    /// TLS.
    pub tls: Tls,
    /// Access log.
    pub access_log: AccessLog,
}

impl Default for Traffic {
    fn default() -> Self {
        Self {
            timeouts: Timeouts::default(),
            max_connections: 10_000,
            max_request_body: ByteSize(32 << 20),
            trusted_hops: 0,
            proxy_protocol: false,
            redirect_http_to_https: false,
            tls: Tls::default(),
            access_log: AccessLog::default(),
        }
    }
}

/// How long things may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Timeouts {
    /// Opening a connection to an endpoint may take so long.
    pub connect: Span,
    /// From the last byte of a request to the first of its answer.
    pub request: Span,
    /// A connection without a request, or an upgraded one without a byte, is closed after so long.
    pub idle: Span,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Span::from_secs(5),
            request: Span::from_secs(60),
            idle: Span::from_secs(300),
        }
    }
}

/// TLS towards clients.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Tls {
    /// Oldest version accepted.
    pub min_version: TlsVersion,
    /// Cipher suites by IANA name, in order. Empty: the library's choice.
    pub cipher_suites: Vec<String>,
    /// Stored certificate (`skep certs add`) for hosts that have none. Omitted: their handshake is
    /// refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_certificate: Option<String>,
}

/// A TLS version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TlsVersion {
    /// TLS 1.2
    #[default]
    #[serde(rename = "1.2")]
    V1_2,
    /// TLS 1.3
    #[serde(rename = "1.3")]
    V1_3,
}

/// The access log, one line a request on standard output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AccessLog {
    /// Whether it is written.
    pub enabled: bool,
    /// Its form.
    pub format: LogFormat,
}

impl Default for AccessLog {
    fn default() -> Self {
        Self {
            enabled: true,
            format: LogFormat::Json,
        }
    }
}

/// Form of the access log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// The common log format with duration and endpoint.
    Text,
}
