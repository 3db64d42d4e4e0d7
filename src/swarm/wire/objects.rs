//! Nodes, networks, tasks, configs and secrets.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::world;

use super::{address, nil, port, spec};

#[derive(Deserialize)]
pub(in crate::swarm) struct Version {
    #[serde(rename = "Version", default)]
    pub(in crate::swarm) version: String,
    #[serde(rename = "ApiVersion")]
    pub(in crate::swarm) api_version: String,
}

#[derive(Deserialize)]
pub(in crate::swarm) struct Info {
    #[serde(rename = "Swarm", default)]
    pub(in crate::swarm) swarm: SwarmInfo,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(in crate::swarm) struct SwarmInfo {
    #[serde(rename = "NodeID")]
    pub(in crate::swarm) node_id: String,
    #[serde(rename = "LocalNodeState")]
    pub(in crate::swarm) local_node_state: String,
    #[serde(rename = "ControlAvailable")]
    pub(in crate::swarm) control_available: bool,
    #[serde(rename = "Cluster")]
    pub(in crate::swarm) cluster: Option<Cluster>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(in crate::swarm) struct Cluster {
    #[serde(rename = "ID")]
    pub(in crate::swarm) id: String,
}

/// The id of what was made: services, configs and secrets say `ID`, networks `Id`.
#[derive(Deserialize)]
pub(in crate::swarm) struct Created {
    #[serde(alias = "Id", rename = "ID")]
    pub(in crate::swarm) id: String,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Index {
    pub(super) index: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Node {
    #[serde(rename = "ID")]
    id: String,
    version: Index,
    spec: NodeSpec,
    #[serde(default, deserialize_with = "nil")]
    description: NodeDescription,
    #[serde(default, deserialize_with = "nil")]
    status: NodeStatus,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NodeSpec {
    #[serde(default, deserialize_with = "nil")]
    name: String,
    #[serde(default, deserialize_with = "nil")]
    labels: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "nil")]
    role: String,
    #[serde(default, deserialize_with = "nil")]
    availability: String,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct NodeDescription {
    hostname: String,
    #[serde(deserialize_with = "nil")]
    platform: Platform,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Platform {
    #[serde(rename = "OS")]
    os: String,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct NodeStatus {
    state: String,
    addr: String,
}

impl From<Node> for world::Node {
    fn from(node: Node) -> Self {
        Self {
            id: node.id,
            version: node.version.index,
            hostname: node.description.hostname,
            name: node.spec.name,
            labels: node.spec.labels,
            manager: node.spec.role == "manager",
            availability: match node.spec.availability.as_str() {
                "pause" => world::Availability::Pause,
                "drain" => world::Availability::Drain,
                _ => world::Availability::Active,
            },
            ready: node.status.state == "ready",
            address: node.status.addr,
            os: node.description.platform.os,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Network {
    id: String,
    name: String,
    #[serde(default, deserialize_with = "nil")]
    driver: String,
    #[serde(default)]
    ingress: bool,
    #[serde(default)]
    attachable: bool,
    #[serde(default, deserialize_with = "nil")]
    options: BTreeMap<String, String>,
    #[serde(rename = "IPAM", default, deserialize_with = "nil")]
    ipam: Ipam,
    #[serde(default, deserialize_with = "nil")]
    labels: BTreeMap<String, String>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct Ipam {
    #[serde(deserialize_with = "nil")]
    config: Vec<IpamConfig>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct IpamConfig {
    subnet: String,
}

impl From<Network> for world::Network {
    fn from(network: Network) -> Self {
        let encrypted = network.options.get("encrypted");
        let subnets = network.ipam.config.into_iter().map(|c| c.subnet);
        Self {
            id: network.id,
            name: network.name,
            driver: network.driver,
            ingress: network.ingress,
            attachable: network.attachable,
            encrypted: encrypted.is_some_and(|v| v != "false" && v != "0"),
            subnets: subnets.filter(|s| !s.is_empty()).collect(),
            labels: network.labels,
        }
    }
}

/// The body that makes an overlay network.
pub(in crate::swarm) fn network_spec(spec: &world::NetworkSpec) -> Value {
    let mut body = json!({
        "Name": spec.name,
        "CheckDuplicate": true,
        "Driver": "overlay",
        "Attachable": spec.attachable,
        "Labels": spec.labels,
    });
    if spec.encrypted {
        body["Options"] = json!({"encrypted": ""});
    }
    if let Some(subnet) = &spec.subnet {
        body["IPAM"] = json!({"Driver": "default", "Config": [{"Subnet": subnet}]});
    }
    body
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Task {
    #[serde(rename = "ID")]
    id: String,
    #[serde(default, deserialize_with = "nil")]
    created_at: String,
    #[serde(rename = "ServiceID", default, deserialize_with = "nil")]
    service_id: String,
    #[serde(rename = "NodeID", default, deserialize_with = "nil")]
    node_id: String,
    #[serde(default)]
    slot: u64,
    #[serde(default, deserialize_with = "nil")]
    spec: TaskSpec,
    #[serde(default, deserialize_with = "nil")]
    status: TaskStatus,
    #[serde(default, deserialize_with = "nil")]
    desired_state: String,
    #[serde(default, deserialize_with = "nil")]
    networks_attachments: Vec<Attachment>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct TaskSpec {
    container_spec: Option<TaskContainer>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct TaskContainer {
    #[serde(deserialize_with = "nil")]
    labels: BTreeMap<String, String>,
    #[serde(deserialize_with = "nil")]
    secrets: Vec<TaskSecret>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct TaskSecret {
    file: Option<TaskFile>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct TaskFile {
    name: String,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct TaskStatus {
    timestamp: String,
    state: String,
    err: String,
    container_status: Option<ContainerStatus>,
    #[serde(deserialize_with = "nil")]
    port_status: PortStatus,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ContainerStatus {
    #[serde(rename = "ContainerID")]
    container_id: String,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct PortStatus {
    #[serde(deserialize_with = "nil")]
    ports: Vec<spec::Port>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attachment {
    network: AttachedNetwork,
    #[serde(default, deserialize_with = "nil")]
    addresses: Vec<String>,
}

#[derive(Deserialize)]
struct AttachedNetwork {
    #[serde(rename = "ID")]
    id: String,
}

impl From<Task> for world::Task {
    fn from(task: Task) -> Self {
        let addresses = task.networks_attachments.into_iter().filter_map(|a| {
            let address = a.addresses.first().and_then(|cidr| address(cidr))?;
            Some((a.network.id, address))
        });
        let ports = task.status.port_status.ports.iter();
        let container = task.spec.container_spec.unwrap_or_default();
        Self {
            id: task.id,
            service: task.service_id,
            node: task.node_id,
            slot: task.slot,
            state: task_state(&task.status.state),
            desired: task_state(&task.desired_state),
            addresses: addresses.collect(),
            host_ports: ports
                .filter(|p| p.mode == "host" && p.published != 0)
                .map(|p| world::HostPort {
                    target: port(p.target),
                    published: port(p.published),
                    protocol: spec::protocol(&p.protocol),
                })
                .collect(),
            error: task.status.err,
            secret_files: container
                .secrets
                .into_iter()
                .filter_map(|secret| Some(secret.file?.name))
                .collect(),
            container_labels: container.labels,
            container: task
                .status
                .container_status
                .map(|c| c.container_id)
                .unwrap_or_default(),
            created_at: task.created_at,
            state_at: task.status.timestamp,
        }
    }
}

/// A state of a newer engine counts as new: a task in it gets no traffic.
fn task_state(word: &str) -> world::TaskState {
    use world::TaskState as S;
    match word {
        "pending" | "allocated" => S::Pending,
        "assigned" => S::Assigned,
        "accepted" => S::Accepted,
        "preparing" => S::Preparing,
        "ready" => S::Ready,
        "starting" => S::Starting,
        "running" => S::Running,
        "complete" => S::Complete,
        "shutdown" => S::Shutdown,
        "failed" => S::Failed,
        "rejected" => S::Rejected,
        "remove" => S::Remove,
        "orphaned" => S::Orphaned,
        _ => S::New,
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::swarm) struct Config {
    #[serde(rename = "ID")]
    id: String,
    version: Index,
    #[serde(default, deserialize_with = "nil")]
    created_at: String,
    spec: ConfigSpec,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ConfigSpec {
    name: String,
    #[serde(default, deserialize_with = "nil")]
    labels: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "nil")]
    data: String,
}

impl Config {
    /// Fails when the data is not base64.
    pub(in crate::swarm) fn into_world(self) -> Result<world::Config, base64::DecodeError> {
        Ok(world::Config {
            data: STANDARD.decode(&self.spec.data)?,
            id: self.id,
            version: self.version.index,
            name: self.spec.name,
            labels: self.spec.labels,
            created_at: self.created_at,
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Secret {
    #[serde(rename = "ID")]
    id: String,
    version: Index,
    spec: SecretSpec,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SecretSpec {
    name: String,
    #[serde(default, deserialize_with = "nil")]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    templating: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    driver: Option<serde::de::IgnoredAny>,
}

impl From<Secret> for world::Secret {
    fn from(secret: Secret) -> Self {
        Self {
            id: secret.id,
            version: secret.version.index,
            name: secret.spec.name,
            labels: secret.spec.labels,
            made_on_the_node: secret.spec.templating.is_some() || secret.spec.driver.is_some(),
        }
    }
}
