//! From the labels of a route to its settings in the table.

use std::collections::{BTreeMap, BTreeSet};

use super::reach::Refusal;
use super::secret;
use super::{
    Affinity, Backend, BackendProtocol, BackendTls, BasicAuth, Conditions, Cors, HeaderEdits,
    HeaderTest, HealthCheck, Outlier, PathMatch, Policy, RateKey, RateLimit, Retries,
};
use crate::api::labels::{HeaderRule, PathLabel, RouteLabels, Value};
use crate::api::value::{HostPattern, Span};
use crate::world::{SecretsByName, Service};

/// Status of the way from HTTP to HTTPS when the labels name none.
const HTTPS_STATUS: u16 = 308;

/// Where a request must go for the route.
pub(super) fn path(labels: &RouteLabels) -> PathMatch {
    match &labels.path {
        PathLabel::Prefix(path) => PathMatch::Prefix(path.clone()),
        PathLabel::Exact(path) => PathMatch::Exact(path.clone()),
        PathLabel::Regex(pattern) => PathMatch::Regex(pattern.clone()),
    }
}

/// What else it must have.
pub(super) fn conditions(labels: &RouteLabels) -> Conditions {
    let headers = labels.open("header.*").filter_map(|(name, value)| {
        let test = match value {
            Value::Test(HeaderRule::Present) => HeaderTest::Present,
            Value::Test(HeaderRule::Exact(value)) => HeaderTest::Exact(value.clone()),
            Value::Test(HeaderRule::Regex(pattern)) => HeaderTest::Regex(pattern.clone()),
            _ => return None,
        };
        Some((name.to_owned(), test))
    });
    Conditions {
        headers: headers.collect(),
        methods: labels.texts("methods"),
    }
}

/// What is done with it on the way. A password that cannot be asked for refuses the route.
pub(super) fn policy(
    secrets: &SecretsByName<'_>,
    service: &Service,
    labels: &RouteLabels,
) -> Result<Policy, Refusal> {
    let https = labels.status("https_redirect");
    let redirected = labels.flag("ssl_only").then_some(HTTPS_STATUS);
    Ok(Policy {
        allow: labels.nets("ip_allow"),
        https_only: https.or(redirected),
        cors: cors(labels),
        rate_limit: rate_limit(labels),
        basic_auth: basic_auth(secrets, service, labels)?,
        max_request_body: labels.size("max_request_body"),
        request_timeout: labels.time("request_timeout"),
        connect_timeout: labels.time("connect_timeout"),
        retries: retries(labels),
        request_headers: HeaderEdits {
            remove: labels.texts("request_headers.remove"),
            set: texts(labels, "request_headers.set.*"),
            add: texts(labels, "request_headers.add.*"),
        },
        response_headers: HeaderEdits {
            remove: labels.texts("response_headers.remove"),
            set: texts(labels, "response_headers.set.*"),
            add: texts(labels, "response_headers.add.*"),
        },
        affinity: affinity(labels),
    })
}

fn texts(labels: &RouteLabels, name: &'static str) -> BTreeMap<String, String> {
    let given = labels.open(name).filter_map(|(name, value)| match value {
        Value::Text(text) => Some((name.to_owned(), text.clone())),
        _ => None,
    });
    given.collect()
}

fn cors(labels: &RouteLabels) -> Option<Cors> {
    let origins = labels.texts("cors.origins");
    if origins.is_empty() {
        return None;
    }
    let mut methods = labels.texts("cors.methods");
    if methods.is_empty() {
        methods = ["GET", "HEAD", "POST"].map(str::to_owned).into();
    }
    Some(Cors {
        origins,
        methods,
        headers: labels.texts("cors.headers"),
        expose: labels.texts("cors.expose"),
        credentials: labels.flag("cors.credentials"),
        max_age: labels.time("cors.max_age"),
    })
}

fn rate_limit(labels: &RouteLabels) -> Option<RateLimit> {
    let (requests, per) = labels.rate("rate_limit")?;
    Some(RateLimit {
        requests,
        per,
        burst: labels.number("rate_limit.burst").unwrap_or(requests),
        key: match labels.text("rate_limit.key") {
            Some("route") => RateKey::Route,
            _ => RateKey::Client,
        },
    })
}

fn basic_auth(
    secrets: &SecretsByName<'_>,
    service: &Service,
    labels: &RouteLabels,
) -> Result<Option<BasicAuth>, Refusal> {
    let Some(name) = labels.text("basic_auth") else {
        return Ok(None);
    };
    let secret = named_secret(secrets, service, name, "basic_auth")?;
    let realm = labels.text("basic_auth_realm").unwrap_or("restricted");
    Ok(Some(BasicAuth {
        realm: realm.to_owned(),
        secret,
    }))
}

