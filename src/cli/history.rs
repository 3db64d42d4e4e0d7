//! `skep history` and `skep rollback`: the stored revisions of a service cluster.

use serde::Serialize;
use time::OffsetDateTime;

use super::age::age;
use super::args::{HistoryArgs, Report, RollbackArgs};
use super::error::{CliError, Result};
use super::get::{json, yaml};
use super::session::{Session, View, now};
use super::table::Table;
use super::view::missing;
use crate::api::{ServiceCluster, changed_fields, parse};
use crate::names;
use crate::store::{self, By, Outcome};
use crate::world::{Config, Declared, World};

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
    let name = super::names::one(&args.name)?;
    let look = session.look().await?;
    missing(&look.declared, std::slice::from_ref(&name))?;
    let Some(declared) = look.declared.get(&name) else {
        return Ok(());
    };
    let shown = revisions(&look.world, declared);
    let text = match args.output {
        Report::Table | Report::Wide => {
            table(&shown, args.output == Report::Wide, now()).render(!args.no_headers, 0)
        }
        Report::Json => json(&shown),
        Report::Yaml => yaml(&shown)?,
    };
    session.terminal.data(&text)
}

/// The revisions of a cluster, oldest first.
#[must_use]
pub fn revisions(world: &World, declared: &Declared) -> Vec<Shown> {
    let in_force = declared.accepted.as_ref().map(|a| a.generation);
    let mut before: Option<ServiceCluster> = None;
    let mut all = Vec::new();
    for revision in &declared.revisions {
        let content = content(world, &revision.config_id, revision.valid);
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
            manager: revision.labels.get(names::LABEL_MANAGER).cloned(),
            changed,
        });
        before = content.or(before);
    }
    all
}

/// What a valid revision says.
fn content(world: &World, config: &str, valid: bool) -> Option<ServiceCluster> {
    let Config { name, data, .. } = world.configs.get(config).filter(|_| valid)?;
    let text = std::str::from_utf8(data).ok()?;
    parse::manifests(name, text).clusters.pop()
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
    let name = super::names::one(&args.name)?;
    let look = session.look().await?;
    missing(&look.declared, std::slice::from_ref(&name))?;
    let Some(declared) = look.declared.get(&name) else {
        return Ok(());
    };
    let (generation, cluster) = target(&look.world, declared, args.to)?;
    let by = by_hand(&look, declared, args.force_conflicts)?;
    let note = if args.dry_run { " (dry run)" } else { "" };
    let applied = if args.dry_run {
        store::would_apply(Some(declared), &cluster, by)?
    } else {
        store::apply_by(&session.engine, &look.declared, &cluster, by).await?
    };
    let line = match applied.outcome {
        Outcome::Unchanged | Outcome::Adopted => {
            format!(
                "servicecluster/{name} unchanged{note}: it says what generation {generation} says"
            )
        }
        Outcome::Created | Outcome::Configured => format!(
            "servicecluster/{name} rolled back to generation {generation}, as generation {}{note}",
            applied.generation
        ),
    };
    if args.dry_run {
        let colour = session.terminal.colours_data();
        let shown = super::diff::render(&look, &[cluster], &[], colour);
        session.terminal.data(&shown.text)?;
    }
    session.terminal.done(&line)?;
    session.warn_without_operator(&look);
    Ok(())
}

/// On whose behalf a person changes what is declared: of whoever declares it, or of themselves
/// where they take it over or nobody is left who does. Fails when a manager would undo it.
pub(super) fn by_hand<'a>(view: &View, declared: &'a Declared, force: bool) -> Result<By<'a>> {
    let over = declared.newest().map(|newest| newest.config_id.as_str());
    let asked = By {
        manager: None,
        force,
        over,
    };
    let by = super::apply::on_behalf(view, &declared.name, asked);
    let apply = names::MANAGER_APPLY;
    let own = |manager: &str| manager == apply || manager.starts_with(&format!("{apply}/"));
    match declared.manager() {
        Some(manager) if !by.force && !own(&manager) => Err(CliError::Failed(format!(
            "servicecluster/{}: {manager} manages it and would undo this: {}",
            declared.name,
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
fn target(world: &World, declared: &Declared, to: Option<u64>) -> Result<(u64, ServiceCluster)> {
    let name = &declared.name;
    let known = || {
        let valid = declared.revisions.iter().filter(|r| r.valid);
        let known: Vec<String> = valid.map(|r| r.generation.to_string()).collect();
        known.join(", ")
    };
    let read = |generation: u64| {
        let revision = declared
            .revisions
            .iter()
            .find(|r| r.generation == generation)?;
        Some((
            generation,
            content(world, &revision.config_id, revision.valid)?,
        ))
    };
    if let Some(to) = to {
        return read(to).ok_or_else(|| {
            CliError::Failed(format!(
                "servicecluster/{name} has no valid generation {to}: there are {}",
                known()
            ))
        });
    }
    let current = declared.accepted.as_ref();
    // An invalid newest revision is rolled back to the one that is in force.
    let broken = !declared.faults.is_empty();
    let older = declared
        .revisions
        .iter()
        .rev()
        .filter_map(|r| read(r.generation));
    let mut older = older.filter(|(generation, cluster)| {
        current.is_none_or(|current| {
            (broken && *generation == current.generation)
                || *generation < current.generation && !parse::same(cluster, &current.cluster)
        })
    });
    older.next().ok_or_else(|| {
        CliError::Failed(format!(
            "servicecluster/{name} has no earlier generation that says something else; kept are {}",
            known()
        ))
    })
}
