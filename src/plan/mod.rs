//! Declared against observed: the ordered list of engine calls that closes the gap. Pure.

use std::collections::BTreeMap;

use crate::world::{NetworkSpec, ServiceSpec};

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
}

impl Plan {
    /// Nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}
