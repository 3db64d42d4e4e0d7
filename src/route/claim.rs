//! What one application service asks of one cluster, and what it gets.

use std::collections::BTreeSet;

use super::reach::{self, Fabric, Refusal, Way};
use super::{Endpoint, Row, RowState};
use crate::api::labels::{AppLabels, LabelFault};
use crate::api::service_cluster::Admission;
use crate::names::APP_PREFIXES;
use crate::world::{Service, Task, World};

/// The host that stands for all that no route names.
pub(super) const ANY_HOST: &str = "*";

/// An application service with its labels and tasks.
pub(super) struct Application<'a> {
    pub service: &'a Service,
    pub labels: AppLabels,
    pub tasks: Vec<&'a Task>,
}

/// A granted claim to some hosts on one path.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    /// Hosts, in order, each once.
    pub hosts: BTreeSet<String>,
    pub path: String,
    pub rewrite: bool,
    pub weight: Option<u32>,
    pub service: String,
    /// Name of the backend.
    pub backend: String,
    pub endpoints: Vec<Endpoint>,
    /// Network to follow, by id.
    pub network: Option<String>,
    /// Why there are no endpoints; empty when there are.
    pub idle: String,
}

/// Decides over one service. Faults of its own labels give rows and never reach another service.
pub(super) fn decide(
    world: &World,
    admission: &Admission,
    fabric: &Fabric,
    app: &Application<'_>,
) -> (Option<Grant>, Vec<Row>) {
    let service = &app.service.spec.name;
    let faults = app.labels.faults.iter();
    let mut rows: Vec<Row> = faults.map(|fault| fault_row(service, fault)).collect();
    let Some(port) = app.labels.port.filter(|_| app.labels.fatal().is_none()) else {
        return (None, rows);
    };
    let path = app.labels.context_root.as_deref().unwrap_or("/");
    let (hosts, refused) = admitted(admission, app);
    rows.extend(refused.into_iter().map(|row| Row {
        path: path.to_owned(),
        ..row
    }));
    if hosts.is_empty() {
        return (None, rows);
    }
    let way = match reach::way(world, fabric, app.service, &app.labels, port) {
        Ok(way) => way,
        Err(refusal) => {
            rows.extend(
                hosts
                    .iter()
                    .map(|host| refusal_row(app, host, path, &refusal)),
            );
            return (None, rows);
        }
    };
    let endpoints = reach::endpoints(world, &way, app.service, &app.tasks, port);
    let grant = Grant {
        hosts,
        path: path.to_owned(),
        rewrite: app.labels.context_root_rewrite && path != "/",
        weight: app.labels.weight,
        service: service.clone(),
        backend: format!("{service}:{port}"),
        idle: if endpoints.is_empty() {
            idle(world, &way, app)
        } else {
            String::new()
        },
        endpoints,
        network: match way {
            Way::Network(id) => Some(id),
            Way::HostPorts => None,
        },
    };
    (Some(grant), rows)
}

/// The hosts a service may have, and a row for each that it may not.
fn admitted(admission: &Admission, app: &Application<'_>) -> (BTreeSet<String>, Vec<Row>) {
    let wanted = app.labels.hosts.iter().map(|host| host.as_str().to_owned());
    let any = app.labels.default_backend.then(|| ANY_HOST.to_owned());
    let wanted: BTreeSet<String> = wanted.chain(any).collect();
    let have = &app.service.spec.labels;
    let missing = admission
        .selector
        .match_labels
        .iter()
        .find(|(key, value)| have.get(*key) != Some(value));
    let mut hosts = BTreeSet::new();
    let mut rows = Vec::new();
    for host in wanted {
        let refusal = if let Some((key, value)) = missing {
            format!("the cluster admits only services with label {key}={value}")
        } else if !host_admitted(admission, &host) {
            let patterns = admission.hosts.iter().map(ToString::to_string);
            let patterns = patterns.collect::<Vec<_>>().join(", ");
            format!("the cluster admits only these hosts: {patterns}")
        } else {
            hosts.insert(host);
            continue;
        };
        rows.push(Row {
            host,
            service: app.service.spec.name.clone(),
            state: RowState::Rejected,
            reason: "NotAdmitted".to_owned(),
            message: refusal,
            ..Row::default()
        });
    }
    (hosts, rows)
}

/// A default backend asks for every host, so it is never among some that are admitted.
fn host_admitted(admission: &Admission, host: &str) -> bool {
    admission.hosts.is_empty()
        || (host != ANY_HOST
            && (admission.hosts.iter()).any(|p| p.as_str() == host || p.matches(host)))
}

fn fault_row(service: &str, fault: &LabelFault) -> Row {
    let message = if fault.hint.is_empty() {
        fault.message.clone()
    } else {
        format!("{} ({})", fault.message, fault.hint)
    };
    // A host of several that cannot be read is a route that is refused; any other fault that is
    // not fatal leaves the route served without that setting.
    let refused = fault.fatal || fault.reason == "InvalidHost";
    Row {
        service: service.to_owned(),
        state: if refused {
            RowState::Rejected
        } else {
            RowState::Conflict
        },
        reason: fault.reason.to_owned(),
        message,
        label: fault.label.clone(),
        value: fault.value.clone(),
        ..Row::default()
    }
}

fn refusal_row(app: &Application<'_>, host: &str, path: &str, refusal: &Refusal) -> Row {
    let labels = &app.service.spec.labels;
    let keys = APP_PREFIXES.iter().rev();
    let label = keys
        .map(|prefix| format!("{prefix}{}", refusal.label))
        .find(|key| labels.contains_key(key));
    Row {
        host: host.to_owned(),
        path: path.to_owned(),
        service: app.service.spec.name.clone(),
        state: RowState::Rejected,
        reason: refusal.reason.to_owned(),
        message: refusal.message.clone(),
        value: (label.as_ref().and_then(|key| labels.get(key)))
            .cloned()
            .unwrap_or_default(),
        label: label.unwrap_or_default(),
        ..Row::default()
    }
}

/// Why a service has no endpoints.
fn idle(world: &World, way: &Way, app: &Application<'_>) -> String {
    let running = app.tasks.iter().filter(|task| task.serves()).count();
    if running > 0 {
        return match way {
            Way::Network(id) => format!(
                "{running} tasks run, none has an address on network {} yet",
                world.networks.get(id).map_or(id, |network| &network.name)
            ),
            Way::HostPorts => format!("{running} tasks run, none has its port open on a node yet"),
        };
    }
    let errors = app.tasks.iter().filter(|task| !task.error.is_empty());
    match errors.max_by_key(|task| (&task.state_at, &task.id)) {
        Some(task) => format!("no task runs: {}", task.error),
        None => "no task runs: see `docker service ps` of the service".to_owned(),
    }
}
