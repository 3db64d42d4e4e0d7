//! The networks of a proxy service: which, in what order, and which are to be made.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use super::{Blocker, PlanInputs};
use crate::api::ConditionType;
use crate::api::service_cluster::{NetworkCreate, NetworkRef};
use crate::world::{NetworkAttachment, NetworkSpec, Service, World};

/// A network the proxies should be attached to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Its name: what hashes are made of, so that they do not change when the network is made.
    pub name: String,
    /// Its id, or its name when this plan makes it (the engine takes both).
    pub target: String,
}

/// The networks a cluster asks for.
#[derive(Clone, Debug, Default)]
pub(super) struct Networks {
    /// The control network first, then those of the manifest in its order.
    pub wanted: Vec<Wanted>,
    /// Those to make.
    pub create: Vec<NetworkSpec>,
    /// Those that cannot be had. They do not stop the others.
    pub blockers: Vec<Blocker>,
}

/// Finds the networks of the manifest, or those of the routed services when it lists none.
pub(super) fn networks(inputs: &PlanInputs<'_>) -> Networks {
    let mut networks = Networks::default();
    if let Some(control) = inputs.world.network_named(&inputs.settings.control_network) {
        networks.wanted.push(Wanted {
            name: control.name.clone(),
            target: control.id.clone(),
        });
    }
    match &inputs.cluster.spec.networks {
        Some(listed) => {
            for reference in listed {
                networks.add(inputs, reference);
            }
        }
        None => networks.follow(inputs),
    }
    networks
}

impl Networks {
    fn add(&mut self, inputs: &PlanInputs<'_>, reference: &NetworkRef) {
        let NetworkRef { name, create } = reference;
        if self.wanted.iter().any(|wanted| wanted.name == *name) {
            return;
        }
        let found = inputs.world.networks.values().find(|n| n.name == *name);
        let target = match (found, create) {
            // Swarm makes the object and allocates afterwards; without a subnet to have it never does.
            (Some(network), _) if network.driver.is_empty() => {
                let overlaps = create
                    .as_ref()
                    .and_then(|create| overlap(inputs, name, create));
                return self.block(
                    "NetworkNotAllocated",
                    overlaps.unwrap_or_else(|| format!(
                        "Swarm has not allocated network {name} yet; if that lasts, its subnet is taken: remove the network and name another subnet"
                    )),
                );
            }
            (Some(network), _) if network.ingress || network.driver != "overlay" => {
                let kind = if network.ingress {
                    "the routing mesh's own network".to_owned()
                } else {
                    format!("a {} network", network.driver)
                };
                return self.block(
                    "NotAnOverlay",
                    format!("network {name} is {kind}: name an overlay network in spec.networks"),
                );
            }
            (Some(network), _) => network.id.clone(),
            (None, Some(create)) => {
                if let Some(message) = overlap(inputs, name, create) {
                    return self.block("SubnetTaken", message);
                }
                self.create.push(to_create(inputs.name, name, create));
                name.clone()
            }
            (None, None) => {
                return self.block(
                    "NetworkNotFound",
                    format!(
                        "there is no network {name}: make it with `docker network create -d overlay {name}`, or add create to it in spec.networks"
                    ),
                );
            }
        };
        self.wanted.push(Wanted {
            name: name.clone(),
            target,
        });
    }

    /// By name, so that two Swarms with other ids get the same order.
    fn follow(&mut self, inputs: &PlanInputs<'_>) {
        let followed = inputs.followed.iter();
        let by_name: BTreeMap<&str, &str> = followed
            .filter_map(|id| inputs.world.networks.get(id))
            .map(|network| (network.name.as_str(), network.id.as_str()))
            .collect();
        for (name, id) in by_name {
            if self.wanted.iter().all(|wanted| wanted.target != id) {
                self.wanted.push(Wanted {
                    name: name.to_owned(),
                    target: id.to_owned(),
                });
            }
        }
    }

    fn block(&mut self, reason: &str, message: String) {
        self.blockers.push(Blocker {
            condition: ConditionType::NetworksReady,
            reason: reason.to_owned(),
            message,
        });
    }
}

/// Says which network has a part of the subnet that one is to be made with.
fn overlap(inputs: &PlanInputs<'_>, name: &str, create: &NetworkCreate) -> Option<String> {
    let wanted: IpNet = create.subnet.as_deref()?.parse().ok()?;
    let others = inputs.world.networks.values().filter(|n| n.name != name);
    let mut taken = others.flat_map(|n| n.subnets.iter().map(move |subnet| (n, subnet)));
    let (network, subnet) = taken.find(|(_, subnet)| {
        let theirs = subnet.parse::<IpNet>();
        theirs.is_ok_and(|theirs| theirs.contains(&wanted) || wanted.contains(&theirs))
    })?;
    Some(format!(
        "network {name} cannot have subnet {wanted}: network {} has {subnet}; name a free one in spec.networks, or leave `subnet` out",
        network.name
    ))
}

fn to_create(cluster: &str, name: &str, create: &NetworkCreate) -> NetworkSpec {
    let NetworkCreate {
        attachable,
        encrypted,
        subnet,
        labels,
    } = create;
    let mut labels = labels.clone();
    labels.extend(super::ownership(cluster, "network"));
    NetworkSpec {
        name: name.to_owned(),
        attachable: *attachable,
        encrypted: *encrypted,
        subnet: subnet.clone(),
        labels,
    }
}

/// Attached networks that are wanted no more and may stay until the tasks restart anyway: an
/// application still uses them, so nobody waits to remove them.
pub(super) fn lingering(world: &World, wanted: &[Wanted], observed: &Service) -> Vec<Wanted> {
    let used: BTreeSet<&str> = world
        .services
        .values()
        .filter(|service| !service.is_ours())
        .flat_map(|service| service.spec.networks.iter().map(|n| n.target.as_str()))
        .collect();
    let attached = observed.spec.networks.iter();
    attached
        .filter(|a| used.contains(a.target.as_str()))
        .filter(|a| wanted.iter().all(|w| w.target != a.target))
        .filter_map(|a| world.networks.get(&a.target))
        .map(|network| Wanted {
            name: network.name.clone(),
            target: network.id.clone(),
        })
        .collect()
}

/// The attachments in order: those that stay as they stand now, then the new ones. Swarm
/// restarts every task when only the order differs.
pub(super) fn arrange(wanted: &[Wanted], observed: Option<&Service>) -> Vec<NetworkAttachment> {
    let observed = observed.map_or(&[][..], |service| &service.spec.networks);
    let stay = observed
        .iter()
        .filter(|a| wanted.iter().any(|w| w.target == a.target));
    let new = wanted
        .iter()
        .filter(|w| observed.iter().all(|a| a.target != w.target))
        .map(|w| NetworkAttachment {
            target: w.target.clone(),
            aliases: Vec::new(),
        });
    stay.cloned().chain(new).collect()
}

/// The names alone, sorted: what hashes are made of.
pub(super) fn names_of(wanted: &[Wanted]) -> BTreeSet<&str> {
    wanted.iter().map(|w| w.name.as_str()).collect()
}
