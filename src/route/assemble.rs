//! Puts granted claims together to one table. They come oldest service first, so the first one at
//! a place decides over it, and the others are told.

mod expressions;
mod tls;
mod verdict;

use crate::api::grammar::shown;
use std::collections::BTreeMap;

use super::claim::{Grant, place_text};
use super::place::{Place, places};
use super::{ClusterRouting, Route, Row, RowState, Target, settings};
use expressions::Expressions;
use tls::Shown;
use verdict::{Verdict, rejected};

/// The secrets of a certificate and its key.
type Pair = (String, String);

/// A table in the making.
#[derive(Default)]
pub(super) struct Assembly {
    routing: ClusterRouting,
    /// Who decides, by name of the route.
    deciders: BTreeMap<String, Owner>,
    /// Each service's route at a place (name of the route, service).
    stands: BTreeMap<(String, String), Owner>,
    /// Who serves HTTP, by host.
    open: BTreeMap<String, Owner>,
    /// Who has TLS passed on, by host.
    sealed: BTreeMap<String, Owner>,
    /// The certificates of each host, in the order in which they are shown.
    shown: BTreeMap<String, Vec<Shown>>,
    /// The certificates of each service: pair and name.
    named: BTreeMap<String, Vec<(Pair, String)>>,
    expressions: Expressions,
}

/// A route of a service.
#[derive(Clone, PartialEq, Eq)]
struct Owner {
    service: String,
    id: String,
}

impl Assembly {
    pub(super) fn new(routing: ClusterRouting) -> Self {
        Self {
            routing,
            ..Self::default()
        }
    }

    /// Takes one claim in.
    pub(super) fn add(&mut self, grant: &Grant) {
        let before = self.routing.table.routes.len();
        let shown = if grant.passthrough {
            self.pass(grant)
        } else {
            self.serve(grant)
        };
        if shown {
            let backends = &mut self.routing.table.backends;
            backends.insert(grant.name.clone(), grant.backend.clone());
            self.routing.followed.extend(grant.network.clone());
        }
        if shown || self.routing.table.routes.len() > before {
            let secrets = settings::secrets(&grant.policy, &grant.backend);
            self.routing.secrets.extend(secrets);
        }
    }

    /// Lets a claim that serves nobody stand where nobody else does.
    pub(super) fn close(&mut self, grant: &Grant) {
        let (path, when) = place_text(&grant.path, &grant.when);
        for host in &grant.hosts {
            let route = Route {
                host: host.clone(),
                path: grant.path.clone(),
                when: grant.when.clone(),
                targets: vec![target(grant)],
                ..Route::default()
            };
            let name = route.name();
            let mut tls = None;
            if !self.sealed.contains_key(host) && !self.routing.table.routes.contains_key(&name) {
                self.routing.table.routes.insert(name, route);
                let backends = &mut self.routing.table.backends;
                backends.insert(grant.name.clone(), grant.backend.clone());
                tls = self.certify(grant, host).and_then(Result::ok);
            }
            self.routing.rows.extend(grant.closed.iter().map(|row| Row {
                host: host.clone(),
                path: path.clone(),
                when: when.clone(),
                tls: tls.clone().unwrap_or_default(),
                ..row.clone()
            }));
        }
    }

    /// The table, in its final order.
    pub(super) fn done(mut self) -> ClusterRouting {
        let table = &mut self.routing.table;
        for route in table.routes.values_mut() {
            route.targets.sort_by(|a, b| a.backend.cmp(&b.backend));
        }
        for passthrough in table.passthroughs.values_mut() {
            (passthrough.targets).sort_by(|a, b| a.backend.cmp(&b.backend));
        }
        self.routing.rows.sort_by(|a, b| a.place().cmp(&b.place()));
        self.routing
    }

    /// Serves HTTP. Whether the claim's backend is in use.
    fn serve(&mut self, grant: &Grant) -> bool {
        let owner = Owner::of(grant);
        let mut used = false;
        for place in places(grant) {
            let verdict = self.stand(grant, &owner, &place);
            let refused = verdict
                .as_ref()
                .is_some_and(|verdict| verdict.state == RowState::Rejected);
            used |= place.served && !refused;
            if !refused && place.served {
                let open = self.open.entry(place.host.clone());
                open.or_insert_with(|| owner.clone());
            }
            let verdict = verdict.or_else(|| self.sealed(grant, &place.host));
            let tls = if refused {
                None
            } else {
                self.certify(grant, &place.host)
            };
            self.tell(grant, &place, verdict, tls);
        }
        used
    }

