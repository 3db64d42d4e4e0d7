//! The engine as far as plans are concerned, for tests: steps in, the next world out.

use std::collections::{BTreeMap, BTreeSet};

use super::{Plan, PlanInputs, Settings, Step, plan};
use crate::names;
use crate::route::routing;
use crate::world::{Declared, Network, Service, World, declared};

/// Does what the engine does with steps, compare-and-swap included.
pub(crate) fn apply(mut world: World, steps: &[Step]) -> World {
    for step in steps {
        match step.clone() {
            Step::CreateNetwork(spec) => {
                let id = format!("net-{}", spec.name);
                let network = Network {
                    id: id.clone(),
                    name: spec.name,
                    driver: "overlay".to_owned(),
                    attachable: spec.attachable,
                    encrypted: spec.encrypted,
                    subnets: spec.subnet.into_iter().collect(),
                    labels: spec.labels,
                    ..Network::default()
                };
                assert!(world.networks.insert(id, network).is_none(), "made twice");
            }
            Step::RemoveNetwork { id, .. } => {
                let mut services = world.services.values();
                assert!(
                    services.all(|s| s.spec.networks.iter().all(|n| n.target != id)),
                    "in use"
                );
                world.networks.remove(&id).expect("a network that is there");
            }
            Step::LabelNode {
                id,
                version,
                labels,
                ..
            } => {
                let node = world.nodes.get_mut(&id).expect("a node that is there");
                assert_eq!(node.version, version, "update out of sequence");
                node.labels = labels;
                node.version += 1;
            }
            Step::CreateService(spec) => {
                assert!(world.service_named(&spec.name).is_none(), "name taken");
                let mut service = Service {
                    id: format!("svc-{}", spec.name),
                    version: 1,
                    created_at: "2026-11-22T12:00:00Z".to_owned(),
                    spec: *spec,
                    ..Service::default()
                };
                resolve(&world, &mut service);
                world.services.insert(service.id.clone(), service);
            }
            Step::UpdateService {
                id, version, spec, ..
            } => {
                let mut service = world.services.remove(&id).expect("a service that is there");
                assert_eq!(service.version, version, "update out of sequence");
                assert_eq!(service.spec.name, spec.name, "renaming is not supported");
                service.spec = *spec;
                service.version += 1;
                resolve(&world, &mut service);
                world.services.insert(id, service);
            }
            Step::RemoveService { id, .. } => {
                world.services.remove(&id).expect("a service that is there");
                world.tasks.retain(|_, task| task.service != id);
            }
        }
    }
    world
}

/// The engine turns the names of networks into ids.
fn resolve(world: &World, service: &mut Service) {
    for attachment in &mut service.spec.networks {
        let network = world.network_named(&attachment.target);
        attachment.target = network.expect("a network that is there").id.clone();
    }
}

/// The plan for one declared cluster of a world, as the operator makes it.
pub(crate) fn plan_for(world: &World, name: &str) -> Plan {
    let all = declared(world);
    plan_of(world, &all, name)
}

/// The same with the declared clusters at hand.
pub(crate) fn plan_of(world: &World, all: &BTreeMap<String, Declared>, name: &str) -> Plan {
    let routing = routing(world, all);
    plan_with(world, all, name, &routing.clusters[name].secrets)
}

/// The same, with routes that need these secrets as files.
pub(crate) fn plan_with(
    world: &World,
    all: &BTreeMap<String, Declared>,
    name: &str,
    secrets: &BTreeSet<String>,
) -> Plan {
    let cluster = &all[name];
    let routing = routing(world, all);
    plan(&PlanInputs {
        world,
        name,
        cluster: &cluster.accepted.as_ref().expect("a valid manifest").cluster,
        followed: &routing.clusters[name].followed,
        secrets,
        settings: &Settings {
            image: "skep:test".to_owned(),
            ..Settings::default()
        },
        status: cluster.status.as_ref(),
        conflicts: &cluster.conflicts,
    })
}

/// Plans and applies until nothing is left to do, at most so many rounds; then the world.
pub(crate) fn settle(mut world: World, name: &str, rounds: usize) -> World {
    for _ in 0..rounds {
        let plan = plan_for(&world, name);
        if plan.is_empty() {
            return world;
        }
        world = apply(world, &plan.steps);
    }
    assert!(plan_for(&world, name).is_empty(), "not settled");
    world
}

/// Steps and blockers in short lines, as people read them.
pub(crate) fn told(plan: &Plan) -> String {
    let steps = plan.steps.iter().map(|step| match step {
        Step::CreateNetwork(spec) => format!("create network {}", spec.name),
        Step::RemoveNetwork { name, .. } => format!("remove network {name}"),
        Step::LabelNode {
            hostname, labels, ..
        } => format!("label node {hostname}: {labels:?}"),
        Step::CreateService(spec) => format!("create service {}", spec.name),
        Step::UpdateService {
            spec,
            changes,
            restarts,
            ..
        } => {
            let how = if *restarts { ", restarts" } else { "" };
            format!("update service {}: {}{how}", spec.name, changes.join(", "))
        }
        Step::RemoveService { name, .. } => format!("remove service {name}"),
    });
    let blockers = plan.blockers.iter();
    let blockers = blockers.map(|b| format!("! {:?} {}: {}", b.condition, b.reason, b.message));
    steps.chain(blockers).collect::<Vec<_>>().join("\n")
}

/// Changes the proxy service of a cluster as a person would.
pub(crate) fn tamper(world: &mut World, name: &str, change: impl FnOnce(&mut Service)) {
    let service = world
        .services
        .get_mut(&format!("svc-{}", names::proxy_service(name)));
    change(service.expect("a proxy service"));
}
