use std::net::{IpAddr, SocketAddr};

use proptest::prelude::*;

use super::*;
use crate::api::service_cluster::{AccessLog, LogFormat, Tls, TlsVersion, Traffic};
use crate::api::value::{ByteSize, Span};
use crate::names::content_hash;
use crate::route::table::{Backend, Endpoint, Listener, PathMatch, Route, Target};

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
            connect_timeout: times.0,
            request_timeout: times.1,
            idle_timeout: times.2,
            max_connections: numbers.0,
            max_request_body: ByteSize(numbers.1),
            trusted_hops: numbers.2,
            proxy_protocol: flags[0],
            redirect_http_to_https: flags[1],
            tls: Tls {
                min_version: [TlsVersion::V1_2, TlsVersion::V1_3][usize::from(flags[2])],
                cipher_suites: texts.1,
            },
            access_log: AccessLog {
                enabled: flags[3],
                format: [LogFormat::Json, LogFormat::Text][usize::from(flags[4])],
            },
        },
        drain_timeout: times.3,
        drain_minimum: times.4,
    })
}

fn routes() -> impl Strategy<Value = Route> {
    let target = |(backend, weight)| Target { backend, weight };
    let targets = prop::collection::btree_map("[a-z.:0-9]{1,9}", any::<Option<u32>>(), 1..4);
    (
        "\\*|(\\*\\.)?[a-z]{1,9}(\\.[a-z0-9]{1,9}){0,3}",
        "/|(/[a-zA-Z0-9é]{1,5}){1,3}",
        any::<bool>(),
        targets,
    )
        .prop_map(move |(host, path, rewrite, targets)| Route {
            host,
            path: PathMatch::Prefix(path),
            rewrite,
            targets: targets.into_iter().map(target).collect(),
        })
}

fn backends() -> impl Strategy<Value = Backend> {
    let ips = any::<IpAddr>().prop_filter("the address of a task", |ip| {
        !ip.is_unspecified() && !ip.is_multicast() && ip.to_string() != "255.255.255.255"
    });
    let endpoint = (ips, 1u16.., "[a-z0-9]{0,25}").prop_map(|(ip, port, id)| Endpoint {
        address: SocketAddr::new(ip, port),
        id,
    });
    ("[a-z]{0,9}", prop::collection::vec(endpoint, 0..5))
        .prop_map(|(service, endpoints)| Backend { service, endpoints })
}

fn tables() -> impl Strategy<Value = RouteTable> {
    (
        listeners(),
        prop::collection::btree_map("[a-e]", routes(), 0..5),
        prop::collection::btree_map("[a-e]", backends(), 0..5),
    )
        .prop_map(|(listener, routes, backends)| RouteTable {
            listener,
            routes,
            backends,
        })
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
        let _ = (decode_listener(&noise), decode_route(&noise), decode_backend(&noise));
        for resource in snapshot(&table).types.values().flat_map(BTreeMap::values) {
            let mut body = resource.body.to_vec();
            if !body.is_empty() {
                let at = at.index(body.len());
                body[at] = to;
            }
            let _ = (decode_listener(&body), decode_route(&body), decode_backend(&body));
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
        };
        assert!(
            decode_backend(&encode::backend(&backend).body).is_err(),
            "{address}"
        );
    }
}
