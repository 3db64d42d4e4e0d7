//! `skep wait`: until a condition holds, or until nothing is left.

use std::fmt;
use std::str::FromStr;

use crate::api::{ConditionStatus, ConditionType, ServiceCluster};

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
            Self::Delete => f.write_str("deleted"),
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

#[cfg(test)]
mod tests {
    use super::*;

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
