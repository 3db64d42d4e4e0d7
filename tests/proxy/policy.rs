//! What a route asks for besides forwarding: addresses, HTTPS, rates, redirects, sizes, headers.

use std::net::SocketAddr;

use skep::api::value::{ByteSize, Span};
use skep::route::{HeaderEdits, Policy, RateKey, RateLimit, Redirect, RouteTable};

use crate::harness::*;

/// One route to these endpoints, with this policy.
pub fn with_policy(endpoints: &[SocketAddr], policy: Policy) -> RouteTable {
    let mut routes = table(&[("demo.a", "/", endpoints)]);
    routes.routes.get_mut("demo.a/").unwrap().policy = policy;
    routes
}

fn edits(remove: &[&str], set: &[(&str, &str)], add: &[(&str, &str)]) -> HeaderEdits {
    let pairs = |pairs: &[(&str, &str)]| {
        let pair = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
        pairs.iter().map(pair).collect()
    };
    HeaderEdits {
        remove: remove.iter().map(|name| (*name).to_owned()).collect(),
        set: pairs(set),
        add: pairs(add),
    }
}

fn allowing(networks: &[&str]) -> Policy {
    Policy {
        allow: networks.iter().map(|net| net.parse().unwrap()).collect(),
        ..Policy::default()
    }
}

#[tokio::test]
async fn only_clients_of_the_networks_come_in() {
    let echo = echo_heads().await;
    let mut proxy = Proxy::serving(&with_policy(&[echo], allowing(&["127.0.0.0/8"]))).await;
    assert_eq!(proxy.get("demo.a", "/").await.status, 200);
    proxy
        .apply(&with_policy(&[echo], allowing(&["10.0.0.0/8"])))
        .await;
    let no = proxy.get("demo.a", "/").await;
    assert_eq!(
        (no.status, no.reason().as_str()),
        (403, "AddressNotAllowed")
    );
    let lie = ["host: demo.a", "x-forwarded-for: 10.1.1.1"];
    assert_eq!(proxy.ask("GET /", &lie).await.status, 403);
}

#[tokio::test]
async fn the_client_that_a_trusted_hop_names_counts_and_cannot_hide_behind_the_hop() {
    let mut routes = with_policy(&[echo_heads().await], allowing(&["10.0.0.0/8"]));
    routes.listener.traffic.trusted_hops = 1;
    let mut proxy = Proxy::serving(&routes).await;
    for (told, want) in [
        (&["x-forwarded-for: 192.0.2.1, 10.1.1.1"][..], 200),
        (&["x-forwarded-for: 10.1.1.1, 192.0.2.1"], 403),
        (&["x-forwarded-for: unknown"], 403),
        (&[], 403),
    ] {
        let headers = [&["host: demo.a"][..], told].concat();
        assert_eq!(proxy.ask("GET /", &headers).await.status, want, "{told:?}");
    }
    let mut routes = with_policy(&[echo_heads().await], allowing(&["127.0.0.0/8"]));
    routes.listener.traffic.trusted_hops = 1;
    let mut proxy = Proxy::serving(&routes).await;
    let hides = [
        "host: demo.a",
        "x-forwarded-for: 192.0.2.1",
        "connection: x-forwarded-for",
    ];
    assert_eq!(proxy.ask("GET /", &hides).await.status, 403);
}

#[tokio::test]
async fn plain_http_is_sent_to_https_by_the_route_with_its_status_and_port() {
    let policy = Policy {
        https_only: Some(307),
        ..Policy::default()
    };
    let mut routes = with_policy(&[echo_heads().await], policy);
    routes.listener.https_port = 8443;
    let mut proxy = Proxy::serving(&routes).await;
    let get = proxy.get("demo.a:8080", "/x?q=1").await;
    assert_eq!(
        (get.status, get.reason().as_str()),
        (307, "RedirectToHttps")
    );
    let place = get.header("location").unwrap();
    assert_eq!(place, "https://demo.a:8443/x?q=1");
    let lie = ["host: demo.a", "x-forwarded-proto: https"];
    assert_eq!(proxy.ask("GET /", &lie).await.status, 307);
    routes.listener.traffic.trusted_hops = 1;
    proxy.apply(&routes).await;
    assert_eq!(proxy.ask("GET /", &lie).await.status, 200);
}

fn limited(requests: u32, burst: u32, key: RateKey) -> Policy {
    Policy {
        rate_limit: Some(RateLimit {
            requests,
            per: Span::from_millis(3_600_000),
            burst,
            key,
        }),
        ..Policy::default()
    }
}

