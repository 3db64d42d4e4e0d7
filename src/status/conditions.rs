//! The six conditions, each from the facts it speaks of.

use std::collections::BTreeSet;

use super::faults::{Faults, MOST};
use super::placement::Nodes;
use super::proxies::{Proxies, why};
use crate::api::service_cluster::{Placement, Proxy, ProxyMode, PublishMode};
use crate::api::status::{NetworkStatus, RouteFault};
use crate::api::{ConditionStatus, ConditionType, ServiceClusterSpec};
use crate::plan::{Plan, Step};
use crate::route::Note;
use crate::world::{Claim, Declared, Service, UpdateState, World};

/// The most characters of a message: a status must fit into a label.
pub(super) const LONGEST: usize = 2_000;
/// Programmed, but for what single services ask and proxies refuse.
const PARTLY: &str = "RoutesRefused";
/// The engine does not take the definition of the proxies.
pub(crate) const ENGINE_REFUSED: &str = "EngineRefused";
/// Swarm gave up on the newest definition; its tasks know why.
const GAVE_UP: [&str; 2] = ["RolledBack", "UpdatePaused"];
/// Proxies have yet to take what is published.
pub(crate) const WAITING: &str = "Pending";

/// A condition without its times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub kind: ConditionType,
    pub status: ConditionStatus,
    pub reason: String,
    pub message: String,
}

impl Finding {
    fn new(kind: ConditionType, status: ConditionStatus, reason: &str, message: String) -> Self {
        let mut message = message;
        if message.chars().count() > LONGEST {
            message = message.chars().take(LONGEST).chain("...".chars()).collect();
        }
        Self {
            kind,
            status,
            reason: reason.to_owned(),
            message,
        }
    }

    fn holds(kind: ConditionType, reason: &str, message: impl Into<String>) -> Self {
        Self::new(kind, ConditionStatus::True, reason, message.into())
    }

    fn fails(kind: ConditionType, reason: &str, message: impl Into<String>) -> Self {
        Self::new(kind, ConditionStatus::False, reason, message.into())
    }
}

/// Whether the newest manifest is in force.
pub(super) fn accepted(declared: &Declared) -> Finding {
    let kind = ConditionType::Accepted;
    if !declared.faults.is_empty() {
        let faults: Vec<String> = declared.faults.iter().map(ToString::to_string).collect();
        let rest = match &declared.accepted {
            Some(accepted) => format!("generation {} stays in force", accepted.generation),
            None => "no generation is in force".to_owned(),
        };
        return Finding::fails(kind, "Invalid", format!("{rest}: {}", faults.join("; ")));
    }
    let default = declared
        .conflicts
        .iter()
        .find(|c| c.claim == Claim::Default);
    match default {
        Some(conflict) => Finding::holds(kind, conflict.claim.reason(), &conflict.message),
        None => Finding::holds(kind, "Accepted", "the newest manifest is in force"),
    }
}

/// The conditions of a cluster that never had a valid manifest.
pub(super) fn nothing_in_force(declared: &Declared) -> Vec<Finding> {
    let mut findings = vec![accepted(declared)];
    for kind in [
        ConditionType::NetworksReady,
        ConditionType::NodesReady,
        ConditionType::ProxyReady,
        ConditionType::Programmed,
    ] {
        let message = "no valid manifest is in force".to_owned();
        let unknown = ConditionStatus::Unknown;
        findings.push(Finding::new(kind, unknown, "NotAccepted", message));
    }
    findings.push(ready(&findings));
    findings
}

/// The blockers of one condition, as one finding.
fn blocked(plan: &Plan, kind: ConditionType) -> Option<Finding> {
    let blockers: Vec<_> = plan
        .blockers
        .iter()
        .filter(|b| b.condition == kind)
        .collect();
    let messages: Vec<&str> = blockers.iter().map(|b| b.message.as_str()).collect();
    let first = blockers.first()?;
    Some(Finding::fails(kind, &first.reason, messages.join("; ")))
}

