//! Keeps what is wanted, and makes the next table from the last one.
//!
//! *Guarantees*: a route becomes live only when all its backends are known; until then what was
//! live under its name stays. One change costs what it touches, whatever the size of the table.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::table::{LiveBackend, LiveRoute, Table};
use crate::route::{Backend, Listener, Route, RouteTable};

/// Builds tables.
#[derive(Debug, Default)]
pub struct Assembler {
    workers: usize,
    secrets: PathBuf,
    table: Table,
    wanted: HashMap<String, Route>,
    /// What is in the table, by name; it differs from `wanted` while a backend is missing.
    live: HashMap<String, Route>,
    backends: HashMap<String, Arc<LiveBackend>>,
    /// Names of the routes, wanted or live, that name a backend.
    users: HashMap<String, BTreeSet<String>>,
}

impl Assembler {
    /// An empty one. Endpoints will keep one pool of connections for each of `workers` threads.
    #[must_use]
    pub fn new(workers: usize) -> Self {
        Self {
            workers,
            ..Self::default()
        }
    }

    /// Files that the table names are looked for in that directory.
    #[must_use]
    pub fn with_secrets(mut self, dir: &Path) -> Self {
        dir.clone_into(&mut self.secrets);
        self
    }

    /// Takes in a whole route table.
    ///
    /// # Errors
    /// As [`Self::set_backend`].
    pub fn set_all(&mut self, table: &RouteTable) -> Result<(), String> {
        let RouteTable {
            listener,
            routes,
            backends,
            passthroughs: _,
            certificates: _,
        } = table;
        self.set_listener(listener.clone());
        for (name, backend) in backends {
            self.set_backend(name, backend)?;
        }
        for (name, route) in routes {
            self.set_route(name, route.clone());
        }
        Ok(())
    }

    /// The table as it is now. Later changes don't touch it.
    pub fn build(&mut self) -> Arc<Table> {
        self.table.number += 1;
        self.table.routes = self.live.len();
        self.table.backends = self.backends.len();
        Arc::new(self.table.clone())
    }

    /// Names of routes that wait for a backend.
    #[must_use]
    pub fn waiting(&self) -> Vec<&str> {
        let waits = |(name, route): &(&String, &Route)| self.live.get(*name) != Some(*route);
        let mut names: Vec<_> = self
            .wanted
            .iter()
            .filter(waits)
            .map(|(name, _)| name.as_str())
            .collect();
        names.sort_unstable();
        names
    }

    /// Changes the listener-wide settings.
    pub fn set_listener(&mut self, listener: Listener) {
        self.table.listener = Arc::new(listener);
    }

    /// Adds or changes a route.
    pub fn set_route(&mut self, name: &str, route: Route) {
        for target in &route.targets {
            let users = self.users.entry(target.backend.clone()).or_default();
            users.insert(name.to_owned());
        }
        self.wanted.insert(name.to_owned(), route);
        self.refresh(name);
    }

    /// Removes a route.
    pub fn remove_route(&mut self, name: &str) {
        let gone = [self.wanted.remove(name), self.live.remove(name)];
        for route in gone.into_iter().flatten() {
            self.table.take(&route, name);
            self.forget(name, &route);
        }
    }

    /// Adds or changes a backend. Connections and health of endpoints that stay are kept.
    ///
    /// # Errors
    /// Why it cannot be used, for people. The last good one stays.
    pub fn set_backend(&mut self, name: &str, backend: &Backend) -> Result<(), String> {
        let last = self.backends.get(name).map(AsRef::as_ref);
        let next = LiveBackend::compile(name, backend, last, self.workers, &self.secrets)?;
        self.backends.insert(name.to_owned(), Arc::new(next));
        for user in self.users.get(name).cloned().unwrap_or_default() {
            self.refresh(&user);
        }
        Ok(())
    }

    /// A backend as it is live.
    #[must_use]
    pub fn backend(&self, name: &str) -> Option<&Arc<LiveBackend>> {
        self.backends.get(name)
    }

    /// Removes a backend. Routes that still name it keep its last endpoints until they change.
    pub fn remove_backend(&mut self, name: &str) {
        self.backends.remove(name);
    }

    /// Brings the route of that name up to date: what is wanted if it can be had, else what is
    /// live with the backends of now.
    fn refresh(&mut self, name: &str) {
        let wanted = self
            .wanted
            .get(name)
            .and_then(|route| Some((route, self.compile(name, route)?)));
        if let Some((route, compiled)) = wanted {
            let route = route.clone();
            let last = self.live.insert(name.to_owned(), route.clone());
            if let Some(last) = last.filter(|last| *last != route) {
                if (&last.host, &last.path, &last.when) != (&route.host, &route.path, &route.when) {
                    self.table.take(&last, name);
                }
                self.forget(name, &last);
            }
            self.table.put(Arc::new(compiled));
        } else if let Some(compiled) = self
            .live
            .get(name)
            .and_then(|live| self.compile(name, live))
        {
            self.table.put(Arc::new(compiled));
        }
    }

    fn compile(&self, name: &str, route: &Route) -> Option<LiveRoute> {
        let last = self.table.standing(route);
        let last = last.filter(|last| *last.name == *name);
        LiveRoute::compile(name, route, last.map(AsRef::as_ref), |backend| {
            self.backends.get(backend).cloned()
        })
    }

    /// Drops the marks of a route that is neither wanted nor live as it was.
    fn forget(&mut self, name: &str, route: &Route) {
        for target in &route.targets {
            let names = |route: Option<&Route>| {
                route.is_some_and(|route| route.targets.iter().any(|t| t.backend == target.backend))
            };
            if names(self.wanted.get(name)) || names(self.live.get(name)) {
                continue;
            }
            if let Some(users) = self.users.get_mut(&target.backend) {
                users.remove(name);
                if users.is_empty() {
                    self.users.remove(&target.backend);
                }
            }
        }
    }
}
