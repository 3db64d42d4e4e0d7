//! Connections over TLS: whose certificate is shown, and what is refused.

use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, HandshakeKind};
use skep::api::service_cluster::TlsVersion;
use skep::api::value::Span;
use skep::proxy::ControlSettings;
use skep::route::{Certificate, CertificateSource};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::certificates::*;
use crate::harness::*;

#[tokio::test]
async fn the_certificate_of_the_host_is_shown_the_exact_one_before_wildcards() {
    let echo = echo_heads().await;
    let authority = Authority::new();
    let wild = authority.certificate(&["*.example.com"]);
    let exact = authority.certificate(&["demo.example.com"]);
    let routes = table(&[("*.example.com", "/", &[echo])]);
    let routes = with(routes, &[("wild", wild), ("exact", exact)]);
    let mut proxy = Proxy::serving(&routes).await;
    let client = Arc::new(authority.client(&[]));
    let mut names = Vec::new();
    for host in ["demo.example.com", "DEMO.Example.com", "other.example.com"] {
        let mut stream = open(&mut proxy, &client, host).await.unwrap();
        let answer = get(&mut stream, host).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        names.push(shown(&stream));
    }
    assert_eq!(names[0], names[1]);
    assert_ne!(names[0], names[2]);
}

#[tokio::test]
async fn an_endpoint_learns_that_the_client_came_by_https() {
    let authority = Authority::new();
    let routes = table(&[("demo.a", "/", &[echo_heads().await])]);
    let mut routes = with(routes, &[("a", authority.certificate(&["demo.a"]))]);
    routes.listener.traffic.redirect_http_to_https = true;
    routes.listener.https_port = 8443;
    let mut proxy = Proxy::serving(&routes).await;
    let client = Arc::new(authority.client(&["http/1.1"]));
    let mut stream = open(&mut proxy, &client, "demo.a").await.unwrap();
    let answer = get(&mut stream, "demo.a").await;
    assert!(answer.contains("x-forwarded-proto: https\r\n"), "{answer}");
    assert!(answer.contains("x-forwarded-port: 443\r\n"), "{answer}");
    let answer = get(&mut stream, "demo.a:8443").await;
    assert!(answer.contains("x-forwarded-port: 8443\r\n"), "{answer}");
    let plain = proxy.get("demo.a", "/x").await.head;
    assert!(
        plain.contains("location: https://demo.a:8443/x\r\n"),
        "{plain}"
    );
}

