//! Puts granted claims together to one table. They come oldest service first, so the first one at
//! a place decides over it, and the others are told.

use std::collections::BTreeMap;

use super::claim::{ANY_HOST, Grant, place_text};
use super::place::{Place, places};
use super::{
    Certificate, CertificateSource, ClusterRouting, PathMatch, Policy, Redirect, Route, Row,
    RowState, Target, settings,
};

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
    /// Whose certificate is shown, by host.
    shown: BTreeMap<String, Shown>,
}

/// A route of a service.
#[derive(Clone, PartialEq, Eq)]
struct Owner {
    service: String,
    id: String,
}

/// A certificate in use.
#[derive(Clone)]
struct Shown {
    service: String,
    name: String,
    pair: (String, String),
}

/// What an older one at the same place says to a claim.
struct Verdict {
    state: RowState,
    reason: &'static str,
    message: String,
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
            "{first} stands at the same place already: give one of them another host, path or condition"
        );
        Some(rejected("DuplicateRoute", message))
    }

    /// Passes TLS on. Whether the claim's backend is in use.
    fn pass(&mut self, grant: &Grant) -> bool {
        let owner = Owner::of(grant);
        let mut used = false;
        for host in &grant.hosts {
            let verdict = self.seal(grant, &owner, host);
            let refused = verdict.is_some();
            used |= !refused;
            let (state, reason, message) = match verdict {
                Some(verdict) => (verdict.state, verdict.reason, verdict.message),
                None => grant.standing(),
            };
            self.routing.rows.push(Row {
                host: host.clone(),
                tls: "passthrough".to_owned(),
                state,
                reason: reason.to_owned(),
                message,
                ..grant.row()
            });
            if !refused {
                self.plain(grant, &owner, host);
            }
        }
        used
    }

    fn seal(&mut self, grant: &Grant, owner: &Owner, host: &str) -> Option<Verdict> {
        if let Some(first) = self.open.get(host) {
            let message = format!(
                "{first} serves the host and is older, so its TLS is not passed on: give the passthrough a host of its own"
            );
            return Some(rejected("HostTaken", message));
        }
        // No route is named like a host alone.
        if let Some(twice) = self.twice(host, owner) {
            return Some(twice);
        }
        let stand = (host.to_owned(), owner.service.clone());
        self.stands.insert(stand, owner.clone());
        let sealed = self.sealed.entry(host.to_owned());
        sealed.or_insert_with(|| owner.clone());
        let passthroughs = &mut self.routing.table.passthroughs;
        let passthrough = passthroughs.entry(host.to_owned()).or_default();
        host.clone_into(&mut passthrough.host);
        passthrough.targets.push(target(grant));
        None
    }

    /// What is answered by plain HTTP where TLS is passed on: a way to HTTPS, or elsewhere.
    fn plain(&mut self, grant: &Grant, owner: &Owner, host: &str) {
        let https = grant.policy.https_only.filter(|_| !host.starts_with('*'));
        let https = https.map(|status| Redirect {
            status,
            target: format!("https://{host}"),
        });
        let rule = grant.redirects.iter().find(|rule| rule.host == host);
        let named = rule.map(|rule| Redirect {
            status: rule.status.unwrap_or(grant.redirect_status),
            target: rule.target.clone(),
        });
        let Some(redirect) = named.or(https) else {
            return;
        };
        let place = Place {
            host: host.to_owned(),
            path: PathMatch::Prefix(rule.map_or("/", |rule| &rule.path).to_owned()),
            redirect: Some(redirect),
            served: false,
        };
        let bare = Grant {
            policy: Policy::default(),
            when: super::Conditions::default(),
            ..grant.clone()
        };
        let verdict = self.stand(&bare, owner, &place);
        self.tell(&bare, &place, verdict, None);
    }

    /// Whether another service has the host's TLS passed on.
    fn sealed(&self, grant: &Grant, host: &str) -> Option<Verdict> {
        let first = self.sealed.get(host)?;
        (first.service != grant.service || grant.certificate.is_some()).then(|| Verdict {
            state: RowState::Conflict,
            reason: "TlsTaken",
            message: format!(
                "{first} has TLS of the host passed on and is older: this route is served by plain HTTP only"
            ),
        })
    }

    /// Shows the claim's certificate for a host. Its name, or who shows another one.
    fn certify(&mut self, grant: &Grant, host: &str) -> Option<Result<String, Verdict>> {
        let pair = grant.certificate.clone()?;
        if self.sealed.contains_key(host) || !(grant.hosts.contains(host)) {
            return None;
        }
        if let Some(shown) = self.shown.get(host) {
            if shown.pair == pair {
                return Some(Ok(shown.name.clone()));
            }
            let verdict = Verdict {
                state: RowState::Conflict,
                reason: "CertificateDisagrees",
                message: format!(
                    "the host shows the certificate of service {}, which is older: give both the same secrets",
                    shown.service
                ),
            };
            return Some(Err(verdict));
        }
        let name = self.certificate_name(grant, &pair);
        let (chain, key) = pair.clone();
        let shown = Shown {
            service: grant.service.clone(),
            name: name.clone(),
            pair,
        };
        self.shown.insert(host.to_owned(), shown);
        self.routing.secrets.extend([chain.clone(), key.clone()]);
        let table = &mut self.routing.table;
        let certificate = table.certificates.entry(name.clone());
        let certificate = certificate.or_insert_with(|| Certificate {
            hosts: Vec::new(),
            source: CertificateSource::Files { chain, key },
        });
        if host == ANY_HOST {
            table.listener.default_certificate = Some(name.clone());
        } else {
            certificate.hosts.push(host.to_owned());
            certificate.hosts.sort();
        }
        Some(Ok(name))
    }

    /// `service/NAME`, or `service/NAME/ROUTE` where the service has several.
    fn certificate_name(&self, grant: &Grant, pair: &(String, String)) -> String {
        let mut ours = self.shown.values().filter(|it| it.service == grant.service);
        if let Some(same) = ours.clone().find(|shown| shown.pair == *pair) {
            return same.name.clone();
        }
        match ours.next() {
            None => format!("service/{}", grant.service),
            Some(_) => format!("service/{}/{}", grant.service, grant.id),
        }
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
        let (state, reason, message) = match verdict.or(complaint) {
            Some(verdict) if verdict.state == RowState::Rejected || !idle => {
                (verdict.state, verdict.reason, verdict.message)
            }
            _ if idle => grant.standing(),
            _ => (RowState::Active, "", String::new()),
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
            state,
            reason: reason.to_owned(),
            message,
            ..grant.row()
        });
    }
}

