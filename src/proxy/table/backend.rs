//! Endpoints and backends as the hot path sees them, with the state that outlives a table.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use crate::proxy::metrics::Counters;
use crate::proxy::upstream::Pool;
use crate::route::Backend;

/// One place to send requests to. It lives as long as any table names it, so connections and
/// health survive a change of the table.
#[derive(Debug)]
pub struct Endpoint {
    /// Address and port.
    pub address: SocketAddr,
    /// Task id.
    pub id: Box<str>,
    /// Passed over until then ([`super::super::clock`]); 0: in good standing.
    avoided_until: AtomicU64,
    pub(in crate::proxy) pool: Pool,
}

impl Endpoint {
    fn new(address: SocketAddr, id: &str, workers: usize) -> Self {
        Self {
            address,
            id: id.into(),
            avoided_until: AtomicU64::new(0),
            pool: Pool::new(workers),
        }
    }

    /// Other endpoints are preferred until that moment.
    pub fn avoid_until(&self, moment: u64) {
        self.avoided_until.store(moment, Relaxed);
    }

    /// It has answered: back in good standing.
    pub fn answered(&self) {
        if self.avoided_until.load(Relaxed) != 0 {
            self.avoided_until.store(0, Relaxed);
        }
    }

    /// Whether it is passed over at this moment.
    #[must_use]
    pub fn is_avoided(&self, now: u64) -> bool {
        self.avoided_until.load(Relaxed) > now
    }
}

/// What a backend keeps over changes of its endpoints.
#[derive(Debug, Default)]
pub struct Shared {
    turn: AtomicUsize,
    pub(in crate::proxy) counters: Counters,
}

/// One application service and its endpoints at one moment.
#[derive(Debug)]
pub struct LiveBackend {
    /// Name of the backend.
    pub name: Box<str>,
    /// Name of the application service.
    pub service: Box<str>,
    /// Its endpoints.
    pub endpoints: Box<[Arc<Endpoint>]>,
    /// What stays when they change.
    pub shared: Arc<Shared>,
}

impl LiveBackend {
    /// Compiles a backend; endpoints and counters of `last` that are still meant are kept.
    #[must_use]
    pub fn compile(name: &str, backend: &Backend, last: Option<&Self>, workers: usize) -> Self {
        let kept = |endpoint: &crate::route::Endpoint| {
            let last = last?.endpoints.iter();
            last.into_iter()
                .find(|old| old.address == endpoint.address && *old.id == *endpoint.id)
                .cloned()
        };
        Self {
            name: name.into(),
            service: backend.service.as_str().into(),
            endpoints: backend
                .endpoints
                .iter()
                .map(|new| {
                    kept(new)
                        .unwrap_or_else(|| Arc::new(Endpoint::new(new.address, &new.id, workers)))
                })
                .collect(),
            shared: last.map_or_else(Arc::default, |last| Arc::clone(&last.shared)),
        }
    }

    /// The next endpoint in turn that is in good standing (if `strict`) and not yet tried.
    pub(super) fn pick(
        &self,
        tried: &[SocketAddr],
        strict: bool,
        now: u64,
    ) -> Option<&Arc<Endpoint>> {
        let len = self.endpoints.len();
        if len == 0 {
            return None;
        }
        let start = self.shared.turn.fetch_add(1, Relaxed);
        (0..len)
            .map(|step| &self.endpoints[start.wrapping_add(step) % len])
            .find(|endpoint| {
                (!strict || !endpoint.is_avoided(now)) && !tried.contains(&endpoint.address)
            })
    }
}
