//! Whose fault it is: from what proxies refuse, and from the certificates that only they can read,
//! back to the service and the label that asked for it.

use std::collections::BTreeSet;

use super::certificates::{ends, told_end};
use super::{FileCertificate, Part, ProxyReport, Refusal};
use crate::api::grammar::shown;
use crate::api::labels::{self, Label, RouteLabels};
use crate::api::status::RouteFault;
use crate::names;
use crate::route::{CertificateSource, ClusterRouting, RowState};
use crate::world::{Age, Service, World};

/// Reasons of refused parts; all others are warnings.
const REFUSALS: [&str; 5] = [
    "CertificateUnusable",
    "PasswordsUnusable",
    "AuthoritiesUnusable",
    "RouteRefused",
    "BackendRefused",
];
/// So many are listed in a status.
const MOST: usize = 20;

/// What the proxies of a cluster found wrong.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults {
    /// What they refuse because of one service's labels.
    pub refused: Vec<RouteFault>,
    /// Certificates from Docker secrets that need attention.
    pub warnings: Vec<RouteFault>,
    /// What they refuse and no service is to blame for, each as `NAME: reason`.
    pub others: BTreeSet<String>,
}

impl Faults {
    /// As many as fit into a status, refusals first.
    pub(super) fn listed(&self) -> Vec<RouteFault> {
        let all = self.refused.iter().chain(&self.warnings);
        all.take(MOST).cloned().collect()
    }
}

/// Whether a fault is a refusal: what was there before stays.
pub(super) fn is_refusal(fault: &RouteFault) -> bool {
    REFUSALS.contains(&fault.reason.as_str())
}

/// Looks whose fault each thing is that these proxies tell.
pub(super) fn faults<'a>(
    world: &World,
    routing: &ClusterRouting,
    fleet: impl Iterator<Item = &'a ProxyReport> + Clone,
    now: i64,
) -> Faults {
    let mut faults = Faults::default();
    let mut seen = BTreeSet::new();
    let refusals: BTreeSet<&Refusal> = fleet.clone().flat_map(|proxy| &proxy.refused).collect();
    for refusal in refusals {
        // Proxies may say it in different words.
        if !seen.insert((refusal.part, &refusal.name)) {
            continue;
        }
        if let Some(fault) = refused(world, routing, refusal) {
            faults.refused.push(fault);
        } else {
            let Refusal { name, reason, .. } = refusal;
            faults.others.insert(format!("{name}: {reason}"));
        }
    }
    let certificates: BTreeSet<&FileCertificate> =
        fleet.flat_map(|proxy| &proxy.certificates).collect();
    let mut warnings: Vec<(i64, RouteFault)> = Vec::new();
    for certificate in certificates {
        warnings.extend(worries(world, routing, certificate, now));
    }
    warnings.sort_by(|a, b| (a.0, &a.1.name, &a.1.reason).cmp(&(b.0, &b.1.name, &b.1.reason)));
    let mut seen = BTreeSet::new();
    warnings.retain(|(_, fault)| seen.insert((fault.name.clone(), fault.reason.clone())));
    faults.warnings = warnings.into_iter().map(|(_, fault)| fault).collect();
    faults
}

/// A refusal as the fault of one service; `None`: it is not.
fn refused(world: &World, routing: &ClusterRouting, refusal: &Refusal) -> Option<RouteFault> {
    let (name, reason) = (&refusal.name, &refusal.reason);
    match refusal.part {
        Part::Listener => None,
        Part::Certificate => {
            let (service, chain, key) = certificate(world, routing, name)?;
            // The file that is spoken of first is the one at fault.
            let at = |secret: &str| reason.find(&format!("`{secret}`")).unwrap_or(usize::MAX);
            let (label, secret, what) = if at(key) < at(chain) {
                ("ssl_key", key, "the private key in PEM")
            } else {
                (
                    "ssl_cert",
                    chain,
                    "the chain in PEM, the host's own certificate first",
                )
            };
            let message = format!(
                "a proxy cannot use the certificate: {reason}; until then the last good one is shown, or none"
            );
            let fault = fault(refusal.part, name, "CertificateUnusable", message);
            let hint = new_secret(what, label);
            Some(blame(
                fault,
                service,
                secret_label(service, label, secret),
                hint,
            ))
        }
        Part::Backend => backend(world, routing, refusal),
        Part::Route | Part::Passthrough => route(world, routing, refusal),
    }
}

fn backend(world: &World, routing: &ClusterRouting, refusal: &Refusal) -> Option<RouteFault> {
    let (name, reason) = (&refusal.name, &refusal.reason);
    let backend = routing.table.backends.get(name)?;
    let service = service(world, &backend.service)?;
    let until = "until then its last good settings stay, or requests are answered 503";
    let message = format!("a proxy cannot use the backend: {reason}; {until}");
    let tls = backend.tls.as_ref();
    if let Some(ca) = tls.and_then(|tls| tls.ca.as_deref())
        && reason.contains(ca)
    {
        let fault = fault(refusal.part, name, "AuthoritiesUnusable", message);
        let hint = new_secret("the certificates of the authorities in PEM", "backend_ca");
        return Some(blame(
            fault,
            service,
            secret_label(service, "backend_ca", ca),
            hint,
        ));
    }
    let fault = fault(refusal.part, name, "BackendRefused", message);
    let names = ["backend_tls_name", "ssl_backend", "hosts"];
    let label = any_label(service, &names, |_| true);
    Some(blame(fault, service, label, correct()))
}

