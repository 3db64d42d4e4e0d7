//! Beginning, change and end of a proxy.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use skep::control::wire::ROUTE;
use skep::control::{Change, Resource};
use tokio::io::AsyncWriteExt as _;

use crate::harness::*;

#[tokio::test]
async fn a_proxy_that_knows_nothing_opens_no_port_and_says_so() {
    let mut proxy = Proxy::empty(None);
    let ready = proxy.admin("/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(
        ready.body.contains("waiting for the operator"),
        "{}",
        ready.body
    );
    assert_eq!(proxy.admin("/healthz").await.status, 200);
    assert!(proxy.bound.borrow().traffic.is_empty());
    proxy
        .apply(&table(&[("demo.a", "/", &[echo_heads().await])]))
        .await;
    assert_eq!(proxy.get("demo.a", "/").await.status, 200);
    assert_eq!(proxy.admin("/readyz").await.status, 200);
    assert!(
        proxy
            .admin("/debug/table")
            .await
            .body
            .contains("\"demo.a\"")
    );
}

#[tokio::test]
async fn a_resource_that_cannot_be_read_is_refused_by_name_and_harms_no_other() {
    let mut proxy = Proxy::serving(&table(&[("demo.a", "/", &[echo_heads().await])])).await;
    let broken = Resource {
        version: "1".into(),
        body: b"\xff\xff".to_vec().into(),
    };
    let change = Change {
        type_url: ROUTE.into(),
        upserts: [("bad".into(), broken)].into(),
        removed: vec![],
    };
    let refusal = proxy.deliver(change).await.unwrap_err();
    assert!(refusal.starts_with("bad: "), "{refusal}");
    assert_eq!(proxy.get("demo.a", "/").await.status, 200);
}

#[tokio::test]
async fn routes_change_under_load_without_a_failed_request() {
    let (one, two) = (echo_heads().await, echo_heads().await);
    let first = table(&[("demo.a", "/", &[one])]);
    let second = table(&[("demo.a", "/", &[two]), ("demo.b", "/", &[one])]);
    let mut proxy = Proxy::serving(&first).await;
    let done = Arc::new(AtomicBool::new(false));
    let mut clients = Vec::new();
    for _ in 0..4 {
        let (mut client, done) = (proxy.connect().await, Arc::clone(&done));
        clients.push(tokio::spawn(async move {
            let mut count = 0;
            while !done.load(Relaxed) {
                client
                    .write_all(b"GET / HTTP/1.1\r\nhost: demo.a\r\n\r\n")
                    .await
                    .unwrap();
                let head = read_until(&mut client, "\r\n\r\n").await;
                assert!(head.starts_with("HTTP/1.1 200"), "{head}");
                read_until(&mut client, "\r\n\r\n").await;
                count += 1;
            }
            count
        }));
    }
    for _ in 0..100 {
        proxy.apply(&second).await;
        proxy.apply(&first).await;
    }
    done.store(true, Relaxed);
    for client in clients {
        assert!(client.await.unwrap() > 0);
    }
}

