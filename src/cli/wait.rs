//! `skep wait`: until a condition holds, or until nothing is left.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::error::{CliError, Result as CliResult};
use super::session::{Progress, Session, View};
use super::view::{missing, resource};
use crate::api::{ConditionStatus, ConditionType, ServiceCluster};
use crate::names;
use crate::world::{TaskState, World};

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// A condition of the newest generation has this status.
    Condition(ConditionType, ConditionStatus),
    /// The service cluster and all that was made for it are gone.
    Delete,
}

const TYPES: [ConditionType; 6] = [
    ConditionType::Accepted,
    ConditionType::NetworksReady,
    ConditionType::NodesReady,
    ConditionType::ProxyReady,
    ConditionType::Programmed,
    ConditionType::Ready,
];

const STATUSES: [ConditionStatus; 3] = [
    ConditionStatus::True,
    ConditionStatus::False,
    ConditionStatus::Unknown,
];

impl FromStr for Goal {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("delete") {
            return Ok(Self::Delete);
        }
        let rest = text
            .strip_prefix("condition=")
            .ok_or_else(|| "write condition=Ready, condition=Ready=False or delete".to_owned())?;
        let (kind, status) = rest.split_once('=').unwrap_or((rest, "True"));
        let kind = *TYPES
            .iter()
            .find(|known| format!("{known:?}").eq_ignore_ascii_case(kind))
            .ok_or_else(|| format!("there is no condition `{kind}`: it is one of {TYPES:?}"))?;
        let status = *STATUSES
            .iter()
            .find(|known| format!("{known:?}").eq_ignore_ascii_case(status))
            .ok_or_else(|| format!("`{status}` is none of True, False, Unknown"))?;
        Ok(Self::Condition(kind, status))
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Condition(kind, ConditionStatus::True) => write!(f, "{kind:?}"),
            Self::Condition(kind, status) => write!(f, "{kind:?}={status:?}"),
            Self::Delete => f.write_str("is gone"),
        }
    }
}

/// Whether a resource fulfils a condition. What the status says of an older generation does not
/// count: the operator has not looked at the newest yet.
#[must_use]
pub fn holds(cluster: &ServiceCluster, kind: ConditionType, status: ConditionStatus) -> bool {
    let newest = cluster.metadata.generation.unwrap_or_default();
    condition(cluster, kind).map_or(status == ConditionStatus::Unknown, |condition| {
        condition.observed_generation >= newest && condition.status == status
    })
}

/// A condition of a resource, when its status has it.
#[must_use]
pub fn condition(cluster: &ServiceCluster, kind: ConditionType) -> Option<&crate::api::Condition> {
    let status = cluster.status.as_ref()?;
    status.conditions.iter().find(|c| c.kind == kind)
}

/// Why a condition will not come true by itself: Swarm gave up on the proxies, the engine does not
/// take their definition, or the newest
/// revision is not valid. Only another manifest mends that.
#[must_use]
pub fn failed(cluster: &ServiceCluster, goal: ConditionType) -> Option<String> {
    let newest = cluster.metadata.generation.unwrap_or_default();
    let conditions = cluster.status.iter().flat_map(|status| &status.conditions);
    let mut conditions = conditions.filter(|c| c.observed_generation >= newest);
    let needs_proxies = matches!(goal, ConditionType::ProxyReady | ConditionType::Ready);
    let failed = conditions.find(|c| {
        let gave_up = GAVE_UP.contains(&c.reason.as_str()) && needs_proxies;
        let invalid = c.kind == ConditionType::Accepted && c.status == ConditionStatus::False;
        c.status == ConditionStatus::False && (gave_up || invalid)
    })?;
    Some(format!(
        "{:?} is False ({}): {}",
        failed.kind, failed.reason, failed.message
    ))
}

/// Reasons of `ProxyReady` after which Swarm does nothing more.
const GAVE_UP: [&str; 3] = ["RolledBack", "UpdatePaused", crate::status::ENGINE_REFUSED];

/// Waits until all of the clusters are there, and says so of each.
pub async fn run(
    session: &Session,
    clusters: &[String],
    goal: Goal,
    timeout: Duration,
) -> CliResult {
    session
        .until(timeout, |view| {
            if let Goal::Condition(..) = goal {
                missing(&view.declared, clusters)?;
            }
            if let Goal::Condition(kind, ConditionStatus::True) = goal {
                let reason = |name: &String| {
                    let reason = failed(&resource(view.declared.get(name)?), kind)?;
                    Some(format!("servicecluster/{name}: {reason}"))
                };
                let failed: Vec<String> = clusters.iter().filter_map(reason).collect();
                if !failed.is_empty() {
                    return Err(CliError::Failed(failed.join("\n")));
                }
            }
            let waiting: Vec<String> = clusters
                .iter()
                .filter_map(|name| lacking(view, name, goal))
                .collect();
            Ok(if waiting.is_empty() {
                Progress::Done(())
            } else {
                Progress::Waiting(brief(&waiting))
            })
        })
        .await?;
    let said = match goal {
        Goal::Condition(..) => format!("condition {goal} met"),
        Goal::Delete => goal.to_string(),
    };
    for name in clusters {
        session
            .terminal
            .done(&format!("servicecluster/{name} {said}"))?;
    }
    Ok(())
}

