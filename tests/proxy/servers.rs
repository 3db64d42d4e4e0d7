//! Endpoints that speak HTTP as libraries do, plain or over TLS, and a client of HTTP/2.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

pub type Body = BoxBody<Bytes, Infallible>;
pub type Reply = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

/// An authority of tests.
pub struct Authority {
    pub pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Self { pem, issuer }
    }

    /// TLS of a server with this name, which offers these protocols.
    pub fn server(&self, name: &str, alpn: &[&str]) -> Arc<ServerConfig> {
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        config.alpn_protocols = alpn.iter().map(|it| it.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}

/// A server and what it has seen.
#[derive(Clone)]
pub struct Server {
    pub address: SocketAddr,
    pub connections: Arc<AtomicUsize>,
    pub resumed: Arc<AtomicUsize>,
    /// Connections that are open now.
    pub open: watch::Receiver<usize>,
    leave: Arc<watch::Sender<u32>>,
}

impl Server {
    /// Tells all connections of now that no more requests are taken (GOAWAY).
    pub fn send_away(&self) {
        self.leave.send_modify(|it| *it += 1);
    }
}

/// What a server is.
#[derive(Clone, Default)]
pub struct Kind {
    pub tls: Option<Arc<ServerConfig>>,
    /// HTTP/2 without TLS.
    pub h2: bool,
    pub max_streams: Option<u32>,
}

pub async fn serve<F>(kind: Kind, handler: F) -> Server
where
    F: Fn(Request<Incoming>) -> Reply + Clone + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (open, is_open) = watch::channel(0);
    let server = Server {
        address: listener.local_addr().unwrap(),
        connections: Arc::default(),
        resumed: Arc::default(),
        open: is_open,
        leave: Arc::new(watch::Sender::new(0)),
    };
    let told = server.clone();
    let open = Arc::new(open);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            told.connections.fetch_add(1, Relaxed);
            open.send_modify(|count| *count += 1);
            let (kind, handler, told) = (kind.clone(), handler.clone(), told.clone());
            let open = Arc::clone(&open);
            tokio::spawn(async move {
                greet(stream, kind, handler, told).await;
                open.send_modify(|count| *count -= 1);
            });
        }
    });
    server
}

async fn greet<F>(stream: TcpStream, kind: Kind, handler: F, told: Server)
where
    F: Fn(Request<Incoming>) -> Reply + Clone + Send + 'static,
{
    let Some(tls) = &kind.tls else {
        return speak(stream, kind.h2, &kind, handler, &told).await;
    };
    let acceptor = TlsAcceptor::from(Arc::clone(tls));
    let Ok(stream) = acceptor.accept(stream).await else {
        return;
    };
    let session = stream.get_ref().1;
    if session.handshake_kind() == Some(rustls::HandshakeKind::Resumed) {
        told.resumed.fetch_add(1, Relaxed);
    }
    let is_h2 = session.alpn_protocol() == Some(b"h2");
    let sni = session.server_name().unwrap_or("").to_owned();
    let named = move |mut request: Request<Incoming>| {
        request.headers_mut().insert("x-sni", sni.parse().unwrap());
        handler(request)
    };
    speak(stream, is_h2, &kind, named, &told).await;
}

async fn speak<S, F>(stream: S, is_h2: bool, kind: &Kind, handler: F, told: &Server)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Fn(Request<Incoming>) -> Reply + Clone + Send + 'static,
{
    let io = TokioIo::new(stream);
    let service = service_fn(move |request| {
        let reply = handler(request);
        async move { Ok::<_, Infallible>(reply.await) }
    });
    let mut leave = told.leave.subscribe();
    if is_h2 {
        let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        builder.max_concurrent_streams(kind.max_streams);
        let mut connection = std::pin::pin!(builder.serve_connection(io, service));
        loop {
            tokio::select! {
                _ = connection.as_mut() => return,
                Ok(()) = leave.changed() => connection.as_mut().graceful_shutdown(),
            }
        }
    }
    let connection = hyper::server::conn::http1::Builder::new().serve_connection(io, service);
    let _ = connection.with_upgrades().await;
}

/// Tells back version and headers of each request, with a name of its own.
pub async fn teller(kind: Kind, name: &'static str) -> Server {
    serve(kind, move |request| {
        Box::pin(async move {
            let mut text = format!(
                "{name} {} {} {:?}\n",
                request.method(),
                request.uri(),
                request.version()
            );
            for (name, value) in request.headers() {
                writeln!(text, "{name}: {}", value.to_str().unwrap()).unwrap();
            }
            let body = request.into_body().collect().await;
            let body = body
                .map(http_body_util::Collected::to_bytes)
                .unwrap_or_default();
            text += &String::from_utf8_lossy(&body);
            Response::new(text_body(text))
        })
    })
    .await
}

pub fn text_body(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).boxed()
}

pub fn empty_body() -> Body {
    Empty::new().boxed()
}

/// A client of HTTP/2 without TLS, with windows of this size.
pub async fn h2_client(
    address: SocketAddr,
    window: u32,
) -> hyper::client::conn::http2::SendRequest<Body> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(window)
        .handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    sender
}
