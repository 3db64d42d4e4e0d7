//! The plan for one cluster: networks, node labels, then the proxy service.

use super::compare::{self, Difference};
use super::networks::{self, Networks, Wanted};
use super::nodes::{self, Nodes};
use super::pinned::pinned;
use super::{Blocker, Plan, PlanInputs, Step, proxy_service, secrets};
use crate::api::ConditionType;
use crate::names;
use crate::world::{Claim, Secret, Service, ServiceSpec, UpdateState};

/// The steps that bring the Swarm to what the cluster declares. Empty when it is there: nothing
/// is written that is so already.
///
/// The steps stand in the order in which they must be run: what a later one needs is made by an
/// earlier one. A proxy service that must be made anew (another name or mode, which the engine
/// cannot change) is removed before its successor is made, because both want the same host ports.
#[must_use]
pub fn plan(inputs: &PlanInputs<'_>) -> Plan {
    let networks = networks::networks(inputs);
    let nodes = nodes::nodes(inputs);
    let mut plan = Plan::default();
    let create = networks.create.iter().cloned().map(Step::CreateNetwork);
    plan.steps.extend(create);
    plan.steps.extend(nodes.steps.iter().cloned());
    plan.blockers.extend(networks.blockers.iter().cloned());
    plan.blockers.extend(nodes.blockers.iter().cloned());
    match proxy_secrets(inputs) {
        Ok(identity) => service(inputs, &networks, &nodes, identity, &mut plan),
        Err(blocker) => plan.blockers.push(blocker),
    }
    plan
}

/// What `skep install` makes and every proxy needs.
fn proxy_secrets<'a>(inputs: &PlanInputs<'a>) -> Result<[&'a Secret; 2], Blocker> {
    let settings = inputs.settings;
    let missing = |what: String| {
        not_ready(
            "NotInstalled",
            format!("there is no {what}: run `skep install`"),
        )
    };
    if inputs
        .world
        .network_named(&settings.control_network)
        .is_none()
    {
        return Err(missing(format!("network {}", settings.control_network)));
    }
    let secret = |name: &String| {
        let found = inputs.world.secret_named(name);
        found.ok_or_else(|| missing(format!("secret {name}")))
    };
    Ok([
        secret(&settings.secret_ca)?,
        secret(&settings.secret_proxy)?,
    ])
}

/// Plans the proxy service.
fn service(
    inputs: &PlanInputs<'_>,
    networks: &Networks,
    nodes: &Nodes,
    identity: [&Secret; 2],
    plan: &mut Plan,
) {
    let files = secrets::wanted(inputs);
    let declared = proxy_service::define(inputs, identity, &files);
    plan.spec_hash = compare::spec_hash(&declared, &networks::names_of(&networks.wanted));
    let taken = inputs
        .conflicts
        .iter()
        .find(|c| c.claim == Claim::ServiceName);
    if let Some(conflict) = taken {
        let reason = conflict.claim.reason();
        plan.blockers
            .push(not_ready(reason, conflict.message.clone()));
        return;
    }
    let observed = inputs.world.service_named(&declared.name);
    if let Some(other) = observed.filter(|service| !service.is_proxy_of(inputs.name)) {
        let message = format!(
            "service {} exists and is not the proxy service of {}: remove it or choose another spec.proxy.serviceName",
            other.spec.name, inputs.name
        );
        plan.blockers.push(not_ready("NameTaken", message));
        return;
    }
    remove_others(inputs, &declared.name, plan);
    let same_mode = |service: &&Service| {
        compare::is_global(service.spec.mode) == compare::is_global(declared.mode)
    };
    match observed {
        Some(service) if same_mode(&service) => {
            let lazy = {
                let mut kept = files.clone();
                kept.extend(secrets::lingering(inputs.world, &files, service));
                // In the order in which they were mounted, or the order alone would restart all.
                kept.sort_by(|a, b| a.name.cmp(&b.name));
                proxy_service::define(inputs, identity, &kept)
            };
            let declared = Definitions {
                strict: &declared,
                lazy: &lazy,
            };
            update(inputs, declared, service, &networks.wanted, nodes, plan);
        }
        _ => {
            plan.steps.extend(observed.map(removal));
            let spec = complete(&declared, &networks.wanted, None);
            plan.steps.push(Step::CreateService(Box::new(spec)));
        }
    }
}

/// Proxy services of this cluster under names that it had before.
fn remove_others(inputs: &PlanInputs<'_>, name: &str, plan: &mut Plan) {
    let services = inputs.world.services.values();
    let mut others: Vec<&Service> = services
        .filter(|s| s.is_proxy_of(inputs.name) && s.spec.name != name)
        .collect();
    others.sort_by(|a, b| a.spec.name.cmp(&b.spec.name));
    plan.steps.extend(others.into_iter().map(removal));
}

pub(super) fn removal(service: &Service) -> Step {
    Step::RemoveService {
        id: service.id.clone(),
        name: service.spec.name.clone(),
    }
}

