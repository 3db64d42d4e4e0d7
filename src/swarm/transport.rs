//! HTTP to an engine over a unix socket, TCP, TLS, `ssh` or memory, with reused connections and
//! a deadline on every request. The event stream alone has none: it has an idle timer instead.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use super::endpoint::{Endpoint, TlsFiles};
use super::error::Error;

/// How long a connection may take to open.
const CONNECT: Duration = Duration::from_secs(5);

/// A byte stream to an engine.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// Opens byte streams to one engine. Tests implement it over memory.
pub trait Dial: Send + Sync {
    /// Opens one.
    fn dial(&self) -> BoxFuture<'static, io::Result<Box<dyn Io>>>;
}

/// The HTTP client of one engine. Clones share its connections.
#[derive(Clone)]
pub(crate) struct Transport {
    client: Client<Dialer, Full<Bytes>>,
    authority: Arc<str>,
    host: Arc<str>,
}

impl Transport {
    pub(crate) fn new(endpoint: &Endpoint) -> Result<Self, Error> {
        let authority = match endpoint {
            Endpoint::Tcp { host, port, .. } if host.contains(':') => format!("[{host}]:{port}"),
            Endpoint::Tcp { host, port, .. } => format!("{host}:{port}"),
            Endpoint::Unix(_) | Endpoint::Ssh { .. } => "docker".to_owned(),
        };
        Ok(Self::over(
            dialer(endpoint)?,
            &authority,
            &endpoint.to_string(),
        ))
    }

    /// A client whose connections `dial` opens; `host` names the engine in messages.
    pub(crate) fn over(dial: Arc<dyn Dial>, authority: &str, host: &str) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(8)
            .build(Dialer(dial));
        Self {
            client,
            authority: authority.into(),
            host: host.into(),
        }
    }

    /// Where the engine is, for people.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// One request with its whole answer, within the deadline.
    pub(crate) async fn call(
        &self,
        what: &str,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
        deadline: Duration,
    ) -> Result<(StatusCode, Bytes), Error> {
        let exchange = async {
            let (head, body) = self.send(method, path, body).await?.into_parts();
            let bytes = body.collect().await.map_err(|e| self.unreachable(&e))?;
            Ok((head.status, bytes.to_bytes()))
        };
        tokio::time::timeout(deadline, exchange)
            .await
            .unwrap_or_else(|_| Err(self.timeout(what, deadline)))
    }

    /// A request whose answer goes on: the deadline ends with the head of the answer.
    pub(crate) async fn open(
        &self,
        what: &str,
        path: &str,
        deadline: Duration,
    ) -> Result<Response<Incoming>, Error> {
        tokio::time::timeout(deadline, self.send(Method::GET, path, None))
            .await
            .unwrap_or_else(|_| Err(self.timeout(what, deadline)))
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Response<Incoming>, Error> {
        let uri = Uri::builder()
            .scheme("http")
            .authority(&*self.authority)
            .path_and_query(path)
            .build()
            .map_err(|e| self.broken(&e))?;
        let mut request = Request::builder().method(method).uri(uri);
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request
            .body(Full::new(Bytes::from(body.unwrap_or_default())))
            .map_err(|e| self.broken(&e))?;
        self.client
            .request(request)
            .await
            .map_err(|e| self.unreachable(&e))
    }

    fn broken(&self, error: &http::Error) -> Error {
        Error::Endpoint {
            message: format!("cannot make a request for {}: {error}", self.host),
        }
    }

    fn timeout(&self, what: &str, deadline: Duration) -> Error {
        Error::Timeout {
            what: what.to_owned(),
            host: self.host.to_string(),
            seconds: deadline.as_secs(),
        }
    }

    /// Says why no engine answers, and what to do.
    pub(crate) fn unreachable(&self, error: &(dyn std::error::Error + 'static)) -> Error {
        let mut deepest = error;
        let mut kind = None;
        let mut next = Some(error);
        while let Some(e) = next {
            deepest = e;
            if let Some(io) = e.downcast_ref::<io::Error>() {
                kind = Some(io.kind());
            }
            next = e.source();
        }
        let message = match kind {
            Some(io::ErrorKind::NotFound) => {
                "there is no such socket; start Docker, or set DOCKER_HOST or a docker context"
                    .to_owned()
            }
            Some(io::ErrorKind::ConnectionRefused) => {
                "nothing listens there; start Docker, or set DOCKER_HOST or a docker context"
                    .to_owned()
            }
            Some(io::ErrorKind::PermissionDenied) => {
                "permission denied; run as root or as a member of the group that owns the socket (usually docker)"
                    .to_owned()
            }
            _ => format!("{deepest}; see that the engine runs and the address is right"),
        };
        Error::Unreachable {
            host: self.host.to_string(),
            message,
        }
    }
}

fn dialer(endpoint: &Endpoint) -> Result<Arc<dyn Dial>, Error> {
    Ok(match endpoint {
        Endpoint::Unix(path) => Arc::new(UnixDial(path.as_path().into())),
        Endpoint::Tcp { host, port, tls } => Arc::new(TcpDial {
            address: (host.as_str().into(), *port),
            tls: match tls {
                Some(files) => Some(tls_config(host, files)?),
                None => None,
            },
        }),
        Endpoint::Ssh { target, port } => Arc::new(SshDial {
            target: target.clone(),
            port: *port,
        }),
    })
}

struct UnixDial(Arc<Path>);

impl Dial for UnixDial {
    fn dial(&self) -> BoxFuture<'static, io::Result<Box<dyn Io>>> {
        let path = self.0.clone();
        Box::pin(async move {
            let stream = tokio::net::UnixStream::connect(path).await?;
            Ok(Box::new(stream) as Box<dyn Io>)
        })
    }
}

