//! What one application service asks of one cluster, and what it gets.

use std::collections::BTreeSet;

use super::reach::{self, Fabric, Refusal, Way};
use super::{Backend, Conditions, PathMatch, Policy, Row, RowState};
use super::{secret, settings};
use crate::api::grammar::shown;
use crate::api::labels::{AppLabels, LabelFault, RouteLabels};
use crate::api::service_cluster::Admission;
use crate::world::{Mode, SecretsByName, Service, Task, TaskState, World};

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
    pub service: String,
    /// Name of the route within the service; empty for the unnamed one.
    pub id: String,
    /// Hosts, in order, each once.
    pub hosts: BTreeSet<String>,
    pub path: PathMatch,
    pub when: Conditions,
    pub rewrite: bool,
    /// What was asked for, for redirects and for messages.
    pub labels: RouteLabels,
    pub policy: Policy,
    pub weight: Option<u32>,
    /// TLS is passed on unopened.
    pub passthrough: bool,
    /// Secrets with the certificate and its key.
    pub certificate: Option<(String, String)>,
    /// Name of the backend.
    pub name: String,
    pub backend: Backend,
    /// Network to follow, by id.
    pub network: Option<String>,
    /// Why there are no endpoints; empty when there are.
    pub idle: String,
    /// Why it serves nobody, without places. Empty: it serves.
    pub closed: Vec<Row>,
}

impl Grant {
    /// Whether a host is among those granted, by itself or below a wildcard.
    pub(super) fn has(&self, host: &str) -> bool {
        let below = |all: &String| {
            let suffix = all.strip_prefix('*').filter(|suffix| !suffix.is_empty());
            suffix.is_some_and(|suffix| host.len() > suffix.len() && host.ends_with(suffix))
        };
        self.hosts.contains(host) || self.hosts.iter().any(below)
    }
}

/// Decides over one service. Faults of its own labels give rows and never reach another service.
pub(super) fn decide(
    world: &World,
    secrets: &SecretsByName<'_>,
    admission: &Admission,
    fabric: &Fabric,
    app: &Application<'_>,
) -> (Vec<Grant>, Vec<Row>) {
    let service = &app.service.spec.name;
    let closed = |fault: &LabelFault| app.labels.routes.iter().any(|it| it.closed.contains(fault));
    // Those of closed routes are told at their places.
    let faults = app.labels.faults.iter().filter(|fault| !closed(fault));
    let mut rows: Vec<Row> = faults.map(|fault| fault_row(service, fault)).collect();
    let mut grants: Vec<Grant> = Vec::new();
    for labels in &app.labels.routes {
        let (hosts, refused) = admitted(admission, app, labels);
        rows.extend(refused);
        if hosts.is_empty() {
            continue;
        }
        if !labels.closed.is_empty() {
            let why = labels.closed.iter().map(|fault| fault_row(service, fault));
            grants.push(closed_grant(secrets, app, labels, hosts, why.collect()));
            continue;
        }
        match grant(world, secrets, fabric, app, labels, hosts.clone()) {
            Ok((mut grant, told)) => {
                rows.extend(told);
                grant.name = backend_name(&grant, labels.port, &grants);
                grants.push(grant);
            }
            Err(refusals) if labels.is_guarded() => {
                let why = refusals.iter();
                let why = why.map(|refusal| refusal_row(app, labels, "", refusal));
                grants.push(closed_grant(secrets, app, labels, hosts, why.collect()));
            }
            Err(refusals) => {
                for refusal in &refusals {
                    let each = hosts.iter();
                    rows.extend(each.map(|host| refusal_row(app, labels, host, refusal)));
                }
            }
        }
    }
    (grants, rows)
}

/// A claim that stands and serves nobody: a route of less demands, perhaps of the same service,
/// must not take the requests that this one would have kept away.
fn closed_grant(
    secrets: &SecretsByName<'_>,
    app: &Application<'_>,
    labels: &RouteLabels,
    hosts: BTreeSet<String>,
    why: Vec<Row>,
) -> Grant {
    let service = &app.service.spec.name;
    let why = why.into_iter().map(|row| Row {
        message: format!("{}; until then its requests are answered 503", row.message),
        ..row
    });
    Grant {
        service: service.clone(),
        id: labels.id.clone(),
        hosts,
        path: settings::path(labels),
        when: settings::conditions(labels),
        rewrite: false,
        labels: labels.clone(),
        policy: Policy::default(),
        weight: None,
        passthrough: false,
        certificate: certificate(secrets, app.service, labels).ok().flatten(),
        // No port is called so.
        name: format!("{service}:closed"),
        backend: Backend {
            service: service.clone(),
            ..Backend::default()
        },
        network: None,
        idle: String::new(),
        closed: why.collect(),
    }
}

