//! `skep routes`: where each host and path goes, what could not be routed, and why.

use std::collections::BTreeMap;

use serde::Serialize;

use super::args::{Report, RoutesArgs};
use super::error::{CliError, Result};
use super::get::{json, yaml};
use super::names;
use super::session::Session;
use super::table::Table;
use super::view::missing;
use crate::route::{ClusterRouting, Routing};

const COLUMNS: [&str; 9] = [
    "CLUSTER",
    "HOST",
    "PATH",
    "SERVICE",
    "ENDPOINTS",
    "WEIGHT",
    "STATE",
    "REASON",
    "LABEL",
];
const WIDE: [&str; 12] = [
    "CLUSTER",
    "HOST",
    "PATH",
    "SERVICE",
    "ENDPOINTS",
    "WEIGHT",
    "STATE",
    "REASON",
    "LABEL",
    "ADDRESSES",
    "TLS",
    "MESSAGE",
];

/// The report as JSON and YAML have it.
#[derive(Debug, Serialize)]
struct View {
    routes: Vec<RouteView>,
    orphans: Vec<OrphanView>,
}

/// One service at one host and path.
#[derive(Debug, Serialize)]
struct RouteView {
    cluster: String,
    host: String,
    path: String,
    /// Methods and headers that a request must have.
    #[serde(rename = "when", skip_serializing_if = "String::is_empty")]
    conditions: String,
    /// Status and target of a redirect.
    #[serde(skip_serializing_if = "String::is_empty")]
    redirect: String,
    /// `passthrough`, or the name of the certificate.
    #[serde(skip_serializing_if = "String::is_empty")]
    tls: String,
    service: String,
    /// Addresses that get its traffic.
    endpoints: Vec<String>,
    /// How many endpoints it has; more than are listed when it is not served.
    ready: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    weight: Option<u32>,
    state: String,
    reason: String,
    message: String,
    label: String,
    value: String,
}

/// A service that no cluster takes.
#[derive(Debug, Serialize)]
struct OrphanView {
    service: String,
    reason: String,
    message: String,
    /// The label at fault, or the one to add.
    label: String,
    value: String,
}

/// Prints the routes.
pub async fn run(session: &Session, args: &RoutesArgs) -> Result {
    let typed: Vec<String> = args.cluster.iter().cloned().collect();
    let typed = names::plain(&typed)?;
    let cluster = typed.first().map(String::as_str);
    let look = session.look().await?;
    missing(&look.declared, &typed)?;
    if let Some(url) = &args.explain {
        let shown = super::try_url::explain(&look, args, url, cluster)?;
        return session.terminal.data(&shown);
    }
    let shown = render(&look.routing, cluster, args.output, !args.no_headers)?;
    session.terminal.data(&shown)?;
    if args.output == Report::Table
        && let Some(hint) = hint(&look.routing, cluster)
    {
        session.terminal.warning(&hint);
    }
    Ok(())
}

/// The routes of one cluster, or of all with the orphans, in the form asked for.
pub fn render(
    routing: &Routing,
    cluster: Option<&str>,
    output: Report,
    headers: bool,
) -> Result<String> {
    let view = view(routing, cluster)?;
    Ok(match output {
        Report::Table => table(&view, false).render(headers, 0),
        Report::Wide => table(&view, true).render(headers, 0),
        Report::Json => json(&view),
        Report::Yaml => yaml(&view)?,
    })
}

/// Where to read more, when something is wrong.
fn hint(routing: &Routing, cluster: Option<&str>) -> Option<String> {
    let clusters = routing.clusters.iter();
    let shown = clusters.filter(|(name, _)| cluster.is_none_or(|cluster| cluster == *name));
    let rows = shown.flat_map(|(_, one)| &one.rows);
    let wrong = rows.filter(|row| !row.reason.is_empty()).count();
    let orphans = cluster.map_or(routing.orphans.len(), |_| 0);
    let wrong = wrong + orphans;
    (wrong > 0).then(|| {
        format!(
            "rows with a reason: {wrong}; `skep routes -o wide` says what is wrong and what to do"
        )
    })
}

/// The routes of one cluster as a table without its name, for `describe`.
#[must_use]
pub fn of_cluster(name: &str, routing: &ClusterRouting) -> String {
    let mut table = Table::new(&COLUMNS[1..]);
    for route in routes(name, routing) {
        table.row(cells(&route, false).into_iter().skip(1));
    }
    if table.is_empty() {
        return String::new();
    }
    table.render(true, 2)
}

