//! The demo application: tells who answered, and what was asked.
//!
//! | path | answer |
//! |---|---|
//! | `/ws` | a WebSocket that echoes |
//! | `/slow?ms=` | after that many milliseconds |
//! | `/status?code=` | with that status |
//! | `/cookie?name=&value=` | sets that cookie |
//! | `/stream?count=&ms=` | that many lines (10), one each so many milliseconds (100) |
//! | `/echo` | the body of the request, as it comes |
//! | anything else | container, host name, method, path and headers; JSON with `Accept: application/json` |
//!
//! It listens on `PORT` (8000) and ends at once on SIGTERM. With the paths of a certificate and its key (PEM) in
//! `TLS_CERT` and `TLS_KEY` it speaks TLS. What stands in `METADATA` is told with each answer.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

type Body = BoxBody<Bytes, hyper::Error>;

/// Frames above this are refused: an echo needs no more, and a length is the client's word.
const LARGEST_FRAME: u64 = 1 << 20;

/// Who answers: the same for the whole life of the process.
struct Me {
    container: String,
    host: String,
    metadata: Option<String>,
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let port = std::env::var("PORT")
        .ok()
        .and_then(|port| port.parse().ok())
        .unwrap_or(8000);
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))).await?;
    let me = Arc::new(who_am_i());
    let tls = tls()?;
    // Pid 1 of a container ignores SIGTERM unless it handles it.
    let mut terminate = signal(SignalKind::terminate())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let _ = stream.set_nodelay(true);
                let (me, tls) = (me.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(me, stream).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(me, stream).await;
                            }
                        }
                    }
                });
            }
        }
    }
}

async fn serve(me: Arc<Me>, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
    let service = service_fn(move |request| answer(me.clone(), request));
    // How a connection ends is its client's business.
    let _ = auto::Builder::new(TokioExecutor::new())
        .serve_connection_with_upgrades(TokioIo::new(stream), service)
        .await;
}

/// What speaks TLS, when a certificate is given.
fn tls() -> std::io::Result<Option<TlsAcceptor>> {
    let Some(path) = std::env::var_os("TLS_CERT") else {
        return Ok(None);
    };
    let chain = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let key = std::env::var_os("TLS_KEY").unwrap_or_default();
    let key = PrivateKeyDer::from_pem_file(key).map_err(std::io::Error::other)?;
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain.map_err(std::io::Error::other)?, key)
        .map_err(std::io::Error::other)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}

