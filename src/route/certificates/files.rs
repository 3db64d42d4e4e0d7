//! Certificates from files that not every proxy has yet.

use std::collections::{BTreeMap, BTreeSet};

use super::{Note, SHOWN_FIRST};
use crate::route::{CertificateSource, ClusterRouting, RowState};
use crate::world::{SecretsByName, TaskState, World};

/// Marks the certificates whose files some working proxy does not have. One that has none goes on
/// with what it had under that name, or shows what stands in; taking the name away would take the
/// host's TLS away until all are replaced. Nothing is remembered: an operator that starts in the
/// middle of a roll says the same.
pub(super) fn mark_awaited(world: &World, name: &str, cluster: &mut ClusterRouting) {
    let files = files(world, name).unwrap_or_default();
    let secrets = world.secrets_by_name();
    let mut awaited: BTreeMap<String, (&str, String)> = BTreeMap::new();
    for certificate in cluster.table.certificates.values_mut() {
        let CertificateSource::Files { chain, key } = &certificate.source else {
            continue;
        };
        let waiting: BTreeSet<&str> = [chain.as_str(), key.as_str()]
            .into_iter()
            .filter(|secret| !files.contains(*secret))
            .collect();
        if waiting.is_empty() {
            continue;
        }
        let why = why(&secrets, &waiting);
        let first = certificate.stands_in.iter();
        let first = first.filter(|(_, turn)| **turn == SHOWN_FIRST);
        let hosts = certificate.hosts.iter().chain(first.map(|(host, _)| host));
        awaited.extend(hosts.map(|host| (host.clone(), why.clone())));
        certificate.awaited = true;
    }
    for row in &mut cluster.rows {
        if let Some((reason, message)) = awaited.get(&row.host)
            && row.state == RowState::Active
            && row.tls != "passthrough"
        {
            row.state = RowState::Warning;
            (*reason).clone_into(&mut row.reason);
            row.message.clone_from(message);
        }
    }
    let notes: BTreeSet<Note> = awaited
        .into_iter()
        .map(|(host, (reason, message))| Note {
            reason: reason.to_owned(),
            message: format!("host {host}: {message}"),
        })
        .collect();
    cluster.notes.extend(notes);
}

/// Why these secrets are no files of all proxies, as reason and sentence.
fn why(known: &SecretsByName<'_>, secrets: &BTreeSet<&str>) -> (&'static str, String) {
    let list = |names: &[&str]| names.join(", ");
    let missing: Vec<&str> = secrets
        .iter()
        .copied()
        .filter(|name| !known.contains_key(name))
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
/// because they may come from an older definition. `None`: there is none.
pub(crate) fn files(world: &World, cluster: &str) -> Option<BTreeSet<String>> {
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
    files
}
