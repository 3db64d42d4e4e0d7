//! One place to send requests to, and its standing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use crate::proxy::upstream::{Pool, Spoken, Transport};
use crate::route::Outlier;

/// How an endpoint does. Better ones are asked first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// As far as is known, well.
    Good,
    /// It failed requests a short while ago.
    Avoided,
    /// Its health checks fail.
    Unhealthy,
}

impl Standing {
    /// All, best first.
    pub const ALL: [Self; 3] = [Self::Good, Self::Avoided, Self::Unhealthy];
}

/// One place to send requests to. It lives as long as any table names it, so connections and
/// health survive a change of the table.
#[derive(Debug)]
pub struct Endpoint {
    /// Address and port.
    pub address: SocketAddr,
    /// Task id.
    pub id: Box<str>,
    /// Stands for it in cookies and hashes; the same in every proxy.
    pub token: u64,
    /// Passed over until then ([`super::super::clock`]); 0: in good standing.
    avoided_until: AtomicU64,
    unhealthy: AtomicBool,
    failures: Failures,
    pub(in crate::proxy) transport: Arc<Transport>,
    pub(in crate::proxy) spoken: Spoken,
    pub(in crate::proxy) pool: Pool,
}

impl Endpoint {
    pub(super) fn new(
        address: SocketAddr,
        id: &str,
        workers: usize,
        transport: &Arc<Transport>,
    ) -> Self {
        let hash = ring::digest::digest(&ring::digest::SHA256, id.as_bytes());
        let token = hash.as_ref().first_chunk().copied().unwrap_or_default();
        Self {
            address,
            id: id.into(),
            token: u64::from_be_bytes(token),
            avoided_until: AtomicU64::new(0),
            unhealthy: AtomicBool::new(false),
            failures: Failures::default(),
            transport: Arc::clone(transport),
            spoken: Spoken::default(),
            pool: Pool::new(workers, transport.may_be_h2()),
        }
    }

    /// Other endpoints are preferred until that moment.
    pub fn avoid_until(&self, moment: u64) {
        self.avoided_until.store(moment, Relaxed);
    }

    /// A connection came about or an answer came: back in good standing.
    pub fn answered(&self) {
        if self.avoided_until.load(Relaxed) != 0 {
            self.avoided_until.store(0, Relaxed);
        }
    }

    /// What its health checks say.
    pub fn set_healthy(&self, healthy: bool) {
        self.unhealthy.store(!healthy, Relaxed);
    }

    /// How it does at this moment.
    #[must_use]
    pub fn standing(&self, now: u64) -> Standing {
        if self.unhealthy.load(Relaxed) {
            Standing::Unhealthy
        } else if self.avoided_until.load(Relaxed) > now {
            Standing::Avoided
        } else {
            Standing::Good
        }
    }

    /// It failed a request. Whether that was one too many.
    pub(super) fn failed(&self, outlier: Outlier, now: u64) -> bool {
        self.failures.add(outlier, now)
    }

    /// What it failed is forgotten.
    pub(super) fn forgive(&self) {
        self.failures.0.store(0, Relaxed);
    }
}

/// Failures within a window: when the first came, in the upper bits, and how many they are.
#[derive(Debug, Default)]
struct Failures(AtomicU64);

const COUNT_BITS: u32 = 16;
const COUNT: u64 = (1 << COUNT_BITS) - 1;

impl Failures {
    fn add(&self, outlier: Outlier, now: u64) -> bool {
        let window = millis(outlier.fail_timeout.get());
        let next = |last: u64| {
            let (since, count) = (last >> COUNT_BITS, last & COUNT);
            if count == 0 || now.saturating_sub(since) > window {
                (now << COUNT_BITS) | 1
            } else {
                last + u64::from(count < COUNT)
            }
        };
        let last = self
            .0
            .fetch_update(Relaxed, Relaxed, |last| Some(next(last)));
        let count = next(last.unwrap_or_else(|last| last)) & COUNT;
        outlier.max_fails > 0 && count >= u64::from(outlier.max_fails).min(COUNT)
    }
}

pub(super) fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::value::Span;

    #[test]
    fn failures_count_within_their_window_only() {
        let outlier = |max_fails| Outlier {
            max_fails,
            fail_timeout: Span::from_secs(10),
        };
        let failures = Failures::default();
        let three = outlier(3);
        assert!(!failures.add(three, 1));
        assert!(!failures.add(three, 9_000));
        assert!(!failures.add(three, 10_002), "the first is forgotten");
        assert!(!failures.add(three, 10_003));
        assert!(failures.add(three, 20_002));
        assert!(!Failures::default().add(outlier(0), 1), "0 is never");
    }
}
