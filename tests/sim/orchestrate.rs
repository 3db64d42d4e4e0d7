//! Services: how many tasks, where, rolling updates and rollbacks.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{State, Task, Timer};

impl State {
    pub(super) fn spec(&self, service: &str) -> Value {
        self.find("services", service)
            .map(|s| s.spec.clone())
            .unwrap_or_default()
    }

    /// One step towards what the service should be; called after everything that touches it.
    pub(super) fn reconcile(&mut self, id: &str) {
        let Some(service) = self.find("services", id).cloned() else {
            return;
        };
        let wanted = self.wanted(&service.spec);
        let mut live: BTreeSet<(u64, String)> = BTreeSet::new();
        for task_id in self.ids_of(id) {
            let task = &self.tasks[&task_id];
            if !task.live() {
                continue;
            }
            let place = place(task);
            if wanted.contains(&place) {
                live.insert(place);
            } else {
                self.stop(&task_id, "remove");
            }
        }
        let dirty = self.dirty_tasks(id);
        let paused = service.extra["UpdateStatus"]["State"] == "paused";
        if !dirty.is_empty() && !paused {
            self.roll(id, &service.spec, &dirty);
        }
        for (slot, node) in wanted {
            let waiting = self.ids_of(id).iter().any(|t| {
                let task = &self.tasks[t];
                place(task) == (slot, node.clone())
                    && task.desired == "shutdown"
                    && self.holds(task)
            });
            let covered = live.contains(&(slot, node.clone()));
            let cooling = self.cooling.contains(id);
            if !covered && !waiting && !cooling {
                self.new_task(id, slot, &node);
            }
        }
    }

    /// Slots of a replicated service, nodes of a global one.
    fn wanted(&self, spec: &Value) -> BTreeSet<(u64, String)> {
        if spec["Mode"]["Global"].is_object() {
            let nodes = self.objects.get("nodes").into_iter().flat_map(|m| m.keys());
            return nodes
                .filter(|id| self.fits(&spec["TaskTemplate"], id))
                .map(|id| (0, id.clone()))
                .collect();
        }
        let replicas = spec["Mode"]["Replicated"]["Replicas"].as_u64().unwrap_or(1);
        (1..=replicas).map(|slot| (slot, String::new())).collect()
    }

    /// Live tasks of an older template. A changed placement that the node still meets, and what
    /// is outside the template, restarts nothing.
    pub(super) fn dirty_tasks(&self, id: &str) -> Vec<String> {
        let spec = self.spec(id);
        let plain = |template: &Value, ports: &Value| {
            let mut template = template.clone();
            template["Placement"].take();
            (template, ports.clone())
        };
        let want = plain(&spec["TaskTemplate"], &spec["EndpointSpec"]["Ports"]);
        self.ids_of(id)
            .into_iter()
            .filter(|t| {
                let task = &self.tasks[t];
                task.live() && plain(&task.template, &task.ports) != want
            })
            .collect()
    }

    /// Replaces the next tasks: stop-first unless told otherwise, `parallelism` at once.
    fn roll(&mut self, id: &str, spec: &Value, dirty: &[String]) {
        let config = &spec["UpdateConfig"];
        let at_once = match config["Parallelism"].as_u64() {
            Some(0) => usize::MAX,
            Some(n) => usize::try_from(n).unwrap_or(usize::MAX),
            None => 1,
        };
        let busy = self.ids_of(id).into_iter().filter(|t| {
            let task = &self.tasks[t];
            let stopping = task.desired == "shutdown" && self.holds(task);
            let starting = task.live() && task.state != "running" && !dirty.contains(t);
            stopping || starting
        });
        let free = at_once.saturating_sub(busy.count());
        if config["Order"] == "start-first" {
            self.roll_start_first(id, dirty, free);
            return;
        }
        for task in dirty.iter().take(free) {
            self.stop(task, "shutdown");
        }
    }

    fn roll_start_first(&mut self, id: &str, dirty: &[String], free: usize) {
        let mut left = free;
        for old in dirty {
            let at = place(&self.tasks[old]);
            let new = self.ids_of(id).into_iter().find(|t| {
                let task = &self.tasks[t];
                task.live() && place(task) == at && !dirty.contains(t)
            });
            match new {
                Some(new) if self.tasks[&new].state == "running" => self.stop(old, "shutdown"),
                Some(_) => {}
                None if left > 0 => {
                    left -= 1;
                    self.new_task(id, at.0, &at.1);
                }
                None => {}
            }
        }
    }

    /// The monitor time of an update is over: it has succeeded if all tasks are new and run.
    pub(super) fn watched(&mut self, id: &str) {
        let state = self
            .find("services", id)
            .map(|s| s.extra["UpdateStatus"]["State"].clone());
        let state = state.unwrap_or_default();
        if state != "updating" && state != "rollback_started" {
            return;
        }
        let runs = self.ids_of(id).iter().all(|t| {
            let task = &self.tasks[t];
            !task.live() || task.state == "running"
        });
        if !runs || !self.dirty_tasks(id).is_empty() {
            self.later(self.pace().monitor, Timer::Watched(id.to_owned()));
        } else if state == "updating" {
            self.set_update(id, "completed", "update completed");
        } else {
            self.set_update(id, "rollback_completed", "rollback completed");
        }
    }

