use std::net::{IpAddr, SocketAddr};

use proptest::prelude::*;

mod labels;

use super::*;
use crate::api::service_cluster::{AccessLog, LogFormat, Timeouts, Tls, TlsVersion, Traffic};
use crate::api::value::{ByteSize, Span};
use crate::names::content_hash;
use crate::route::table::*;

fn spans() -> impl Strategy<Value = Span> {
    (0u64..9_000_000_000_000).prop_map(Span::from_millis)
}

fn listeners() -> impl Strategy<Value = Listener> {
    let numbers = (1u64.., any::<u64>(), any::<u32>());
    let flags = any::<[bool; 5]>();
    let times = (spans(), spans(), spans(), spans(), spans());
    let texts = ("[a-z]{0,9}", prop::collection::vec("[A-Z_]{1,9}", 0..3));
    (numbers, flags, times, texts).prop_map(|(numbers, flags, times, texts)| Listener {
        cluster: texts.0,
        traffic: Traffic {
            timeouts: Timeouts {
                connect: times.0,
                request: times.1,
                idle: times.2,
            },
            max_connections: numbers.0,
            max_request_body: ByteSize(numbers.1),
            trusted_hops: numbers.2,
            proxy_protocol: flags[0],
            redirect_http_to_https: flags[1],
            tls: Tls {
                min_version: [TlsVersion::V1_2, TlsVersion::V1_3][usize::from(flags[2])],
                cipher_suites: texts.1,
                default_certificate: None,
            },
            access_log: AccessLog {
                enabled: flags[3],
                format: [LogFormat::Json, LogFormat::Text][usize::from(flags[4])],
            },
        },
        drain_timeout: times.3,
        drain_minimum: times.4,
        https_port: u16::try_from(numbers.2 >> 16).unwrap(),
        default_certificate: flags[0].then(|| "main".to_owned()),
    })
}

fn targets() -> impl Strategy<Value = Vec<Target>> {
    let target = |(backend, weight)| Target { backend, weight };
    prop::collection::btree_map("[a-z.:0-9]{1,9}", any::<Option<u32>>(), 1..4)
        .prop_map(move |targets| targets.into_iter().map(target).collect())
}

const HOST: &str = "\\*|(\\*\\.)?[a-z]{1,9}(\\.[a-z0-9]{1,9}){0,3}";

fn paths() -> impl Strategy<Value = PathMatch> {
    prop_oneof![
        "/|(/[a-zA-Z0-9é]{1,5}){1,3}".prop_map(PathMatch::Prefix),
        "/[a-z/]{0,9}".prop_map(PathMatch::Exact),
        "/[a-z]{0,5}[.][*+]".prop_map(PathMatch::Regex),
    ]
}

fn conditions() -> impl Strategy<Value = Conditions> {
    let test = prop_oneof![
        Just(HeaderTest::Present),
        ".{0,5}".prop_map(HeaderTest::Exact),
        "[a-z]{0,5}".prop_map(HeaderTest::Regex),
    ];
    (
        prop::collection::btree_set("[A-Z]{1,6}", 0..3),
        prop::collection::btree_map("x-[a-z]{1,6}", test, 0..3),
    )
        .prop_map(|(methods, headers)| Conditions { methods, headers })
}

fn edits() -> impl Strategy<Value = HeaderEdits> {
    let map = || prop::collection::btree_map("x-[a-z]{1,6}", "[ -~]{0,9}", 0..3);
    (
        prop::collection::btree_set("x-[a-z]{1,6}", 0..3),
        map(),
        map(),
    )
        .prop_map(|(remove, set, add)| HeaderEdits { remove, set, add })
}

fn cors() -> impl Strategy<Value = Cors> {
    let texts = || prop::collection::btree_set("[a-z*:/.]{1,9}", 0..3);
    let methods = prop::collection::btree_set("[A-Z]{1,6}", 0..3);
    let age = prop::option::of(spans());
    (texts(), methods, texts(), texts(), any::<bool>(), age).prop_map(
        |(origins, methods, headers, expose, credentials, max_age)| Cors {
            origins,
            methods,
            headers,
            expose,
            credentials,
            max_age,
        },
    )
}

