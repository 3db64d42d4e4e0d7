//! TLS connections that are passed on unopened, beside others that are opened on the same port.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use skep::api::value::Span;
use skep::route::{Backend, Endpoint, Passthrough, RouteTable, Target};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;

use crate::certificates::*;
use crate::harness::*;

/// An endpoint that opens TLS itself: it gives back what it gets, and `bye` when that has ended.
async fn echo_tls(authority: &Authority, hosts: &[&str]) -> SocketAddr {
    let (chain, key) = authority.issue(hosts);
    let chain = CertificateDer::pem_slice_iter(chain.as_bytes());
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain.map(Result::unwrap).collect(), key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    endpoint(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let (mut from, mut to) = tokio::io::split(stream);
            let _ = tokio::io::copy(&mut from, &mut to).await;
            let _ = to.write_all(b"bye").await;
            let _ = to.shutdown().await;
        }
    })
    .await
}

/// Adds a host that is passed on to these endpoints.
fn pass(mut table: RouteTable, host: &str, endpoints: &[SocketAddr]) -> RouteTable {
    let name = format!("to {host}");
    let endpoint = |address: &SocketAddr| Endpoint {
        address: *address,
        id: address.to_string(),
    };
    let backend = Backend {
        service: "demo".to_owned(),
        endpoints: endpoints.iter().map(endpoint).collect(),
        ..Backend::default()
    };
    table.backends.insert(name.clone(), backend);
    let target = Target {
        backend: name,
        weight: None,
    };
    let passthrough = Passthrough {
        host: host.to_owned(),
        targets: vec![target],
    };
    table.passthroughs.insert(host.to_owned(), passthrough);
    table
}

#[tokio::test]
async fn hosts_are_passed_on_beside_others_that_are_opened() {
    let authority = Authority::new();
    let inner = echo_tls(&authority, &["pass.example.com", "other.a"]).await;
    let routes = table(&[("open.example.com", "/", &[echo_heads().await])]);
    let routes = with(routes, &[("a", authority.certificate(&["*.example.com"]))]);
    let routes = pass(routes, "pass.example.com", &[inner]);
    let mut proxy = Proxy::serving(&routes).await;
    let client = Arc::new(authority.client(&[]));
    let mut opened = open(&mut proxy, &client, "open.example.com").await.unwrap();
    let answer = get(&mut opened, "open.example.com").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let mut passed = open(&mut proxy, &client, "PASS.example.com").await.unwrap();
    passed.write_all(b"hello.").await.unwrap();
    assert_eq!(read_until(&mut passed, ".").await, "hello.");
    // One side has no more to say; the other may still finish.
    passed.shutdown().await.unwrap();
    let mut rest = String::new();
    let read = passed.read_to_string(&mut rest);
    tokio::time::timeout(LONG, read).await.unwrap().unwrap();
    assert_eq!(rest, "bye");
    let any = pass(routes, "*", &[inner]);
    proxy.apply(&any).await;
    open(&mut proxy, &client, "other.a").await.unwrap();
    let metrics = proxy.admin("/metrics").await.body;
    let line = "skep_proxy_tls_handshakes_total{outcome=\"passed\"} 2\n";
    assert!(metrics.contains(line), "{metrics}");
    let none = "skep_proxy_passthrough_bytes_total{direction=\"to_client\"} 0\n";
    assert!(!metrics.contains(none), "{metrics}");
    let state = proxy.admin("/debug/table").await.body;
    assert!(state.contains("\"pass.example.com\""), "{state}");
}

#[tokio::test]
async fn a_dead_endpoint_costs_no_connection_and_none_is_told_in_tls() {
    let authority = Authority::new();
    let inner = echo_tls(&authority, &["demo.a", "demo.b"]).await;
    let (one, two) = (nobody().await, nobody().await);
    let routes = pass(table(&[]), "demo.a", &[one, inner, two]);
    let routes = pass(routes, "demo.b", &[one]);
    let mut proxy = Proxy::serving(&routes).await;
    let client = Arc::new(authority.client(&[]));
    for _ in 0..10 {
        open(&mut proxy, &client, "demo.a").await.unwrap();
    }
    let error = open(&mut proxy, &client, "demo.b").await.unwrap_err();
    assert!(error.to_string().contains("InternalError"), "{error}");
}

#[tokio::test]
async fn a_passthrough_is_live_when_its_backend_is_known() {
    let authority = Authority::new();
    let inner = echo_tls(&authority, &["demo.a"]).await;
    let mut proxy = Proxy::serving(&table(&[])).await;
    let client = Arc::new(authority.client(&[]));
    let mut routes = pass(table(&[]), "demo.a", &[inner]);
    let backends = std::mem::take(&mut routes.backends);
    proxy.apply(&routes).await;
    open(&mut proxy, &client, "demo.a").await.unwrap_err();
    routes.backends = backends;
    proxy.apply(&routes).await;
    let mut stream = open(&mut proxy, &client, "demo.a").await.unwrap();
    // What is open stays when it is gone for others.
    proxy.apply(&table(&[])).await;
    open(&mut proxy, &client, "demo.a").await.unwrap_err();
    stream.write_all(b"still.").await.unwrap();
    assert_eq!(read_until(&mut stream, ".").await, "still.");
}

#[tokio::test]
async fn a_tunnel_is_drained_and_cut_at_the_end() {
    let authority = Authority::new();
    let inner = echo_tls(&authority, &["demo.a"]).await;
    let mut routes = pass(table(&[]), "demo.a", &[inner]);
    routes.listener.drain_timeout = Span::from_millis(800);
    let mut proxy = Proxy::serving(&routes).await;
    let client = Arc::new(authority.client(&[]));
    let mut stream = open(&mut proxy, &client, "demo.a").await.unwrap();
    proxy.stop.cancel();
    while proxy.admin("/readyz").await.status == 200 {}
    tokio::time::sleep(Duration::from_millis(200)).await;
    stream.write_all(b"still.").await.unwrap();
    assert_eq!(read_until(&mut stream, ".").await, "still.");
    assert!(!proxy.task.is_finished());
    tokio::time::timeout(LONG, proxy.task)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    let mut rest = Vec::new();
    let _ = tokio::time::timeout(LONG, stream.read_to_end(&mut rest))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_tunnel_without_a_byte_is_ended_and_the_proxy_protocol_is_honoured() {
    let authority = Authority::new();
    let inner = echo_tls(&authority, &["demo.a"]).await;
    let mut routes = pass(table(&[]), "demo.a", &[inner]);
    routes.listener.traffic.timeouts.idle = Span::from_millis(200);
    routes.listener.traffic.proxy_protocol = true;
    let mut proxy = Proxy::serving(&routes).await;
    let client = Arc::new(authority.client(&[]));
    let stream = tokio::net::TcpStream::connect(address(&mut proxy).await).await;
    let mut stream = stream.unwrap();
    let header = b"PROXY TCP4 10.1.2.3 10.0.0.1 4711 443\r\n";
    stream.write_all(header).await.unwrap();
    let mut stream = open_over(stream, &client, "demo.a").await.unwrap();
    let mut rest = Vec::new();
    let _ = tokio::time::timeout(LONG, stream.read_to_end(&mut rest))
        .await
        .expect("an idle tunnel stays open");
}
