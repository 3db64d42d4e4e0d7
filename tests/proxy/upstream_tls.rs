//! TLS towards endpoints.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use http::{Response, StatusCode};
use rustls::ServerConfig;
use skep::control::wire::{self, BACKEND};
use skep::control::{Change, Resource};
use skep::route::{BackendProtocol, BackendTls, RouteTable};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::harness::*;
use crate::servers::*;

fn tls(config: &Arc<ServerConfig>) -> Kind {
    Kind {
        tls: Some(Arc::clone(config)),
        ..Kind::default()
    }
}

/// A table to one endpoint by TLS.
fn secured(address: SocketAddr, name: &str, verify: bool, ca: Option<&str>) -> RouteTable {
    let mut routes = table(&[("demo.a", "/", &[address])]);
    for backend in routes.backends.values_mut() {
        backend.tls = Some(BackendTls {
            verify,
            name: name.to_owned(),
            ca: ca.map(str::to_owned),
        });
    }
    routes
}

/// A proxy that finds the authority's certificate as `ca`.
async fn proxy_with(authority: &Authority, routes: &RouteTable) -> (Proxy, tempfile::TempDir) {
    let secrets = tempfile::tempdir().unwrap();
    std::fs::write(secrets.path().join("ca"), &authority.pem).unwrap();
    let mut proxy = Proxy::with(|settings| settings.secrets_dir = secrets.path().into());
    proxy.apply(routes).await;
    (proxy, secrets)
}

#[tokio::test]
async fn an_endpoint_is_verified_by_name_and_authority_and_http2_is_taken_where_it_is_offered() {
    let authority = Authority::new();
    for (alpn, version) in [
        (&["h2", "http/1.1"][..], "HTTP/2.0"),
        (&["http/1.1"], "HTTP/1.1"),
        (&[], "HTTP/1.1"),
    ] {
        let server = teller(tls(&authority.server("app.internal", alpn)), "it").await;
        let routes = secured(server.address, "app.internal", true, Some("ca"));
        let (mut proxy, _secrets) = proxy_with(&authority, &routes).await;
        for _ in 0..5 {
            let answer = proxy.get("demo.a", "/x?q=1").await;
            assert_eq!(answer.status, 200, "{answer:?}");
            assert!(answer.body.contains(version), "{}", answer.body);
            assert!(
                answer.body.contains("x-sni: app.internal\n"),
                "{}",
                answer.body
            );
            assert!(
                answer.body.contains("x-forwarded-host: demo.a\n"),
                "{}",
                answer.body
            );
        }
        let connections = server.connections.load(Relaxed);
        assert!(
            connections <= 2,
            "{connections} connections for two workers"
        );
    }
}

#[tokio::test]
async fn an_endpoint_that_is_not_who_it_should_be_is_not_spoken_to() {
    let authority = Authority::new();
    let server = teller(tls(&authority.server("app.internal", &[])), "it").await;
    let routes = secured(server.address, "other.internal", true, Some("ca"));
    let (mut proxy, _secrets) = proxy_with(&authority, &routes).await;
    let refused = proxy.get("demo.a", "/").await;
    assert_eq!(refused.status, 502);
    assert!(
        refused.head.contains("x-skep-reason: UpstreamTls"),
        "{}",
        refused.head
    );
    let said = &refused.body;
    assert!(
        said.contains("is for another name: tell the right one by backend_tls_name"),
        "{said}"
    );
    // The public authorities have not signed it either.
    proxy
        .apply(&secured(server.address, "app.internal", true, None))
        .await;
    assert_eq!(proxy.get("demo.a", "/").await.status, 502);
    proxy
        .apply(&secured(server.address, "other.internal", false, None))
        .await;
    assert_eq!(proxy.get("demo.a", "/").await.status, 200);
    proxy.apply(&secured(server.address, "", false, None)).await;
    assert_eq!(proxy.get("demo.a", "/").await.status, 200);
    let plain = endpoint(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    })
    .await;
    proxy
        .apply(&secured(plain, "app.internal", false, None))
        .await;
    let plain = proxy.get("demo.a", "/").await;
    assert!(
        plain.head.contains("x-skep-reason: UpstreamTls"),
        "{}",
        plain.head
    );
}

