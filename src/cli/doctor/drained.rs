//! Fewer proxies than wanted because somebody meant it so: a node was drained or paused, or a proxy
//! that is being replaced still finishes its requests. That is worth a word, and no failure.

use super::Patient;
use crate::world::{Availability, Declared, Service, Task, TaskState};

/// What keeps proxies of a cluster away on purpose, while others still serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Expected {
    /// What is the matter.
    pub found: String,
    /// What to do about it.
    pub hint: String,
}

/// Why a cluster has fewer proxies than wanted, when that is to be expected.
pub(super) fn expected(patient: &Patient, declared: &Declared) -> Option<Expected> {
    let world = &patient.view.world;
    let mut own = world.services.values();
    let own = own.find(|service| service.is_proxy_of(&declared.name))?;
    if finishing(patient, own) {
        return Some(Expected {
            found: "a proxy that is being replaced still finishes its requests, and has the port so long".into(),
            hint: "wait, for spec.proxy.drain.timeout at most; if it stays, see `docker service ps` of the proxy service".into(),
        });
    }
    // Without any proxy the cluster serves nobody, whatever the reason.
    let serving = world.tasks_of(&own.id).filter(|task| task.serves()).count() as u64;
    let aside = set_aside(patient, declared);
    let lacking = own.desired.saturating_sub(serving);
    if serving == 0 || lacking > aside.len() as u64 {
        return None;
    }
    let names: Vec<&str> = aside.iter().map(|(name, _)| name.as_str()).collect();
    let states: Vec<String> = aside
        .iter()
        .map(|(name, state)| format!("{name} is {state}"))
        .collect();
    Some(Expected {
        found: format!(
            "{}, so {serving} of {} proxies run, as is to be expected",
            states.join(", "),
            own.desired
        ),
        hint: format!(
            "`docker node update --availability active {}` when the work there is done",
            names.join(" ")
        ),
    })
}

/// Whether a proxy of the service is on its way out, with its port still open.
fn finishing(patient: &Patient, own: &Service) -> bool {
    let leaves = |task: &Task| task.state == TaskState::Running && !task.serves();
    patient.view.world.tasks_of(&own.id).any(leaves)
}

/// The nodes of a cluster that are drained or paused, by name.
fn set_aside(patient: &Patient, declared: &Declared) -> Vec<(String, &'static str)> {
    let nodes = declared.status.iter().flat_map(|status| &status.nodes);
    nodes
        .filter_map(|node| {
            let state = match patient.view.world.nodes.get(&node.id)?.availability {
                Availability::Active => return None,
                Availability::Pause => "paused",
                Availability::Drain => "drained",
            };
            Some((node.name.clone(), state))
        })
        .collect()
}
