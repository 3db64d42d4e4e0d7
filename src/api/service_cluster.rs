//! The `ServiceCluster` resource, section by section, with its defaults.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::status::Status;
use super::value::{ByteSize, Constraint, Cpus, HostPattern, Span, StringMap};

/// A fleet of proxies that routes one set of Swarm services over one set of networks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServiceCluster {
    /// Always `skep.dev/v1alpha1`.
    pub api_version: String,
    /// Always `ServiceCluster`.
    pub kind: String,
    /// Name, labels, annotations.
    pub metadata: Metadata,
    /// What is wanted.
    #[serde(default)]
    pub spec: ServiceClusterSpec,
    /// What is; written by the operator, ignored in a manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
}

/// What identifies a resource.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metadata {
    /// A DNS label of at most 32 characters, unique in the Swarm.
    pub name: String,
    /// Labels, for selection.
    #[serde(default, skip_serializing_if = "StringMap::is_empty")]
    pub labels: StringMap,
    /// Free remarks for people and tools; `dev.skep.history` sets how many revisions are kept (default 10).
    #[serde(default, skip_serializing_if = "StringMap::is_empty")]
    pub annotations: StringMap,
    /// The revision; written by Skep, ignored in a manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// When this revision was stored (RFC 3339); written by Skep, ignored in a manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creation_timestamp: Option<String>,
}

/// What a service cluster should be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ServiceClusterSpec {
    /// Also takes application services that name no cluster. One per Swarm.
    pub default: bool,
    /// The networks of the proxies, in this order. Omitted: they follow the networks of the
    /// services routed here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub networks: Option<Vec<NetworkRef>>,
    /// Where the proxies run.
    pub placement: Placement,
    /// The proxy service.
    pub proxy: Proxy,
    /// Settings of the listeners.
    pub traffic: Traffic,
    /// Which application services may be routed here.
    pub admission: Admission,
}

/// A network by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NetworkRef {
    /// The overlay network's name.
    pub name: String,
    /// Make the network when it does not exist. Omitted: it must exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub create: Option<NetworkCreate>,
}

/// How a missing overlay network is made. An existing one is taken as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct NetworkCreate {
    /// Plain containers may join it too.
    pub attachable: bool,
    /// Traffic between nodes is encrypted (IPsec).
    pub encrypted: bool,
    /// IPv4 subnet in CIDR form. Omitted: Swarm chooses.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9]{1,3}(\.[0-9]{1,3}){3}/[0-9]{1,2}$"))]
    pub subnet: Option<String>,
    /// Labels of the network.
    #[serde(skip_serializing_if = "StringMap::is_empty")]
    pub labels: StringMap,
}

impl Default for NetworkCreate {
    fn default() -> Self {
        Self {
            attachable: true,
            encrypted: false,
            subnet: None,
            labels: StringMap::new(),
        }
    }
}

/// Where the proxies run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Placement {
    /// The nodes that get `labels`. Omitted: no node is labelled by Skep, `labels` only constrain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<NodeSelector>,
    /// Node labels, set on `nodes` and implied as constraints (`node.labels.KEY==VALUE`).
    #[serde(skip_serializing_if = "StringMap::is_empty")]
    pub labels: StringMap,
    /// Constraints added to the implied ones. `node.platform.os==linux` is always among them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub constraints: Vec<Constraint>,
    /// Spread over values of a label: `spread=node.labels.zone`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub preferences: Vec<String>,
    /// At most so many proxies on one node. Omitted: no limit of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_replicas_per_node: Option<u64>,
}

/// Nodes by name, or by the labels they carry.
///
/// Untagged by hand: a list is names, a map is a selector.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum NodeSelector {
    /// Host names or node ids.
    Names(Vec<String>),
    /// Nodes that carry all of these labels.
    Match(NodeMatch),
}

/// Nodes by label.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeMatch {
    /// Labels a node must carry, each with this value.
    pub match_labels: StringMap,
}

impl<'de> Deserialize<'de> for NodeSelector {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = NodeSelector;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a list of node names, or {matchLabels: {...}}")
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                seq: A,
            ) -> Result<NodeSelector, A::Error> {
                Vec::deserialize(serde::de::value::SeqAccessDeserializer::new(seq))
                    .map(NodeSelector::Names)
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                map: A,
            ) -> Result<NodeSelector, A::Error> {
                NodeMatch::deserialize(serde::de::value::MapAccessDeserializer::new(map))
                    .map(NodeSelector::Match)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

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
    /// Processors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpus: Option<Cpus>,
    /// Memory.
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

/// Settings of the listeners, for all routes of the cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Traffic {
    /// Opening a connection to an endpoint may take so long.
    pub connect_timeout: Span,
    /// From the last byte of a request to the first of its answer.
    pub request_timeout: Span,
    /// A connection without a request, or an upgraded one without a byte, is closed after so long.
    pub idle_timeout: Span,
    /// Client connections of one proxy at once.
    #[schemars(range(min = 1))]
    pub max_connections: u64,
    /// Largest request body; `0`: no limit.
    pub max_request_body: ByteSize,
    /// Proxies in front whose `X-Forwarded-*` headers are believed.
    pub trusted_hops: u32,
    /// Expect the PROXY protocol on every client connection.
    pub proxy_protocol: bool,
    /// Answer plain HTTP with a redirect to HTTPS.
    pub redirect_http_to_https: bool,
    /// TLS.
    pub tls: Tls,
    /// Access log.
    pub access_log: AccessLog,
}

impl Default for Traffic {
    fn default() -> Self {
        Self {
            connect_timeout: Span::from_secs(5),
            request_timeout: Span::from_secs(60),
            idle_timeout: Span::from_secs(300),
            max_connections: 10_000,
            max_request_body: ByteSize(32 << 20),
            trusted_hops: 0,
            proxy_protocol: false,
            redirect_http_to_https: false,
            tls: Tls::default(),
            access_log: AccessLog::default(),
        }
    }
}

/// TLS towards clients.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Tls {
    /// Oldest version accepted.
    pub min_version: TlsVersion,
    /// Cipher suites by IANA name, in order. Empty: the library's choice.
    pub cipher_suites: Vec<String>,
}

/// A TLS version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TlsVersion {
    /// TLS 1.2
    #[default]
    #[serde(rename = "1.2")]
    V1_2,
    /// TLS 1.3
    #[serde(rename = "1.3")]
    V1_3,
}

/// The access log, one line a request on standard output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AccessLog {
    /// Whether it is written.
    pub enabled: bool,
    /// Its form.
    pub format: LogFormat,
}

impl Default for AccessLog {
    fn default() -> Self {
        Self {
            enabled: true,
            format: LogFormat::Json,
        }
    }
}

/// Form of the access log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// The common log format with duration and endpoint.
    Text,
}

/// Which application services may be routed here. Empty sections admit all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Admission {
    /// Labels the application service must carry.
    pub selector: ServiceMatch,
    /// Host names that may be claimed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<HostPattern>,
}

/// Services by label.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ServiceMatch {
    /// Labels a service must carry, each with this value.
    #[serde(skip_serializing_if = "StringMap::is_empty")]
    pub match_labels: StringMap,
}
