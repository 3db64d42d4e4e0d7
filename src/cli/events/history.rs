//! What the objects of a Swarm tell of their own past. Pure.

use std::collections::BTreeMap;

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::api::{Condition, ConditionStatus, SourceStatus};
use crate::cli::brief::brief;
use crate::cli::session::View;
use crate::cli::sources::{reference, told};
use crate::names;
use crate::status::source::short;
use crate::swarm::facts::UpdateFacts;
use crate::world::{Service, Stored, Task, TaskState, World, sources};

/// Whether somebody should care.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Severity {
    /// As meant.
    Normal,
    /// Not as meant.
    Warning,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// When (RFC 3339).
    pub at: String,
    /// Whether somebody should care.
    pub severity: Severity,
    /// The service cluster that it happened to, or `source/NAME`.
    pub cluster: String,
    /// What it happened to: `condition/Ready`, `generation/3`, `proxy/skep-proxy-east.1`, ...
    pub object: String,
    /// One CamelCase word.
    pub reason: String,
    /// A sentence, often the engine's.
    pub message: String,
}

impl Row {
    /// When, for sorting; the beginning of time when the text says none.
    #[must_use]
    pub fn time(&self) -> OffsetDateTime {
        OffsetDateTime::parse(&self.at, &Rfc3339).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }

    /// Tells it from all others.
    #[must_use]
    pub fn key(&self) -> String {
        [&self.at, &self.cluster, &self.object, &self.reason]
            .map(String::as_str)
            .join("\n")
    }
}

/// Everything that the objects of all clusters tell, in no order.
#[must_use]
pub fn rows(view: &View, updates: &BTreeMap<String, UpdateFacts>) -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, declared) in sources(&view.world) {
        let source = reference(&name);
        revisions(&source, &declared, &mut rows);
        conditions(
            &source,
            said(declared.status.as_ref().map(|s| &s.conditions)),
            &mut rows,
        );
        written(&name, view, &mut rows);
        synced(&source, declared.status.as_ref(), &mut rows);
    }
    for (name, declared) in &view.declared {
        revisions(name, declared, &mut rows);
        conditions(
            name,
            said(declared.status.as_ref().map(|s| &s.conditions)),
            &mut rows,
        );
        let services = view.world.services.values();
        for service in services.filter(|service| service.is_proxy_of(name)) {
            for task in view.world.tasks_of(&service.id) {
                rows.extend(proxy(name, &view.world, service, task));
            }
            if let Some(facts) = updates.get(&service.id) {
                update(name, service, facts, &mut rows);
            }
        }
    }
    rows.retain(|row| !row.at.is_empty());
    rows
}

/// The last syncs that changed something, as the status tells: what was deleted nobody else
/// remembers.
fn synced(source: &str, status: Option<&SourceStatus>, rows: &mut Vec<Row>) {
    for change in status.iter().flat_map(|status| &status.changes) {
        rows.push(Row {
            at: change.time.clone(),
            severity: Severity::Normal,
            cluster: source.to_owned(),
            object: format!("revision/{}", short(&change.revision)),
            reason: "Synced".to_owned(),
            message: told::sentence(change),
        });
    }
}

/// What a source stored of clusters that are declared still.
fn written(source: &str, view: &View, rows: &mut Vec<Row>) {
    let manager = names::source_manager(source);
    for (name, cluster) in &view.declared {
        let own = cluster.revisions.iter();
        for revision in own.filter(|revision| revision.manager() == manager) {
            rows.push(Row {
                at: revision.created_at.clone(),
                severity: Severity::Normal,
                cluster: reference(source),
                object: format!("{WRITTEN}{name}"),
                reason: "Applied".to_owned(),
                message: format!("stored as generation {}", revision.generation),
            });
        }
    }
}

/// What the objects of clusters that a source wrote begin with.
pub(super) const WRITTEN: &str = "servicecluster/";

fn said(conditions: Option<&Vec<Condition>>) -> &[Condition] {
    conditions.map_or(&[], Vec::as_slice)
}

