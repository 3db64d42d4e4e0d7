//! From resources to the route table. Whatever arrives is outside data: it may come from a newer
//! or broken operator, or from a damaged file of the last good state.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use prost::Message as _;

use super::{message, policy};
use crate::api::expression::Expression;
use crate::api::service_cluster::{AccessLog, LogFormat, Timeouts, Tls, TlsVersion, Traffic};
use crate::api::value::{ByteSize, HostPattern, Span};
use crate::route::table::{
    Backend, BackendProtocol, BackendTls, Certificate, CertificateSource, Conditions, Endpoint,
    HeaderTest, HealthCheck, Listener, Outlier, Passthrough, PathMatch, Redirect, Route,
    SecretText, Target,
};

/// The longest span that the API's parser allows, in milliseconds.
const MAX_MILLIS: u64 = 9_000_000_000_000;
/// Longer than any name that Swarm or DNS allows, by far.
const MAX_NAME: usize = 1024;
/// Longer than any request line that a proxy takes.
const MAX_PATH: usize = 8192;

/// Reads a listener.
///
/// # Errors
/// What is wrong with it, for people.
pub fn decode_listener(body: &[u8]) -> Result<Listener, String> {
    let raw = message::Listener::decode(body).map_err(|error| format!("listener: {error}"))?;
    check_name("listener: cluster", &raw.cluster, true)?;
    if raw.max_connections == 0 {
        return Err("listener: no connection would be allowed (max_connections is 0)".to_owned());
    }
    if let Some(name) = &raw.default_certificate {
        check_name("listener: default certificate", name, false)?;
    }
    for suite in &raw.tls_cipher_suites {
        check_name("listener: cipher suite", suite, false)?;
    }
    let defaults = Listener::default();
    Ok(Listener {
        traffic: Traffic {
            timeouts: Timeouts {
                connect: span(
                    "connect_timeout",
                    raw.connect_timeout,
                    defaults.traffic.timeouts.connect,
                )?,
                request: span(
                    "request_timeout",
                    raw.request_timeout,
                    defaults.traffic.timeouts.request,
                )?,
                idle: span(
                    "idle_timeout",
                    raw.idle_timeout,
                    defaults.traffic.timeouts.idle,
                )?,
            },
            max_connections: raw.max_connections,
            max_request_body: ByteSize(raw.max_request_body),
            trusted_hops: raw.trusted_hops,
            proxy_protocol: raw.proxy_protocol,
            redirect_http_to_https: raw.redirect_http_to_https,
            tls: Tls {
                min_version: tls_version(raw.tls_min_version)?,
                cipher_suites: raw.tls_cipher_suites,
                default_certificate: None,
            },
            access_log: AccessLog {
                enabled: raw.access_log,
                format: log_format(raw.access_log_format)?,
            },
        },
        drain_timeout: span("drain_timeout", raw.drain_timeout, defaults.drain_timeout)?,
        drain_minimum: span("drain_minimum", raw.drain_minimum, defaults.drain_minimum)?,
        https_port: u16::try_from(raw.https_port)
            .map_err(|_| format!("listener: {} is not a port", raw.https_port))?,
        default_certificate: raw.default_certificate,
        cluster: raw.cluster,
    })
}

/// Reads a route.
///
/// # Errors
/// What is wrong with it, for people.
pub fn decode_route(body: &[u8]) -> Result<Route, String> {
    let raw = message::Route::decode(body).map_err(|error| format!("route: {error}"))?;
    check_host(&raw.host)?;
    let place = format!("{}{}", raw.host, raw.path);
    if raw.targets.is_empty() && raw.redirect.is_none() {
        return Err(format!("route {place}: no target"));
    }
    for method in &raw.methods {
        policy::check_method(method)?;
    }
    let headers = raw.headers.into_iter().map(header_test);
    Ok(Route {
        host: raw.host,
        path: path(raw.path_kind, raw.path)?,
        when: Conditions {
            methods: raw.methods.into_iter().collect(),
            headers: headers.collect::<Result<_, String>>()?,
        },
        redirect: raw.redirect.map(redirect).transpose()?,
        rewrite: raw.rewrite,
        targets: targets(&place, raw.targets)?,
        policy: policy::decode(raw.policy.unwrap_or_default())?,
    })
}

fn path(kind: u32, text: String) -> Result<PathMatch, String> {
    match kind {
        0 => {
            check_prefix(&text)?;
            Ok(PathMatch::Prefix(text))
        }
        1 if text.starts_with('/')
            && text.len() <= MAX_PATH
            && !text.chars().any(char::is_control) =>
        {
            Ok(PathMatch::Exact(text))
        }
        1 => Err(format!(
            "route: path `{}` is not a path",
            text.escape_debug()
        )),
        2 => {
            Expression::new(&text).map_err(|error| format!("route: {error}"))?;
            Ok(PathMatch::Regex(text))
        }
        other => Err(format!("route: paths of kind {other} are unknown")),
    }
}

