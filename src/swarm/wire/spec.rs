//! The definition of a service, both ways. What is read of a user's service is not whole and is
//! never written back; what Skep writes, it reads back equal.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::world;

use super::{nil, port};

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

pub(super) fn protocol(word: &str) -> world::Protocol {
    match word {
        "udp" => world::Protocol::Udp,
        "sctp" => world::Protocol::Sctp,
        _ => world::Protocol::Tcp,
    }
}

fn protocol_word(protocol: world::Protocol) -> &'static str {
    match protocol {
        world::Protocol::Tcp => "tcp",
        world::Protocol::Udp => "udp",
        world::Protocol::Sctp => "sctp",
    }
}

impl From<ServiceSpec> for world::ServiceSpec {
    fn from(spec: ServiceSpec) -> Self {
        let task = spec.task_template;
        let container = task.container_spec.unwrap_or_default();
        let restart = task.restart_policy.unwrap_or_default();
        let networks = if task.networks.is_empty() {
            spec.networks
        } else {
            task.networks
        };
        Self {
            name: spec.name,
            labels: spec.labels,
            image: container.image,
            command: container.command,
            args: container.args,
            env: container.env,
            container_labels: container.labels,
            hostname: container.hostname,
            user: container.user,
            read_only: container.read_only,
            capability_drop: container.capability_drop,
            init: container.init,
            stop_signal: container.stop_signal,
            stop_grace_period: container.stop_grace_period,
            mounts: container.mounts.into_iter().map(Into::into).collect(),
            secrets: container.secrets.into_iter().map(Into::into).collect(),
            configs: container.configs.into_iter().map(Into::into).collect(),
            resources: world::Resources {
                limits: task.resources.limits.into(),
                reservations: task.resources.reservations.into(),
            },
            restart: match restart.condition.as_str() {
                "any" => Some(world::RestartCondition::Any),
                "on-failure" => Some(world::RestartCondition::OnFailure),
                "none" => Some(world::RestartCondition::None),
                _ => None,
            },
            restart_delay: restart.delay,
            placement: task.placement.into(),
            networks: networks.into_iter().map(Into::into).collect(),
            log_driver: task.log_driver.map(Into::into),
            force_update: task.force_update,
            mode: spec.mode.into(),
            update: spec.update_config.map(Into::into),
            rollback: spec.rollback_config.map(Into::into),
            endpoint_mode: match spec.endpoint_spec.mode.as_str() {
                "dnsrr" => world::EndpointMode::DnsRr,
                _ => world::EndpointMode::Vip,
            },
            ports: spec
                .endpoint_spec
                .ports
                .into_iter()
                .map(Into::into)
                .collect(),
        }
    }
}

impl From<&world::ServiceSpec> for ServiceSpec {
    fn from(spec: &world::ServiceSpec) -> Self {
        // Destructured: a field forgotten here would be lost on every write.
        let world::ServiceSpec {
            name,
            labels,
            image,
            command,
            args,
            env,
            container_labels,
            hostname,
            user,
            read_only,
            capability_drop,
            init,
            stop_signal,
            stop_grace_period,
            mounts,
            secrets,
            configs,
            resources,
            restart,
            restart_delay,
            placement,
            networks,
            log_driver,
            force_update,
            mode,
            update,
            rollback,
            endpoint_mode,
            ports,
        } = spec.clone();
        let container = ContainerSpec {
            image,
            labels: container_labels,
            command,
            args,
            hostname,
            env,
            user,
            stop_signal,
            read_only,
            stop_grace_period,
            mounts: mounts.into_iter().map(Into::into).collect(),
            secrets: secrets.into_iter().map(Into::into).collect(),
            configs: configs.into_iter().map(Into::into).collect(),
            init,
            capability_drop,
        };
        let task_template = TaskTemplate {
            container_spec: Some(container),
            resources: Resources {
                limits: resources.limits.into(),
                reservations: resources.reservations.into(),
            },
            restart_policy: restart_policy(restart, restart_delay),
            placement: placement.into(),
            networks: networks.into_iter().map(Into::into).collect(),
            log_driver: log_driver.map(Into::into),
            force_update,
        };
        Self {
            name,
            labels,
            task_template,
            mode: mode.into(),
            update_config: update.map(Into::into),
            rollback_config: rollback.map(Into::into),
            networks: Vec::new(),
            endpoint_spec: EndpointSpec {
                mode: match endpoint_mode {
                    world::EndpointMode::Vip => "vip".to_owned(),
                    world::EndpointMode::DnsRr => "dnsrr".to_owned(),
                },
                ports: ports.into_iter().map(Into::into).collect(),
            },
        }
    }
}

fn restart_policy(
    condition: Option<world::RestartCondition>,
    delay: Option<u64>,
) -> Option<RestartPolicy> {
    if condition.is_none() && delay.is_none() {
        return None;
    }
    let condition = match condition {
        Some(world::RestartCondition::Any) => "any",
        Some(world::RestartCondition::OnFailure) => "on-failure",
        Some(world::RestartCondition::None) => "none",
        None => "",
    };
    Some(RestartPolicy {
        condition: condition.to_owned(),
        delay,
    })
}

impl From<Mode> for world::Mode {
    fn from(mode: Mode) -> Self {
        if mode.global.is_some() {
            Self::Global
        } else if mode.replicated_job.is_some() || mode.global_job.is_some() {
            Self::Job
        } else {
            Self::Replicated(mode.replicated.and_then(|r| r.replicas).unwrap_or(1))
        }
    }
}

