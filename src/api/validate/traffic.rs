//! Listener settings.

use super::{Faults, repeated};
use crate::api::grammar::{certificate_name, nearest, shortened};
use crate::api::limits::{CONNECTIONS, HOPS_MAX};
use crate::api::service_cluster::{Timeouts, Tls, TlsVersion, Traffic};
use crate::api::value::Span;

/// The TLS 1.3 suites of rustls with ring, by IANA name.
pub(in crate::api) const SUITES_1_3: [&str; 3] = [
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
];
/// Its TLS 1.2 suites.
pub(in crate::api) const SUITES_1_2: [&str; 6] = [
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
];

pub(super) fn check(faults: &mut Faults, traffic: &Traffic) {
    let Traffic {
        timeouts: Timeouts {
            connect,
            request,
            idle,
        },
        max_connections,
        // As its type says.
        max_request_body: _,
        trusted_hops,
        proxy_protocol: _,
        redirect_http_to_https: _,
        tls: tls_settings,
        access_log: _,
    } = traffic;
    for (name, span) in [("connect", connect), ("request", request), ("idle", idle)] {
        if *span == Span::default() {
            let message = "0s would end every request at once";
            let hint = "write a length of time, for example 60s";
            faults.add(format!("spec.traffic.timeouts.{name}"), message, hint);
        }
    }
    if *max_connections == 0 {
        let path = "spec.traffic.maxConnections";
        faults.add(path, "0 would refuse every client", "write 1 or more");
    } else {
        faults.within("spec.traffic.maxConnections", max_connections, &CONNECTIONS);
    }
    if *trusted_hops > HOPS_MAX {
        let message = format!("{trusted_hops} proxies in front are not believable");
        let hint = format!("write 0 to {HOPS_MAX}");
        faults.add("spec.traffic.trustedHops", message, hint);
    }
    tls(faults, tls_settings);
}

fn tls(faults: &mut Faults, tls: &Tls) {
    let Tls {
        min_version,
        cipher_suites,
        default_certificate,
    } = tls;
    if let Some(name) = default_certificate
        && let Err(message) = certificate_name(name)
    {
        let hint = "write the name of a stored certificate, `skep certs ls` lists them";
        faults.add("spec.traffic.tls.defaultCertificate", message, hint);
    }
    let twice = repeated(cipher_suites);
    for (n, suite) in cipher_suites.iter().enumerate() {
        let path = format!("spec.traffic.tls.cipherSuites[{n}]");
        let name = suite.as_str();
        if !SUITES_1_3.contains(&name) && !SUITES_1_2.contains(&name) {
            let message = format!(
                "`{}` is not a cipher suite that is offered",
                shortened(name)
            );
            let all = SUITES_1_3.iter().chain(&SUITES_1_2).copied();
            let hint = match nearest(name, all) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "an empty list takes all good ones".to_owned(),
            };
            faults.add(path, message, hint);
        } else if twice.contains(&n) {
            faults.add(
                path,
                format!("`{name}` is listed twice"),
                "keep one of them",
            );
        }
    }
    let has_1_3 = cipher_suites
        .iter()
        .any(|suite| SUITES_1_3.contains(&suite.as_str()));
    if *min_version == TlsVersion::V1_3 && !cipher_suites.is_empty() && !has_1_3 {
        let hint = format!("add {} or empty the list", SUITES_1_3[1]);
        let message = "has no suite of TLS 1.3, which minVersion asks for";
        faults.add("spec.traffic.tls.cipherSuites", message, hint);
    }
}