    /// A task failed: an update under way is paused or rolled back, as the service wants.
    pub(super) fn update_failed(&mut self, id: &str) {
        let Some(service) = self.find("services", id).cloned() else {
            return;
        };
        if service.extra["UpdateStatus"]["State"] != "updating" {
            return;
        }
        let action = &service.spec["UpdateConfig"]["FailureAction"];
        match (action.as_str(), service.previous) {
            (Some("continue"), _) => {}
            (Some("rollback"), Some(previous)) => {
                self.change("services", id, |o| {
                    o.previous = None;
                    o.spec = previous;
                    o.extra = json!({"UpdateStatus": {
                        "State": "rollback_started",
                        "Message": "update rolled back due to failure or early termination of task",
                    }});
                });
                self.later(self.pace().monitor, Timer::Watched(id.to_owned()));
            }
            _ => self.set_update(
                id,
                "paused",
                "update paused due to failure or early termination of task",
            ),
        }
    }

    /// A node's labels, availability or state changed.
    pub(super) fn placement_changed(&mut self) {
        let running: Vec<(String, String)> = self
            .tasks
            .values()
            .filter(|t| t.live() && !t.node.is_empty())
            .map(|t| (t.id.clone(), t.service.clone()))
            .collect();
        for (id, service) in running {
            let task = &self.tasks[&id];
            let template = self.spec(&service)["TaskTemplate"].clone();
            if self.fits(&template, &task.node) {
                continue;
            }
            // A lost node reports nothing: its tasks stay what they were last.
            let lost = !self.is_ready(&task.node);
            self.set(&id, |t| {
                t.desired = "shutdown";
                if !lost {
                    t.state = "rejected";
                    t.error = "assigned node no longer meets constraints".to_owned();
                }
            });
            self.reconcile(&service);
        }
        self.schedule_pending();
        let services: Vec<String> = self
            .objects
            .get("services")
            .into_iter()
            .flat_map(|m| m.values())
            .filter(|s| s.spec["Mode"]["Global"].is_object())
            .map(|s| s.id.clone())
            .collect();
        for id in services {
            self.reconcile(&id);
        }
    }

    pub(super) fn set_node_state(&mut self, hostname: &str, word: &str) {
        let nodes = self
            .objects
            .get("nodes")
            .into_iter()
            .flat_map(|m| m.values());
        let mut named = nodes.filter(|n| n.extra["Description"]["Hostname"] == hostname);
        let Some(id) = named.next().map(|n| n.id.clone()) else {
            return;
        };
        drop(named);
        self.change("nodes", &id, |n| n.extra["Status"]["State"] = json!(word));
        self.placement_changed();
    }

    /// Whether a node is up, active and meets all constraints.
    pub(super) fn fits(&self, template: &Value, node: &str) -> bool {
        let Some(node) = self.find("nodes", node) else {
            return false;
        };
        let up = self.is_ready(&node.id) && node.spec["Availability"] == "active";
        let constraints = template["Placement"]["Constraints"]
            .as_array()
            .into_iter()
            .flatten();
        up && constraints.filter_map(Value::as_str).all(|constraint| {
            let (key, value, equal) = match constraint.split_once("!=") {
                Some((key, value)) => (key, value, false),
                None => match constraint.split_once("==") {
                    Some((key, value)) => (key, value, true),
                    None => return false,
                },
            };
            let actual = match key.trim() {
                "node.id" => json!(node.id),
                "node.hostname" => node.extra["Description"]["Hostname"].clone(),
                "node.role" => node.spec["Role"].clone(),
                "node.platform.os" => node.extra["Description"]["Platform"]["OS"].clone(),
                key => node.spec["Labels"][key.trim_start_matches("node.labels.")].clone(),
            };
            (actual == value.trim()) == equal
        })
    }

    fn is_ready(&self, node: &str) -> bool {
        let node = self.find("nodes", node);
        node.is_some_and(|n| n.extra["Status"]["State"] == "ready")
    }

    /// Keeps its successor waiting.
    fn holds(&self, task: &Task) -> bool {
        task.occupies() && self.is_ready(&task.node)
    }

    pub(super) fn service_removed(&mut self, id: &str) {
        for task in self.ids_of(id) {
            self.stop(&task, "remove");
        }
    }

    pub(super) fn counts(&self, service: &super::Object) -> Value {
        let ids = self.by_service.get(&service.id).into_iter().flatten();
        let tasks: Vec<&Task> = ids.filter_map(|id| self.tasks.get(id)).collect();
        let running = tasks.iter().filter(|t| t.state == "running").count();
        let desired = if service.spec["Mode"]["Global"].is_object() {
            tasks.iter().filter(|t| t.desired == "running").count() as u64
        } else {
            service.spec["Mode"]["Replicated"]["Replicas"]
                .as_u64()
                .unwrap_or(1)
        };
        json!({"RunningTasks": running, "DesiredTasks": desired, "CompletedTasks": 0})
    }

    pub(super) fn populate_service(&mut self, spec: Value) {
        let replicas = spec["Mode"]["Replicated"]["Replicas"].as_u64().unwrap_or(1);
        let nodes: Vec<String> = self.objects["nodes"].keys().cloned().collect();
        let service = self.insert("services", spec, Value::Null);
        for slot in 1..=replicas {
            let id = self.add_task(&service, slot, "");
            let node = nodes[usize::try_from(self.ids).unwrap_or(0) % nodes.len()].clone();
            self.set(&id, |t| {
                t.node = node;
                t.state = "running";
            });
        }
    }
}

/// What a task fills: its slot, or its node in a global service.
fn place(task: &Task) -> (u64, String) {
    if task.slot == 0 {
        (0, task.bound.clone())
    } else {
        (task.slot, String::new())
    }
}
