//! The operator as a Swarm service.

use std::collections::BTreeMap;

use crate::names;
use crate::world::{
    EndpointMode, FileMount, Mode, Mount, MountKind, NetworkAttachment, Placement,
    RestartCondition, ServiceSpec, UpdateConfig,
};

/// The engine's socket, on the node and in the container.
pub const SOCKET: &str = "/var/run/docker.sock";
/// The secrets that the operator reads, and so the files below `/run/secrets`.
pub const OPERATOR_SECRETS: [&str; 3] = [
    names::SECRET_CA,
    names::SECRET_OPERATOR,
    names::SECRET_SEALING,
];

const SECOND: u64 = 1_000_000_000;

/// The labels of everything that belongs to a component.
#[must_use]
pub fn labels(component: &str) -> BTreeMap<String, String> {
    BTreeMap::from([
        (names::LABEL_MANAGED_BY.into(), names::MANAGED_BY.into()),
        (names::LABEL_COMPONENT.into(), component.into()),
    ])
}

/// The operator service. Networks and secrets stand there by name; [`with_ids`] puts ids in.
#[must_use]
pub fn operator(image: &str, replicas: u64) -> ServiceSpec {
    ServiceSpec {
        name: names::OPERATOR_SERVICE.into(),
        labels: labels("operator"),
        image: image.into(),
        args: vec!["operator".into()],
        env: vec!["SKEP_REPLICA={{.Task.Slot}}".into()],
        container_labels: labels("operator"),
        // The engine's socket belongs to root; nothing else of root is needed.
        user: "0:0".into(),
        read_only: true,
        capability_drop: vec!["ALL".into()],
        mounts: vec![Mount {
            kind: MountKind::Bind,
            source: SOCKET.into(),
            target: SOCKET.into(),
            read_only: false,
        }],
        secrets: OPERATOR_SECRETS.iter().map(|name| secret(name)).collect(),
        restart: Some(RestartCondition::Any),
        restart_delay: Some(2 * SECOND),
        placement: Placement {
            constraints: vec![
                "node.platform.os==linux".into(),
                "node.role==manager".into(),
            ],
            ..Placement::default()
        },
        networks: vec![NetworkAttachment {
            target: names::CONTROL_NETWORK.into(),
            aliases: Vec::new(),
        }],
        mode: Mode::Replicated(replicas),
        // The new one answers before the old one goes: proxies always find an operator.
        update: Some(UpdateConfig {
            parallelism: 1,
            delay: 0,
            failure_action: "rollback".into(),
            monitor: 10 * SECOND,
            max_failure_ratio: 0.0,
            order: "start-first".into(),
        }),
        // Proxies choose among all operators themselves.
        endpoint_mode: EndpointMode::DnsRr,
        ..ServiceSpec::default()
    }
}

fn secret(name: &str) -> FileMount {
    FileMount {
        id: String::new(),
        name: name.into(),
        target: name.into(),
        uid: "0".into(),
        gid: "0".into(),
        mode: 0o400,
    }
}

/// The same definition as the engine keeps it: the control network and the secrets by id.
#[must_use]
pub fn with_ids(
    mut spec: ServiceSpec,
    network: &str,
    secrets: &BTreeMap<String, String>,
) -> ServiceSpec {
    for attachment in &mut spec.networks {
        network.clone_into(&mut attachment.target);
    }
    for secret in &mut spec.secrets {
        secret.id = secrets.get(&secret.name).cloned().unwrap_or_default();
    }
    spec
}
