//! The routes of one host, the most specific first.

use std::collections::HashMap;
use std::sync::Arc;

use http::request::Parts;

use super::route::LiveRoute;
use super::tried::{TooLong, Tried};
use crate::route::PathMatch;

/// With more routes than this a hash lookup per segment beats going through all of them.
const FEW: usize = 8;

/// All routes of one host.
#[derive(Clone, Debug, Default)]
pub struct HostEntry {
    /// The most specific first (see [`LiveRoute::precedence`]).
    routes: Vec<Arc<LiveRoute>>,
    /// What is found by text, when there are many; `None`: there are few.
    index: Option<Box<Index>>,
    /// What is tried against expressions; `None`: nothing.
    tried: Option<Box<Tried>>,
}

/// Places in `routes`.
#[derive(Clone, Debug, Default)]
struct Index {
    /// The first one of each exact path; others with the same path follow it.
    exact: HashMap<Box<str>, usize>,
    /// The first one of each prefix; others with the same prefix follow it.
    prefix: HashMap<Box<str>, usize>,
    /// Expressions lie from the first of these up to the second.
    expressions: std::ops::Range<usize>,
}

impl HostEntry {
    /// The most specific route that takes the request.
    #[must_use]
    pub fn find(&self, path: &str, request: &Parts) -> Option<&Arc<LiveRoute>> {
        let Some(index) = &self.index else {
            return self.first(&self.routes, path, request);
        };
        let at = |place: Option<&usize>| {
            let group = place.map_or(&[][..], |&place| self.group(place));
            self.first(group, path, request)
        };
        let expressions = || self.first(&self.routes[index.expressions.clone()], path, request);
        if let Some(found) = at(index.exact.get(path)).or_else(expressions) {
            return Some(found);
        }
        let mut end = path.len();
        while end > 0 {
            if let Some(found) = at(index.prefix.get(&path[..end])) {
                return Some(found);
            }
            end = path[..end].rfind('/').unwrap_or(0);
        }
        at(index.prefix.get("/"))
    }

    /// Whether the expressions of this host cannot be tried with a request.
    #[must_use]
    pub fn too_long(&self, path: &str, request: &Parts) -> Option<TooLong> {
        self.tried.as_ref()?.too_long(path, request)
    }

    #[allow(clippy::unused_self)] // Ties the lifetime of the answer to the entry.
    fn first<'a>(
        &'a self,
        routes: &'a [Arc<LiveRoute>],
        path: &str,
        request: &Parts,
    ) -> Option<&'a Arc<LiveRoute>> {
        let takes = |route: &&Arc<LiveRoute>| route.matches(path) && route.admits(request);
        routes.iter().find(takes)
    }

    /// The routes from a place on that have the same path.
    fn group(&self, place: usize) -> &[Arc<LiveRoute>] {
        let rest = &self.routes[place..];
        let path = &rest[0].path;
        let len = rest.iter().take_while(|route| route.path == *path).count();
        &rest[..len]
    }

    /// The route that stands at the same place as this one would.
    pub(super) fn standing(&self, route: &crate::route::Route) -> Option<&Arc<LiveRoute>> {
        let same = |live: &&Arc<LiveRoute>| live.is_at(&route.path, &route.when);
        self.routes.iter().find(same)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<LiveRoute>> {
        self.routes.iter()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    pub(super) fn with(mut self, route: Arc<LiveRoute>) -> Self {
        let place = self
            .routes
            .binary_search_by(|other| other.precedence().cmp(&route.precedence()));
        match place {
            Ok(at) => self.routes[at] = route,
            Err(at) => self.routes.insert(at, route),
        }
        self.indexed()
    }

    /// Without the route at this place, if it has this name.
    pub(super) fn without(&self, route: &crate::route::Route, name: &str) -> Self {
        let mut next = self.clone();
        let gone =
            |live: &Arc<LiveRoute>| *live.name == *name && live.is_at(&route.path, &route.when);
        next.routes.retain(|live| !gone(live));
        next.indexed()
    }

    fn indexed(mut self) -> Self {
        self.index = (self.routes.len() > FEW).then(|| Box::new(index(&self.routes)));
        self.tried = Tried::of(self.routes.iter().map(|route| route.place()));
        self
    }
}

fn index(routes: &[Arc<LiveRoute>]) -> Index {
    let mut index = Index::default();
    for (at, route) in routes.iter().enumerate() {
        match route.path.of() {
            PathMatch::Exact(path) => {
                index.exact.entry(path.as_str().into()).or_insert(at);
            }
            PathMatch::Prefix(path) => {
                index.prefix.entry(path.as_str().into()).or_insert(at);
            }
            PathMatch::Regex(_) if index.expressions.is_empty() => {
                index.expressions = at..at + 1;
            }
            PathMatch::Regex(_) => index.expressions.end = at + 1,
        }
    }
    index
}
