//! `skep describe source`.

use std::fmt::Write as _;

use time::OffsetDateTime;

use super::{ready, reference, resource, told};
use crate::api::{ConditionStatus, ConditionType, Source, SourceStatus};
use crate::cli::age::age;
use crate::cli::describe::{RECENT, conditions, indented, pairs, rows, section};
use crate::cli::error::Result;
use crate::cli::events;
use crate::cli::get::yaml;
use crate::cli::session::{Session, View, now};
use crate::cli::table::Table;
use crate::cli::view::missing;
use crate::names;
use crate::status::source::{FIRST_RETRY, HEARTBEAT, LONGEST_RETRY};
use crate::store::sources::{Purpose, sealed_for};
use crate::world::sources::{DeclaredSource, sources};

/// Describes the sources of these names; all when none is given.
pub async fn run(session: &Session, names: &[String]) -> Result {
    let look = session.look().await?;
    let all = sources(&look.world);
    missing(&all, names)?;
    if !all.is_empty() {
        session.warn_without_operator(&look);
    }
    let chosen = all
        .values()
        .filter(|source| names.is_empty() || names.contains(&source.name));
    let texts: Result<Vec<String>> = chosen.map(|source| render(source, &look, now())).collect();
    session.terminal.data(&texts?.join("\n"))
}

pub(super) fn render(found: &DeclaredSource, view: &View, now: OffsetDateTime) -> Result<String> {
    let source = resource(found);
    let mut text = head(found, &source, view);
    text.push_str("Spec:\n");
    text.push_str(&indented(&yaml(&source.spec)?));
    match &source.status {
        Some(status) => told(&mut text, found, &source, status, now),
        None => line(&mut text, "Status", "none yet; the operator writes it"),
    }
    section(&mut text, "Clusters", &clusters(found, view, now));
    let events = events::recent(view, &reference(&found.name), RECENT, now);
    let status = source.status.clone().unwrap_or_default();
    section(&mut text, "Events", &told::brief(&events, &status));
    Ok(text)
}

/// What it is.
fn head(found: &DeclaredSource, source: &Source, view: &View) -> String {
    let newest = source.metadata.generation.unwrap_or_default();
    let active = match &found.accepted {
        Some((generation, _)) if *generation == newest => String::new(),
        Some((generation, _)) => format!(" (invalid; generation {generation} is in force)"),
        None => " (invalid; none is in force)".to_owned(),
    };
    let mut text = String::new();
    line(&mut text, "Name", &found.name);
    line(&mut text, "Generation", &format!("{newest}{active}"));
    let created = source.metadata.creation_timestamp.as_deref();
    line(&mut text, "Created", created.unwrap_or_default());
    line(&mut text, "Labels", &pairs(&source.metadata.labels));
    line(
        &mut text,
        "Annotations",
        &pairs(&source.metadata.annotations),
    );
    let stored = |purpose| match sealed_for(&view.world, &found.name, purpose) {
        Some(_) => "stored",
        None => "none",
    };
    line(&mut text, "Credentials", stored(Purpose::Auth));
    line(&mut text, "Webhook secret", stored(Purpose::Hook));
    if !found.faults.is_empty() {
        let faults: Vec<String> = found.faults.iter().map(ToString::to_string).collect();
        section(&mut text, "Faults", &indented(&faults.join("\n")));
    }
    text
}

/// What the operator tells.
fn told(
    text: &mut String,
    found: &DeclaredSource,
    source: &Source,
    status: &SourceStatus,
    now: OffsetDateTime,
) {
    line(text, "Revision", &status.revision);
    line(text, "Not applied", &status.failed_revision);
    let well = ready(source).is_some_and(|ready| ready.status == ConditionStatus::True);
    let success = match age(&status.last_success, now).as_str() {
        "" => String::new(),
        // While all is well and nothing changes it is written now and then only.
        ago if well => format!(
            "{} ({ago} ago; written every {} minutes)",
            status.last_success,
            HEARTBEAT.get().as_secs() / 60
        ),
        ago => format!("{} ({ago} ago)", status.last_success),
    };
    line(text, "Last success", &success);
    line(text, "Next look", &next(found, source));
    let newest = source.metadata.generation.unwrap_or_default();
    let conditions = conditions(&reference(&found.name), &status.conditions, newest, now);
    section(text, "Conditions", &told::brief(&conditions, status));
    let faults = told::of_status(status);
    if !faults.is_empty() {
        section(text, "Not applied because", &indented(&faults.join("\n")));
    }
}

/// When the operator looks again; the moment itself it tells nobody.
fn next(found: &DeclaredSource, source: &Source) -> String {
    if found.accepted.is_none() {
        return "none, until the manifest is valid".to_owned();
    }
    if source.spec.suspend {
        return "none, until spec.suspend is false".to_owned();
    }
    let interval = source.spec.interval;
    let now = format!("`skep sync {}` looks at once", found.name);
    match ready(source) {
        // The manifest before an invalid one is followed as ever.
        Some(ready) if ready.status != ConditionStatus::True && found.faults.is_empty() => {
            let longest = interval.max(LONGEST_RETRY);
            format!(
                "{FIRST_RETRY} after a failure, then after ever longer, {longest} at most; {now}"
            )
        }
        _ => format!("each {interval}; {now}"),
    }
}

/// The clusters whose newest revision this source stored.
fn clusters(found: &DeclaredSource, view: &View, now: OffsetDateTime) -> String {
    let manager = names::source_manager(&found.name);
    let mut table = Table::new(&["NAME", "GENERATION", "READY", "STORED"]);
    for cluster in view.declared.values() {
        let Some(newest) = cluster
            .newest()
            .filter(|newest| newest.manager() == manager)
        else {
            continue;
        };
        let conditions = cluster.status.iter().flat_map(|status| &status.conditions);
        let ready = conditions.into_iter().find(|condition| {
            condition.kind == ConditionType::Ready
                && condition.observed_generation >= newest.generation
        });
        table.row([
            cluster.name.clone(),
            newest.generation.to_string(),
            ready.map_or("Unknown".to_owned(), |ready| format!("{:?}", ready.status)),
            age(&newest.created_at, now),
        ]);
    }
    rows(&table)
}

fn line(text: &mut String, name: &str, value: &str) {
    let value = if value.is_empty() { "-" } else { value };
    let _ = writeln!(text, "{:<15} {value}", format!("{name}:"));
}
