//! Bodies on their way through: counted and bounded, never gathered.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::clock;
use super::stalls::Held;
use super::ticket::Ticket;
use super::upstream::Lease;
use super::watch::Watch;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body of a request on its way to an endpoint.
#[derive(Debug, Default)]
pub(super) enum RequestBody {
    /// There is none.
    #[default]
    Empty,
    /// As it comes from the client.
    Stream(Box<Streamed>),
}

#[derive(Debug)]
pub(super) struct Streamed {
    incoming: Incoming,
    left: u64,
    upload: Upload,
    watch: Arc<Watch>,
}

/// How far a request's body is, seen from outside.
#[derive(Clone, Debug)]
pub(super) struct Upload(Arc<UploadState>);

#[derive(Debug)]
struct UploadState {
    stage: AtomicU8,
    /// The endpoint would take more, but the client has not sent it.
    waits_for_client: AtomicBool,
    /// When a part of it last moved, as [`clock`] tells it.
    moved: AtomicU64,
}

const TOO_LARGE: u8 = 1;
const CLIENT_GONE: u8 = 2;

impl Upload {
    fn new() -> Self {
        Self(Arc::new(UploadState {
            stage: AtomicU8::new(0),
            waits_for_client: AtomicBool::new(false),
            moved: AtomicU64::new(clock::now()),
        }))
    }

    /// When a part of it last moved, or it was wholly sent.
    pub(super) fn moved(&self) -> u64 {
        self.0.moved.load(Relaxed)
    }

    /// It is the client's turn to send.
    pub(super) fn waits_for_client(&self) -> bool {
        self.0.waits_for_client.load(Relaxed)
    }

    /// It went over the limit.
    pub(super) fn is_too_large(&self) -> bool {
        self.0.stage.load(Relaxed) == TOO_LARGE
    }

    /// The client broke it off.
    pub(super) fn is_client_gone(&self) -> bool {
        self.0.stage.load(Relaxed) == CLIENT_GONE
    }

    /// It did not come whole, whoever else broke off.
    pub(super) fn is_clients_fault(&self) -> bool {
        self.is_too_large() || self.is_client_gone()
    }

    fn moves(&self) {
        self.0.waits_for_client.store(false, Relaxed);
        self.0.moved.store(clock::now(), Relaxed);
    }
}

impl RequestBody {
    /// Passes on a client's body of at most `limit` bytes.
    pub(super) fn new(
        incoming: Incoming,
        limit: u64,
        watch: &Arc<Watch>,
    ) -> (Self, Option<Upload>) {
        if incoming.is_end_stream() {
            return (Self::Empty, None);
        }
        let upload = Upload::new();
        let streamed = Streamed {
            incoming,
            left: limit,
            upload: upload.clone(),
            watch: Arc::clone(watch),
        };
        (Self::Stream(Box::new(streamed)), Some(upload))
    }
}

impl Streamed {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) else {
            self.upload.0.waits_for_client.store(true, Relaxed);
            return Poll::Pending;
        };
        self.watch.progress();
        self.upload.moves();
        let Some(frame) = frame else {
            self.watch.body_ended();
            return Poll::Ready(None);
        };
        let frame = frame.inspect_err(|_| self.upload.0.stage.store(CLIENT_GONE, Relaxed))?;
        let len = frame.data_ref().map_or(0, |data| data.len() as u64);
        let Some(left) = self.left.checked_sub(len) else {
            self.upload.0.stage.store(TOO_LARGE, Relaxed);
            return Poll::Ready(Some(Err("the request's body is too large".into())));
        };
        self.left = left;
        Poll::Ready(Some(Ok(frame)))
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Stream(streamed) => streamed.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Stream(streamed) => streamed.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Stream(streamed) => streamed.incoming.size_hint(),
        }
    }
}

/// The body of an answer. When it is dropped, finished or not, the request is over.
#[derive(Debug)]
pub(super) struct ReplyBody {
    ticket: Ticket,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Done,
    Text(Bytes),
    Stream(Incoming, Option<Lease>),
    /// The same for a client of HTTP/2, which may leave an answer unread and stay.
    Held(Incoming, Held),
}

