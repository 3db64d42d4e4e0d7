//! The declared service clusters: what the configs of the Swarm say, revision by revision.
//!
//! Any config with label `dev.skep.kind=ServiceCluster` is a revision, whoever made it. A bad
//! revision never hides a good one: the newest valid one stays in force and the faults of the
//! newest are told.

mod claims;
pub(super) mod history;
pub(super) mod revision;

use std::collections::BTreeMap;

use super::{Stored, World};
use crate::api::{Diagnostic, ServiceCluster, Status};
use crate::names;

/// One service cluster as it is declared.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Declared {
    /// Its name.
    pub name: String,
    /// All stored revisions, oldest first; never empty.
    pub revisions: Vec<Revision>,
    /// The newest valid revision, which is the one in force. `None`: no revision is valid.
    pub accepted: Option<Accepted>,
    /// What is wrong with the newest revision; empty when it is the one in force.
    pub faults: Vec<Diagnostic>,
    /// The status of the newest revision that carries one.
    pub status: Option<Status>,
    /// What this cluster asks for and an older one already has.
    pub conflicts: Vec<Conflict>,
}

/// One stored revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revision {
    /// Id of the config that holds it.
    pub config_id: String,
    /// Version of that config, for compare-and-swap.
    pub config_version: u64,
    /// Name of that config.
    pub config_name: String,
    /// Its generation: of its label, and always greater than that of the revision before it.
    pub generation: u64,
    /// When it was stored (RFC 3339 as the engine writes it).
    pub created_at: String,
    /// Labels of the config.
    pub labels: BTreeMap<String, String>,
    /// Whether it is valid.
    pub valid: bool,
    /// Whether it is valid and lets in only what is signed.
    pub guards: bool,
}

/// The revision in force.
#[derive(Clone, Debug, PartialEq)]
pub struct Accepted {
    /// Its generation.
    pub generation: u64,
    /// Its content, checked and with defaults.
    pub cluster: ServiceCluster,
}

/// What only one cluster of a Swarm can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Claim {
    /// `spec.default: true`.
    Default,
    /// The name of the proxy service.
    ServiceName,
}

impl Claim {
    /// The reason in conditions.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Default => "DefaultTaken",
            Self::ServiceName => "ServiceNameTaken",
        }
    }
}

/// A claim that another cluster holds already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// What is claimed.
    pub claim: Claim,
    /// The cluster that has it.
    pub holder: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl Revision {
    /// Who stored it: the manager that it names, or the stack that deployed it; empty when nothing
    /// tells.
    #[must_use]
    pub fn manager(&self) -> String {
        let stack = || {
            let stack = self.labels.get(names::LABEL_STACK)?;
            Some(format!("{}{stack}", names::STACK_MANAGER))
        };
        let named = self.labels.get(names::LABEL_MANAGER).cloned();
        named.or_else(stack).unwrap_or_default()
    }
}

impl Declared {
    /// The newest revision.
    #[must_use]
    pub fn newest(&self) -> Option<&Revision> {
        Stored::newest(self)
    }

    /// Whether it takes the services that name no cluster. At most one declared cluster does.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.accepted
            .as_ref()
            .is_some_and(|accepted| accepted.cluster.spec.default)
            && !self.lost(Claim::Default)
    }

    /// Whether an older cluster holds what this one claims.
    #[must_use]
    pub fn lost(&self, claim: Claim) -> bool {
        self.conflicts.iter().any(|c| c.claim == claim)
    }
}

/// The declared clusters of a world, by name.
#[must_use]
pub fn declared(world: &World) -> BTreeMap<String, Declared> {
    let histories = history::histories(world).into_iter();
    let mut clusters = histories
        .map(|(name, history)| {
            let accepted = history.accepted;
            let declared = Declared {
                name: name.clone(),
                revisions: history.revisions,
                accepted: accepted.map(|(generation, cluster)| Accepted {
                    generation,
                    cluster,
                }),
                faults: history.faults,
                status: history.status,
                conflicts: Vec::new(),
            };
            (name, declared)
        })
        .collect();
    claims::settle(&mut clusters);
    clusters
}

#[cfg(test)]
mod tests;