/// The first few of many.
fn brief(waiting: &[String]) -> String {
    const SHOWN: usize = 3;
    let shown = waiting[..waiting.len().min(SHOWN)].join("; ");
    match waiting.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown}; and {more} more"),
    }
}

/// What a cluster still lacks; `None` when the goal is reached.
fn lacking(view: &View, name: &str, goal: Goal) -> Option<String> {
    match goal {
        Goal::Delete => {
            let mut left = remains(&view.world, name);
            if view.declared.contains_key(name) {
                left.insert(0, "it is still declared".to_owned());
            }
            (!left.is_empty()).then(|| format!("servicecluster/{name}: {}", left.join(", ")))
        }
        Goal::Condition(kind, status) => {
            let cluster = resource(view.declared.get(name)?);
            if holds(&cluster, kind, status) {
                return None;
            }
            let newest = cluster.metadata.generation.unwrap_or_default();
            let state = match condition(&cluster, kind) {
                Some(now) if now.observed_generation >= newest => {
                    format!(
                        "{kind:?} is {:?} ({}): {}",
                        now.status, now.reason, now.message
                    )
                }
                _ => format!(
                    "the operator has not looked at generation {newest} yet; is it running? (`skep version`)"
                ),
            };
            Some(format!("servicecluster/{name}: {state}"))
        }
    }
}

/// What was made for a cluster and is still there. A network that services of others use is not
/// counted: it stays as long as they do.
#[must_use]
pub fn remains(world: &World, cluster: &str) -> Vec<String> {
    let owned = |labels: &crate::api::StringMap| {
        labels.get(names::LABEL_CLUSTER).map(String::as_str) == Some(cluster)
    };
    let services = world.services.values();
    let services = services.filter(|service| owned(&service.spec.labels));
    let networks = world.networks.values();
    let networks =
        networks.filter(|network| owned(&network.labels) && !used_by_others(world, &network.id));
    let proxies = world.tasks.values().filter(|task| {
        owned(&task.container_labels)
            && (TaskState::Assigned..=TaskState::Running).contains(&task.state)
            && world.nodes.get(&task.node).is_some_and(|node| node.ready)
    });
    let proxies = proxies.count();
    let label = names::owned_label(cluster);
    let nodes = world.nodes.values();
    let nodes = nodes.filter(|node| node.labels.contains_key(&label));
    services
        .map(|service| format!("service {} is there", service.spec.name))
        .chain((proxies > 0).then(|| format!("{proxies} proxies still stop")))
        .chain(networks.map(|network| format!("network {} is there", network.name)))
        .chain(nodes.map(|node| format!("node {} carries its labels", node.hostname)))
        .collect()
}

/// Whether a service that Skep did not make is attached to a network.
#[must_use]
pub fn used_by_others(world: &World, network: &str) -> bool {
    world.services.values().any(|service| {
        service
            .spec
            .labels
            .get(names::LABEL_MANAGED_BY)
            .map(String::as_str)
            != Some(names::MANAGED_BY)
            && service.spec.networks.iter().any(|n| n.target == network)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::get::tests::east;

    #[test]
    fn a_condition_of_an_older_generation_does_not_count() {
        let mut cluster = east();
        let ready = (ConditionType::Ready, ConditionStatus::True);
        assert!(holds(&cluster, ready.0, ready.1));
        cluster.metadata.generation = Some(4);
        assert!(!holds(&cluster, ready.0, ready.1));
        cluster.status = None;
        assert!(!holds(&cluster, ready.0, ready.1));
    }

    #[test]
    fn goals_are_read_as_kubectl_reads_them() {
        let goal = |text: &str| text.parse::<Goal>();
        let ready = |status| Ok(Goal::Condition(ConditionType::Ready, status));
        assert_eq!(goal("condition=Ready"), ready(ConditionStatus::True));
        assert_eq!(goal("condition=ready=false"), ready(ConditionStatus::False));
        assert_eq!(goal("delete"), Ok(Goal::Delete));
        assert!(goal("condition=Reddy").unwrap_err().contains("Programmed"));
        assert!(goal("condition=Ready=maybe").is_err());
        assert!(goal("ready").is_err());
    }
}
