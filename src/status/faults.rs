//! Whose fault it is: from what proxies refuse, and from the certificates that only they can read,
//! back to the service and the label that asked for it.

mod book;

use std::collections::{BTreeMap, BTreeSet};

use super::certificates::{ends, told_end};
use super::{FileCertificate, Part, ProxyReport, Refusal};
use crate::api::grammar::shown;
use crate::api::labels::{Label, RouteLabels};
use crate::api::status::RouteFault;
use crate::names;
use crate::route::ClusterRouting;
use crate::world::{Service, World};
use book::Book;

/// Reasons of refused parts; all others are warnings.
const REFUSALS: [&str; 5] = [
    "CertificateUnusable",
    "PasswordsUnusable",
    "AuthoritiesUnusable",
    "RouteRefused",
    "BackendRefused",
];
/// So many are listed in a status.
pub(super) const MOST: usize = 20;
/// The reason of the fault that stands for those that are not listed.
pub(super) const MORE: &str = "MoreRefused";
/// So many are put into words; the others are counted.
const WORDED: usize = 1_000;

/// What the proxies of a cluster found wrong.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults {
    /// What they refuse because of one service's labels: one of each service, then the second of
    /// each, and so on; the first 1,000.
    pub refused: Vec<RouteFault>,
    /// So many there are.
    pub count: usize,
    /// They refuse every route of the cluster.
    pub all_routes: bool,
    /// Certificates from Docker secrets that need attention, and secrets that have yet to come.
    pub warnings: Vec<RouteFault>,
    /// What they refuse and no service is to blame for, each as `NAME: reason`.
    pub others: BTreeSet<String>,
}

impl Faults {
    /// As many as fit into a status, refusals first; one more says how many refusals do not.
    pub(super) fn listed(&self) -> Vec<RouteFault> {
        let all = self.refused.iter().chain(&self.warnings);
        let mut listed: Vec<RouteFault> = all.take(MOST).cloned().collect();
        if self.count > MOST {
            listed.push(RouteFault {
                reason: MORE.to_owned(),
                message: format!(
                    "{} more parts are refused than are told here, whose routes show as served",
                    self.count - MOST
                ),
                hint: "mend those that are told, or see `docker service logs` of the proxy service"
                    .to_owned(),
                ..RouteFault::default()
            });
        }
        listed
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
    let mut book = Book::of(world, routing);
    let mut faults = Faults::default();
    let mut waits = Vec::new();
    let mut seen: BTreeSet<(Part, &str)> = BTreeSet::new();
    let mut owned: BTreeMap<&str, Vec<(&Service, &Refusal)>> = BTreeMap::new();
    let refusals: BTreeSet<&Refusal> = fleet.clone().flat_map(|proxy| &proxy.refused).collect();
    for refusal in refusals {
        // Proxies may say it in different words.
        if seen.contains(&(refusal.part, refusal.name.as_str())) {
            continue;
        }
        if let Some(service) = book.owner(refusal) {
            if let Some(secret) = book.awaited(refusal) {
                if waits.len() < WORDED {
                    waits.push(wait(&mut book, refusal, service, &secret));
                }
                continue;
            }
            let name = service.spec.name.as_str();
            owned.entry(name).or_default().push((service, refusal));
        } else {
            let Refusal { name, reason, .. } = refusal;
            faults.others.insert(format!("{name}: {reason}"));
        }
        seen.insert((refusal.part, &refusal.name));
    }
    faults.all_routes = book.are_all_routes(&seen);
    // Another replica may have told a part of what its proxies refuse.
    let more = fleet.clone().map(|proxy| match proxy.more {
        0 => 0,
        more => more + proxy.refused.len(),
    });
    let all = owned.values().map(Vec::len).sum::<usize>();
    faults.count = all.max(more.max().unwrap_or(0));
    let each = owned.values().flat_map(|of_one| of_one.iter().enumerate());
    let mut turns: Vec<(usize, &(&Service, &Refusal))> = each.collect();
    turns.sort_by_key(|(turn, _)| *turn);
    let worded = turns.into_iter().take(WORDED);
    faults.refused = worded
        .filter_map(|(_, (service, refusal))| refused(&mut book, refusal, service))
        .collect();
    faults.warnings = worries(&mut book, fleet, now);
    waits.dedup_by(|a, b| a.name == b.name && a.part == b.part);
    faults.warnings.extend(waits);
    faults
}

/// What is to be said of the certificates from secrets, those that end first before the others.
fn worries<'a>(
    book: &mut Book<'_>,
    fleet: impl Iterator<Item = &'a ProxyReport>,
    now: i64,
) -> Vec<RouteFault> {
    let certificates: BTreeSet<&FileCertificate> =
        fleet.flat_map(|proxy| &proxy.certificates).collect();
    let mut warnings: Vec<(i64, RouteFault)> = Vec::new();
    for certificate in certificates {
        warnings.extend(worry(book, certificate, now));
    }
    warnings.sort_by(|a, b| (a.0, &a.1.name, &a.1.reason).cmp(&(b.0, &b.1.name, &b.1.reason)));
    let mut seen = BTreeSet::new();
    warnings.retain(|(_, fault)| seen.insert((fault.name.clone(), fault.reason.clone())));
    warnings.into_iter().map(|(_, fault)| fault).collect()
}

