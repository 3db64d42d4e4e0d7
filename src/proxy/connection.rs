//! One client connection: who it is, what it speaks, how long it may take.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Cx, Poll};

use bytes::BytesMut;
use http::HeaderValue;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::attend::attend;
use super::drain::Stage;
use super::greet::{self, Replay};
use super::linger::Linger;
use super::tls::Secured;
use super::watch::Watch;
use super::worker::{Open, Worker};
use super::{handle, limits};

/// What all requests of one connection share.
pub(super) struct Context {
    pub(super) worker: Arc<Worker>,
    /// The client, or what the PROXY protocol tells of it.
    pub(super) peer: SocketAddr,
    /// Its address as a header's value.
    pub(super) address: HeaderValue,
    pub(super) watch: Arc<Watch>,
    /// It came over TLS, which ends here.
    pub(super) tls: bool,
    /// What was agreed on by TLS.
    pub(super) secured: Option<Secured>,
    /// Counts it as long as anything of it lives: a tunnel outlives the connection proper.
    pub(super) _open: Open,
}

/// A connection of which nothing was read yet.
pub(super) struct Arrival {
    pub(super) worker: Arc<Worker>,
    pub(super) peer: SocketAddr,
    pub(super) open: Open,
    /// It must be known what it wants until then.
    deadline: Instant,
}

/// Why an arrival comes to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// It took too long.
    Late,
    /// The proxy is on its way out.
    Leaving,
}

impl Arrival {
    pub(super) fn new(
        worker: Arc<Worker>,
        stream: &TcpStream,
        peer: SocketAddr,
        open: Open,
    ) -> Self {
        // A socket without TCP_NODELAY is slower, not wrong.
        let _ = stream.set_nodelay(true);
        Self {
            worker,
            peer,
            open,
            deadline: Instant::now() + limits::HEAD_TIME,
        }
    }

    /// Waits for something that must come soon.
    pub(super) async fn await_in_time<F: Future>(&self, what: F) -> Result<F::Output, Lost> {
        let leaving = self.worker.shared.drain.reached(self.open.leaves_at());
        tokio::select! {
            done = timeout_at(self.deadline, what) => done.map_err(|_| Lost::Late),
            () = leaving => Err(Lost::Leaving),
        }
    }

    /// Whether clients are told of by the PROXY protocol.
    pub(super) fn expects_proxy(&self) -> bool {
        self.worker
            .shared
            .tables
            .load()
            .listener
            .traffic
            .proxy_protocol
    }

    /// Takes what the PROXY protocol tells. An IPv4 client of an IPv6 socket is told as what it is.
    pub(super) fn is_from(&mut self, client: Option<SocketAddr>) {
        let peer = client.unwrap_or(self.peer);
        self.peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    }
}

/// Serves a plain connection until either side ends it.
pub(super) async fn serve(mut arrival: Arrival, mut stream: TcpStream) {
    let mut bytes = BytesMut::with_capacity(1024);
    let greeting = async {
        let mut client = None;
        if arrival.expects_proxy() {
            client = greet::client(&mut stream, &mut bytes).await?;
        }
        Some((client, greet::is_h2(&mut stream, &mut bytes).await?))
    };
    let Ok(Some((client, is_h2))) = arrival.await_in_time(greeting).await else {
        return;
    };
    arrival.is_from(client);
    speak(arrival, Replay::new(bytes, stream), is_h2, None).await;
}

/// Answers the requests of a connection whose client and protocol are known.
pub(super) async fn speak<S>(arrival: Arrival, stream: S, is_h2: bool, secured: Option<Secured>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let Arrival {
        worker, peer, open, ..
    } = arrival;
    let leave_at = open.leaves_at();
    let address = HeaderValue::try_from(peer.ip().to_string());
    let watch = Arc::new(Watch::new(!is_h2));
    let context = Arc::new(Context {
        worker: Arc::clone(&worker),
        peer,
        address: address.unwrap_or_else(|_| HeaderValue::from_static("unknown")),
        watch: Arc::clone(&watch),
        tls: secured.is_some(),
        secured,
        _open: open,
    });
    let io = TokioIo::new(ClientIo {
        stream: Linger::new(stream, Arc::clone(&watch)),
        watch: Arc::clone(&watch),
    });
    let service = service_fn(move |request| {
        let context = Arc::clone(&context);
        async move { Ok::<_, Infallible>(handle::handle(context, request).await) }
    });
    if is_h2 {
        let connection = worker.http2.serve_connection(io, service);
        // Streams are many and short: a client that is told to go away early loses nothing.
        attend(&worker, &watch, Stage::Leaving, connection, |it| {
            it.graceful_shutdown();
        })
        .await;
    } else {
        let connection = worker.http1.serve_connection(io, service).with_upgrades();
        attend(&worker, &watch, leave_at, connection, |it| {
            it.graceful_shutdown();
        })
        .await;
    }
}

/// Says no to a connection over the limit, as far as its socket takes it at once.
pub(super) fn refuse(stream: &TcpStream) {
    let _ = stream.try_write(
        b"HTTP/1.1 503 Service Unavailable\r\nserver: skep\r\nx-skep-reason: TooManyConnections\r\n\
          content-type: text/plain\r\ncontent-length: 33\r\nconnection: close\r\n\r\n\
          too many connections, come later\n",
    );
}

/// The stream that requests are read from, telling the watch what moves.
struct ClientIo<S> {
    stream: Linger<S>,
    watch: Arc<Watch>,
}

impl<S: AsyncRead + Unpin> AsyncRead for ClientIo<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Cx<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        std::task::ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            self.watch.read();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for ClientIo<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Cx<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        if written.is_ready() {
            self.watch.wrote();
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Cx<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Cx<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Cx<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        if written.is_ready() {
            self.watch.wrote();
        }
        written
    }
}
