//! From service labels to route tables.

use std::collections::BTreeMap;

use super::assemble::Assembly;
use super::claim::{self, Application, Grant};
use super::reach::Fabric;
use super::{ClusterRouting, Listener, Orphan, Routing, Row, RowState};
use crate::api::ServiceClusterSpec;
use crate::api::labels::LabelFault;
use crate::api::{grammar, labels};
use crate::names;
use crate::world::{Age, Declared, Service, Task, World};

/// A cluster while its routes are collected.
struct Open<'a> {
    name: &'a str,
    spec: &'a ServiceClusterSpec,
    fabric: Fabric,
    /// Oldest service first.
    grants: Vec<Grant>,
    rows: Vec<Row>,
}

/// The routes of all declared clusters. Looks at every service and task once.
#[must_use]
pub fn routing(world: &World, declared: &BTreeMap<String, Declared>) -> Routing {
    let mut clusters = open(world, declared);
    let secrets = world.secrets_by_name();
    let mut orphans = Vec::new();
    let default = declared.values().find(|cluster| cluster.is_default());
    let default = default.map(|cluster| cluster.name.as_str());
    for app in applications(world) {
        let names = wanted(&app, default, &mut orphans);
        let (there, missing): (Vec<_>, Vec<_>) = names
            .into_iter()
            .partition(|name| clusters.contains_key(name.as_str()));
        let missing = missing.iter().map(|name| homeless(&app, name, declared));
        let missing: Vec<Orphan> = missing.collect();
        for name in &there {
            if let Some(cluster) = clusters.get_mut(name.as_str()) {
                let admission = &cluster.spec.admission;
                let (grants, rows) =
                    claim::decide(world, &secrets, admission, &cluster.fabric, &app);
                cluster.grants.extend(grants);
                cluster.rows.extend(rows);
                cluster.rows.extend(missing.iter().map(half_served));
            }
        }
        if there.is_empty() {
            orphans.extend(missing);
        }
    }
    orphans.sort_by(|a, b| (&a.service, &a.message).cmp(&(&b.service, &b.message)));
    Routing {
        clusters: clusters
            .into_iter()
            .map(|(name, cluster)| (name.to_owned(), cluster.close()))
            .collect(),
        orphans,
    }
}

fn open<'a>(
    world: &World,
    declared: &'a BTreeMap<String, Declared>,
) -> BTreeMap<&'a str, Open<'a>> {
    let ids: BTreeMap<&str, &str> = world
        .networks
        .values()
        .map(|network| (network.name.as_str(), network.id.as_str()))
        .collect();
    let mut clusters: BTreeMap<&str, Open<'_>> = BTreeMap::new();
    for (name, cluster) in declared {
        let Some(accepted) = &cluster.accepted else {
            continue;
        };
        let spec = &accepted.cluster.spec;
        let listed = spec.networks.as_ref().map(|networks| {
            let found = networks.iter().filter_map(|n| ids.get(n.name.as_str()));
            found.map(|id| (*id).to_owned()).collect()
        });
        let fabric = Fabric {
            listed,
            ..Fabric::default()
        };
        clusters.insert(
            name,
            Open {
                name,
                spec,
                fabric,
                grants: Vec::new(),
                rows: Vec::new(),
            },
        );
    }
    for service in world.services.values().filter(|s| s.is_ours()) {
        let owner = service.spec.labels.get(names::LABEL_CLUSTER);
        if let Some(cluster) = owner.and_then(|owner| clusters.get_mut(owner.as_str())) {
            let networks = service.spec.networks.iter().map(|n| n.target.clone());
            cluster.fabric.attached.extend(networks);
        }
    }
    clusters
}

/// The services that carry routing labels, oldest first.
fn applications(world: &World) -> Vec<Application<'_>> {
    let mut tasks: BTreeMap<&str, Vec<&Task>> = BTreeMap::new();
    for task in world.tasks.values() {
        tasks.entry(&task.service).or_default().push(task);
    }
    let mut services: Vec<&Service> = world.services.values().filter(|s| !s.is_ours()).collect();
    services.sort_by_cached_key(|s| (Age::of(&s.created_at), s.spec.name.clone(), s.id.clone()));
    services
        .into_iter()
        .map(|service| Application {
            service,
            labels: labels::read(&service.spec.labels),
            tasks: tasks.remove(service.id.as_str()).unwrap_or_default(),
        })
        .filter(|app| app.labels.is_routed)
        .collect()
}

