//! Whether an operator that was just made or changed runs, and why not.

use std::collections::BTreeSet;

use super::plan::installed;
use crate::cli::error::{CliError, Result};
use crate::cli::session::{Progress, View};
use crate::world::{Mode, Service, Task, TaskState, UpdateState};

/// So many tasks may fail before it is given up: a start may fail once while a node gets its
/// networks ready.
const PATIENCE: usize = 3;

/// `before`: the tasks from before the change. `renewed`: only later ones count.
pub fn operator(view: &View, before: &BTreeSet<String>, renewed: bool) -> Result<Progress<()>> {
    let Some(service) = installed(&view.world) else {
        return Ok(Progress::Waiting(
            "the operator service is not there".into(),
        ));
    };
    if let Some(update) = &service.update
        && renewed
        && !matches!(update.state, UpdateState::Updating | UpdateState::Completed)
    {
        let tasks = view.world.tasks_of(&service.id);
        let mut new = tasks.filter(|task| !before.contains(&task.id));
        let why = match new.find(|task| missing_image(&task.error)) {
            Some(task) => {
                let node = view.world.nodes.get(&task.node);
                let node = node.map_or(task.node.as_str(), |node| &node.hostname);
                format!("node {node} cannot get the image: {}", task.error)
            }
            None => format!("`docker service ps {}` shows why", service.spec.name),
        };
        return Err(CliError::Failed(format!(
            "Swarm took the update of {} back: {}; {why}",
            service.spec.name, update.message
        )));
    }
    let wanted = match service.spec.mode {
        Mode::Replicated(replicas) => replicas,
        Mode::Global | Mode::Job => service.desired,
    };
    let tasks: Vec<&Task> = view.world.tasks_of(&service.id).collect();
    let new = |task: &&&Task| !before.contains(&task.id);
    let running = tasks
        .iter()
        .filter(|task| task.serves() && (!renewed || new(task)))
        .count();
    if running as u64 >= wanted {
        return Ok(Progress::Done(()));
    }
    let failed: Vec<&&Task> = tasks
        .iter()
        .filter(new)
        .filter(|t| matches!(t.state, TaskState::Failed | TaskState::Rejected))
        .collect();
    let no_image = failed.iter().find(|task| missing_image(&task.error));
    if let Some(task) = no_image {
        return Err(no_image_error(service, task, view));
    }
    if failed.len() >= PATIENCE {
        let newest = failed.iter().max_by_key(|task| &task.created_at);
        let error = newest.map_or("", |task| &task.error);
        return Err(CliError::Failed(format!(
            "the operator does not start: {error}; `docker service logs {}` says more",
            service.spec.name
        )));
    }
    let pending = tasks
        .iter()
        .find(|t| t.state < TaskState::Running && !t.error.is_empty());
    let why = pending
        .map(|t| format!(": {}", t.error))
        .unwrap_or_default();
    Ok(Progress::Waiting(format!(
        "{running} of {wanted} operators run{why}"
    )))
}

/// Whether a task's error means that its node cannot get the image.
fn missing_image(error: &str) -> bool {
    ["No such image", "pull access denied", "manifest unknown"]
        .iter()
        .any(|words| error.contains(words))
}

fn no_image_error(service: &Service, task: &Task, view: &View) -> CliError {
    let node = view.world.nodes.get(&task.node);
    let node = node.map_or(task.node.as_str(), |node| &node.hostname);
    CliError::Failed(format!(
        "node {node} cannot get image {}: {}; push it to a registry that all nodes reach, or `docker load` it on each node, or name another with `skep install --image IMAGE`",
        service.spec.image, task.error
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::install::spec;
    use crate::world::{UpdateStatus, World};

    fn view(tasks: &[(&str, TaskState, &str)]) -> View {
        let mut world = World::default();
        let service = Service {
            id: "o".into(),
            spec: spec::operator("x:1", 1),
            ..Service::default()
        };
        world.services.insert("o".into(), service);
        for (id, state, error) in tasks {
            let task = Task {
                id: (*id).into(),
                service: "o".into(),
                state: *state,
                desired: TaskState::Running,
                error: (*error).into(),
                ..Task::default()
            };
            world.tasks.insert(task.id.clone(), task);
        }
        View {
            world,
            ..View::default()
        }
    }

    fn old() -> BTreeSet<String> {
        BTreeSet::from(["old".to_owned()])
    }

    #[test]
    fn an_operator_that_runs_is_enough_unless_it_was_to_be_renewed() {
        let view = view(&[("old", TaskState::Running, "")]);
        assert_eq!(operator(&view, &old(), false).unwrap(), Progress::Done(()));
        let waiting = operator(&view, &old(), true).unwrap();
        assert_eq!(waiting, Progress::Waiting("0 of 1 operators run".into()));
    }

    #[test]
    fn a_missing_image_is_told_at_once_with_what_to_do() {
        let view = view(&[("t1", TaskState::Rejected, "No such image: x:1")]);
        let error = operator(&view, &old(), false).unwrap_err().to_string();
        assert!(error.contains("cannot get image x:1"), "{error}");
        assert!(error.contains("docker load"), "{error}");
    }

    #[test]
    fn failures_of_the_past_do_not_count() {
        let view = view(&[("old", TaskState::Failed, "boom")]);
        assert!(operator(&view, &old(), false).is_ok());
    }

    #[test]
    fn an_operator_that_keeps_failing_is_given_up() {
        let failed = TaskState::Failed;
        let view = view(&[
            ("a", failed, "boom"),
            ("b", failed, "boom"),
            ("c", failed, "boom"),
        ]);
        let error = operator(&view, &old(), false).unwrap_err().to_string();
        assert!(error.contains("does not start: boom"), "{error}");
    }

    #[test]
    fn a_rollback_of_swarm_is_a_failure() {
        let mut view = view(&[("old", TaskState::Running, "")]);
        let service = view.world.services.get_mut("o").unwrap();
        service.update = Some(UpdateStatus {
            state: UpdateState::RollbackStarted,
            message: "update rolled back".into(),
        });
        assert!(operator(&view, &old(), true).is_err());
    }
}
