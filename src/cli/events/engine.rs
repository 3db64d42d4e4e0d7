//! The engine's own events, as far as they concern a service cluster. Pure.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::history::{Row, Severity};
use crate::cli::session::View;
use crate::cli::sources::reference;
use crate::names;
use crate::swarm::{Event, Kind};

/// The rows of those events that concern a cluster of this view.
pub(super) fn rows(events: &[Event], view: &View) -> Vec<Row> {
    events
        .iter()
        .flat_map(|event| {
            let clusters = concerned(event, view);
            let name = name(event, view);
            let rows = clusters.into_iter();
            rows.map(move |cluster| row(event, &name, cluster))
        })
        .collect()
}

/// The clusters that an event concerns.
fn concerned(event: &Event, view: &View) -> Vec<String> {
    let world = &view.world;
    let of_label = |labels: &crate::api::StringMap| labels.get(names::LABEL_CLUSTER).cloned();
    match event.kind {
        Kind::Service => {
            let service = world.services.get(&event.id);
            service
                .and_then(|s| of_label(&s.spec.labels))
                .into_iter()
                .collect()
        }
        Kind::Network => {
            let uses = |status: &crate::api::Status| {
                let mut networks = status.networks.iter();
                networks.any(|n| n.id == event.id || (!n.name.is_empty() && n.name == event.name))
            };
            of_status(view, uses)
        }
        Kind::Node => {
            let uses = |status: &crate::api::Status| {
                let mut nodes = status.nodes.iter();
                nodes.any(|node| node.id == event.id)
            };
            of_status(view, uses)
        }
        // What was stored tells its own time; only what is gone cannot.
        Kind::Config if event.action == "remove" => {
            let (name, _) = event.name.rsplit_once('.').unwrap_or_default();
            let cluster = name.strip_prefix("servicecluster.").map(str::to_owned);
            let source = || name.strip_prefix("source.").map(reference);
            cluster.or_else(source).into_iter().collect()
        }
        Kind::Config | Kind::Secret => Vec::new(),
    }
}

/// The name that the engine says, else the one that the object has.
fn name(event: &Event, view: &View) -> String {
    let known = || {
        let node = view.world.nodes.get(&event.id)?;
        Some(node.hostname.clone())
    };
    if event.name.is_empty() {
        return known().unwrap_or_else(|| event.id.clone());
    }
    event.name.clone()
}

fn of_status(view: &View, uses: impl Fn(&crate::api::Status) -> bool) -> Vec<String> {
    let declared = view.declared.iter();
    declared
        .filter(|(_, declared)| declared.status.as_ref().is_some_and(&uses))
        .map(|(name, _)| name.clone())
        .collect()
}

fn row(event: &Event, name: &str, cluster: String) -> Row {
    let kind = match event.kind {
        Kind::Service => "service",
        Kind::Node => "node",
        Kind::Network => "network",
        Kind::Config => "config",
        Kind::Secret => "secret",
    };
    let mut changes: Vec<String> = event
        .details
        .iter()
        .filter_map(|(key, new)| {
            let what = key.strip_suffix(".new")?;
            let old = event.details.get(&format!("{what}.old"))?;
            Some(format!("{what}: {old} to {new}"))
        })
        .collect();
    changes.sort();
    let severity = if changes.iter().any(|change| change.ends_with(" to down")) {
        Severity::Warning
    } else {
        Severity::Normal
    };
    Row {
        at: OffsetDateTime::from_unix_timestamp_nanos(event.at.into())
            .ok()
            .and_then(|at| at.format(&Rfc3339).ok())
            .unwrap_or_default(),
        severity,
        cluster,
        object: format!("{kind}/{name}"),
        reason: match event.action.as_str() {
            "create" => "Created".to_owned(),
            "update" => "Updated".to_owned(),
            "remove" => "Removed".to_owned(),
            other => other.to_owned(),
        },
        message: changes.join(", "),
    }
}