fn policies() -> impl Strategy<Value = Policy> {
    let net = (any::<IpAddr>(), 0u8..=32).prop_map(|(ip, len)| ipnet::IpNet::new(ip, len).unwrap());
    let key = prop_oneof![Just(RateKey::Client), Just(RateKey::Route)];
    let rate = (1u32.., 1u64..9_000, any::<u32>(), key).prop_map(|(requests, per, burst, key)| {
        let per = Span::from_millis(per);
        RateLimit {
            requests,
            per,
            burst,
            key,
        }
    });
    let retries = (0u32..=10, prop::collection::btree_set(100u16..600, 0..3));
    let affinity = prop_oneof![
        Just(Affinity::None),
        "[a-zA-Z]{1,9}".prop_map(Affinity::Cookie),
        Just(Affinity::ClientIp),
    ];
    let status = prop::sample::select(vec![301, 302, 307, 308]);
    let auth = ("[ -~]{0,9}", "[a-z]{1,9}").prop_map(|(realm, secret)| BasicAuth { realm, secret });
    let gates = (
        prop::collection::vec(net, 0..3),
        prop::option::of(status),
        prop::option::of(cors()),
        prop::option::of(rate),
        prop::option::of(auth),
    );
    let times = (
        any::<Option<u64>>(),
        prop::option::of(spans()),
        prop::option::of(spans()),
    );
    let retries =
        prop::option::of(retries.prop_map(|(attempts, statuses)| Retries { attempts, statuses }));
    (gates, times, retries, edits(), edits(), affinity).prop_map(
        |(gates, times, retries, request_headers, response_headers, affinity)| Policy {
            allow: gates.0,
            https_only: gates.1,
            cors: gates.2,
            rate_limit: gates.3,
            basic_auth: gates.4,
            max_request_body: times.0.map(ByteSize),
            request_timeout: times.1,
            connect_timeout: times.2,
            retries,
            request_headers,
            response_headers,
            affinity,
        },
    )
}

fn routes() -> impl Strategy<Value = Route> {
    let redirect = (
        prop::sample::select(vec![301, 302, 307, 308]),
        "https?://[a-z]{1,9}(:[1-9]{1,4})?(/[a-z]{1,5})?",
    )
        .prop_map(|(status, target)| Redirect { status, target });
    (
        (HOST, paths(), conditions()),
        prop::option::of(redirect),
        any::<bool>(),
        targets(),
        policies(),
    )
        .prop_map(
            |((host, path, when), redirect, rewrite, targets, policy)| Route {
                host,
                path,
                when,
                redirect,
                rewrite,
                targets,
                policy,
            },
        )
}

fn backends() -> impl Strategy<Value = Backend> {
    let ips = any::<IpAddr>().prop_filter("the address of a task", |ip| {
        !ip.is_unspecified() && !ip.is_multicast() && ip.to_string() != "255.255.255.255"
    });
    let endpoint = (ips, 1u16.., "[a-z0-9]{0,25}").prop_map(|(ip, port, id)| Endpoint {
        address: SocketAddr::new(ip, port),
        id,
    });
    let tls = (any::<bool>(), "[a-z.]{0,9}", prop::option::of("[a-z]{1,9}"))
        .prop_map(|(verify, name, ca)| BackendTls { verify, name, ca });
    let span = || (1u64..9_000).prop_map(Span::from_millis);
    let health = (
        "/[a-z?=]{0,9}",
        "[a-z.]{0,9}",
        span(),
        span(),
        (1u32.., 1u32.., prop::option::of(100u16..600)),
    )
        .prop_map(|(path, host, interval, timeout, counts)| HealthCheck {
            path,
            host,
            interval,
            timeout,
            healthy: counts.0,
            unhealthy: counts.1,
            status: counts.2,
        });
    let outlier = (any::<u32>(), span()).prop_map(|(max_fails, fail_timeout)| Outlier {
        max_fails,
        fail_timeout,
    });
    let protocol = prop_oneof![Just(BackendProtocol::Http), Just(BackendProtocol::Http2)];
    (
        ("[a-z]{0,9}", prop::collection::vec(endpoint, 0..5)),
        protocol,
        prop::option::of(tls),
        prop::option::of(health),
        prop::option::of(outlier),
    )
        .prop_map(
            |((service, endpoints), protocol, tls, health, outlier)| Backend {
                service,
                endpoints,
                protocol,
                tls,
                health,
                outlier,
            },
        )
}

fn passthroughs() -> impl Strategy<Value = Passthrough> {
    (HOST, targets()).prop_map(|(host, targets)| Passthrough { host, targets })
}

fn certificates() -> impl Strategy<Value = Certificate> {
    let source = prop_oneof![
        ("[a-z.]{3,9}", "[a-z.]{3,9}")
            .prop_map(|(chain, key)| CertificateSource::Files { chain, key }),
        (".{1,9}", ".{0,9}").prop_map(|(chain, key)| CertificateSource::Pem {
            chain,
            key: SecretText(key),
        }),
    ];
    (
        prop::collection::vec("[a-z]{1,9}[.][a-z]{1,9}", 0..3),
        prop::collection::btree_map("[a-z]{1,9}[.][a-z]{1,9}|[*]", any::<u32>(), 0..3),
        any::<bool>(),
        source,
    )
        .prop_map(|(hosts, stands_in, awaited, source)| Certificate {
            hosts,
            stands_in,
            awaited,
            source,
        })
}