/// The declared definition with its networks and its template hash.
fn complete(
    declared: &ServiceSpec,
    networks: &[Wanted],
    observed: Option<&Service>,
) -> ServiceSpec {
    let hash = compare::template_hash(declared, &networks::names_of(networks));
    let mut spec = declared.clone();
    spec.container_labels
        .insert(names::LABEL_TEMPLATE.to_owned(), hash);
    spec.networks = networks::arrange(networks, observed);
    spec
}

/// The declared definition, and the same with the secrets that may stay mounted.
#[derive(Clone, Copy)]
struct Definitions<'a> {
    strict: &'a ServiceSpec,
    lazy: &'a ServiceSpec,
}

/// Plans the update of a service that is there.
fn update(
    inputs: &PlanInputs<'_>,
    declared: Definitions<'_>,
    observed: &Service,
    networks: &[Wanted],
    nodes: &Nodes,
    plan: &mut Plan,
) {
    if !nodes.changing.is_empty() {
        return pin(inputs, observed, nodes, plan);
    }
    let (mut next, mut difference) = next(inputs, declared.strict, observed, networks, nodes);
    // Detaching a network or a secret restarts the proxies. While an application uses the network
    // nobody waits to remove it, and secrets are seldom removed, so both may stay until the
    // proxies restart for another reason.
    if difference.restarts {
        let mut keep = networks.to_vec();
        if inputs.cluster.spec.networks.is_none() {
            keep.extend(networks::lingering(inputs.world, networks, observed));
        }
        let lazy = self::next(inputs, declared.lazy, observed, &keep, nodes);
        if !lazy.1.restarts {
            (next, difference) = lazy;
        }
    }
    send(inputs, observed, next, difference, plan);
}

/// Frees the definition that runs from labels that are to change. All else waits for the next plan.
fn pin(inputs: &PlanInputs<'_>, observed: &Service, nodes: &Nodes, plan: &mut Plan) {
    let next = pinned(observed, &nodes.changing, inputs.world);
    let difference = compare::difference(&observed.spec, &next);
    send(inputs, observed, next, difference, plan);
}

/// Replaces the definition, unless Swarm gave up on it.
fn send(
    inputs: &PlanInputs<'_>,
    observed: &Service,
    next: ServiceSpec,
    difference: Difference,
    plan: &mut Plan,
) {
    let template = next.container_labels.get(names::LABEL_TEMPLATE);
    plan.template = template.cloned().unwrap_or_default();
    if let Some(blocker) = stopped(inputs, observed, &plan.spec_hash, &difference) {
        plan.blockers.push(blocker);
    } else if !difference.changes.is_empty() {
        plan.steps.push(Step::UpdateService {
            id: observed.id.clone(),
            version: observed.version,
            spec: Box::new(next),
            changes: difference.changes.into_iter().map(str::to_owned).collect(),
            restarts: difference.restarts,
        });
    }
}

/// The definition that should follow the observed one, and how it differs.
fn next(
    inputs: &PlanInputs<'_>,
    declared: &ServiceSpec,
    observed: &Service,
    networks: &[Wanted],
    nodes: &Nodes,
) -> (ServiceSpec, Difference) {
    let proxy = &inputs.cluster.spec.proxy;
    let next = complete(declared, networks, Some(observed));
    let next = proxy_service::merge(next, proxy, &observed.spec);
    let mut difference = compare::difference(&observed.spec, &next);
    if difference.changes.contains(&"constraints") {
        difference.restarts |= compare::misplaced(
            inputs.world.tasks_of(&observed.id),
            &inputs.world.nodes,
            &nodes.labels,
            &next.placement.constraints,
        );
    }
    (next, difference)
}

/// Whether Swarm gave up on just this definition. Sending it again would only repeat that, for
/// ever; another definition has another hash.
fn stopped(
    inputs: &PlanInputs<'_>,
    observed: &Service,
    spec_hash: &str,
    difference: &Difference,
) -> Option<Blocker> {
    let update = observed.update.as_ref()?;
    let attempted = inputs.status.and_then(|status| status.attempted.as_deref());
    let same = attempted == Some(spec_hash);
    let differs = !difference.changes.is_empty();
    let (reason, what) = match update.state {
        UpdateState::Paused if same || !differs => ("UpdatePaused", "paused"),
        UpdateState::RollbackStarted
        | UpdateState::RollbackPaused
        | UpdateState::RollbackCompleted
            if same && differs =>
        {
            ("RolledBack", "rolled back")
        }
        _ => return None,
    };
    let name = &observed.spec.name;
    let said = if update.message.is_empty() {
        String::new()
    } else {
        format!(" ({})", update.message)
    };
    Some(not_ready(
        reason,
        format!(
            "Swarm {what} the update of service {name}{said}: see `docker service ps {name}`, then correct the manifest; to try the same again run `docker service update --force {name}`"
        ),
    ))
}

fn not_ready(reason: &str, message: String) -> Blocker {
    Blocker {
        condition: ConditionType::ProxyReady,
        reason: reason.to_owned(),
        message,
    }
}

#[cfg(test)]
mod tests;
