//! What is looked up for many refusals, gathered once.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::labels::{self, Label, RouteLabels};
use crate::names;
use crate::route::certificates::files;
use crate::route::{CertificateSource, ClusterRouting, Row, RowState};
use crate::status::{Part, Refusal};
use crate::world::{Age, Service, World};

/// The services, rows and labels of one look at a cluster.
pub(super) struct Book<'a> {
    pub(super) routing: &'a ClusterRouting,
    services: BTreeMap<&'a str, &'a Service>,
    routes: BTreeMap<String, Vec<&'a Row>>,
    passed: BTreeMap<&'a str, Vec<&'a Row>>,
    /// What all proxies have as files; `None`: there is no proxy.
    files: Option<BTreeSet<String>>,
    /// Labels by service, read when they are asked for.
    labels: BTreeMap<String, Vec<RouteLabels>>,
}

impl<'a> Book<'a> {
    pub(super) fn of(world: &'a World, routing: &'a ClusterRouting) -> Self {
        let services = world.services.values();
        let mut book = Self {
            routing,
            services: services.map(|it| (it.spec.name.as_str(), it)).collect(),
            routes: BTreeMap::new(),
            passed: BTreeMap::new(),
            files: files(world, &routing.table.listener.cluster),
            labels: BTreeMap::new(),
        };
        let rows = routing.rows.iter();
        for row in rows.filter(|row| row.state != RowState::Rejected) {
            if row.tls == "passthrough" {
                book.passed.entry(&row.host).or_default().push(row);
            } else {
                book.routes.entry(row.route()).or_default().push(row);
            }
        }
        book
    }

    /// The service whose labels made the part that is refused.
    pub(super) fn owner(&self, refusal: &Refusal) -> Option<&'a Service> {
        match refusal.part {
            Part::Listener => None,
            Part::Certificate => {
                self.secrets(&refusal.name)?;
                self.owner_of_certificate(&refusal.name)
            }
            Part::Backend => {
                let backend = self.routing.table.backends.get(&refusal.name)?;
                self.service(&backend.service)
            }
            Part::Route | Part::Passthrough => {
                let rows = self.rows(refusal).iter();
                let services = rows.filter_map(|row| self.service(&row.service));
                // The oldest service at a place decides over it.
                services.min_by_key(|it| (Age::of(&it.created_at), &it.spec.name))
            }
        }
    }

    pub(super) fn owner_of_certificate(&self, name: &str) -> Option<&'a Service> {
        self.service(names::owner_of_certificate(name)?)
    }

    /// The secrets, chain and key, of a certificate from files.
    pub(super) fn secrets(&self, name: &str) -> Option<(&'a str, &'a str)> {
        match &self.routing.table.certificates.get(name)?.source {
            CertificateSource::Files { chain, key } => Some((chain, key)),
            CertificateSource::Pem { .. } => None,
        }
    }

    /// The rows of a route or passthrough.
    pub(super) fn rows(&self, refusal: &Refusal) -> &[&'a Row] {
        let name = refusal.name.as_str();
        let rows = match refusal.part {
            Part::Passthrough => self.passed.get(name),
            _ => self.routes.get(name),
        };
        rows.map_or(&[], Vec::as_slice)
    }

    /// The secret that a refused part needs and that not every proxy has as a file yet.
    pub(super) fn awaited(&self, refusal: &Refusal) -> Option<String> {
        let files = self.files.as_ref()?;
        let (table, name) = (&self.routing.table, &refusal.name);
        let needed: Vec<&str> = match refusal.part {
            Part::Certificate => {
                if !table.certificates.get(name)?.awaited {
                    return None;
                }
                let (chain, key) = self.secrets(name)?;
                vec![chain, key]
            }
            Part::Backend => {
                let tls = table.backends.get(name)?.tls.as_ref()?;
                vec![tls.ca.as_deref()?]
            }
            Part::Route => {
                let users = table.routes.get(name)?.policy.basic_auth.as_ref()?;
                vec![&users.secret]
            }
            Part::Listener | Part::Passthrough => return None,
        };
        let mut needed = needed.into_iter();
        let secret = needed.find(|secret| !files.contains(*secret))?;
        // It may be refused for something else.
        let told = refusal.part == Part::Certificate || refusal.reason.contains(secret);
        told.then(|| secret.to_owned())
    }

    /// Whether these are all routes of the cluster, and those that are passed on.
    pub(super) fn are_all_routes(&self, refused: &BTreeSet<(Part, &str)>) -> bool {
        let table = &self.routing.table;
        let mut routes = table.routes.keys();
        let mut passed = table.passthroughs.keys();
        !(table.routes.is_empty() && table.passthroughs.is_empty())
            && routes.all(|name| refused.contains(&(Part::Route, name)))
            && passed.all(|name| refused.contains(&(Part::Passthrough, name)))
    }

    fn service(&self, name: &str) -> Option<&'a Service> {
        self.services.get(name).copied()
    }

    /// The first of these labels that a fitting route of a service has.
    pub(super) fn any_label(
        &mut self,
        service: &Service,
        names: &[&'static str],
        fits: impl Fn(&RouteLabels) -> bool,
    ) -> Option<Label> {
        let name = &service.spec.name;
        if !self.labels.contains_key(name) {
            let routes = labels::read(&service.spec.labels).routes;
            self.labels.insert(name.clone(), routes);
        }
        let mut fitting = self.labels.get(name)?.iter().filter(|route| fits(route));
        fitting.find_map(|route| names.iter().find_map(|name| route.label(name).cloned()))
    }
}
