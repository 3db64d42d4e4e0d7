//! What one client connection is doing, and since when: kept by the socket and the requests,
//! read by the timer. One timer a connection, set anew only when it fires: a request costs none.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::{clock, limits};

/// The state of a client connection.
#[derive(Debug)]
pub(super) struct Watch {
    requests: AtomicU32,
    /// Part of a head has come, and no request is in flight.
    in_head: AtomicBool,
    /// Since when it is idle or in a head, as [`clock`] tells it.
    since: AtomicU64,
    /// A byte of a request or an answer has moved since the timer last looked.
    moved: AtomicBool,
    /// The client may still be sending when the connection ends.
    lingers: AtomicBool,
    /// A route lets its requests take so long (milliseconds), though nothing moves.
    patience: AtomicU64,
    /// Bytes between requests are the head of the next one (HTTP/1), not chatter (HTTP/2).
    heads: bool,
}

/// What the timer should do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Look again after so long.
    Wait(Duration),
    /// Nothing has happened for too long: say goodbye, then end it.
    Leave,
    /// The same, and there is nobody to say it to.
    Cut,
}

impl Watch {
    /// A new connection: its first head has begun.
    pub(super) fn new(heads: bool) -> Self {
        Self {
            requests: AtomicU32::new(0),
            in_head: AtomicBool::new(heads),
            since: AtomicU64::new(clock::now()),
            moved: AtomicBool::new(false),
            lingers: AtomicBool::new(false),
            patience: AtomicU64::new(0),
            heads,
        }
    }

    /// Bytes came from the client. On HTTP/2 they may be of no request: its sockets chatter.
    pub(super) fn read(&self) {
        if !self.heads {
            return;
        }
        self.progress();
        if self.requests.load(Relaxed) == 0 && !self.in_head.load(Relaxed) {
            self.since.store(clock::now(), Relaxed);
            self.in_head.store(true, Relaxed);
        }
    }

    /// The body of a request is over: its client (of HTTP/1) sends nothing more.
    pub(super) fn body_ended(&self) {
        if self.heads {
            self.lingers.store(false, Relaxed);
        }
    }

    /// Bytes went to the client.
    pub(super) fn wrote(&self) {
        if self.heads {
            self.progress();
        }
    }

    /// A request or its answer went on.
    pub(super) fn progress(&self) {
        if !self.moved.load(Relaxed) {
            self.moved.store(true, Relaxed);
        }
    }

    /// A request has come.
    pub(super) fn begin(&self) {
        self.progress();
        self.in_head.store(false, Relaxed);
        self.requests.fetch_add(1, Relaxed);
    }

    /// Whether the client may still be sending when the connection ends.
    pub(super) fn linger(&self, lingers: bool) {
        self.lingers.store(lingers, Relaxed);
    }

    /// See [`Self::linger`].
    pub(super) fn lingers(&self) -> bool {
        self.lingers.load(Relaxed)
    }

    /// It is over.
    pub(super) fn end(&self, now: u64) {
        self.since.store(now, Relaxed);
        self.requests.fetch_sub(1, Relaxed);
    }

    /// A request may take so long. Called right after its head has moved.
    pub(super) fn be_patient(&self, for_so_long: Duration) {
        let millis = u64::try_from(for_so_long.as_millis()).unwrap_or(u64::MAX);
        self.patience.fetch_max(millis, Relaxed);
    }

    /// Whether a head is incomplete: its time is shorter than the timer may be set to.
    pub(super) fn is_in_head(&self) -> bool {
        self.in_head.load(Relaxed)
    }

    /// What the timer should do. `idle`: a connection without a request; `stuck`: one with
    /// requests, but without a byte that moves.
    pub(super) fn look(&self, idle: Duration, stuck: Duration) -> Verdict {
        if self.requests.load(Relaxed) > 0 {
            return if self.moved.swap(false, Relaxed) {
                let patience = Duration::from_millis(self.patience.load(Relaxed));
                Verdict::Wait(stuck.max(patience))
            } else if self.heads {
                Verdict::Cut
            } else {
                Verdict::Leave
            };
        }
        let limit = if self.is_in_head() {
            limits::HEAD_TIME
        } else {
            idle
        };
        let passed = clock::now().saturating_sub(self.since.load(Relaxed));
        match limit.checked_sub(Duration::from_millis(passed)) {
            Some(left) if !left.is_zero() => Verdict::Wait(left),
            _ if self.is_in_head() => Verdict::Cut,
            _ => Verdict::Leave,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_secs(60);

    #[test]
    fn a_connection_that_never_finishes_its_head_is_given_the_time_of_a_head() {
        let watch = Watch::new(true);
        let Verdict::Wait(left) = watch.look(IDLE, IDLE) else {
            panic!("closed at once");
        };
        assert!(left <= limits::HEAD_TIME);
        assert_eq!(
            watch.look(Duration::ZERO, IDLE),
            Verdict::Wait(left.min(limits::HEAD_TIME))
        );
    }

    #[test]
    fn bytes_of_a_head_do_not_put_off_its_end() {
        let watch = Watch::new(true);
        watch.since.store(1, Relaxed);
        watch.read();
        assert_eq!(watch.since.load(Relaxed), 1);
    }

    #[test]
    fn a_connection_without_a_request_is_closed_when_idle_for_long() {
        let watch = Watch::new(true);
        watch.begin();
        watch.end(clock::now());
        assert!(matches!(watch.look(IDLE, IDLE), Verdict::Wait(_)));
        assert_eq!(watch.look(Duration::ZERO, IDLE), Verdict::Leave);
    }

    #[test]
    fn a_request_without_a_byte_for_a_whole_round_is_stuck() {
        let watch = Watch::new(true);
        watch.begin();
        watch.wrote();
        assert_eq!(watch.look(IDLE, IDLE), Verdict::Wait(IDLE));
        assert_eq!(watch.look(IDLE, IDLE), Verdict::Cut);
    }

    #[test]
    fn a_route_may_ask_for_more_patience() {
        let watch = Watch::new(true);
        watch.begin();
        watch.read();
        watch.be_patient(IDLE * 10);
        assert_eq!(watch.look(IDLE, IDLE), Verdict::Wait(IDLE * 10));
    }

    #[test]
    fn chatter_of_http2_is_no_head_and_no_progress() {
        let watch = Watch::new(false);
        watch.read();
        assert!(!watch.is_in_head());
        watch.begin();
        assert_eq!(watch.look(IDLE, IDLE), Verdict::Wait(IDLE));
        watch.read();
        watch.wrote();
        assert_eq!(watch.look(IDLE, IDLE), Verdict::Leave);
        watch.progress();
        assert_eq!(watch.look(IDLE, IDLE), Verdict::Wait(IDLE));
    }
}
