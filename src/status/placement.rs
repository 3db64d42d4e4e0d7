//! The nodes of a cluster.

use crate::api::Constraint;
use crate::api::service_cluster::Placement;
use crate::api::status::NodeStatus;
use crate::plan::{allows, constraints, selects};
use crate::world::{Availability, Node, World};

/// The nodes that a placement means.
#[derive(Clone, Debug, Default)]
pub(super) struct Nodes {
    /// The selected nodes, or all that match when none are selected; in order of host name.
    pub listed: Vec<NodeStatus>,
    /// Nodes that match all constraints and take tasks.
    pub usable: u64,
}

/// Finds the nodes of a placement.
pub(super) fn nodes(world: &World, placement: &Placement) -> Nodes {
    let constraints: Vec<Constraint> = constraints(placement)
        .iter()
        .filter_map(|text| text.parse().ok())
        .collect();
    let mut nodes = Nodes::default();
    for node in world.nodes.values() {
        let missing = constraints.iter().find(|c| !allows(c, node, &node.labels));
        let why = why_not(node, missing);
        nodes.usable += u64::from(why.is_empty());
        let listed = match &placement.nodes {
            Some(selector) => selects(selector, node),
            None => missing.is_none(),
        };
        if listed {
            nodes.listed.push(NodeStatus {
                name: node.hostname.clone(),
                id: node.id.clone(),
                ready: why.is_empty(),
                message: why,
            });
        }
    }
    nodes
        .listed
        .sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
    nodes
}

/// Why a node takes no proxy; empty when it does.
fn why_not(node: &Node, missing: Option<&Constraint>) -> String {
    if !node.ready {
        return "the node is down".to_owned();
    }
    match node.availability {
        Availability::Active => missing.map_or_else(String::new, |constraint| {
            format!("the node does not satisfy {constraint}")
        }),
        Availability::Pause => "the node is paused".to_owned(),
        Availability::Drain => "the node is drained".to_owned(),
    }
}
