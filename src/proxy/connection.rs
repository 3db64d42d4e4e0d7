//! One client connection: who it is, what it speaks, how long it may take.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context as Cx, Poll};

use bytes::{Buf as _, Bytes, BytesMut};
use http::HeaderValue;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::drain::Stage;
use super::linger::Linger;
use super::proxy_protocol::{self, Header};
use super::watch::{Verdict, Watch};
use super::worker::Worker;
use super::{handle, limits};

/// What HTTP/2 begins with (prior knowledge).
const H2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

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
}

/// Serves a connection until either side ends it.
pub(super) async fn serve(worker: Arc<Worker>, mut stream: TcpStream, peer: SocketAddr) {
    // A socket without TCP_NODELAY is slower, not wrong.
    let _ = stream.set_nodelay(true);
    let expect_proxy = worker.shared.tables.load().listener.traffic.proxy_protocol;
    let greeting = greet(&mut stream, expect_proxy);
    let over = worker.shared.drain.reached(Stage::Closing);
    let greeting = tokio::select! {
        greeting = timeout(limits::HEAD_TIME, greeting) => greeting,
        () = over => return,
    };
    let Ok(Some(greeting)) = greeting else {
        return;
    };
    // An IPv4 client of an IPv6 socket is told as what it is.
    let peer = greeting.client.unwrap_or(peer);
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    let address = HeaderValue::try_from(peer.ip().to_string());
    let watch = Arc::new(Watch::new(!greeting.is_h2));
    let context = Arc::new(Context {
        worker: Arc::clone(&worker),
        peer,
        address: address.unwrap_or_else(|_| HeaderValue::from_static("unknown")),
        watch: Arc::clone(&watch),
        tls: false,
    });
    let io = TokioIo::new(ClientIo {
        stream: Linger::new(stream, Arc::clone(&watch)),
        first: greeting.first,
        watch: Arc::clone(&watch),
    });
    let service = service_fn(move |request| {
        let context = Arc::clone(&context);
        async move { Ok::<_, Infallible>(handle::handle(context, request).await) }
    });
    if greeting.is_h2 {
        let connection = worker.http2.serve_connection(io, service);
        // Streams are many and short: a client that is told to go away early loses nothing.
        attend(&worker, &watch, Stage::Leaving, connection, |it| {
            it.graceful_shutdown();
        })
        .await;
    } else {
        let connection = worker.http1.serve_connection(io, service).with_upgrades();
        attend(&worker, &watch, Stage::Closing, connection, |it| {
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

/// Drives a connection, ends it when its time is up, and lets it finish when the proxy leaves.
async fn attend<C: Future>(
    worker: &Worker,
    watch: &Watch,
    leave_at: Stage,
    connection: C,
    leave: impl Fn(Pin<&mut C>),
) {
    let drain = &worker.shared.drain;
    let mut connection = pin!(connection);
    let mut leaving = pin!(drain.reached(leave_at));
    let (mut is_leaving, mut first) = (false, true);
    let mut timer = pin!(sleep(limits::HEAD_TIME));
    let mut timed_for_head = true;
    std::future::poll_fn(|cx| {
        if connection.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        // The futures below have this task's waker from their first poll on; polling them again
        // before they are due would only cost.
        if !is_leaving
            && (first || drain.stage() >= leave_at)
            && leaving.as_mut().poll(cx).is_ready()
        {
            is_leaving = true;
            leave(connection.as_mut());
            if connection.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
        }
        let in_head = watch.is_in_head();
        if in_head && !timed_for_head {
            timer.as_mut().reset(Instant::now() + limits::HEAD_TIME);
            timed_for_head = true;
        }
        if first || timer.is_elapsed() || timed_for_head != in_head {
            timed_for_head = in_head;
            while timer.as_mut().poll(cx).is_ready() {
                let traffic = &worker.shared.tables.load().listener.traffic;
                let idle = traffic.idle_timeout.get();
                match watch.look(idle, idle.max(traffic.request_timeout.get())) {
                    Verdict::Wait(left) => timer.as_mut().reset(Instant::now() + left),
                    Verdict::Close => return Poll::Ready(()),
                }
            }
        }
        first = false;
        Poll::Pending
    })
    .await;
}

/// What the first bytes of a connection say.
struct Greeting {
    client: Option<SocketAddr>,
    is_h2: bool,
    /// Bytes read that belong to the first request.
    first: Bytes,
}

/// Reads as much as is needed to know who speaks which protocol. `None`: not worth serving.
async fn greet(stream: &mut TcpStream, expect_proxy: bool) -> Option<Greeting> {
    let mut bytes = BytesMut::with_capacity(1024);
    let mut client = None;
    if expect_proxy {
        client = loop {
            match proxy_protocol::parse(&bytes) {
                Header::Partial => more(stream, &mut bytes).await?,
                Header::Invalid => return None,
                Header::Whole(len, address) => {
                    bytes.advance(len);
                    break address;
                }
            }
        };
    }
    loop {
        let len = bytes.len().min(H2_PREFACE.len());
        let is_h2 = bytes[..len] == H2_PREFACE[..len];
        if is_h2 && len < H2_PREFACE.len() {
            more(stream, &mut bytes).await?;
            continue;
        }
        let first = bytes.freeze();
        return Some(Greeting {
            client,
            is_h2,
            first,
        });
    }
}

async fn more(stream: &mut TcpStream, bytes: &mut BytesMut) -> Option<()> {
    match stream.read_buf(bytes).await {
        Ok(len) if len > 0 => Some(()),
        _ => None,
    }
}

/// The socket with what was read of it before, telling the watch what moves.
struct ClientIo {
    stream: Linger<TcpStream>,
    first: Bytes,
    watch: Arc<Watch>,
}

impl AsyncRead for ClientIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Cx<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        if self.first.is_empty() {
            std::task::ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        } else {
            let len = self.first.len().min(buf.remaining());
            buf.put_slice(&self.first.split_to(len));
        }
        if buf.filled().len() > before {
            self.watch.read();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Cx<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.watch.wrote();
        Pin::new(&mut self.stream).poll_write(cx, buf)
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
        self.watch.wrote();
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }
}
