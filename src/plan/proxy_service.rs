//! The definition of a cluster's proxy service.

use std::collections::BTreeSet;

use super::PlanInputs;
use crate::api::StringMap;
use crate::api::service_cluster::{
    FailureAction, Logging, Proxy, ProxyMode, PublishMode, ResourceAmounts, Update, UpdateOrder,
};
use crate::names;
use crate::world::{
    EndpointMode, FileMount, LogDriver, Mode, Mount, MountKind, Placement, Port, PortMode,
    Protocol, ResourceSet, Resources, RestartCondition, Secret, ServiceSpec, UpdateConfig,
};

/// The user and group of proxies, as in the image.
const USER: &str = "65532";
/// A proxy that ended starts again after one second. The engine's five would leave a node without
/// a proxy for longer than a crash needs; a proxy that cannot start at all still does not spin.
const RESTART_DELAY: u64 = 1_000_000_000;
/// Optional parts of a manifest that a person may set on the service while the manifest does not.
const OPEN_FIELDS: [&str; 5] = [
    "logging",
    "limits.cpus",
    "limits.memory",
    "reservations.cpus",
    "reservations.memory",
];

/// The name of the cluster's proxy service.
pub(crate) fn service_name(cluster: &str, proxy: &Proxy) -> String {
    proxy
        .service_name
        .clone()
        .unwrap_or_else(|| names::proxy_service(cluster))
}

/// The definition that the manifest asks for, without networks and template hash: both depend on
/// what is observed. What the manifest leaves open has the engine's default here.
pub(super) fn define(
    inputs: &PlanInputs<'_>,
    secrets: [&Secret; 2],
    files: &[&Secret],
) -> ServiceSpec {
    let spec = &inputs.cluster.spec;
    let proxy = &spec.proxy;
    let mut labels = proxy.labels.clone();
    labels.extend(super::ownership(inputs.name, "proxy"));
    let fields = declared_fields(proxy);
    if !fields.is_empty() {
        labels.insert(names::LABEL_FIELDS.to_owned(), fields.join(","));
    }
    let mut container_labels = proxy.container_labels.clone();
    container_labels.extend(super::ownership(inputs.name, "proxy"));
    let update = update_config(&proxy.update);
    ServiceSpec {
        name: service_name(inputs.name, proxy),
        labels,
        image: proxy
            .image
            .clone()
            .unwrap_or_else(|| inputs.settings.image.clone()),
        args: vec!["proxy".to_owned()],
        env: environment(inputs),
        container_labels,
        user: format!("{USER}:{USER}"),
        read_only: true,
        capability_drop: vec!["ALL".to_owned()],
        stop_grace_period: Some(nanos(proxy.stop_grace_period.get())),
        mounts: vec![Mount {
            kind: MountKind::Volume,
            source: names::state_volume(inputs.name),
            target: names::PROXY_STATE_DIR.to_owned(),
            read_only: false,
        }],
        secrets: [
            file_mount(secrets[0], names::SECRET_CA),
            file_mount(secrets[1], names::SECRET_PROXY),
        ]
        .into_iter()
        .chain(files.iter().map(|secret| file_mount(secret, &secret.name)))
        .collect(),
        resources: Resources {
            limits: amounts(&proxy.resources.limits),
            reservations: amounts(&proxy.resources.reservations),
        },
        restart: Some(RestartCondition::Any),
        restart_delay: Some(RESTART_DELAY),
        placement: placement(&spec.placement),
        log_driver: proxy.logging.as_ref().map(log_driver),
        mode: match proxy.mode {
            ProxyMode::Replicated => Mode::Replicated(proxy.replicas.unwrap_or(1)),
            ProxyMode::Global => Mode::Global,
        },
        rollback: Some(UpdateConfig {
            // A rollback that fails has nothing to go back to.
            failure_action: "pause".to_owned(),
            ..update.clone()
        }),
        update: Some(update),
        endpoint_mode: match proxy.publish.mode {
            PublishMode::Ingress => EndpointMode::Vip,
            PublishMode::Host | PublishMode::None => EndpointMode::DnsRr,
        },
        ports: ports(proxy),
        ..ServiceSpec::default()
    }
}

/// Takes over from the observed service what the manifest leaves open, and the order of what has
/// none: then nothing differs that need not.
pub(super) fn merge(mut next: ServiceSpec, proxy: &Proxy, observed: &ServiceSpec) -> ServiceSpec {
    if let (Mode::Replicated(_), Mode::Replicated(count), None) =
        (next.mode, observed.mode, proxy.replicas)
    {
        next.mode = Mode::Replicated(count);
    }
    next.force_update = observed.force_update;
    let declared = declared_fields(proxy);
    let before = observed.labels.get(names::LABEL_FIELDS);
    let before: BTreeSet<&str> =
        before.map_or_else(BTreeSet::new, |text| text.split(',').collect());
    for field in OPEN_FIELDS {
        // Set by an earlier manifest and left out now: back to the engine's default.
        if declared.contains(&field) || before.contains(field) {
            continue;
        }
        let (to, from) = (&mut next.resources, &observed.resources);
        match field {
            "logging" => next.log_driver.clone_from(&observed.log_driver),
            "limits.cpus" => to.limits.nano_cpus = from.limits.nano_cpus,
            "limits.memory" => to.limits.memory = from.limits.memory,
            "reservations.cpus" => to.reservations.nano_cpus = from.reservations.nano_cpus,
            _ => to.reservations.memory = from.reservations.memory,
        }
    }
    keep_order(&mut next.env, &observed.env);
    keep_order(&mut next.mounts, &observed.mounts);
    keep_order(&mut next.secrets, &observed.secrets);
    keep_order(&mut next.ports, &observed.ports);
    keep_order(
        &mut next.placement.constraints,
        &observed.placement.constraints,
    );
    next
}