fn revisions(cluster: &str, declared: &impl Stored, rows: &mut Vec<Row>) {
    for revision in declared.revisions() {
        let is_newest = declared.newest() == Some(revision);
        let faults: Vec<String> = if is_newest {
            declared.faults().iter().map(ToString::to_string).collect()
        } else {
            Vec::new()
        };
        let (severity, reason, message) = if revision.valid {
            let message = format!("stored as config {}", revision.config_name);
            (Severity::Normal, "Stored", message)
        } else {
            let message = format!("config {}: {}", revision.config_name, faults.join("; "));
            let message = message.trim_end_matches(": ").to_owned();
            (Severity::Warning, "Invalid", message)
        };
        rows.push(Row {
            at: revision.created_at.clone(),
            severity,
            cluster: cluster.to_owned(),
            object: format!("generation/{}", revision.generation),
            reason: reason.to_owned(),
            message,
        });
    }
}

/// A condition tells of its last change only.
fn conditions(resource: &str, said: &[Condition], rows: &mut Vec<Row>) {
    for condition in said {
        let message = brief(resource, condition, said);
        let severity = match condition.status {
            ConditionStatus::False => Severity::Warning,
            ConditionStatus::True | ConditionStatus::Unknown => Severity::Normal,
        };
        rows.push(Row {
            at: condition.last_transition_time.clone(),
            severity,
            cluster: resource.to_owned(),
            object: format!("condition/{:?}", condition.kind),
            reason: condition.reason.clone(),
            message: format!("{:?}: {message}", condition.status),
        });
    }
}

/// A task tells of its last state only; the engine keeps the last five of each place.
fn proxy(cluster: &str, world: &World, service: &Service, task: &Task) -> Option<Row> {
    if task.state <= TaskState::Starting && task.error.is_empty() {
        return None;
    }
    let place = match task.slot {
        0 => service.spec.name.clone(),
        slot => format!("{}.{slot}", service.spec.name),
    };
    let node = world.nodes.get(&task.node).map(|node| &node.hostname);
    let on = node.map_or(String::new(), |node| format!(" on {node}"));
    let severity = match task.state {
        TaskState::Running | TaskState::Shutdown | TaskState::Complete | TaskState::Remove
            if task.error.is_empty() =>
        {
            Severity::Normal
        }
        _ => Severity::Warning,
    };
    let id = task.id.get(..12).unwrap_or(&task.id);
    let message = match task.error.as_str() {
        "" => format!("task {id}{on}"),
        error => format!("task {id}{on}: {error}"),
    };
    Some(Row {
        at: task.state_at.clone(),
        severity,
        cluster: cluster.to_owned(),
        object: format!("proxy/{place}"),
        reason: format!("{:?}", task.state),
        message,
    })
}

fn update(cluster: &str, service: &Service, facts: &UpdateFacts, rows: &mut Vec<Row>) {
    let (reason, severity) = match facts.state.as_str() {
        "completed" => ("UpdateCompleted", Severity::Normal),
        "paused" => ("UpdatePaused", Severity::Warning),
        "rollback_started" => ("RollbackStarted", Severity::Warning),
        "rollback_paused" => ("RollbackPaused", Severity::Warning),
        "rollback_completed" => ("RolledBack", Severity::Warning),
        _ => ("Updating", Severity::Normal),
    };
    let mut row = |at: &str, reason: &str, severity, message: &str| {
        rows.push(Row {
            at: at.to_owned(),
            severity,
            cluster: cluster.to_owned(),
            object: format!("service/{}", service.spec.name),
            reason: reason.to_owned(),
            message: message.to_owned(),
        });
    };
    row(
        &facts.started_at,
        "UpdateStarted",
        Severity::Normal,
        "the proxies are being replaced",
    );
    let ended = if facts.completed_at.is_empty() && severity == Severity::Warning {
        // A pause has no time of its own; it came after the start.
        &facts.started_at
    } else {
        &facts.completed_at
    };
    row(ended, reason, severity, &facts.message);
}
