//! A Swarm service, as far as Skep reads or writes one.
//!
//! [`ServiceSpec`] holds every field that Skep sets on the services it owns. Services of users
//! are only ever read: fields that it does not know would be lost by writing them back.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;

/// A service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Service {
    /// Engine id.
    pub id: String,
    /// Version for compare-and-swap.
    pub version: u64,
    /// When it was made (RFC 3339 as the engine writes it).
    pub created_at: String,
    /// Its definition.
    pub spec: ServiceSpec,
    /// Its virtual address on each network, by network id. Empty with DNS round robin.
    pub virtual_ips: BTreeMap<String, IpAddr>,
    /// The state of its last update.
    pub update: Option<UpdateStatus>,
    /// Tasks that run, as the engine counts them.
    pub running: u64,
    /// Tasks that should run, as the engine counts them.
    pub desired: u64,
}

/// The definition of a service. `Default` is what the engine assumes when a field is not given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ServiceSpec {
    /// Name.
    pub name: String,
    /// Labels of the service.
    pub labels: BTreeMap<String, String>,
    /// Image.
    pub image: String,
    /// Replaces the image's entrypoint when not empty.
    pub command: Vec<String>,
    /// Arguments.
    pub args: Vec<String>,
    /// Environment as `KEY=value`.
    pub env: Vec<String>,
    /// Labels of its containers.
    pub container_labels: BTreeMap<String, String>,
    /// Host name of its containers; may be a template. Empty: the engine's choice.
    pub hostname: String,
    /// User (and group); empty: the image's.
    pub user: String,
    /// The root file system is read-only.
    pub read_only: bool,
    /// Capabilities taken away, e.g. `ALL`.
    pub capability_drop: Vec<String>,
    /// An init process reaps children; `None`: the engine's choice.
    pub init: Option<bool>,
    /// Signal that stops it; empty: the image's.
    pub stop_signal: String,
    /// Nanoseconds between the stop signal and the kill.
    pub stop_grace_period: Option<u64>,
    /// Bind mounts, volumes and tmpfs.
    pub mounts: Vec<Mount>,
    /// Secrets as files.
    pub secrets: Vec<FileMount>,
    /// Configs as files.
    pub configs: Vec<FileMount>,
    /// Limits and reservations.
    pub resources: Resources,
    /// When a task that ended is started again; `None`: the engine's choice.
    pub restart: Option<RestartCondition>,
    /// Nanoseconds before a task that ended is started again; `None`: the engine's choice (5 s).
    pub restart_delay: Option<u64>,
    /// Where it may run.
    pub placement: Placement,
    /// Networks, in order; another order makes Swarm restart every task.
    pub networks: Vec<NetworkAttachment>,
    /// Log driver; `None`: the engine's default.
    pub log_driver: Option<LogDriver>,
    /// Counter that forces an update; carried over unchanged.
    pub force_update: u64,
    /// Replicated or global.
    pub mode: Mode,
    /// How updates roll; `None`: the engine's defaults.
    pub update: Option<UpdateConfig>,
    /// How rollbacks roll; `None`: the engine's defaults.
    pub rollback: Option<UpdateConfig>,
    /// Virtual address or DNS round robin.
    pub endpoint_mode: EndpointMode,
    /// Published ports.
    pub ports: Vec<Port>,
}

impl Service {
    /// Whether Skep made it.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        let label = self.spec.labels.get(crate::names::LABEL_MANAGED_BY);
        label.is_some_and(|value| value == crate::names::MANAGED_BY)
    }

    /// Whether it is the proxy service of a cluster. Only these does a plan ever change.
    #[must_use]
    pub fn is_proxy_of(&self, cluster: &str) -> bool {
        let has = |key, value| self.spec.labels.get(key).is_some_and(|v| v == value);
        self.is_ours()
            && has(crate::names::LABEL_CLUSTER, cluster)
            && has(crate::names::LABEL_COMPONENT, "proxy")
    }
}

/// How many tasks a service has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Mode {
    /// So many.
    Replicated(u64),
    /// One on each node.
    Global,
    /// A job, which Skep does not touch.
    Job,
}

impl Default for Mode {
    fn default() -> Self {
        Self::Replicated(1)
    }
}

