//! Two definitions of a service: what differs, what that does to its tasks, and their hashes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::api::{Constraint, StringMap};
use crate::names;
use crate::world::{Mode, Node, ServiceSpec, Task};

/// How two definitions differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Difference {
    /// What differs, as short words, in a fixed order.
    pub changes: Vec<&'static str>,
    /// Swarm replaces the tasks for it. A change of the placement does so only where a running
    /// task does not fit any more; that is for [`misplaced`] to say.
    pub restarts: bool,
}

/// Compares the definition that runs with the one that should.
pub(super) fn difference(observed: &ServiceSpec, next: &ServiceSpec) -> Difference {
    // Each field once, so that a new one cannot be forgotten.
    let ServiceSpec {
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
    } = observed;
    let targets = |list: &[crate::world::NetworkAttachment]| -> Vec<String> {
        list.iter().map(|n| n.target.clone()).collect()
    };
    let task = [
        ("image", *image != next.image),
        ("command", *command != next.command || *args != next.args),
        ("env", *env != next.env),
        (
            "container labels",
            *container_labels != next.container_labels,
        ),
        ("hostname", *hostname != next.hostname),
        (
            "security",
            *user != next.user
                || *read_only != next.read_only
                || *capability_drop != next.capability_drop
                || *init != next.init,
        ),
        (
            "stop",
            *stop_signal != next.stop_signal || *stop_grace_period != next.stop_grace_period,
        ),
        ("mounts", *mounts != next.mounts),
        ("secrets", *secrets != next.secrets),
        ("configs", *configs != next.configs),
        ("resources", *resources != next.resources),
        (
            "restart policy",
            *restart != next.restart || *restart_delay != next.restart_delay,
        ),
        ("networks", targets(networks) != targets(&next.networks)),
        ("logging", *log_driver != next.log_driver),
        ("force update", *force_update != next.force_update),
        ("endpoint mode", *endpoint_mode != next.endpoint_mode),
        ("ports", *ports != next.ports),
    ];
    let around = [
        ("name", *name != next.name),
        ("labels", *labels != next.labels),
        ("mode", is_global(*mode) != is_global(next.mode)),
        (
            "replicas",
            *mode != next.mode && is_global(*mode) == is_global(next.mode),
        ),
        (
            "constraints",
            placement.constraints != next.placement.constraints,
        ),
        ("preferences", placement.spread != next.placement.spread),
        (
            "max replicas per node",
            placement.max_replicas != next.placement.max_replicas,
        ),
        ("update policy", *update != next.update),
        ("rollback policy", *rollback != next.rollback),
    ];
    let all = task.iter().chain(&around);
    Difference {
        changes: all
            .filter(|(_, differs)| *differs)
            .map(|(word, _)| *word)
            .collect(),
        restarts: task.iter().any(|(_, differs)| *differs),
    }
}

/// Whether the engine would have to make a new service for another mode.
pub(super) fn is_global(mode: Mode) -> Option<bool> {
    match mode {
        Mode::Replicated(_) => Some(false),
        Mode::Global => Some(true),
        Mode::Job => None,
    }
}

/// Whether a running task stands on a node that the constraints no longer allow.
/// `labels`: the labels of the nodes as they will be.
pub(super) fn misplaced<'a>(
    mut tasks: impl Iterator<Item = &'a Task>,
    nodes: &BTreeMap<String, Node>,
    labels: &BTreeMap<String, StringMap>,
    constraints: &[String],
) -> bool {
    let constraints: Vec<Constraint> = constraints.iter().filter_map(|c| c.parse().ok()).collect();
    tasks.any(|task| {
        task.serves()
            && nodes.get(&task.node).is_some_and(|node| {
                let labels = labels.get(&node.id).unwrap_or(&node.labels);
                !constraints.iter().all(|c| allows(c, node, labels))
            })
    })
}

/// Whether a node satisfies a constraint. What is not known of a node counts as satisfied.
pub(crate) fn allows(constraint: &Constraint, node: &Node, labels: &StringMap) -> bool {
    let Constraint { key, equal, value } = constraint;
    let actual = match key.as_str() {
        "node.id" => Some(node.id.as_str()),
        "node.hostname" => Some(node.hostname.as_str()),
        "node.role" => Some(if node.manager { "manager" } else { "worker" }),
        "node.platform.os" if !node.os.is_empty() => Some(node.os.as_str()),
        _ => key
            .strip_prefix("node.labels.")
            .map(|label| labels.get(label).map_or("", String::as_str)),
    };
    // Swarm compares without regard to case.
    actual.is_none_or(|actual| actual.eq_ignore_ascii_case(value) == *equal)
}

/// Hash of a whole declared definition and the names of its networks. Ids of networks are left
/// out: they are not known before a network is made.
pub(super) fn spec_hash(declared: &ServiceSpec, networks: &BTreeSet<&str>) -> String {
    hash(declared, networks)
}

/// Hash of what Swarm replaces tasks for. It must not change with anything else: it is a label of
/// the containers, so a change of it replaces them by itself.
pub(super) fn template_hash(declared: &ServiceSpec, networks: &BTreeSet<&str>) -> String {
    let template = ServiceSpec {
        name: String::new(),
        labels: StringMap::new(),
        placement: crate::world::Placement::default(),
        mode: Mode::default(),
        update: None,
        rollback: None,
        ..declared.clone()
    };
    hash(&template, networks)
}

/// The same for the same definition in every build of Skep, and after fields were added that the
/// definition does not use: an upgrade must not restart proxies for nothing.
fn hash(spec: &ServiceSpec, networks: &BTreeSet<&str>) -> String {
    let value = serde_json::json!({ "spec": spec, "networks": networks });
    let mut text = String::new();
    write_used(&value, &mut text);
    names::content_hash(text.as_bytes())
}

/// Writes what is set, by name: no nulls, no empty lists, maps or texts, no zeros, no `false`.
fn write_used(value: &Value, text: &mut String) {
    match value {
        Value::Object(map) => {
            let sorted: BTreeMap<&String, &Value> = map.iter().collect();
            for (key, value) in sorted.into_iter().filter(|(_, value)| is_used(value)) {
                text.push_str(key);
                text.push('(');
                write_used(value, text);
                text.push(')');
            }
        }
        Value::Array(list) => {
            for value in list {
                text.push('[');
                write_used(value, text);
                text.push(']');
            }
        }
        plain => text.push_str(&plain.to_string()),
    }
}

fn is_used(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Bool(true) => true,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => map.values().any(is_used),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_a_definition_is_the_same_in_every_build() {
        let spec = ServiceSpec {
            image: "skep:1".to_owned(),
            args: vec!["proxy".to_owned()],
            read_only: true,
            ..ServiceSpec::default()
        };
        let networks = BTreeSet::from(["eastnet"]);
        assert_eq!(template_hash(&spec, &networks), "2359e65c407762c6");
    }

    #[test]
    fn what_is_written_tells_a_list_from_its_parts() {
        let of = |args: &[&str]| {
            let args = args.iter().map(ToString::to_string).collect();
            let spec = ServiceSpec {
                args,
                ..ServiceSpec::default()
            };
            template_hash(&spec, &BTreeSet::new())
        };
        assert_ne!(of(&["a", "b"]), of(&["a\"][\"b"]));
        assert_ne!(of(&["a", "b"]), of(&["ab"]));
    }
}