/// A refusal that ends by itself: the secret is new, and proxies get it when they are replaced.
fn wait(book: &mut Book<'_>, refusal: &Refusal, service: &Service, secret: &str) -> RouteFault {
    let message = format!(
        "not all proxies have secret {secret} yet; until then what was there before stays, or requests are answered 503"
    );
    let names = ["ssl_cert", "ssl_key", "basic_auth", "backend_ca"];
    let label = names
        .into_iter()
        .find_map(|name| secret_label(book, service, name, secret));
    let hint = "wait until the proxies are replaced; if this stays, see the condition ProxyReady";
    let fault = fault(refusal.part, &refusal.name, "SecretWaits", message);
    blame(fault, service, label, hint.to_owned())
}

/// A refusal as the fault of the service that owns the part; `None`: it is not.
fn refused(book: &mut Book<'_>, refusal: &Refusal, service: &Service) -> Option<RouteFault> {
    let (name, reason) = (&refusal.name, &refusal.reason);
    match refusal.part {
        Part::Listener => None,
        Part::Certificate => {
            let (chain, key) = book.secrets(name)?;
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
                "a proxy cannot use the certificate: {reason}; until then the last good one is shown, or what stands in, or none"
            );
            let fault = fault(refusal.part, name, "CertificateUnusable", message);
            let hint = new_secret(what, label);
            Some(blame(
                fault,
                service,
                secret_label(book, service, label, secret),
                hint,
            ))
        }
        Part::Backend => backend(book, refusal, service),
        Part::Route | Part::Passthrough => Some(route(book, refusal, service)),
    }
}

fn backend(book: &mut Book<'_>, refusal: &Refusal, service: &Service) -> Option<RouteFault> {
    let (name, reason) = (&refusal.name, &refusal.reason);
    let backend = book.routing.table.backends.get(name)?;
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
            secret_label(book, service, "backend_ca", ca),
            hint,
        ));
    }
    let fault = fault(refusal.part, name, "BackendRefused", message);
    let names = ["backend_tls_name", "ssl_backend", "hosts"];
    let label = book.any_label(service, &names, |_| true);
    Some(blame(fault, service, label, correct()))
}

fn route(book: &mut Book<'_>, refusal: &Refusal, service: &Service) -> RouteFault {
    let (name, reason) = (&refusal.name, &refusal.reason);
    let passed = refusal.part == Part::Passthrough;
    let host = book.rows(refusal).first().map(|row| row.host.clone());
    let until = "until then the last good route stays, or its requests are answered 503";
    let message = format!("a proxy cannot serve the route: {reason}; {until}");
    let policy = book
        .routing
        .table
        .routes
        .get(name)
        .map(|route| &route.policy);
    let users = policy.and_then(|policy| policy.basic_auth.as_ref());
    if let Some(users) = users.map(|users| users.secret.as_str())
        && reason.contains(users)
    {
        let fault = fault(refusal.part, name, "PasswordsUnusable", message);
        let hint = new_secret("the lines that `htpasswd -B` writes", "basic_auth");
        let label = secret_label(book, service, "basic_auth", users);
        return blame(fault, service, label, hint);
    }
    let fault = fault(refusal.part, name, "RouteRefused", message);
    let has = |route: &RouteLabels| {
        route
            .hosts
            .iter()
            .any(|it| Some(it.as_str()) == host.as_deref())
    };
    let names = if passed {
        ["ssl_passthrough", "hosts"]
    } else {
        ["hosts", "default_backend"]
    };
    let label = book
        .any_label(service, &names, has)
        .or_else(|| book.any_label(service, &names, |_| true));
    blame(fault, service, label, correct())
}

/// What is to be said of a certificate from a secret: with its end, by which these are sorted.
fn worry(book: &mut Book<'_>, told: &FileCertificate, now: i64) -> Vec<(i64, RouteFault)> {
    let end = ends(told.not_after, now).filter(|_| told.not_after != 0);
    if end.is_none() && told.uncovered.is_empty() {
        return Vec::new();
    }
    let (owner, secrets) = (
        book.owner_of_certificate(&told.name),
        book.secrets(&told.name),
    );
    let (Some(service), Some((chain, _))) = (owner, secrets) else {
        return Vec::new();
    };
    let label = secret_label(book, service, "ssl_cert", chain);
    let part = |reason, message| fault(Part::Certificate, &told.name, reason, message);
    let mut worries = Vec::new();
    if let Some((reason, what)) = end {
        let day = told_end(told.not_after);
        let fault = part(
            reason,
            format!("the certificate in secret {chain} {what} on {day}"),
        );
        let hint = new_secret("a new chain in PEM", "ssl_cert");
        worries.push((told.not_after, blame(fault, service, label.clone(), hint)));
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
            blame(fault, service, label, hint.to_owned()),
        ));
    }
    worries
}

/// The label of a service by which it names a secret.
fn secret_label(
    book: &mut Book<'_>,
    service: &Service,
    name: &'static str,
    secret: &str,
) -> Option<Label> {
    let stack = service.spec.labels.get(names::LABEL_STACK);
    book.any_label(service, &[name], |route| {
        route.label(name).is_some_and(|label| {
            let in_stack = stack.map(|stack| format!("{stack}_{}", label.value));
            label.value == secret || in_stack.as_deref() == Some(secret)
        })
    })
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
pub(super) fn cut(message: String) -> String {
    const LONGEST: usize = 500;
    if message.chars().count() <= LONGEST {
        return message;
    }
    message.chars().take(LONGEST).chain("...".chars()).collect()
}

#[cfg(test)]
mod tests;