/// How a service is reached by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum EndpointMode {
    /// One virtual address, balanced by the kernel (IPVS).
    #[default]
    Vip,
    /// The addresses of all tasks.
    DnsRr,
}

/// A network that a service is attached to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NetworkAttachment {
    /// Network id (the engine turns names into ids).
    pub target: String,
    /// Other DNS names of the service there.
    pub aliases: Vec<String>,
}

/// A published port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Port {
    /// Port inside the container.
    pub target: u16,
    /// Port outside; 0: Swarm chooses.
    pub published: u16,
    /// Transport protocol.
    pub protocol: Protocol,
    /// On the task's node or on all.
    pub mode: PortMode,
}

/// Transport protocol of a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Protocol {
    /// TCP
    #[default]
    Tcp,
    /// UDP
    Udp,
    /// SCTP
    Sctp,
}

/// Where a port is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum PortMode {
    /// On every node, through the routing mesh.
    #[default]
    Ingress,
    /// On the nodes that run a task.
    Host,
}

/// Where tasks may run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Placement {
    /// Constraints such as `node.labels.region==east`.
    pub constraints: Vec<String>,
    /// Labels to spread over, such as `node.labels.zone`.
    pub spread: Vec<String>,
    /// Most tasks on one node; 0: no limit.
    pub max_replicas: u64,
}

/// Limits and reservations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Resources {
    /// The most a task may use.
    pub limits: ResourceSet,
    /// What the scheduler sets aside.
    pub reservations: ResourceSet,
}

/// Processors and memory; 0: not set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ResourceSet {
    /// Units of 10^-9 processor.
    pub nano_cpus: u64,
    /// Bytes.
    pub memory: u64,
}

/// When a task that ended is started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum RestartCondition {
    /// Always.
    #[default]
    Any,
    /// After an error.
    OnFailure,
    /// Never.
    None,
}

/// How an update or a rollback rolls.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct UpdateConfig {
    /// Tasks at once; 0: all.
    pub parallelism: u64,
    /// Nanoseconds between batches.
    pub delay: u64,
    /// `pause`, `continue` or `rollback`.
    pub failure_action: String,
    /// Nanoseconds a new task is watched.
    pub monitor: u64,
    /// Share of failures tolerated.
    pub max_failure_ratio: f64,
    /// `stop-first` or `start-first`.
    pub order: String,
}

// The ratio is never NaN: it comes from a checked manifest or from the engine's JSON.
impl Eq for UpdateConfig {}

/// What the engine says about the last update of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct UpdateStatus {
    /// The state.
    pub state: UpdateState,
    /// The engine's sentence.
    pub message: String,
}

/// The states of an update.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum UpdateState {
    /// Tasks are being replaced.
    Updating,
    /// Stopped by a failure.
    Paused,
    /// Done.
    #[default]
    Completed,
    /// Going back to the previous definition.
    RollbackStarted,
    /// The rollback stopped by a failure.
    RollbackPaused,
    /// Back at the previous definition.
    RollbackCompleted,
}

impl UpdateState {
    /// Whether Swarm still replaces tasks.
    #[must_use]
    pub fn is_moving(self) -> bool {
        matches!(self, Self::Updating | Self::RollbackStarted)
    }
}

/// A mount.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Mount {
    /// Its kind.
    pub kind: MountKind,
    /// Host path or volume name; empty for tmpfs.
    pub source: String,
    /// Path in the container.
    pub target: String,
    /// Not writable.
    pub read_only: bool,
}

/// Kinds of mount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum MountKind {
    /// A path of the host.
    #[default]
    Bind,
    /// A named volume of the node.
    Volume,
    /// Memory.
    Tmpfs,
}

/// A secret or config seen as a file by containers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FileMount {
    /// Id of the secret or config.
    pub id: String,
    /// Its name.
    pub name: String,
    /// File name (secrets: below `/run/secrets`) or absolute path.
    pub target: String,
    /// Owner of the file, a number.
    pub uid: String,
    /// Group of the file, a number.
    pub gid: String,
    /// Permission bits.
    pub mode: u32,
}

/// A log driver.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LogDriver {
    /// Name, e.g. `json-file`.
    pub name: String,
    /// Options.
    pub options: BTreeMap<String, String>,
}