/// What is wrong with the routes of one cluster and what to do, for `describe`.
#[must_use]
pub fn faults_of(routing: &ClusterRouting) -> String {
    let mut table = Table::new(&["SERVICE", "HOST", "REASON", "LABEL", "MESSAGE"]);
    for row in routing.rows.iter().filter(|row| !row.reason.is_empty()) {
        table.row([
            row.service.clone(),
            row.host.clone(),
            row.reason.clone(),
            label(&row.label, &row.value),
            row.message.clone(),
        ]);
    }
    if table.is_empty() {
        return String::new();
    }
    table.render(true, 2)
}

fn view(routing: &Routing, cluster: Option<&str>) -> Result<View> {
    let Some(name) = cluster else {
        let all = routing.clusters.iter();
        return Ok(View {
            routes: all.flat_map(|(name, one)| routes(name, one)).collect(),
            orphans: routing
                .orphans
                .iter()
                .map(|orphan| OrphanView {
                    service: orphan.service.clone(),
                    reason: orphan.reason.clone(),
                    message: orphan.message.clone(),
                    label: orphan.label.clone(),
                    value: orphan.value.clone(),
                })
                .collect(),
        });
    };
    let one = routing.clusters.get(name).ok_or_else(|| {
        CliError::Failed(format!(
            "servicecluster/{name} has no valid manifest yet: `skep describe {name}` says what is wrong with it"
        ))
    })?;
    Ok(View {
        routes: routes(name, one),
        orphans: Vec::new(),
    })
}

fn routes(cluster: &str, routing: &ClusterRouting) -> Vec<RouteView> {
    let addresses = addresses(routing);
    routing
        .rows
        .iter()
        .map(|row| {
            let place = (row.route(), row.service.clone());
            RouteView {
                cluster: cluster.to_owned(),
                host: row.host.clone(),
                path: row.path.clone(),
                conditions: row.when.clone(),
                redirect: row.redirect.clone(),
                tls: row.tls.clone(),
                service: row.service.clone(),
                endpoints: addresses.get(&place).cloned().unwrap_or_default(),
                ready: row.endpoints,
                weight: row.weight,
                state: format!("{:?}", row.state),
                reason: row.reason.clone(),
                message: row.message.clone(),
                label: row.label.clone(),
                value: row.value.clone(),
            }
        })
        .collect()
}

/// Addresses by route name (or host of a passthrough) and service.
fn addresses(routing: &ClusterRouting) -> BTreeMap<(String, String), Vec<String>> {
    let mut found: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    let table = &routing.table;
    let passed = table.passthroughs.values();
    let passed = passed.map(|passthrough| (&passthrough.host, &passthrough.targets));
    let served = table.routes.iter();
    let served = served.map(|(name, route)| (name, &route.targets));
    for (name, targets) in served.chain(passed) {
        let backends = targets.iter().map(|target| &target.backend);
        for backend in backends.filter_map(|name| routing.table.backends.get(name)) {
            let addresses = backend.endpoints.iter().map(|e| e.address.to_string());
            found
                .entry((name.clone(), backend.service.clone()))
                .or_default()
                .extend(addresses);
        }
    }
    found
}

fn table(view: &View, wide: bool) -> Table {
    let mut table = Table::new(if wide { &WIDE } else { &COLUMNS });
    for route in &view.routes {
        table.row(cells(route, wide));
    }
    for orphan in &view.orphans {
        let mut cells = vec![String::new(); if wide { WIDE.len() } else { COLUMNS.len() }];
        cells[3].clone_from(&orphan.service);
        "Orphan".clone_into(&mut cells[6]);
        cells[7].clone_from(&orphan.reason);
        cells[8] = label(&orphan.label, &orphan.value);
        if wide {
            cells[11].clone_from(&orphan.message);
        }
        table.row(cells);
    }
    table
}

/// Path, conditions and redirect in one cell.
fn place(route: &RouteView) -> String {
    let mut words = vec![route.path.as_str(), route.conditions.as_str()];
    if !route.redirect.is_empty() {
        words.extend(["->", route.redirect.as_str()]);
    }
    if route.tls == "passthrough" {
        words.push("(passthrough)");
    }
    words.retain(|word| !word.is_empty());
    words.join(" ")
}

fn cells(route: &RouteView, wide: bool) -> Vec<String> {
    let mut cells = vec![
        route.cluster.clone(),
        route.host.clone(),
        place(route),
        route.service.clone(),
        route.ready.to_string(),
        route.weight.map(|w| w.to_string()).unwrap_or_default(),
        route.state.clone(),
        route.reason.clone(),
        label(&route.label, &route.value),
    ];
    if wide {
        let addresses = route.endpoints.join(",");
        cells.extend([addresses, route.tls.clone(), route.message.clone()]);
    }
    cells
}

/// A label as people write it.
fn label(key: &str, value: &str) -> String {
    if key.is_empty() {
        String::new()
    } else {
        format!("{key}={value}")
    }
}

#[cfg(test)]
mod tests;
