//! What Skep made for clusters that are no longer declared, taken away.

use std::collections::{BTreeMap, BTreeSet};

use super::{Plan, Step, build, nodes};
use crate::names;
use crate::world::{Declared, Network, World};

/// The steps that remove what belongs to clusters not in `declared`: proxy services, node labels,
/// then networks that nobody uses. Touches only what carries Skep's ownership labels.
///
/// The engine refuses to remove a network while tasks of a removed service still end there; the
/// caller tries again later, as the next sweep finds the network again.
#[must_use]
pub fn sweep(world: &World, declared: &BTreeMap<String, Declared>) -> Plan {
    let live = |name: &str| declared.contains_key(name);
    let mut services: Vec<_> = world
        .services
        .values()
        .filter(|service| {
            let owner = service.spec.labels.get(names::LABEL_CLUSTER);
            owner.is_some_and(|owner| service.is_proxy_of(owner) && !live(owner))
        })
        .collect();
    services.sort_by(|a, b| a.spec.name.cmp(&b.spec.name));
    let removed: BTreeSet<&str> = services.iter().map(|s| s.id.as_str()).collect();
    let mut steps: Vec<Step> = services.into_iter().map(build::removal).collect();
    steps.extend(nodes::sweep(world, &live));
    steps.extend(unused_networks(world, declared, &removed));
    Plan {
        steps,
        ..Plan::default()
    }
}

/// Networks made for clusters that are gone, unless somebody else uses or lists them.
fn unused_networks(
    world: &World,
    declared: &BTreeMap<String, Declared>,
    removed: &BTreeSet<&str>,
) -> Vec<Step> {
    let accepted = declared.values().filter_map(|d| d.accepted.as_ref());
    let listed: BTreeSet<&str> = accepted
        .filter_map(|accepted| accepted.cluster.spec.networks.as_ref())
        .flatten()
        .map(|network| network.name.as_str())
        .collect();
    let services = world.services.values();
    let used: BTreeSet<&str> = services
        .filter(|service| !removed.contains(service.id.as_str()))
        .flat_map(|service| service.spec.networks.iter().map(|n| n.target.as_str()))
        .collect();
    let mut networks: Vec<&Network> = world
        .networks
        .values()
        .filter(|network| {
            let label = |key| network.labels.get(key).map(String::as_str);
            label(names::LABEL_MANAGED_BY) == Some(names::MANAGED_BY)
                && label(names::LABEL_COMPONENT) == Some("network")
                && label(names::LABEL_CLUSTER).is_some_and(|name| !declared.contains_key(name))
                && !used.contains(network.id.as_str())
                && !used.contains(network.name.as_str())
                && !listed.contains(network.name.as_str())
        })
        .collect();
    networks.sort_by(|a, b| a.name.cmp(&b.name));
    networks
        .into_iter()
        .map(|network| Step::RemoveNetwork {
            id: network.id.clone(),
            name: network.name.clone(),
        })
        .collect()
}

#[cfg(test)]
mod tests;
