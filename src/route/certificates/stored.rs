//! Stored certificates for the hosts they fit.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::{Faulty, Keyring, Note, Use};
use crate::names;
use crate::route::{Certificate, CertificateSource, ClusterRouting, RouteTable};

/// Where a certificate is shown, first of all or in its turn.
#[derive(Default)]
struct Places {
    hosts: Vec<String>,
    stands_in: BTreeMap<String, u32>,
}

/// Adds the stored certificates for the hosts they fit, and the default one. Where a service has a
/// certificate of its own they stand in for it.
pub(super) fn add_stored(cluster: &mut ClusterRouting, keyring: &Keyring, default: Option<&str>) {
    let table = &mut cluster.table;
    let turns = turns(table);
    let hosts: BTreeSet<&String> = table
        .routes
        .values()
        .map(|route| &route.host)
        .filter(|host| *host != "*" && !table.passthroughs.contains_key(*host))
        .collect();
    let mut chosen: BTreeMap<&str, Places> = BTreeMap::new();
    let index = index(keyring);
    for host in &hosts {
        let Some(name) = best(&index, host) else {
            continue;
        };
        let places = chosen.entry(name).or_default();
        match turns.get(*host) {
            None => places.hosts.push((*host).clone()),
            Some(turn) => {
                places.stands_in.insert((*host).clone(), *turn);
            }
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
    let shown = chosen.iter();
    let shown = shown.flat_map(|(name, places)| places.hosts.iter().map(|host| (host, *name)));
    let shown: BTreeMap<&String, &str> = shown.collect();
    for row in &mut cluster.rows {
        if row.tls.is_empty()
            && let Some(name) = shown.get(&row.host)
        {
            row.tls = names::stored_certificate(name);
        }
    }
    for (name, Places { hosts, stands_in }) in chosen {
        let stored = &keyring.usable[name];
        cluster.certificates.push(Use {
            name: name.to_owned(),
            not_after: stored.not_after,
        });
        let certificate = Certificate {
            hosts,
            stands_in,
            awaited: false,
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

/// The next turn of each host that has a certificate.
fn turns(table: &RouteTable) -> BTreeMap<String, u32> {
    let mut turns = BTreeMap::new();
    for certificate in table.certificates.values() {
        let first = certificate.hosts.iter().map(|host| (host, 0));
        let later = certificate.stands_in.iter();
        for (host, turn) in first.chain(later.map(|(host, turn)| (host, *turn))) {
            let next = turns.entry(host.clone()).or_default();
            *next = turn.saturating_add(1).max(*next);
        }
    }
    turns
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
pub(super) fn covers(name: &str, host: &str) -> bool {
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