impl From<world::Mode> for Mode {
    fn from(mode: world::Mode) -> Self {
        match mode {
            world::Mode::Replicated(replicas) => Self {
                replicated: Some(Replicated {
                    replicas: Some(replicas),
                }),
                ..Self::default()
            },
            world::Mode::Global => Self {
                global: Some(Nothing {}),
                ..Self::default()
            },
            // Skep neither makes nor changes jobs; the engine refuses a spec without a mode.
            world::Mode::Job => Self::default(),
        }
    }
}

impl From<Mount> for world::Mount {
    fn from(mount: Mount) -> Self {
        Self {
            kind: match mount.kind.as_str() {
                "volume" => world::MountKind::Volume,
                "tmpfs" => world::MountKind::Tmpfs,
                _ => world::MountKind::Bind,
            },
            source: mount.source,
            target: mount.target,
            read_only: mount.read_only,
        }
    }
}

impl From<world::Mount> for Mount {
    fn from(mount: world::Mount) -> Self {
        Self {
            kind: match mount.kind {
                world::MountKind::Bind => "bind".to_owned(),
                world::MountKind::Volume => "volume".to_owned(),
                world::MountKind::Tmpfs => "tmpfs".to_owned(),
            },
            source: mount.source,
            target: mount.target,
            read_only: mount.read_only,
        }
    }
}

macro_rules! file_mount {
    ($wire:ident) => {
        impl From<$wire> for world::FileMount {
            fn from(mount: $wire) -> Self {
                Self {
                    id: mount.id,
                    name: mount.name,
                    target: mount.file.name,
                    uid: mount.file.uid,
                    gid: mount.file.gid,
                    mode: mount.file.mode,
                }
            }
        }

        impl From<world::FileMount> for $wire {
            fn from(mount: world::FileMount) -> Self {
                Self {
                    file: File {
                        name: mount.target,
                        uid: mount.uid,
                        gid: mount.gid,
                        mode: mount.mode,
                    },
                    id: mount.id,
                    name: mount.name,
                }
            }
        }
    };
}

file_mount!(SecretFile);
file_mount!(ConfigFile);

impl From<Amounts> for world::ResourceSet {
    fn from(amounts: Amounts) -> Self {
        Self {
            nano_cpus: amounts.nano_cpus,
            memory: amounts.memory,
        }
    }
}

impl From<world::ResourceSet> for Amounts {
    fn from(amounts: world::ResourceSet) -> Self {
        Self {
            nano_cpus: amounts.nano_cpus,
            memory: amounts.memory,
        }
    }
}

impl From<Placement> for world::Placement {
    fn from(placement: Placement) -> Self {
        let preferences = placement.preferences.into_iter();
        Self {
            constraints: placement.constraints,
            spread: preferences
                .filter_map(|p| Some(p.spread?.spread_descriptor))
                .collect(),
            max_replicas: placement.max_replicas,
        }
    }
}

impl From<world::Placement> for Placement {
    fn from(placement: world::Placement) -> Self {
        let preferences = placement.spread.into_iter().map(|descriptor| Preference {
            spread: Some(Spread {
                spread_descriptor: descriptor,
            }),
        });
        Self {
            constraints: placement.constraints,
            preferences: preferences.collect(),
            max_replicas: placement.max_replicas,
        }
    }
}

impl From<Network> for world::NetworkAttachment {
    fn from(network: Network) -> Self {
        Self {
            target: network.target,
            aliases: network.aliases,
        }
    }
}

impl From<world::NetworkAttachment> for Network {
    fn from(network: world::NetworkAttachment) -> Self {
        Self {
            target: network.target,
            aliases: network.aliases,
        }
    }
}

impl From<LogDriver> for world::LogDriver {
    fn from(driver: LogDriver) -> Self {
        Self {
            name: driver.name,
            options: driver.options,
        }
    }
}

impl From<world::LogDriver> for LogDriver {
    fn from(driver: world::LogDriver) -> Self {
        Self {
            name: driver.name,
            options: driver.options,
        }
    }
}

impl From<UpdateConfig> for world::UpdateConfig {
    fn from(config: UpdateConfig) -> Self {
        Self {
            parallelism: config.parallelism,
            delay: config.delay,
            failure_action: config.failure_action,
            monitor: config.monitor,
            max_failure_ratio: config.max_failure_ratio,
            order: config.order,
        }
    }
}

impl From<world::UpdateConfig> for UpdateConfig {
    fn from(config: world::UpdateConfig) -> Self {
        Self {
            parallelism: config.parallelism,
            delay: config.delay,
            failure_action: config.failure_action,
            monitor: config.monitor,
            max_failure_ratio: config.max_failure_ratio,
            order: config.order,
        }
    }
}

impl From<Port> for world::Port {
    fn from(from: Port) -> Self {
        Self {
            target: port(from.target),
            published: port(from.published),
            protocol: protocol(&from.protocol),
            mode: match from.mode.as_str() {
                "host" => world::PortMode::Host,
                _ => world::PortMode::Ingress,
            },
        }
    }
}

impl From<world::Port> for Port {
    fn from(port: world::Port) -> Self {
        Self {
            protocol: protocol_word(port.protocol).to_owned(),
            target: port.target.into(),
            published: port.published.into(),
            mode: match port.mode {
                world::PortMode::Ingress => "ingress".to_owned(),
                world::PortMode::Host => "host".to_owned(),
            },
        }
    }
}
