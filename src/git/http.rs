//! Git over HTTP: the requests of the protocol, made with hyper, whole answers in memory.

use std::any::Any;
use std::cell::RefCell;
use std::fmt::Write as _;
use std::io::{self, BufRead, Cursor, Read, Write};
use std::rc::Rc;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use gix_error::ErrorExt as _;
use gix_transport::client::blocking_io::http::{
    GetResponse, Http, PostBodyDataKind, PostResponse, Transport,
};
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio_rustls::TlsConnector;

use super::bounds::Bounds;
use super::url::Scheme;
use super::{Credentials, Error, Url};

/// The requests of one repository.
#[derive(Clone)]
pub(super) struct Client {
    runtime: Handle,
    url: Url,
    tls: Option<TlsConnector>,
    authorization: Option<String>,
    bounds: Bounds,
}

/// The transport of a repository on an HTTP server.
pub(super) fn connect(
    runtime: &Handle,
    url: &Url,
    authorities: Option<&str>,
    credentials: Option<&Credentials>,
    bounds: &Bounds,
) -> Result<Transport<Client>, Error> {
    let secure = url.scheme == Scheme::Https;
    if credentials.is_some() && !secure {
        return Err(Error::Url(
            "credentials are sent by https:// only: change spec.url, or remove them with `skep source auth --remove`".to_owned(),
        ));
    }
    let client = Client {
        runtime: runtime.clone(),
        url: url.clone(),
        tls: secure.then(|| tls(authorities)).transpose()?,
        authorization: credentials.map(|who| {
            let pair = format!("{}:{}", who.username, who.password);
            format!("Basic {}", STANDARD.encode(pair))
        }),
        bounds: bounds.clone(),
    };
    let address = url.to_string();
    let parsed = address.as_str().try_into();
    let parsed = parsed.map_err(|_| Error::Url(format!("`{address}` is not a URL")))?;
    let version = gix_transport::Protocol::V2;
    Ok(Transport::new_http(client, parsed, version, false))
}

