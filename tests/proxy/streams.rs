//! HTTP/2: agreed on by TLS, for the right hosts only, and ended with a goodbye.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use skep::api::value::Span;
use skep::route::{Passthrough, Target};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::certificates::*;
use crate::harness::*;

const GOAWAY: u8 = 7;
const RST_STREAM: u8 = 3;

#[tokio::test]
async fn http2_is_agreed_on_and_http1_where_that_is_all() {
    let authority = Authority::new();
    let routes = table(&[("demo.a", "/", &[echo_heads().await])]);
    let routes = with(routes, &[("a", authority.certificate(&["demo.a"]))]);
    let mut proxy = Proxy::serving(&routes).await;
    let address = address(&mut proxy).await;
    for (option, version) in [("--http2", "2"), ("--http1.1", "1.1")] {
        let curl = tokio::process::Command::new("curl")
            .args([
                "-sk",
                option,
                "-d",
                "body",
                "-w",
                "%{http_code} %{http_version}",
            ])
            .arg("--connect-to")
            .arg(format!("demo.a:443:127.0.0.1:{}", address.port()))
            .arg("https://demo.a/x")
            .output()
            .await
            .unwrap();
        let text = String::from_utf8_lossy(&curl.stdout);
        assert!(text.ends_with(&format!("200 {version}")), "{text}");
        assert!(text.contains("x-forwarded-proto: https\r\n"), "{text}");
        assert!(text.contains("host: demo.a\r\n"), "{text}");
    }
}

#[tokio::test]
async fn a_request_for_a_host_of_another_connection_is_misdirected() {
    let authority = Authority::new();
    let echo = echo_heads().await;
    let routes = table(&[("*", "/", &[echo])]);
    let mut routes = with(
        routes,
        &[
            ("wild", authority.certificate(&["*.example.com"])),
            ("own", authority.certificate(&["own.example.com"])),
            ("two", authority.certificate(&["demo.a", "demo.b"])),
        ],
    );
    let target = Target {
        backend: "*/".to_owned(),
        weight: None,
    };
    let passed = Passthrough {
        host: "pass.example.com".to_owned(),
        targets: vec![target],
    };
    routes.passthroughs.insert(passed.host.clone(), passed);
    routes.listener.default_certificate = Some("two".to_owned());
    let mut proxy = Proxy::serving(&routes).await;
    let cases = [
        // By the certificate's own names.
        ("a.example.com", "A.example.com:443", 200),
        ("a.example.com", "b.example.com", 200),
        // It covers that one too, though another connection would show another.
        ("a.example.com", "own.example.com", 200),
        ("a.example.com", "demo.a", 421),
        ("demo.a", "demo.b", 200),
        ("demo.a", "b.example.com", 421),
        // What is passed on is never reached through another's connection.
        ("a.example.com", "pass.example.com", 421),
        // Whoever was shown the default certificate is in the right place.
        ("unknown.z", "unknown.z", 200),
        ("demo.a", "unknown.z", 200),
    ];
    for (named, asked, want) in cases {
        let mut client = authority.client(&["h2"]);
        client
            .dangerous()
            .set_certificate_verifier(Arc::new(Anything));
        let stream = open(&mut proxy, &Arc::new(client), named).await.unwrap();
        let (mut send, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .unwrap();
        tokio::spawn(connection);
        let request = Request::get(format!("https://{asked}/")).body(Empty::<Bytes>::new());
        let answer = send.send_request(request.unwrap()).await.unwrap();
        assert_eq!(answer.status().as_u16(), want, "{named} asks for {asked}");
        if answer.status() == StatusCode::MISDIRECTED_REQUEST {
            assert_eq!(answer.headers()["x-skep-reason"], "Misdirected");
        }
        answer.into_body().collect().await.unwrap();
    }
}

/// Takes every certificate: these tests ask for hosts that are not covered.
#[derive(Debug)]
struct Anything;

impl rustls::client::danger::ServerCertVerifier for Anything {
    fn verify_server_cert(
        &self,
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &[rustls::pki_types::CertificateDer<'_>],
        _: &rustls::pki_types::ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        let provider = rustls::crypto::ring::default_provider();
        provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let len = u8::try_from(payload.len()).unwrap();
    [&[0, 0, len, kind, flags, 0, 0, 0, stream][..], payload].concat()
}

/// A client that speaks HTTP/2 by hand, with no window for bodies.
async fn by_hand(proxy: &mut Proxy) -> TcpStream {
    let mut client = proxy.connect().await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    // SETTINGS_INITIAL_WINDOW_SIZE: 0.
    let settings = frame(4, 0, 0, &[0, 4, 0, 0, 0, 0]);
    let first = [&preface[..], &settings].concat();
    client.write_all(&first).await.unwrap();
    client
}

/// Kinds of the frames that come until the end.
async fn kinds(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Vec<u8> {
    let mut kinds = Vec::new();
    let mut head = [0; 9];
    while stream.read_exact(&mut head).await.is_ok() {
        kinds.push(head[3]);
        let len = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(len).unwrap()];
        if stream.read_exact(&mut payload).await.is_err() {
            break;
        }
    }
    kinds
}

#[tokio::test]
async fn an_idle_connection_is_told_to_go_away() {
    let mut routes = table(&[("demo.a", "/", &[echo_heads().await])]);
    routes.listener.traffic.timeouts.idle = Span::from_millis(100);
    let mut proxy = Proxy::serving(&routes).await;
    let mut client = by_hand(&mut proxy).await;
    let kinds = tokio::time::timeout(LONG * 2, kinds(&mut client)).await;
    let kinds = kinds.expect("an idle connection stays open");
    assert!(kinds.contains(&GOAWAY), "{kinds:?}");
}

#[tokio::test]
async fn a_stream_that_stalls_is_ended_whatever_its_connection_chatters() {
    let mut routes = table(&[("demo.a", "/", &[echo_heads().await])]);
    routes.listener.traffic.timeouts.idle = Span::from_millis(100);
    routes.listener.traffic.timeouts.request = Span::from_millis(100);
    let mut proxy = Proxy::serving(&routes).await;
    let client = by_hand(&mut proxy).await;
    let (mut from, mut to) = client.into_split();
    // `:method GET`, `:scheme http`, `:path /`, `:authority demo.a`; the answer finds no window.
    let head = b"\x82\x86\x84\x41\x06demo.a";
    to.write_all(&frame(1, 5, 1, head)).await.unwrap();
    let chatter = tokio::spawn(async move {
        while to.write_all(&frame(6, 0, 0, &[0; 8])).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let kinds = tokio::time::timeout(LONG * 2, kinds(&mut from)).await;
    let kinds = kinds.expect("a stalled stream is kept for ever");
    assert!(
        kinds.contains(&1),
        "the request was not answered: {kinds:?}"
    );
    assert!(kinds.contains(&GOAWAY), "{kinds:?}");
    assert!(!kinds.contains(&RST_STREAM), "{kinds:?}");
    chatter.await.unwrap();
}
