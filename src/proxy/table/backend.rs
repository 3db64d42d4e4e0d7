//! Backends as the hot path sees them, with the state that outlives a table.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::endpoint::{Endpoint, Standing, millis};
use crate::proxy::limits;
use crate::proxy::metrics::Counters;
use crate::proxy::upstream::Transport;
use crate::route::{Backend, HealthCheck, Outlier};

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
    /// Active checks.
    pub health: Option<HealthCheck>,
    /// When an endpoint that fails requests is left out.
    pub outlier: Option<Outlier>,
    pub(in crate::proxy) transport: Arc<Transport>,
    /// What stays when they change.
    pub shared: Arc<Shared>,
}

impl LiveBackend {
    /// Compiles a backend; endpoints and counters of `last` that are still meant are kept.
    ///
    /// # Errors
    /// What cannot be had, for people: files below `secrets`.
    pub fn compile(
        name: &str,
        backend: &Backend,
        last: Option<&Self>,
        workers: usize,
        secrets: &Path,
    ) -> Result<Self, String> {
        // Endpoints that are spoken to in another way are other endpoints.
        let alike = last.filter(|last| last.transport.is_of(backend));
        let transport = match alike {
            Some(last) => Arc::clone(&last.transport),
            None => Arc::new(Transport::compile(backend, secrets)?),
        };
        let kept = |endpoint: &crate::route::Endpoint| {
            alike?
                .endpoints
                .iter()
                .find(|old| old.address == endpoint.address && *old.id == *endpoint.id)
                .cloned()
        };
        let new = |new: &crate::route::Endpoint| {
            Arc::new(Endpoint::new(new.address, &new.id, workers, &transport))
        };
        let endpoints = backend.endpoints.iter();
        Ok(Self {
            name: name.into(),
            service: backend.service.as_str().into(),
            endpoints: endpoints
                .map(|endpoint| kept(endpoint).unwrap_or_else(|| new(endpoint)))
                .collect(),
            health: backend.health.clone(),
            outlier: backend.outlier,
            transport,
            shared: last.map_or_else(Arc::default, |last| Arc::clone(&last.shared)),
        })
    }

    /// An endpoint failed a request; `refused`: it took no connection. Others may be preferred
    /// for a while.
    pub(in crate::proxy) fn failed(&self, endpoint: &Endpoint, refused: bool, now: u64) {
        let Some(outlier) = self.outlier else {
            if refused {
                endpoint.avoid_until(now + millis(limits::AVOID));
            }
            return;
        };
        let stands = |other: &Arc<Endpoint>| {
            !std::ptr::eq(&raw const **other, endpoint) && other.standing(now) == Standing::Good
        };
        // The last one that is left is never left out.
        if endpoint.failed(outlier, now) && self.endpoints.iter().any(stands) {
            endpoint.avoid_until(now.saturating_add(millis(outlier.fail_timeout.get())));
            endpoint.forgive();
            tracing::info!(service = &*self.service, address = %endpoint.address, task = &*endpoint.id, "an endpoint that fails requests is left out for a while");
        }
    }

    /// An endpoint answered. One that is left out for its failures sits that out.
    pub(in crate::proxy) fn answered(&self, endpoint: &Endpoint) {
        if self.outlier.is_none() {
            endpoint.answered();
        }
    }

    /// The next endpoint in turn that stands no worse and is not yet tried.
    pub(super) fn pick(
        &self,
        tried: &[SocketAddr],
        worst: Standing,
        now: u64,
    ) -> Option<&Arc<Endpoint>> {
        let len = self.endpoints.len();
        if len == 0 {
            return None;
        }
        // A second try takes no turn: else one dead endpoint of two would have every first one.
        let start = if tried.is_empty() {
            self.shared.turn.fetch_add(1, Relaxed)
        } else {
            self.shared.turn.load(Relaxed)
        };
        (0..len)
            .map(|step| &self.endpoints[start.wrapping_add(step) % len])
            .find(|endpoint| endpoint.standing(now) <= worst && !tried.contains(&endpoint.address))
    }
}