fn named_secret(
    secrets: &SecretsByName<'_>,
    service: &Service,
    name: &str,
    label: &'static str,
) -> Result<String, Refusal> {
    secret::find(secrets, service, name).map_err(|absent| Refusal {
        reason: absent.reason,
        message: absent.message,
        label,
    })
}

fn retries(labels: &RouteLabels) -> Option<Retries> {
    let (attempts, statuses) = (labels.number("retries"), labels.statuses("retry_on"));
    if attempts.is_none() && statuses.is_none() {
        return None;
    }
    Some(Retries {
        attempts: attempts.unwrap_or(1),
        statuses: statuses.unwrap_or_default(),
    })
}

/// A virtual address is one endpoint: there is nothing to stay with.
fn affinity(labels: &RouteLabels) -> Affinity {
    if is_virtual(labels) {
        return Affinity::None;
    }
    match labels.text("sticky_session_cookie") {
        Some(name) => Affinity::Cookie(name.to_owned()),
        None if labels.flag("ip_hash") => Affinity::ClientIp,
        None => Affinity::None,
    }
}

/// Swarm balances, not the proxies.
pub(super) fn is_virtual(labels: &RouteLabels) -> bool {
    labels.text("backend_mode") == Some("vip")
}

/// How the tasks are reached, without the endpoints. Authorities that are not there refuse the
/// route: without them its connections would be trusted blindly.
pub(super) fn backend(
    secrets: &SecretsByName<'_>,
    service: &Service,
    labels: &RouteLabels,
) -> Result<Backend, Refusal> {
    Ok(Backend {
        service: service.spec.name.clone(),
        endpoints: Vec::new(),
        protocol: match labels.text("backend_protocol") {
            Some("h2") => BackendProtocol::Http2,
            _ => BackendProtocol::Http,
        },
        tls: tls(secrets, service, labels)?,
        health: health(labels),
        outlier: outlier(labels),
    })
}

fn tls(
    secrets: &SecretsByName<'_>,
    service: &Service,
    labels: &RouteLabels,
) -> Result<Option<BackendTls>, Refusal> {
    let ca = match labels.text("backend_ca") {
        Some(name) => Some(named_secret(secrets, service, name, "backend_ca")?),
        None => None,
    };
    if !labels.flag("ssl_backend") && ca.is_none() {
        return Ok(None);
    }
    let verify = match labels.text("ssl_backend_tls_verify") {
        Some(verify) => verify == "true",
        None => ca.is_some(),
    };
    let name = labels.text("backend_tls_name").map(str::to_owned);
    Ok(Some(BackendTls {
        verify,
        name: name.or_else(|| first_host(labels)).unwrap_or_default(),
        ca,
    }))
}

/// The first host that is one host.
fn first_host(labels: &RouteLabels) -> Option<String> {
    let mut hosts = labels.hosts.iter().map(HostPattern::as_str);
    hosts.find(|host| !host.starts_with('*')).map(str::to_owned)
}

fn health(labels: &RouteLabels) -> Option<HealthCheck> {
    let host = labels.text("health_check.host").map(str::to_owned);
    let time = |name, default| labels.time(name).unwrap_or(Span::from_secs(default));
    Some(HealthCheck {
        path: labels.text("health_check.path")?.to_owned(),
        host: host.or_else(|| first_host(labels)).unwrap_or_default(),
        interval: time("health_check.interval", 10),
        timeout: time("health_check.timeout", 2),
        healthy: labels.number("health_check.healthy").unwrap_or(1),
        unhealthy: labels.number("health_check.unhealthy").unwrap_or(3),
        status: labels.status("health_check.status"),
    })
}

fn outlier(labels: &RouteLabels) -> Option<Outlier> {
    let (fails, timeout) = (labels.number("max_fails"), labels.time("fail_timeout"));
    if fails.is_none() && timeout.is_none() {
        return None;
    }
    Some(Outlier {
        max_fails: fails.unwrap_or(1),
        fail_timeout: timeout.unwrap_or(Span::from_secs(10)),
    })
}

/// The secrets that these settings need as files.
pub(super) fn secrets(policy: &Policy, backend: &Backend) -> BTreeSet<String> {
    let users = policy.basic_auth.as_ref().map(|auth| auth.secret.clone());
    let ca = backend.tls.as_ref().and_then(|tls| tls.ca.clone());
    users.into_iter().chain(ca).collect()
}
