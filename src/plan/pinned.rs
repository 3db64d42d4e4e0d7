//! A placement label gets another value: the proxies keep their nodes meanwhile.
//!
//! A node has one value of a label, and Swarm stops tasks at once whose node does not fit the
//! definition of now. So the definition is first freed from the label and pinned to the nodes that
//! have the old value; then they get the new one, and the definition asks for it. Running tasks fit
//! all three, and Swarm restarts none for a placement that they fit. What is to be done next is
//! read from what is there, so a stop in between costs nothing.

use std::collections::BTreeSet;

use crate::world::{Service, ServiceSpec, World};

/// A label that places proxies by a value that is to be another: its key and the old value.
pub(super) type Changing = BTreeSet<(String, String)>;

/// The constraint that a label implies.
pub(super) fn constraint(key: &str, value: &str) -> String {
    format!("node.labels.{key}=={value}")
}

/// A constraint without the spaces that people write in it.
pub(super) fn plain(constraint: &str) -> String {
    constraint.split_whitespace().collect()
}

/// The definition that runs, with its nodes told by what they are not, for Swarm knows no "one of
/// these".
pub(super) fn pinned(observed: &Service, changing: &Changing, world: &World) -> ServiceSpec {
    let old: BTreeSet<String> = changing.iter().map(|(k, v)| constraint(k, v)).collect();
    let mut spec = observed.spec.clone();
    let constraints = &mut spec.placement.constraints;
    constraints.retain(|it| !old.contains(&plain(it)));
    let others = world.nodes.values().filter(|node| {
        changing.iter().any(|(key, old)| {
            let value = node.labels.get(key);
            // Swarm compares without regard to case.
            !value.is_some_and(|value| value.eq_ignore_ascii_case(old))
        })
    });
    constraints.extend(others.map(|node| format!("node.id!={}", node.id)));
    spec
}
