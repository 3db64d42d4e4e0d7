//! `skep history` and `skep rollback`: the stored revisions of a service cluster or a source.

use serde::Serialize;
use time::OffsetDateTime;

use super::age::age;
use super::args::{HistoryArgs, Report, RollbackArgs};
use super::diff;
use super::error::{CliError, Result};
use super::get::{json, yaml};
use super::session::{Session, View, now};
use super::sources;
use super::table::Table;
use super::view::known;
use crate::api::{ServiceCluster, Source, changed_fields, parse};
use crate::names;
use crate::store::{self, By, Outcome};
use crate::world::{Config, Declared, DeclaredSource, Revision, Stored, World};

/// A revision as JSON and YAML have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    generation: u64,
    /// RFC 3339, as the engine has it.
    created: String,
    in_force: bool,
    valid: bool,
    /// Name of the config that holds it.
    config: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    manager: Option<String>,
    /// The fields that differ from the valid revision before it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    changed: Vec<String>,
}

/// Prints the revisions, oldest first.
pub async fn history(session: &Session, args: &HistoryArgs) -> Result {
    let source = sources::asked(&args.name)?.map(sources::one).transpose()?;
    let shown = match source {
        Some(name) => stored::<DeclaredSource>(&session.look().await?, &name)?,
        None => stored::<Declared>(&session.look().await?, &super::names::one(&args.name)?)?,
    };
    let text = match args.output {
        Report::Table | Report::Wide => {
            table(&shown, args.output == Report::Wide, now()).render(!args.no_headers, 0)
        }
        Report::Json => json(&shown),
        Report::Yaml => yaml(&shown)?,
    };
    session.terminal.data(&text)
}

fn stored<D: Stored>(view: &View, name: &str) -> Result<Vec<Shown>> {
    let all = D::all(&view.world);
    Ok(revisions(&view.world, known(&all, name)?))
}

/// The revisions of a resource, oldest first.
#[must_use]
pub fn revisions<D: Stored>(world: &World, declared: &D) -> Vec<Shown> {
    let in_force = declared.in_force().map(|(generation, _)| generation);
    let mut before: Option<D::Resource> = None;
    let mut all = Vec::new();
    for revision in declared.revisions() {
        let content = content::<D>(world, revision);
        let changed = match (&before, &content) {
            (Some(old), Some(new)) => changed_fields(old, new),
            _ => Vec::new(),
        };
        all.push(Shown {
            generation: revision.generation,
            created: revision.created_at.clone(),
            in_force: in_force == Some(revision.generation),
            valid: revision.valid,
            config: revision.config_name.clone(),
            manager: Some(revision.manager()).filter(|manager| !manager.is_empty()),
            changed,
        });
        before = content.or(before);
    }
    all
}

/// What a valid revision says.
fn content<D: Stored>(world: &World, revision: &Revision) -> Option<D::Resource> {
    let config = world.configs.get(&revision.config_id);
    let Config { name, data, .. } = config.filter(|_| revision.valid)?;
    let text = std::str::from_utf8(data).ok()?;
    D::of(parse::manifests(name, text)).pop()
}

fn table(all: &[Shown], wide: bool, now: OffsetDateTime) -> Table {
    const COLUMNS: [&str; 5] = ["GENERATION", "STATE", "AGE", "MANAGER", "CHANGED"];
    const WIDE: [&str; 6] = ["GENERATION", "STATE", "AGE", "MANAGER", "CONFIG", "CHANGED"];
    let mut table = Table::new(if wide { &WIDE } else { &COLUMNS });
    for one in all {
        let state = match (one.in_force, one.valid) {
            (true, _) => "InForce",
            (false, true) => "Old",
            (false, false) => "Invalid",
        };
        let mut cells = vec![
            one.generation.to_string(),
            state.to_owned(),
            age(&one.created, now),
            one.manager.clone().unwrap_or_else(|| "-".to_owned()),
        ];
        if wide {
            cells.push(one.config.clone());
        }
        cells.push(if one.changed.is_empty() {
            "-".to_owned()
        } else {
            one.changed.join(",")
        });
        table.row(cells);
    }
    table
}

