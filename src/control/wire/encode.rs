//! From the route table to resources.

use std::net::IpAddr;

use super::{message, policy};
use crate::api::service_cluster::{AccessLog, LogFormat, Timeouts, Tls, TlsVersion, Traffic};
use crate::api::value::Span;
use crate::control::resource::Resource;
use crate::names::content_hash;
use crate::route::table::{
    Backend, BackendProtocol, BackendTls, Certificate, CertificateSource, Conditions, Endpoint,
    HeaderTest, HealthCheck, Listener, Outlier, Passthrough, PathMatch, Policy, Redirect, Route,
    Target,
};

pub(super) fn listener(listener: &Listener) -> Resource {
    // Destructured, so that a new setting cannot be forgotten here.
    let Listener {
        cluster,
        traffic,
        drain_timeout,
        drain_minimum,
        https_port,
        default_certificate,
    } = listener;
    let Traffic {
        timeouts: Timeouts {
            connect,
            request,
            idle,
        },
        max_connections,
        max_request_body,
        trusted_hops,
        proxy_protocol,
        redirect_http_to_https,
        tls:
            Tls {
                min_version,
                cipher_suites,
                // The listener names the one in the table.
                default_certificate: _,
            },
        access_log: AccessLog { enabled, format },
    } = traffic;
    resource(&message::Listener {
        cluster: cluster.clone(),
        connect_timeout: duration(*connect),
        request_timeout: duration(*request),
        idle_timeout: duration(*idle),
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
        https_port: u32::from(*https_port),
        default_certificate: default_certificate.clone(),
    })
}

pub(super) fn route(route: &Route) -> Resource {
    let Route {
        host,
        path,
        when: Conditions { methods, headers },
        redirect,
        rewrite,
        targets,
        policy,
    } = route;
    let path_kind = match path {
        PathMatch::Prefix(_) => 0,
        PathMatch::Exact(_) => 1,
        PathMatch::Regex(_) => 2,
    };
    resource(&message::Route {
        host: host.clone(),
        path: path.text().to_owned(),
        rewrite: *rewrite,
        targets: self::targets(targets),
        path_kind,
        methods: methods.iter().cloned().collect(),
        headers: headers.iter().map(header_test).collect(),
        redirect: redirect
            .as_ref()
            .map(|Redirect { status, target }| message::Redirect {
                status: u32::from(*status),
                target: target.clone(),
            }),
        policy: (*policy != Policy::default()).then(|| policy::encode(policy)),
    })
}

fn header_test((name, test): (&String, &HeaderTest)) -> message::HeaderTest {
    let (kind, value) = match test {
        HeaderTest::Present => (0, String::new()),
        HeaderTest::Exact(value) => (1, value.clone()),
        HeaderTest::Regex(value) => (2, value.clone()),
    };
    message::HeaderTest {
        name: name.clone(),
        kind,
        value,
    }
}

fn targets(targets: &[Target]) -> Vec<message::Target> {
    targets
        .iter()
        .map(|Target { backend, weight }| message::Target {
            backend: backend.clone(),
            weight: *weight,
        })
        .collect()
}

pub(super) fn passthrough(passthrough: &Passthrough) -> Resource {
    let Passthrough { host, targets } = passthrough;
    resource(&message::Passthrough {
        host: host.clone(),
        targets: self::targets(targets),
    })
}

pub(super) fn certificate(certificate: &Certificate) -> Resource {
    let Certificate {
        hosts,
        stands_in,
        awaited,
        source,
    } = certificate;
    let mut message = message::Certificate {
        hosts: hosts.clone(),
        stands_in: stands_in.clone(),
        awaited: *awaited,
        ..message::Certificate::default()
    };
    match source {
        CertificateSource::Files { chain, key } => {
            message.chain_file.clone_from(chain);
            message.key_file.clone_from(key);
        }
        CertificateSource::Pem { chain, key } => {
            message.chain_pem.clone_from(chain);
            message.key_pem.clone_from(&key.0);
        }
    }
    resource(&message)
}

pub(super) fn backend(backend: &Backend) -> Resource {
    let Backend {
        service,
        endpoints,
        protocol,
        tls,
        health,
        outlier,
    } = backend;
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
        protocol: match protocol {
            BackendProtocol::Http => 0,
            BackendProtocol::Http2 => 1,
        },
        tls: tls
            .as_ref()
            .map(|BackendTls { verify, name, ca }| message::BackendTls {
                verify: *verify,
                name: name.clone(),
                ca: ca.clone(),
            }),
        health: health.as_ref().map(health_check),
        outlier: outlier.map(
            |Outlier {
                 max_fails,
                 fail_timeout,
             }| message::Outlier {
                max_fails,
                fail_timeout: duration(fail_timeout),
            },
        ),
    })
}

fn health_check(check: &HealthCheck) -> message::HealthCheck {
    let HealthCheck {
        path,
        host,
        interval,
        timeout,
        healthy,
        unhealthy,
        status,
    } = check;
    message::HealthCheck {
        path: path.clone(),
        host: host.clone(),
        interval: duration(*interval),
        timeout: duration(*timeout),
        healthy: *healthy,
        unhealthy: *unhealthy,
        status: status.map(u32::from),
    }
}

fn resource(message: &impl prost::Message) -> Resource {
    let body = message.encode_to_vec();
    Resource {
        version: content_hash(&body),
        body: body.into(),
    }
}

#[allow(clippy::unnecessary_wraps)] // The field is an `Option`.
pub(super) fn duration(span: Span) -> Option<message::Duration> {
    Some(message::Duration {
        millis: u64::try_from(span.get().as_millis()).unwrap_or(u64::MAX),
    })
}