#[tokio::test]
async fn more_requests_than_a_client_may_make_are_429_also_after_a_change_of_the_table() {
    let mut routes = with_policy(&[echo_heads().await], limited(2, 1, RateKey::Client));
    routes.listener.traffic.trusted_hops = 1;
    let mut proxy = Proxy::serving(&routes).await;
    let one = ["host: demo.a", "x-forwarded-for: 10.0.0.1"];
    let other = ["host: demo.a", "x-forwarded-for: 10.0.0.2"];
    for _ in 0..3 {
        assert_eq!(proxy.ask("GET /", &one).await.status, 200);
    }
    let no = proxy.ask("GET /", &one).await;
    assert_eq!((no.status, no.reason().as_str()), (429, "RateLimited"));
    assert_eq!(no.header("retry-after").unwrap(), "1800");
    assert_eq!(proxy.ask("GET /", &other).await.status, 200);
    // Another endpoint, another header: the same limit.
    let route = routes.routes.get_mut("demo.a/").unwrap();
    route.policy.response_headers = edits(&[], &[("x-new", "1")], &[]);
    proxy.apply(&routes).await;
    let no = proxy.ask("GET /", &one).await;
    assert_eq!((no.status, no.header("x-new").as_deref()), (429, Some("1")));
    // Gone and back again.
    let mut without = routes.clone();
    without.routes.clear();
    proxy.apply(&without).await;
    proxy.apply(&routes).await;
    assert_eq!(proxy.ask("GET /", &one).await.status, 429);
    let metrics = proxy.admin("/metrics").await.body;
    let line = "skep_proxy_refusals_total{reason=\"RateLimited\"} 3\n";
    assert!(metrics.contains(line), "{metrics}");
}

#[tokio::test]
async fn all_clients_share_what_the_route_may_have() {
    let mut routes = with_policy(&[echo_heads().await], limited(2, 0, RateKey::Route));
    routes.listener.traffic.trusted_hops = 1;
    let mut proxy = Proxy::serving(&routes).await;
    let mut answers = Vec::new();
    for client in 1..=3 {
        let from = format!("x-forwarded-for: 10.0.0.{client}");
        answers.push(proxy.ask("GET /", &["host: demo.a", &from]).await.status);
    }
    assert_eq!(answers, [200, 200, 429]);
    let route = routes.routes.get_mut("demo.a/").unwrap();
    route.policy.request_headers = edits(&[], &[("x-new", "1")], &[]);
    proxy.apply(&routes).await;
    assert_eq!(proxy.get("demo.a", "/").await.status, 429);
}

fn redirecting(status: u16, target: &str, endpoints: &[SocketAddr]) -> RouteTable {
    let mut routes = table(&[("old.a", "/", endpoints), ("new.a", "/", endpoints)]);
    for route in routes.routes.values_mut() {
        route.redirect = Some(Redirect {
            status,
            target: target.to_owned(),
        });
        if endpoints.is_empty() {
            route.targets.clear();
        }
    }
    routes
}

#[tokio::test]
async fn clients_are_sent_elsewhere_unless_they_are_there_already() {
    let echo = echo_heads().await;
    let mut proxy = Proxy::serving(&redirecting(302, "http://new.a", &[echo])).await;
    let sent = proxy.get("old.a", "/a?b=c").await;
    assert_eq!((sent.status, sent.reason().as_str()), (302, "Redirect"));
    assert_eq!(sent.header("location").unwrap(), "http://new.a/a?b=c");
    assert_eq!(proxy.get("new.a", "/a?b=c").await.status, 200);
    for status in [301, 307, 308] {
        proxy
            .apply(&redirecting(status, "https://new.a/base", &[echo]))
            .await;
        for host in ["old.a", "new.a"] {
            let sent = proxy
                .ask("POST /x", &[&format!("host: {host}"), "content-length: 0"])
                .await;
            assert_eq!(sent.status, status, "{host}");
            assert_eq!(sent.header("location").unwrap(), "https://new.a/base/x");
        }
    }
    proxy.apply(&redirecting(301, "http://new.a", &[])).await;
    assert_eq!(proxy.get("old.a", "/").await.status, 301);
    assert_eq!(proxy.get("new.a", "/").await.status, 404);
}

#[tokio::test]
async fn a_route_has_a_size_of_its_own() {
    let policy = |limit| Policy {
        max_request_body: Some(ByteSize(limit)),
        ..Policy::default()
    };
    let echo = echo_heads().await;
    let mut routes = with_policy(&[echo], policy(4));
    routes.listener.traffic.max_request_body = ByteSize(2);
    let mut proxy = Proxy::serving(&routes).await;
    let post = |length: usize| format!("host: demo.a\r\ncontent-length: {length}");
    let status = async |length: usize, proxy: &mut Proxy| {
        let body = "x".repeat(length);
        let head = post(length);
        let request = format!("POST / HTTP/1.1\r\n{head}\r\nconnection: close\r\n\r\n{body}");
        ask(proxy.address().await, &request).await.status
    };
    assert_eq!(status(4, &mut proxy).await, 200);
    assert_eq!(status(5, &mut proxy).await, 413);
    let mut routes = with_policy(&[echo], policy(0));
    routes.listener.traffic.max_request_body = ByteSize(2);
    proxy.apply(&routes).await;
    assert_eq!(status(5000, &mut proxy).await, 200);
}