fn tls(authorities: Option<&str>) -> Result<TlsConnector, Error> {
    let roots = match authorities {
        None => webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect(),
        Some(pem) => {
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                let added = certificate.ok().and_then(|der| roots.add(der).ok());
                added.ok_or_else(|| Error::Url("spec.ca holds no certificate in PEM".into()))?;
            }
            roots
        }
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Protocol(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Headers and body of an answer.
type Answer = (String, Bytes);

impl Client {
    /// Makes one request, within the time that is left.
    fn send(&self, request: Request<Full<Bytes>>) -> Result<Answer, Error> {
        let left = self.bounds.time()?;
        self.runtime.block_on(async {
            tokio::select! {
                () = self.bounds.stopped() => Err(Error::Stopped),
                answer = tokio::time::timeout(left, self.exchange(request)) => {
                    answer.unwrap_or_else(|_| Err(self.bounds.late()))
                }
            }
        })
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Answer, Error> {
        let unreachable = |why: String| Error::Unreachable {
            host: self.url.authority(),
            why,
        };
        let address = (self.url.host.as_str(), self.url.port);
        let stream = TcpStream::connect(address).await;
        let stream = stream.map_err(|error| unreachable(error.to_string()))?;
        match &self.tls {
            None => self.over(stream, request).await,
            Some(connector) => {
                let fail = |why: String| Error::Tls {
                    host: self.url.authority(),
                    why,
                };
                let name = ServerName::try_from(self.url.host.clone());
                let name = name.map_err(|error| fail(error.to_string()))?;
                let stream = connector.connect(name, stream).await;
                let stream = stream.map_err(|error| fail(error.to_string()))?;
                self.over(stream, request).await
            }
        }
    }

    async fn over<S>(&self, stream: S, request: Request<Full<Bytes>>) -> Result<Answer, Error>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
    {
        let lost = |error: hyper::Error| Error::Unreachable {
            host: self.url.authority(),
            why: error.to_string(),
        };
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(lost)?;
        // Ends by itself when the answer is read and the sender is dropped.
        let driver = tokio::spawn(connection);
        let response = sender.send_request(request).await.map_err(lost)?;
        self.judge(&response)?;
        let mut headers = String::new();
        for (name, value) in response.headers() {
            let value = String::from_utf8_lossy(value.as_bytes());
            let _ = writeln!(headers, "{name}: {value}");
        }
        let mut body = response.into_body();
        let mut data = Vec::new();
        while let Some(frame) = body.frame().await {
            if let Ok(bytes) = frame.map_err(lost)?.into_data() {
                self.bounds.take(bytes.len())?;
                data.extend_from_slice(&bytes);
            }
        }
        driver.abort();
        Ok((headers, data.into()))
    }

    fn judge<B>(&self, response: &http::Response<B>) -> Result<(), Error> {
        let status = response.status();
        let location = response.headers().get(header::LOCATION);
        Err(match status {
            StatusCode::OK => return Ok(()),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Error::Denied {
                given: self.authorization.is_some(),
            },
            StatusCode::NOT_FOUND | StatusCode::GONE => Error::NoRepository(status.to_string()),
            _ if status.is_redirection() => {
                let to = location.and_then(|to| to.to_str().ok()).unwrap_or("?");
                Error::Moved(to.split("/info/refs").next().unwrap_or(to).to_owned())
            }
            _ => Error::Answer(status.to_string()),
        })
    }

    fn request(
        &self,
        method: Method,
        url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> http::request::Builder {
        // The server wants the path only.
        let uri: http::Uri = url.parse().unwrap_or_default();
        let target = uri.path_and_query().map_or("/", |path| path.as_str());
        let mut builder = Request::builder()
            .method(method)
            .uri(target)
            .header(header::HOST, self.url.authority());
        for line in headers {
            if let Some((name, value)) = line.as_ref().split_once(':') {
                builder = builder.header(name.trim(), value.trim());
            }
        }
        match &self.authorization {
            Some(text) => builder.header(header::AUTHORIZATION, text),
            None => builder,
        }
    }
}

/// The error, as the protocol's traits want it; the real one is noted.
fn dressed(bounds: &Bounds, error: Error) -> gix_error::Error {
    bounds.fail(error).raise()
}

impl Http for Client {
    type Headers = Cursor<Vec<u8>>;
    type ResponseBody = Body;
    type PostBody = Post;

    fn get(
        &mut self,
        url: &str,
        _base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> gix_error::Result<GetResponse<Self::Headers, Self::ResponseBody>> {
        let request = self.request(Method::GET, url, headers);
        let answer = request
            .body(Full::default())
            .map_err(|error| Error::Protocol(error.to_string()))
            .and_then(|request| self.send(request));
        let (headers, body) = answer.map_err(|error| dressed(&self.bounds, error))?;
        Ok(GetResponse {
            headers: Cursor::new(headers.into_bytes()),
            body: Body::Here(Cursor::new(body)),
        })
    }

    fn post(
        &mut self,
        url: &str,
        _base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
        _body: PostBodyDataKind,
    ) -> gix_error::Result<PostResponse<Self::Headers, Self::ResponseBody, Self::PostBody>> {
        let post = Rc::new(RefCell::new(Vec::new()));
        let pending = Pending {
            client: self.clone(),
            request: Some(self.request(Method::POST, url, headers)),
            post: post.clone(),
        };
        Ok(PostResponse {
            post_body: Post(post),
            // The answer comes when the request is complete, so its kind is checked by the body.
            headers: Cursor::new(b"content-type: application/x-git-upload-pack-result\n".to_vec()),
            body: Body::Pending(Box::new(pending)),
        })
    }

    fn configure(&mut self, _config: &dyn Any) -> gix_error::Result {
        Ok(())
    }
}

/// What is written to the server.
pub(super) struct Post(Rc<RefCell<Vec<u8>>>);

impl Write for Post {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(buffer);
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An answer, or what is needed to get it.
pub(super) enum Body {
    /// The answer.
    Here(Cursor<Bytes>),
    /// A request that is sent when somebody reads.
    Pending(Box<Pending>),
}

pub(super) struct Pending {
    client: Client,
    request: Option<http::request::Builder>,
    post: Rc<RefCell<Vec<u8>>>,
}

impl Pending {
    fn send(&mut self) -> Result<Bytes, Error> {
        let body = Bytes::from(self.post.take());
        let request = self.request.take().unwrap_or_default();
        let request = request.body(Full::new(body));
        let request = request.map_err(|error| Error::Protocol(error.to_string()))?;
        let (headers, body) = self.client.send(request)?;
        let kind = headers
            .lines()
            .find_map(|line| line.strip_prefix("content-type: "));
        if kind.is_some_and(|kind| kind == "application/x-git-upload-pack-result") {
            return Ok(body);
        }
        let kind = kind.unwrap_or("something without a type");
        Err(Error::Protocol(format!("an answer of type {kind}")))
    }
}

impl BufRead for Body {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if let Self::Pending(pending) = self {
            let bounds = pending.client.bounds.clone();
            let body = pending.send().map_err(|error| bounds.fail(error))?;
            *self = Self::Here(Cursor::new(body));
        }
        match self {
            Self::Here(cursor) => cursor.fill_buf(),
            Self::Pending(_) => Ok(&[]),
        }
    }

    fn consume(&mut self, amount: usize) {
        if let Self::Here(cursor) = self {
            cursor.consume(amount);
        }
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut available = self.fill_buf()?;
        let read = available.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}
