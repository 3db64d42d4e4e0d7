//! Paths that can be read in two ways.

use crate::harness::*;

#[tokio::test]
async fn a_path_is_forwarded_as_it_was_sent_where_all_readings_are_of_one_route() {
    let mut proxy = Proxy::serving(&table(&[("demo.a", "/", &[echo_heads().await])])).await;
    for path in [
        "//x",
        "/a//b",
        "/group%2Fproject",
        "/@scope%2fname",
        "/a;v=1/b",
        "/%7Euser/caf%C3%A9",
        "/.well-known/x",
        "/a...b/..c",
    ] {
        let answer = proxy.get("demo.a", path).await;
        let line = format!("GET {path} HTTP/1.1\r\n");
        assert!(answer.body.starts_with(&line), "{path}: {}", answer.body);
    }
}

#[tokio::test]
async fn a_path_that_leads_to_two_routes_is_refused() {
    let echo = echo_heads().await;
    let routes = [
        ("demo.a", "/app", &[echo][..]),
        ("demo.a", "/app/v1", &[echo]),
    ];
    let mut proxy = Proxy::serving(&table(&routes)).await;
    for (path, want) in [
        ("/app/v1/x", 200),
        ("/app//v2", 200),
        ("/app/%76%31/x", 400),
        ("/app//v1", 400),
        ("/app%2Fx", 400),
        ("//other", 404),
        ("/%6fther", 404),
    ] {
        let answer = proxy.get("demo.a", path).await;
        assert_eq!(answer.status, want, "{path}");
        if want == 400 {
            assert_eq!(answer.reason(), "AmbiguousPath", "{path}");
        }
    }
}

#[tokio::test]
async fn dot_segments_are_refused_whatever_the_routes() {
    let mut proxy = Proxy::serving(&table(&[("demo.a", "/", &[echo_heads().await])])).await;
    for path in [
        "/..",
        "/a/../b",
        "/a/./b",
        "/a/%2E%2e/b",
        "/a/.",
        "/a%2f..%2fb",
    ] {
        let answer = proxy.get("demo.a", path).await;
        assert_eq!(
            (answer.status, answer.reason().as_str()),
            (400, "AmbiguousPath"),
            "{path}"
        );
    }
    assert_eq!(proxy.get("demo.a", "/a?x=/../b").await.status, 200);
}

#[tokio::test]
async fn a_route_that_is_written_in_an_odd_way_is_meant_so() {
    let mut proxy =
        Proxy::serving(&table(&[("demo.a", "/caf%c3%a9;x", &[echo_heads().await])])).await;
    assert_eq!(proxy.get("demo.a", "/caf%c3%a9;x/y").await.status, 200);
}
