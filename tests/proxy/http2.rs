//! HTTP/2 towards endpoints.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use http::{Request, Response};
use http_body_util::BodyExt as _;
use skep::route::{BackendProtocol, RouteTable};
use tokio::sync::Notify;

use crate::harness::*;
use crate::servers::*;

const H2: Kind = Kind {
    tls: None,
    h2: true,
    max_streams: None,
};

pub fn over_h2(routes: &[(&str, &str, &[SocketAddr])]) -> RouteTable {
    let mut routes = table(routes);
    for backend in routes.backends.values_mut() {
        backend.protocol = BackendProtocol::Http2;
    }
    routes
}

#[tokio::test]
async fn a_request_of_http1_reaches_an_endpoint_of_http2_and_its_answer_comes_back() {
    let server = teller(H2, "it").await;
    let mut proxy = Proxy::serving(&over_h2(&[("demo.a", "/", &[server.address])])).await;
    let address = proxy.address().await;
    let post = "POST /x HTTP/1.1\r\nhost: Demo.a:81\r\nconnection: close, x-hop\r\nx-hop: 1\r\n\
                transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let answer = ask(address, post).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let body = &answer.body;
    assert!(
        body.contains("it POST http://Demo.a:81/x HTTP/2.0\n"),
        "{body}"
    );
    assert!(body.contains("x-forwarded-host: Demo.a:81\n"), "{body}");
    assert!(body.contains("hello"), "{body}");
    assert!(
        !body.contains("x-hop") && !body.contains("chunked\n"),
        "{body}"
    );
    let upgrade = "GET / HTTP/1.1\r\nhost: demo.a\r\nconnection: upgrade, close\r\n\
                   upgrade: websocket\r\n\r\n";
    let answer = ask(address, upgrade).await;
    assert_eq!(
        answer.status, 200,
        "what HTTP/2 has not is not asked for: {answer:?}"
    );
}

#[tokio::test]
async fn many_requests_share_a_connection() {
    let both = Arc::new((AtomicUsize::new(0), Notify::new()));
    let meet = Arc::clone(&both);
    let server = serve(H2, move |_| {
        let meet = Arc::clone(&meet);
        Box::pin(async move {
            // All are there before the first is answered.
            let wait = meet.1.notified();
            if meet.0.fetch_add(1, Relaxed) == 39 {
                meet.1.notify_waiters();
            } else {
                wait.await;
            }
            Response::new(text_body("met"))
        })
    })
    .await;
    let mut proxy = Proxy::serving(&over_h2(&[("demo.a", "/", &[server.address])])).await;
    let address = proxy.address().await;
    let asked = (0..40).map(|_| {
        ask(
            address,
            "GET / HTTP/1.1\r\nhost: demo.a\r\nconnection: close\r\n\r\n",
        )
    });
    for answer in futures_util::future::join_all(asked).await {
        assert_eq!((answer.status, answer.body.contains("met")), (200, true));
    }
    let connections = server.connections.load(Relaxed);
    assert!(
        connections <= 2,
        "{connections} connections for two workers"
    );
}

#[tokio::test]
async fn an_endpoint_that_takes_few_streams_gets_more_connections() {
    let kind = Kind {
        max_streams: Some(2),
        ..H2
    };
    let server = serve(kind, |_| {
        Box::pin(async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            Response::new(text_body("slow"))
        })
    })
    .await;
    let mut proxy = Proxy::serving(&over_h2(&[("demo.a", "/", &[server.address])])).await;
    assert_eq!(proxy.get("demo.a", "/").await.status, 200);
    let address = proxy.address().await;
    let asked = (0..10).map(|_| {
        ask(
            address,
            "GET / HTTP/1.1\r\nhost: demo.a\r\nconnection: close\r\n\r\n",
        )
    });
    for answer in futures_util::future::join_all(asked).await {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert!(server.connections.load(Relaxed) > 2);
}

#[tokio::test]
async fn a_connection_that_goes_away_is_replaced_and_no_request_fails() {
    let server = teller(H2, "it").await;
    let mut proxy = Proxy::serving(&over_h2(&[("demo.a", "/", &[server.address])])).await;
    for round in 0..20 {
        let answer = proxy.get("demo.a", "/").await;
        assert_eq!(answer.status, 200, "round {round}: {answer:?}");
        server.send_away();
        if round % 2 == 0 {
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    assert!(server.connections.load(Relaxed) > 5);
}

#[tokio::test]
async fn an_endpoint_that_does_not_speak_http2_is_a_502() {
    let echo = echo_heads().await;
    let mut proxy = Proxy::serving(&over_h2(&[("demo.a", "/", &[echo])])).await;
    assert_eq!(proxy.get("demo.a", "/").await.status, 502);
}

#[tokio::test]
async fn a_client_of_http2_is_served_by_both_kinds_of_endpoints() {
    let (old, new) = (
        teller(Kind::default(), "old").await,
        teller(H2, "new").await,
    );
    let mut routes = over_h2(&[("new.a", "/", &[new.address])]);
    let plain = table(&[("old.a", "/", &[old.address])]);
    routes.backends.extend(plain.backends);
    routes.routes.extend(plain.routes);
    let mut proxy = Proxy::serving(&routes).await;
    let mut client = h2_client(proxy.address().await, 65_535).await;
    for (host, want) in [("new.a", "HTTP/2.0"), ("old.a", "HTTP/1.1")] {
        for _ in 0..3 {
            let request = Request::post(format!("http://{host}/x")).body(text_body("hello"));
            let answer = client.send_request(request.unwrap()).await.unwrap();
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            let body = String::from_utf8_lossy(&body);
            assert!(body.contains(want) && body.ends_with("hello"), "{body}");
        }
    }
}

/// Tells when it is dropped.
struct Told(tokio::sync::watch::Sender<bool>);

impl Drop for Told {
    fn drop(&mut self) {
        self.0.send_replace(true);
    }
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_stream_and_no_other() {
    let (told, mut is_over) = tokio::sync::watch::channel(false);
    let told = Arc::new(std::sync::Mutex::new(Some(Told(told))));
    let server = serve(H2, move |request| {
        let told = told
            .lock()
            .unwrap()
            .take_if(|_| request.uri().path() == "/endless");
        Box::pin(async move {
            let Some(told) = told else {
                return Response::new(text_body("short"));
            };
            let endless = futures_util::stream::repeat_with(move || {
                let _ = &told;
                Ok(http_body::Frame::data(bytes::Bytes::from_static(
                    &[b'x'; 1024],
                )))
            });
            Response::new(http_body_util::StreamBody::new(endless).boxed())
        })
    })
    .await;
    let mut proxy = Proxy::serving(&over_h2(&[("demo.a", "/", &[server.address])])).await;
    let mut client = proxy.connect().await;
    let request = b"GET /endless HTTP/1.1\r\nhost: demo.a\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut client, request)
        .await
        .unwrap();
    read_until(&mut client, "xxxx").await;
    assert!(!*is_over.borrow());
    assert_eq!(proxy.get("demo.a", "/").await.body, "short");
    drop(client);
    let over = tokio::time::timeout(LONG, is_over.wait_for(|over| *over)).await;
    over.expect("the stream goes on").unwrap();
    assert_eq!(proxy.get("demo.a", "/").await.body, "short");
    assert!(server.connections.load(Relaxed) <= 2);
}
