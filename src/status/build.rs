//! The status of one cluster: facts first, then the conditions that they give.

use std::collections::BTreeSet;

use super::conditions::{self, Finding};
use super::faults::Faults;
use super::proxies::{self, Proxies};
use super::{ProxyReport, certificates, faults, placement};
use crate::api::service_cluster::ServiceClusterSpec;
use crate::api::status::{NetworkStatus, RouteCounts};
use crate::api::{Condition, ConditionType, Status};
use crate::names;
use crate::plan::{Plan, Step};
use crate::route::ClusterRouting;
use crate::world::{Declared, Service, World};

/// What a status is made from.
#[derive(Clone, Copy, Debug)]
pub struct StatusInputs<'a> {
    /// The cluster.
    pub declared: &'a Declared,
    /// Its routes; `None` while no revision is valid.
    pub routing: Option<&'a ClusterRouting>,
    /// What is still to do for it; `None` while no revision is valid.
    pub plan: Option<&'a Plan>,
    /// The observed Swarm.
    pub world: &'a World,
    /// The proxies connected for this cluster.
    pub fleet: &'a [ProxyReport],
    /// The version that proxies should have acknowledged.
    pub wanted_version: &'a str,
    /// The time now (RFC 3339, UTC, seconds).
    pub now: &'a str,
    /// [`Plan::spec_hash`] of a definition sent to the engine in this round; `None`: none was sent.
    pub attempted: Option<&'a str>,
}

/// The status of a cluster. Equal facts, equal status: `now` only shows where a condition changes.
#[must_use]
pub fn status(inputs: &StatusInputs<'_>) -> Status {
    let declared = inputs.declared;
    let generation = declared.newest().map_or(0, |revision| revision.generation);
    let mut status = Status {
        observed_generation: generation,
        active_generation: declared.accepted.as_ref().map_or(0, |a| a.generation),
        attempted: attempted(inputs),
        ..Status::default()
    };
    let findings = match (&declared.accepted, inputs.plan) {
        (Some(accepted), Some(plan)) => in_force(inputs, plan, &accepted.cluster.spec, &mut status),
        _ => conditions::nothing_in_force(declared),
    };
    let before = declared.status.as_ref();
    let before = before.map_or(&[][..], |status| &status.conditions);
    status.conditions = findings
        .into_iter()
        .map(|finding| stamp(finding, generation, before, inputs.now))
        .collect();
    status
}

/// Fills the facts in and gives the findings of a cluster that has a valid revision.
fn in_force(
    inputs: &StatusInputs<'_>,
    plan: &Plan,
    spec: &ServiceClusterSpec,
    status: &mut Status,
) -> Vec<Finding> {
    let service = proxy_service(inputs);
    let proxies = service.map_or_else(Proxies::default, |service| {
        let template = template(plan, service);
        proxies::proxies(
            inputs.world,
            service,
            template,
            inputs.fleet,
            inputs.wanted_version,
        )
    });
    status.proxies = proxies.counts;
    status.delivery.clone_from(&proxies.delivery);
    status.networks = networks(inputs, spec, service);
    status.routes = inputs.routing.map_or_else(RouteCounts::default, routes);
    let nodes = placement::nodes(inputs.world, &spec.placement);
    status.nodes.clone_from(&nodes.listed);
    let now = certificates::seconds(inputs.now);
    let warnings = inputs
        .routing
        .map_or_else(Vec::new, |routing| certificates::warnings(routing, now));
    let faults = inputs.routing.map_or_else(Faults::default, |routing| {
        faults::faults(inputs.world, routing, proxies.reports.iter(), now)
    });
    status.routes.refused = faults.count as u64;
    status.routes.faults = faults.listed();
    let mut findings = vec![
        conditions::accepted(inputs.declared),
        conditions::networks_ready(plan, spec, &status.networks),
        conditions::nodes_ready(plan, &spec.proxy, &spec.placement, &nodes),
        conditions::proxy_ready(inputs.world, plan, service, &proxies),
        conditions::programmed(service, &proxies, &faults, &warnings),
    ];
    findings.push(conditions::ready(&findings));
    findings
}

