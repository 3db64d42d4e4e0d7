//! Requests and answers that do not move end, and hold nothing for ever.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use skep::api::value::Span;
use skep::route::RouteTable;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::harness::*;
use crate::servers::*;

fn impatient(mut routes: RouteTable) -> RouteTable {
    routes.listener.traffic.timeouts.request = Span::from_millis(300);
    routes.listener.traffic.timeouts.idle = Span::from_millis(300);
    routes
}

/// A body of this text, after which nothing more comes, though more is to come.
fn stalling(text: &'static str) -> Body {
    let first = futures_util::stream::iter([Ok(Frame::data(Bytes::from_static(text.as_bytes())))]);
    BodyExt::boxed(StreamBody::new(
        first.chain(futures_util::stream::pending()),
    ))
}

fn kinds() -> [Kind; 2] {
    [false, true].map(|h2| Kind {
        h2,
        ..Kind::default()
    })
}

fn routes_to(server: &Server, kind: &Kind) -> RouteTable {
    let mut routes = impatient(table(&[("demo.a", "/", &[server.address])]));
    if kind.h2 {
        for backend in routes.backends.values_mut() {
            backend.protocol = skep::route::BackendProtocol::Http2;
        }
    }
    routes
}

#[tokio::test]
async fn a_client_that_does_not_send_its_request_is_a_408() {
    for kind in kinds() {
        let server = teller(kind.clone(), "it").await;
        let mut proxy = Proxy::serving(&routes_to(&server, &kind)).await;
        let post = "POST / HTTP/1.1\r\nhost: demo.a\r\ncontent-length: 10\r\n\r\nhalf";
        let answer = ask(proxy.address().await, post).await;
        assert_eq!(answer.status, 408, "{answer:?}");
        assert!(
            answer.head.contains("x-skep-reason: ClientTimeout"),
            "{}",
            answer.head
        );
        let mut client = h2_client(proxy.address().await, 65_535).await;
        let request = Request::post("http://demo.a/")
            .body(stalling("half"))
            .unwrap();
        let answer = tokio::time::timeout(LONG, client.send_request(request)).await;
        assert_eq!(answer.unwrap().unwrap().status(), 408);
    }
}

#[tokio::test]
async fn an_endpoint_that_does_not_read_the_request_is_a_504() {
    let deaf = endpoint(|stream| async move {
        tokio::time::sleep(LONG).await;
        drop(stream);
    });
    let mut proxy = Proxy::serving(&impatient(table(&[("demo.a", "/", &[deaf.await])]))).await;
    let mut client = proxy.connect().await;
    let head = "POST / HTTP/1.1\r\nhost: demo.a\r\ncontent-length: 30000000\r\n\r\n";
    client.write_all(head.as_bytes()).await.unwrap();
    let (mut reading, mut writing) = client.split();
    let write = async {
        let piece = vec![b'x'; 1 << 20];
        while writing.write_all(&piece).await.is_ok() {}
        std::future::pending::<()>().await;
    };
    let read = async {
        let mut start = [0; 12];
        reading.read_exact(&mut start).await.unwrap();
        String::from_utf8_lossy(&start).into_owned()
    };
    let start = tokio::select! {
        start = read => start,
        () = write => String::new(),
        () = tokio::time::sleep(LONG) => "nothing".to_owned(),
    };
    assert_eq!(start, "HTTP/1.1 504");
}

