//! What is left of bytes and time, and what went wrong first.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::{Error, Limits};

/// Shared by everything that reads from one server for one request.
#[derive(Clone, Debug)]
pub(super) struct Bounds(Rc<State>);

#[derive(Debug)]
struct State {
    limits: Limits,
    stop: CancellationToken,
    begun: Instant,
    left: Cell<usize>,
    /// The first error; what the protocol makes of it says less.
    failure: RefCell<Option<Error>>,
}

impl Bounds {
    pub(super) fn new(limits: Limits, stop: CancellationToken) -> Self {
        Self(Rc::new(State {
            limits,
            stop,
            begun: Instant::now(),
            left: Cell::new(limits.sent),
            failure: RefCell::default(),
        }))
    }

    /// Ends when nobody wants it any more.
    pub(super) async fn stopped(&self) {
        self.0.stop.cancelled().await;
    }

    /// The time that is left, never zero.
    pub(super) fn time(&self) -> Result<Duration, Error> {
        if self.0.stop.is_cancelled() {
            return Err(Error::Stopped);
        }
        let left = self.0.limits.time.checked_sub(self.0.begun.elapsed());
        left.filter(|left| !left.is_zero())
            .ok_or_else(|| self.late())
    }

    pub(super) fn late(&self) -> Error {
        Error::TimedOut(self.0.limits.time.as_secs())
    }

    /// Books bytes that came.
    pub(super) fn take(&self, bytes: usize) -> Result<(), Error> {
        let left = self.0.left.get().checked_sub(bytes).ok_or_else(|| {
            let most = self.0.limits.sent >> 20;
            Error::TooLarge(format!(
                "the repository is too large: its newest revision alone takes more than {most} MiB; keep the manifests in a repository of their own"
            ))
        })?;
        self.0.left.set(left);
        Ok(())
    }

    /// Notes an error and dresses it for the protocol's reader.
    pub(super) fn fail(&self, error: Error) -> io::Error {
        let text = error.to_string();
        self.0.failure.borrow_mut().get_or_insert(error);
        io::Error::other(text)
    }

    /// The error that was noted first, else what the protocol says.
    pub(super) fn error(&self, said: impl std::fmt::Display) -> Error {
        let noted = self.0.failure.borrow_mut().take();
        noted.unwrap_or_else(|| Error::Protocol(said.to_string()))
    }
}
