//! The compiled route table: immutable, shared by all requests, replaced as a whole.
//!
//! *Guarantees*: a lookup takes no lock and allocates nothing; a request that holds a table is
//! not touched by later ones; the next table shares all that did not change with the last.

mod affinity;
mod backend;
mod endpoint;
mod hosts;
mod matching;
mod route;
mod secure;
mod shards;
#[cfg(test)]
mod tests;
mod trial;
mod tried;

use std::sync::Arc;

pub use affinity::Wish;
pub use backend::{LiveBackend, Shared};
pub use endpoint::{Endpoint, Standing};
pub use hosts::HostEntry;
pub use matching::LivePath;
pub use route::{LiveRoute, Retrying};
pub use secure::Secure;
pub(super) use secure::{Names, Way};
use shards::Shards;
pub use trial::{Candidate, Places, Verdict};
pub use tried::TooLong;

use http::request::Parts;

use crate::route::{Listener, Route};

/// One moment's routes.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// Listener-wide settings.
    pub listener: Arc<Listener>,
    /// Counts the tables of this process.
    pub number: u64,
    /// How many routes are live.
    pub routes: usize,
    /// How many backends are known.
    pub backends: usize,
    /// Where TLS connections go.
    pub secure: Arc<Secure>,
    exact: Shards<HostEntry>,
    /// By suffix with its dot: `.example.com`.
    wild: Shards<HostEntry>,
    fallback: Option<Arc<HostEntry>>,
}

impl Table {
    /// The route of a request. `host` is in lower case without port or trailing dot. The most
    /// specific host that any route names decides alone; then the most specific path whose
    /// conditions the request meets.
    #[must_use]
    pub fn find(&self, host: &str, path: &str, request: &Parts) -> Option<&Arc<LiveRoute>> {
        self.host(host)?.find(path, request)
    }

    /// Whether any route names the host, by itself or by a wildcard, or there is one for all.
    #[must_use]
    pub fn has_host(&self, host: &str) -> bool {
        self.host(host).is_some()
    }

    /// Whether a request has more than the expressions of its host may be tried with. Asked before
    /// [`Table::find`], where it would match none of them.
    #[must_use]
    pub fn too_long(&self, host: &str, path: &str, request: &Parts) -> Option<TooLong> {
        self.host(host)?.too_long(path, request)
    }

    fn host(&self, host: &str) -> Option<&Arc<HostEntry>> {
        if let Some(entry) = self.exact.get(host) {
            return Some(entry);
        }
        if !self.wild.is_empty() {
            // `*.a.b` is for what is below `a.b`: the first dot is never at the start.
            let dots = host
                .match_indices('.')
                .map(|(at, _)| at)
                .filter(|at| *at > 0);
            if let Some(entry) = dots.into_iter().find_map(|at| self.wild.get(&host[at..])) {
                return Some(entry);
            }
        }
        self.fallback.as_ref()
    }

    /// Puts a route in its place, instead of what stood there.
    pub(super) fn put(&mut self, route: Arc<LiveRoute>) {
        let host = route.host.clone();
        let entry = self
            .at(&host)
            .map_or_else(HostEntry::default, |entry| HostEntry::clone(entry));
        self.set(&host, entry.with(route));
    }

    /// Takes away the route of that name, if it stands at that place.
    pub(super) fn take(&mut self, route: &Route, name: &str) {
        if let Some(entry) = self.at(&route.host) {
            let next = entry.without(route, name);
            self.set(&route.host, next);
        }
    }

    /// The route at exactly the place of this one.
    pub(super) fn standing(&self, route: &Route) -> Option<&Arc<LiveRoute>> {
        self.at(&route.host)?.standing(route)
    }

    /// All routes, in no order.
    pub fn all(&self) -> impl Iterator<Item = &Arc<LiveRoute>> {
        let named = self
            .exact
            .iter()
            .chain(self.wild.iter())
            .map(|(_, entry)| entry);
        named.chain(&self.fallback).flat_map(|entry| entry.all())
    }

    fn at(&self, host: &str) -> Option<&Arc<HostEntry>> {
        match host.strip_prefix('*') {
            Some("") => self.fallback.as_ref(),
            Some(suffix) => self.wild.get(suffix),
            None => self.exact.get(host),
        }
    }

    fn set(&mut self, host: &str, entry: HostEntry) {
        let entry = (!entry.is_empty()).then(|| Arc::new(entry));
        let (map, key) = match host.strip_prefix('*') {
            Some("") => {
                self.fallback = entry;
                return;
            }
            Some(suffix) => (&mut self.wild, suffix),
            None => (&mut self.exact, host),
        };
        match entry {
            Some(entry) => map.insert(key, entry),
            None => map.remove(key),
        }
    }
}
