//! The status of a `ServiceCluster`: written by the operator only.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::condition::Condition;

/// What the operator last observed of a service cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Status {
    /// The newest generation the operator has looked at.
    pub observed_generation: u64,
    /// The generation in force: lower than the observed one while the newest is invalid. 0: none.
    pub active_generation: u64,
    /// Accepted, NetworksReady, NodesReady, ProxyReady, Programmed, Ready.
    pub conditions: Vec<Condition>,
    /// Counts of proxy tasks.
    pub proxies: ProxyCounts,
    /// The networks of the cluster, by name.
    pub networks: Vec<NetworkStatus>,
    /// The nodes the placement matches, by host name.
    pub nodes: Vec<NodeStatus>,
    /// Counts of routes.
    pub routes: RouteCounts,
    /// Hash of the proxy service's definition that was last sent to the engine; after a Swarm
    /// rollback the same definition is not sent again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempted: Option<String>,
}

/// Counts of proxy tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ProxyCounts {
    /// Tasks that should run.
    pub desired: u64,
    /// Tasks that run.
    pub running: u64,
    /// Running tasks of the newest definition.
    pub updated: u64,
    /// Running tasks that have acknowledged the routes in force.
    pub programmed: u64,
}

/// One network of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct NetworkStatus {
    /// The network's name.
    pub name: String,
    /// The network's id; empty while it does not exist.
    pub id: String,
    /// Whether the proxy service is attached to it.
    pub attached: bool,
}

/// One node of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeStatus {
    /// Host name.
    pub name: String,
    /// Node id.
    pub id: String,
    /// Whether it is ready, active and carries the declared labels.
    pub ready: bool,
    /// Why not; empty when ready.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// Counts of routes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RouteCounts {
    /// Routes in force.
    pub total: u64,
    /// Of these, routes without any endpoint.
    pub degraded: u64,
    /// Routes (or services) that were refused because of a fault.
    pub rejected: u64,
}
