//! Certificates of route tables: those from files wait until the files are there, and stored ones
//! are added for the hosts they fit. Pure: what is sealed was opened before.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Certificate, CertificateSource, ClusterRouting, Routing, RowState, SecretText, build};
use crate::names;
use crate::world::certificates::certificates;
use crate::world::{Declared, TaskState, World};

/// The stored certificates as the operator could open them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keyring {
    /// Those that can be used, by name.
    pub usable: BTreeMap<String, Stored>,
    /// Those whose newest revision cannot; an older one may be usable all the same.
    pub faulty: BTreeMap<String, Faulty>,
    /// Nothing could be opened, because this operator has no key.
    pub keyless: bool,
}

/// A stored certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Its DNS names in lower case, sorted.
    pub hosts: Vec<String>,
    /// Until when it is valid, in seconds since 1970.
    pub not_after: i64,
    /// PEM, the host's own certificate first.
    pub chain: String,
    /// PEM.
    pub key: SecretText,
}

/// A stored certificate that cannot be used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faulty {
    /// The hosts that its labels name.
    pub hosts: Vec<String>,
    /// What is wrong and what to do.
    pub message: String,
}

/// A stored certificate in use.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    /// Its name.
    pub name: String,
    /// Until when it is valid, in seconds since 1970.
    pub not_after: i64,
}

/// What people should know of the certificates of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// CamelCase reason.
    pub reason: String,
    /// What is wrong and what to do.
    pub message: String,
}

/// Names of the certificates that the proxies of each cluster were last told of.
pub type Served = BTreeMap<String, BTreeSet<String>>;

impl Keyring {
    /// What the labels of the stored certificates tell, for those who cannot open them: good for
    /// saying where each would be shown, and for nothing else.
    #[must_use]
    pub fn of_labels(world: &World) -> Self {
        let mut keyring = Self {
            keyless: true,
            ..Self::default()
        };
        for (name, certificate) in certificates(world) {
            let Some(newest) = certificate.newest() else {
                continue;
            };
            let hosts: Vec<String> = newest.hosts().into_iter().map(str::to_owned).collect();
            let message = newest.label(names::LABEL_FAULT).to_owned();
            if message.is_empty() {
                let ends = newest.label(names::LABEL_NOT_AFTER);
                let ends = OffsetDateTime::parse(ends, &Rfc3339);
                let stored = Stored {
                    hosts,
                    not_after: ends.map_or(0, OffsetDateTime::unix_timestamp),
                    ..Stored::default()
                };
                keyring.usable.insert(name, stored);
            } else {
                keyring.faulty.insert(name, Faulty { hosts, message });
            }
        }
        keyring
    }
}

/// The routes of all declared clusters, with the certificates that can be served now.
#[must_use]
pub fn certified(
    world: &World,
    declared: &BTreeMap<String, Declared>,
    keyring: &Keyring,
    served: &Served,
) -> Routing {
    let none = BTreeSet::new();
    let mut routing = build::routing(world, declared);
    for (name, cluster) in &mut routing.clusters {
        hold_back(world, name, cluster, served.get(name).unwrap_or(&none));
        let accepted = declared.get(name).and_then(|d| d.accepted.as_ref());
        let tls = accepted.map(|accepted| &accepted.cluster.spec.traffic.tls);
        let default = tls.and_then(|tls| tls.default_certificate.as_deref());
        add_stored(cluster, keyring, default);
        tell_dead_ends(cluster);
    }
    routing
}

