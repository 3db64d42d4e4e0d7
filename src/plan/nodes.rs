//! Node labels: set where declared, taken back where not, never fought over with people.
//!
//! What a cluster has set on a node is recorded there, in `dev.skep.owned.CLUSTER`, in the same
//! write. Only what the record names, and still has the recorded value, is ever taken back, and
//! not while the proxies that run were placed by it: Swarm would stop them at once, and a
//! rollback would find no node. The same holds for another value ([`super::pinned`]).

use std::collections::{BTreeMap, BTreeSet};

use super::pinned::{Changing, constraint, plain};
use super::{Blocker, PlanInputs, Step, proxy_service};
use crate::api::service_cluster::NodeSelector;
use crate::api::{ConditionType, StringMap};
use crate::names;
use crate::world::{Node, UpdateState, World};

/// What is to be done on the nodes.
#[derive(Clone, Debug, Default)]
pub(super) struct Nodes {
    /// One step for each node that changes, in order of node id.
    pub steps: Vec<Step>,
    /// Nodes that are not there and labels of other people.
    pub blockers: Vec<Blocker>,
    /// The labels of all nodes once the steps are done, by node id.
    pub labels: BTreeMap<String, StringMap>,
    /// Labels that keep their value until the proxies are placed without them.
    pub changing: Changing,
}

/// Plans the labels of all nodes.
pub(super) fn nodes(inputs: &PlanInputs<'_>) -> Nodes {
    let placement = &inputs.cluster.spec.placement;
    let mut nodes = Nodes::default();
    nodes.blockers.extend(absent(inputs));
    let nothing = StringMap::new();
    let bound = Bound::of(inputs);
    for (id, node) in &inputs.world.nodes {
        let selected = (placement.nodes.as_ref()).is_some_and(|selector| selects(selector, node));
        let wanted = if selected {
            &placement.labels
        } else {
            &nothing
        };
        let labels = relabel(inputs.name, node, wanted, &bound, &mut nodes);
        nodes.steps.extend(step(node, &labels));
        nodes.labels.insert(id.clone(), labels);
    }
    nodes.blockers.sort();
    nodes.blockers.dedup();
    nodes
}

/// The labels that place the proxies that run, though the manifest places by them no more.
struct Bound {
    declared: BTreeSet<String>,
    observed: BTreeSet<String>,
    /// An update is under way or was stopped: Swarm may go back to what it had before.
    unsettled: bool,
}

impl Bound {
    fn of(inputs: &PlanInputs<'_>) -> Self {
        let plain = |text: &String| plain(text);
        let declared = proxy_service::constraints(&inputs.cluster.spec.placement);
        let services = inputs.world.services.values();
        let services = services.filter(|service| service.is_proxy_of(inputs.name));
        let (mut observed, mut unsettled) = (BTreeSet::new(), false);
        for service in services {
            observed.extend(service.spec.placement.constraints.iter().map(plain));
            let update = service.update.as_ref().map(|update| update.state);
            unsettled |= update.is_some_and(|state| {
                !matches!(
                    state,
                    UpdateState::Completed | UpdateState::RollbackCompleted
                )
            });
        }
        Self {
            declared: declared.iter().map(plain).collect(),
            observed,
            unsettled,
        }
    }

    /// Whether the definition that runs asks for a label.
    fn places_by(&self, key: &str, value: &str) -> bool {
        self.observed.contains(&constraint(key, value))
    }

    /// Whether a label must stay for now.
    fn holds(&self, key: &str, value: &str) -> bool {
        let constraint = constraint(key, value);
        !self.declared.contains(&constraint)
            && (self.unsettled || self.observed.contains(&constraint))
    }
}

/// Whether a selector means a node.
pub(crate) fn selects(selector: &NodeSelector, node: &Node) -> bool {
    match selector {
        NodeSelector::Names(names) => names.iter().any(|name| is_called(node, name)),
        NodeSelector::Match(wanted) => {
            let mut labels = wanted.match_labels.iter();
            labels.all(|(key, value)| node.labels.get(key) == Some(value))
        }
    }
}

fn is_called(node: &Node, name: &str) -> bool {
    node.id == name || node.hostname.eq_ignore_ascii_case(name)
}

/// Names and selectors that mean no node.
fn absent(inputs: &PlanInputs<'_>) -> Vec<Blocker> {
    let blocker = |message: String| Blocker {
        condition: ConditionType::NodesReady,
        reason: "NodeNotFound".to_owned(),
        message,
    };
    let nodes = &inputs.world.nodes;
    match &inputs.cluster.spec.placement.nodes {
        None => Vec::new(),
        Some(NodeSelector::Names(names)) => names
            .iter()
            .filter(|name| !nodes.values().any(|node| is_called(node, name)))
            .map(|name| {
                blocker(format!(
                    "there is no node {name}: correct spec.placement.nodes (`docker node ls` shows the names) or join the node"
                ))
            })
            .collect(),
        Some(selector @ NodeSelector::Match(wanted)) => {
            if nodes.values().any(|node| selects(selector, node)) {
                return Vec::new();
            }
            let labels = wanted.match_labels.iter();
            let labels: Vec<String> = labels.map(|(k, v)| format!("{k}={v}")).collect();
            vec![blocker(format!(
                "no node carries {}: label one with `docker node update --label-add` or correct spec.placement.nodes",
                labels.join(", ")
            ))]
        }
    }
}