impl ReplyBody {
    /// No body: the exchange is over when the head has gone out.
    pub(super) fn empty(mut ticket: Ticket) -> Self {
        ticket.complete();
        let kind = Kind::Done;
        Self { ticket, kind }
    }

    /// An answer of our own.
    pub(super) fn text(text: impl Into<Bytes>, ticket: Ticket) -> Self {
        let kind = Kind::Text(text.into());
        Self { ticket, kind }
    }

    /// An endpoint's body, read from the connection on loan.
    pub(super) fn stream(incoming: Incoming, lease: Lease, mut ticket: Ticket) -> Self {
        if incoming.is_end_stream() {
            lease.give_back(ticket.now());
            return Self::empty(ticket);
        }
        let kind = Kind::Stream(incoming, Some(lease));
        Self { ticket, kind }
    }

    /// The same, of a connection that is taken away when nothing moves for too long.
    pub(super) fn held(incoming: Incoming, held: Held, ticket: Ticket) -> Self {
        let kind = Kind::Held(incoming, held);
        Self { ticket, kind }
    }

    fn poll_stream(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Kind::Stream(incoming, Some(lease)) = &mut self.kind else {
            return Poll::Ready(None);
        };
        let frame = std::task::ready!(lease.poll_body(incoming, cx));
        let passed = self.ticket.passed(frame.as_ref(), incoming);
        self.settle(passed);
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn poll_held(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Kind::Held(incoming, held) = &mut self.kind else {
            return Poll::Ready(None);
        };
        let Ok(frame) = std::task::ready!(held.poll_body(incoming, cx)) else {
            self.ticket.stalled();
            self.kind = Kind::Done;
            return Poll::Ready(Some(Err("nothing moved for too long".into())));
        };
        let passed = self.ticket.passed(frame.as_ref(), incoming);
        self.settle(passed);
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn settle(&mut self, passed: Passed) {
        let lease = match passed {
            Passed::More => return,
            Passed::Broken => None,
            Passed::Over => match &mut self.kind {
                Kind::Stream(_, lease) => lease.take(),
                Kind::Held(_, held) => held.take(),
                _ => None,
            },
        };
        // Without its lease a connection is closed.
        self.kind = Kind::Done;
        if let Some(lease) = lease {
            lease.give_back(self.ticket.now());
        }
    }
}

/// What is left of an answer.
#[derive(Clone, Copy)]
enum Passed {
    More,
    Over,
    Broken,
}

impl Ticket {
    fn passed(
        &mut self,
        frame: Option<&hyper::Result<Frame<Bytes>>>,
        incoming: &Incoming,
    ) -> Passed {
        match frame {
            Some(Ok(frame)) => {
                self.add(frame.data_ref().map_or(0, Bytes::len));
                if !incoming.is_end_stream() {
                    return Passed::More;
                }
            }
            Some(Err(_)) => {
                self.broke_off();
                return Passed::Broken;
            }
            None => {}
        }
        self.complete();
        Passed::Over
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        match &mut this.kind {
            Kind::Done => Poll::Ready(None),
            Kind::Text(text) => {
                let text = std::mem::take(text);
                this.kind = Kind::Done;
                this.ticket.add(text.len());
                this.ticket.complete();
                Poll::Ready(Some(Ok(Frame::data(text))))
            }
            Kind::Stream(..) => this.poll_stream(cx),
            Kind::Held(..) => this.poll_held(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Done => true,
            Kind::Text(text) => text.is_empty(),
            Kind::Stream(incoming, _) | Kind::Held(incoming, _) => incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Done => SizeHint::with_exact(0),
            Kind::Text(text) => SizeHint::with_exact(text.len() as u64),
            Kind::Stream(incoming, _) | Kind::Held(incoming, _) => incoming.size_hint(),
        }
    }
}
