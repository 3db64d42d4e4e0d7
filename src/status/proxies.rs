//! The tasks of a proxy service: counts, and what keeps them from running.

use std::collections::BTreeMap;

use super::ProxyReport;
use super::delivery::delivery;
use crate::api::status::{DeliveryStatus, ProxyCounts};
use crate::names;
use crate::world::{Age, Mode, Service, Task, TaskState, World};

/// What is known of a cluster's proxies.
#[derive(Clone, Debug, Default)]
pub(super) struct Proxies {
    pub counts: ProxyCounts,
    /// How far the routes in force have come.
    pub delivery: DeliveryStatus,
    /// What keeps tasks from running: reason and sentence, most frequent first.
    pub trouble: Option<(&'static str, String)>,
    /// What proxies refused as a whole, without naming a part of it.
    pub refusals: Vec<String>,
    /// Reports of the proxies that run.
    pub reports: Vec<ProxyReport>,
    /// Running proxies that are connected.
    pub connected: u64,
}

/// Looks at the tasks of a service; `template` is the hash that tasks of the newest definition carry.
pub(super) fn proxies(
    world: &World,
    service: &Service,
    template: Option<&str>,
    fleet: &[ProxyReport],
    wanted_version: &str,
) -> Proxies {
    let mut proxies = Proxies::default();
    proxies.counts.desired = match service.spec.mode {
        Mode::Replicated(count) => count,
        Mode::Global | Mode::Job => service.desired,
    };
    let reports: BTreeMap<&str, &ProxyReport> =
        fleet.iter().map(|r| (r.task.as_str(), r)).collect();
    let mut slots: BTreeMap<(u64, &str), Vec<&Task>> = BTreeMap::new();
    let running = world.tasks_of(&service.id).filter(|task| task.serves());
    let running = running.map(|task| (task.id.as_str(), reports.get(task.id.as_str()).copied()));
    proxies.delivery = delivery(running, wanted_version);
    for task in world.tasks_of(&service.id) {
        let node = if task.slot == 0 {
            task.node.as_str()
        } else {
            ""
        };
        slots.entry((task.slot, node)).or_default().push(task);
        if !task.serves() {
            continue;
        }
        proxies.counts.running += 1;
        let hash = task.container_labels.get(names::LABEL_TEMPLATE);
        proxies.counts.updated += u64::from(hash.map(String::as_str) == template);
        if let Some(report) = reports.get(task.id.as_str()) {
            proxies.connected += 1;
            let acked = report.acked.as_deref() == Some(wanted_version);
            // What is refused is told by itself; all the rest is in force.
            let settled = report.settled.as_deref() == Some(wanted_version);
            proxies.counts.programmed += u64::from(acked || settled);
            let whole = report.refused_whole.clone();
            proxies.refusals.extend(whole.filter(|_| !acked));
            proxies.reports.push((*report).clone());
        }
    }
    proxies.refusals.sort();
    proxies.refusals.dedup();
    proxies.trouble = trouble(slots.into_values());
    proxies
}

/// The most frequent error of the places that have no running task.
fn trouble<'a>(slots: impl Iterator<Item = Vec<&'a Task>>) -> Option<(&'static str, String)> {
    let mut errors: BTreeMap<&str, usize> = BTreeMap::new();
    let mut draining = false;
    for mut tasks in slots {
        draining |= tasks
            .iter()
            .any(|task| task.state == TaskState::Running && !task.serves());
        if tasks.iter().any(|task| task.serves()) {
            continue;
        }
        // A task that waits says why it waits; a new one that says nothing yet follows one that
        // said why it failed.
        tasks.sort_by_cached_key(|task| (Age::of(&task.created_at), task.id.clone()));
        let error = tasks
            .iter()
            .rev()
            .take(2)
            .find(|task| !task.error.is_empty());
        if let Some(task) = error {
            *errors.entry(&task.error).or_default() += 1;
        }
    }
    let (error, _) = errors
        .into_iter()
        .max_by_key(|(text, count)| (*count, *text))?;
    let (reason, advice) = match classify(error) {
        ("PortInUse", _) if draining => (
            "ProxyDraining",
            "the proxy before it still finishes its requests there, for spec.proxy.drain.timeout at most",
        ),
        other => other,
    };
    Some((reason, format!("{error}: {advice}")))
}

/// Why Swarm gave up on a definition: the error of the task that it names, else of the newest task
/// made of that definition which has one. Swarm's own sentence says only that it gave up.
pub(super) fn why(world: &World, service: &Service, template: &str) -> Option<String> {
    let said = service.update.as_ref().map_or("", |it| it.message.as_str());
    let named = said.split_whitespace().last().unwrap_or_default();
    let told = |task: &&Task| !task.error.is_empty();
    let tasks = || world.tasks_of(&service.id).filter(told);
    let of_it = |task: &&Task| {
        let hash = task.container_labels.get(names::LABEL_TEMPLATE);
        !template.is_empty() && hash.is_some_and(|hash| hash == template)
    };
    let newest = || {
        let all = tasks().filter(of_it).filter(|task| !task.serves());
        all.max_by_key(|task| (Age::of(&task.created_at), task.id.clone()))
    };
    let task = tasks().find(|task| task.id == named).or_else(newest)?;
    let error = super::faults::cut(task.error.clone());
    Some(match classify(&task.error) {
        // The message that follows says where to look.
        ("TaskFailing", _) => format!("a new proxy failed: {error}"),
        (_, advice) => format!("a new proxy failed: {error}: {advice}"),
    })
}

/// What an error of the engine means, and what to do.
fn classify(error: &str) -> (&'static str, &'static str) {
    let has = |text: &str| error.contains(text);
    if has("host-mode port already in use") {
        (
            "PortInUse",
            "another service, or a proxy of one that was just removed, holds the port on the node: remove it there, or choose other nodes or another spec.proxy.publish port",
        )
    } else if has("address already in use") || has("port is already allocated") {
        (
            "PortInUse",
            "another process holds the port on the node: stop it, or choose another spec.proxy.publish port",
        )
    } else if has("No such image") || has("manifest unknown") || has("not found: manifest") {
        (
            "ImageNotFound",
            "correct spec.proxy.image, or load the image on the node",
        )
    } else if has("max replicas per node") {
        (
            "TooFewNodes",
            "add nodes, or lower spec.proxy.replicas or raise spec.placement.maxReplicasPerNode",
        )
    } else if has("insufficient resources") {
        (
            "InsufficientResources",
            "lower spec.proxy.resources.reservations or add nodes",
        )
    } else if has("missing plugin") {
        (
            "NoSuitableNode",
            "the nodes lack a plugin that the proxies need: correct spec.proxy.logging.driver, or install the log or network driver there",
        )
    } else if has("no suitable node") || has("no longer meets constraints") {
        (
            "NoSuitableNode",
            "label a node to match spec.placement, or correct it (`docker node ls`)",
        )
    } else {
        (
            "TaskFailing",
            "see `docker service ps` and `docker service logs` of the proxy service",
        )
    }
}