fn header_test(raw: message::HeaderTest) -> Result<(String, HeaderTest), String> {
    policy::check_header(&raw.name)?;
    let test = match raw.kind {
        0 => HeaderTest::Present,
        1 => HeaderTest::Exact(raw.value),
        2 => {
            Expression::new(&raw.value).map_err(|error| format!("route: {error}"))?;
            HeaderTest::Regex(raw.value)
        }
        other => return Err(format!("route: tests of kind {other} are unknown")),
    };
    Ok((raw.name, test))
}

fn redirect(raw: message::Redirect) -> Result<Redirect, String> {
    let good = raw.target.parse::<http::Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some()
    });
    if !good {
        return Err(format!(
            "route: `{}` is no place to send clients to",
            raw.target.escape_debug()
        ));
    }
    Ok(Redirect {
        status: policy::redirect_status(raw.status)?,
        target: raw.target,
    })
}

fn targets(place: &str, raw: Vec<message::Target>) -> Result<Vec<Target>, String> {
    let mut names = BTreeSet::new();
    for target in &raw {
        check_name("route: backend", &target.backend, false)?;
        if !names.insert(target.backend.as_str()) {
            return Err(format!(
                "route {place}: backend `{}` is named twice",
                target.backend
            ));
        }
    }
    Ok(raw
        .into_iter()
        .map(|target| Target {
            backend: target.backend,
            weight: target.weight,
        })
        .collect())
}

/// Reads a passthrough.
///
/// # Errors
/// What is wrong with it, for people.
pub fn decode_passthrough(body: &[u8]) -> Result<Passthrough, String> {
    let raw =
        message::Passthrough::decode(body).map_err(|error| format!("passthrough: {error}"))?;
    check_host(&raw.host)?;
    if raw.targets.is_empty() {
        return Err(format!("passthrough {}: no target", raw.host));
    }
    Ok(Passthrough {
        targets: targets(&raw.host, raw.targets)?,
        host: raw.host,
    })
}

/// Reads a certificate. Its PEM is not looked into: that needs the files too.
///
/// # Errors
/// What is wrong with it, for people.
pub fn decode_certificate(body: &[u8]) -> Result<Certificate, String> {
    let raw =
        message::Certificate::decode(body).map_err(|error| format!("certificate: {error}"))?;
    for host in &raw.hosts {
        if host == "*" {
            return Err("certificate: `*` is not a host".to_owned());
        }
        check_host(host)?;
    }
    for host in raw.stands_in.keys() {
        check_host(host)?;
    }
    let source = if raw.chain_pem.is_empty() && raw.key_pem.is_empty() {
        check_file("certificate: file", &raw.chain_file)?;
        check_file("certificate: file of the key", &raw.key_file)?;
        CertificateSource::Files {
            chain: raw.chain_file,
            key: raw.key_file,
        }
    } else {
        CertificateSource::Pem {
            chain: raw.chain_pem,
            key: SecretText(raw.key_pem),
        }
    };
    Ok(Certificate {
        hosts: raw.hosts,
        stands_in: raw.stands_in,
        awaited: raw.awaited,
        source,
    })
}

/// Reads a backend.
///
/// # Errors
/// What is wrong with it, for people.
pub fn decode_backend(body: &[u8]) -> Result<Backend, String> {
    let raw = message::Backend::decode(body).map_err(|error| format!("backend: {error}"))?;
    check_name("backend: service", &raw.service, true)?;
    let endpoints = raw
        .endpoints
        .into_iter()
        .map(|endpoint| decode_endpoint(&raw.service, endpoint))
        .collect::<Result<_, _>>()?;
    Ok(Backend {
        service: raw.service,
        endpoints,
        protocol: match raw.protocol {
            0 => BackendProtocol::Http,
            1 => BackendProtocol::Http2,
            other => return Err(format!("backend: protocol {other} is unknown")),
        },
        tls: raw.tls.map(backend_tls).transpose()?,
        health: raw.health.map(health_check).transpose()?,
        outlier: raw.outlier.map(outlier).transpose()?,
    })
}

fn backend_tls(raw: message::BackendTls) -> Result<BackendTls, String> {
    check_name("backend: TLS name", &raw.name, true)?;
    if let Some(ca) = &raw.ca {
        check_file("backend: file of the authorities", ca)?;
    }
    Ok(BackendTls {
        verify: raw.verify,
        name: raw.name,
        ca: raw.ca,
    })
}