#[tokio::test]
async fn an_authority_that_cannot_be_used_is_refused_by_name_and_the_last_good_stays() {
    let authority = Authority::new();
    let server = teller(tls(&authority.server("app.internal", &[])), "it").await;
    let routes = secured(server.address, "app.internal", true, Some("ca"));
    let (mut proxy, _secrets) = proxy_with(&authority, &routes).await;
    let broken = secured(server.address, "app.internal", true, Some("gone"));
    let snapshot = wire::snapshot(&broken);
    let upserts = snapshot.types[BACKEND].clone();
    let change = Change {
        type_url: BACKEND.into(),
        upserts: upserts
            .into_iter()
            .map(|(name, it): (_, Resource)| (name, it))
            .collect(),
        removed: vec![],
    };
    let refusal = proxy.deliver(change).await.unwrap_err();
    assert!(
        refusal.starts_with("demo.a/: tls.ca: cannot use "),
        "{refusal}"
    );
    assert_eq!(proxy.get("demo.a", "/").await.status, 200);
}

#[tokio::test]
async fn sessions_are_resumed() {
    let authority = Authority::new();
    let server = serve(tls(&authority.server("app.internal", &[])), |_| {
        Box::pin(async {
            let answer = Response::builder().header("connection", "close");
            answer.body(text_body("once")).unwrap()
        })
    })
    .await;
    let routes = secured(server.address, "app.internal", true, Some("ca"));
    let (mut proxy, _secrets) = proxy_with(&authority, &routes).await;
    for _ in 0..4 {
        assert_eq!(proxy.get("demo.a", "/").await.status, 200);
    }
    assert_eq!(server.connections.load(Relaxed), 4);
    assert!(
        server.resumed.load(Relaxed) >= 2,
        "{}",
        server.resumed.load(Relaxed)
    );
}

#[tokio::test]
async fn an_upgrade_goes_by_http1_though_the_endpoint_offers_http2() {
    let authority = Authority::new();
    let config = authority.server("app.internal", &["h2", "http/1.1"]);
    let server = serve(tls(&config), |mut request| {
        Box::pin(async move {
            if !request.headers().contains_key("upgrade") {
                return Response::new(text_body("plain"));
            }
            let upgraded = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let mut socket = hyper_util::rt::TokioIo::new(upgraded.await.unwrap());
                let mut heard = [0; 4];
                socket.read_exact(&mut heard).await.unwrap();
                socket.write_all(&heard).await.unwrap();
            });
            let answer = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
            let answer = answer
                .header("connection", "upgrade")
                .header("upgrade", "echo");
            answer.body(empty_body()).unwrap()
        })
    })
    .await;
    let routes = secured(server.address, "app.internal", true, Some("ca"));
    let (mut proxy, _secrets) = proxy_with(&authority, &routes).await;
    assert_eq!(proxy.get("demo.a", "/").await.status, 200);
    let mut client = proxy.connect().await;
    let ask = b"GET / HTTP/1.1\r\nhost: demo.a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
    client.write_all(ask).await.unwrap();
    let head = read_until(&mut client, "\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    client.write_all(b"ping").await.unwrap();
    assert_eq!(read_until(&mut client, "ping").await, "ping");
}

#[tokio::test]
async fn a_change_of_protocol_takes_new_connections() {
    let authority = Authority::new();
    let config = authority.server("app.internal", &["h2"]);
    let server = teller(tls(&config), "it").await;
    let mut routes = secured(server.address, "app.internal", true, Some("ca"));
    let (mut proxy, _secrets) = proxy_with(&authority, &routes).await;
    assert_eq!(proxy.get("demo.a", "/").await.status, 200);
    for backend in routes.backends.values_mut() {
        backend.protocol = BackendProtocol::Http2;
    }
    proxy.apply(&routes).await;
    let answer = proxy.get("demo.a", "/").await;
    assert!(answer.body.contains("HTTP/2.0"), "{}", answer.body);
    assert!(server.connections.load(Relaxed) >= 2);
}

#[tokio::test]
async fn a_place_whose_backend_cannot_be_had_is_not_served_by_its_neighbour() {
    let mut routes = table(&[("demo.a", "/", &[echo_heads().await])]);
    let closed = secured(nobody().await, "app.internal", true, Some("missing"));
    let (_, mut route) = closed.routes.into_iter().next().unwrap();
    route.path = skep::route::PathMatch::Prefix("/admin".to_owned());
    routes.backends.extend([(
        "closed".to_owned(),
        closed.backends.into_values().next().unwrap(),
    )]);
    route.targets[0].backend = "closed".to_owned();
    routes.routes.insert(route.name(), route);
    let mut proxy = Proxy::empty(None);
    proxy.try_apply(&routes).await.unwrap_err();
    assert_eq!(proxy.get("demo.a", "/").await.status, 200);
    assert_eq!(proxy.get("demo.a", "/admin/x").await.status, 503);
}
