//! Connections to endpoints: pooled per worker, driven by the task of the request itself.
//!
//! hyper's connection is a future that someone must poll. It is polled here by whoever uses the
//! connection, not by a task of its own: no wake-up crosses tasks, a client that leaves closes its
//! upstream at once, and a connection that died in the pool is found out before it is used.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};

use super::body::{RequestBody, Upload};
use super::limits;
use super::table::Endpoint;

type Driver = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

/// Idle connections of one endpoint: one stack for each worker, so its lock never waits.
#[derive(Debug)]
pub(in crate::proxy) struct Pool {
    idle: Box<[Mutex<Vec<Idle>>]>,
}

#[derive(Debug)]
struct Idle {
    connection: Box<Connection>,
    since: u64,
}

impl Pool {
    pub(in crate::proxy) fn new(workers: usize) -> Self {
        Self {
            idle: (0..workers.max(1)).map(|_| Mutex::default()).collect(),
        }
    }

    /// The connection used last, if it still lives.
    fn take(&self, worker: usize) -> Option<Box<Connection>> {
        loop {
            let mut connection = self.stack(worker).pop()?.connection;
            if connection.settle() {
                return Some(connection);
            }
        }
    }

    fn keep(&self, worker: usize, connection: Box<Connection>, now: u64) {
        let mut stack = self.stack(worker);
        if stack.len() < limits::IDLE_UPSTREAMS {
            stack.push(Idle {
                connection,
                since: now,
            });
        }
    }

    /// Closes what has been idle since before that moment, or was closed by the other end.
    pub(in crate::proxy) fn sweep(&self, worker: usize, before: u64) {
        let mut stack = self.stack(worker);
        if !stack.is_empty() {
            stack.retain_mut(|idle| idle.since >= before && idle.connection.settle());
        }
    }

    fn stack(&self, worker: usize) -> std::sync::MutexGuard<'_, Vec<Idle>> {
        let stack = &self.idle[worker % self.idle.len()];
        stack.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One HTTP/1.1 connection to an endpoint.
pub(super) struct Connection {
    sender: SendRequest<RequestBody>,
    driver: Driver,
    closed: bool,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

impl Connection {
    /// Lets it go on as far as it can; whoever owns `cx` is woken when it can go further.
    pub(super) fn drive(&mut self, cx: &mut Context<'_>) {
        if !self.closed {
            self.closed = self.driver.as_mut().poll(cx).is_ready();
        }
    }

    /// Lets it finish and come to rest, waking nobody later. Whether it can take a request.
    fn settle(&mut self) -> bool {
        self.drive(&mut Context::from_waker(Waker::noop()));
        !self.closed && self.sender.is_ready()
    }

    /// Waits until it has ended: after a 101 hyper then hands its socket over.
    pub(super) async fn ended(&mut self) {
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

/// A connection on loan, and where to give it back.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) connection: Box<Connection>,
    pub(super) endpoint: Arc<Endpoint>,
    worker: usize,
    /// It has served a request before, so the endpoint may be about to close it.
    pub(super) reused: bool,
}

/// Why no connection could be had.
#[derive(Debug)]
pub(super) enum NoConnection {
    Failed(io::Error),
    TimedOut,
}

impl std::fmt::Display for NoConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Failed(error) => error.fmt(f),
            Self::TimedOut => f.write_str("no connection in time"),
        }
    }
}

impl Lease {
    /// An idle connection to the endpoint.
    pub(super) fn idle(endpoint: &Arc<Endpoint>, worker: usize) -> Option<Self> {
        Some(Self {
            connection: endpoint.pool.take(worker)?,
            endpoint: Arc::clone(endpoint),
            worker,
            reused: true,
        })
    }

    /// A new connection to the endpoint.
    pub(super) async fn connect(
        endpoint: &Arc<Endpoint>,
        worker: usize,
        within: Duration,
    ) -> Result<Self, NoConnection> {
        let connect = timeout(within, TcpStream::connect(endpoint.address)).await;
        let stream = connect
            .map_err(|_| NoConnection::TimedOut)?
            .map_err(NoConnection::Failed)?;
        // A socket without TCP_NODELAY is slower, not wrong.
        let _ = stream.set_nodelay(true);
        let (sender, driver) = Builder::new()
            .max_buf_size(limits::UPSTREAM_BUFFER)
            .handshake::<_, RequestBody>(TokioIo::new(stream))
            .await
            .map_err(|error| NoConnection::Failed(io::Error::other(error)))?;
        let mut connection = Connection {
            sender,
            driver: Box::pin(driver.with_upgrades()),
            closed: false,
        };
        connection.settle();
        Ok(Self {
            connection: Box::new(connection),
            endpoint: Arc::clone(endpoint),
            worker,
            reused: false,
        })
    }

    /// Back to the pool, if the last exchange is over on both sides; otherwise it is closed.
    pub(super) fn give_back(mut self, now: u64) {
        if self.connection.settle() {
            self.endpoint.pool.keep(self.worker, self.connection, now);
        }
    }
}

/// Why no answer came.
#[derive(Debug)]
pub(super) enum Failure {
    /// The connection broke. The request, if nothing of it was sent.
    Broken(hyper::Error, Option<Box<Request<RequestBody>>>),
    /// Nothing came in time.
    TimedOut,
}

impl Connection {
    /// Sends a request and waits for the head of its answer, at most `within` from the moment
    /// that the request was wholly sent.
    pub(super) async fn exchange(
        &mut self,
        request: Request<RequestBody>,
        upload: Option<&Upload>,
        within: Duration,
    ) -> Result<Response<Incoming>, Failure> {
        let mut answer = pin!(self.sender.try_send_request(request));
        let mut deadline = pin!(sleep_until(Instant::now() + within));
        let (driver, closed) = (&mut self.driver, &mut self.closed);
        poll_fn(|cx| {
            if !*closed {
                *closed = driver.as_mut().poll(cx).is_ready();
            }
            // Only the driver, polled above, can bring the answer: nobody else need wake us.
            let mut quiet = Context::from_waker(Waker::noop());
            if let Poll::Ready(answer) = answer.as_mut().poll(&mut quiet) {
                return Poll::Ready(answer.map_err(|mut failed| {
                    let request = failed.take_message().map(Box::new);
                    Failure::Broken(failed.into_error(), request)
                }));
            }
            while deadline.as_mut().poll(cx).is_ready() {
                match upload.map_or(Some(Instant::now() - within), Upload::sent_at) {
                    Some(sent) if sent + within > Instant::now() => {
                        deadline.as_mut().reset(sent + within);
                    }
                    Some(_) => return Poll::Ready(Err(Failure::TimedOut)),
                    None => deadline.as_mut().reset(Instant::now() + within),
                }
            }
            Poll::Pending
        })
        .await
    }
}