/// Takes certificates out of the table whose files some working proxy does not have. A proxy
/// would refuse them, and until it was replaced it would serve without them anyway. One that was
/// served before under its name stays: a proxy without the new files goes on with the old ones
/// until it is replaced, and taking the name away would take the host's TLS away meanwhile.
fn hold_back(world: &World, name: &str, cluster: &mut ClusterRouting, served: &BTreeSet<String>) {
    let files = files(world, name);
    let waits = |secret: &str| !files.contains(secret);
    let mut held: BTreeMap<String, (&str, String)> = BTreeMap::new();
    let default = &mut cluster.table.listener.default_certificate;
    cluster.table.certificates.retain(|name, certificate| {
        let CertificateSource::Files { chain, key } = &certificate.source else {
            return true;
        };
        let waiting: BTreeSet<&str> = [chain.as_str(), key.as_str()]
            .into_iter()
            .filter(|secret| waits(secret))
            .collect();
        if waiting.is_empty() {
            return true;
        }
        let why = why(world, &waiting);
        let hosts = certificate.hosts.iter().cloned();
        held.extend(hosts.map(|host| (host, why.clone())));
        if served.contains(name) {
            return true;
        }
        // A listener must not name what is not there.
        if default.as_ref() == Some(name) {
            *default = None;
            held.insert("*".to_owned(), why);
        }
        false
    });
    for row in &mut cluster.rows {
        if let Some((reason, message)) = held.get(&row.host)
            && row.state == RowState::Active
        {
            row.state = RowState::Warning;
            (*reason).clone_into(&mut row.reason);
            row.message.clone_from(message);
        }
    }
    let notes: BTreeSet<Note> = held
        .into_iter()
        .map(|(host, (reason, message))| Note {
            reason: reason.to_owned(),
            message: format!("host {host}: {message}"),
        })
        .collect();
    cluster.notes.extend(notes);
}

/// Why these secrets are no files of all proxies, as reason and sentence.
fn why(world: &World, secrets: &BTreeSet<&str>) -> (&'static str, String) {
    let list = |names: &[&str]| names.join(", ");
    let missing: Vec<&str> = secrets
        .iter()
        .copied()
        .filter(|name| world.secret_named(name).is_none())
        .collect();
    if !missing.is_empty() {
        let message = format!(
            "there is no secret {}: make it with `docker secret create`; until then the certificate is not served",
            list(&missing)
        );
        return ("SecretNotFound", message);
    }
    let waiting: Vec<&str> = secrets.iter().copied().collect();
    let message = format!(
        "the certificate waits until all proxies have secret {}",
        list(&waiting)
    );
    ("CertificateWaits", message)
}

/// The secrets that every proxy of a cluster has as files: those that are about to run too,
/// because they may come from an older definition.
fn files(world: &World, cluster: &str) -> BTreeSet<String> {
    let mut files: Option<BTreeSet<String>> = None;
    let mut keep = |have: BTreeSet<String>| {
        files = Some(match files.take() {
            None => have,
            Some(all) => all.intersection(&have).cloned().collect(),
        });
    };
    let services = world.services.values();
    for service in services.filter(|service| service.is_proxy_of(cluster)) {
        let mounts = service.spec.secrets.iter();
        keep(mounts.map(|mount| mount.target.clone()).collect());
        for task in world.tasks_of(&service.id) {
            if task.state <= TaskState::Running && task.desired <= TaskState::Running {
                keep(task.secret_files.clone());
            }
        }
    }
    files.unwrap_or_default()
}

/// Adds the stored certificates for hosts that have none of their own, and the default one.
fn add_stored(cluster: &mut ClusterRouting, keyring: &Keyring, default: Option<&str>) {
    let table = &mut cluster.table;
    let taken: BTreeSet<&String> = table.certificates.values().flat_map(|c| &c.hosts).collect();
    let hosts: BTreeSet<&String> = table
        .routes
        .values()
        .map(|route| &route.host)
        .filter(|host| *host != "*" && !table.passthroughs.contains_key(*host))
        .collect();
    let mut chosen: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let index = index(keyring);
    for host in hosts.iter().filter(|host| !taken.contains(*host)) {
        if let Some(name) = best(&index, host) {
            chosen.entry(name).or_default().push((*host).clone());
        }
    }
    let mut notes = faults(keyring, &hosts, default);
    if let Some(name) = default {
        if keyring.usable.contains_key(name) {
            chosen.entry(name).or_default();
            table.listener.default_certificate = Some(names::stored_certificate(name));
        } else if !keyring.faulty.contains_key(name) {
            notes.insert(Note {
                reason: "CertificateNotFound".to_owned(),
                message: format!(
                    "spec.traffic.tls.defaultCertificate names {name}, which is not stored: add it with `skep certs add {name}`, `skep certs ls` lists those that are"
                ),
            });
        }
    }
    for row in &mut cluster.rows {
        let mut chosen = chosen.iter();
        if row.tls.is_empty()
            && let Some((name, _)) = chosen.find(|(_, hosts)| hosts.contains(&row.host))
        {
            row.tls = names::stored_certificate(name);
        }
    }
    for (name, hosts) in chosen {
        let stored = &keyring.usable[name];
        cluster.certificates.push(Use {
            name: name.to_owned(),
            not_after: stored.not_after,
        });
        let certificate = Certificate {
            hosts,
            source: CertificateSource::Pem {
                chain: stored.chain.clone(),
                key: stored.key.clone(),
            },
        };
        let name = names::stored_certificate(name);
        table.certificates.insert(name, certificate);
    }
    cluster.notes.extend(notes);
}

