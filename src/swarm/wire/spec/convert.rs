//! From the engine's words to ours and back.

use crate::swarm::wire::port;
use crate::world;

use super::{
    Amounts, ConfigFile, ContainerSpec, EndpointSpec, File, LogDriver, Mode, Mount, Network,
    Nothing, Placement, Port, Preference, Replicated, Resources, RestartPolicy, SecretFile,
    ServiceSpec, Spread, TaskTemplate, UpdateConfig,
};

pub(in crate::swarm::wire) fn protocol(word: &str) -> world::Protocol {
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
