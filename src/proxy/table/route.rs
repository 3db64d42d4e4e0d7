//! A route ready to be followed: its targets by weight, and the next endpoint without a lock.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::backend::{Endpoint, LiveBackend};
use crate::route::{PathMatch, Route};

/// Fraction of the golden ratio in 64 bits. Its multiples visit any share of the circle as evenly
/// as can be: weights are met at every moment within a request or two, with one atomic add.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// A compiled route.
#[derive(Debug)]
pub struct LiveRoute {
    /// Name of the route.
    pub name: Box<str>,
    /// Host, wildcard or `*`.
    pub host: Box<str>,
    /// Path prefix in normal form.
    pub prefix: Box<str>,
    /// The prefix is cut off.
    pub rewrite: bool,
    targets: Box<[LiveTarget]>,
    total: u64,
    turn: Arc<AtomicU64>,
}

#[derive(Debug)]
struct LiveTarget {
    backend: Arc<LiveBackend>,
    /// Sum of the weights up to and with this one.
    upto: u64,
}

impl LiveRoute {
    /// Compiles a route. `backend` finds its backends; `None` when one is missing. The turn of
    /// `last` goes on.
    pub fn compile(
        name: &str,
        route: &Route,
        last: Option<&Self>,
        backend: impl Fn(&str) -> Option<Arc<LiveBackend>>,
    ) -> Option<Self> {
        let PathMatch::Prefix(prefix) = &route.path;
        let mut total = 0;
        let mut targets = Vec::with_capacity(route.targets.len());
        for target in &route.targets {
            let backend = backend(&target.backend)?;
            total += match target.weight {
                _ if backend.endpoints.is_empty() => 0,
                Some(weight) => u64::from(weight),
                None => backend.endpoints.len() as u64,
            };
            targets.push(LiveTarget {
                backend,
                upto: total,
            });
        }
        Some(Self {
            name: name.into(),
            host: route.host.as_str().into(),
            prefix: prefix.as_str().into(),
            rewrite: route.rewrite,
            targets: targets.into(),
            total,
            turn: last.map_or_else(Arc::default, |last| Arc::clone(&last.turn)),
        })
    }

    /// Its backends.
    pub fn backends(&self) -> impl Iterator<Item = &Arc<LiveBackend>> {
        self.targets.iter().map(|target| &target.backend)
    }

    /// Whether a path lies below the prefix, on segment borders.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        &*self.prefix == "/"
            || path
                .strip_prefix(&*self.prefix)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// What follows the prefix, as a path: `/app/x` below `/app` is `/x`, `/app` is `/`.
    #[must_use]
    pub fn rest<'p>(&self, path: &'p str) -> &'p str {
        if &*self.prefix == "/" {
            return path;
        }
        let rest = path.strip_prefix(&*self.prefix).unwrap_or(path);
        // Keep exactly one slash in front: `/app//x` must not become `//x`.
        let name = rest.trim_start_matches('/');
        let slash = rest.len() - name.len();
        if slash == 0 { "/" } else { &rest[slash - 1..] }
    }

    /// The endpoint for the next request, other than those `tried`. Endpoints in bad standing
    /// come last. `None`: there is no other.
    #[must_use]
    pub fn pick(
        &self,
        tried: &[SocketAddr],
        now: u64,
    ) -> Option<(&Arc<LiveBackend>, &Arc<Endpoint>)> {
        let first = self.share();
        let order = || (0..self.targets.len()).map(|step| (first + step) % self.targets.len());
        [true, false].into_iter().find_map(|strict| {
            order().find_map(|at| {
                let backend = &self.targets[at].backend;
                if step_is_unweighted(&self.targets, at) {
                    return None;
                }
                Some((backend, backend.pick(tried, strict, now)?))
            })
        })
    }

    /// Which target's turn it is.
    fn share(&self) -> usize {
        if self.targets.len() < 2 || self.total == 0 {
            return 0;
        }
        let turn = self.turn.fetch_add(1, Relaxed);
        let point = u128::from(turn.wrapping_mul(GOLDEN)) * u128::from(self.total);
        let point = (point >> 64) as u64;
        self.targets.partition_point(|target| target.upto <= point)
    }
}

/// A target of weight 0 (or without endpoints) gets nothing, not even what others failed to serve.
fn step_is_unweighted(targets: &[LiveTarget], at: usize) -> bool {
    let before = at.checked_sub(1).map_or(0, |at| targets[at].upto);
    targets[at].upto == before
}