/// The full container id, as the engine's own mounts tell it, and the host name.
fn who_am_i() -> Me {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let host = read("/proc/sys/kernel/hostname").trim().to_owned();
    let container = read("/proc/self/mountinfo")
        .split("/containers/")
        .skip(1)
        .find_map(|rest| rest.get(..64).map(str::to_owned))
        .filter(|id| id.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .unwrap_or_else(|| host.clone());
    let metadata = std::env::var("METADATA").ok();
    Me {
        container,
        host,
        metadata,
    }
}

async fn answer(me: Arc<Me>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let query = |name: &str| {
        let pairs = request.uri().query().unwrap_or_default().split('&');
        pairs
            .filter_map(|pair| pair.split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.to_owned())
    };
    let number = |name: &str, otherwise: u64| {
        query(name)
            .and_then(|n| n.parse().ok())
            .unwrap_or(otherwise)
    };
    Ok(match request.uri().path() {
        "/ws" => upgrade(request),
        "/echo" => Response::new(request.into_body().boxed()),
        "/stream" => stream(
            number("count", 10),
            Duration::from_millis(number("ms", 100)),
        ),
        "/slow" => {
            tokio::time::sleep(Duration::from_millis(number("ms", 1000))).await;
            tell(&me, &request)
        }
        "/status" => {
            let code = u16::try_from(number("code", 200)).unwrap_or(0);
            match StatusCode::from_u16(code) {
                Ok(status) if !status.is_informational() => {
                    let mut response = tell(&me, &request);
                    *response.status_mut() = status;
                    response
                }
                _ => refuse("code must be 200 to 999"),
            }
        }
        "/cookie" => {
            let name = query("name").unwrap_or_else(|| "demo".to_owned());
            let value = query("value").unwrap_or_else(|| me.host.clone());
            let mut response = tell(&me, &request);
            match format!("{name}={value}; Path=/").parse() {
                Ok(cookie) => {
                    response.headers_mut().insert(header::SET_COOKIE, cookie);
                    response
                }
                Err(_) => refuse("that cannot be a cookie"),
            }
        }
        _ => tell(&me, &request),
    })
}

fn full(text: impl Into<Bytes>) -> Body {
    Full::new(text.into())
        .map_err(|never| match never {})
        .boxed()
}

fn refuse(reason: &'static str) -> Response<Body> {
    let mut response = Response::new(full(format!("{reason}\n")));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response
}

fn tell(me: &Me, request: &Request<Incoming>) -> Response<Body> {
    let headers = request.headers();
    let path = request.uri().path_and_query().map_or("/", |p| p.as_str());
    let json = headers
        .get(header::ACCEPT)
        .is_some_and(|accept| accept == "application/json");
    let lines: Vec<(&str, String)> = headers
        .iter()
        .map(|(name, value)| {
            (
                name.as_str(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        })
        .collect();
    let (kind, text) = if json {
        let document = serde_json::json!({
            "container": me.container, "host": me.host, "method": request.method().as_str(),
            "path": path, "headers": lines, "metadata": me.metadata,
        });
        ("application/json", format!("{document}\n"))
    } else {
        let mut text = format!(
            "container: {}\nhost: {}\nmethod: {}\npath: {path}\n",
            me.container,
            me.host,
            request.method()
        );
        if let Some(metadata) = &me.metadata {
            let _ = writeln!(text, "metadata: {metadata}");
        }
        for (name, value) in lines {
            let _ = writeln!(text, "header: {name}: {value}");
        }
        ("text/plain; charset=utf-8", text)
    };
    let mut response = Response::new(full(text));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    response
}

fn stream(count: u64, pause: Duration) -> Response<Body> {
    let lines = futures_util::stream::unfold(0, move |line| async move {
        if line == count {
            return None;
        }
        if line > 0 {
            tokio::time::sleep(pause).await;
        }
        let frame = Frame::data(Bytes::from(format!("line {line}\n")));
        Some((Ok::<_, hyper::Error>(frame), line + 1))
    });
    Response::new(BoxBody::new(StreamBody::new(lines)))
}

fn upgrade(mut request: Request<Incoming>) -> Response<Body> {
    let Some(key) = request.headers().get("sec-websocket-key") else {
        return refuse("/ws speaks WebSocket only");
    };
    let salted = [key.as_bytes(), b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"].concat();
    let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, &salted);
    let accept = base64::engine::general_purpose::STANDARD.encode(digest);
    tokio::spawn(async move {
        if let Ok(upgraded) = hyper::upgrade::on(&mut request).await {
            let _ = echo_frames(TokioIo::new(upgraded)).await;
        }
    });
    let mut response = Response::new(full(""));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(
        header::CONNECTION,
        header::HeaderValue::from_static("upgrade"),
    );
    headers.insert(
        header::UPGRADE,
        header::HeaderValue::from_static("websocket"),
    );
    if let Ok(accept) = accept.parse() {
        headers.insert("sec-websocket-accept", accept);
    }
    response
}

/// Sends each frame back as it came (a ping as a pong), until the client closes.
async fn echo_frames(mut io: impl AsyncRead + AsyncWrite + Unpin) -> std::io::Result<()> {
    loop {
        let first = io.read_u8().await?;
        let second = io.read_u8().await?;
        let length = match second & 0x7f {
            126 => u64::from(io.read_u16().await?),
            127 => io.read_u64().await?,
            short => u64::from(short),
        };
        if length > LARGEST_FRAME || second & 0x80 == 0 {
            return Ok(());
        }
        let mut mask = [0; 4];
        io.read_exact(&mut mask).await?;
        let mut data = vec![0; usize::try_from(length).unwrap_or_default()];
        io.read_exact(&mut data).await?;
        for (byte, key) in data.iter_mut().zip(mask.iter().cycle()) {
            *byte ^= key;
        }
        let opcode = first & 0x0f;
        let head = if opcode == 9 {
            (first & 0xf0) | 0x0a
        } else {
            first
        };
        let mut frame = vec![head];
        match data.len() {
            short @ 0..=125 => frame.push(u8::try_from(short).unwrap_or_default()),
            medium @ 126..=0xffff => {
                frame.push(126);
                frame.extend(u16::try_from(medium).unwrap_or_default().to_be_bytes());
            }
            long => {
                frame.push(127);
                frame.extend((long as u64).to_be_bytes());
            }
        }
        frame.extend(&data);
        io.write_all(&frame).await?;
        io.flush().await?;
        if opcode == 8 {
            return io.shutdown().await;
        }
    }
}
