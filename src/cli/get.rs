//! `skep get`: service clusters as a table, as YAML fit for `apply`, as JSON, as names.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use time::OffsetDateTime;

use super::age::age;
use super::args::GetArgs;
use super::error::{CliError, Result};
use super::names;
use super::output::{self, Form};
use super::session::{Session, View, now};
use super::table::Table;
use super::view::{chosen, missing, resource};
use super::wait::condition;
use crate::api::parse::Manifest;
use crate::api::service_cluster::PublishMode;
use crate::api::{ConditionType, ServiceCluster, Version, version};

/// Pause between two looks of a watch.
const WATCH_PAUSE: Duration = Duration::from_secs(1);

const COLUMNS: [&str; 6] = ["NAME", "READY", "PROXIES", "ROUTES", "NETWORKS", "AGE"];
const WIDE: [&str; 12] = [
    "NAME",
    "READY",
    "REASON",
    "GENERATION",
    "PROXIES",
    "PROGRAMMED",
    "ROUTES",
    "DEGRADED",
    "REJECTED",
    "NETWORKS",
    "NODES",
    "AGE",
];

/// Resources in the form asked for. `listed`: several were asked for, so JSON is a list even of one.
pub fn render(
    clusters: &[ServiceCluster],
    output: &Form,
    headers: bool,
    listed: bool,
    version: Version,
    now: OffsetDateTime,
) -> Result<String> {
    Ok(match output {
        Form::Table => table(clusters, false, now).render(headers, 0),
        Form::Wide => table(clusters, true, now).render(headers, 0),
        Form::Yaml => documents(clusters, version)?,
        Form::Json => json(&document(clusters, listed, version)),
        Form::Name => clusters.iter().map(|c| reference(c) + "\n").collect(),
        Form::JsonPath(template) => template.render(&document(clusters, listed, version)),
        Form::Columns(columns) => {
            let items: Vec<Value> = values(clusters, version);
            columns.table(&items, headers)
        }
    })
}

/// One resource as it is, several as a list.
pub fn document<R: Manifest>(all: &[R], listed: bool, version: Version) -> Value {
    match all {
        [one] if !listed => version::document(one, version),
        _ => serde_json::json!({
            "apiVersion": version.text(),
            "kind": format!("{}List", R::KIND),
            "items": values(all, version),
        }),
    }
}

/// Resources as documents of a version.
pub fn values<R: Manifest>(all: &[R], version: Version) -> Vec<Value> {
    let all = all.iter();
    all.map(|one| version::document(one, version)).collect()
}

/// The clusters that were asked for, in the order asked for.
#[must_use]
pub fn wanted(args: &GetArgs, mut clusters: Vec<ServiceCluster>) -> Vec<ServiceCluster> {
    if let Some(selector) = &args.selector {
        clusters.retain(|cluster| selector.matches(&cluster.metadata.labels));
    }
    if let Some(path) = &args.sort_by {
        let version = args.version.asked();
        output::sort(&mut clusters, path, |one| version::document(one, version));
    }
    clusters
}

/// Prints what was asked for; with `--watch` also every change, until interrupted.
pub async fn run(session: &Session, args: &GetArgs) -> Result {
    let names = names::plain(&args.names.names)?;
    let look = session.look().await?;
    let found = chosen(&look.declared, &names);
    let is_none = found.is_empty();
    let clusters = wanted(args, found);
    if !clusters.is_empty() {
        session.warn_without_operator(&look);
    }
    let listed = names.len() != 1;
    let version = args.version.asked();
    let headers = !args.no_headers;
    if clusters.is_empty()
        && (names.is_empty() || !is_none)
        && !args.watch
        && matches!(args.output, Form::Table | Form::Wide)
    {
        session.terminal.note(if is_none {
            "no service clusters are declared; `skep apply -f FILE` declares one"
        } else {
            "no service cluster has such labels"
        });
        return missing(&look.declared, &names);
    }
    if is_none && !names.is_empty() {
        return missing(&look.declared, &names);
    }
    let shown = render(&clusters, &args.output, headers, listed, version, now())?;
    session.terminal.raw(&shown)?;
    missing(&look.declared, &names)?;
    if !args.watch {
        return Ok(());
    }
    let seen = |look: &View| {
        let mut seen = by_name(look.declared.values().map(resource).collect());
        seen.retain(|name, cluster| {
            let selected = args.selector.as_ref();
            (names.is_empty() || names.contains(name))
                && selected.is_none_or(|selector| selector.matches(&cluster.metadata.labels))
        });
        seen
    };
    let show =
        |changed: &[ServiceCluster]| render(changed, &args.output, false, false, version, now());
    let full = |name: &str| format!("servicecluster/{name}");
    watch(session, &args.output, by_name(clusters), seen, show, full).await
}

