//! The status of one cluster.

use super::ProxyReport;
use crate::api::Status;
use crate::plan::Plan;
use crate::route::ClusterRouting;
use crate::world::{Declared, World};

/// What a status is made from.
#[derive(Clone, Copy, Debug)]
pub struct StatusInputs<'a> {
    /// The cluster.
    pub declared: &'a Declared,
    /// Its routes; `None` while no revision is valid.
    pub routing: Option<&'a ClusterRouting>,
    /// What is still to do for it; `None` while no revision is valid.
    pub plan: Option<&'a Plan>,
    /// The observed Swarm.
    pub world: &'a World,
    /// The proxies connected for this cluster.
    pub fleet: &'a [ProxyReport],
    /// The version that proxies should have acknowledged.
    pub wanted_version: &'a str,
    /// The time now (RFC 3339, UTC, seconds).
    pub now: &'a str,
    /// [`Plan::spec_hash`] of a definition sent to the engine in this round; `None`: none was sent.
    pub attempted: Option<&'a str>,
}

/// The status of a cluster. Equal facts, equal status: `now` only shows where a condition changes.
#[must_use]
pub fn status(inputs: &StatusInputs<'_>) -> Status {
    let _ = inputs;
    Status::default()
}
