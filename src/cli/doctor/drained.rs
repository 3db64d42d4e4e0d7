//! Fewer proxies than wanted because somebody meant it so: a node was drained or paused, or a proxy
//! that is being replaced still finishes its requests. That is worth a word, and no failure while
//! others serve.

use super::{Check, Patient};
use crate::world::{Availability, Declared, Service, Task, TaskState};

/// What keeps proxies of a cluster away on purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Expected {
    /// Whether others serve meanwhile.
    served: bool,
    /// What is the matter.
    found: String,
    /// What to do about it.
    hint: String,
}

impl Expected {
    /// A warning; a failure where nobody is served: what is to be expected is known then, and
    /// clients are without an answer all the same.
    pub(super) fn check(self, area: &'static str, cluster: &str) -> Check {
        let check = if self.served {
            Check::warning(area, cluster, self.found)
        } else {
            Check::failed(area, cluster, self.found)
        };
        check.hint(self.hint)
    }
}

/// Why a cluster has fewer proxies than wanted, when that is to be expected.
pub(super) fn expected(patient: &Patient, declared: &Declared) -> Option<Expected> {
    let world = &patient.view.world;
    let mut own = world.services.values();
    let own = own.find(|service| service.is_proxy_of(&declared.name))?;
    let serving = world.tasks_of(&own.id).filter(|task| task.serves()).count() as u64;
    let lacking = own.desired.saturating_sub(serving);
    let leaving = leaving(patient, own);
    // More lack than leave: the others lack for another reason, which must be seen.
    if (1..=leaving).contains(&lacking) {
        let nobody = if serving == 0 {
            "no proxy serves: "
        } else {
            ""
        };
        return Some(Expected {
            served: serving > 0,
            found: format!("{nobody}a proxy that is being replaced still finishes its requests, and has the port so long"),
            hint: "wait, for spec.proxy.drain.timeout at most; if it stays, see `docker service ps` of the proxy service".into(),
        });
    }
    let aside = set_aside(patient, declared);
    // Without any proxy the cluster serves nobody, whatever the reason.
    if serving == 0 || lacking > aside.len() as u64 {
        return None;
    }
    let names: Vec<&str> = aside.iter().map(|(name, _)| name.as_str()).collect();
    let states: Vec<String> = aside
        .iter()
        .map(|(name, state)| format!("{name} is {state}"))
        .collect();
    Some(Expected {
        served: true,
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

/// How many proxies of the service are on their way out, with their ports still open.
fn leaving(patient: &Patient, own: &Service) -> u64 {
    let leaves = |task: &&Task| task.state == TaskState::Running && !task.serves();
    let all = patient.view.world.tasks_of(&own.id);
    all.filter(leaves).count() as u64
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

#[cfg(test)]
mod tests {
    use super::super::tests::{faults, healthy};
    use super::super::{checks, render};
    use super::*;
    use crate::api::ConditionStatus;
    use crate::api::status::NodeStatus;
    use crate::cli::args::Report;

    /// East wants two proxies on two nodes, and one of them was drained.
    fn with_a_drained_node() -> Patient {
        let mut patient = healthy();
        let world = &mut patient.view.world;
        world.nodes.get_mut("n1").unwrap().availability = Availability::Drain;
        world.services.get_mut("p").unwrap().desired = 2;
        let waiting = Task {
            id: "tq".into(),
            slot: 2,
            node: String::new(),
            state: TaskState::Pending,
            error: "no suitable node (host-mode port already in use on 1 node)".into(),
            ..world.tasks["tp"].clone()
        };
        world.tasks.insert("tq".into(), waiting);
        let status = patient.view.declared.get_mut("east").unwrap();
        let status = status.status.as_mut().unwrap();
        status.conditions[0].status = ConditionStatus::False;
        status.conditions[0].reason = "PortInUse".into();
        status.nodes = ["1", "2"]
            .map(|n| NodeStatus {
                name: format!("node-{n}"),
                id: format!("n{n}"),
                ..NodeStatus::default()
            })
            .into();
        patient
    }

    #[test]
    fn fewer_proxies_for_a_drained_node_are_a_warning_and_none_at_all_a_failure() {
        let mut patient = with_a_drained_node();
        assert_eq!(
            faults(&patient),
            ["ports/east Warning", "clusters/east Warning"]
        );
        let text = render(&checks(&patient), Report::Table).unwrap();
        assert!(
            text.contains("node-1 is drained, so 1 of 2 proxies run"),
            "{text}"
        );
        let world = &mut patient.view.world;
        world.nodes.get_mut("n1").unwrap().availability = Availability::Pause;
        let paused = render(&checks(&patient), Report::Table).unwrap();
        assert!(paused.contains("node-1 is paused"), "{paused}");
        // Two lack, and one node was set aside: the other lacks for another reason.
        patient.view.world.services.get_mut("p").unwrap().desired = 3;
        assert_eq!(
            faults(&patient),
            ["ports/east Failed", "clusters/east Failed"]
        );
        patient.view.world.services.get_mut("p").unwrap().desired = 2;
        patient.view.world.tasks.remove("tp");
        assert_eq!(
            faults(&patient),
            ["ports/east Failed", "clusters/east Failed"]
        );
    }

    /// One more proxy of east, that serves or is on its way out.
    fn add(patient: &mut Patient, id: &str, desired: TaskState) {
        let world = &mut patient.view.world;
        let task = Task {
            id: id.into(),
            desired,
            ..world.tasks["tp"].clone()
        };
        world.tasks.insert(id.into(), task);
    }

    #[test]
    fn a_proxy_that_finishes_its_requests_is_a_warning_while_others_serve() {
        let mut patient = with_a_drained_node();
        let world = &mut patient.view.world;
        world.nodes.get_mut("n1").unwrap().availability = Availability::Active;
        assert_eq!(
            faults(&patient),
            ["ports/east Failed", "clusters/east Failed"]
        );
        add(&mut patient, "leaving", TaskState::Shutdown);
        assert_eq!(
            faults(&patient),
            ["ports/east Warning", "clusters/east Warning"]
        );
        // Two lack, and one leaves: another program has the port of the second.
        patient.view.world.services.get_mut("p").unwrap().desired = 3;
        assert_eq!(
            faults(&patient),
            ["ports/east Failed", "clusters/east Failed"]
        );
        add(&mut patient, "leaving-too", TaskState::Shutdown);
        assert_eq!(
            faults(&patient),
            ["ports/east Warning", "clusters/east Warning"]
        );
    }

    #[test]
    fn a_cluster_that_nobody_serves_is_a_failure_also_while_a_proxy_finishes_its_requests() {
        let mut patient = with_a_drained_node();
        let world = &mut patient.view.world;
        world.services.get_mut("p").unwrap().desired = 1;
        world.tasks.get_mut("tp").unwrap().desired = TaskState::Shutdown;
        assert_eq!(
            faults(&patient),
            ["ports/east Failed", "clusters/east Failed"]
        );
        let text = render(&checks(&patient), Report::Table).unwrap();
        assert!(
            text.contains("no proxy serves: a proxy that is being replaced still finishes"),
            "{text}"
        );
    }
}
