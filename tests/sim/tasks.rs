//! Tasks: their life from birth to removal.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{State, Timer};

#[derive(Clone, Debug)]
pub struct Task {
    pub(super) id: String,
    pub(super) service: String,
    pub(super) slot: u64,
    pub(super) node: String,
    /// The one node it may run on, in a global service.
    pub(super) bound: String,
    pub(super) state: &'static str,
    pub(super) desired: &'static str,
    pub(super) error: String,
    /// The template it was made of.
    pub(super) template: Value,
    pub(super) ports: Value,
    pub(super) changed: u64,
    pub(super) number: u64,
}

impl Task {
    /// Is, or is to be, one of the service's working tasks.
    pub(super) fn live(&self) -> bool {
        matches!(self.desired, "running" | "ready")
    }

    /// Holds its node and ports.
    pub(super) fn occupies(&self) -> bool {
        !self.node.is_empty()
            && !matches!(self.state, "shutdown" | "failed" | "rejected" | "complete")
    }

    pub(super) fn shown(&self) -> Value {
        let attached = self.template["Networks"].as_array().into_iter().flatten();
        let attached: Vec<Value> = attached
            .enumerate()
            .map(|(place, network)| {
                let (a, b) = (self.number / 250 % 250, self.number % 250 + 2);
                json!({"Network": {"ID": network["Target"]}, "Addresses": [format!("10.{}.{a}.{b}/16", 50 + place)]})
            })
            .collect();
        let host = self.ports.as_array().into_iter().flatten();
        let host: Vec<&Value> = host.filter(|p| p["PublishMode"] == "host").collect();
        let running = self.state == "running";
        json!({
            "ID": self.id, "Version": {"Index": self.changed}, "CreatedAt": "2026-01-01T00:00:00Z",
            "ServiceID": self.service, "Slot": self.slot, "NodeID": self.node,
            "Spec": {"ContainerSpec": {
                "Labels": self.template["ContainerSpec"]["Labels"],
                "Secrets": self.template["ContainerSpec"]["Secrets"],
            }},
            "Status": {
                "Timestamp": format!("2026-01-01T00:00:00.{:09}Z", self.changed),
                "State": self.state, "Err": self.error,
                "ContainerStatus": {"ContainerID": format!("c{}", self.id)},
                "PortStatus": if running { json!({"Ports": host}) } else { json!({}) },
            },
            "DesiredState": self.desired,
            "NetworksAttachments": attached,
        })
    }
}

impl State {
    pub(super) fn new_task(&mut self, service: &str, slot: u64, node: &str) {
        let id = self.add_task(service, slot, node);
        self.schedule(&id);
    }

    pub(super) fn add_task(&mut self, service: &str, slot: u64, node: &str) -> String {
        let id = self.next_id();
        let spec = self.spec(service);
        let task = Task {
            id: id.clone(),
            service: service.to_owned(),
            slot,
            node: String::new(),
            bound: node.to_owned(),
            state: "pending",
            desired: "running",
            error: String::new(),
            template: spec["TaskTemplate"].clone(),
            ports: spec["EndpointSpec"]["Ports"].clone(),
            changed: self.next_index(),
            number: self.ids,
        };
        self.tasks.insert(id.clone(), task);
        self.by_service
            .entry(service.to_owned())
            .or_default()
            .insert(id.clone());
        id
    }

    /// Finds a node for a task, or says why there is none.
    pub(super) fn schedule(&mut self, id: &str) {
        let Some(task) = self.tasks.get(id).cloned() else {
            return;
        };
        let outcome = self.choose_node(&task);
        let start = self.pace().start;
        self.set(id, |task| match outcome {
            Ok(node) => {
                task.node = node;
                task.state = "preparing";
                task.error.clear();
            }
            Err(message) => task.error = message,
        });
        if self.tasks[id].state == "preparing" {
            self.pending.remove(id);
            self.later(start, Timer::Progress(id.to_owned()));
        } else {
            self.pending.insert(id.to_owned());
        }
    }

