//! Certificates of route tables: those from files that are not everywhere yet are marked, and
//! stored ones are added for the hosts they fit. Pure: what is sealed was opened before.

mod files;
mod stored;

use std::collections::{BTreeMap, BTreeSet};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

pub(crate) use files::files;

use super::{ClusterRouting, Routing, RowState, SecretText, build};
use crate::names;
use crate::world::certificates::certificates;
use crate::world::{Declared, World};

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

/// The turn of a certificate that stands in for none.
const SHOWN_FIRST: u32 = 0;

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

/// The routes of all declared clusters, with their certificates.
#[must_use]
pub fn certified(
    world: &World,
    declared: &BTreeMap<String, Declared>,
    keyring: &Keyring,
) -> Routing {
    let mut routing = build::routing(world, declared);
    for (name, cluster) in &mut routing.clusters {
        files::mark_awaited(world, name, cluster);
        let accepted = declared.get(name).and_then(|d| d.accepted.as_ref());
        let tls = accepted.map(|accepted| &accepted.cluster.spec.traffic.tls);
        let default = tls.and_then(|tls| tls.default_certificate.as_deref());
        stored::add_stored(cluster, keyring, default);
        tell_dead_ends(cluster);
    }
    routing
}

/// A route whose clients are sent to HTTPS, where nothing could be shown to them.
fn tell_dead_ends(cluster: &mut ClusterRouting) {
    let table = &cluster.table;
    if table.listener.default_certificate.is_some() {
        return;
    }
    let shown =
        (table.certificates.values()).flat_map(|c| c.hosts.iter().chain(c.stands_in.keys()));
    let shown: BTreeSet<&String> = shown.collect();
    let dark = |host: &String| {
        !shown.contains(host)
            && !table.passthroughs.contains_key(host)
            && !host.split_once('.').is_some_and(|(_, rest)| {
                let wild = format!("*.{rest}");
                shown.contains(&wild) || table.passthroughs.contains_key(&wild)
            })
    };
    let sent = table.routes.iter();
    let sent = sent.filter(|(_, route)| route.policy.https_only.is_some() && dark(&route.host));
    let sent: BTreeSet<String> = sent.map(|(name, _)| name.clone()).collect();
    for row in &mut cluster.rows {
        if row.state == RowState::Active && row.tls != "passthrough" && sent.contains(&row.route())
        {
            row.state = RowState::Warning;
            "NoCertificate".clone_into(&mut row.reason);
            row.message = format!(
                "clients are sent to https://{}, and the host has no certificate: add one with `skep certs add` or the labels ssl_cert and ssl_key, or take ssl_only (https_redirect) away",
                row.host
            );
        }
    }
}

#[cfg(test)]
mod tests;
