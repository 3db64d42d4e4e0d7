//! From the route table to resources.

use std::net::IpAddr;

use super::message;
use crate::api::service_cluster::{AccessLog, LogFormat, Tls, TlsVersion, Traffic};
use crate::api::value::Span;
use crate::control::resource::Resource;
use crate::names::content_hash;
use crate::route::table::{Backend, Endpoint, Listener, PathMatch, Route, Target};

pub(super) fn listener(listener: &Listener) -> Resource {
    // Destructured, so that a new setting cannot be forgotten here.
    let Listener {
        cluster,
        traffic,
        drain_timeout,
        drain_minimum,
    } = listener;
    let Traffic {
        connect_timeout,
        request_timeout,
        idle_timeout,
        max_connections,
        max_request_body,
        trusted_hops,
        proxy_protocol,
        redirect_http_to_https,
        tls: Tls {
            min_version,
            cipher_suites,
        },
        access_log: AccessLog { enabled, format },
    } = traffic;
    resource(&message::Listener {
        cluster: cluster.clone(),
        connect_timeout: duration(*connect_timeout),
        request_timeout: duration(*request_timeout),
        idle_timeout: duration(*idle_timeout),
        max_connections: *max_connections,
        max_request_body: max_request_body.0,
        trusted_hops: *trusted_hops,
        proxy_protocol: *proxy_protocol,
        redirect_http_to_https: *redirect_http_to_https,
        tls_min_version: match min_version {
            TlsVersion::V1_2 => 12,
            TlsVersion::V1_3 => 13,
        },
        tls_cipher_suites: cipher_suites.clone(),
        access_log: *enabled,
        access_log_format: match format {
            LogFormat::Json => 1,
            LogFormat::Text => 2,
        },
        drain_timeout: duration(*drain_timeout),
        drain_minimum: duration(*drain_minimum),
    })
}

pub(super) fn route(route: &Route) -> Resource {
    let Route {
        host,
        path: PathMatch::Prefix(prefix),
        rewrite,
        targets,
    } = route;
    resource(&message::Route {
        host: host.clone(),
        prefix: prefix.clone(),
        rewrite: *rewrite,
        targets: targets
            .iter()
            .map(|Target { backend, weight }| message::Target {
                backend: backend.clone(),
                weight: *weight,
            })
            .collect(),
    })
}

pub(super) fn backend(backend: &Backend) -> Resource {
    let Backend { service, endpoints } = backend;
    resource(&message::Backend {
        service: service.clone(),
        endpoints: endpoints
            .iter()
            .map(|Endpoint { address, id }| message::Endpoint {
                ip: match address.ip() {
                    IpAddr::V4(ip) => ip.octets().to_vec(),
                    IpAddr::V6(ip) => ip.octets().to_vec(),
                },
                port: u32::from(address.port()),
                id: id.clone(),
            })
            .collect(),
    })
}

fn resource(message: &impl prost::Message) -> Resource {
    let body = message.encode_to_vec();
    Resource {
        version: content_hash(&body),
        body: body.into(),
    }
}

#[allow(clippy::unnecessary_wraps)] // The field is an `Option`.
fn duration(span: Span) -> Option<message::Duration> {
    Some(message::Duration {
        millis: u64::try_from(span.get().as_millis()).unwrap_or(u64::MAX),
    })
}