/// The definition that was sent last. While the service is as declared it counts as sent, so that
/// a definition which failed before may be tried again after another one worked.
fn attempted(inputs: &StatusInputs<'_>) -> Option<String> {
    let before = inputs.declared.status.as_ref();
    let before = before.and_then(|status| status.attempted.clone());
    let sent = inputs.attempted.map(str::to_owned);
    let reached = inputs.plan.filter(|plan| {
        let changes_service = plan.steps.iter().any(|step| {
            matches!(
                step,
                Step::CreateService(_) | Step::UpdateService { .. } | Step::RemoveService { .. }
            )
        });
        let blocked = plan
            .blockers
            .iter()
            .any(|blocker| blocker.condition == ConditionType::ProxyReady);
        !changes_service && !blocked && !plan.spec_hash.is_empty()
    });
    sent.or_else(|| reached.map(|plan| plan.spec_hash.clone()))
        .or(before)
}

fn proxy_service<'a>(inputs: &StatusInputs<'a>) -> Option<&'a Service> {
    let mut services = inputs.world.services.values();
    let name = &inputs.declared.name;
    let accepted = inputs.declared.accepted.as_ref()?;
    let wanted = crate::plan::service_name(name, &accepted.cluster.spec.proxy);
    services.find(|service| service.spec.name == wanted && service.is_proxy_of(name))
}

/// The template hash of the newest definition: of the one about to be sent, else of the one that is.
fn template<'a>(plan: &'a Plan, service: &'a Service) -> Option<&'a str> {
    let planned = plan.steps.iter().find_map(|step| match step {
        Step::CreateService(spec) | Step::UpdateService { spec, .. } => Some(spec.as_ref()),
        _ => None,
    });
    let spec = planned.unwrap_or(&service.spec);
    spec.container_labels
        .get(names::LABEL_TEMPLATE)
        .map(String::as_str)
}

/// The listed networks in order of the manifest, or the followed ones in order of name.
fn networks(
    inputs: &StatusInputs<'_>,
    spec: &ServiceClusterSpec,
    service: Option<&Service>,
) -> Vec<NetworkStatus> {
    let world = inputs.world;
    let attached: BTreeSet<&str> = service
        .into_iter()
        .flat_map(|service| service.spec.networks.iter().map(|n| n.target.as_str()))
        .collect();
    let about = |name: &str, id: &str| NetworkStatus {
        name: name.to_owned(),
        id: id.to_owned(),
        attached: !id.is_empty() && attached.contains(id),
    };
    if let Some(listed) = &spec.networks {
        return listed
            .iter()
            .map(|reference| {
                let found = world.networks.values().find(|n| n.name == reference.name);
                about(&reference.name, found.map_or("", |network| &network.id))
            })
            .collect();
    }
    let followed = inputs.routing.iter().flat_map(|routing| &routing.followed);
    let mut networks: Vec<NetworkStatus> = followed
        .filter_map(|id| world.networks.get(id))
        .map(|network| about(&network.name, &network.id))
        .collect();
    networks.sort_by(|a, b| a.name.cmp(&b.name));
    networks
}

fn routes(routing: &ClusterRouting) -> RouteCounts {
    let table = &routing.table;
    let idle = table.routes.values().filter(|route| {
        // A redirect needs no endpoint.
        let served = !route.targets.is_empty();
        let mut targets = route.targets.iter();
        served
            && targets.all(|target| {
                let backend = table.backends.get(&target.backend);
                backend.is_none_or(|backend| backend.endpoints.is_empty())
            })
    });
    RouteCounts {
        total: table.routes.len() as u64,
        degraded: idle.count() as u64,
        rejected: routing.rejected() as u64,
        ..RouteCounts::default()
    }
}

/// A finding as a condition: its time is that of the last change of its status.
fn stamp(finding: Finding, generation: u64, before: &[Condition], now: &str) -> Condition {
    let old = before
        .iter()
        .find(|old| old.kind == finding.kind && old.status == finding.status);
    Condition {
        kind: finding.kind,
        status: finding.status,
        reason: finding.reason,
        message: finding.message,
        observed_generation: generation,
        last_transition_time: old
            .map_or_else(|| now.to_owned(), |old| old.last_transition_time.clone()),
    }
}

#[cfg(test)]
mod tests;
