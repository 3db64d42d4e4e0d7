//! `skep events`: what happened to service clusters and sources.
//!
//! Nobody writes a diary for Skep: what can be told is what the Swarm still knows. Conditions tell
//! when they last changed, configs when they were stored, tasks when their state last changed, a
//! service when its last update began and ended, and a manager keeps its last 256 events.

mod engine;
pub mod history;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;
use time::OffsetDateTime;

use super::age::age;
use super::args::{NamesArgs, Report};
use super::error::Result;
use super::get::{json, yaml};
use super::names;
use super::session::{Session, View, now};
use super::sources;
use super::table::Table;
use super::view::missing;
use crate::api::value::Span;
use crate::swarm::facts::UpdateFacts;
use crate::swarm::{Event, Events};

pub use history::{Row, Severity};

/// Tasks have no events, so a watch looks at them by the clock.
const WATCH_PAUSE: Duration = Duration::from_secs(1);

const COLUMNS: [&str; 5] = ["AGE", "CLUSTER", "OBJECT", "REASON", "MESSAGE"];
const WIDE: [&str; 7] = [
    "TIME", "AGE", "SEVERITY", "CLUSTER", "OBJECT", "REASON", "MESSAGE",
];

/// `events`.
#[derive(Clone, Debug, clap::Args)]
pub struct EventsArgs {
    /// The names.
    #[command(flatten)]
    pub names: NamesArgs,
    /// Only what happened since so long ago, e.g. 10m
    #[arg(long, value_name = "SPAN")]
    pub since: Option<Span>,
    /// Go on with what happens until interrupted
    #[arg(short, long)]
    pub watch: bool,
    /// Only what went wrong
    #[arg(long)]
    pub warnings: bool,
    /// Form of the output; with --watch, JSON is one object a line
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Report,
    /// Leave out the header of the table
    #[arg(long)]
    pub no_headers: bool,
}

/// Prints what happened; with `--watch` also what happens.
pub async fn run(session: &Session, args: &EventsArgs) -> Result {
    let typed = sources::asked(&args.names.names)?;
    let plain = typed.is_none().then(|| names::plain(&args.names.names));
    let plain = plain.transpose()?.unwrap_or_default();
    let view = session.look().await?;
    let names = match typed {
        Some(typed) => sources::references(&view.world, &typed)?,
        None => missing(&view.declared, &plain).map(|()| plain)?,
    };
    let begin = now();
    let since = args.since.map(|span| begin - span.get());
    let mut live = if args.watch {
        session.engine.events(None).await.ok()
    } else {
        None
    };
    let mut known = BTreeSet::new();
    let past = past(session, since, begin).await;
    let rows = collect(session, &view, &past).await?;
    let rows = chosen(rows, args, &names, since, &mut known);
    let is_empty = rows.is_empty();
    if args.watch || !is_empty || matches!(args.output, Report::Json | Report::Yaml) {
        let headers = !args.no_headers;
        let text = render(&rows, args.output, headers, args.watch, begin)?;
        session.terminal.data(&text)?;
    } else {
        session
            .terminal
            .note("nothing happened that the Swarm still knows of");
    }
    if !args.watch {
        return Ok(());
    }
    let mut last = view;
    loop {
        let happened = heard(session, &mut live).await;
        // An engine that restarts is waited for: a watch is meant to outlive it.
        let Ok(view) = session.look().await else {
            continue;
        };
        // What was removed is known by the look before.
        let mut rows = engine::rows(&happened, &last);
        rows.extend(collect(session, &view, &happened).await.unwrap_or_default());
        let rows = chosen(rows, args, &names, since, &mut known);
        if !rows.is_empty() {
            let text = render(&rows, args.output, false, true, now())?;
            session.terminal.data(&text)?;
        }
        last = view;
    }
}

/// What the manager remembers. It may say nothing: that is no reason to tell nothing else.
async fn past(
    session: &Session,
    since: Option<OffsetDateTime>,
    until: OffsetDateTime,
) -> Vec<Event> {
    let seconds = |time: OffsetDateTime| u64::try_from(time.unix_timestamp()).unwrap_or(1);
    let since = since.map_or(1, seconds);
    match session.engine.past_events(since, seconds(until)).await {
        Ok(events) => events,
        Err(error) => {
            session
                .terminal
                .warning(&format!("what the manager remembers is left out: {error}"));
            Vec::new()
        }
    }
}