fn tables() -> impl Strategy<Value = RouteTable> {
    (
        listeners(),
        prop::collection::btree_map("[a-e]", routes(), 0..5),
        prop::collection::btree_map("[a-e]", backends(), 0..5),
        prop::collection::btree_map("[a-e]", passthroughs(), 0..5),
        prop::collection::btree_map("[a-e]", certificates(), 0..5),
    )
        .prop_map(
            |(listener, routes, backends, passthroughs, certificates)| RouteTable {
                listener,
                routes,
                backends,
                passthroughs,
                certificates,
            },
        )
}

fn decode_all(bytes: &[u8]) {
    let _ = (
        decode_listener(bytes),
        decode_route(bytes),
        decode_backend(bytes),
    );
    let _ = (decode_passthrough(bytes), decode_certificate(bytes));
}

proptest! {
    #[test]
    fn a_table_comes_back_as_it_was(table in tables()) {
        let snapshot = snapshot(&table);
        let listener = &snapshot.types[LISTENER][LISTENER_NAME];
        prop_assert_eq!(decode_listener(&listener.body), Ok(table.listener));
        for (name, route) in table.routes {
            prop_assert_eq!(decode_route(&snapshot.types[ROUTE][&name].body), Ok(route));
        }
        for (name, backend) in table.backends {
            prop_assert_eq!(decode_backend(&snapshot.types[BACKEND][&name].body), Ok(backend));
        }
        for (name, it) in table.passthroughs {
            let body = &snapshot.types[PASSTHROUGH][&name].body;
            prop_assert_eq!(decode_passthrough(body), Ok(it));
        }
        for (name, it) in table.certificates {
            let body = &snapshot.types[CERTIFICATE][&name].body;
            prop_assert_eq!(decode_certificate(body), Ok(it));
        }
    }

    #[test]
    fn a_snapshot_made_from_the_last_one_is_the_same(one in tables(), two in tables()) {
        let mut mixed = two.clone();
        mixed.routes.extend(one.routes.clone());
        let last = snapshot(&one);
        prop_assert_eq!(snapshot_after(&one, &last, &two), snapshot(&two));
        prop_assert_eq!(snapshot_after(&one, &last, &mixed), snapshot(&mixed));
        prop_assert_eq!(snapshot_after(&one, &last, &one), last);
    }

    #[test]
    fn damaged_bytes_are_an_error_or_a_good_value_but_never_a_panic(
        table in tables(), at in any::<prop::sample::Index>(), to: u8, noise: Vec<u8>,
    ) {
        decode_all(&noise);
        for resource in snapshot(&table).types.values().flat_map(BTreeMap::values) {
            let mut body = resource.body.to_vec();
            if !body.is_empty() {
                let at = at.index(body.len());
                body[at] = to;
            }
            decode_all(&body);
        }
    }
}

#[test]
fn versions_are_the_same_in_every_process_and_release() {
    let route = Route {
        host: "app.example.com".to_owned(),
        targets: vec![Target {
            backend: "app:80".to_owned(),
            weight: Some(3),
        }],
        ..Route::default()
    };
    let resource = encode::route(&route);
    let bytes = b"\x0a\x0fapp.example.com\x12\x01/\x22\x0a\x0a\x06app:80\x10\x03";
    assert_eq!(&resource.body[..], bytes);
    assert_eq!(resource.version, content_hash(bytes));
}

#[test]
fn what_no_operator_would_send_is_refused_with_the_reason() {
    let route = |change: fn(&mut Route)| {
        let mut route = Route {
            host: "a.test".to_owned(),
            targets: vec![Target {
                backend: "b".to_owned(),
                weight: None,
            }],
            ..Route::default()
        };
        change(&mut route);
        decode_route(&encode::route(&route).body)
    };
    let fault = |result: Result<Route, String>, part: &str| {
        let error = result.unwrap_err();
        assert!(error.contains(part), "{error}");
    };
    assert!(route(|_| ()).is_ok());
    fault(route(|r| r.host = "A.test".to_owned()), "normal form");
    fault(route(|r| r.host = "a b".to_owned()), "not a host name");
    fault(
        route(|r| r.path = PathMatch::Prefix("/a/".to_owned())),
        "path",
    );
    fault(route(|r| r.path = PathMatch::Prefix(String::new())), "path");
    fault(route(|r| r.targets.clear()), "no target");
    fault(route(|r| r.targets[0].backend.clear()), "empty");
    fault(route(|r| r.targets.push(r.targets[0].clone())), "twice");
}

#[test]
fn an_endpoint_that_is_nowhere_is_refused() {
    for address in [
        "0.0.0.0:80",
        "10.0.0.1:0",
        "255.255.255.255:80",
        "224.0.0.1:80",
        "[::]:80",
    ] {
        let backend = Backend {
            service: "app".to_owned(),
            endpoints: vec![Endpoint {
                address: address.parse().unwrap(),
                id: "task".to_owned(),
            }],
            ..Backend::default()
        };
        assert!(
            decode_backend(&encode::backend(&backend).body).is_err(),
            "{address}"
        );
    }
}
