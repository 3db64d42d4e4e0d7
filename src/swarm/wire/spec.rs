//! The definition of a service, both ways. What is read of a user's service is not whole and is
//! never written back; what Skep writes, it reads back equal.

mod convert;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::nil;

pub(super) use convert::protocol;

type Map = BTreeMap<String, String>;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::swarm) struct ServiceSpec {
    #[serde(default, deserialize_with = "nil")]
    name: String,
    #[serde(default, deserialize_with = "nil")]
    labels: Map,
    task_template: TaskTemplate,
    #[serde(default, deserialize_with = "nil")]
    mode: Mode,
    #[serde(skip_serializing_if = "Option::is_none")]
    update_config: Option<UpdateConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rollback_config: Option<UpdateConfig>,
    /// Where clients older than API 1.25 put the networks.
    #[serde(default, deserialize_with = "nil", skip_serializing)]
    networks: Vec<Network>,
    #[serde(default, deserialize_with = "nil")]
    endpoint_spec: EndpointSpec,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct TaskTemplate {
    container_spec: Option<ContainerSpec>,
    #[serde(deserialize_with = "nil", skip_serializing_if = "Resources::is_empty")]
    resources: Resources,
    #[serde(skip_serializing_if = "Option::is_none")]
    restart_policy: Option<RestartPolicy>,
    #[serde(deserialize_with = "nil")]
    placement: Placement,
    #[serde(deserialize_with = "nil", skip_serializing_if = "Vec::is_empty")]
    networks: Vec<Network>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_driver: Option<LogDriver>,
    force_update: u64,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct ContainerSpec {
    image: String,
    #[serde(deserialize_with = "nil", skip_serializing_if = "Map::is_empty")]
    labels: Map,
    #[serde(deserialize_with = "nil", skip_serializing_if = "Vec::is_empty")]
    command: Vec<String>,
    #[serde(deserialize_with = "nil", skip_serializing_if = "Vec::is_empty")]
    args: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    hostname: String,
    #[serde(deserialize_with = "nil", skip_serializing_if = "Vec::is_empty")]
    env: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    user: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    stop_signal: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    read_only: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_grace_period: Option<u64>,
    #[serde(deserialize_with = "nil", skip_serializing_if = "Vec::is_empty")]
    mounts: Vec<Mount>,
    #[serde(deserialize_with = "nil", skip_serializing_if = "Vec::is_empty")]
    secrets: Vec<SecretFile>,
    #[serde(deserialize_with = "nil", skip_serializing_if = "Vec::is_empty")]
    configs: Vec<ConfigFile>,
    #[serde(skip_serializing_if = "Option::is_none")]
    init: Option<bool>,
    #[serde(
        rename = "CapabilityDrop",
        deserialize_with = "nil",
        skip_serializing_if = "Vec::is_empty"
    )]
    capability_drop: Vec<String>,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct Mount {
    #[serde(rename = "Type")]
    kind: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    source: String,
    target: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    read_only: bool,
}

#[derive(Serialize, Deserialize)]
struct SecretFile {
    #[serde(rename = "File", default, deserialize_with = "nil")]
    file: File,
    #[serde(rename = "SecretID")]
    id: String,
    #[serde(rename = "SecretName", default)]
    name: String,
}

#[derive(Serialize, Deserialize)]
struct ConfigFile {
    #[serde(rename = "File", default, deserialize_with = "nil")]
    file: File,
    #[serde(rename = "ConfigID")]
    id: String,
    #[serde(rename = "ConfigName", default)]
    name: String,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
struct File {
    #[serde(rename = "Name")]
    name: String,
    #[serde(rename = "UID")]
    uid: String,
    #[serde(rename = "GID")]
    gid: String,
    #[serde(rename = "Mode")]
    mode: u32,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct Resources {
    #[serde(deserialize_with = "nil", skip_serializing_if = "Amounts::is_empty")]
    limits: Amounts,
    #[serde(deserialize_with = "nil", skip_serializing_if = "Amounts::is_empty")]
    reservations: Amounts,
}

impl Resources {
    fn is_empty(&self) -> bool {
        self.limits.is_empty() && self.reservations.is_empty()
    }
}

#[derive(Clone, Copy, Serialize, Deserialize, Default)]
#[serde(default)]
struct Amounts {
    #[serde(rename = "NanoCPUs")]
    nano_cpus: u64,
    #[serde(rename = "MemoryBytes")]
    memory: u64,
}

impl Amounts {
    // Serde passes a reference.
    #[allow(clippy::trivially_copy_pass_by_ref)]
    fn is_empty(&self) -> bool {
        self.nano_cpus == 0 && self.memory == 0
    }
}

#[derive(Serialize, Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct RestartPolicy {
    #[serde(skip_serializing_if = "String::is_empty")]
    condition: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    delay: Option<u64>,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct Placement {
    #[serde(deserialize_with = "nil", skip_serializing_if = "Vec::is_empty")]
    constraints: Vec<String>,
    #[serde(deserialize_with = "nil", skip_serializing_if = "Vec::is_empty")]
    preferences: Vec<Preference>,
    max_replicas: u64,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct Preference {
    spread: Option<Spread>,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct Spread {
    spread_descriptor: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Network {
    target: String,
    #[serde(
        default,
        deserialize_with = "nil",
        skip_serializing_if = "Vec::is_empty"
    )]
    aliases: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LogDriver {
    name: String,
    #[serde(default, deserialize_with = "nil")]
    options: Map,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct Mode {
    #[serde(skip_serializing_if = "Option::is_none")]
    replicated: Option<Replicated>,
    #[serde(skip_serializing_if = "Option::is_none")]
    global: Option<Nothing>,
    #[serde(skip_serializing)]
    replicated_job: Option<serde::de::IgnoredAny>,
    #[serde(skip_serializing)]
    global_job: Option<serde::de::IgnoredAny>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Replicated {
    replicas: Option<u64>,
}

/// `{}`
#[derive(Serialize, Deserialize)]
struct Nothing {}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UpdateConfig {
    #[serde(default)]
    parallelism: u64,
    #[serde(default)]
    delay: u64,
    #[serde(default)]
    failure_action: String,
    #[serde(default)]
    monitor: u64,
    #[serde(default)]
    max_failure_ratio: f64,
    #[serde(default)]
    order: String,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct EndpointSpec {
    #[serde(skip_serializing_if = "String::is_empty")]
    mode: String,
    #[serde(deserialize_with = "nil", skip_serializing_if = "Vec::is_empty")]
    ports: Vec<Port>,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Port {
    pub(super) protocol: String,
    #[serde(rename = "TargetPort")]
    pub(super) target: u32,
    #[serde(rename = "PublishedPort", skip_serializing_if = "unset")]
    pub(super) published: u32,
    #[serde(rename = "PublishMode")]
    pub(super) mode: String,
}

// Serde passes a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn unset(number: &u32) -> bool {
    *number == 0
}