/// Takes the observed order of a list that means a set, when both hold the same.
fn keep_order<T: Clone + PartialEq>(next: &mut Vec<T>, observed: &[T]) {
    let same = next.len() == observed.len()
        && next.iter().all(|item| observed.contains(item))
        && observed.iter().all(|item| next.contains(item));
    if same {
        observed.clone_into(next);
    }
}

/// The optional parts that the manifest sets.
fn declared_fields(proxy: &Proxy) -> Vec<&'static str> {
    let (limits, reservations) = (&proxy.resources.limits, &proxy.resources.reservations);
    let set = [
        proxy.logging.is_some(),
        limits.cpus.is_some(),
        limits.memory.is_some(),
        reservations.cpus.is_some(),
        reservations.memory.is_some(),
    ];
    let fields = OPEN_FIELDS.into_iter().zip(set);
    fields
        .filter(|(_, set)| *set)
        .map(|(field, _)| field)
        .collect()
}

/// Sorted; what the proxy needs cannot be overridden.
fn environment(inputs: &PlanInputs<'_>) -> Vec<String> {
    let mut env: StringMap = inputs.cluster.spec.proxy.env.clone();
    for (key, value) in [
        ("SKEP_CLUSTER", inputs.name),
        ("SKEP_CONTROL", &inputs.settings.control_endpoint),
        ("SKEP_NODE", "{{.Node.ID}}"),
        ("SKEP_TASK", "{{.Task.ID}}"),
    ] {
        env.insert(key.to_owned(), value.to_owned());
    }
    env.into_iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect()
}

/// The constraints that the labels imply, those of the manifest, and Linux; each once.
pub(crate) fn constraints(placement: &crate::api::service_cluster::Placement) -> Vec<String> {
    let implied = placement
        .labels
        .iter()
        .map(|(key, value)| super::pinned::constraint(key, value));
    let stated = placement.constraints.iter().map(ToString::to_string);
    let linux = std::iter::once("node.platform.os==linux".to_owned());
    let mut constraints: Vec<String> = Vec::new();
    for constraint in implied.chain(stated).chain(linux) {
        if !constraints.contains(&constraint) {
            constraints.push(constraint);
        }
    }
    constraints
}

fn placement(placement: &crate::api::service_cluster::Placement) -> Placement {
    let spread = placement.preferences.iter();
    Placement {
        constraints: constraints(placement),
        spread: spread
            .map(|text| text.strip_prefix("spread=").unwrap_or(text).to_owned())
            .collect(),
        max_replicas: placement.max_replicas_per_node.unwrap_or(0),
    }
}

fn ports(proxy: &Proxy) -> Vec<Port> {
    let mode = match proxy.publish.mode {
        PublishMode::Host => PortMode::Host,
        PublishMode::Ingress => PortMode::Ingress,
        PublishMode::None => return Vec::new(),
    };
    [
        (names::PROXY_HTTP_PORT, proxy.publish.http),
        (names::PROXY_HTTPS_PORT, proxy.publish.https),
    ]
    .into_iter()
    .filter(|(_, published)| *published > 0)
    .map(|(target, published)| Port {
        target,
        published,
        protocol: Protocol::Tcp,
        mode,
    })
    .collect()
}

fn update_config(update: &Update) -> UpdateConfig {
    let Update {
        parallelism,
        delay,
        order,
        failure_action,
        monitor,
        max_failure_ratio,
    } = update;
    UpdateConfig {
        parallelism: *parallelism,
        delay: nanos(delay.get()),
        failure_action: match failure_action {
            FailureAction::Rollback => "rollback",
            FailureAction::Pause => "pause",
            FailureAction::Continue => "continue",
        }
        .to_owned(),
        monitor: nanos(monitor.get()),
        max_failure_ratio: *max_failure_ratio,
        order: match order {
            UpdateOrder::StopFirst => "stop-first",
            UpdateOrder::StartFirst => "start-first",
        }
        .to_owned(),
    }
}

/// The file has the name that proxies look for, whatever the secret is called.
fn file_mount(secret: &Secret, target: &str) -> FileMount {
    FileMount {
        id: secret.id.clone(),
        name: secret.name.clone(),
        target: target.to_owned(),
        uid: USER.to_owned(),
        gid: USER.to_owned(),
        mode: 0o400,
    }
}

fn amounts(amounts: &ResourceAmounts) -> ResourceSet {
    ResourceSet {
        nano_cpus: amounts.cpus.map_or(0, |cpus| cpus.0),
        memory: amounts.memory.map_or(0, |memory| memory.0),
    }
}

fn log_driver(logging: &Logging) -> LogDriver {
    LogDriver {
        name: logging.driver.clone(),
        options: logging.options.clone(),
    }
}

/// Spans of a manifest fit: they are limited when they are parsed.
fn nanos(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
