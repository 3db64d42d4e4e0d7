//! HTTP/2 connections: shared by many requests of one worker, each driven by a task of its own.
//!
//! *Guarantees*: a connection that went away, was told to (GOAWAY) or timed out takes no further
//! stream; requests that need one meanwhile wait for one new connection, not for one each.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING, UPGRADE};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Request, Uri, Version};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::sleep;

use crate::proxy::body::RequestBody;
use crate::proxy::{clock, limits};

/// Stands for the streams that an endpoint takes as long as it has not told.
const UNTOLD: usize = 9_973;
/// How often to look whether it has.
const SETTINGS_LOOK: Duration = Duration::from_millis(1);
/// Then it is taken to have no limit below our own.
const SETTINGS_LOOKS: u32 = 50;

/// The HTTP/2 connections of one worker to one endpoint.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Multiplex {
    open: Mutex<Vec<Arc<Shared>>>,
    /// Held by who opens one.
    pub(super) opening: tokio::sync::Mutex<()>,
}

/// One connection.
#[derive(Debug)]
struct Shared {
    sender: SendRequest<RequestBody>,
    streams: AtomicUsize,
    /// Streams that the endpoint takes, as far as is known.
    limit: Arc<AtomicUsize>,
    /// Since when it has no stream.
    since: AtomicU64,
    /// It takes no more.
    retired: AtomicBool,
}

impl Shared {
    fn of(opened: Opened) -> Self {
        Self {
            sender: opened.0,
            streams: AtomicUsize::new(0),
            limit: opened.1,
            since: AtomicU64::new(clock::now()),
            retired: AtomicBool::new(false),
        }
    }

    fn is_good(&self) -> bool {
        !self.retired.load(Relaxed) && !self.sender.is_closed()
    }
}

/// A new connection and the streams that its endpoint takes.
pub(super) struct Opened(SendRequest<RequestBody>, Arc<AtomicUsize>);

/// Speaks HTTP/2 on a socket. The connection ends by itself when nobody has it any more.
pub(super) async fn open<S>(socket: S) -> io::Result<Opened>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, mut connection) = Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_max_send_streams(UNTOLD)
        .initial_stream_window_size(limits::H2_STREAM_WINDOW)
        .initial_connection_window_size(limits::H2_CONNECTION_WINDOW)
        .max_header_list_size(u32::try_from(limits::UPSTREAM_BUFFER).unwrap_or(u32::MAX))
        .keep_alive_interval(limits::H2_PING)
        .keep_alive_timeout(limits::H2_PONG)
        .handshake::<_, RequestBody>(TokioIo::new(socket))
        .await
        .map_err(io::Error::other)?;
    // Streams above the endpoint's limit would be refused, and it is told in a moment.
    for _ in 0..SETTINGS_LOOKS {
        if connection.current_max_send_streams() != UNTOLD {
            break;
        }
        sleep(SETTINGS_LOOK).await;
    }
    let streams = move |told: usize| told.min(limits::H2_UPSTREAM_STREAMS);
    let told = connection.current_max_send_streams();
    let limit = Arc::new(AtomicUsize::new(streams(told)));
    let known = Arc::clone(&limit);
    tokio::spawn(async move {
        let ended = poll_fn(|cx| {
            known.store(streams(connection.current_max_send_streams()), Relaxed);
            Pin::new(&mut connection).poll(cx)
        });
        if let Err(error) = ended.await {
            tracing::debug!(%error, "an HTTP/2 connection to an endpoint ended");
        }
    });
    Ok(Opened(sender, limit))
}

/// The right to one request on a shared connection.
#[derive(Debug)]
pub(in crate::proxy) struct Stream {
    pub(super) sender: SendRequest<RequestBody>,
    shared: Arc<Shared>,
}

impl Stream {
    /// On a connection that nobody shares.
    pub(super) fn alone(opened: Opened) -> Self {
        Self::of(&Arc::new(Shared::of(opened)))
    }

    fn of(shared: &Arc<Shared>) -> Self {
        shared.streams.fetch_add(1, Relaxed);
        Self {
            sender: shared.sender.clone(),
            shared: Arc::clone(shared),
        }
    }

    /// Further requests take another connection. Those on this one are let finish.
    pub(super) fn retire(&self) {
        self.shared.retired.store(true, Relaxed);
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.shared.since.store(clock::now(), Relaxed);
        self.shared.streams.fetch_sub(1, Relaxed);
    }
}

