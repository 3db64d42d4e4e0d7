//! Placement: nodes, the labels that become constraints, preferences.

use super::{Faults, keyed, repeated};
use crate::api::grammar::{self, shortened};
use crate::api::limits::PROXIES_MAX;
use crate::api::service_cluster::{NodeSelector, Placement};

pub(super) fn check(faults: &mut Faults, placement: &Placement) {
    let Placement {
        nodes,
        labels,
        constraints,
        preferences,
        max_replicas_per_node,
    } = placement;
    match nodes {
        Some(NodeSelector::Names(names)) => node_names(faults, names),
        Some(NodeSelector::Match(wanted)) => {
            for key in wanted.match_labels.keys() {
                let path = keyed("spec.placement.nodes.matchLabels", key);
                faults.check(path, grammar::label_key(key));
            }
            if wanted.match_labels.is_empty() {
                let hint = "name at least one label, or leave `nodes` out to label no node";
                faults.add(
                    "spec.placement.nodes.matchLabels",
                    "matches every node",
                    hint,
                );
            }
        }
        None => {}
    }
    if nodes.is_some() && labels.is_empty() {
        let hint = "add `labels` (they pin the proxies there), or use `constraints` alone";
        faults.add(
            "spec.placement.nodes",
            "are to get labels, and no label is given",
            hint,
        );
    }
    faults.labels("spec.placement.labels", labels);
    for (key, value) in labels {
        let path = keyed("spec.placement.labels", key);
        faults.check(path, grammar::constrainable(key, value));
    }
    let twice = repeated(constraints);
    for (n, constraint) in constraints.iter().enumerate() {
        let path = format!("spec.placement.constraints[{n}]");
        let sound = grammar::constrainable(&constraint.key, &constraint.value);
        faults.check(path.as_str(), sound);
        if twice.contains(&n) {
            faults.add(
                path,
                format!("`{constraint}` is listed twice"),
                "keep one of them",
            );
        }
    }
    for (n, preference) in preferences.iter().enumerate() {
        faults.check(
            format!("spec.placement.preferences[{n}]"),
            spread(preference),
        );
    }
    if let Some(most) = max_replicas_per_node.filter(|most| *most > 0) {
        let path = "spec.placement.maxReplicasPerNode";
        faults.within(path, &most, &(1..=PROXIES_MAX));
    }
    if *max_replicas_per_node == Some(0) {
        let hint = "write 1 or more, or leave it out for no limit";
        faults.add(
            "spec.placement.maxReplicasPerNode",
            "0 would let no proxy run",
            hint,
        );
    }
}

fn node_names(faults: &mut Faults, names: &[String]) {
    if names.is_empty() {
        let hint = "name the nodes, or leave `nodes` out to label none";
        faults.add("spec.placement.nodes", "the list is empty", hint);
    }
    let twice = repeated(names);
    for (n, name) in names.iter().enumerate() {
        let path = format!("spec.placement.nodes[{n}]");
        let strange = |c: char| c.is_whitespace() || c.is_control();
        if name.is_empty() || name.len() > 253 || name.contains(strange) {
            let message = format!("`{}` is not the name or id of a node", shortened(name));
            faults.add(path, message, "`docker node ls` shows them");
        } else if twice.contains(&n) {
            faults.add(
                path,
                format!("`{name}` is listed twice"),
                "keep one of them",
            );
        }
    }
}

/// Checks a preference: `spread=node.labels.zone`.
fn spread(text: &str) -> Result<(), String> {
    let good = text
        .strip_prefix("spread=")
        .and_then(|key| {
            key.strip_prefix("node.labels.")
                .or_else(|| key.strip_prefix("engine.labels."))
        })
        .is_some_and(|label| grammar::label_key(label).is_ok());
    if good {
        return Ok(());
    }
    Err(format!(
        "`{}` is not a preference: write spread=node.labels.NAME",
        shortened(text)
    ))
}
