//! A route ready to be followed: its targets by weight, and the next endpoint without a lock.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use http::request::Parts;

use super::affinity::{Sticky, Wish};
use super::backend::LiveBackend;
use super::endpoint::{Endpoint, Standing};
use super::matching::{LiveConditions, LivePath};
use crate::proxy::limits;
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
    sticky: Option<Sticky>,
    /// Counted only where a policy asks for retries.
    budget: Option<Arc<Budget>>,
}

/// How many requests of a route are in flight, and how many of these are tried again.
#[derive(Debug, Default)]
struct Budget {
    requests: AtomicUsize,
    retries: AtomicUsize,
}

/// A request of a route with a policy for retries, while it is sent.
#[derive(Debug)]
pub struct Retrying {
    budget: Arc<Budget>,
    again: bool,
}

impl Retrying {
    /// Whether it may be sent again: when all fail, retries must not multiply the load.
    pub fn may(&mut self) -> bool {
        if !self.again {
            let most = self.budget.requests.load(Relaxed) / limits::RETRY_SHARE + limits::RETRY_FEW;
            self.again = self.budget.retries.fetch_add(1, Relaxed) < most;
            if !self.again {
                self.budget.retries.fetch_sub(1, Relaxed);
            }
        }
        self.again
    }
}

impl Drop for Retrying {
    fn drop(&mut self) {
        self.budget.requests.fetch_sub(1, Relaxed);
        if self.again {
            self.budget.retries.fetch_sub(1, Relaxed);
        }
    }
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
            sticky: Sticky::compile(&route.policy.affinity, &route.path),
            budget: route.policy.retries.as_ref().map(|_| {
                let last = last.and_then(|last| last.budget.clone());
                last.unwrap_or_default()
            }),
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

    /// Its path and what else a request must have.
    pub(super) fn place(&self) -> (&LivePath, &LiveConditions) {
        (&self.path, &self.when)
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
        Standing::ALL.into_iter().find_map(|worst| {
            order().find_map(|at| {
                let backend = &self.targets[at].backend;
                if weight(&self.targets, at) == 0 {
                    return None;
                }
                Some((backend, backend.pick(tried, worst, now)?))
            })
        })
    }

    /// The endpoint that a client is to stay with, where there is such a wish.
    #[must_use]
    pub fn pick_for(
        &self,
        wish: &Wish,
        tried: &[SocketAddr],
        now: u64,
    ) -> Option<(&Arc<LiveBackend>, &Arc<Endpoint>)> {
        wish.follow(|| self.weighted(), tried, now)
            .or_else(|| self.pick(tried, now))
    }

    /// All endpoints that may be asked, with the weight of each.
    fn weighted(&self) -> impl Iterator<Item = (f64, &Arc<LiveBackend>, &Arc<Endpoint>)> {
        let targets = self.targets.iter().enumerate();
        targets
            .map(|(at, target)| (weight(&self.targets, at), &target.backend))
            .filter(|(weight, _)| *weight > 0)
            .flat_map(|(weight, backend)| {
                let each = weight as f64 / backend.endpoints.len() as f64;
                let endpoints = backend.endpoints.iter();
                endpoints.map(move |endpoint| (each, backend, endpoint))
            })
    }

    /// What clients stay with an endpoint by; `None`: they do not.
    pub(in crate::proxy) fn sticky(&self) -> Option<&Sticky> {
        self.sticky.as_ref()
    }

    /// Counts a request while it is sent, where a policy says when it is sent again.
    #[must_use]
    pub fn begin(&self) -> Option<Retrying> {
        let budget = Arc::clone(self.budget.as_ref()?);
        budget.requests.fetch_add(1, Relaxed);
        let again = false;
        Some(Retrying { budget, again })
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

/// The weight of a target. One of 0 (or without endpoints) gets nothing, not even what others
/// failed to serve.
fn weight(targets: &[LiveTarget], at: usize) -> u64 {
    let before = at.checked_sub(1).map_or(0, |at| targets[at].upto);
    targets[at].upto - before
}
