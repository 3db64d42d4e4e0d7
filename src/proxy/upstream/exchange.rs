//! One request and the head of its answer.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use tokio::time::{Instant, sleep_until};

use super::{Lease, Link, h2, quiet};
use crate::proxy::body::{RequestBody, Upload};
use crate::proxy::clock;

/// Why no answer came.
#[derive(Debug)]
pub(in crate::proxy) enum Failure {
    /// The connection broke.
    Broken {
        error: hyper::Error,
        /// The request, if nothing of it was sent.
        unsent: Option<Box<Request<RequestBody>>>,
        /// The endpoint says that it has not looked at it (HTTP/2).
        refused: bool,
    },
    /// The endpoint gave no answer in time, or did not read the request.
    TimedOut,
    /// The client did not send its request in time.
    Stalled,
}

impl Lease {
    /// Sends a request and waits for the head of its answer, as long as bytes of the request move
    /// within `within`, and then at most as long.
    pub(in crate::proxy) async fn exchange(
        &mut self,
        mut request: Request<RequestBody>,
        upload: Option<&Upload>,
        within: Duration,
    ) -> Result<Response<Incoming>, Failure> {
        match &mut self.link {
            Link::H1(connection) => {
                if request.version() == http::Version::HTTP_2 {
                    h2::to_h1(&mut request);
                }
                let (sender, mut drive) = connection.parts();
                let mut answer = pin!(sender.try_send_request(request));
                // Only the driver, polled first, can bring the answer: nobody else need wake us.
                let poll = |cx: &mut Context<'_>| {
                    drive(cx);
                    answer.as_mut().poll(&mut quiet())
                };
                wait(poll, upload, within).await
            }
            Link::H2(stream) => {
                let is_tls = self.endpoint.transport.tls.is_some();
                let address = self.endpoint.address.to_string();
                h2::to_h2(&mut request, is_tls, &address);
                // Boxed, so that the futures of HTTP/1.1 are no larger for it.
                Box::pin(shared(stream, request, upload, within)).await
            }
        }
    }
}

async fn shared(
    stream: &mut h2::Stream,
    request: Request<RequestBody>,
    upload: Option<&Upload>,
    within: Duration,
) -> Result<Response<Incoming>, Failure> {
    let mut answer = pin!(stream.sender.try_send_request(request));
    let outcome = wait(|cx| answer.as_mut().poll(cx), upload, within).await;
    let is_over = match &outcome {
        Err(Failure::Broken { error, .. }) => !is_of_one_stream(error),
        Err(Failure::TimedOut) => true,
        _ => false,
    };
    if is_over {
        stream.retire();
    }
    outcome
}

type Sent = Result<Response<Incoming>, TrySendError<Request<RequestBody>>>;

async fn wait(
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<Sent>,
    upload: Option<&Upload>,
    within: Duration,
) -> Result<Response<Incoming>, Failure> {
    let mut deadline = pin!(sleep_until(Instant::now() + within));
    poll_fn(|cx| {
        if let Poll::Ready(answer) = poll(cx) {
            return Poll::Ready(answer.map_err(broken));
        }
        while deadline.as_mut().poll(cx).is_ready() {
            match left(upload, within) {
                Ok(left) => deadline.as_mut().reset(Instant::now() + left),
                Err(failure) => return Poll::Ready(Err(failure)),
            }
        }
        Poll::Pending
    })
    .await
}

/// How much longer to wait; or whose fault it is that there is no answer.
fn left(upload: Option<&Upload>, within: Duration) -> Result<Duration, Failure> {
    let Some(upload) = upload else {
        return Err(Failure::TimedOut);
    };
    let still = Duration::from_millis(clock::now().saturating_sub(upload.moved()));
    match within.checked_sub(still) {
        Some(left) if !left.is_zero() => Ok(left),
        _ if upload.waits_for_client() => Err(Failure::Stalled),
        _ => Err(Failure::TimedOut),
    }
}

fn broken(mut failed: TrySendError<Request<RequestBody>>) -> Failure {
    let unsent = failed.take_message().map(Box::new);
    let error = failed.into_error();
    let refused = h2_error(&error).is_some_and(|error| {
        error.reason() == Some(::h2::Reason::REFUSED_STREAM)
            || (error.is_go_away() && error.is_remote())
    });
    Failure::Broken {
        error,
        unsent,
        refused,
    }
}

/// The endpoint ended one request, not the connection.
fn is_of_one_stream(error: &hyper::Error) -> bool {
    h2_error(error).is_some_and(::h2::Error::is_reset)
}

fn h2_error(error: &hyper::Error) -> Option<&::h2::Error> {
    std::error::Error::source(error)?.downcast_ref()
}
