//! The plan for one cluster.

use super::{Plan, PlanInputs};

/// The steps that bring the Swarm to what the cluster declares. Empty when it is there.
#[must_use]
pub fn plan(inputs: &PlanInputs<'_>) -> Plan {
    let _ = inputs;
    Plan::default()
}