fn target(grant: &Grant) -> Target {
    Target {
        backend: grant.name.clone(),
        weight: grant.weight,
    }
}

fn rejected(reason: &'static str, message: String) -> Verdict {
    Verdict {
        state: RowState::Rejected,
        reason,
        message,
    }
}

impl Owner {
    fn of(grant: &Grant) -> Self {
        Self {
            service: grant.service.clone(),
            id: grant.id.clone(),
        }
    }

    /// To a younger service whose settings are not those in force.
    fn disagrees(&self, standing: &Route, asked: &Route) -> Option<Verdict> {
        let settings = differing(standing, asked);
        if settings.is_empty() {
            return None;
        }
        let names = settings.join(", ");
        if unprotected(&standing.policy, &asked.policy) {
            let message = format!(
                "{names} would not be in force, because {self} is older and decides: give both the same values, or a host or path of their own"
            );
            return Some(rejected("LessProtected", message));
        }
        Some(Verdict {
            state: RowState::Conflict,
            reason: "SettingsDisagree",
            message: format!(
                "{names} as asked for is not in force, because {self} is older and decides: give both the same values"
            ),
        })
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

/// Labels whose settings differ.
fn differing(a: &Route, b: &Route) -> Vec<&'static str> {
    let (p, q) = (&a.policy, &b.policy);
    let all = [
        (a.rewrite != b.rewrite, "context_root_rewrite"),
        (a.redirect != b.redirect, "redirects"),
        (p.allow != q.allow, "ip_allow"),
        (p.https_only != q.https_only, "https_redirect"),
        (p.cors != q.cors, "cors"),
        (p.rate_limit != q.rate_limit, "rate_limit"),
        (p.basic_auth != q.basic_auth, "basic_auth"),
        (p.max_request_body != q.max_request_body, "max_request_body"),
        (p.request_timeout != q.request_timeout, "request_timeout"),
        (p.connect_timeout != q.connect_timeout, "connect_timeout"),
        (p.retries != q.retries, "retries"),
        (p.request_headers != q.request_headers, "request_headers"),
        (p.response_headers != q.response_headers, "response_headers"),
        (p.affinity != q.affinity, "sticky_session_cookie or ip_hash"),
    ];
    let differ = all.into_iter().filter(|(differ, _)| *differ);
    differ.map(|(_, name)| name).collect()
}

/// Whether a service would be reached by requests that it asked to be kept from.
fn unprotected(standing: &Policy, asked: &Policy) -> bool {
    (!asked.allow.is_empty() && asked.allow != standing.allow)
        || (asked.basic_auth.is_some() && asked.basic_auth != standing.basic_auth)
        || (asked.https_only.is_some() && standing.https_only.is_none())
}

impl Grant {
    /// A row without place and state.
    fn row(&self) -> Row {
        Row {
            service: self.service.clone(),
            endpoints: self.backend.endpoints.len(),
            weight: self.weight,
            ..Row::default()
        }
    }

    /// How it stands when nobody else has a say.
    fn standing(&self) -> (RowState, &'static str, String) {
        if self.idle.is_empty() {
            (RowState::Active, "", String::new())
        } else {
            (RowState::Degraded, "NoEndpoints", self.idle.clone())
        }
    }
}

impl Row {
    /// Where it stands among the rows.
    fn place(&self) -> (&str, &str, &str, &str, &str, &str) {
        (
            &self.host,
            &self.path,
            &self.when,
            &self.service,
            &self.label,
            &self.reason,
        )
    }
}