/// The clusters an application asks for; an orphan when it asks for none that can be known.
fn wanted(app: &Application<'_>, default: Option<&str>, orphans: &mut Vec<Orphan>) -> Vec<String> {
    if !app.labels.clusters.is_empty() {
        return app.labels.clusters.clone();
    }
    let mut orphan = |reason: &str, message: String, label: &str, value: &str| {
        orphans.push(Orphan {
            service: app.service.spec.name.clone(),
            reason: reason.to_owned(),
            message,
            label: label.to_owned(),
            value: value.to_owned(),
        });
        Vec::new()
    };
    // A name that cannot be read is not a missing one: the default would be the wrong cluster.
    let bad = app
        .labels
        .faults
        .iter()
        .find(|fault| fault.fatal && fault.reason == "InvalidServiceCluster");
    if let Some(fault) = bad {
        let message = claim::fault_message(fault);
        return orphan(fault.reason, message, &fault.label, &fault.value);
    }
    let asks_for_nothing = app.labels.routes.is_empty() && app.labels.fatal().is_none();
    match default {
        Some(name) => vec![name.to_owned()],
        None if asks_for_nothing => Vec::new(),
        None => {
            if let Some(fault) = misspelt(app) {
                let message = format!(
                    "the service names no cluster and none is the default: {}",
                    claim::fault_message(fault)
                );
                orphan("NoDefaultCluster", message, &fault.label, &fault.value)
            } else {
                orphan(
            "NoDefaultCluster",
            "the service names no cluster and none is the default: add label com.docker.lb.service_cluster, or set spec.default on one cluster".to_owned(),
            "com.docker.lb.service_cluster",
            "",
        )
            }
        }
    }
}

/// A label that nobody knows and that was meant to name the cluster.
fn misspelt<'a>(app: &'a Application<'_>) -> Option<&'a LabelFault> {
    let mut unknown = (app.labels.faults.iter()).filter(|fault| fault.reason == "UnknownLabel");
    unknown.find(|fault| fault.hint.ends_with("service_cluster`?"))
}

/// A service whose cluster is not there.
fn homeless(app: &Application<'_>, name: &str, declared: &BTreeMap<String, Declared>) -> Orphan {
    let (reason, message) = if declared.contains_key(name) {
        (
            "ClusterNotAccepted",
            format!("service cluster {name} has no valid manifest yet: see `skep describe {name}`"),
        )
    } else {
        let all = || declared.keys().map(String::as_str);
        let known: Vec<&str> = all().take(8).collect();
        let known = if known.is_empty() {
            "there is none yet".to_owned()
        } else {
            format!("there are {}", known.join(", "))
        };
        let near = grammar::nearest(name, all());
        let near = near.map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"));
        (
            "ClusterNotFound",
            format!(
                "there is no service cluster {name}, {known}: correct the label or apply the cluster{near}"
            ),
        )
    };
    let label = app.labels.clusters_label.as_ref();
    Orphan {
        service: app.service.spec.name.clone(),
        reason: reason.to_owned(),
        message,
        label: label.map(|label| label.key.clone()).unwrap_or_default(),
        value: label
            .map(|label| grammar::shown(&label.value))
            .unwrap_or_default(),
    }
}

/// A service that other clusters serve, told of one that does not.
fn half_served(missing: &Orphan) -> Row {
    let Orphan {
        service,
        reason,
        message,
        label,
        value,
    } = missing.clone();
    Row {
        service,
        state: RowState::Warning,
        reason,
        message,
        label,
        value,
        ..Row::default()
    }
}

impl Open<'_> {
    /// Builds the table.
    fn close(self) -> ClusterRouting {
        let mut routing = ClusterRouting {
            rows: self.rows,
            ..ClusterRouting::default()
        };
        let drain = &self.spec.proxy.drain;
        routing.table.listener = Listener {
            cluster: self.name.to_owned(),
            traffic: self.spec.traffic.clone(),
            drain_timeout: drain.timeout,
            drain_minimum: drain.minimum,
            https_port: self.spec.proxy.publish.https,
            default_certificate: None,
        };
        let mut assembly = Assembly::new(routing);
        // Closed ones last: they take a place from nobody.
        let (served, closed): (Vec<_>, Vec<_>) =
            (self.grants.iter()).partition(|grant| grant.closed.is_empty());
        for grant in served {
            assembly.add(grant);
        }
        for grant in closed {
            assembly.close(grant);
        }
        assembly.done()
    }
}

#[cfg(test)]
mod tests;