#[tokio::test]
async fn a_host_without_a_certificate_is_refused_cleanly_or_shown_the_default() {
    let authority = Authority::new();
    let routes = table(&[("*", "/", &[echo_heads().await])]);
    let mut routes = with(
        routes,
        &[
            ("a", authority.certificate(&["demo.a"])),
            (
                "spare",
                Certificate {
                    hosts: vec![],
                    ..authority.certificate(&["demo.b"])
                },
            ),
        ],
    );
    let mut proxy = Proxy::serving(&routes).await;
    let client = Arc::new(authority.client(&[]));
    for host in ["demo.b", "10.0.0.1"] {
        let error = open(&mut proxy, &client, host).await.unwrap_err();
        assert!(
            error.to_string().contains("UnrecognisedName"),
            "{host}: {error}"
        );
    }
    let metrics = proxy.admin("/metrics").await.body;
    let line = "skep_proxy_tls_handshakes_total{outcome=\"unknown_name\"} 2\n";
    assert!(metrics.contains(line), "{metrics}");
    routes.listener.default_certificate = Some("spare".to_owned());
    proxy.apply(&routes).await;
    let mut stream = open(&mut proxy, &client, "demo.b").await.unwrap();
    assert!(get(&mut stream, "demo.b").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_certificate_is_renewed_without_cutting_a_connection() {
    let authority = Authority::new();
    let routes = table(&[("demo.a", "/", &[echo_heads().await])]);
    let mut routes = with(routes, &[("a", authority.certificate(&["demo.a"]))]);
    let mut proxy = Proxy::serving(&routes).await;
    let client = Arc::new(authority.client(&[]));
    let mut before = open(&mut proxy, &client, "demo.a").await.unwrap();
    assert!(get(&mut before, "demo.a").await.starts_with("HTTP/1.1 200"));
    routes = with(routes, &[("a", authority.certificate(&["demo.a"]))]);
    proxy.apply(&routes).await;
    // A client that knows nothing of before: a ticket would spare the certificate.
    let client = Arc::new(authority.client(&[]));
    let after = open(&mut proxy, &client, "demo.a").await.unwrap();
    assert_ne!(shown(&before), shown(&after));
    assert!(get(&mut before, "demo.a").await.starts_with("HTTP/1.1 200"));
    routes.certificates.clear();
    proxy.apply(&routes).await;
    assert!(open(&mut proxy, &client, "demo.a").await.is_err());
    assert!(get(&mut before, "demo.a").await.starts_with("HTTP/1.1 200"));
}

/// How the next connection is opened, and one that a ticket was got on.
async fn kind(proxy: &mut Proxy, client: &Arc<ClientConfig>, host: &str) -> HandshakeKind {
    let mut stream = open(proxy, client, host).await.unwrap();
    // Tickets come with the first bytes of the server.
    get(&mut stream, host).await;
    stream.get_ref().1.handshake_kind().unwrap()
}

#[tokio::test]
async fn sessions_are_resumed_also_after_a_renewal_but_not_with_another_certificate() {
    let authority = Authority::new();
    let routes = table(&[("demo.a", "/", &[echo_heads().await])]);
    let mut routes = with(routes, &[("a", authority.certificate(&["demo.a"]))]);
    let mut proxy = Proxy::serving(&routes).await;
    for versions in [&[&rustls::version::TLS13], &[&rustls::version::TLS12]] {
        let client = Arc::new(authority.client_of(versions));
        let full = kind(&mut proxy, &client, "demo.a").await;
        assert_eq!(full, HandshakeKind::Full);
        let again = kind(&mut proxy, &client, "demo.a").await;
        assert_eq!(again, HandshakeKind::Resumed);
        routes = with(routes, &[("a", authority.certificate(&["demo.a"]))]);
        proxy.apply(&routes).await;
        let renewed = kind(&mut proxy, &client, "demo.a").await;
        assert_eq!(renewed, HandshakeKind::Resumed);
        // The host is now somebody else's.
        let mut moved = routes.clone();
        moved.certificates.clear();
        let moved = with(moved, &[("b", authority.certificate(&["demo.a"]))]);
        proxy.apply(&moved).await;
        let other = kind(&mut proxy, &client, "demo.a").await;
        assert_eq!(other, HandshakeKind::Full);
        proxy.apply(&routes).await;
    }
    let metrics = proxy.admin("/metrics").await.body;
    let line = "skep_proxy_tls_handshakes_total{outcome=\"resumed\"} 4\n";
    assert!(metrics.contains(line), "{metrics}");
}

#[tokio::test]
async fn the_oldest_version_and_the_suites_are_as_the_listener_says() {
    let authority = Authority::new();
    let routes = table(&[("demo.a", "/", &[echo_heads().await])]);
    let mut routes = with(routes, &[("a", authority.certificate(&["demo.a"]))]);
    let mut proxy = Proxy::serving(&routes).await;
    let old = Arc::new(authority.client_of(&[&rustls::version::TLS12]));
    let new = Arc::new(authority.client_of(&[&rustls::version::TLS13]));
    open(&mut proxy, &old, "demo.a").await.unwrap();
    routes.listener.traffic.tls.min_version = TlsVersion::V1_3;
    routes.listener.traffic.tls.cipher_suites = vec!["TLS_CHACHA20_POLY1305_SHA256".to_owned()];
    proxy.apply(&routes).await;
    let error = open(&mut proxy, &old, "demo.a").await.unwrap_err();
    assert!(error.to_string().contains("ProtocolVersion"), "{error}");
    let stream = open(&mut proxy, &new, "demo.a").await.unwrap();
    let suite = stream.get_ref().1.negotiated_cipher_suite().unwrap();
    assert_eq!(
        suite.suite(),
        rustls::CipherSuite::TLS13_CHACHA20_POLY1305_SHA256
    );
    // What cannot be had is refused, and the rules of before stay.
    routes.listener.traffic.tls.cipher_suites = vec!["TLS_CHACHA20_POLY1305_SHA25".to_owned()];
    let refusal = proxy.try_apply(&routes).await.unwrap_err();
    assert!(refusal.starts_with("main: cipher suite"), "{refusal}");
    assert!(
        refusal.contains("did you mean TLS_CHACHA20_POLY1305_SHA256?"),
        "{refusal}"
    );
    open(&mut proxy, &new, "demo.a").await.unwrap();
}

#[tokio::test]
async fn a_bad_certificate_is_refused_by_name_and_the_last_good_one_stays() {
    let authority = Authority::new();
    let routes = table(&[("demo.a", "/", &[echo_heads().await])]);
    let mut routes = with(routes, &[("a", authority.certificate(&["demo.a"]))]);
    let mut proxy = Proxy::serving(&routes).await;
    let (chain, _) = authority.issue(&["demo.a"]);
    let (_, key) = authority.issue(&["demo.a"]);
    let bad = Certificate {
        hosts: vec!["demo.a".to_owned(), "demo.b".to_owned()],
        source: CertificateSource::Pem {
            chain,
            key: skep::route::SecretText(key),
        },
        ..authority.certificate(&[])
    };
    routes = with(
        routes,
        &[("a", bad), ("b", authority.certificate(&["demo.c"]))],
    );
    let refusal = proxy.try_apply(&routes).await.unwrap_err();
    assert!(
        refusal.starts_with("a: the key: the key does not fit"),
        "{refusal}"
    );
    let client = Arc::new(authority.client(&[]));
    open(&mut proxy, &client, "demo.a").await.unwrap();
    open(&mut proxy, &client, "demo.c").await.unwrap();
}

#[tokio::test]
async fn a_certificate_of_files_is_read_when_they_come_and_again_when_they_change() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let routes = table(&[("demo.a", "/", &[echo_heads().await])]);
    let source = CertificateSource::Files {
        chain: "demo.crt".to_owned(),
        key: "demo.key".to_owned(),
    };
    let certificate = Certificate {
        source,
        ..authority.certificate(&["demo.a"])
    };
    let routes = with(routes, &[("a", certificate)]);
    let mut proxy = Proxy::with(|it| it.secrets_dir = dir.path().into());
    let refusal = proxy.try_apply(&routes).await.unwrap_err();
    assert!(
        refusal.starts_with("a: file `demo.crt`: cannot be read from"),
        "{refusal}"
    );
    let client = Arc::new(authority.client(&[]));
    let mut seen = Vec::new();
    for _ in 0..2 {
        let (chain, key) = authority.issue(&["demo.a"]);
        std::fs::write(dir.path().join("demo.key"), key).unwrap();
        std::fs::write(dir.path().join("demo.crt"), chain).unwrap();
        let wanted = async {
            loop {
                let client = Arc::new(authority.client(&[]));
                if let Ok(stream) = open(&mut proxy, &client, "demo.a").await
                    && !seen.contains(&shown(&stream))
                {
                    return shown(&stream);
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let shown = tokio::time::timeout(LONG * 2, wanted).await;
        seen.push(shown.expect("files that come are not looked at"));
    }
    std::fs::write(dir.path().join("demo.crt"), "broken").unwrap();
    let metrics = proxy.admin("/metrics").await.body;
    assert!(
        metrics.contains("skep_proxy_certificate_not_after_seconds{name=\"a\"} "),
        "{metrics}"
    );
    open(&mut proxy, &client, "demo.a").await.unwrap();
}

#[tokio::test]
async fn the_proxy_protocol_comes_before_tls() {
    let authority = Authority::new();
    let routes = table(&[("demo.a", "/", &[echo_heads().await])]);
    let mut routes = with(routes, &[("a", authority.certificate(&["demo.a"]))]);
    routes.listener.traffic.proxy_protocol = true;
    let mut proxy = Proxy::serving(&routes).await;
    let client = Arc::new(authority.client(&[]));
    let mut stream = TcpStream::connect(address(&mut proxy).await).await.unwrap();
    let header = b"PROXY TCP4 10.1.2.3 10.0.0.1 4711 443\r\n";
    stream.write_all(header).await.unwrap();
    let mut stream = open_over(stream, &client, "demo.a").await.unwrap();
    let answer = get(&mut stream, "demo.a").await;
    assert!(answer.contains("x-forwarded-for: 10.1.2.3\r\n"), "{answer}");
    assert!(open(&mut proxy, &client, "demo.a").await.is_err());
}

/// Sends bytes to the port of TLS and reads to the end.
async fn send(proxy: &mut Proxy, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address(proxy).await).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let _ = tokio::time::timeout(LONG, read).await.expect("it goes on");
    answer
}

#[tokio::test]
async fn what_is_no_tls_is_ended_at_once_and_told_why() {
    let mut proxy = Proxy::serving(&table(&[("demo.a", "/", &[echo_heads().await])])).await;
    let plain = send(&mut proxy, b"GET / HTTP/1.1\r\nhost: demo.a\r\n\r\n").await;
    let plain = String::from_utf8_lossy(&plain);
    assert!(plain.starts_with("HTTP/1.1 400 "), "{plain}");
    assert!(plain.contains("x-skep-reason: PlainHttp\r\n"), "{plain}");
    let (head, body) = plain.split_once("\r\n\r\n").unwrap();
    assert!(
        head.contains(&format!("content-length: {}\r\n", body.len())),
        "{plain}"
    );
    // Unexpected message; a hello that is broken cannot be decoded.
    assert_eq!(
        send(&mut proxy, b"\0\0garbage").await,
        [21, 3, 3, 0, 2, 2, 10]
    );
    let broken = b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00";
    assert_eq!(send(&mut proxy, broken).await, [21, 3, 3, 0, 2, 2, 50]);
    let metrics = proxy.admin("/metrics").await.body;
    let line = "skep_proxy_tls_handshakes_total{outcome=\"not_tls\"} 3\n";
    assert!(metrics.contains(line), "{metrics}");
}

#[tokio::test]
async fn a_hello_that_never_ends_is_not_waited_for() {
    let mut proxy = Proxy::serving(&table(&[("demo.a", "/", &[echo_heads().await])])).await;
    let mut slow = TcpStream::connect(address(&mut proxy).await).await.unwrap();
    slow.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc")
        .await
        .unwrap();
    let drip = async {
        while slow.write_all(&[0]).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    tokio::time::timeout(LONG * 2, drip)
        .await
        .expect("a slow hello is waited for");
    let metrics = proxy.admin("/metrics").await.body;
    let line = "skep_proxy_tls_handshakes_total{outcome=\"late\"} 1\n";
    assert!(metrics.contains(line), "{metrics}");
}

#[tokio::test]
async fn a_key_is_not_on_the_disk_in_the_clear_and_serves_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let identity = dir.path().join("identity");
    std::fs::write(&identity, "whatever only proxies know").unwrap();
    let authority = Authority::new();
    let routes = table(&[("demo.a", "/", &[echo_heads().await])]);
    let certificate = authority.certificate(&["demo.a"]);
    let CertificateSource::Pem { key, .. } = certificate.source.clone() else {
        panic!("it is in files");
    };
    let routes = with(routes, &[("a", certificate)]);
    let start = || {
        Proxy::with(|it| {
            it.state_dir = Some(dir.path().into());
            it.control = Some(ControlSettings {
                endpoint: "nobody.invalid:1".to_owned(),
                ca: "/nowhere".into(),
                identity: identity.clone(),
            });
        })
    };
    let mut first = start();
    first.apply(&routes).await;
    first.address().await;
    first.stop.cancel();
    tokio::time::timeout(LONG, first.task)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    let kept = std::fs::read(skep::proxy::state::path(dir.path(), "east")).unwrap();
    let secret = key.0.lines().nth(1).unwrap().as_bytes();
    assert!(!kept.windows(secret.len()).any(|it| it == secret));
    let mut second = start();
    let client = Arc::new(authority.client(&[]));
    let mut stream = open(&mut second, &client, "demo.a").await.unwrap();
    assert!(get(&mut stream, "demo.a").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn upgraded_connections_count_as_connections() {
    let echo = endpoint(|mut stream| async move {
        read_until(&mut stream, "\r\n\r\n").await;
        let answer =
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n";
        stream.write_all(answer.as_bytes()).await.unwrap();
        let (mut from, mut to) = stream.split();
        let _ = tokio::io::copy(&mut from, &mut to).await;
    })
    .await;
    let authority = Authority::new();
    let routes = table(&[("demo.a", "/", &[echo])]);
    let mut routes = with(routes, &[("a", authority.certificate(&["demo.a"]))]);
    routes.listener.traffic.max_connections = 1;
    routes.listener.drain_timeout = Span::from_millis(200);
    let mut proxy = Proxy::serving(&routes).await;
    let client = Arc::new(authority.client(&["http/1.1"]));
    let mut stream = open(&mut proxy, &client, "demo.a").await.unwrap();
    let ask = "GET / HTTP/1.1\r\nhost: demo.a\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n";
    stream.write_all(ask.as_bytes()).await.unwrap();
    let head = read_until(&mut stream, "\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    stream.write_all(b"ping.").await.unwrap();
    assert_eq!(read_until(&mut stream, ".").await, "ping.");
    assert_eq!(proxy.get("demo.a", "/").await.status, 503);
    assert!(open(&mut proxy, &client, "demo.a").await.is_err());
    let metrics = proxy.admin("/metrics").await.body;
    for line in ["connections 1", "tunnels 1", "tls_connections 1"] {
        assert!(
            metrics.contains(&format!("skep_proxy_{line}\n")),
            "{line}: {metrics}"
        );
    }
    // The drain waits for it, and cuts it in the end.
    proxy.stop.cancel();
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

/// In TLS 1.2 nothing of a request comes with the end of the handshake.
#[tokio::test]
async fn a_drain_answers_who_comes_by_tls_while_an_old_connection_lasts() {
    let slow = endpoint(|mut stream| async move {
        read_until(&mut stream, "\r\n\r\n").await;
        tokio::time::sleep(Duration::from_millis(800)).await;
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nzz";
        stream.write_all(answer).await.unwrap();
    })
    .await;
    let authority = Authority::new();
    let routes = table(&[
        ("demo.a", "/", &[echo_heads().await]),
        ("slow.a", "/", &[slow]),
    ]);
    let routes = with(routes, &[("a", authority.certificate(&["demo.a"]))]);
    let mut proxy = Proxy::serving(&routes).await;
    let mut busy = proxy.connect().await;
    busy.write_all(b"GET / HTTP/1.1\r\nhost: slow.a\r\n\r\n")
        .await
        .unwrap();
    let client = Arc::new(authority.client_of(&[&rustls::version::TLS12]));
    get(
        &mut open(&mut proxy, &client, "demo.a").await.unwrap(),
        "demo.a",
    )
    .await;
    proxy.stop.cancel();
    // Beyond the minimum of 50 ms, and within the old request.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut late = open(&mut proxy, &client, "demo.a").await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let answer = get(&mut late, "demo.a").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(
        read_until(&mut busy, "zz").await.matches("200 OK").count(),
        1
    );
}

/// A certificate that stands in at hosts, in its turn.
fn standing_in(mut certificate: Certificate, turn: u32) -> Certificate {
    let hosts = std::mem::take(&mut certificate.hosts);
    certificate.stands_in = hosts.into_iter().map(|host| (host, turn)).collect();
    certificate
}

#[tokio::test]
async fn the_next_in_turn_is_shown_for_what_is_refused_and_gives_way_when_that_is_mended() {
    let authority = Authority::new();
    let routes = table(&[("demo.a", "/", &[echo_heads().await])]);
    let first = authority.certificate(&["demo.a"]);
    let (_, key) = authority.issue(&["demo.a"]);
    let CertificateSource::Pem { chain, .. } = &first.source else {
        panic!("PEM is made");
    };
    let bad = Certificate {
        source: CertificateSource::Pem {
            chain: chain.clone(),
            key: skep::route::SecretText(key),
        },
        ..first.clone()
    };
    let second = standing_in(authority.certificate(&["demo.a", "demo.b"]), 1);
    // First by name, last by turn.
    let third = standing_in(authority.certificate(&["demo.a", "demo.b"]), 2);
    let mut fallback = authority.certificate(&["demo.z"]);
    fallback.stands_in = [("*".to_owned(), 1)].into();
    let all = |first: Certificate| {
        [
            ("z", first),
            ("b", second.clone()),
            ("a", third.clone()),
            ("default", fallback.clone()),
        ]
    };
    let mut proxy = Proxy::empty(None);
    let told = with(routes.clone(), &all(bad));
    let refusal = proxy.try_apply(&told).await.unwrap_err();
    assert!(
        refusal.starts_with("z: the key: the key does not fit"),
        "{refusal}"
    );
    let client = Arc::new(authority.client(&[]));
    let mut seen = Vec::new();
    for host in ["demo.a", "demo.b", "demo.z"] {
        seen.push(shown(&open(&mut proxy, &client, host).await.unwrap()));
    }
    assert_eq!(seen[0], seen[1]);
    assert_ne!(seen[0], seen[2]);
    proxy.apply(&with(routes, &all(first))).await;
    let after = shown(&open(&mut proxy, &client, "demo.a").await.unwrap());
    assert_ne!(after, seen[0]);
    let other = shown(&open(&mut proxy, &client, "demo.b").await.unwrap());
    assert_eq!(other, seen[1]);
}

#[tokio::test]
async fn files_that_are_awaited_are_no_fault_and_the_last_certificate_stays() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let routes = table(&[("demo.a", "/", &[echo_heads().await])]);
    let stands_in = standing_in(authority.certificate(&["demo.a", "demo.b"]), 1);
    let own = |chain: &str, awaited| {
        let certificate = Certificate {
            awaited,
            source: CertificateSource::Files {
                chain: chain.to_owned(),
                key: "key".to_owned(),
            },
            ..authority.certificate(&["demo.a"])
        };
        let all = [("own", certificate), ("stands-in", stands_in.clone())];
        with(routes.clone(), &all)
    };
    let mut proxy = Proxy::with(|it| it.secrets_dir = dir.path().into());
    let client = Arc::new(authority.client(&[]));
    proxy.apply(&own("first", true)).await;
    let other = shown(&open(&mut proxy, &client, "demo.a").await.unwrap());
    let (chain, key) = authority.issue(&["demo.a"]);
    std::fs::write(dir.path().join("first"), chain).unwrap();
    std::fs::write(dir.path().join("key"), key).unwrap();
    proxy.apply(&own("first", false)).await;
    let first = shown(&open(&mut proxy, &client, "demo.a").await.unwrap());
    assert_ne!(first, other);
    proxy.apply(&own("next", true)).await;
    let still = shown(&open(&mut proxy, &client, "demo.a").await.unwrap());
    assert_eq!(still, first);
    // Bad content is a fault all the same.
    std::fs::write(dir.path().join("next"), "garbage").unwrap();
    let mut changed = own("next", true);
    changed.certificates.get_mut("own").unwrap().hosts = vec!["demo.c".to_owned()];
    let refusal = proxy.try_apply(&changed).await.unwrap_err();
    assert!(refusal.starts_with("own: file `next`"), "{refusal}");
}
