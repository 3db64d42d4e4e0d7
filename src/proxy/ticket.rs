//! The accounts of one request, closed when its answer is dropped, however that comes.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use http::{HeaderValue, Request};

use super::access_log::{Line, Texts};
use super::clock;
use super::connection::Context;
use super::table::{Endpoint, LiveBackend};
use crate::api::service_cluster::AccessLog;

const CLIENT_LEFT: u16 = 499;

/// A request from its head to the end of its answer.
pub(super) struct Ticket {
    context: Arc<Context>,
    started: Instant,
    ended: Option<Instant>,
    status: u16,
    bytes: u64,
    attempts: u8,
    complete: bool,
    backend: Option<Arc<LiveBackend>>,
    line: Option<Box<Line>>,
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ticket").finish_non_exhaustive()
    }
}

impl Ticket {
    /// Opens the accounts. A line for the access log is prepared only where one is written.
    pub(super) fn begin<B>(context: &Arc<Context>, request: &Request<B>, log: &AccessLog) -> Self {
        context.watch.begin();
        context
            .worker
            .shared
            .metrics
            .in_flight
            .fetch_add(1, Relaxed);
        let line = log.enabled.then(|| {
            Box::new(Line {
                format: log.format,
                peer: context.peer.ip(),
                version: request.version(),
                texts: Texts::of(request),
                tls: (context.secured.as_ref()).map(|secured| Arc::clone(&secured.agreed)),
                ..Line::default()
            })
        });
        Self {
            context: Arc::clone(context),
            started: Instant::now(),
            ended: None,
            status: 0,
            bytes: 0,
            attempts: 0,
            complete: false,
            backend: None,
            line,
        }
    }

    /// The id of the request is known.
    pub(super) fn identify(&mut self, id: &HeaderValue) {
        if let Some(line) = &mut self.line {
            line.texts.identify(id);
        }
    }

    /// It is sent to that endpoint.
    pub(super) fn attempt(&mut self, backend: &Arc<LiveBackend>, endpoint: &Endpoint) {
        self.attempts = self.attempts.saturating_add(1);
        self.backend = Some(Arc::clone(backend));
        if let Some(line) = &mut self.line {
            line.endpoint = Some(endpoint.address);
        }
    }

    /// Its backend, also when no endpoint could be asked.
    pub(super) fn meant_for(&mut self, backend: Option<&Arc<LiveBackend>>) {
        self.backend = backend.cloned();
    }

    pub(super) fn status(&mut self, status: u16) {
        self.status = status;
    }

    /// Bytes of the answer's body went out.
    pub(super) fn add(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        self.context.watch.progress();
    }

    /// The answer is whole.
    pub(super) fn complete(&mut self) {
        self.complete = true;
        self.now();
    }

    /// The endpoint broke off its answer.
    pub(super) fn broke_off(&mut self) {
        if let Some(line) = &mut self.line {
            line.reason = "UpstreamBrokeOff";
        }
        self.complete();
    }

    /// Nothing of the answer moved for too long.
    pub(super) fn stalled(&mut self) {
        if let Some(line) = &mut self.line {
            line.reason = "AnswerStalled";
        }
        self.complete();
    }

    /// Why the proxy answers itself.
    pub(super) fn refused(&mut self, reason: &'static str) {
        self.context.worker.shared.metrics.reasons.count(reason);
        if let Some(line) = &mut self.line {
            line.reason = reason;
        }
    }

    /// The moment of its end, as [`clock`] tells it. Read once.
    pub(super) fn now(&mut self) -> u64 {
        clock::millis(*self.ended.get_or_insert_with(Instant::now))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let now = self.now();
        let shared = &self.context.worker.shared;
        let duration = self
            .ended
            .unwrap_or(self.started)
            .duration_since(self.started);
        self.context.watch.end(now);
        shared.metrics.in_flight.fetch_sub(1, Relaxed);
        shared.metrics.took(duration);
        let counters = match &self.backend {
            Some(backend) => &backend.shared.counters,
            None => &shared.metrics.own,
        };
        if self.status == 0 {
            // The client left before there was an answer. nginx has made this number known.
            self.status = CLIENT_LEFT;
        }
        counters.add(self.status);
        if let Some(mut line) = self.line.take() {
            if !self.complete && line.reason.is_empty() {
                line.reason = "ClientGone";
            }
            line.status = self.status;
            line.bytes = self.bytes;
            line.attempts = self.attempts;
            line.duration = duration;
            line.ended = time::OffsetDateTime::now_utc();
            line.backend = self.backend.take();
            line.connections = shared.metrics.connections.load(Relaxed);
            shared.log.send(line, &shared.metrics.log_dropped);
        }
    }
}