/// The labels a node should have for one cluster's sake.
fn relabel(
    cluster: &str,
    node: &Node,
    wanted: &StringMap,
    bound: &Bound,
    nodes: &mut Nodes,
) -> StringMap {
    let record = names::owned_label(cluster);
    let owned = owned(node, &record);
    let mut labels = node.labels.clone();
    let mut now_owned = StringMap::new();
    for (key, value) in wanted {
        let ours = owned.get(key);
        let other = |value: &str| co_owner(node, &record, key, value);
        match node.labels.get(key) {
            None => {
                labels.insert(key.clone(), value.clone());
                now_owned.insert(key.clone(), value.clone());
            }
            Some(current) if current == value => {
                if ours == Some(value) || other(value).is_some() {
                    now_owned.insert(key.clone(), value.clone());
                }
            }
            Some(current) if ours == Some(current) && other(current).is_none() => {
                if bound.places_by(key, current) {
                    now_owned.insert(key.clone(), current.clone());
                    nodes.changing.insert((key.clone(), current.clone()));
                    continue;
                }
                labels.insert(key.clone(), value.clone());
                now_owned.insert(key.clone(), value.clone());
            }
            Some(current) => {
                // What we once set there stays on record: when the value comes back, it is ours.
                now_owned.extend(ours.map(|value| (key.clone(), value.clone())));
                nodes
                    .blockers
                    .push(conflict(node, key, value, current, other(current)));
            }
        }
    }
    for (key, value) in &owned {
        let still_ours = labels.get(key) == Some(value);
        if wanted.contains_key(key) || !still_ours || co_owner(node, &record, key, value).is_some()
        {
            continue;
        }
        if bound.holds(key, value) {
            now_owned.insert(key.clone(), value.clone());
        } else {
            labels.remove(key);
        }
    }
    write_record(&mut labels, &record, &now_owned);
    labels
}

fn conflict(node: &Node, key: &str, wanted: &str, current: &str, other: Option<&str>) -> Blocker {
    let by = other.map_or_else(String::new, |cluster| {
        format!(" (set by service cluster {cluster})")
    });
    Blocker {
        condition: ConditionType::NodesReady,
        reason: "LabelConflict".to_owned(),
        message: format!(
            "node {} carries {key}={current}{by}, wanted is {wanted}: correct spec.placement.labels, or remove the label with `docker node update --label-rm {key} {}`",
            node.hostname, node.hostname
        ),
    }
}

/// What a record on a node names. A record that cannot be read names nothing.
pub(super) fn owned(node: &Node, record: &str) -> StringMap {
    let text = node.labels.get(record);
    text.and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}

/// Another cluster that has set the same label to the same value there.
fn co_owner<'a>(node: &'a Node, record: &str, key: &str, value: &str) -> Option<&'a str> {
    let records = node.labels.keys().filter(|label| *label != record);
    records
        .filter_map(|label| Some((label, label.strip_prefix(names::OWNED_PREFIX)?)))
        .find(|(label, _)| owned(node, label).get(key).is_some_and(|v| v == value))
        .map(|(_, cluster)| cluster)
}

fn write_record(labels: &mut StringMap, record: &str, owned: &StringMap) {
    if owned.is_empty() {
        labels.remove(record);
    } else {
        let entries = owned.iter().map(|(k, v)| (k.clone(), v.clone().into()));
        let json = serde_json::Value::Object(entries.collect());
        labels.insert(record.to_owned(), json.to_string());
    }
}

/// The step to new labels; `None` when they are there.
pub(super) fn step(node: &Node, labels: &StringMap) -> Option<Step> {
    (node.labels != *labels).then(|| Step::LabelNode {
        id: node.id.clone(),
        hostname: node.hostname.clone(),
        version: node.version,
        labels: labels.clone(),
    })
}

/// Takes back what clusters have set that are not `live` any more.
pub(super) fn sweep(world: &World, live: &dyn Fn(&str) -> bool) -> Vec<Step> {
    let mut steps = Vec::new();
    for node in world.nodes.values() {
        let mut labels = node.labels.clone();
        let (alive, dead): (Vec<&str>, Vec<&str>) = node
            .labels
            .keys()
            .map(String::as_str)
            .filter(|label| label.starts_with(names::OWNED_PREFIX))
            .partition(|label| live(&label[names::OWNED_PREFIX.len()..]));
        for record in dead {
            labels.remove(record);
            for (key, value) in owned(node, record) {
                let shared = alive
                    .iter()
                    .any(|r| owned(node, r).get(&key) == Some(&value));
                if !shared && labels.get(&key) == Some(&value) {
                    labels.remove(&key);
                }
            }
        }
        steps.extend(step(node, &labels));
    }
    steps
}
