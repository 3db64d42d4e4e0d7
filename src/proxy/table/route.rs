//! A route ready to be followed: its targets by weight, and the next endpoint without a lock.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use http::request::Parts;

use super::backend::{Endpoint, LiveBackend};
use super::matching::{LiveConditions, LivePath};
use crate::proxy::policy::LivePolicy;
use crate::route::{Conditions, PathMatch, Policy, Route};

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
    /// The path.
    pub path: LivePath,
    when: LiveConditions,
    /// The matched prefix is cut off.
    pub rewrite: bool,
    /// Limits, checks and changes.
    pub policy: Policy,
    /// What of them is followed before and after forwarding; `None`: nothing.
    pub(in crate::proxy) checks: Option<Arc<LivePolicy>>,
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
            path: LivePath::compile(&route.path)?,
            when: LiveConditions::compile(&route.when)?,
            rewrite: route.rewrite,
            policy: route.policy.clone(),
            checks: None,
            targets: targets.into(),
            total,
            turn: last.map_or_else(Arc::default, |last| Arc::clone(&last.turn)),
        })
    }

    /// Its backends.
    pub fn backends(&self) -> impl Iterator<Item = &Arc<LiveBackend>> {
        self.targets.iter().map(|target| &target.backend)
    }

    /// Whether it stands at that place.
    #[must_use]
    pub(super) fn is_at(&self, path: &PathMatch, when: &Conditions) -> bool {
        self.path.of() == path && self.when.of() == when
    }

    /// What is more specific has less.
    pub(super) fn precedence(&self) -> impl Ord + '_ {
        (self.path.precedence(), self.when.precedence())
    }

    /// Whether a path is meant.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        self.path.matches(path)
    }

    /// Whether method and headers are as asked.
    #[must_use]
    pub fn admits(&self, request: &Parts) -> bool {
        self.when.admit(request)
    }

    /// The path that the endpoint gets: what follows the prefix where that is cut off (`/app/x`
    /// below `/app` is `/x`, `/app` is `/`), else the whole.
    #[must_use]
    pub fn rest<'p>(&self, path: &'p str) -> &'p str {
        let prefix = match self.path.of() {
            PathMatch::Prefix(prefix) if self.rewrite && prefix != "/" => prefix,
            _ => return path,
        };
        let rest = path.strip_prefix(prefix.as_str()).unwrap_or(path);
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
