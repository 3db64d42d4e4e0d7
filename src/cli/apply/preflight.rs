//! What stands in the way of manifests as the Swarm is now.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::ServiceCluster;
use crate::cli::get::reference;
use crate::cli::session::{View, now};
use crate::names;
use crate::plan::{self, Blocker, Plan, PlanInputs, Settings};
use crate::world::{Config, Network, World};

/// Reasons that mean: the manifest names what is not there, or cannot be used.
const MISSING: [&str; 4] = [
    "NetworkNotFound",
    "NodeNotFound",
    "NotAnOverlay",
    "SubnetTaken",
];

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Networks and nodes that the manifests name and that are not there.
    pub missing: Vec<String>,
    /// What else keeps the clusters from being ready.
    pub warnings: Vec<String>,
}

/// Looks for what the clusters need.
#[must_use]
pub fn preflight(world: &World, clusters: &[ServiceCluster]) -> Found {
    let view = View::of(with_declared(world, clusters));
    let mut found = Found::default();
    for cluster in clusters {
        let name = &cluster.metadata.name;
        let expected = expected_networks(&view, name, cluster);
        for blocker in planned(&view, &expected, cluster).blockers {
            let Blocker {
                reason, message, ..
            } = blocker;
            let told = format!("{}: {message}", reference(cluster));
            if MISSING.contains(&reason.as_str()) {
                found.missing.push(told);
            } else if reason != "NotInstalled" {
                // What `install` makes is told once, by the warning that there is no operator.
                found.warnings.push(told);
            }
        }
    }
    found
}

/// The plan of a cluster that the view declares, on a world that may differ from the view's.
#[must_use]
pub fn planned(view: &View, world: &World, cluster: &ServiceCluster) -> Plan {
    let name = &cluster.metadata.name;
    let nothing = BTreeSet::new();
    let declared = view.declared.get(name);
    let routing = view.routing_of(name);
    plan::plan(&PlanInputs {
        world,
        name,
        cluster,
        followed: routing.map_or(&nothing, |r| &r.followed),
        secrets: routing.map_or(&nothing, |r| &r.secrets),
        settings: &Settings::observed(world, None),
        status: declared.and_then(|d| d.status.as_ref()),
        conflicts: declared.map_or(&[], |d| &d.conflicts),
    })
}

/// The world with the networks that other clusters are going to make, for one that only lists
/// them.
fn expected_networks(view: &View, name: &str, cluster: &ServiceCluster) -> World {
    let mut world = view.world.clone();
    let listed = cluster.spec.networks.iter().flatten();
    let listed: BTreeSet<&str> = listed
        .filter(|network| network.create.is_none())
        .map(|network| network.name.as_str())
        .collect();
    let others = view.declared.values().filter(|other| other.name != name);
    let made = others
        .filter_map(|other| other.accepted.as_ref())
        .flat_map(|accepted| accepted.cluster.spec.networks.iter().flatten())
        .filter(|network| network.create.is_some());
    for network in made {
        let known = world.networks.values().any(|n| n.name == network.name);
        if !known && listed.contains(network.name.as_str()) {
            let id = format!("expected/{}", network.name);
            let network = Network {
                id: id.clone(),
                name: network.name.clone(),
                driver: "overlay".to_owned(),
                ..Network::default()
            };
            world.networks.insert(id, network);
        }
    }
    world
}

/// The world as it will be when the clusters are stored.
#[must_use]
pub fn with_declared(world: &World, clusters: &[ServiceCluster]) -> World {
    let mut world = world.clone();
    for cluster in clusters {
        let name = &cluster.metadata.name;
        // A key that no engine gives out, and a name that no revision in the store has.
        let id = format!("declared/{name}");
        let config = Config {
            id: id.clone(),
            name: id.clone(),
            labels: BTreeMap::from([
                (names::LABEL_KIND.to_owned(), names::KIND.to_owned()),
                (names::LABEL_NAME.to_owned(), name.clone()),
            ]),
            data: crate::api::parse::canonical(cluster).into_bytes(),
            created_at: now()
                .format(&time::format_description::well_known::Rfc3339)
                .unwrap_or_default(),
            ..Config::default()
        };
        world.configs.insert(id, config);
    }
    world
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::service_cluster::{NetworkCreate, NetworkRef};
    use crate::cli::get::tests::east;

    fn east_on(network: &str, create: Option<NetworkCreate>) -> ServiceCluster {
        let mut east = east();
        east.spec.networks = Some(vec![NetworkRef {
            name: network.into(),
            create,
        }]);
        east
    }

    #[test]
    fn a_network_that_is_not_there_is_told_with_what_to_do() {
        let found = preflight(&World::default(), &[east_on("eastnet", None)]);
        assert_eq!(found.missing.len(), 1, "{found:?}");
        let told = &found.missing[0];
        assert!(told.starts_with("servicecluster/east: "), "{told}");
        assert!(told.contains("docker network create"), "{told}");
    }

    #[test]
    fn what_is_there_and_what_install_makes_are_not_told() {
        let mut world = World::default();
        let network = Network {
            id: "n".into(),
            name: "eastnet".into(),
            driver: "overlay".into(),
            ..Network::default()
        };
        world.networks.insert("n".into(), network);
        let found = preflight(&world, &[east_on("eastnet", None)]);
        assert_eq!(found, Found::default());
    }

    #[test]
    fn a_network_that_another_cluster_makes_is_not_missing() {
        let mut west = east_on("shared", Some(NetworkCreate::default()));
        west.metadata.name = "west".into();
        let found = preflight(&World::default(), &[east_on("shared", None), west]);
        assert_eq!(found, Found::default());
    }
}