/// Shows what changes of the resources of a kind, until interrupted.
pub(super) async fn watch<R: Clone + PartialEq>(
    session: &Session,
    output: &Form,
    mut known: BTreeMap<String, R>,
    seen: impl Fn(&View) -> BTreeMap<String, R>,
    show: impl Fn(&[R]) -> Result<String>,
    named: impl Fn(&str) -> String,
) -> Result {
    loop {
        tokio::time::sleep(WATCH_PAUSE).await;
        // An engine that restarts is waited for: a watch is meant to outlive it.
        let Ok(look) = session.look().await else {
            continue;
        };
        let seen = seen(&look);
        let changed = seen
            .iter()
            .filter(|(name, one)| known.get(*name) != Some(one));
        let changed: Vec<R> = changed.map(|(_, one)| one.clone()).collect();
        if !changed.is_empty() {
            let mark = match output {
                Form::Yaml => "---\n",
                // A template need not end its line; two answers must not run into one.
                Form::JsonPath(_) => "\n",
                _ => "",
            };
            session
                .terminal
                .raw(&format!("{mark}{}", show(&changed)?))?;
        }
        for gone in known.keys().filter(|name| !seen.contains_key(*name)) {
            session.terminal.note(&format!("{} deleted", named(gone)));
        }
        known = seen;
    }
}

fn by_name(clusters: Vec<ServiceCluster>) -> BTreeMap<String, ServiceCluster> {
    clusters
        .into_iter()
        .map(|cluster| (cluster.metadata.name.clone(), cluster))
        .collect()
}

/// `servicecluster/east`.
#[must_use]
pub fn reference(cluster: &ServiceCluster) -> String {
    format!("servicecluster/{}", cluster.metadata.name)
}

/// A value as JSON for people and machines.
#[must_use]
pub fn json(value: &impl serde::Serialize) -> String {
    // Maps here have string keys and numbers are finite, so it cannot fail; an empty text shows.
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    text + "\n"
}

/// A value as one YAML document.
pub fn yaml(value: &impl serde::Serialize) -> Result<String> {
    let text = serde_saphyr::to_string(value)
        .map_err(|error| CliError::Failed(format!("this cannot be written as YAML: {error}")))?;
    Ok(text.trim_end().to_owned() + "\n")
}

/// Resources as YAML documents of a version.
pub fn documents<R: Manifest>(all: &[R], version: Version) -> Result<String> {
    let all = values(all, version);
    let documents = all.iter().map(yaml).collect::<Result<Vec<_>>>()?;
    Ok(documents.join("---\n"))
}

fn table(clusters: &[ServiceCluster], wide: bool, now: OffsetDateTime) -> Table {
    let mut table = Table::new(if wide { &WIDE } else { &COLUMNS });
    for cluster in clusters {
        table.row(if wide {
            wide_row(cluster, now)
        } else {
            row(cluster, now)
        });
    }
    table
}

/// Ready as the table shows it: what is said of an older generation is not known of this one.
fn ready(cluster: &ServiceCluster) -> (String, String) {
    let newest = cluster.metadata.generation.unwrap_or_default();
    match condition(cluster, ConditionType::Ready) {
        Some(ready) if ready.observed_generation >= newest => {
            (format!("{:?}", ready.status), ready.reason.clone())
        }
        Some(_) => ("Unknown".to_owned(), "NotYetObserved".to_owned()),
        None => ("Unknown".to_owned(), "NoStatus".to_owned()),
    }
}

fn row(cluster: &ServiceCluster, now: OffsetDateTime) -> Vec<String> {
    let status = cluster.status.clone().unwrap_or_default();
    vec![
        cluster.metadata.name.clone(),
        ready(cluster).0,
        format!("{}/{}", status.proxies.running, status.proxies.desired),
        status.routes.total.to_string(),
        networks(cluster),
        created(cluster, now),
    ]
}

fn wide_row(cluster: &ServiceCluster, now: OffsetDateTime) -> Vec<String> {
    let status = cluster.status.clone().unwrap_or_default();
    let (ready, reason) = ready(cluster);
    let nodes: Vec<&str> = status.nodes.iter().map(|n| n.name.as_str()).collect();
    vec![
        cluster.metadata.name.clone(),
        ready,
        reason,
        cluster.metadata.generation.unwrap_or_default().to_string(),
        format!("{}/{}", status.proxies.running, status.proxies.desired),
        format!("{}/{}", status.proxies.programmed, status.proxies.running),
        status.routes.total.to_string(),
        status.routes.degraded.to_string(),
        status.routes.rejected.to_string(),
        networks(cluster),
        nodes.join(","),
        created(cluster, now),
    ]
}

/// The declared networks, or those that are followed.
fn networks(cluster: &ServiceCluster) -> String {
    let names: Vec<&str> = match (&cluster.spec.networks, &cluster.status) {
        (Some(declared), _) => declared.iter().map(|n| n.name.as_str()).collect(),
        (None, Some(status)) => status.networks.iter().map(|n| n.name.as_str()).collect(),
        (None, None) => Vec::new(),
    };
    names.join(",")
}

fn created(cluster: &ServiceCluster, now: OffsetDateTime) -> String {
    age(
        cluster
            .metadata
            .creation_timestamp
            .as_deref()
            .unwrap_or_default(),
        now,
    )
}

/// The published ports as people say them: `80,443 (host)`.
#[must_use]
pub fn ports(cluster: &ServiceCluster) -> String {
    let publish = &cluster.spec.proxy.publish;
    let ports: Vec<String> = [publish.http, publish.https]
        .into_iter()
        .filter(|port| *port > 0)
        .map(|port| port.to_string())
        .collect();
    match publish.mode {
        PublishMode::None => "none".to_owned(),
        PublishMode::Host => format!("{} (host)", ports.join(",")),
        PublishMode::Ingress => format!("{} (ingress)", ports.join(",")),
    }
}

#[cfg(test)]
pub(crate) mod tests;