/// A name that no other backend of the service has, unless it is the same in all.
fn backend_name(grant: &Grant, port: u16, before: &[Grant]) -> String {
    let name = format!("{}:{port}", grant.service);
    let same = |other: &&Grant| other.backend == grant.backend && other.name.starts_with(&name);
    if let Some(same) = before.iter().find(same) {
        return same.name.clone();
    }
    if before.iter().any(|other| other.name == name) {
        return format!("{name}/{}", grant.id);
    }
    name
}

fn grant(
    world: &World,
    secrets: &SecretsByName<'_>,
    fabric: &Fabric,
    app: &Application<'_>,
    labels: &RouteLabels,
    hosts: BTreeSet<String>,
) -> Result<(Grant, Vec<Row>), Vec<Refusal>> {
    let service = app.service;
    let policy = settings::policy(secrets, service, labels);
    let backend = settings::backend(secrets, service, labels);
    let way = reach::way(world, fabric, service, labels.text("network"), labels.port);
    let pair = certificate(secrets, service, labels);
    let (policy, mut backend, way) = match (policy, backend, way) {
        (Ok(policy), Ok(backend), Ok(way)) => (policy, backend, way),
        // All at once: whoever mends one should not be told of the next only then.
        (policy, backend, way) => {
            let refusals = [policy.err(), backend.err(), way.err()];
            let others = pair.err().into_iter().flatten();
            return Err(refusals.into_iter().flatten().chain(others).collect());
        }
    };
    let mut rows = Vec::new();
    backend.endpoints = if settings::is_virtual(labels) {
        rows.extend(no_affinity(app, labels));
        reach::virtual_endpoint(&way, service, &app.tasks, labels.port)
            .map_err(|refusal| vec![refusal])?
    } else {
        reach::endpoints(world, &way, service, &app.tasks, labels.port)
    };
    let certificate = pair.unwrap_or_else(|refusals| {
        let bare = refusals.iter().map(|refusal| {
            let row = refusal_row(app, labels, "", refusal);
            Row {
                state: RowState::Warning,
                message: format!("{}; until then the hosts have no certificate", row.message),
                path: String::new(),
                ..row
            }
        });
        rows.extend(bare);
        None
    });
    let path = settings::path(labels);
    let grant = Grant {
        service: service.spec.name.clone(),
        id: labels.id.clone(),
        hosts,
        rewrite: labels.flag("context_root_rewrite") && path.text() != "/",
        path,
        when: settings::conditions(labels),
        policy,
        weight: labels.number("weight"),
        passthrough: labels.flag("ssl_passthrough"),
        certificate,
        name: String::new(),
        labels: labels.clone(),
        idle: if backend.endpoints.is_empty() {
            idle(world, &way, app)
        } else {
            String::new()
        },
        backend,
        network: match way {
            Way::Network(id) => Some(id),
            Way::HostPorts => None,
        },
        closed: Vec::new(),
    };
    Ok((grant, rows))
}

/// The certificate's two secrets, when both are named and there.
fn certificate(
    secrets: &SecretsByName<'_>,
    service: &Service,
    labels: &RouteLabels,
) -> Result<Option<(String, String)>, Vec<Refusal>> {
    let find = |label: &'static str, name: &str| {
        secret::find(secrets, service, name).map_err(|absent| Refusal {
            reason: absent.reason,
            message: absent.message,
            label,
        })
    };
    let (Some(chain), Some(key)) = (labels.text("ssl_cert"), labels.text("ssl_key")) else {
        return Ok(None);
    };
    match (find("ssl_cert", chain), find("ssl_key", key)) {
        (Ok(chain), Ok(key)) => Ok(Some((chain, key))),
        (chain, key) => Err(chain.err().into_iter().chain(key.err()).collect()),
    }
}

/// Swarm chooses the task behind a virtual address, connection by connection.
fn no_affinity(app: &Application<'_>, labels: &RouteLabels) -> Option<Row> {
    let label = if labels.text("sticky_session_cookie").is_some() {
        "sticky_session_cookie"
    } else if labels.flag("ip_hash") {
        "ip_hash"
    } else {
        return None;
    };
    let refusal = Refusal {
        reason: "NoEffect",
        message: format!(
            "{label} has no effect with backend_mode=vip, where Swarm balances (use backend_mode=task)"
        ),
        label,
    };
    Some(Row {
        state: RowState::Warning,
        path: String::new(),
        ..refusal_row(app, labels, "", &refusal)
    })
}