/// The events of a second, or nothing; a stream that ended is opened again.
async fn heard(session: &Session, live: &mut Option<Events>) -> Vec<Event> {
    let mut events = Vec::new();
    let end = tokio::time::Instant::now() + WATCH_PAUSE;
    while let Some(stream) = live {
        match tokio::time::timeout_at(end, stream.next()).await {
            Ok(Ok(Some(event))) => events.push(event),
            Ok(Ok(None) | Err(_)) => *live = None,
            Err(_) => return events,
        }
    }
    tokio::time::sleep_until(end).await;
    *live = session.engine.events(None).await.ok();
    events
}

async fn collect(session: &Session, view: &View, events: &[Event]) -> Result<Vec<Row>> {
    let updates: BTreeMap<String, UpdateFacts> = session.engine.update_facts().await?;
    let mut rows = history::rows(view, &updates);
    rows.extend(engine::rows(events, view));
    Ok(rows)
}

/// The rows that were asked for and not shown yet, oldest first.
fn chosen(
    mut rows: Vec<Row>,
    args: &EventsArgs,
    names: &[String],
    since: Option<OffsetDateTime>,
    known: &mut BTreeSet<String>,
) -> Vec<Row> {
    rows.retain(|row| {
        // What a source wrote is told of the cluster already.
        let again = names.is_empty() && row.object.starts_with(history::WRITTEN);
        (names.is_empty() || names.contains(&row.cluster))
            && !again
            && (!args.warnings || row.severity == Severity::Warning)
            && since.is_none_or(|since| row.time() >= since)
            && known.insert(row.key())
    });
    rows.sort_by_cached_key(|row| (row.time(), row.key()));
    rows
}

/// Rows in the form asked for.
pub fn render(
    rows: &[Row],
    output: Report,
    headers: bool,
    stream: bool,
    now: OffsetDateTime,
) -> Result<String> {
    #[derive(Serialize)]
    struct All<'a> {
        events: &'a [Row],
    }
    Ok(match output {
        Report::Table => table(rows, false, now).render(headers, 0),
        Report::Wide => table(rows, true, now).render(headers, 0),
        Report::Json if stream => rows
            .iter()
            .map(|row| serde_json::to_string(row).unwrap_or_default() + "\n")
            .collect(),
        Report::Json => json(&All { events: rows }),
        Report::Yaml if rows.is_empty() && stream => String::new(),
        Report::Yaml if stream => {
            let documents = rows.iter().map(yaml).collect::<Result<Vec<_>>>()?;
            format!("---\n{}", documents.join("---\n"))
        }
        Report::Yaml => yaml(&All { events: rows })?,
    })
}

fn table(rows: &[Row], wide: bool, now: OffsetDateTime) -> Table {
    let mut table = Table::new(if wide { &WIDE } else { &COLUMNS });
    for row in rows {
        let age = age(&row.at, now);
        let mut cells = if wide {
            vec![row.at.clone(), age, format!("{:?}", row.severity)]
        } else {
            vec![age]
        };
        cells.extend([
            row.cluster.clone(),
            row.object.clone(),
            row.reason.clone(),
            row.message.clone(),
        ]);
        table.row(cells);
    }
    table
}

/// The last rows of one cluster as a section of `describe`.
#[must_use]
pub fn recent(view: &View, cluster: &str, most: usize, now: OffsetDateTime) -> String {
    let mut rows = history::rows(view, &BTreeMap::new());
    rows.retain(|row| row.cluster == cluster);
    rows.sort_by_cached_key(|row| (row.time(), row.key()));
    let from = rows.len().saturating_sub(most);
    let mut table = Table::new(&["AGE", "OBJECT", "REASON", "MESSAGE"]);
    for row in &rows[from..] {
        table.row([
            age(&row.at, now),
            row.object.clone(),
            row.reason.clone(),
            row.message.clone(),
        ]);
    }
    if table.is_empty() {
        return String::new();
    }
    table.render(true, 2)
}
