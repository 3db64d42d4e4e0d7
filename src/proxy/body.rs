//! Bodies on their way through: counted and bounded, never gathered.

use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Instant;

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
#[derive(Clone, Debug, Default)]
pub(super) struct Upload(Arc<UploadState>);

#[derive(Debug, Default)]
struct UploadState {
    stage: AtomicU8,
    sent: Mutex<Option<Instant>>,
}

const TOO_LARGE: u8 = 1;
const CLIENT_GONE: u8 = 2;

impl Upload {
    /// When its last byte went out; `None`: it is still going.
    pub(super) fn sent_at(&self) -> Option<Instant> {
        *self.0.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It went over the limit.
    pub(super) fn is_too_large(&self) -> bool {
        self.0.stage.load(Relaxed) == TOO_LARGE
    }

    /// The client broke it off.
    pub(super) fn is_client_gone(&self) -> bool {
        self.0.stage.load(Relaxed) == CLIENT_GONE
    }

    fn sent(&self) {
        *self.0.sent.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
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
        let upload = Upload::default();
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
        let frame = std::task::ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        self.watch.progress();
        let Some(frame) = frame else {
            self.upload.sent();
            return Poll::Ready(None);
        };
        let frame = frame.inspect_err(|_| self.upload.0.stage.store(CLIENT_GONE, Relaxed))?;
        let len = frame.data_ref().map_or(0, |data| data.len() as u64);
        let Some(left) = self.left.checked_sub(len) else {
            self.upload.0.stage.store(TOO_LARGE, Relaxed);
            return Poll::Ready(Some(Err("the request's body is too large".into())));
        };
        self.left = left;
        if self.incoming.is_end_stream() {
            self.upload.sent();
        }
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

    fn poll_stream(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Kind::Stream(incoming, lease) = &mut self.kind else {
            return Poll::Ready(None);
        };
        // What is ready first; then let the connection read on, which alone can bring more, so
        // the body need not wake us itself.
        let mut quiet = Context::from_waker(Waker::noop());
        let mut frame = Pin::new(&mut *incoming).poll_frame(&mut quiet);
        if frame.is_pending()
            && let Some(lease) = lease
        {
            lease.connection.drive(cx);
            frame = Pin::new(&mut *incoming).poll_frame(&mut quiet);
        }
        let frame = std::task::ready!(frame);
        let over = match &frame {
            Some(Ok(frame)) => {
                self.ticket.add(frame.data_ref().map_or(0, Bytes::len));
                incoming.is_end_stream()
            }
            Some(Err(_)) => {
                self.ticket.broke_off();
                *lease = None;
                false
            }
            None => true,
        };
        if over && let Some(lease) = lease.take() {
            lease.give_back(self.ticket.now());
        }
        if frame.is_none() || over {
            self.ticket.complete();
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
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
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Done => true,
            Kind::Text(text) => text.is_empty(),
            Kind::Stream(incoming, _) => incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Done => SizeHint::with_exact(0),
            Kind::Text(text) => SizeHint::with_exact(text.len() as u64),
            Kind::Stream(incoming, _) => incoming.size_hint(),
        }
    }
}
