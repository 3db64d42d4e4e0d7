//! What a client may not do, and what it is told when endpoints fail.

use skep::api::value::{ByteSize, Span};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::harness::*;

#[tokio::test]
async fn a_known_host_without_endpoints_is_503_and_a_dead_one_502() {
    let dead = nobody().await;
    let mut proxy = Proxy::serving(&table(&[("none.a", "/", &[]), ("dead.a", "/", &[dead])])).await;
    let none = proxy.get("none.a", "/").await;
    assert_eq!(
        (none.status, none.body.as_str()),
        (503, "no running endpoint for none.a/ (service demo)\n")
    );
    assert!(
        none.head.contains("x-skep-reason: NoEndpoints"),
        "{}",
        none.head
    );
    assert_eq!(proxy.get("dead.a", "/").await.status, 502);
}

#[tokio::test]
async fn an_endpoint_that_does_not_answer_is_504_and_one_that_breaks_off_502() {
    let silent = endpoint(|mut stream| async move {
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let rude = endpoint(|mut stream| async move {
        read_until(&mut stream, "\r\n\r\n").await;
    })
    .await;
    let mut routes = table(&[("silent.a", "/", &[silent]), ("rude.a", "/", &[rude])]);
    routes.listener.traffic.timeouts.request = Span::from_millis(100);
    let mut proxy = Proxy::serving(&routes).await;
    let late = proxy.get("silent.a", "/").await;
    assert_eq!(late.status, 504);
    assert!(
        late.head.contains("x-skep-reason: UpstreamTimeout"),
        "{}",
        late.head
    );
    assert_eq!(proxy.get("rude.a", "/").await.status, 502);
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_by_its_length_and_by_its_bytes() {
    let sink = endpoint(|mut stream| async move {
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let mut routes = table(&[("demo.a", "/", &[sink])]);
    routes.listener.traffic.max_request_body = ByteSize(10);
    let mut proxy = Proxy::serving(&routes).await;
    let address = proxy.address().await;
    let told = "POST / HTTP/1.1\r\nhost: demo.a\r\ncontent-length: 11\r\n\r\n";
    assert_eq!(ask(address, told).await.status, 413);
    let streamed = "POST / HTTP/1.1\r\nhost: demo.a\r\ntransfer-encoding: chunked\r\n\r\n\
                    6\r\nabcdef\r\n6\r\nabcdef\r\n";
    assert_eq!(ask(address, streamed).await.status, 413);
}

#[tokio::test]
async fn a_head_that_is_too_large_is_431() {
    let mut proxy = Proxy::serving(&table(&[("demo.a", "/", &[echo_heads().await])])).await;
    let long = "x".repeat(100_000);
    let request = format!("GET / HTTP/1.1\r\nhost: demo.a\r\nx-long: {long}\r\n\r\n");
    assert_eq!(ask(proxy.address().await, &request).await.status, 431);
    let many = (0..200).fold(String::new(), |text, at| text + &format!("x-{at}: 1\r\n"));
    let request = format!("GET / HTTP/1.1\r\nhost: demo.a\r\n{many}\r\n");
    assert_eq!(ask(proxy.address().await, &request).await.status, 431);
}

#[tokio::test]
async fn connections_over_the_limit_are_told_so() {
    let mut routes = table(&[("demo.a", "/", &[echo_heads().await])]);
    routes.listener.traffic.max_connections = 1;
    let mut proxy = Proxy::serving(&routes).await;
    let mut first = proxy.connect().await;
    first
        .write_all(b"GET / HTTP/1.1\r\nhost: demo.a\r\n\r\n")
        .await
        .unwrap();
    read_until(&mut first, "\r\n\r\n").await;
    let refused = proxy.get("demo.a", "/").await;
    assert_eq!(refused.status, 503);
    assert!(
        refused.head.contains("x-skep-reason: TooManyConnections"),
        "{}",
        refused.head
    );
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let mut routes = table(&[("demo.a", "/", &[echo_heads().await])]);
    routes.listener.traffic.timeouts.idle = Span::from_millis(100);
    let mut proxy = Proxy::serving(&routes).await;
    let mut client = proxy.connect().await;
    client
        .write_all(b"GET / HTTP/1.1\r\nhost: demo.a\r\n\r\n")
        .await
        .unwrap();
    read_until(&mut client, "\r\n\r\n").await;
    let mut rest = Vec::new();
    // The connection's first timer is that of a head; it looks at the idle time when it fires.
    let end = tokio::time::timeout(LONG * 2, client.read_to_end(&mut rest));
    end.await.expect("an idle connection stays open").unwrap();
}

#[tokio::test]
async fn plain_http_is_sent_to_https_when_the_cluster_says_so() {
    let mut routes = table(&[("demo.a", "/", &[echo_heads().await])]);
    routes.listener.traffic.redirect_http_to_https = true;
    let mut proxy = Proxy::serving(&routes).await;
    let get = proxy.get("Demo.a:8080", "/x?q=1").await;
    assert_eq!(get.status, 301);
    assert!(
        get.head.contains("location: https://demo.a/x?q=1\r\n"),
        "{}",
        get.head
    );
    let post = "POST /x HTTP/1.1\r\nhost: demo.a\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    assert_eq!(ask(proxy.address().await, post).await.status, 308);
}

#[tokio::test]
async fn the_proxy_protocol_tells_the_client_and_is_required_where_it_is_expected() {
    let mut routes = table(&[("demo.a", "/", &[echo_heads().await])]);
    routes.listener.traffic.proxy_protocol = true;
    let mut proxy = Proxy::serving(&routes).await;
    let request = "GET / HTTP/1.1\r\nhost: demo.a\r\nconnection: close\r\n\r\n";
    let told = format!("PROXY TCP4 10.1.2.3 10.0.0.1 4711 80\r\n{request}");
    let answer = ask(proxy.address().await, &told).await;
    assert!(
        answer.body.contains("x-forwarded-for: 10.1.2.3\r\n"),
        "{}",
        answer.body
    );
    assert_eq!(ask(proxy.address().await, request).await.status, 0);
}

#[tokio::test]
async fn a_head_that_never_ends_is_not_waited_for() {
    let mut proxy = Proxy::serving(&table(&[("demo.a", "/", &[echo_heads().await])])).await;
    let mut slow = proxy.connect().await;
    let drip = async {
        // A byte now and then does not put off the end.
        while slow.write_all(b"x").await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        }
    };
    tokio::time::timeout(LONG * 2, drip)
        .await
        .expect("a slow head is waited for");
}