/// Whether all networks exist and the proxy service is attached to them.
pub(super) fn networks_ready(
    plan: &Plan,
    spec: &ServiceClusterSpec,
    networks: &[NetworkStatus],
) -> Finding {
    let kind = ConditionType::NetworksReady;
    if let Some(finding) = blocked(plan, kind) {
        return finding;
    }
    let names = |test: fn(&&NetworkStatus) -> bool| -> Vec<&str> {
        let networks = networks.iter().filter(test);
        networks.map(|n| n.name.as_str()).collect()
    };
    let missing = names(|n| n.id.is_empty());
    let detached = names(|n| !n.attached);
    if !missing.is_empty() {
        let message = format!("networks to be made: {}", missing.join(", "));
        Finding::fails(kind, "Creating", message)
    } else if !detached.is_empty() {
        let message = format!(
            "the proxies are not attached yet to: {}",
            detached.join(", ")
        );
        Finding::fails(kind, "NotAttached", message)
    } else if networks.is_empty() && spec.networks.is_none() {
        let message =
            "no service is routed here yet: the proxies follow the networks of those that will be";
        Finding::holds(kind, "NoNetworks", message)
    } else {
        Finding::holds(kind, "Attached", "the proxies are attached to all networks")
    }
}

/// Whether enough nodes take proxies.
pub(super) fn nodes_ready(
    plan: &Plan,
    proxy: &Proxy,
    placement: &Placement,
    nodes: &Nodes,
) -> Finding {
    let kind = ConditionType::NodesReady;
    if let Some(finding) = blocked(plan, kind) {
        return finding;
    }
    let labelling = plan
        .steps
        .iter()
        .any(|step| matches!(step, Step::LabelNode { .. }));
    if labelling {
        return Finding::fails(kind, "Labelling", "node labels are being set");
    }
    let needed = needed(proxy, placement);
    if nodes.usable >= needed {
        let message = format!("nodes that take proxies: {}", nodes.usable);
        return Finding::holds(kind, "Matched", message);
    }
    let reason = if nodes.usable == 0 {
        "NoMatchingNode"
    } else {
        "TooFewNodes"
    };
    let why: Vec<String> = nodes
        .listed
        .iter()
        .filter(|node| !node.ready)
        .map(|node| format!("{}: {}", node.name, node.message))
        .collect();
    let mut message = format!(
        "nodes that take proxies: {}, needed: {needed}; add nodes to spec.placement or lower spec.proxy.replicas",
        nodes.usable
    );
    if !why.is_empty() {
        message = format!("{message}; {}", why.join("; "));
    }
    Finding::fails(kind, reason, message)
}

/// How many nodes the proxies need at least. A host port is open once on a node.
fn needed(proxy: &Proxy, placement: &Placement) -> u64 {
    let replicas = proxy.replicas.unwrap_or(1);
    let publishes = proxy.publish.http > 0 || proxy.publish.https > 0;
    let per_node = match placement.max_replicas_per_node {
        _ if proxy.publish.mode == PublishMode::Host && publishes => 1,
        Some(limit) => limit.max(1),
        None => u64::MAX,
    };
    match proxy.mode {
        ProxyMode::Global => 1,
        ProxyMode::Replicated => replicas.div_ceil(per_node),
    }
}

/// Whether the proxy service runs as declared.
pub(super) fn proxy_ready(
    world: &World,
    plan: &Plan,
    service: Option<&Service>,
    proxies: &Proxies,
) -> Finding {
    let kind = ConditionType::ProxyReady;
    if let Some(finding) = blocked(plan, kind) {
        let gave_up = GAVE_UP.contains(&finding.reason.as_str());
        let why = service
            .filter(|_| gave_up)
            .and_then(|it| why(world, it, &plan.template));
        return match why {
            Some(why) => {
                Finding::fails(kind, &finding.reason, format!("{why}; {}", finding.message))
            }
            None => finding,
        };
    }
    let step = plan.steps.iter().find_map(|step| match step {
        Step::RemoveService { .. } => Some((
            "Replacing",
            "the proxy service is being made anew".to_owned(),
        )),
        Step::CreateService(_) => Some(("Creating", "the proxy service is being made".to_owned())),
        Step::UpdateService { changes, .. } => Some((
            "Updating",
            format!("the proxy service is being updated: {}", changes.join(", ")),
        )),
        _ => None,
    });
    if let Some((reason, message)) = step {
        return Finding::fails(kind, reason, message);
    }
    let Some(service) = service else {
        return Finding::fails(kind, "Creating", "the proxy service is not there yet");
    };
    let counts = proxies.counts;
    let tally = format!("{} of {} proxies run", counts.running, counts.desired);
    if counts.running < counts.desired {
        return match &proxies.trouble {
            Some((reason, trouble)) => Finding::fails(kind, reason, format!("{tally}: {trouble}")),
            None => Finding::fails(kind, "Starting", tally),
        };
    }
    let state = service.update.as_ref().map(|update| update.state);
    if counts.updated < counts.running && state == Some(UpdateState::Updating) {
        let message = format!(
            "{} of {} proxies have the newest definition",
            counts.updated, counts.running
        );
        return Finding::fails(kind, "RollingOut", message);
    }
    Finding::holds(kind, "Running", tally)
}

