//! Keeps what is wanted, and makes the next table from the last one.
//!
//! *Guarantees*: a route becomes live only when all its backends are known; until then what was
//! live under its name stays. One change costs what it touches, whatever the size of the table.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::policy::{Keep, LivePolicy};
use super::table::{LiveBackend, LiveRoute, Table};
use super::tls;
use crate::control::TypeUrl;
use crate::control::wire::{self, BACKEND, CERTIFICATE, LISTENER, PASSTHROUGH, ROUTE};
use crate::route::{Backend, Certificate, Listener, Passthrough, Route, RouteTable};

/// Builds tables.
#[derive(Debug, Default)]
pub struct Assembler {
    workers: usize,
    keep: Keep,
    secrets: PathBuf,
    table: Table,
    wanted: HashMap<String, Route>,
    /// What is in the table, by name; it differs from `wanted` while a backend is missing.
    live: HashMap<String, Route>,
    backends: HashMap<String, Arc<LiveBackend>>,
    /// Names of the live routes that serve nothing, because they ask what cannot be done.
    closed: HashSet<String>,
    /// Names of the routes, wanted or live, that name a backend.
    users: HashMap<String, BTreeSet<String>>,
    tls: tls::Keep,
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

    /// The same with the directory of the secrets whose files the table may name.
    #[must_use]
    pub fn with_secrets(workers: usize, secrets_dir: &Path) -> Self {
        Self {
            secrets: secrets_dir.to_owned(),
            keep: Keep::new(secrets_dir),
            tls: tls::Keep::new(secrets_dir),
            ..Self::new(workers)
        }
    }

    /// Takes in a whole route table.
    ///
    /// # Errors
    /// What of it cannot be used. The rest is taken in.
    pub fn set_all(&mut self, table: &RouteTable) -> Result<(), String> {
        let snapshot = wire::snapshot(table);
        let mut faults = Vec::new();
        // Whatever the others name comes before them.
        for kind in [LISTENER, CERTIFICATE, BACKEND, ROUTE, PASSTHROUGH] {
            for (name, resource) in snapshot.types.get(kind).into_iter().flatten() {
                let fault = self.take(kind, name, &resource.body).err();
                faults.extend(fault.map(|fault| format!("{name}: {fault}")));
            }
        }
        if faults.is_empty() {
            Ok(())
        } else {
            Err(faults.join("; "))
        }
    }

    /// Takes in one resource as it came over the control stream. `false`: a certificate whose
    /// files have yet to come.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn take(&mut self, kind: TypeUrl, name: &str, body: &[u8]) -> Result<bool, String> {
        match kind {
            LISTENER => self.set_listener(wire::decode_listener(body)?)?,
            ROUTE => self.admit_route(name, wire::decode_route(body)?)?,
            PASSTHROUGH => self.set_passthrough(name, wire::decode_passthrough(body)?),
            CERTIFICATE => return self.set_certificate(name, wire::decode_certificate(body)?),
            _ => self.set_backend(name, &wire::decode_backend(body)?)?,
        }
        Ok(true)
    }

    /// The table as it is now. Later changes don't touch it.
    pub fn build(&mut self) -> Arc<Table> {
        self.table.number += 1;
        self.table.routes = self.live.len();
        self.table.backends = self.backends.len();
        self.table.secure = self.tls.table();
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
    ///
    /// # Errors
    /// What of them cannot be had; then the last ones stay.
    pub fn set_listener(&mut self, listener: Listener) -> Result<(), String> {
        self.tls.set_listener(&listener)?;
        self.table.listener = Arc::new(listener);
        Ok(())
    }

    /// Adds or changes a certificate. `false`: its files have yet to come, as was foreseen; the
    /// last one of that name stays.
    ///
    /// # Errors
    /// Why it cannot be shown; then the last one of that name stays.
    pub fn set_certificate(
        &mut self,
        name: &str,
        certificate: Certificate,
    ) -> Result<bool, String> {
        self.tls.set_certificate(name, certificate)
    }

    /// Removes a certificate.
    pub fn remove_certificate(&mut self, name: &str) {
        self.tls.remove_certificate(name);
    }

    /// Looks whether files of certificates have come or changed. Names of those that could not be
    /// used before and now can, and whether there is anything new.
    pub fn look_again(&mut self) -> (Vec<String>, bool) {
        let mended = self.tls.look_again();
        (mended, self.tls.is_stale())
    }

    /// Adds or changes a passthrough.
    pub fn set_passthrough(&mut self, name: &str, passthrough: Passthrough) {
        let backends = &self.backends;
        self.tls
            .set_passthrough(name, passthrough, |it| backends.get(it));
    }

    /// Removes a passthrough.
    pub fn remove_passthrough(&mut self, name: &str) {
        self.tls.remove_passthrough(name);
    }

    /// Whether what is live under a name asks for a password where this route does: else serving
    /// it on would leave open what was meant to be closed.
    fn guards(&self, name: &str, route: &Route) -> bool {
        let asks = |route: &Route| route.policy.basic_auth.is_some();
        self.live
            .get(name)
            .is_some_and(|live| asks(live) || !asks(route))
    }

    /// Adds or changes a route, if this proxy can do all that it asks. Else what was live under
    /// its name stays; if nothing was, or nothing that asked for a password where this one does,
    /// it is closed: its requests must not go to a route of less demands.
    ///
    /// # Errors
    /// What cannot be done.
    pub fn admit_route(&mut self, name: &str, route: Route) -> Result<(), String> {
        let possible = LivePolicy::check(&route).and_then(|()| self.keep.read(&route.policy));
        if possible.is_ok() {
            self.closed.remove(name);
            self.set_route(name, route);
        } else if self.closed.contains(name) || !self.guards(name, &route) {
            self.closed.insert(name.to_owned());
            let targets = Vec::new();
            self.set_route(name, Route { targets, ..route });
        }
        possible
    }

    /// Whether a live route serves nothing, because it asks what cannot be done.
    #[must_use]
    pub fn is_closed(&self, name: &str) -> bool {
        self.closed.contains(name)
    }

    /// Adds or changes a route that is known to be possible.
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
        self.closed.remove(name);
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
        let compile =
            |backend| LiveBackend::compile(name, backend, last, self.workers, &self.secrets);
        let (next, outcome) = match compile(backend) {
            Ok(next) => (next, Ok(())),
            Err(fault) if last.is_some() => return Err(fault),
            // Its routes must be there all the same: without them their requests would go to a
            // route of less demands. They are answered 503.
            Err(fault) => {
                let nobody = Backend {
                    service: backend.service.clone(),
                    ..Backend::default()
                };
                (compile(&nobody)?, Err(fault))
            }
        };
        self.backends.insert(name.to_owned(), Arc::new(next));
        for user in self.users.get(name).cloned().unwrap_or_default() {
            self.refresh(&user);
        }
        let backends = &self.backends;
        self.tls.backend_changed(name, |it| backends.get(it));
        outcome
    }

    /// A backend as it is live.
    #[must_use]
    pub fn backend(&self, name: &str) -> Option<&Arc<LiveBackend>> {
        self.backends.get(name)
    }

    /// Removes a backend. Routes and passthroughs that still name it keep its last endpoints until they change.
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
        let mut live = LiveRoute::compile(name, route, last.map(AsRef::as_ref), |backend| {
            self.backends.get(backend).cloned()
        })?;
        live.checks = if self.closed.contains(name) {
            Some(LivePolicy::closed())
        } else {
            let last = last.and_then(|last| last.checks.as_deref());
            LivePolicy::compile(name, route, last, &self.keep)
        };
        Some(live)
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