#[tokio::test]
async fn a_slow_upload_that_moves_is_not_cut() {
    for kind in kinds() {
        let server = teller(kind.clone(), "it").await;
        let mut proxy = Proxy::serving(&routes_to(&server, &kind)).await;
        let mut client = proxy.connect().await;
        let head =
            "POST / HTTP/1.1\r\nhost: demo.a\r\nconnection: close\r\ncontent-length: 8\r\n\r\n";
        client.write_all(head.as_bytes()).await.unwrap();
        for _ in 0..8 {
            tokio::time::sleep(Duration::from_millis(120)).await;
            client.write_all(b"x").await.unwrap();
        }
        let answer = read_until(&mut client, "xxxxxxxx").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

async fn has_no_connections(server: &Server) {
    let mut open = server.open.clone();
    // The sweep comes every five seconds.
    let none = tokio::time::timeout(2 * LONG, open.wait_for(|open| *open == 0)).await;
    none.expect("a connection is held").unwrap();
}

#[tokio::test]
async fn an_answer_that_stalls_ends_for_a_client_of_http2() {
    for kind in kinds() {
        let server = serve(kind.clone(), |_| {
            Box::pin(async { Response::new(stalling("begin")) })
        })
        .await;
        let mut proxy = Proxy::serving(&routes_to(&server, &kind)).await;
        let mut client = h2_client(proxy.address().await, 65_535).await;
        let request = Request::get("http://demo.a/").body(empty_body()).unwrap();
        let mut body = client.send_request(request).await.unwrap().into_body();
        let first = body.frame().await.unwrap().unwrap();
        assert_eq!(first.into_data().unwrap(), "begin");
        let end = tokio::time::timeout(2 * LONG, body.frame()).await;
        assert!(end.expect("it does not end").unwrap().is_err());
        if !kind.h2 {
            has_no_connections(&server).await;
        }
    }
}

#[tokio::test]
async fn an_answer_that_stalls_ends_for_a_client_of_http1() {
    for kind in kinds() {
        let server = serve(kind.clone(), |_| {
            Box::pin(async { Response::new(stalling("begin")) })
        })
        .await;
        let mut proxy = Proxy::serving(&routes_to(&server, &kind)).await;
        let mut client = proxy.connect().await;
        let request = b"GET / HTTP/1.1\r\nhost: demo.a\r\n\r\n";
        client.write_all(request).await.unwrap();
        read_until(&mut client, "begin").await;
        let mut rest = Vec::new();
        let end = tokio::time::timeout(2 * LONG, client.read_to_end(&mut rest)).await;
        end.expect("it does not end").unwrap();
    }
}

#[tokio::test]
async fn a_client_of_http2_that_does_not_read_holds_no_connection_to_the_endpoint() {
    let server = serve(Kind::default(), |_| {
        let piece = Bytes::from(vec![b'x'; 64 << 10]);
        let endless = futures_util::stream::repeat_with(move || Ok(Frame::data(piece.clone())));
        Box::pin(async { Response::new(BodyExt::boxed(StreamBody::new(endless))) })
    })
    .await;
    let mut proxy = Proxy::serving(&routes_to(&server, &Kind::default())).await;
    let mut client = h2_client(proxy.address().await, 0).await;
    let request = Request::get("http://demo.a/").body(empty_body()).unwrap();
    let answer = client.send_request(request).await.unwrap();
    assert_eq!(*server.open.borrow(), 1);
    has_no_connections(&server).await;
    drop(answer);
}

#[tokio::test]
async fn an_answer_with_two_lengths_has_the_one_of_its_chunks() {
    let twofold = endpoint(|mut stream| async move {
        read_until(&mut stream, "\r\n\r\n").await;
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n\
                      5\r\nhello\r\n0\r\n\r\n";
        stream.write_all(answer.as_bytes()).await.unwrap();
    });
    let zipped = endpoint(|mut stream| async move {
        read_until(&mut stream, "\r\n\r\n").await;
        let answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n";
        stream.write_all(answer.as_bytes()).await.unwrap();
    });
    let (twofold, zipped) = (twofold.await, zipped.await);
    let routes = table(&[("demo.a", "/", &[twofold]), ("zip.a", "/", &[zipped])]);
    let mut proxy = Proxy::serving(&routes).await;
    let answer = proxy.get("demo.a", "/").await;
    assert!(!answer.head.contains("content-length"), "{}", answer.head);
    assert!(answer.body.contains("hello"), "{}", answer.body);
    let mut client = h2_client(proxy.address().await, 65_535).await;
    let request = Request::get("http://demo.a/").body(empty_body()).unwrap();
    let answer = client.send_request(request).await.unwrap();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "hello");
    assert_eq!(proxy.get("zip.a", "/").await.status, 502);
    let request = "POST / HTTP/1.1\r\nhost: demo.a\r\ntransfer-encoding: gzip, chunked\r\n\r\n";
    assert_eq!(ask(proxy.address().await, request).await.status, 501);
}

#[tokio::test]
async fn a_client_that_left_before_its_answer_counts_as_one_of_4xx() {
    let silent = endpoint(|mut stream| async move {
        let _ = stream.read_to_end(&mut Vec::new()).await;
    });
    let mut proxy = Proxy::serving(&table(&[("demo.a", "/", &[silent.await])])).await;
    let mut client = proxy.connect().await;
    let request = b"GET / HTTP/1.1\r\nhost: demo.a\r\n\r\n";
    client.write_all(request).await.unwrap();
    let is_there = |metrics: &str, line: &str| metrics.lines().any(|it| it == line);
    while !is_there(
        &proxy.admin("/metrics").await.body,
        "skep_proxy_requests_in_flight 1",
    ) {}
    drop(client);
    while !is_there(
        &proxy.admin("/metrics").await.body,
        "skep_proxy_requests_in_flight 0",
    ) {}
    let metrics = proxy.admin("/metrics").await.body;
    let line = "skep_proxy_requests_total{backend=\"demo.a/\",class=\"4xx\"} 1";
    assert!(is_there(&metrics, line), "{metrics}");
}

#[tokio::test]
async fn a_drain_that_began_while_the_endpoint_took_its_time_closes_the_connection() {
    let slow = endpoint(|mut stream| async move {
        read_until(&mut stream, "\r\n\r\n").await;
        tokio::time::sleep(Duration::from_millis(600)).await;
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        let _ = stream.write_all(answer).await;
    });
    let mut routes = table(&[("demo.a", "/", &[slow.await])]);
    routes.listener.drain_minimum = Span::from_secs(3);
    let mut proxy = Proxy::serving(&routes).await;
    let mut client = proxy.connect().await;
    let request = b"GET / HTTP/1.1\r\nhost: demo.a\r\n\r\n";
    client.write_all(request).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    proxy.stop.cancel();
    let head = read_until(&mut client, "\r\n\r\n").await;
    assert!(head.contains("connection: close"), "{head}");
}