    /// Puts one place of a claim into the table.
    fn stand(&mut self, grant: &Grant, owner: &Owner, place: &Place) -> Option<Verdict> {
        let route = Route {
            host: place.host.clone(),
            path: place.path.clone(),
            when: grant.when.clone(),
            redirect: place.redirect.clone(),
            rewrite: grant.rewrite && place.served,
            targets: Vec::new(),
            policy: grant.policy.clone(),
        };
        let name = route.name();
        if let Some(twice) = self.twice(&name, owner) {
            return Some(twice);
        }
        let standing = self.routing.table.routes.get(&name);
        if standing.is_none()
            && let Some(verdict) = self.expressions.count(&route, owner)
        {
            return Some(verdict);
        }
        let verdict = match (self.deciders.get(&name), standing) {
            (Some(first), Some(standing)) => first.disagrees(standing, &route),
            _ => None,
        };
        if verdict
            .as_ref()
            .is_some_and(|it| it.state == RowState::Rejected)
        {
            return verdict;
        }
        let deciders = self.deciders.entry(name.clone());
        deciders.or_insert_with(|| owner.clone());
        self.stands
            .insert((name.clone(), owner.service.clone()), owner.clone());
        let route = self.routing.table.routes.entry(name).or_insert(route);
        if place.served {
            route.targets.push(target(grant));
        }
        verdict
    }

    /// Whether another route of the same service stands at a place already.
    fn twice(&self, place: &str, owner: &Owner) -> Option<Verdict> {
        let first = self
            .stands
            .get(&(place.to_owned(), owner.service.clone()))?;
        let message = format!(
            "{first} stands at the same place already, so {owner} does not: give one of them another host, path or condition"
        );
        Some(rejected("DuplicateRoute", "hosts", message))
    }

    /// Adds the row of a place.
    fn tell(
        &mut self,
        grant: &Grant,
        place: &Place,
        verdict: Option<Verdict>,
        tls: Option<Result<String, Verdict>>,
    ) {
        let (tls, complaint) = match tls {
            Some(Ok(name)) => (name, None),
            Some(Err(verdict)) => (String::new(), Some(verdict)),
            None => (String::new(), None),
        };
        let idle = place.served && !place.leads_away() && !grant.idle.is_empty();
        let verdict = match verdict.or(complaint) {
            Some(verdict) if verdict.state == RowState::Rejected || !idle => verdict,
            _ if idle => grant.standing(),
            _ => Verdict::well(),
        };
        let (path, when) = place_text(&place.path, &grant.when);
        let redirect = place.redirect.as_ref();
        self.routing.rows.push(Row {
            host: place.host.clone(),
            path,
            when,
            redirect: redirect
                .map(|redirect| format!("{} {}", redirect.status, redirect.target))
                .unwrap_or_default(),
            tls,
            ..grant.row(verdict)
        });
    }
}

fn target(grant: &Grant) -> Target {
    Target {
        backend: grant.name.clone(),
        weight: grant.weight,
    }
}

impl Owner {
    fn of(grant: &Grant) -> Self {
        Self {
            service: grant.service.clone(),
            id: grant.id.clone(),
        }
    }
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.id.is_empty() {
            write!(f, "service {}", self.service)
        } else {
            write!(f, "route {} of service {}", self.id, self.service)
        }
    }
}

impl Grant {
    /// A row without a place.
    fn row(&self, verdict: Verdict) -> Row {
        // Interlock's word for the same thing.
        let label = match verdict.label {
            "https_redirect" => {
                (self.labels.label("https_redirect")).or_else(|| self.labels.label("ssl_only"))
            }
            // A default backend may have no host.
            "hosts" => {
                (self.labels.label("hosts")).or_else(|| self.labels.label("default_backend"))
            }
            name => self.labels.label(name),
        };
        Row {
            service: self.service.clone(),
            endpoints: self.backend.endpoints.len(),
            weight: self.weight,
            state: verdict.state,
            reason: verdict.reason.to_owned(),
            message: verdict.message,
            label: label.map(|label| label.key.clone()).unwrap_or_default(),
            value: label.map(|label| shown(&label.value)).unwrap_or_default(),
            ..Row::default()
        }
    }

    /// How it stands when nobody else has a say.
    fn standing(&self) -> Verdict {
        if self.idle.is_empty() {
            return Verdict::well();
        }
        Verdict {
            state: RowState::Degraded,
            reason: "NoEndpoints",
            message: self.idle.clone(),
            label: "",
        }
    }
}