fn health_check(raw: message::HealthCheck) -> Result<HealthCheck, String> {
    check_name("backend: host of the health check", &raw.host, true)?;
    let path = raw.path.parse::<http::uri::PathAndQuery>();
    if !raw.path.starts_with('/') || path.is_err() {
        return Err(format!(
            "backend: `{}` is not the path of a health check",
            raw.path.escape_debug()
        ));
    }
    let interval = span("interval", raw.interval, Span::from_secs(10))?;
    let timeout = span("timeout", raw.timeout, Span::from_secs(2))?;
    if interval.get().is_zero() || timeout.get().is_zero() {
        return Err("backend: a health check of no time".to_owned());
    }
    Ok(HealthCheck {
        path: raw.path,
        host: raw.host,
        interval,
        timeout,
        healthy: raw.healthy.max(1),
        unhealthy: raw.unhealthy.max(1),
        status: raw.status.map(status_of).transpose()?,
    })
}

fn outlier(raw: message::Outlier) -> Result<Outlier, String> {
    Ok(Outlier {
        max_fails: raw.max_fails,
        fail_timeout: span("fail_timeout", raw.fail_timeout, Span::from_secs(10))?,
    })
}

fn decode_endpoint(service: &str, raw: message::Endpoint) -> Result<Endpoint, String> {
    let fail = |what: &str| format!("backend of {service}, endpoint `{}`: {what}", raw.id);
    let ip = if let Ok(octets) = <[u8; 4]>::try_from(raw.ip.as_slice()) {
        IpAddr::V4(Ipv4Addr::from(octets))
    } else if let Ok(octets) = <[u8; 16]>::try_from(raw.ip.as_slice()) {
        IpAddr::V6(Ipv6Addr::from(octets))
    } else {
        return Err(fail("an address has 4 or 16 bytes"));
    };
    // A damaged endpoint must not turn into a connection to the proxy itself or to a whole subnet.
    if ip.is_unspecified() || ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST) {
        return Err(fail(&format!("{ip} is not the address of a task")));
    }
    let port = u16::try_from(raw.port)
        .ok()
        .filter(|port| *port != 0)
        .ok_or_else(|| fail(&format!("{} is not a port", raw.port)))?;
    check_name("backend: endpoint id", &raw.id, true)?;
    Ok(Endpoint {
        address: SocketAddr::new(ip, port),
        id: raw.id,
    })
}

fn check_host(host: &str) -> Result<(), String> {
    if host == "*" {
        return Ok(());
    }
    match host.parse::<HostPattern>() {
        Ok(pattern) if pattern.as_str() == host => Ok(()),
        Ok(pattern) => Err(format!(
            "route: host `{host}` is not in normal form, which is `{pattern}`"
        )),
        Err(error) => Err(format!("route: {error}")),
    }
}

fn check_prefix(prefix: &str) -> Result<(), String> {
    let normal = prefix.starts_with('/') && (prefix == "/" || !prefix.ends_with('/'));
    if !normal || prefix.len() > MAX_PATH || prefix.chars().any(char::is_control) {
        return Err(format!(
            "route: path `{}` is not in normal form: it starts with `/` and does not end with one",
            prefix.escape_debug()
        ));
    }
    Ok(())
}

/// A file below the secrets' directory, and not anywhere else.
pub(super) fn check_file(what: &str, name: &str) -> Result<(), String> {
    check_name(what, name, false)?;
    if name.contains('/') || matches!(name, "." | "..") {
        return Err(format!("{what}: `{name}` is not the name of a file"));
    }
    Ok(())
}

/// A status of HTTP.
pub(super) fn status_of(raw: u32) -> Result<u16, String> {
    u16::try_from(raw)
        .ok()
        .filter(|status| (100..=599).contains(status))
        .ok_or_else(|| format!("{raw} is not a status of HTTP"))
}

pub(super) fn check_name(what: &str, name: &str, may_be_empty: bool) -> Result<(), String> {
    if name.is_empty() && !may_be_empty {
        return Err(format!("{what}: the name is empty"));
    }
    if name.len() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(format!(
            "{what}: the name is longer than {MAX_NAME} bytes or holds control characters"
        ));
    }
    Ok(())
}

pub(super) fn span(
    what: &str,
    raw: Option<message::Duration>,
    default: Span,
) -> Result<Span, String> {
    match raw {
        None => Ok(default),
        Some(message::Duration { millis }) if millis <= MAX_MILLIS => Ok(Span::from_millis(millis)),
        Some(message::Duration { millis }) => Err(format!("{what} of {millis} ms is too long")),
    }
}

fn tls_version(raw: u32) -> Result<TlsVersion, String> {
    match raw {
        0 | 12 => Ok(TlsVersion::V1_2),
        13 => Ok(TlsVersion::V1_3),
        other => Err(format!("listener: TLS version {other} is unknown")),
    }
}

fn log_format(raw: u32) -> Result<LogFormat, String> {
    match raw {
        0 | 1 => Ok(LogFormat::Json),
        2 => Ok(LogFormat::Text),
        other => Err(format!("listener: access log format {other} is unknown")),
    }
}