/// The hosts a route may have, and a row for each that it may not.
fn admitted(
    admission: &Admission,
    app: &Application<'_>,
    labels: &RouteLabels,
) -> (BTreeSet<String>, Vec<Row>) {
    let wanted = labels.hosts.iter().map(|host| host.as_str().to_owned());
    let any = (labels.flag("default_backend")).then(|| ANY_HOST.to_owned());
    let wanted: BTreeSet<String> = wanted.chain(any).collect();
    let have = &app.service.spec.labels;
    let missing = admission
        .selector
        .match_labels
        .iter()
        .find(|(key, value)| have.get(*key) != Some(value));
    let mut hosts = BTreeSet::new();
    let mut rows = Vec::new();
    let refused = |host: &str, label, message| {
        let refusal = Refusal {
            reason: "NotAdmitted",
            message,
            label,
        };
        refusal_row(app, labels, host, &refusal)
    };
    for host in wanted {
        if let Some((key, value)) = missing {
            let message = format!("the cluster admits only services with label {key}={value}");
            rows.push(Row {
                label: key.clone(),
                value: have.get(key).map(|it| shown(it)).unwrap_or_default(),
                ..refused(&host, "", message)
            });
        } else if host_admitted(admission, &host) {
            hosts.insert(host);
        } else {
            let patterns = admission.hosts.iter().take(10).map(ToString::to_string);
            let patterns = patterns.collect::<Vec<_>>().join(", ");
            let message = format!("the cluster admits only these hosts: {patterns}");
            rows.push(refused(&host, host_label(&host), message));
        }
    }
    (hosts, rows)
}

/// The label by which a route has a host.
pub(super) fn host_label(host: &str) -> &'static str {
    if host == ANY_HOST {
        "default_backend"
    } else {
        "hosts"
    }
}

/// A default backend asks for every host, so it is never among some that are admitted.
fn host_admitted(admission: &Admission, host: &str) -> bool {
    admission.hosts.is_empty()
        || (host != ANY_HOST
            && (admission.hosts.iter()).any(|p| p.as_str() == host || p.matches(host)))
}

/// What is wrong with a label and what to do.
pub(super) fn fault_message(fault: &LabelFault) -> String {
    if fault.hint.is_empty() {
        fault.message.clone()
    } else {
        format!("{} ({})", fault.message, fault.hint)
    }
}

fn fault_row(service: &str, fault: &LabelFault) -> Row {
    // A host of several that cannot be read is a route that is refused; any other fault that is
    // not fatal leaves the route served without that setting.
    let refused = fault.fatal || fault.reason == "InvalidHost";
    Row {
        service: service.to_owned(),
        state: if refused {
            RowState::Rejected
        } else {
            RowState::Warning
        },
        reason: fault.reason.to_owned(),
        message: fault_message(fault),
        label: fault.label.clone(),
        value: fault.value.clone(),
        ..Row::default()
    }
}

fn refusal_row(app: &Application<'_>, labels: &RouteLabels, host: &str, refusal: &Refusal) -> Row {
    let label = (!refusal.label.is_empty())
        .then(|| labels.label(refusal.label))
        .flatten();
    let (path, when) = place_text(&settings::path(labels), &settings::conditions(labels));
    Row {
        host: host.to_owned(),
        path,
        when,
        service: app.service.spec.name.clone(),
        state: RowState::Rejected,
        reason: refusal.reason.to_owned(),
        message: refusal.message.clone(),
        value: label.map(|label| shown(&label.value)).unwrap_or_default(),
        label: label.map(|label| label.key.clone()).unwrap_or_default(),
        ..Row::default()
    }
}

/// Path and conditions as they stand in a route's name.
pub(super) fn place_text(path: &PathMatch, when: &Conditions) -> (String, String) {
    let nowhere = super::Route {
        path: path.clone(),
        when: when.clone(),
        ..super::Route::default()
    };
    let plain = super::Route {
        when: Conditions::default(),
        ..nowhere.clone()
    };
    let (path, whole) = (plain.name(), nowhere.name());
    let when = whole.strip_prefix(&path).unwrap_or_default().trim_start();
    (path.clone(), when.to_owned())
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
    let name = &app.service.spec.name;
    if app.service.spec.mode == Mode::Replicated(0) {
        return format!(
            "the service is scaled to zero: `docker service scale {name}=1` starts a task"
        );
    }
    if let Some(task) = errors.max_by_key(|task| (&task.state_at, &task.id)) {
        return format!("no task runs: {}", task.error);
    }
    let mut tasks = app.tasks.iter();
    if tasks.any(|task| task.state < TaskState::Running && task.desired <= TaskState::Running) {
        return format!(
            "no task runs yet, but some start: `docker service ps {name}` shows how far they are"
        );
    }
    format!("no task runs: see `docker service ps {name}`")
}
