//! Counts of requests. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;

use super::By;
use crate::cli::logs::Record;
use crate::cli::table::Table;

/// Counts by cluster and row.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally(BTreeMap<(String, String), Counts>);

#[derive(Clone, Debug, Default)]
struct Counts {
    requests: u64,
    client_errors: u64,
    server_errors: u64,
    bytes: u64,
    durations: Vec<f64>,
    clients: BTreeSet<String>,
    /// Open connections as last told, and whether all proxies told.
    connections: Option<(u64, bool)>,
}

/// A row as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    pub(super) cluster: String,
    /// Empty where the cluster itself is the row, and for requests that belong to none.
    pub(super) name: String,
    pub(super) requests: u64,
    pub(super) requests_per_second: f64,
    /// Requests that were open at a time, on average: their durations over the interval.
    pub(super) in_flight: f64,
    /// Answers of 400 to 499.
    pub(super) client_errors: u64,
    /// Answers of 500 and above.
    pub(super) server_errors: u64,
    pub(super) p50_ms: f64,
    pub(super) p95_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) max_ms: f64,
    pub(super) bytes_per_second: f64,
    /// Different addresses of clients.
    pub(super) clients: usize,
    /// Open connections, as the proxies told last; `None`: not known, or the row is no proxy and
    /// no cluster.
    pub(super) connections: Option<u64>,
    /// Some proxies have told nothing in the last minute: there are more.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) connections_partly: bool,
}

impl Tally {
    pub(super) fn add(&mut self, cluster: &str, row: &str, record: &Record) {
        let counts = self.0.entry((cluster.to_owned(), row.to_owned()));
        let counts = counts.or_default();
        counts.requests += 1;
        counts.client_errors += u64::from((400..500).contains(&record.status));
        counts.server_errors += u64::from(record.status >= 500);
        counts.bytes += record.bytes;
        counts.durations.push(record.duration_ms);
        if !counts.clients.contains(&record.client) {
            counts.clients.insert(record.client.clone());
        }
    }

    /// How many connections are open there, and whether all proxies say so.
    pub(super) fn connections(&mut self, cluster: &str, row: &str, open: u64, all: bool) {
        let counts = self.0.entry((cluster.to_owned(), row.to_owned()));
        counts.or_default().connections = Some((open, all));
    }

    /// The rows, those with the most requests first; `most` 0: all.
    pub(super) fn rows(self, over: Duration, most: usize) -> Vec<Row> {
        let mut rows: Vec<Row> = self
            .0
            .into_iter()
            .map(|((cluster, name), counts)| counts.row(cluster, name, over))
            .collect();
        rows.sort_by_key(|row| std::cmp::Reverse(row.requests));
        if most > 0 {
            rows.truncate(most);
        }
        rows
    }
}

impl Counts {
    fn row(mut self, cluster: String, name: String, over: Duration) -> Row {
        self.durations.sort_by(f64::total_cmp);
        let at = |permille: usize| {
            let last = self.durations.len().saturating_sub(1);
            let place = (self.durations.len() * permille).div_ceil(1000);
            let place = place.saturating_sub(1).min(last);
            self.durations.get(place).copied().unwrap_or_default()
        };
        let seconds = over.as_secs_f64().max(f64::EPSILON);
        Row {
            cluster,
            name,
            requests: self.requests,
            requests_per_second: self.requests as f64 / seconds,
            // A sum of nothing is -0.0.
            in_flight: (0.0 + self.durations.iter().sum::<f64>()) / 1e3 / seconds,
            client_errors: self.client_errors,
            server_errors: self.server_errors,
            p50_ms: at(500),
            p95_ms: at(950),
            p99_ms: at(990),
            max_ms: at(1000),
            bytes_per_second: self.bytes as f64 / seconds,
            clients: self.clients.len(),
            connections: self.connections.map(|(open, _)| open),
            connections_partly: self.connections.is_some_and(|(_, all)| !all),
        }
    }
}

/// The rows as columns.
pub(super) fn render(rows: &[Row], by: By) -> String {
    let head = match by {
        By::Cluster => None,
        By::Route => Some("ROUTE"),
        By::Service => Some("SERVICE"),
        By::Proxy => Some("PROXY"),
        By::Host => Some("HOST"),
    };
    let columns = [
        "REQ/S",
        "IN FLIGHT",
        "4XX",
        "5XX",
        "P50",
        "P95",
        "P99",
        "MAX",
        "BYTES/S",
        "CLIENTS",
    ];
    // Connections belong to proxies.
    let open = matches!(by, By::Cluster | By::Proxy).then_some("OPEN");
    let heads = ["CLUSTER"].into_iter().chain(head).chain(columns);
    let heads = heads.chain(open);
    let mut table = Table::named(heads.map(str::to_owned));
    for row in rows {
        let mut cells = vec![row.cluster.clone()];
        cells.extend(head.map(|_| row.name.clone()));
        cells.push(format!("{:.1}", row.requests_per_second));
        cells.push(format!("{:.1}", row.in_flight));
        cells.push(row.client_errors.to_string());
        cells.push(row.server_errors.to_string());
        let times = [row.p50_ms, row.p95_ms, row.p99_ms, row.max_ms];
        cells.extend(times.map(|ms| format!("{ms:.1}ms")));
        cells.push(format!("{:.0}", row.bytes_per_second));
        cells.push(row.clients.to_string());
        cells.extend(open.map(|_| match row.connections {
            Some(open) if row.connections_partly => format!("{open}+"),
            Some(open) => open.to_string(),
            None => String::new(),
        }));
        table.row(cells);
    }
    if table.is_empty() {
        return "no requests\n".to_owned();
    }
    table.render(true, 0)
}