struct TcpDial {
    address: (Arc<str>, u16),
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Dial for TcpDial {
    fn dial(&self) -> BoxFuture<'static, io::Result<Box<dyn Io>>> {
        let (host, port) = self.address.clone();
        let tls = self.tls.clone();
        Box::pin(async move {
            let stream = tokio::net::TcpStream::connect((&*host, port)).await?;
            stream.set_nodelay(true)?;
            Ok(match tls {
                Some((connector, name)) => Box::new(connector.connect(name, stream).await?),
                None => Box::new(stream) as Box<dyn Io>,
            })
        })
    }
}

/// `docker system dial-stdio` on the other machine speaks the engine's HTTP over its stdio.
struct SshDial {
    target: String,
    port: Option<u16>,
}

impl Dial for SshDial {
    fn dial(&self) -> BoxFuture<'static, io::Result<Box<dyn Io>>> {
        let mut ssh = tokio::process::Command::new("ssh");
        ssh.args(["-o", "ConnectTimeout=5", "-o", "BatchMode=yes", "-T"]);
        if let Some(port) = self.port {
            ssh.args(["-p", &port.to_string()]);
        }
        ssh.args(["--", &self.target, "docker system dial-stdio"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::inherit())
            .kill_on_drop(true);
        Box::pin(async move {
            let mut child = ssh.spawn().map_err(|e| {
                io::Error::other(format!("cannot run the ssh program ({e}): install it, or use a docker context with tcp:// and TLS"))
            })?;
            let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
                return Err(io::Error::other("ssh has no standard input or output"));
            };
            let both = tokio::io::join(stdout, stdin);
            Ok(Box::new(Held {
                both,
                _child: child,
            }) as Box<dyn Io>)
        })
    }
}

/// A stream that ends its process when it is dropped.
struct Held<S> {
    both: S,
    _child: tokio::process::Child,
}

impl<S: AsyncRead + Unpin> AsyncRead for Held<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.both).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Held<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.both).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.both).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.both).poll_shutdown(cx)
    }
}

fn tls_config(host: &str, files: &TlsFiles) -> Result<(TlsConnector, ServerName<'static>), Error> {
    let bad = |path: &Path, e: &dyn std::fmt::Display| Error::Endpoint {
        message: format!("cannot use {} for TLS to the engine: {e}", path.display()),
    };
    let certificates = |path: &Path| -> Result<Vec<CertificateDer<'static>>, Error> {
        CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect)
            .map_err(|e| bad(path, &e))
    };
    let mut roots = rustls::RootCertStore::empty();
    for certificate in certificates(&files.ca)? {
        roots.add(certificate).map_err(|e| bad(&files.ca, &e))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| bad(&files.ca, &e))?
        .with_root_certificates(roots);
    let config = match &files.identity {
        Some((cert, key)) => {
            let chain = certificates(cert)?;
            let secret = PrivateKeyDer::from_pem_file(key).map_err(|e| bad(key, &e))?;
            builder
                .with_client_auth_cert(chain, secret)
                .map_err(|e| bad(cert, &e))?
        }
        None => builder.with_no_client_auth(),
    };
    let name = ServerName::try_from(host.to_owned()).map_err(|e| bad(Path::new(host), &e))?;
    Ok((TlsConnector::from(Arc::new(config)), name))
}

/// [`Dial`] as hyper wants it.
#[derive(Clone)]
struct Dialer(Arc<dyn Dial>);

impl tower::Service<Uri> for Dialer {
    type Response = Stream;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Stream>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let dial = self.0.dial();
        Box::pin(async move {
            match tokio::time::timeout(CONNECT, dial).await {
                Ok(stream) => Ok(Stream(TokioIo::new(stream?))),
                Err(_) => Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("no connection within {} s", CONNECT.as_secs()),
                )),
            }
        })
    }
}

/// A byte stream as hyper wants it.
struct Stream(TokioIo<Box<dyn Io>>);

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl Write for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