#[tokio::test]
async fn a_drain_finishes_what_is_in_flight_and_keeps_nothing_alive() {
    let slow = endpoint(|mut stream| async move {
        read_until(&mut stream, "\r\n\r\n").await;
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nxy")
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_millis(400)).await;
        stream.write_all(b"zz").await.unwrap();
    })
    .await;
    let mut routes = table(&[
        ("slow.a", "/", &[slow]),
        ("demo.a", "/", &[echo_heads().await]),
    ]);
    routes.listener.drain_minimum = skep::api::value::Span::from_millis(1_000);
    let mut proxy = Proxy::serving(&routes).await;
    let mut busy = proxy.connect().await;
    busy.write_all(b"GET / HTTP/1.1\r\nhost: slow.a\r\n\r\n")
        .await
        .unwrap();
    read_until(&mut busy, "xy").await;
    proxy.stop.cancel();
    while proxy.admin("/readyz").await.status == 200 {}
    let late = ask(
        proxy.address().await,
        "GET / HTTP/1.1\r\nhost: demo.a\r\n\r\n",
    )
    .await;
    assert_eq!(
        late.status, 200,
        "no new connection is taken in the first part of the drain"
    );
    assert!(late.head.contains("connection: close"), "{}", late.head);
    assert_eq!(read_until(&mut busy, "zz").await, "zz");
    tokio::time::timeout(LONG, proxy.task)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_drain_takes_new_connections_as_long_as_an_old_one_lasts() {
    let slow = endpoint(|mut stream| async move {
        read_until(&mut stream, "\r\n\r\n").await;
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nxy")
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_millis(800)).await;
        stream.write_all(b"zz").await.unwrap();
    })
    .await;
    let routes = table(&[
        ("slow.a", "/", &[slow]),
        ("demo.a", "/", &[echo_heads().await]),
    ]);
    let mut proxy = Proxy::serving(&routes).await;
    let address = proxy.address().await;
    let mut busy = proxy.connect().await;
    busy.write_all(b"GET / HTTP/1.1\r\nhost: slow.a\r\n\r\n")
        .await
        .unwrap();
    read_until(&mut busy, "xy").await;
    proxy.stop.cancel();
    // Far beyond the minimum of 50 ms, and still within the old request.
    tokio::time::sleep(Duration::from_millis(400)).await;
    let late = ask(address, "GET / HTTP/1.1\r\nhost: demo.a\r\n\r\n").await;
    assert_eq!(late.status, 200);
    assert!(late.head.contains("connection: close"), "{}", late.head);
    assert_eq!(read_until(&mut busy, "zz").await, "zz");
    tokio::time::timeout(LONG, proxy.task)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_drain_closes_connections_that_are_idle() {
    let mut routes = table(&[("demo.a", "/", &[echo_heads().await])]);
    routes.listener.drain_minimum = skep::api::value::Span::from_millis(300);
    let mut proxy = Proxy::serving(&routes).await;
    let mut idle = proxy.connect().await;
    idle.write_all(b"GET / HTTP/1.1\r\nhost: demo.a\r\n\r\n")
        .await
        .unwrap();
    read_until(&mut idle, "\r\n\r\n").await;
    read_until(&mut idle, "\r\n\r\n").await;
    proxy.stop.cancel();
    tokio::time::timeout(LONG, proxy.task)
        .await
        .expect("an idle connection holds the drain up")
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_drain_cuts_what_does_not_end_in_time() {
    let silent = endpoint(|mut stream| async move {
        read_until(&mut stream, "never").await;
    })
    .await;
    let mut routes = table(&[("demo.a", "/", &[silent])]);
    routes.listener.drain_timeout = skep::api::value::Span::from_millis(200);
    let mut proxy = Proxy::serving(&routes).await;
    let mut stuck = proxy.connect().await;
    stuck
        .write_all(b"GET / HTTP/1.1\r\nhost: demo.a\r\n\r\n")
        .await
        .unwrap();
    proxy.stop.cancel();
    tokio::time::timeout(LONG, proxy.task)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_proxy_without_an_operator_serves_the_state_it_kept() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = Proxy::empty(Some(dir.path()));
    first
        .apply(&table(&[("demo.a", "/", &[echo_heads().await])]))
        .await;
    assert_eq!(first.get("demo.a", "/").await.status, 200);
    first.stop.cancel();
    tokio::time::timeout(LONG, first.task)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    let mut second = Proxy::empty(Some(dir.path()));
    assert_eq!(second.get("demo.a", "/").await.status, 200);
    second.stop.cancel();
    tokio::time::timeout(LONG, second.task)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    let file = skep::proxy::state::path(dir.path(), "east");
    std::fs::write(&file, "rubbish").unwrap();
    let mut third = Proxy::empty(Some(dir.path()));
    assert_eq!(third.admin("/readyz").await.status, 503);
}

#[tokio::test]
async fn a_taken_port_is_a_clear_error() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut settings = skep::proxy::ProxySettings::new("east");
    settings.admin = taken.local_addr().unwrap();
    let error = skep::proxy::run(settings, tokio_util::sync::CancellationToken::default())
        .await
        .unwrap_err();
    assert!(
        error.to_string().starts_with("cannot listen on 127.0.0.1:"),
        "{error}"
    );
}
