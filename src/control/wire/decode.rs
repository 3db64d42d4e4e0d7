//! From resources to the route table. Whatever arrives is outside data: it may come from a newer
//! or broken operator, or from a damaged file of the last good state.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use prost::Message as _;

use super::message;
use crate::api::service_cluster::{AccessLog, LogFormat, Tls, TlsVersion, Traffic};
use crate::api::value::{ByteSize, HostPattern, Span};
use crate::route::table::{Backend, Endpoint, Listener, PathMatch, Route, Target};

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
    for suite in &raw.tls_cipher_suites {
        check_name("listener: cipher suite", suite, false)?;
    }
    let defaults = Listener::default();
    Ok(Listener {
        traffic: Traffic {
            connect_timeout: span(
                "connect_timeout",
                raw.connect_timeout,
                defaults.traffic.connect_timeout,
            )?,
            request_timeout: span(
                "request_timeout",
                raw.request_timeout,
                defaults.traffic.request_timeout,
            )?,
            idle_timeout: span(
                "idle_timeout",
                raw.idle_timeout,
                defaults.traffic.idle_timeout,
            )?,
            max_connections: raw.max_connections,
            max_request_body: ByteSize(raw.max_request_body),
            trusted_hops: raw.trusted_hops,
            proxy_protocol: raw.proxy_protocol,
            redirect_http_to_https: raw.redirect_http_to_https,
            tls: Tls {
                min_version: tls_version(raw.tls_min_version)?,
                cipher_suites: raw.tls_cipher_suites,
            },
            access_log: AccessLog {
                enabled: raw.access_log,
                format: log_format(raw.access_log_format)?,
            },
        },
        drain_timeout: span("drain_timeout", raw.drain_timeout, defaults.drain_timeout)?,
        drain_minimum: span("drain_minimum", raw.drain_minimum, defaults.drain_minimum)?,
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
    check_prefix(&raw.prefix)?;
    if raw.targets.is_empty() {
        return Err(format!("route {}{}: no target", raw.host, raw.prefix));
    }
    let mut names = BTreeSet::new();
    for target in &raw.targets {
        check_name("route: backend", &target.backend, false)?;
        if !names.insert(target.backend.as_str()) {
            return Err(format!(
                "route {}{}: backend `{}` is named twice",
                raw.host, raw.prefix, target.backend
            ));
        }
    }
    Ok(Route {
        host: raw.host,
        path: PathMatch::Prefix(raw.prefix),
        rewrite: raw.rewrite,
        targets: raw
            .targets
            .into_iter()
            .map(|target| Target {
                backend: target.backend,
                weight: target.weight,
            })
            .collect(),
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

fn check_name(what: &str, name: &str, may_be_empty: bool) -> Result<(), String> {
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

fn span(what: &str, raw: Option<message::Duration>, default: Span) -> Result<Span, String> {
    match raw {
        None => Ok(default),
        Some(message::Duration { millis }) if millis <= MAX_MILLIS => Ok(Span::from_millis(millis)),
        Some(message::Duration { millis }) => {
            Err(format!("listener: {what} of {millis} ms is too long"))
        }
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
