//! What is counted. The hot path adds to plain atomics that it reaches by pointer; names and
//! labels are only put together when somebody asks (`report`). A metrics library would put a
//! lock into every histogram and a map lookup before every labelled counter.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::reasons::Reasons;

/// Upper bounds of the duration histogram, in milliseconds.
const BOUNDS: [u64; 14] = [
    1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 60_000,
];

/// The classes of status codes.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Requests by class of status.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Counters {
    classes: [AtomicU64; 5],
}

impl Counters {
    pub(in crate::proxy) fn add(&self, status: u16) {
        let class = usize::from(status / 100).clamp(1, 5) - 1;
        self.classes[class].fetch_add(1, Relaxed);
    }

    pub(super) fn read(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.classes.iter().map(|count| count.load(Relaxed));
        CLASSES.into_iter().zip(counts)
    }
}

/// What became of a TLS connection at its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Handshake {
    /// Opened.
    Full,
    /// Opened by a ticket of an earlier one.
    Resumed,
    /// Passed on unopened.
    Passed,
    /// There is nothing for that host.
    UnknownName,
    /// What came is not TLS.
    NotTls,
    /// The two could not agree.
    Failed,
    /// It took too long.
    Late,
    /// The client left.
    Gone,
}

/// TLS connections by what became of them.
#[derive(Debug, Default)]
pub(super) struct Handshakes([AtomicU64; 8]);

impl Handshakes {
    /// As they are told, in the order of [`Handshake`].
    const NAMES: [&str; 8] = [
        "full",
        "resumed",
        "passed",
        "unknown_name",
        "not_tls",
        "failed",
        "late",
        "gone",
    ];

    pub(super) fn add(&self, outcome: Handshake) {
        self.0[outcome as usize].fetch_add(1, Relaxed);
    }

    pub(super) fn read(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.0.iter().map(|count| count.load(Relaxed));
        Self::NAMES.into_iter().zip(counts)
    }
}

/// What one process counts.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    /// Requests that no backend answered for.
    pub(super) own: Counters,
    /// Those that the proxy answered itself, by reason.
    pub(super) reasons: Reasons,
    /// By bucket; the last is without a bound.
    durations: [AtomicU64; BOUNDS.len() + 1],
    duration_micros: AtomicU64,
    pub(super) connections: AtomicI64,
    /// Those of them that came after the drain had begun.
    pub(super) late_connections: AtomicI64,
    pub(super) accepted: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) tunnels: AtomicI64,
    /// Bytes from clients through tunnels, and to them.
    pub(super) tunnelled_up: AtomicU64,
    pub(super) tunnelled_down: AtomicU64,
    pub(super) handshakes: Handshakes,
    pub(super) tls_connections: AtomicI64,
    /// TLS connections passed on unopened, and their bytes from clients and to them.
    pub(super) passed: AtomicI64,
    pub(super) passed_up: AtomicU64,
    pub(super) passed_down: AtomicU64,
    pub(super) in_flight: AtomicI64,
    pub(super) connects: AtomicU64,
    pub(super) connect_failures: AtomicU64,
    pub(super) retries: AtomicU64,
    pub(super) timeouts: AtomicU64,
    pub(super) log_dropped: AtomicU64,
    pub(super) changes_refused: AtomicU64,
    pub(super) state_failures: AtomicU64,
}

impl Metrics {
    pub(super) fn took(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.partition_point(|bound| bound * 1_000 < micros);
        self.durations[bucket].fetch_add(1, Relaxed);
        self.duration_micros.fetch_add(micros, Relaxed);
    }

    /// Bounds in seconds with the requests up to each, then all of them, and the sum in seconds.
    pub(super) fn durations(&self) -> (Vec<(f64, u64)>, u64, f64) {
        let mut total = 0;
        let counts = self.durations.iter().map(|count| {
            total += count.load(Relaxed);
            total
        });
        let buckets: Vec<_> = BOUNDS
            .iter()
            .map(|bound| *bound as f64 / 1e3)
            .zip(counts)
            .collect();
        let total = self.durations.iter().map(|count| count.load(Relaxed)).sum();
        (
            buckets,
            total,
            self.duration_micros.load(Relaxed) as f64 / 1e6,
        )
    }
}

/// Adds one.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}
