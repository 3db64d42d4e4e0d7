//! Conditions in the Gateway API's manner.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a condition is about.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum ConditionType {
    /// The newest manifest is valid and is the one in force.
    Accepted,
    /// Every declared network exists and the proxies are attached to it.
    NetworksReady,
    /// Enough nodes match the placement and carry the declared labels.
    NodesReady,
    /// The proxy service runs as declared.
    ProxyReady,
    /// Every running proxy has acknowledged the routes in force.
    Programmed,
    /// All of the others are true.
    Ready,
}

/// The three truth values of a condition.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// Not known yet.
    Unknown,
}

/// One statement about a resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What it is about.
    #[serde(rename = "type")]
    pub kind: ConditionType,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// One CamelCase word for machines, from a bounded set.
    pub reason: String,
    /// A sentence for people; says what to do when something is to be done.
    pub message: String,
    /// The generation it speaks of.
    pub observed_generation: u64,
    /// When `status` last changed (RFC 3339, UTC, seconds).
    pub last_transition_time: String,
}
