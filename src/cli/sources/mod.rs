//! Sources on the command line: git repositories that the operator follows.

pub mod args;
mod describe;
mod seal;
mod sync;
#[cfg(test)]
mod tests;
pub(super) mod told;
mod wait;

use std::collections::BTreeMap;

use time::OffsetDateTime;
use tokio::time::Instant;

use super::age::age;
use super::args::{ApplyArgs, DeleteArgs, GetArgs};
use super::error::{CliError, Result};
use super::get::{document, documents, json, values, watch};
use super::kinds::is_source;
use super::output::{self, Form};
use super::session::{Session, View, now};
use super::table::Table;
use super::view::missing;
use crate::api::{
    Condition, ConditionType, Metadata, Source, SourceChange, SourceSpec, Version, version,
};
use crate::names;
use crate::status::source::short;
use crate::store::{self, By, Outcome};
use crate::world::sources::{DeclaredSource, sources};
use crate::world::{Declared, Stored as _, World, declared};

pub use describe::run as describe;
pub use seal::{auth, hook, password, secret};
pub use sync::run as sync;
pub use wait::run as wait;

/// The names of sources, when sources are what was typed: `sources`, `source shop`, `source/shop`.
pub fn asked(typed: &[String]) -> Result<Option<Vec<String>>> {
    let slashed = |word: &String| {
        word.split_once('/')
            .is_some_and(|(kind, _)| is_source(kind))
    };
    match typed {
        [first, rest @ ..] if is_source(first) => plain(rest).map(Some),
        all if !all.is_empty() && all.iter().all(slashed) => plain(all).map(Some),
        all if all.iter().any(slashed) => Err(CliError::Usage(
            "service clusters and sources cannot be mixed here: name them in two calls".to_owned(),
        )),
        _ => Ok(None),
    }
}

