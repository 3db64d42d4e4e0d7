//! What the proxies found, written into the rows of a routing that was made without them.

use super::faults::{MORE, is_refusal};
use crate::api::grammar::shown;
use crate::api::status::RouteFault;
use crate::route::{ClusterRouting, Row, RowState};
use crate::world::World;

/// Marks the rows that these faults of a status speak of. A fault whose label has changed since
/// is of no matter any more.
pub fn mark(world: &World, routing: &mut ClusterRouting, faults: &[RouteFault]) {
    for fault in faults {
        if fault.reason == MORE {
            routing.rows.push(unlisted(fault));
            continue;
        }
        if !stands(world, fault) {
            continue;
        }
        let concerned = concerned(routing, fault);
        for index in concerned {
            let row = &mut routing.rows[index];
            let quiet = matches!(row.state, RowState::Active | RowState::Degraded);
            if quiet && (row.state == RowState::Active || is_refusal(fault)) {
                *row = told(row, fault);
            } else {
                // What is said there already is not to be lost.
                let more = told(row, fault);
                routing.rows.push(more);
            }
        }
    }
    if !faults.is_empty() {
        routing.rows.sort_by(|a, b| a.place().cmp(&b.place()));
    }
}

/// Whether the service still carries the label as it was.
fn stands(world: &World, fault: &RouteFault) -> bool {
    let mut services = world.services.values();
    let service = services.find(|it| it.spec.name == fault.service);
    service.is_some_and(|service| {
        let value = service.spec.labels.get(&fault.label);
        fault.label.is_empty() || value.is_some_and(|value| shown(value.trim()) == fault.value)
    })
}

/// The rows that a fault speaks of.
fn concerned(routing: &ClusterRouting, fault: &RouteFault) -> Vec<usize> {
    let table = &routing.table;
    let name = &fault.name;
    let uses_backend = |row: &Row| {
        let targets = match row.tls.as_str() {
            "passthrough" => table.passthroughs.get(&row.host).map(|it| &it.targets),
            _ => table.routes.get(&row.route()).map(|it| &it.targets),
        };
        targets.is_some_and(|targets| targets.iter().any(|target| target.backend == *name))
    };
    // One that stands in, or that a service of the same pair owns too, is in no row by its name.
    let certificate = table.certificates.get(name);
    let is_shown_at = |host: &String| {
        certificate.is_some_and(|it| it.hosts.contains(host) || it.stands_in.contains_key(host))
    };
    let here = |row: &Row| match fault.part.as_str() {
        "Certificate" => row.tls == *name || row.tls != "passthrough" && is_shown_at(&row.host),
        "Passthrough" => row.tls == "passthrough" && row.host == *name,
        "Backend" => uses_backend(row),
        _ => row.route() == *name,
    };
    let rows = routing.rows.iter().enumerate();
    rows.filter(|(_, row)| {
        row.service == fault.service && row.state != RowState::Rejected && here(row)
    })
    .map(|(index, _)| index)
    .collect()
}

/// A row of no host and no service for the refusals that a status has no room for.
fn unlisted(fault: &RouteFault) -> Row {
    Row {
        state: RowState::Refused,
        reason: fault.reason.clone(),
        message: format!("{} ({})", fault.message, fault.hint),
        ..Row::default()
    }
}

fn told(row: &Row, fault: &RouteFault) -> Row {
    Row {
        state: if is_refusal(fault) {
            RowState::Refused
        } else {
            RowState::Warning
        },
        reason: fault.reason.clone(),
        message: format!("{} ({})", fault.message, fault.hint),
        label: fault.label.clone(),
        value: fault.value.clone(),
        ..row.clone()
    }
}