/// Stores what an older revision says as a new one.
pub async fn rollback(session: &Session, args: &RollbackArgs) -> Result {
    if let Some(name) = sources::asked(&args.name)?.map(sources::one).transpose()? {
        let change = |look: &View, source: &Source, colour| {
            diff::changes(&look.world, std::slice::from_ref(source), None, colour)
        };
        return back::<DeclaredSource>(session, args, &name, change).await;
    }
    let name = super::names::one(&args.name)?;
    let change = |look: &View, cluster: &ServiceCluster, colour| {
        diff::render(look, std::slice::from_ref(cluster), &[], None, colour).text
    };
    back::<Declared>(session, args, &name, change).await
}

async fn back<D: Stored>(
    session: &Session,
    args: &RollbackArgs,
    name: &str,
    change: impl Fn(&View, &D::Resource, bool) -> String,
) -> Result {
    let look = session.look().await?;
    let all = D::all(&look.world);
    let declared = known(&all, name)?;
    let (generation, resource) = target(&look.world, declared, args.to)?;
    let by = By {
        older: true,
        ..by_hand(&look, declared, args.force_conflicts)?
    };
    let note = if args.dry_run { " (dry run)" } else { "" };
    let applied = if args.dry_run {
        store::would_apply(Some(declared), &resource, by)?
    } else {
        store::apply_by(&session.engine, &all, &resource, by).await?
    };
    let word = D::WORD;
    let line = match applied.outcome {
        Outcome::Unchanged | Outcome::Adopted => {
            format!("{word}/{name} unchanged{note}: it says what generation {generation} says")
        }
        Outcome::Created | Outcome::Configured => format!(
            "{word}/{name} rolled back to generation {generation}, as generation {}{note}",
            applied.generation
        ),
    };
    if args.dry_run {
        let colour = session.terminal.colours_data();
        session.terminal.raw(&change(&look, &resource, colour))?;
    }
    session.terminal.done(&line)?;
    session.warn_without_operator(&look);
    Ok(())
}

/// On whose behalf a person changes what is declared: of whoever declares it, or of themselves
/// where they take it over or nobody is left who does. Fails when a manager would undo it.
pub(super) fn by_hand<'a, D: Stored>(view: &View, declared: &'a D, force: bool) -> Result<By<'a>> {
    let over = declared.newest().map(|newest| newest.config_id.as_str());
    let asked = By {
        manager: None,
        force,
        older: force,
        over,
    };
    let manager = declared.manager();
    let by = super::apply::over(view, manager.as_deref(), asked);
    let apply = names::MANAGER_APPLY;
    let own = |manager: &str| manager == apply || manager.starts_with(&format!("{apply}/"));
    match manager {
        Some(manager) if !by.force && !own(&manager) => Err(CliError::Failed(format!(
            "{}/{}: {manager} manages it and would undo this: {}",
            D::WORD,
            declared.name(),
            super::apply::advice(&manager)
        ))),
        _ => Ok(By {
            manager: by.force.then_some(apply),
            ..by
        }),
    }
}

/// The revision that is meant: the one asked for, or the valid one before that in force that says
/// something else.
fn target<D: Stored>(world: &World, declared: &D, to: Option<u64>) -> Result<(u64, D::Resource)> {
    let name = format!("{}/{}", D::WORD, declared.name());
    let revisions = declared.revisions();
    let kept = || {
        let valid = revisions.iter().filter(|r| r.valid);
        let kept: Vec<String> = valid.map(|r| r.generation.to_string()).collect();
        kept.join(", ")
    };
    let read = |revision: &Revision| Some((revision.generation, content::<D>(world, revision)?));
    if let Some(to) = to {
        let revision = revisions.iter().find(|r| r.generation == to);
        return revision.and_then(read).ok_or_else(|| {
            CliError::Failed(format!(
                "{name} has no valid generation {to}: there are {}",
                kept()
            ))
        });
    }
    let current = declared.in_force();
    // An invalid newest revision is rolled back to the one that is in force.
    let broken = !declared.faults().is_empty();
    let mut older = revisions.iter().rev().filter_map(read);
    let other = older.find(|(generation, resource)| {
        current.is_none_or(|(in_force, current)| {
            (broken && *generation == in_force)
                || *generation < in_force && !parse::same(resource, current)
        })
    });
    other.ok_or_else(|| {
        CliError::Failed(format!(
            "{name} has no earlier generation that says something else; kept are {}",
            kept()
        ))
    })
}
