//! What happens to a request on its way, besides being forwarded.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use crate::api::value::{ByteSize, Span};

/// Limits, checks and changes of one route. The default changes nothing.
///
/// They apply in this order: allowed addresses, redirect to HTTPS, CORS preflight, rate limit,
/// authentication, redirect, size, headers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    /// Only clients of these networks (403 for others); empty: all.
    pub allow: Vec<IpNet>,
    /// Plain HTTP is answered with this status (301, 302, 307, 308) and the same URL by HTTPS.
    pub https_only: Option<u16>,
    /// Cross-origin requests.
    pub cors: Option<Cors>,
    /// Most requests of a time (429 for more).
    pub rate_limit: Option<RateLimit>,
    /// Only clients that know a password (401 for others).
    pub basic_auth: Option<BasicAuth>,
    /// Instead of the listener's; 0: no limit.
    pub max_request_body: Option<ByteSize>,
    /// Instead of the listener's.
    pub request_timeout: Option<Span>,
    /// Instead of the listener's.
    pub connect_timeout: Option<Span>,
    /// When a request is sent again; `None`: only while nothing of it has been sent, and
    /// idempotent ones once, after a connection that ended without an answer.
    pub retries: Option<Retries>,
    /// Changes to the headers of requests.
    pub request_headers: HeaderEdits,
    /// Changes to the headers of answers, also of the proxy's own.
    pub response_headers: HeaderEdits,
    /// Whether a client stays with an endpoint.
    pub affinity: Affinity,
}

/// Sends clients elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// 301, 302, 307 or 308.
    pub status: u16,
    /// `http://host` or `https://host`, with port and path where there are; path and query of the
    /// request are appended. A request that already came by this scheme to this host is not sent.
    pub target: String,
}

/// When a request is sent again. Only idempotent ones without a body, or with nothing sent yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retries {
    /// Further tries, each on another endpoint where there is one; 0: none at all.
    pub attempts: u32,
    /// Answers that are tried again.
    pub statuses: BTreeSet<u16>,
}

/// Changes to headers: removed first, then set, then added. Names are in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderEdits {
    /// Taken away.
    pub remove: BTreeSet<String>,
    /// Put instead of what is there.
    pub set: BTreeMap<String, String>,
    /// Put beside what is there.
    pub add: BTreeMap<String, String>,
}

impl HeaderEdits {
    /// Changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty() && self.add.is_empty()
    }
}

/// Most requests of a time, in each proxy for itself (a token bucket).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// So many requests, at least 1.
    pub requests: u32,
    /// Within so long, at least 1 ms.
    pub per: Span,
    /// So many more at once, saved up while there were fewer.
    pub burst: u32,
    /// Who shares them.
    pub key: RateKey,
}

/// Who shares a rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RateKey {
    /// Each client address has its own.
    #[default]
    Client,
    /// All clients of the route together.
    Route,
}

/// Basic authentication (RFC 7617).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BasicAuth {
    /// Shown by the client.
    pub realm: String,
    /// File name below the secrets' directory: lines `user:hash` as `htpasswd -B` writes them.
    pub secret: String,
}

/// Cross-origin resource sharing (the Fetch standard).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cors {
    /// Origins in lower case, such as `https://app.example.com`; `*`: any; `https://*.example.com`: all below it.
    pub origins: BTreeSet<String>,
    /// Methods allowed, in capitals.
    pub methods: BTreeSet<String>,
    /// Request headers allowed, in lower case; `*`: any.
    pub headers: BTreeSet<String>,
    /// Answer headers that scripts may read, in lower case.
    pub expose: BTreeSet<String>,
    /// Cookies and the like may be sent.
    pub credentials: bool,
    /// The answer to a preflight is good for so long.
    pub max_age: Option<Span>,
}

/// Whether a client stays with an endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Affinity {
    /// No.
    #[default]
    None,
    /// A cookie of the proxy's own, `skep-NAME`, names the endpoint from the first answer on. A
    /// request without it but with the application's cookie `NAME` goes where its value hashes to.
    Cookie(String),
    /// The client's address decides.
    ClientIp,
}
