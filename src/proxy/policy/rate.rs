//! Most requests of a time: token buckets of one word each.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use http::{HeaderMap, StatusCode, header};

use super::clients::Clients;
use super::{Asked, Keep};
use crate::proxy::clock;
use crate::proxy::reply::Refusal;
use crate::route::{RateKey, RateLimit};

/// How a bucket fills. What is in it is told by one number: the moment from which on it is full
/// (the generic cell rate algorithm), in nanoseconds as [`clock`] tells them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    /// From one token to the next.
    step: u64,
    /// The bucket is empty if it is full only after so long.
    depth: u64,
}

impl Bucket {
    /// `requests` in each `per`, and room for `burst` more.
    pub(super) fn new(requests: u32, per: Duration, burst: u32) -> Self {
        let requests = requests.max(1);
        let step = (per.as_nanos() / u128::from(requests)).max(1);
        let room = u128::from(requests) + u128::from(burst);
        // A century is as good as for ever, and leaves room to add.
        let bounded = |nanos: u128| u64::try_from(nanos).unwrap_or(u64::MAX).min(1 << 61);
        Self {
            step: bounded(step),
            depth: bounded((room - 1) * step),
        }
    }

    /// Takes a token, or says how long to wait for one.
    pub(super) fn take(&self, until: &AtomicU64, now: u64) -> Result<(), Duration> {
        let mut full = until.load(Relaxed);
        loop {
            self.left(full, now)?;
            let next = full.max(now).saturating_add(self.step);
            match until.compare_exchange_weak(full, next, Relaxed, Relaxed) {
                Ok(_) => return Ok(()),
                Err(other) => full = other,
            }
        }
    }

    /// Whether there is a token, or how long to wait for one.
    pub(super) fn peek(&self, until: &AtomicU64, now: u64) -> Result<(), Duration> {
        self.left(until.load(Relaxed), now)
    }

    fn left(&self, full: u64, now: u64) -> Result<(), Duration> {
        match full.saturating_sub(now).checked_sub(self.depth) {
            None | Some(0) => Ok(()),
            Some(missing) => Err(Duration::from_nanos(missing)),
        }
    }
}

/// A rate limit ready to be held.
#[derive(Debug)]
pub(super) struct Rate {
    limit: RateLimit,
    bucket: Bucket,
    of: Of,
}

#[derive(Debug)]
enum Of {
    Route(Arc<AtomicU64>),
    Client { clients: Arc<Clients>, purpose: u64 },
}

impl Rate {
    /// A limit that is as it was keeps its buckets.
    pub(super) fn compile(name: &str, limit: RateLimit, last: Option<&Self>, keep: &Keep) -> Self {
        let last = last.filter(|last| last.limit == limit);
        let of = match (limit.key, last.map(|last| &last.of)) {
            (RateKey::Route, Some(Of::Route(until))) => Of::Route(Arc::clone(until)),
            (RateKey::Route, _) => Of::Route(Arc::default()),
            (RateKey::Client, _) => Of::Client {
                clients: Arc::clone(&keep.clients),
                purpose: purpose(name, &limit),
            },
        };
        let RateLimit {
            requests,
            per,
            burst,
            key: _,
        } = limit;
        Self {
            limit,
            bucket: Bucket::new(requests, per.get(), burst),
            of,
        }
    }

    pub(super) fn admit(&self, asked: &Asked<'_>, headers: &HeaderMap) -> Result<(), Refusal> {
        let now = clock::nanos();
        let taken = match &self.of {
            Of::Route(until) => self.bucket.take(until, now),
            Of::Client { clients, purpose } => {
                let client = asked.client(headers).unwrap_or(asked.peer);
                clients.take(*purpose, client, &self.bucket, now)
            }
        };
        taken.map_err(|wait| {
            let text = "too many requests, come later";
            Refusal::new(StatusCode::TOO_MANY_REQUESTS, "RateLimited", text)
                .with(header::RETRY_AFTER, retry_after(wait))
        })
    }
}

/// The same for the same limit of the same route, also when it was away for a while.
fn purpose(name: &str, limit: &RateLimit) -> u64 {
    let mut hasher = DefaultHasher::new();
    (name, limit.requests, limit.per.get(), limit.burst).hash(&mut hasher);
    hasher.finish()
}

/// Whole seconds, enough of them.
pub(super) fn retry_after(wait: Duration) -> http::HeaderValue {
    let more = u64::from(wait.subsec_nanos() > 0);
    (wait.as_secs() + more).max(1).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn taken(bucket: Bucket, until: &AtomicU64, now: u64) -> usize {
        (0..1000)
            .take_while(|_| bucket.take(until, now).is_ok())
            .count()
    }

    #[test]
    fn a_full_bucket_has_the_requests_of_one_time_and_the_burst() {
        let bucket = Bucket::new(10, Duration::from_secs(1), 5);
        let until = AtomicU64::new(0);
        assert_eq!(taken(bucket, &until, SECOND), 15);
        assert_eq!(taken(bucket, &until, SECOND + SECOND / 10), 1);
        assert_eq!(taken(bucket, &until, 2 * SECOND + SECOND / 10), 10);
        assert_eq!(taken(bucket, &until, 100 * SECOND), 15);
    }

    #[test]
    fn who_is_refused_is_told_when_to_come_back() {
        let bucket = Bucket::new(1, Duration::from_secs(10), 0);
        let until = AtomicU64::new(0);
        assert_eq!(bucket.take(&until, SECOND), Ok(()));
        assert_eq!(bucket.take(&until, SECOND), Err(Duration::from_secs(10)));
        assert_eq!(bucket.take(&until, 8 * SECOND), Err(Duration::from_secs(3)));
        assert_eq!(bucket.peek(&until, 8 * SECOND), Err(Duration::from_secs(3)));
        assert_eq!(bucket.take(&until, 11 * SECOND), Ok(()));
        assert_eq!(retry_after(Duration::from_millis(2100)), "3");
        assert_eq!(retry_after(Duration::from_millis(1)), "1");
    }

    #[test]
    fn extreme_limits_neither_overflow_nor_block() {
        let all = Bucket::new(u32::MAX, Duration::from_millis(1), u32::MAX);
        assert_eq!(taken(all, &AtomicU64::new(0), SECOND), 1000);
        let never = Bucket::new(1, Duration::MAX, u32::MAX);
        assert!(taken(never, &AtomicU64::new(0), SECOND) > 0);
    }

    #[test]
    fn buckets_are_kept_while_the_limit_is_as_it_was() {
        let keep = Keep::default();
        let limit = RateLimit {
            requests: 1,
            per: crate::api::value::Span::from_millis(60_000),
            burst: 0,
            key: RateKey::Route,
        };
        let admits = |rate: &Rate| match &rate.of {
            Of::Route(until) => rate.bucket.take(until, SECOND).is_ok(),
            Of::Client { .. } => panic!("not by client"),
        };
        let first = Rate::compile("r", limit, None, &keep);
        assert!(admits(&first) && !admits(&first));
        assert!(!admits(&Rate::compile("r", limit, Some(&first), &keep)));
        let other = RateLimit { burst: 1, ..limit };
        assert!(admits(&Rate::compile("r", other, Some(&first), &keep)));
    }
}
