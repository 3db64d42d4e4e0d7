//! The proxies of a cluster, task by task: where they run, and which routes they have.

use time::OffsetDateTime;

use super::rows;
use crate::api::ServiceCluster;
use crate::api::status::DeliveryStatus;
use crate::cli::age::age;
use crate::cli::table::Table;
use crate::names::{LABEL_CLUSTER, LABEL_TEMPLATE};
use crate::status::proxies_of;
use crate::world::{Service, Task, World};

/// The proxy tasks that are meant to run, and the last failure of each place that has none.
pub(super) fn proxies(cluster: &ServiceCluster, world: &World, now: OffsetDateTime) -> String {
    let mut table = Table::new(&[
        "PROXY",
        "TASK",
        "NODE",
        "STATE",
        "SINCE",
        "DEFINITION",
        "ROUTES",
        "ANSWER",
        "ERROR",
    ]);
    let services = world.services.values().filter(|service| {
        let labels = &service.spec.labels;
        labels.get(LABEL_CLUSTER) == Some(&cluster.metadata.name)
    });
    for service in services {
        let serving = world.tasks_of(&service.id).filter(|task| task.serves());
        let serving = proxies_of(serving.map(|task| task.id.as_str()));
        // A status of other proxies is of another moment: it says nothing of these, though they
        // may be as many.
        let delivery = cluster.status.as_ref().map(|status| &status.delivery);
        let delivery = delivery.filter(|delivery| delivery.of == serving);
        let mut tasks: Vec<&Task> = world.tasks_of(&service.id).collect();
        tasks.sort_by(|a, b| {
            (a.slot, &a.node, &b.created_at).cmp(&(b.slot, &b.node, &a.created_at))
        });
        tasks.dedup_by_key(|task| (task.slot, task.node.clone()));
        for task in tasks {
            let node = world.nodes.get(&task.node);
            let place = if task.slot > 0 {
                format!("{}.{}", service.spec.name, task.slot)
            } else {
                service.spec.name.clone()
            };
            let (routes, answer) = delivered(delivery, task);
            table.row([
                place,
                task.id.get(..12).unwrap_or(&task.id).to_owned(),
                node.map_or_else(|| task.node.clone(), |node| node.hostname.clone()),
                format!("{:?}", task.state),
                age(&task.state_at, now),
                definition(service, task).to_owned(),
                routes,
                answer,
                task.error.clone(),
            ]);
        }
    }
    rows(&table)
}

/// Whether a task was made of the newest definition of its service: both carry its hash.
fn definition(service: &Service, task: &Task) -> &'static str {
    let newest = service.spec.container_labels.get(LABEL_TEMPLATE);
    match (newest, task.container_labels.get(LABEL_TEMPLATE)) {
        (Some(newest), Some(own)) if newest == own => "current",
        (Some(_), Some(_)) => "old",
        _ => "",
    }
}

/// The version of the routes that a running proxy has, and what it answered to the one in force.
/// Those that have all of it are not listed in the status.
fn delivered(delivery: Option<&DeliveryStatus>, task: &Task) -> (String, String) {
    let unknown = || "unknown".to_owned();
    if !task.serves() {
        return (String::new(), String::new());
    }
    let Some(delivery) = delivery.filter(|one| !one.is_unknown()) else {
        return (unknown(), unknown());
    };
    let Some(behind) = delivery.behind.iter().find(|one| one.task == task.id) else {
        if delivery.more > 0 {
            return (unknown(), unknown());
        }
        return (delivery.version.clone(), "Acknowledged".to_owned());
    };
    let version = if behind.version.is_empty() {
        unknown()
    } else {
        behind.version.clone()
    };
    match behind.message.as_str() {
        "" => (version, behind.state.clone()),
        why => (version, format!("{}: {why}", behind.state)),
    }
}
