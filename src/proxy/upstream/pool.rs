//! What connections are kept for the next request.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::h1::Connection;
use super::h2::Multiplex;
use crate::proxy::limits;

/// Connections of one endpoint: a stack of idle ones for each worker, so its lock never waits,
/// and beside it the shared ones, where the endpoint may speak HTTP/2.
#[derive(Debug)]
pub(in crate::proxy) struct Pool {
    idle: Box<[Mutex<Vec<Idle>>]>,
    shared: Box<[Multiplex]>,
}

#[derive(Debug)]
struct Idle {
    connection: Box<Connection>,
    since: u64,
}

impl Pool {
    pub(in crate::proxy) fn new(workers: usize, may_be_h2: bool) -> Self {
        let workers = workers.max(1);
        let shared = if may_be_h2 { workers } else { 0 };
        Self {
            idle: (0..workers).map(|_| Mutex::default()).collect(),
            shared: (0..shared).map(|_| Multiplex::default()).collect(),
        }
    }

    /// The connection used last, if it still lives.
    pub(super) fn take(&self, worker: usize) -> Option<Box<Connection>> {
        loop {
            let mut connection = self.stack(worker).pop()?.connection;
            if connection.settle() {
                return Some(connection);
            }
        }
    }

    pub(super) fn keep(&self, worker: usize, connection: Box<Connection>, now: u64) {
        let mut stack = self.stack(worker);
        if stack.len() < limits::IDLE_UPSTREAMS {
            stack.push(Idle {
                connection,
                since: now,
            });
        }
    }

    /// The HTTP/2 connections; `None`: the endpoint has none.
    pub(super) fn shared(&self, worker: usize) -> Option<&Multiplex> {
        self.shared.get(worker % self.idle.len())
    }

    /// Closes what has been idle since before that moment, or was closed by the other end.
    pub(in crate::proxy) fn sweep(&self, worker: usize, before: u64) {
        let mut stack = self.stack(worker);
        if !stack.is_empty() {
            stack.retain_mut(|idle| idle.since >= before && idle.connection.settle());
        }
        drop(stack);
        if let Some(shared) = self.shared(worker) {
            shared.sweep(before);
        }
    }

    fn stack(&self, worker: usize) -> MutexGuard<'_, Vec<Idle>> {
        let stack = &self.idle[worker % self.idle.len()];
        stack.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
