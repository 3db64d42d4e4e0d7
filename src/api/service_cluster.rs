//! The `ServiceCluster` resource, section by section, with its defaults.

mod proxy;
mod traffic;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::status::Status;
use super::value::{Constraint, HostPattern, StringMap};
use super::version::Version;

pub use proxy::{
    Drain, FailureAction, Logging, Proxy, ProxyMode, Publish, PublishMode, ResourceAmounts,
    Resources, Update, UpdateOrder,
};
pub use traffic::{AccessLog, LogFormat, Timeouts, Tls, TlsVersion, Traffic};

/// A fleet of proxies that routes one set of Swarm services over one set of networks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServiceCluster {
    /// Always `skep.dev/v1`.
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
    /// The version that its text is written in, and stored in. The fields are always those of the
    /// newest one.
    #[serde(skip)]
    pub stated: Version,
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
    /// When this was first stored (RFC 3339); written by Skep, ignored in a manifest.
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

/// Nodes by name (a list), or by the labels they carry (a map).
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
