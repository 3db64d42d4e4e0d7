//! One world and all that follows from it: the input of every decision.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

use crate::names;
use crate::route::{ClusterRouting, Keyring, Routing, certified};
use crate::runtime::Wake;
use crate::world::World;
use crate::world::declared::{Declared, declared};

/// The newest view; `None` before the first world.
pub type Views = watch::Receiver<Option<Arc<View>>>;

/// One world and all that follows from it.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// What was observed.
    pub world: Arc<World>,
    /// The clusters declared in it, by name.
    pub declared: BTreeMap<String, Declared>,
    /// The stored certificates that could be opened, and those that could not.
    pub keyring: Keyring,
    /// Where each labelled service goes.
    pub routing: Routing,
    /// Version of the routes published for each cluster.
    pub versions: BTreeMap<String, String>,
}

impl View {
    /// Derives everything from a world but the versions, which exist once it is published.
    #[must_use]
    pub fn of(world: Arc<World>, keyring: Keyring) -> Self {
        let declared = declared(&world);
        let routing = certified(&world, &declared, &keyring);
        Self {
            world,
            declared,
            keyring,
            routing,
            versions: BTreeMap::new(),
        }
    }

    /// What is routed by a cluster.
    #[must_use]
    pub fn routing_of(&self, cluster: &str) -> Option<&ClusterRouting> {
        self.routing.clusters.get(cluster)
    }

    /// Whether a cluster has to be looked at again after `before`, and why.
    #[must_use]
    pub fn wakes(&self, before: Option<&Self>, cluster: &str) -> Option<Wake> {
        let Some(before) = before else {
            return Some(Wake::Declared);
        };
        let now = self.declared.get(cluster);
        let then = before.declared.get(cluster);
        if generation(now) != generation(then) {
            return Some(Wake::Declared);
        }
        let shared = self.world.nodes != before.world.nodes
            || self.world.networks != before.world.networks
            || self.world.secrets != before.world.secrets;
        let own = now != then
            || self.routing_of(cluster) != before.routing_of(cluster)
            || self.owned(cluster) != before.owned(cluster);
        (shared || own).then_some(Wake::Observed)
    }

    /// The services of a cluster and their tasks, for comparison.
    fn owned(&self, cluster: &str) -> Vec<(&crate::world::Service, Vec<&crate::world::Task>)> {
        self.world
            .services
            .values()
            .filter(|s| {
                s.spec
                    .labels
                    .get(names::LABEL_CLUSTER)
                    .is_some_and(|c| c == cluster)
            })
            .map(|s| (s, self.world.tasks_of(&s.id).collect()))
            .collect()
    }
}

fn generation(declared: Option<&Declared>) -> Option<u64> {
    declared
        .and_then(Declared::newest)
        .map(|revision| revision.generation)
}
