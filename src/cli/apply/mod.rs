//! `skep apply`: manifests become revisions in the store; the operator does the rest.

mod images;
pub mod preflight;
mod prune;

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use tokio::time::Instant;

use super::args::ApplyArgs;
use super::error::{CliError, Result};
use super::get::reference;
use super::session::{Session, View};
use super::terminal::Terminal;
use super::wait::{self, Goal};
use crate::api::{ConditionStatus, ConditionType, ServiceCluster, Source};
use crate::names;
use crate::store::{self, Applied, By, Outcome};
use crate::world::sources::sources;
use crate::world::{Declared, Stored as _};

pub use prune::{bounded, doomed};

/// Writes on their way to the engine at once: enough to hide the time of one, few enough not to
/// hold up others.
const AT_ONCE: usize = 8;

impl From<store::Error> for CliError {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Swarm(error) => error.into(),
            other => Self::Failed(other.to_string()),
        }
    }
}

/// The manager that the flags mean.
#[must_use]
pub fn manager(set: Option<&str>) -> String {
    set.map_or_else(|| names::MANAGER_APPLY.to_owned(), names::set_manager)
}

/// Says that manifests which were read are valid: all that a client's dry run does.
pub fn valid(terminal: Terminal, clusters: &[ServiceCluster], sources: &[Source]) -> Result {
    let sources = sources
        .iter()
        .map(|s| super::sources::reference(&s.metadata.name));
    for name in clusters.iter().map(reference).chain(sources) {
        terminal.done(&format!("{name} is valid (dry run)"))?;
    }
    Ok(())
}

/// On whose behalf a cluster is stored: one that a source applied which is gone is nobody's, and
/// one of a source at work cannot be taken, because it would put its own back at once.
#[must_use]
pub fn on_behalf<'a>(view: &View, cluster: &str, by: By<'a>) -> By<'a> {
    let manager = view.declared.get(cluster).and_then(Declared::manager);
    over(view, manager.as_deref(), by)
}

/// The same over what a manager declares.
pub(super) fn over<'a>(view: &View, manager: Option<&str>, by: By<'a>) -> By<'a> {
    let source = manager.and_then(|m| m.strip_prefix(names::SOURCE_MANAGER));
    let Some(source) = source else {
        return by;
    };
    let force = match sources(&view.world).get(source) {
        None => true,
        Some(source) => {
            let accepted = source.accepted.as_ref();
            by.force && accepted.is_none_or(|(_, source)| source.spec.suspend)
        }
    };
    By { force, ..by }
}

/// What somebody can do about a cluster that a manager declares.
#[must_use]
pub fn advice(manager: &str) -> &'static str {
    if manager.starts_with(names::SOURCE_MANAGER) {
        "change it in the repository; to change it here for a while, set spec.suspend of the source first, then --force-conflicts; to take it over, do so as a --set, and take it out of the repository"
    } else {
        "change it there, or take it over with --force-conflicts"
    }
}

/// Stores the clusters, which are valid, and tells what became of each. Nothing is written when
/// one of them cannot be.
pub async fn run(session: &Session, args: &ApplyArgs, clusters: &[ServiceCluster]) -> Result {
    let view = session.look().await?;
    session.warn_without_operator(&view);
    let manager = manager(args.ownership.set.as_deref());
    let by = By {
        manager: Some(&manager),
        force: args.ownership.force_conflicts,
        older: args.ownership.force_conflicts,
        over: None,
    };
    check(session, args, &view, clusters, by)?;
    images::warn(session, &view, clusters).await;
    let doomed = if args.prune {
        doomed(&view.declared, clusters, &manager, args.selector.as_ref())
    } else {
        Vec::new()
    };
    if args.dry_run.is_some() {
        for cluster in clusters {
            let found = view.declared.get(&cluster.metadata.name);
            tell(
                session,
                &view,
                cluster,
                store::would_apply(found, cluster, on_behalf(&view, &cluster.metadata.name, by))?,
                by,
                true,
            )?;
        }
        for name in doomed {
            session
                .terminal
                .done(&format!("servicecluster/{name} pruned (dry run)"))?;
        }
        return Ok(());
    }
    store_all(session, &view, clusters, by).await?;
    prune::run(session, &manager, &doomed).await
}

/// Waits until all that was stored is there, clusters and sources, with one deadline.
pub async fn settle(
    session: &Session,
    clusters: &[ServiceCluster],
    sources: &super::sources::Told,
    timeout: Duration,
) -> Result {
    let deadline = Instant::now() + timeout;
    let names: Vec<String> = clusters.iter().map(|c| c.metadata.name.clone()).collect();
    let goal = Goal::Condition(ConditionType::Ready, ConditionStatus::True);
    if !names.is_empty() {
        wait::run(session, &names, goal, timeout).await?;
    }
    super::sources::settle(session, sources, deadline).await
}

