//! One HTTP/1.1 connection, polled by whoever uses it.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::proxy::body::RequestBody;
use crate::proxy::limits;

type Driver = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

/// One HTTP/1.1 connection to an endpoint.
pub(in crate::proxy) struct Connection {
    pub(super) sender: SendRequest<RequestBody>,
    driver: Driver,
    closed: bool,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

impl Connection {
    pub(super) async fn open<S>(socket: S) -> io::Result<Box<Self>>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (sender, driver) = Builder::new()
            .max_buf_size(limits::UPSTREAM_BUFFER)
            .handshake::<_, RequestBody>(TokioIo::new(socket))
            .await
            .map_err(io::Error::other)?;
        let mut connection = Self {
            sender,
            driver: Box::pin(driver.with_upgrades()),
            closed: false,
        };
        connection.settle();
        Ok(Box::new(connection))
    }

    /// Lets it go on as far as it can; whoever owns `cx` is woken when it can go further.
    pub(in crate::proxy) fn drive(&mut self, cx: &mut Context<'_>) {
        if !self.closed {
            self.closed = self.driver.as_mut().poll(cx).is_ready();
        }
    }

    /// Sender and driver, for a future that needs both.
    pub(super) fn parts(
        &mut self,
    ) -> (&mut SendRequest<RequestBody>, impl FnMut(&mut Context<'_>)) {
        let (driver, closed) = (&mut self.driver, &mut self.closed);
        let drive = |cx: &mut Context<'_>| {
            if !*closed {
                *closed = driver.as_mut().poll(cx).is_ready();
            }
        };
        (&mut self.sender, drive)
    }

    /// Lets it finish and come to rest, waking nobody later. Whether it can take a request.
    pub(super) fn settle(&mut self) -> bool {
        self.drive(&mut Context::from_waker(Waker::noop()));
        !self.closed && self.sender.is_ready()
    }

    /// Waits until it has ended: after a 101 hyper then hands its socket over.
    pub(in crate::proxy) async fn ended(&mut self) {
        poll_fn(|cx| {
            self.drive(cx);
            if self.closed {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}
