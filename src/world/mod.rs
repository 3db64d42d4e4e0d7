//! The observed Swarm at one moment, as our own ordered types. Pure data: nothing here
//! talks to an engine. Absent optional numbers mean that the engine said nothing.

pub mod age;
pub mod certificates;
pub mod declared;
pub mod service;
pub mod sources;
pub mod stored;
#[cfg(test)]
pub mod testing;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

pub use age::Age;
pub use certificates::{CertificateRevision, StoredCertificate, certificates};
pub use declared::{Accepted, Claim, Conflict, Declared, Revision, declared};
pub use service::{
    EndpointMode, FileMount, LogDriver, Mode, Mount, MountKind, NetworkAttachment, Placement, Port,
    PortMode, Protocol, ResourceSet, Resources, RestartCondition, Service, ServiceSpec,
    UpdateConfig, UpdateState, UpdateStatus,
};
pub use sources::{DeclaredSource, sources};
pub use stored::Stored;

/// Everything observed of the Swarm at one moment; maps are keyed by the engine's object id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct World {
    /// Nodes.
    pub nodes: BTreeMap<String, Node>,
    /// Swarm-scoped networks (overlay and ingress), not the local ones of one engine.
    pub networks: BTreeMap<String, Network>,
    /// Services, of users and our own.
    pub services: BTreeMap<String, Service>,
    /// Tasks of all services, also finished ones that the engine still remembers.
    pub tasks: BTreeMap<String, Task>,
    /// Configs that carry `dev.skep.kind`, whole; no others.
    pub configs: BTreeMap<String, Config>,
    /// Secrets, without their content.
    pub secrets: BTreeMap<String, Secret>,
}

/// A node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// Engine id.
    pub id: String,
    /// Version for compare-and-swap.
    pub version: u64,
    /// Host name.
    pub hostname: String,
    /// Name in the node's spec, usually empty.
    pub name: String,
    /// Labels in the node's spec (not the engine's own).
    pub labels: BTreeMap<String, String>,
    /// Whether it is a manager.
    pub manager: bool,
    /// What the scheduler may do with it.
    pub availability: Availability,
    /// Whether Swarm sees it as up.
    pub ready: bool,
    /// Address that Swarm knows it by; empty when unknown.
    pub address: String,
    /// `linux`, `windows`; empty when unknown.
    pub os: String,
}

/// What the scheduler may do with a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Availability {
    /// Takes tasks.
    #[default]
    Active,
    /// Keeps its tasks, takes no new ones.
    Pause,
    /// Its tasks move away.
    Drain,
}

/// A swarm-scoped network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// Engine id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Driver, normally `overlay`.
    pub driver: String,
    /// The routing mesh's own network.
    pub ingress: bool,
    /// Plain containers may join.
    pub attachable: bool,
    /// Data between nodes is encrypted.
    pub encrypted: bool,
    /// Subnets in CIDR form.
    pub subnets: Vec<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// What to make a network from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkSpec {
    /// Name.
    pub name: String,
    /// Plain containers may join.
    pub attachable: bool,
    /// Encrypt data between nodes.
    pub encrypted: bool,
    /// IPv4 subnet in CIDR form; `None`: Swarm chooses.
    pub subnet: Option<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// A task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Task {
    /// Engine id.
    pub id: String,
    /// Its service.
    pub service: String,
    /// Its node; empty while unassigned.
    pub node: String,
    /// Slot of a replicated service; 0 for global ones.
    pub slot: u64,
    /// Where it is.
    pub state: TaskState,
    /// Where Swarm wants it.
    pub desired: TaskState,
    /// Its address on each network: network id to address. Known long before it answers.
    pub addresses: BTreeMap<String, IpAddr>,
    /// Host-published ports: container port, host port.
    pub host_ports: Vec<HostPort>,
    /// What Swarm says about it when something is wrong; empty otherwise.
    pub error: String,
    /// Labels of its containers, from the spec it was made of.
    pub container_labels: BTreeMap<String, String>,
    /// Names of the files that it has of secrets, from the spec it was made of.
    pub secret_files: BTreeSet<String>,
    /// Container id; empty before it has one.
    pub container: String,
    /// When it was made (RFC 3339 as the engine writes it).
    pub created_at: String,
    /// When its state last changed (RFC 3339 as the engine writes it).
    pub state_at: String,
}

impl Task {
    /// Runs, and Swarm means it to go on running: the only tasks that get traffic.
    #[must_use]
    pub fn serves(&self) -> bool {
        self.state == TaskState::Running && self.desired == TaskState::Running
    }
}

/// A port of a task that is open on its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// Port inside the container.
    pub target: u16,
    /// Port on the node.
    pub published: u16,
    /// Transport protocol.
    pub protocol: Protocol,
}

/// The life of a task, in Swarm's order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TaskState {
    /// Just made.
    #[default]
    New,
    /// Waits for a node.
    Pending,
    /// Has a node.
    Assigned,
    /// The node took it.
    Accepted,
    /// The image is fetched, networks are attached.
    Preparing,
    /// Could start.
    Ready,
    /// Starts.
    Starting,
    /// Runs (and is healthy, when it has a health check).
    Running,
    /// Ended with success.
    Complete,
    /// Was stopped.
    Shutdown,
    /// Ended with an error.
    Failed,
    /// The node refused it.
    Rejected,
    /// Is to be removed.
    Remove,
    /// Its node has been gone too long.
    Orphaned,
}

/// A config that carries `dev.skep.kind`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Engine id.
    pub id: String,
    /// Version for compare-and-swap.
    pub version: u64,
    /// Name.
    pub name: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Content.
    pub data: Vec<u8>,
    /// When it was made (RFC 3339 as the engine writes it).
    pub created_at: String,
}

/// A secret, without its content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Secret {
    /// Engine id.
    pub id: String,
    /// Version for compare-and-swap.
    pub version: u64,
    /// Name.
    pub name: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Its content is made where a container starts (a template, or a driver), which may fail.
    pub made_on_the_node: bool,
}

/// Secrets by name.
pub type SecretsByName<'a> = BTreeMap<&'a str, &'a Secret>;

impl World {
    /// The service of a name, when there is one.
    #[must_use]
    pub fn service_named(&self, name: &str) -> Option<&Service> {
        self.services.values().find(|s| s.spec.name == name)
    }

    /// The network of a name (or id), when there is one. Names of overlays are unique in a Swarm.
    #[must_use]
    pub fn network_named(&self, name: &str) -> Option<&Network> {
        self.networks
            .get(name)
            .or_else(|| self.networks.values().find(|n| n.name == name))
    }

    /// The secret of a name, when there is one.
    #[must_use]
    pub fn secret_named(&self, name: &str) -> Option<&Secret> {
        self.secrets.values().find(|s| s.name == name)
    }

    /// All secrets by their names, for whoever asks for many.
    #[must_use]
    pub fn secrets_by_name(&self) -> SecretsByName<'_> {
        let mut all = SecretsByName::new();
        for secret in self.secrets.values() {
            all.entry(&secret.name).or_insert(secret);
        }
        all
    }

    /// The tasks of a service, in order of their ids.
    pub fn tasks_of<'a>(&'a self, service: &'a str) -> impl Iterator<Item = &'a Task> {
        self.tasks.values().filter(move |t| t.service == service)
    }
}