/// Fails with everything that speaks against applying, before anything is written.
fn check(
    session: &Session,
    args: &ApplyArgs,
    view: &View,
    clusters: &[ServiceCluster],
    by: By<'_>,
) -> Result {
    let found = preflight::preflight(&view.world, clusters);
    for warning in &found.warnings {
        session.terminal.warning(warning);
    }
    let mut faults = conflicts(view, clusters, by);
    if args.allow_missing {
        for missing in &found.missing {
            session.terminal.warning(missing);
        }
    } else if !found.missing.is_empty() {
        faults.extend(found.missing);
        faults.push(
            "nothing was applied; with --allow-missing manifests may come before what they name"
                .to_owned(),
        );
    }
    if faults.is_empty() {
        return Ok(());
    }
    Err(CliError::Failed(faults.join("\n")))
}

/// The clusters that others declare, and the fields in which the manifests differ from them.
#[must_use]
pub fn conflicts(view: &View, clusters: &[ServiceCluster], by: By<'_>) -> Vec<String> {
    let conflict = |cluster: &ServiceCluster| {
        let name = &cluster.metadata.name;
        let found = view.declared.get(name);
        let by = on_behalf(view, name, by);
        let Err(store::Error::Managed { manager, .. }) = store::would_apply(found, cluster, by)
        else {
            return None;
        };
        let stored = found.and_then(|d| d.accepted.as_ref());
        let fields = stored.map(|stored| crate::api::changed_fields(&stored.cluster, cluster));
        let fields = fields.unwrap_or_default().join(", ");
        Some(format!(
            "{}: {manager} manages it and this manifest would change {fields}: {}",
            reference(cluster),
            advice(&manager)
        ))
    };
    clusters.iter().filter_map(conflict).collect()
}

/// Writes what differs, a few at once, and tells of each in the order of the manifests, as soon as
/// those before it are told. After a failure nothing new is begun, but all that was is told.
async fn store_all(
    session: &Session,
    view: &View,
    clusters: &[ServiceCluster],
    by: By<'_>,
) -> Result {
    let failed = AtomicBool::new(false);
    let write = async |cluster| {
        // Begun only now, when one before may have failed.
        if failed.load(Ordering::Relaxed) {
            return None;
        }
        let cluster: &ServiceCluster = cluster;
        let by = on_behalf(view, &cluster.metadata.name, by);
        let outcome = store::apply_by(&session.engine, &view.declared, cluster, by).await;
        failed.fetch_or(outcome.is_err(), Ordering::Relaxed);
        Some((cluster, outcome))
    };
    let mut written = pin!(stream::iter(clusters).map(write).buffered(AT_ONCE));
    let (mut done, mut first) = (0, None);
    while let Some(outcome) = written.next().await {
        match outcome {
            Some((cluster, Ok(applied))) => {
                done += 1;
                session.terminal.clear();
                tell(session, view, cluster, applied, by, false)?;
                session.terminal.meter("applied", done, clusters.len());
            }
            Some((cluster, Err(error))) if first.is_none() => first = Some((cluster, error)),
            Some(_) | None => {}
        }
    }
    let Some((cluster, error)) = first else {
        return Ok(());
    };
    Err(CliError::from(error).context(&format!(
        "{}: {done} of {} applied; apply again to go on",
        reference(cluster),
        clusters.len()
    )))
}

fn tell(
    session: &Session,
    view: &View,
    cluster: &ServiceCluster,
    applied: Applied,
    by: By<'_>,
    dry_run: bool,
) -> Result {
    let what = match applied.outcome {
        Outcome::Created => "created".to_owned(),
        Outcome::Configured => "configured".to_owned(),
        Outcome::Unchanged => "unchanged".to_owned(),
        Outcome::Adopted => format!(
            "unchanged, managed by {} now",
            by.manager.unwrap_or_default()
        ),
    };
    let note = if dry_run { " (dry run)" } else { "" };
    if applied.outcome == Outcome::Unchanged
        && let Some(warning) = not_ours(view, cluster, by)
    {
        session.terminal.warning(&warning);
    }
    let line = format!("{} {what}{note}", reference(cluster));
    session.terminal.done(&line)
}

/// Says whose a cluster is that is as the manifest wants it, but not because of the manifest.
fn not_ours(view: &View, cluster: &ServiceCluster, by: By<'_>) -> Option<String> {
    let manager = view.declared.get(&cluster.metadata.name)?.manager()?;
    if by.manager.is_none_or(|wanted| wanted == manager) {
        return None;
    }
    let how = if manager.starts_with(names::SOURCE_MANAGER) {
        "to take it over, set spec.suspend of the source first, then --set NAME --force-conflicts, and take it out of the repository"
    } else {
        "--force-conflicts takes it over"
    };
    Some(format!(
        "{} is managed by {manager}, which may change or prune it; {how}",
        reference(cluster)
    ))
}