/// Names, each once, with or without the kind before them.
fn plain(typed: &[String]) -> Result<Vec<String>> {
    let mut names: Vec<String> = Vec::new();
    for word in typed {
        let name = match word.split_once('/') {
            Some((kind, name)) if is_source(kind) && !name.is_empty() => name,
            Some(_) => {
                return Err(CliError::Usage(format!(
                    "`{word}` is not a source: write its name, or source/NAME"
                )));
            }
            None => word,
        };
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// The one name of several that were typed.
pub fn one(mut names: Vec<String>) -> Result<String> {
    match (names.pop(), names.is_empty()) {
        (Some(name), true) => Ok(name),
        _ => Err(CliError::Usage("name one source".to_owned())),
    }
}

fn some(typed: &[String]) -> Result<Vec<String>> {
    let names = plain(typed)?;
    if names.is_empty() {
        return Err(CliError::Usage(
            "name at least one source; `skep get sources` lists them".to_owned(),
        ));
    }
    Ok(names)
}

/// `source/shop`.
#[must_use]
pub fn reference(name: &str) -> String {
    format!("source/{name}")
}

/// The sources of these names, which must be declared, as `source/NAME`; all when none is given.
pub fn references(world: &World, names: &[String]) -> Result<Vec<String>> {
    let declared = sources(world);
    missing(&declared, names)?;
    if declared.is_empty() {
        let note = "no sources are declared; `skep apply -f FILE` declares one";
        return Err(CliError::Failed(note.to_owned()));
    }
    let chosen = declared
        .keys()
        .filter(|name| names.is_empty() || names.contains(name));
    Ok(chosen.map(|name| reference(name)).collect())
}

/// Stores the sources, which are valid, and tells what became of each. Clusters that come along
/// are stored before, and have warned already. What each source had told of changes before.
pub async fn apply(session: &Session, args: &ApplyArgs, wanted: &[Source]) -> Result<Told> {
    let all = store::sources::list(&session.engine).await?;
    for source in wanted {
        let by = By {
            older: args.ownership.force_conflicts,
            ..By::default()
        };
        let applied = if args.dry_run.is_some() {
            store::would_apply(all.get(&source.metadata.name), source, by)?
        } else {
            store::apply_by(&session.engine, &all, source, by).await?
        };
        let what = match applied.outcome {
            Outcome::Created => "created",
            Outcome::Configured => "configured",
            Outcome::Unchanged | Outcome::Adopted => "unchanged",
        };
        let note = if args.dry_run.is_some() {
            " (dry run)"
        } else {
            ""
        };
        let line = format!("{} {what}{note}", reference(&source.metadata.name));
        session.terminal.done(&line)?;
    }
    let told = wanted.iter().map(|source| {
        let name = source.metadata.name.clone();
        let changes = told::changes(all.get(&name));
        (name, changes)
    });
    Ok(told.collect())
}

/// Changes that sources told of before something was asked of them, by name.
pub type Told = BTreeMap<String, Vec<SourceChange>>;

/// Waits until sources that were stored are in sync, and tells what that changed.
pub async fn settle(session: &Session, told: &Told, deadline: Instant) -> Result {
    let mut failures = sync::Failures::default();
    for (name, before) in told {
        let left = deadline.saturating_duration_since(Instant::now());
        let told = sync::wait(session, name, None, before, left).await;
        failures.note(session.terminal, told)?;
    }
    failures.end()
}

/// Deletes sources; none when one of them does not exist. What they applied stays.
pub async fn delete(session: &Session, args: &DeleteArgs, typed: &[String]) -> Result {
    let mut names = some(typed)?;
    let world = store::sources::configs(&session.engine).await?;
    let (declared, clusters) = (sources(&world), declared(&world));
    // What is sealed for one that is gone already goes too.
    let sealed = |name: &String| store::sources::is_sealed(&world, name);
    if args.ignore_not_found {
        names.retain(|name| declared.contains_key(name) || sealed(name));
    } else {
        let unsealed = names.iter().filter(|name| !sealed(name));
        missing(&declared, &unsealed.cloned().collect::<Vec<_>>())?;
    }
    for name in &names {
        match store::sources::delete(&session.engine, name).await {
            Ok(()) | Err(store::Error::NoSuchSource { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let line = format!("{} deleted", reference(name));
        session.terminal.done(&line)?;
        let left = managed(&clusters, name);
        if !left.is_empty() {
            // Elsewhere a deleted source takes along what it applied.
            let (all, them) = (left.join(", "), left.join(" "));
            session.terminal.note(&format!(
                "what it applied stays: {all}; `skep delete {them}` deletes it"
            ));
        }
    }
    Ok(())
}

/// Prints sources.
pub async fn get(session: &Session, args: &GetArgs, names: &[String]) -> Result {
    let version = args.version.asked();
    let look = session.look().await?;
    let declared = sources(&look.world);
    let quiet = args.watch || !matches!(args.output, Form::Table | Form::Wide);
    if declared.is_empty() && names.is_empty() && !quiet {
        let note = "no sources are declared; `skep apply -f FILE` declares one";
        session.terminal.note(note);
        return Ok(());
    }
    let chosen = sorted(args, names, &look);
    if !chosen.is_empty() {
        session.warn_without_operator(&look);
        let listed = names.len() != 1;
        let headers = !args.no_headers;
        let shown = render(&chosen, &args.output, headers, listed, version, now())?;
        session.terminal.raw(&shown)?;
    }
    missing(&declared, names)?;
    if !args.watch {
        return Ok(());
    }
    let show = |chosen: &[Source]| render(chosen, &args.output, false, false, version, now());
    let seen = |look: &View| wanted(args, names, look);
    watch(session, &args.output, seen(&look), seen, show, reference).await
}

/// The sources that were asked for, in the order asked for.
pub(super) fn sorted(args: &GetArgs, names: &[String], look: &View) -> Vec<Source> {
    let version = args.version.asked();
    let mut chosen: Vec<Source> = wanted(args, names, look).into_values().collect();
    if let Some(path) = &args.sort_by {
        output::sort(&mut chosen, path, |one| version::document(one, version));
    }
    chosen
}

/// The sources that were asked for, by name.
fn wanted(args: &GetArgs, names: &[String], look: &View) -> BTreeMap<String, Source> {
    let selected = args.selector.as_ref();
    let chosen = sources(&look.world).into_iter();
    let chosen = chosen.filter(|(name, _)| names.is_empty() || names.contains(name));
    let chosen = chosen.map(|(name, declared)| (name, resource(&declared)));
    chosen
        .filter(|(_, source)| selected.is_none_or(|one| one.matches(&source.metadata.labels)))
        .collect()
}

/// A declared source as a resource; its spec is the one in force, or empty while none is valid.
pub(super) fn resource(declared: &DeclaredSource) -> Source {
    let mut source = match &declared.accepted {
        Some((_, source)) => source.clone(),
        None => Source {
            api_version: names::API_VERSION.to_owned(),
            kind: names::KIND_SOURCE.to_owned(),
            metadata: Metadata {
                name: declared.name.clone(),
                ..Metadata::default()
            },
            spec: SourceSpec::default(),
            status: None,
            stated: Version::NEWEST,
        },
    };
    source.metadata.generation = declared.newest().map(|revision| revision.generation);
    source.metadata.creation_timestamp = declared.created().map(str::to_owned);
    source.status.clone_from(&declared.status);
    source
}

/// The names of the clusters whose newest revision a source stored.
fn managed(declared: &BTreeMap<String, Declared>, source: &str) -> Vec<String> {
    let manager = names::source_manager(source);
    let all = declared.values();
    let own = all.filter(|cluster| cluster.newest().is_some_and(|n| n.manager() == manager));
    own.map(|cluster| cluster.name.clone()).collect()
}

/// Sources in the form asked for, as [`super::get::render`] does it.
pub(super) fn render(
    all: &[Source],
    output: &Form,
    headers: bool,
    listed: bool,
    version: Version,
    now: OffsetDateTime,
) -> Result<String> {
    Ok(match output {
        Form::Table => table(all, false, now).render(headers, 0),
        Form::Wide => table(all, true, now).render(headers, 0),
        Form::Yaml => documents(all, version)?,
        Form::Json => json(&document(all, listed, version)),
        Form::Name => all
            .iter()
            .map(|source| reference(&source.metadata.name) + "\n")
            .collect(),
        Form::JsonPath(template) => template.render(&document(all, listed, version)),
        Form::Columns(columns) => columns.table(&values(all, version), headers),
    })
}

const COLUMNS: [&str; 7] = [
    "NAME", "READY", "REASON", "REVISION", "CLUSTERS", "SUCCESS", "AGE",
];
const WIDE: [&str; 10] = [
    "NAME", "READY", "REASON", "REVISION", "CLUSTERS", "SUCCESS", "AGE", "URL", "REF", "PATH",
];

fn table(all: &[Source], wide: bool, now: OffsetDateTime) -> Table {
    let mut table = Table::new(if wide { &WIDE } else { &COLUMNS });
    for source in all {
        let status = source.status.clone().unwrap_or_default();
        let (ready, reason) = match ready(source) {
            Some(ready) => (format!("{:?}", ready.status), ready.reason.clone()),
            None => ("Unknown".to_owned(), "NotYetObserved".to_owned()),
        };
        let created = source.metadata.creation_timestamp.clone();
        let mut row = vec![
            source.metadata.name.clone(),
            ready,
            reason,
            short(&status.revision).to_owned(),
            status.clusters.to_string(),
            age(&status.last_success, now),
            age(&created.unwrap_or_default(), now),
        ];
        if wide {
            row.extend([
                source.spec.url.clone(),
                source.spec.reference.clone().unwrap_or_default(),
                source.spec.path.clone(),
            ]);
        }
        table.row(row);
    }
    table
}

/// The condition Ready, when it speaks of the newest generation.
pub(super) fn ready(source: &Source) -> Option<&Condition> {
    let newest = source.metadata.generation.unwrap_or_default();
    let conditions = &source.status.as_ref()?.conditions;
    conditions
        .iter()
        .find(|c| c.kind == ConditionType::Ready && c.observed_generation >= newest)
}