/// Whether every running proxy has the routes in force. What one service's labels made proxies
/// refuse, and what is to be said of certificates, is said here too; it makes nothing false,
/// because all other routes are in force all the same.
pub(super) fn programmed(
    service: Option<&Service>,
    proxies: &Proxies,
    faults: &Faults,
    warnings: &[Note],
) -> Finding {
    let mut finding = acknowledged(service, proxies, &faults.others);
    if faults.all_routes && finding.status == ConditionStatus::True {
        finding.status = ConditionStatus::False;
        PARTLY.clone_into(&mut finding.reason);
        "proxies refuse all routes".clone_into(&mut finding.message);
    }
    let reason = if finding.status != ConditionStatus::True {
        &finding.reason
    } else if !faults.refused.is_empty() {
        finding.message += ", save what they refuse";
        PARTLY
    } else if let Some(first) = warnings.first() {
        &first.reason
    } else if let Some(first) = faults.warnings.first() {
        &first.reason
    } else {
        return finding;
    };
    let refused = faults.refused.iter().take(MOST).map(sentence);
    let more = faults.count.checked_sub(MOST).filter(|more| *more > 0);
    let more = more.map(|more| format!("{more} more are refused"));
    let worries = faults.warnings.iter().take(MOST).map(sentence);
    let notes = warnings.iter().map(|warning| warning.message.clone());
    let all: Vec<String> = std::iter::once(finding.message.clone())
        .chain(refused)
        .chain(more)
        .chain(notes)
        .chain(worries)
        .collect();
    Finding::new(finding.kind, finding.status, reason, all.join("; "))
}

/// A fault of one service in one sentence.
fn sentence(fault: &RouteFault) -> String {
    let RouteFault {
        service,
        label,
        value,
        message,
        hint,
        ..
    } = fault;
    let label = if label.is_empty() {
        String::new()
    } else {
        format!(" ({label}={value})")
    };
    format!("service {service}{label}: {message}: {hint}")
}

fn acknowledged(
    service: Option<&Service>,
    proxies: &Proxies,
    others: &BTreeSet<String>,
) -> Finding {
    let kind = ConditionType::Programmed;
    let counts = proxies.counts;
    let refused: BTreeSet<&str> = (proxies.refusals.iter().chain(others))
        .map(String::as_str)
        .collect();
    if !refused.is_empty() {
        let refused: Vec<&str> = refused.into_iter().collect();
        let message = format!(
            "proxies refused the routes: {}; they go on with the last ones they took",
            refused.join("; ")
        );
        return Finding::fails(kind, "Refused", message);
    }
    if counts.running == 0 {
        return if service.is_some() && counts.desired == 0 {
            Finding::holds(kind, "NoProxies", "no proxy is wanted")
        } else {
            Finding::fails(kind, "NoProxies", "no proxy runs yet")
        };
    }
    let message = format!(
        "{} of {} proxies have the routes in force",
        counts.programmed, counts.running
    );
    if counts.programmed == counts.running {
        Finding::holds(kind, "Acknowledged", message)
    } else if proxies.connected < counts.running {
        let message = format!(
            "{message}, {} are connected to the operator: if this stays, see `docker service logs` of the proxy service",
            proxies.connected
        );
        Finding::fails(kind, "NotConnected", message)
    } else {
        Finding::fails(kind, WAITING, message)
    }
}

/// Whether all the others hold.
pub(super) fn ready(others: &[Finding]) -> Finding {
    let kind = ConditionType::Ready;
    match others.iter().find(|f| f.status != ConditionStatus::True) {
        Some(first) => {
            let message = format!("{:?}: {}", first.kind, first.message);
            Finding::fails(kind, &first.reason, message)
        }
        None => Finding::holds(kind, "Ready", "the cluster serves its routes"),
    }
}