#[tokio::test]
async fn headers_are_changed_on_the_way_in_and_out_and_on_the_proxys_own_answers() {
    let policy = Policy {
        request_headers: edits(
            &["x-gone", "cookie"],
            &[
                ("x-set", "new"),
                ("host", "inner.a:81"),
                ("x-forwarded-proto", "https"),
            ],
            &[("x-set", "more")],
        ),
        response_headers: edits(
            &["x-request-id"],
            &[("strict-transport-security", "max-age=60")],
            &[("set-cookie", "a=1")],
        ),
        ..Policy::default()
    };
    let mut routes = with_policy(&[echo_heads().await], policy);
    let mut proxy = Proxy::serving(&routes).await;
    let headers = ["host: demo.a", "x-gone: 1", "x-set: old", "cookie: b=1"];
    let answer = proxy.ask("GET /", &headers).await;
    for line in [
        "host: inner.a:81",
        "x-forwarded-host: demo.a",
        "x-forwarded-proto: https",
        "x-set: new",
        "x-set: more",
    ] {
        let there = answer.body.lines().any(|it| it == line);
        assert!(there, "{line} is not in\n{}", answer.body);
    }
    for gone in ["x-gone", "old", "cookie"] {
        assert!(!answer.body.contains(gone), "{gone} is in\n{}", answer.body);
    }
    let told = |answer: &Answer| {
        assert_eq!(
            answer.header("strict-transport-security").unwrap(),
            "max-age=60"
        );
        assert_eq!(answer.header("set-cookie").unwrap(), "a=1");
        assert_eq!(answer.header("x-request-id"), None);
    };
    told(&answer);
    routes
        .backends
        .get_mut("demo.a/")
        .unwrap()
        .endpoints
        .clear();
    proxy.apply(&routes).await;
    let own = proxy.get("demo.a", "/").await;
    assert_eq!(own.status, 503);
    told(&own);
}

#[tokio::test]
async fn a_route_that_would_change_what_frames_a_message_is_refused_by_name_and_the_last_one_stays()
{
    let echo = echo_heads().await;
    let good = table(&[("demo.a", "/", &[echo])]);
    let policy = Policy {
        request_headers: edits(&[], &[("transfer-encoding", "chunked")], &[]),
        ..Policy::default()
    };
    let mut proxy = Proxy::serving(&good).await;
    let why = proxy.try_apply(&with_policy(&[echo], policy.clone())).await;
    assert_eq!(
        why.unwrap_err(),
        "demo.a/: header `transfer-encoding` belongs to the connection and cannot be edited"
    );
    assert_eq!(proxy.get("demo.a", "/").await.status, 200);
    // With nothing to fall back to it is closed, not served by a less demanding route.
    let mut both = table(&[("demo.a", "/", &[echo]), ("demo.a", "/app", &[echo])]);
    both.routes.get_mut("demo.a/app").unwrap().policy = policy;
    assert!(proxy.try_apply(&both).await.is_err());
    let closed = proxy.get("demo.a", "/app/x").await;
    assert_eq!(
        (closed.status, closed.reason().as_str()),
        (503, "RouteClosed")
    );
    assert_eq!(proxy.get("demo.a", "/other").await.status, 200);
    let fixed = table(&[("demo.a", "/", &[echo]), ("demo.a", "/app", &[echo])]);
    proxy.try_apply(&fixed).await.unwrap();
    assert_eq!(proxy.get("demo.a", "/app/x").await.status, 200);
}

#[tokio::test]
async fn requests_that_only_reflect_or_may_go_no_further_are_answered_here() {
    let mut proxy = Proxy::serving(&table(&[("demo.a", "/", &[echo_heads().await])])).await;
    let trace = proxy.ask("TRACE /", &["host: demo.a"]).await;
    assert_eq!((trace.status, trace.reason().as_str()), (405, "Trace"));
    assert!(trace.header("allow").unwrap().contains("GET"));
    let options = ["host: demo.a", "max-forwards: 0"];
    let here = proxy.ask("OPTIONS *", &options).await;
    assert_eq!((here.status, here.reason().as_str()), (200, "MaxForwards"));
    let there = proxy
        .ask("OPTIONS /", &["host: demo.a", "max-forwards: 5"])
        .await;
    assert!(there.body.contains("max-forwards: 4\r\n"), "{}", there.body);
}
