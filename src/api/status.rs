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
    /// The version of the routes in force, and which running proxies have not all of it. A new
    /// version alone is written when it has stood for two seconds.
    #[serde(skip_serializing_if = "DeliveryStatus::is_unknown")]
    pub delivery: DeliveryStatus,
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
    /// Running tasks that have the routes in force: each taken, or refused by name (see
    /// `routes.refused`).
    pub programmed: u64,
}

/// How far the routes in force have come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct DeliveryStatus {
    /// Version of the routes in force: a hash of all of them. Empty: not known.
    pub version: String,
    /// Which running proxies this tells of: a hash of their task ids.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub of: String,
    /// Running proxies that have not all of it, the first 20, those that need attention first. A
    /// proxy among `of` that is not listed has all of it, as long as `more` is 0.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub behind: Vec<ProxyStatus>,
    /// So many more have not all of it.
    #[serde(skip_serializing_if = "is_zero")]
    pub more: u64,
}

impl DeliveryStatus {
    /// Whether nothing is known, as while no revision is valid.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.version.is_empty()
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde asks by reference
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// A running proxy that has not all of the routes in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ProxyStatus {
    /// Its task id.
    pub task: String,
    /// CamelCase: `Refused` (goes on with what it had), `NotConnected` (to any operator), `Waiting`
    /// (has not answered yet) or `PartlyRefused` (has all but what `routes.faults` tells of).
    pub state: String,
    /// The version that it has; empty: not known.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// Why, as the proxy says.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RouteCounts {
    /// Routes in force.
    pub total: u64,
    /// Of these, routes without any endpoint.
    pub degraded: u64,
    /// Routes that were refused because of a fault, and services whose faults concern no route.
    pub rejected: u64,
    /// Certificates, routes and backends that proxies refuse; what they had before stays.
    pub refused: u64,
    /// What only the proxies know: what they refuse, and certificates from Docker secrets that
    /// need attention; the first 20, of each service in turn. One of reason `MoreRefused` says how
    /// many refusals are not listed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<RouteFault>,
}

/// What a proxy found wrong with one service's labels.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RouteFault {
    /// The application service.
    pub service: String,
    /// Its label at fault.
    pub label: String,
    /// The value of that label.
    pub value: String,
    /// CamelCase reason: `CertificateUnusable`, `PasswordsUnusable`, `AuthoritiesUnusable`,
    /// `RouteRefused`, `BackendRefused`, `CertificateExpired`, `CertificateExpiring`,
    /// `CertificateHostMismatch`, `SecretWaits` or `MoreRefused`.
    pub reason: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: String,
    /// What it is in the route table: `Certificate`, `Backend`, `Route` or `Passthrough`.
    pub part: String,
    /// Its name there.
    pub name: String,
}
