//! Answers to clients of HTTP/2, and what happens to those that no longer move.
//!
//! A client of HTTP/1 that neither reads nor sends is closed by its `watch`, and with it goes its
//! upstream. One of HTTP/2 may leave a single answer unread and be lively otherwise; then nobody
//! polls that answer any more. So the connection it reads from is kept where the worker's sweep
//! can take it away.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http_body::Frame;
use hyper::body::Incoming;

use super::body::Upload;
use super::clock;
use super::upstream::Lease;

/// The answers of one worker that are under way to clients of HTTP/2.
#[derive(Debug, Default)]
pub(super) struct Stalls {
    next: AtomicU64,
    open: Mutex<HashMap<u64, Arc<Slot>>>,
}

/// One answer's connection.
#[derive(Debug)]
struct Slot {
    inner: Mutex<Inner>,
    /// When a part of the answer last moved, as [`clock`] tells it.
    moved: AtomicU64,
    upload: Option<Upload>,
    within: u64,
}

#[derive(Debug, Default)]
struct Inner {
    lease: Option<Lease>,
    waker: Option<Waker>,
}

/// A connection on loan that the sweep may take away.
#[derive(Debug)]
pub(super) struct Held {
    number: u64,
    slot: Arc<Slot>,
    stalls: Arc<Stalls>,
}

/// The connection was taken away: the answer did not move.
#[derive(Debug)]
pub(super) struct TakenAway;

impl Stalls {
    /// Watches over a connection: it is closed when for `within` nothing moves.
    pub(super) fn hold(
        self: &Arc<Self>,
        lease: Lease,
        upload: Option<Upload>,
        within: Duration,
    ) -> Held {
        let number = self.next.fetch_add(1, Relaxed);
        let slot = Arc::new(Slot {
            inner: Mutex::new(Inner {
                lease: Some(lease),
                waker: None,
            }),
            moved: AtomicU64::new(clock::now()),
            upload,
            within: u64::try_from(within.as_millis()).unwrap_or(u64::MAX),
        });
        lock(&self.open).insert(number, Arc::clone(&slot));
        Held {
            number,
            slot,
            stalls: Arc::clone(self),
        }
    }

    /// Closes the connections of answers that have not moved for too long.
    pub(super) fn sweep(&self, now: u64) {
        let stalled: Vec<_> = lock(&self.open)
            .values()
            .filter(|slot| slot.is_stalled(now))
            .cloned()
            .collect();
        for slot in stalled {
            let Inner { lease, waker } = std::mem::take(&mut *lock(&slot.inner));
            drop(lease);
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}

impl Slot {
    fn is_stalled(&self, now: u64) -> bool {
        let sent = self.upload.as_ref().map_or(0, Upload::moved);
        let moved = self.moved.load(Relaxed).max(sent);
        now.saturating_sub(moved) > self.within
    }
}

impl Held {
    /// What comes next of the answer.
    pub(super) fn poll_body(
        &self,
        body: &mut Incoming,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<hyper::Result<Frame<Bytes>>>, TakenAway>> {
        let mut inner = lock(&self.slot.inner);
        let Some(lease) = &mut inner.lease else {
            return Poll::Ready(Err(TakenAway));
        };
        let frame = lease.poll_body(body, cx);
        match &mut inner.waker {
            _ if frame.is_ready() => self.slot.moved.store(clock::now(), Relaxed),
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        frame.map(Ok)
    }

    /// The connection, if it is still there.
    pub(super) fn take(&self) -> Option<Lease> {
        lock(&self.slot.inner).lease.take()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        lock(&self.stalls.open).remove(&self.number);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