    fn choose_node(&self, task: &Task) -> Result<String, String> {
        let (mut unfit, mut busy, mut full) = (0, 0, 0);
        let limit = task.template["Placement"]["MaxReplicas"]
            .as_u64()
            .unwrap_or(0);
        let mut best: Option<(u64, String)> = None;
        for id in self.objects.get("nodes").into_iter().flat_map(|m| m.keys()) {
            let here = || self.tasks_on(id);
            let mates = here()
                .filter(|t| t.service == task.service && t.live())
                .count() as u64;
            if !self.fits(&task.template, id) || !(task.bound.is_empty() || task.bound == *id) {
                unfit += 1;
            } else if here()
                .any(|t| t.id != task.id && t.occupies() && ports_clash(&t.ports, &task.ports))
            {
                busy += 1;
            } else if limit > 0 && mates >= limit {
                full += 1;
            } else if best.as_ref().is_none_or(|(least, _)| mates < *least) {
                best = Some((mates, id.clone()));
            }
        }
        if let Some((_, node)) = best {
            return Ok(node);
        }
        let reasons = [
            (unfit, "scheduling constraints not satisfied on"),
            (busy, "host-mode port already in use on"),
            (full, "max replicas per node limit exceed on"),
        ];
        let told: Vec<String> = reasons
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, text)| {
                format!("{text} {count} node{}", if *count == 1 { "" } else { "s" })
            })
            .collect();
        Err(format!("no suitable node ({})", told.join("; ")))
    }

    fn tasks_on<'a>(&'a self, node: &'a str) -> impl Iterator<Item = &'a Task> {
        self.tasks.values().filter(move |t| t.node == node)
    }

    /// Tries the waiting tasks again.
    pub(super) fn schedule_pending(&mut self) {
        for id in self.pending.clone() {
            self.schedule(&id);
        }
    }

    /// A prepared task starts, or its image is missing.
    pub(super) fn progress(&mut self, id: &str) {
        let Some(task) = self.tasks.get(id) else {
            return;
        };
        if task.state != "preparing" || !task.live() {
            return;
        }
        let image = task.template["ContainerSpec"]["Image"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        if self.missing_images.contains(&image) {
            self.task_failed(id, "rejected", &format!("No such image: {image}"));
            return;
        }
        let service = task.service.clone();
        self.set(id, |t| t.state = "running");
        self.reconcile(&service);
    }

    pub(super) fn task_failed(&mut self, id: &str, state: &'static str, error: &str) {
        let Some(task) = self.tasks.get(id) else {
            return;
        };
        let service = task.service.clone();
        let error = error.to_owned();
        self.set(id, |t| {
            t.state = state;
            t.desired = "shutdown";
            t.error = error;
        });
        self.update_failed(&service);
        self.cooling.insert(service.clone());
        self.later(self.pace().restart, Timer::Reconcile(service));
    }

    /// Begins to stop a task: `shutdown`, or `remove` for one that is surplus.
    pub(super) fn stop(&mut self, id: &str, desired: &'static str) {
        let Some(task) = self.tasks.get(id) else {
            return;
        };
        let idle = task.node.is_empty();
        self.set(id, |t| t.desired = desired);
        self.pending.remove(id);
        if idle {
            self.stopped(id);
        } else {
            self.later(self.pace().stop, Timer::Stopped(id.to_owned()));
        }
    }

    pub(super) fn stopped(&mut self, id: &str) {
        let Some(task) = self.tasks.get(id) else {
            return;
        };
        let service = task.service.clone();
        let gone = !self.objects["services"].contains_key(&service);
        if gone || task.desired == "remove" {
            self.forget(id);
        } else if task.node.is_empty() || task.occupies() {
            self.set(id, |t| t.state = "shutdown");
        }
        self.schedule_pending();
        if !gone {
            self.reconcile(&service);
        }
    }

    pub(super) fn forget(&mut self, id: &str) {
        if let Some(task) = self.tasks.remove(id)
            && let Some(ids) = self.by_service.get_mut(&task.service)
        {
            ids.remove(id);
        }
        self.pending.remove(id);
    }

    pub(super) fn set(&mut self, id: &str, change: impl FnOnce(&mut Task)) {
        let index = self.next_index();
        if let Some(task) = self.tasks.get_mut(id) {
            change(task);
            task.changed = index;
        }
    }

    pub(super) fn ids_of(&self, service: &str) -> BTreeSet<String> {
        self.by_service.get(service).cloned().unwrap_or_default()
    }
}

fn ports_clash(a: &Value, b: &Value) -> bool {
    let host = |ports: &Value| -> BTreeSet<u64> {
        let ports = ports.as_array().cloned().unwrap_or_default();
        let host = ports.iter().filter(|p| p["PublishMode"] == "host");
        host.filter_map(|p| p["PublishedPort"].as_u64()).collect()
    };
    !host(a).is_disjoint(&host(b))
}