fn route(world: &World, routing: &ClusterRouting, refusal: &Refusal) -> Option<RouteFault> {
    let (name, reason) = (&refusal.name, &refusal.reason);
    let passed = refusal.part == Part::Passthrough;
    let rows = routing.rows.iter().filter(|row| {
        let here = if passed {
            row.tls == "passthrough" && row.host == *name
        } else {
            row.tls != "passthrough" && row.route() == *name
        };
        here && row.state != RowState::Rejected
    });
    let host = rows.clone().next()?.host.clone();
    // The oldest service at a place decides over it.
    let services = rows.filter_map(|row| service(world, &row.service));
    let service = services.min_by_key(|it| (Age::of(&it.created_at), it.spec.name.clone()))?;
    let until = "until then the last good route stays, or its requests are answered 503";
    let message = format!("a proxy cannot serve the route: {reason}; {until}");
    let policy = routing.table.routes.get(name).map(|route| &route.policy);
    let users = policy.and_then(|policy| policy.basic_auth.as_ref());
    if let Some(users) = users.map(|users| users.secret.as_str())
        && reason.contains(users)
    {
        let fault = fault(refusal.part, name, "PasswordsUnusable", message);
        let hint = new_secret("the lines that `htpasswd -B` writes", "basic_auth");
        return Some(blame(
            fault,
            service,
            secret_label(service, "basic_auth", users),
            hint,
        ));
    }
    let fault = fault(refusal.part, name, "RouteRefused", message);
    let has = |route: &RouteLabels| route.hosts.iter().any(|it| it.as_str() == host);
    let names = if passed {
        ["ssl_passthrough", "hosts"]
    } else {
        ["hosts", "default_backend"]
    };
    let label = any_label(service, &names, has).or_else(|| any_label(service, &names, |_| true));
    Some(blame(fault, service, label, correct()))
}

/// What is to be said of a certificate from a secret: with its end, by which these are sorted.
fn worries(
    world: &World,
    routing: &ClusterRouting,
    told: &FileCertificate,
    now: i64,
) -> Vec<(i64, RouteFault)> {
    let Some((service, chain, _)) = certificate(world, routing, &told.name) else {
        return Vec::new();
    };
    let label = || secret_label(service, "ssl_cert", chain);
    let part = |reason, message| fault(Part::Certificate, &told.name, reason, message);
    let mut worries = Vec::new();
    if told.not_after != 0
        && let Some((reason, what)) = ends(told.not_after, now)
    {
        let day = told_end(told.not_after);
        let fault = part(
            reason,
            format!("the certificate in secret {chain} {what} on {day}"),
        );
        let hint = new_secret("a new chain in PEM", "ssl_cert");
        worries.push((told.not_after, blame(fault, service, label(), hint)));
    }
    if !told.uncovered.is_empty() {
        let hosts = told.uncovered.join(", ");
        let message = format!(
            "the certificate in secret {chain} does not name {hosts}: clients refuse it there"
        );
        let hint = "use a certificate that names the hosts, or take them from the label hosts";
        let fault = part("CertificateHostMismatch", message);
        worries.push((
            told.not_after,
            blame(fault, service, label(), hint.to_owned()),
        ));
    }
    worries
}

/// The service that a certificate from files is of, and the secrets it comes from.
fn certificate<'a>(
    world: &'a World,
    routing: &'a ClusterRouting,
    name: &str,
) -> Option<(&'a Service, &'a str, &'a str)> {
    let CertificateSource::Files { chain, key } = &routing.table.certificates.get(name)?.source
    else {
        return None;
    };
    let owner = names::owner_of_certificate(name)?;
    Some((service(world, owner)?, chain, key))
}

fn service<'a>(world: &'a World, name: &str) -> Option<&'a Service> {
    world.services.values().find(|it| it.spec.name == name)
}

/// The label of a service by which it names a secret.
fn secret_label(service: &Service, name: &'static str, secret: &str) -> Option<Label> {
    let stack = service.spec.labels.get(names::LABEL_STACK);
    any_label(service, &[name], |route| {
        route.label(name).is_some_and(|label| {
            let in_stack = stack.map(|stack| format!("{stack}_{}", label.value));
            label.value == secret || in_stack.as_deref() == Some(secret)
        })
    })
}

/// The first of these labels that a fitting route of a service has.
fn any_label(
    service: &Service,
    names: &[&'static str],
    fits: impl Fn(&RouteLabels) -> bool,
) -> Option<Label> {
    let routes = labels::read(&service.spec.labels).routes;
    let mut fitting = routes.iter().filter(|route| fits(route));
    fitting.find_map(|route| names.iter().find_map(|name| route.label(name).cloned()))
}

fn fault(part: Part, name: &str, reason: &str, message: String) -> RouteFault {
    RouteFault {
        reason: reason.to_owned(),
        message: cut(message),
        part: part.name().to_owned(),
        name: name.to_owned(),
        ..RouteFault::default()
    }
}

fn blame(fault: RouteFault, service: &Service, label: Option<Label>, hint: String) -> RouteFault {
    let (label, value) = label.map_or_else(Default::default, |it| (it.key, shown(&it.value)));
    RouteFault {
        service: service.spec.name.clone(),
        label,
        value,
        hint,
        ..fault
    }
}

fn new_secret(what: &str, label: &str) -> String {
    format!(
        "make a new secret with {what} (`docker secret create`) and name it in the label {label}"
    )
}

fn correct() -> String {
    "correct the service's labels, or see `docker service logs` of the proxy service".to_owned()
}

/// A message that fits into a status, which is a label.
fn cut(message: String) -> String {
    const LONGEST: usize = 500;
    if message.chars().count() <= LONGEST {
        return message;
    }
    message.chars().take(LONGEST).chain("...".chars()).collect()
}

#[cfg(test)]
mod tests;
