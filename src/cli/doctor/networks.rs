//! Networks: the control network, those that are declared, and subnets that overlap.

use ipnet::IpNet;

use super::{Check, Patient, room};
use crate::names;
use crate::world::Network;

pub(super) fn checks(patient: &Patient) -> Vec<Check> {
    let mut checks = vec![control(patient)];
    checks.extend(declared(patient));
    checks.extend(overlaps(patient));
    checks.extend(room::checks(patient));
    if checks.len() == 1 && checks[0].state == super::State::Ok {
        checks.push(Check::ok(
            "networks",
            "declared",
            "all are there and have room, no subnets overlap",
        ));
    }
    checks
}

/// The overlay between operator and proxies, and whether it has room for all of them.
fn control(patient: &Patient) -> Check {
    let name = names::CONTROL_NETWORK;
    let world = &patient.view.world;
    let Some(network) = world.network_named(name) else {
        return Check::failed("networks", name, "the control network does not exist")
            .hint("run `skep install`");
    };
    if network.driver != "overlay" {
        let found = format!("is a {} network", network.driver);
        return Check::failed("networks", name, found).hint(format!(
            "remove it, then run `skep install`: {name} must be an overlay"
        ));
    }
    let room: u128 = subnets(network)
        .iter()
        .map(|net| 1u128 << (u32::from(net.max_prefix_len() - net.prefix_len()).min(64)))
        .sum();
    let used = world.tasks.values().filter(|task| {
        task.addresses.contains_key(&network.id) && task.state <= crate::world::TaskState::Running
    });
    let used = used.count() as u128;
    let found = format!("{} with {used} tasks", network.subnets.join(", "));
    if room > 0 && used * 5 >= room * 4 {
        return Check::warning("networks", name, format!("{found} is nearly full"))
            .hint("`skep uninstall --keep-clusters`, then `skep install --control-subnet` with a larger one");
    }
    Check::ok("networks", name, found)
}

fn declared(patient: &Patient) -> Vec<Check> {
    let world = &patient.view.world;
    let mut checks = Vec::new();
    for (cluster, declared) in &patient.view.declared {
        let Some(accepted) = &declared.accepted else {
            continue;
        };
        for wanted in accepted.cluster.spec.networks.iter().flatten() {
            match world.network_named(&wanted.name) {
                None if wanted.create.is_none() => checks.push(
                    Check::failed(
                        "networks",
                        &wanted.name,
                        format!("does not exist; servicecluster/{cluster} names it"),
                    )
                    .hint(format!(
                        "`docker network create -d overlay {}`, or `create: {{}}` in the manifest",
                        wanted.name
                    )),
                ),
                Some(network) if network.driver != "overlay" => checks.push(
                    Check::failed(
                        "networks",
                        &wanted.name,
                        format!(
                            "is a {} network; servicecluster/{cluster} names it",
                            network.driver
                        ),
                    )
                    .hint("only overlays reach the tasks of services"),
                ),
                _ => {}
            }
        }
    }
    checks
}

/// Two networks with the same addresses reach each other's tasks by chance.
fn overlaps(patient: &Patient) -> Vec<Check> {
    let world = &patient.view.world;
    let all: Vec<(&Network, IpNet)> = world
        .networks
        .values()
        .flat_map(|network| subnets(network).into_iter().map(move |net| (network, net)))
        .collect();
    let mut checks = Vec::new();
    for (at, (one, net)) in all.iter().enumerate() {
        for (other, theirs) in &all[at + 1..] {
            if one.id != other.id && (net.contains(theirs) || theirs.contains(net)) {
                checks.push(
                    Check::failed(
                        "networks",
                        &one.name,
                        format!("{net} overlaps {theirs} of {}", other.name),
                    )
                    .hint("make one of them anew with another --subnet"),
                );
            }
        }
    }
    checks
}

fn subnets(network: &Network) -> Vec<IpNet> {
    let parsed = network.subnets.iter().map(|text| text.parse::<IpNet>());
    parsed.filter_map(Result::ok).collect()
}