impl Multiplex {
    /// A stream on a connection that has room for it.
    pub(super) fn take(&self) -> Option<Stream> {
        let mut open = self.lock();
        open.retain(|shared| shared.is_good());
        let full = open.len() >= limits::H2_UPSTREAMS;
        let least = open
            .iter()
            .min_by_key(|shared| shared.streams.load(Relaxed))?;
        let has_room = least.streams.load(Relaxed) < least.limit.load(Relaxed);
        // With so many connections the endpoint's own limit is what makes requests wait.
        (has_room || full).then(|| Stream::of(least))
    }

    /// Closes what has no stream since before that moment.
    pub(super) fn sweep(&self, before: u64) {
        self.lock().retain(|shared| {
            let is_used = shared.streams.load(Relaxed) > 0;
            shared.is_good() && (is_used || shared.since.load(Relaxed) >= before)
        });
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Shared>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shares a connection from now on; its first stream.
    pub(super) fn add(&self, opened: Opened) -> Stream {
        let shared = Arc::new(Shared::of(opened));
        let stream = Stream::of(&shared);
        self.lock().push(shared);
        stream
    }
}

/// Puts a request into the form of HTTP/2: the host in the target, no headers of a hop.
pub(super) fn to_h2(request: &mut Request<RequestBody>, is_tls: bool, address: &str) {
    *request.version_mut() = Version::HTTP_2;
    let headers = request.headers_mut();
    for name in [TRANSFER_ENCODING, CONNECTION, UPGRADE] {
        headers.remove(name);
    }
    let host = headers.remove(HOST);
    let host = host.and_then(|host| Authority::try_from(host.as_bytes()).ok());
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    // A request that is sent again has the form already, and its host in the target.
    let authority = host.or_else(|| parts.authority.take());
    let authority = authority.or_else(|| address.parse().ok());
    parts.scheme = Some(if is_tls { Scheme::HTTPS } else { Scheme::HTTP });
    parts.authority = authority;
    parts
        .path_and_query
        .get_or_insert(PathAndQuery::from_static("/"));
    // All three are there, so they are a target.
    *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
}

/// Takes that back, for an endpoint that speaks HTTP/1.1 after all.
pub(super) fn to_h1(request: &mut Request<RequestBody>) {
    *request.version_mut() = Version::HTTP_11;
    let parts = std::mem::take(request.uri_mut()).into_parts();
    let host = parts.authority.as_ref().map_or("", Authority::as_str);
    if let Ok(host) = HeaderValue::from_str(host) {
        request.headers_mut().insert(HOST, host);
    }
    let path = parts.path_and_query;
    *request.uri_mut() = Uri::from(path.unwrap_or(PathAndQuery::from_static("/")));
    let has_body = !matches!(request.body(), RequestBody::Empty);
    if has_body && !request.headers().contains_key(CONTENT_LENGTH) {
        let chunked = HeaderValue::from_static("chunked");
        request.headers_mut().insert(TRANSFER_ENCODING, chunked);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(target: &'static str, host: &'static str) -> Request<RequestBody> {
        let mut request = Request::new(RequestBody::Empty);
        *request.uri_mut() = Uri::from_static(target);
        let headers = request.headers_mut();
        headers.insert(HOST, HeaderValue::from_static(host));
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        request
    }

    #[test]
    fn a_request_goes_to_http2_and_back() {
        let mut it = request("/x?q=1", "Demo.a:81");
        to_h2(&mut it, true, "10.0.0.1:80");
        assert_eq!(it.uri(), "https://Demo.a:81/x?q=1");
        assert!(it.headers().is_empty());
        to_h1(&mut it);
        assert_eq!(it.uri(), "/x?q=1");
        assert_eq!(it.headers()[HOST], "Demo.a:81");
    }

    #[test]
    fn a_request_without_a_host_is_for_the_address() {
        let mut it = request("/", "");
        to_h2(&mut it, false, "10.0.0.1:80");
        assert_eq!(it.uri(), "http://10.0.0.1:80/");
    }

    #[test]
    fn options_of_the_whole_server_keep_their_star() {
        let mut it = request("*", "demo.a");
        to_h2(&mut it, false, "10.0.0.1:80");
        assert_eq!(it.uri().path(), "*");
    }
}
