//! Declared against observed: the ordered list of engine calls that closes the gap. Pure.

pub mod build;
mod compare;
mod networks;
mod nodes;
mod pinned;
mod proxy_service;
mod secrets;
pub mod source;
pub mod sweep;
#[cfg(test)]
pub(crate) mod testing;

use std::collections::{BTreeMap, BTreeSet};

pub use build::plan;
pub(crate) use compare::allows;
pub(crate) use nodes::selects;
pub(crate) use proxy_service::{constraints, service_name};
pub use sweep::sweep;

use crate::api::{ServiceCluster, Status};
use crate::names;
use crate::world::{Conflict, NetworkSpec, ServiceSpec, World};

/// One engine call. Calls that change an object carry the version they saw (compare-and-swap).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Make a network.
    CreateNetwork(NetworkSpec),
    /// Remove a network that Skep made.
    RemoveNetwork {
        /// Network id.
        id: String,
        /// Its name, for people.
        name: String,
    },
    /// Replace the labels of a node (the engine keeps role and availability as they are).
    LabelNode {
        /// Node id.
        id: String,
        /// Host name, for people.
        hostname: String,
        /// Version seen.
        version: u64,
        /// All labels of the node afterwards.
        labels: BTreeMap<String, String>,
    },
    /// Make a service.
    CreateService(Box<ServiceSpec>),
    /// Replace the definition of a service.
    UpdateService {
        /// Service id.
        id: String,
        /// Version seen.
        version: u64,
        /// The new definition.
        spec: Box<ServiceSpec>,
        /// What differs, as short words (`image`, `constraints`, `networks`), for people.
        changes: Vec<String>,
        /// Whether Swarm restarts tasks for it.
        restarts: bool,
    },
    /// Remove a service that Skep made.
    RemoveService {
        /// Service id.
        id: String,
        /// Its name, for people.
        name: String,
    },
}

/// What stands in the way of the declared state and that no engine call of ours can mend.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Blocker {
    /// Which condition it makes false.
    pub condition: crate::api::ConditionType,
    /// CamelCase reason: `NetworkNotFound`, `NodeNotFound`, `LabelConflict`, `NameTaken`, ...
    pub reason: String,
    /// What is wrong and what to do.
    pub message: String,
}

/// The ordered steps towards the declared state, and what stands in the way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Engine calls, in order.
    pub steps: Vec<Step>,
    /// Obstacles.
    pub blockers: Vec<Blocker>,
    /// Hash of the proxy service's declared definition (before observed fields are merged in).
    pub spec_hash: String,
    /// Template hash of the definition that should run where a service runs already: by it the
    /// tasks that were made of it are found, also after Swarm went back. Empty otherwise.
    pub template: String,
}

impl Plan {
    /// Nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

/// What a plan for one cluster is made from.
#[derive(Clone, Copy, Debug)]
pub struct PlanInputs<'a> {
    /// The observed Swarm.
    pub world: &'a World,
    /// The cluster's name.
    pub name: &'a str,
    /// Its revision in force.
    pub cluster: &'a ServiceCluster,
    /// Ids of the networks its routed services are reached over
    /// ([`crate::route::ClusterRouting::followed`]); used when it lists no networks.
    pub followed: &'a BTreeSet<String>,
    /// Names of the secrets that its routes need as files
    /// ([`crate::route::ClusterRouting::secrets`]).
    pub secrets: &'a BTreeSet<String>,
    /// What its manifest leaves to the operator.
    pub settings: &'a Settings,
    /// Its last status: tells which definition was sent last.
    pub status: Option<&'a Status>,
    /// Claims that it lost ([`crate::world::Declared::conflicts`]).
    pub conflicts: &'a [Conflict],
}

/// What the operator adds to a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Image of proxies whose manifest names none.
    pub image: String,
    /// Network between operator and proxies.
    pub control_network: String,
    /// `host:port` at which proxies find the operator.
    pub control_endpoint: String,
    /// Secret with the certificate of the authority.
    pub secret_ca: String,
    /// Secret with the certificate and key of the proxies.
    pub secret_proxy: String,
}

impl Settings {
    /// The settings of the operator that is installed. `image`: of its proxies, when it was told
    /// one; else they get the operator's own, so that an upgrade of it upgrades them too.
    #[must_use]
    pub fn observed(world: &World, image: Option<String>) -> Self {
        let own = world.services.values().find_map(|service| {
            let component = service.spec.labels.get(names::LABEL_COMPONENT)?;
            (component == "operator").then(|| service.spec.image.clone())
        });
        let default = Self::default();
        Self {
            image: image.or(own).unwrap_or(default.image),
            ..Self::default()
        }
    }
}

impl Default for Settings {
    /// The names that `skep install` uses, and the image of this build.
    fn default() -> Self {
        Self {
            image: names::DEFAULT_IMAGE.to_owned(),
            control_network: names::CONTROL_NETWORK.to_owned(),
            control_endpoint: format!("{}:{}", names::OPERATOR_SERVICE, names::CONTROL_PORT),
            secret_ca: names::SECRET_CA.to_owned(),
            secret_proxy: names::SECRET_PROXY.to_owned(),
        }
    }
}

/// The labels that mark what Skep made for a cluster.
fn ownership(cluster: &str, component: &str) -> [(String, String); 3] {
    [
        (names::LABEL_MANAGED_BY, names::MANAGED_BY),
        (names::LABEL_CLUSTER, cluster),
        (names::LABEL_COMPONENT, component),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
}
