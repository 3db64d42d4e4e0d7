//! Published ports: who else has them.

use std::collections::BTreeSet;

use super::{Check, Patient, drained};
use crate::api::service_cluster::PublishMode;
use crate::world::{Declared, PortMode, Protocol, Service, Task, TaskState, World};

pub(super) fn checks(patient: &Patient) -> Vec<Check> {
    let world = &patient.view.world;
    let mut checks = Vec::new();
    for (name, declared) in &patient.view.declared {
        let Some(accepted) = &declared.accepted else {
            continue;
        };
        let publish = &accepted.cluster.spec.proxy.publish;
        let mode = match publish.mode {
            PublishMode::Host => PortMode::Host,
            PublishMode::Ingress => PortMode::Ingress,
            PublishMode::None => continue,
        };
        let own = world.services.values().find(|s| s.is_proxy_of(name));
        let nodes: BTreeSet<&str> = declared
            .status
            .iter()
            .flat_map(|status| status.nodes.iter().map(|node| node.id.as_str()))
            .collect();
        for port in [publish.http, publish.https] {
            if port == 0 {
                continue;
            }
            let rivals: Vec<&Service> = world
                .services
                .values()
                .filter(|service| own.is_none_or(|own| own.id != service.id))
                .filter(|service| takes(world, service, port, mode, &nodes))
                .collect();
            checks.push(check(name, port, &rivals));
        }
        if let Some(own) = own {
            checks.extend(outside(patient, declared, own));
        }
    }
    if checks.is_empty() {
        checks.push(Check::ok("ports", "published", "no cluster publishes any"));
    }
    checks
}

fn check(cluster: &str, port: u16, rivals: &[&Service]) -> Check {
    let name = format!("{cluster}:{port}");
    if rivals.is_empty() {
        return Check::ok("ports", &name, "no other service has it");
    }
    let names: Vec<&str> = rivals.iter().map(|s| s.spec.name.as_str()).collect();
    Check::failed(
        "ports",
        &name,
        format!("service {} publishes it too", names.join(", ")),
    )
    .hint("give one of them another port, or other nodes (spec.placement)")
}

/// Whether a service has a port where a cluster wants it: the routing mesh has it on all nodes, a
/// host port only on the nodes that both may use.
fn takes(
    world: &World,
    service: &Service,
    port: u16,
    mode: PortMode,
    nodes: &BTreeSet<&str>,
) -> bool {
    service.spec.ports.iter().any(|theirs| {
        theirs.published == port
            && theirs.protocol == Protocol::Tcp
            && match (theirs.mode, mode) {
                (PortMode::Host, PortMode::Host) => world
                    .tasks_of(&service.id)
                    .any(|task| task.state == TaskState::Running && nodes.contains(&*task.node)),
                (PortMode::Ingress, _) | (_, PortMode::Ingress) => true,
            }
    })
}

/// What is no service has a port: only the task that could not start tells.
fn outside(patient: &Patient, declared: &Declared, own: &Service) -> Option<Check> {
    let world = &patient.view.world;
    let failed = |task: &&Task| {
        task.desired <= TaskState::Running
            && (task.error.contains("port is already allocated")
                || task.error.contains("address already in use")
                || task.error.contains("host-mode port already in use"))
    };
    let task = world.tasks_of(&own.id).find(failed)?;
    let place = if task.node.is_empty() {
        "no node".to_owned()
    } else {
        patient.hostname(&task.node)
    };
    let cluster = &declared.name;
    // The scheduler found no free node. Where a node was set aside, or a proxy still finishes,
    // that is what was asked for.
    if task.error.contains("host-mode port already in use")
        && let Some(expected) = drained::expected(patient, declared)
    {
        return Some(expected.check("ports", cluster));
    }
    Some(
        Check::failed("ports", cluster, format!("{place}: {}", task.error)).hint(
            "see who listens there (`ss -ltnp` on the node), or give the cluster other ports",
        ),
    )
}