/// A route whose clients are sent to HTTPS, where nothing could be shown to them.
fn tell_dead_ends(cluster: &mut ClusterRouting) {
    let table = &cluster.table;
    if table.listener.default_certificate.is_some() {
        return;
    }
    let shown: BTreeSet<&String> = table.certificates.values().flat_map(|c| &c.hosts).collect();
    let dark = |host: &String| {
        !shown.contains(host)
            && !table.passthroughs.contains_key(host)
            && !host.split_once('.').is_some_and(|(_, rest)| {
                let wild = format!("*.{rest}");
                shown.contains(&wild) || table.passthroughs.contains_key(&wild)
            })
    };
    let sent = table.routes.values();
    let sent = sent.filter(|route| route.policy.https_only.is_some() && dark(&route.host));
    let sent: BTreeSet<String> = sent.map(|route| route.host.clone()).collect();
    for row in &mut cluster.rows {
        if row.state == RowState::Active && sent.contains(&row.host) {
            row.state = RowState::Warning;
            "NoCertificate".clone_into(&mut row.reason);
            row.message = format!(
                "clients are sent to https://{}, and the host has no certificate: add one with `skep certs add` or the labels ssl_cert and ssl_key, or take ssl_only (https_redirect) away",
                row.host
            );
        }
    }
}

/// By each name of a stored certificate the best one that has it: of several the one that is
/// valid longest, then the first by name.
fn index(keyring: &Keyring) -> BTreeMap<&str, (Reverse<i64>, &str)> {
    let mut index = BTreeMap::new();
    for (name, stored) in &keyring.usable {
        let this = (Reverse(stored.not_after), name.as_str());
        for host in &stored.hosts {
            let best = index.entry(host.as_str()).or_insert(this);
            *best = this.min(*best);
        }
    }
    index
}

/// The stored certificate for a host, by [`covers`].
fn best<'a>(index: &BTreeMap<&str, (Reverse<i64>, &'a str)>, host: &str) -> Option<&'a str> {
    let wild = host
        .split_once('.')
        .filter(|(label, _)| *label != "*" && !label.is_empty());
    let wild = wild.map(|(_, rest)| format!("*.{rest}"));
    let fitting = index.get(host).into_iter();
    let fitting = fitting.chain(wild.and_then(|wild| index.get(wild.as_str())));
    fitting.min().map(|(_, name)| *name)
}

/// Whether a certificate's name is good for a host of a route. `*.` stands for one label, as
/// clients see it; a route for all below a name is served with the certificate for it.
fn covers(name: &str, host: &str) -> bool {
    name == host
        || name.strip_prefix("*.").is_some_and(|parent| {
            let below = host.split_once('.');
            below.is_some_and(|(label, rest)| rest == parent && !label.is_empty() && label != "*")
        })
}

/// The certificates that this cluster would use and that cannot be used.
fn faults(keyring: &Keyring, hosts: &BTreeSet<&String>, default: Option<&str>) -> BTreeSet<Note> {
    let concerns = |name: &str, faulty: &Faulty| {
        default == Some(name)
            || faulty
                .hosts
                .iter()
                .any(|name| hosts.iter().any(|host| covers(name, host)))
    };
    let faulty = keyring.faulty.iter();
    faulty
        .filter(|(name, faulty)| concerns(name, faulty))
        .map(|(name, faulty)| Note {
            reason: "CertificateUnusable".to_owned(),
            message: format!("certificate {name}: {}", faulty.message),
        })
        .collect()
}

#[cfg(test)]
mod tests;
