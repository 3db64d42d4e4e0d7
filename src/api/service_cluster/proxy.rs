//! `spec.proxy`: the proxy service.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::value::{ByteSize, Cpus, Span, StringMap};

/// The Swarm service that runs the proxies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Proxy {
    /// Its name. Omitted: `skep-proxy-NAME`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_name: Option<String>,
    /// Its image. Omitted: the operator's own, so that both always match.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// `replicated` (so many tasks) or `global` (one on each matching node).
    pub mode: ProxyMode,
    /// Tasks of a replicated service. Omitted: one at first, and Skep never changes the count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<u64>,
    /// How its ports are published.
    pub publish: Publish,
    /// Limits and reservations of each task.
    pub resources: Resources,
    /// How long Swarm waits after SIGTERM before it kills a proxy. At least `drain.timeout`.
    pub stop_grace_period: Span,
    /// How a proxy ends.
    pub drain: Drain,
    /// How Swarm rolls out a new definition.
    pub update: Update,
    /// Labels on the service.
    #[serde(skip_serializing_if = "StringMap::is_empty")]
    pub labels: StringMap,
    /// Labels on its containers.
    #[serde(skip_serializing_if = "StringMap::is_empty")]
    pub container_labels: StringMap,
    /// Environment of its containers.
    #[serde(skip_serializing_if = "StringMap::is_empty")]
    pub env: StringMap,
    /// Log driver of its containers. Omitted: the engine's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logging: Option<Logging>,
}

impl Default for Proxy {
    fn default() -> Self {
        Self {
            service_name: None,
            image: None,
            mode: ProxyMode::default(),
            replicas: None,
            publish: Publish::default(),
            resources: Resources::default(),
            stop_grace_period: Span::from_secs(75),
            drain: Drain::default(),
            update: Update::default(),
            labels: StringMap::new(),
            container_labels: StringMap::new(),
            env: StringMap::new(),
            logging: None,
        }
    }
}

/// How many proxies run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ProxyMode {
    /// `replicas` tasks.
    #[default]
    Replicated,
    /// One task on each matching node.
    Global,
}

/// How the proxies' ports are published.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Publish {
    /// `host`: on the nodes that run a proxy, real client addresses. `ingress`: on all nodes
    /// through the routing mesh, which hides client addresses. `none`: not published.
    pub mode: PublishMode,
    /// Port for HTTP; 0: none.
    pub http: u16,
    /// Port for HTTPS; 0: none.
    pub https: u16,
}

impl Default for Publish {
    fn default() -> Self {
        Self {
            mode: PublishMode::default(),
            http: 80,
            https: 443,
        }
    }
}

/// Where a published port is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PublishMode {
    /// On the nodes that run a proxy.
    #[default]
    Host,
    /// On every node, through the routing mesh.
    Ingress,
    /// Nowhere.
    None,
}

/// Limits and reservations.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Resources {
    /// The most a task may use.
    pub limits: ResourceAmounts,
    /// What the scheduler sets aside.
    pub reservations: ResourceAmounts,
}

/// Processors and memory.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ResourceAmounts {
    /// Processors. Omitted: not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpus: Option<Cpus>,
    /// Memory; at least `6Mi`. Omitted: not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<ByteSize>,
}

/// How a proxy ends after SIGTERM.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Drain {
    /// Requests in flight may go on for so long.
    pub timeout: Span,
    /// New connections are still taken for so long, so that balancers in front notice.
    pub minimum: Span,
}

impl Default for Drain {
    fn default() -> Self {
        Self {
            timeout: Span::from_secs(60),
            minimum: Span::from_secs(5),
        }
    }
}

/// How Swarm rolls out a new definition of the proxy service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Update {
    /// Tasks replaced at once; 0: all.
    pub parallelism: u64,
    /// Pause between two batches.
    pub delay: Span,
    /// Which comes first. `start-first` cannot work with host ports on a fixed set of nodes.
    pub order: UpdateOrder,
    /// What Swarm does when a new task fails.
    pub failure_action: FailureAction,
    /// How long a new task is watched for failure.
    pub monitor: Span,
    /// The share of failing tasks that is tolerated, 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max_failure_ratio: f64,
}

impl Default for Update {
    fn default() -> Self {
        Self {
            parallelism: 1,
            delay: Span::from_secs(0),
            order: UpdateOrder::default(),
            failure_action: FailureAction::default(),
            monitor: Span::from_secs(5),
            max_failure_ratio: 0.0,
        }
    }
}

/// Which task comes first in an update.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UpdateOrder {
    /// The old task stops, then the new one starts.
    #[default]
    StopFirst,
    /// The new task runs before the old one stops.
    StartFirst,
}

/// What Swarm does when an update fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FailureAction {
    /// Back to the previous definition.
    #[default]
    Rollback,
    /// Stop there.
    Pause,
    /// Go on.
    Continue,
}

/// Log driver.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Logging {
    /// Driver name, e.g. `json-file`.
    pub driver: String,
    /// Its options.
    #[serde(default, skip_serializing_if = "StringMap::is_empty")]
    pub options: StringMap,
}
