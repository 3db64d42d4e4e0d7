//! Certificates of route tables: those from files that are not everywhere yet are marked, and
//! stored ones are added for the hosts they fit. Pure: what is sealed was opened before.

mod files;
mod stored;

use std::collections::{BTreeMap, BTreeSet};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

pub(crate) use files::files;

use super::claim::{ANY_HOST, place_text};
use super::{ClusterRouting, Routing, Row, RowState, SecretText, build, settings};
use crate::api::grammar;
use crate::api::labels::{self, AppLabels, Label, RouteLabels};
use crate::api::value::HostPattern;
use crate::names;
use crate::world::certificates::certificates;
use crate::world::{Declared, Service, World};

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
        tell_dead_ends(world, cluster);
    }
    routing
}

/// A route whose clients are sent to HTTPS, where nothing could be shown to them.
fn tell_dead_ends(world: &World, cluster: &mut ClusterRouting) {
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
    if sent.is_empty() {
        return;
    }
    let mut labels = Labels::of(world);
    for row in &mut cluster.rows {
        if row.state == RowState::Active && row.tls != "passthrough" && sent.contains(&row.route())
        {
            row.state = RowState::Warning;
            "NoCertificate".clone_into(&mut row.reason);
            row.message = format!(
                "clients are sent to https://{}, and the host has no certificate: add one with `skep certs add` or the labels ssl_cert and ssl_key, or take ssl_only (https_redirect) away",
                row.host
            );
            if let Some(label) = labels.sending(row) {
                row.label.clone_from(&label.key);
                row.value = grammar::shown(&label.value);
            }
        }
    }
}

/// The labels of services, read once each.
struct Labels<'a> {
    services: BTreeMap<&'a str, &'a Service>,
    read: BTreeMap<String, AppLabels>,
}

impl<'a> Labels<'a> {
    fn of(world: &'a World) -> Self {
        let services = world.services.values();
        Self {
            services: services.map(|it| (it.spec.name.as_str(), it)).collect(),
            read: BTreeMap::new(),
        }
    }

    /// The label that sends the clients of a row's route to HTTPS.
    fn sending(&mut self, row: &Row) -> Option<&Label> {
        let service = self.services.get(row.service.as_str())?;
        let read = self.read.entry(row.service.clone());
        let read = read.or_insert_with(|| labels::read(&service.spec.labels));
        let stands = |route: &&RouteLabels| {
            let has = |host: &HostPattern| host.as_str() == row.host;
            let (path, when) = place_text(&settings::path(route), &settings::conditions(route));
            let is_here = route.hosts.iter().any(has) || row.host == ANY_HOST;
            is_here && path == row.path && when == row.when
        };
        // A redirect stands at a path of its own, so the service's first route speaks for it.
        let route = (read.routes.iter().find(stands)).or_else(|| read.routes.first())?;
        let only = || route.label("ssl_only").filter(|_| route.flag("ssl_only"));
        let redirect = route.status("https_redirect");
        let redirect = redirect.and_then(|_| route.label("https_redirect"));
        redirect.or_else(only)
    }
}

#[cfg(test)]
mod tests;
