//! `skep diff`: what `apply` would change in the manifests, and what the operator would do then.

use std::collections::BTreeMap;

use super::apply::preflight::{planned, with_declared};
use super::apply::{conflicts, doomed, manager};
use super::args::DiffArgs;
use super::changes::{paint, unified};
use super::error::{CliError, Result};
use super::get::reference;
use super::session::{Session, View};
use crate::api::{ServiceCluster, Source, Version, parse};
use crate::plan::{Step, sweep};
use crate::store::By;
use crate::world::sources::sources;
use crate::world::{Declared, World};

/// Prints the differences; [`CliError::Different`] when there are some.
pub async fn run(
    session: &Session,
    args: &DiffArgs,
    clusters: &[ServiceCluster],
    wanted: &[Source],
) -> Result {
    let view = session.look().await.map_err(incomparable)?;
    session.warn_without_operator(&view);
    let manager = manager(args.ownership.set.as_deref());
    let by = By {
        manager: Some(&manager),
        force: args.ownership.force_conflicts,
        older: args.ownership.force_conflicts,
        over: None,
    };
    for conflict in conflicts(&view, clusters, by) {
        session.terminal.warning(&conflict);
    }
    let doomed = if args.prune {
        doomed(&view.declared, clusters, &manager, args.selector.as_ref())
    } else {
        Vec::new()
    };
    let colour = session.terminal.colours_data();
    let version = args.api_version;
    let mut shown = render(&view, clusters, &doomed, version, colour);
    let of_sources = changes(&view.world, wanted, version, colour);
    shown.differs |= !of_sources.is_empty();
    shown.text.push_str(&of_sources);
    session.terminal.raw(&shown.text)?;
    if shown.differs {
        return Err(CliError::Different);
    }
    Ok(())
}

/// A failure with another exit code: 1 means that something differs.
#[must_use]
pub fn incomparable(error: CliError) -> CliError {
    match error {
        CliError::Failed(what) => CliError::Incomparable(what),
        other => other,
    }
}

/// What is printed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// For people.
    pub text: String,
    /// Whether a manifest differs from what is stored.
    pub differs: bool,
}

/// The differences of manifests to what is declared, and the plans they lead to.
#[must_use]
pub fn render(
    view: &View,
    clusters: &[ServiceCluster],
    doomed: &[String],
    version: Option<Version>,
    colour: bool,
) -> Shown {
    let mut shown = Shown::default();
    let mut after = with_declared(&view.world, clusters);
    after.configs.retain(|_, config| {
        let name = config.labels.get(crate::names::LABEL_NAME);
        !name.is_some_and(|name| doomed.contains(name))
    });
    let after = View::of(after);
    for cluster in clusters {
        let name = &cluster.metadata.name;
        // Both sides in one version: what is written in two may say the same.
        let version = version.unwrap_or(cluster.stated);
        let stored = stored(view.declared.get(name), version);
        let reference = reference(cluster);
        let manifest = parse::canonical_in(cluster, version);
        let diff = unified((&reference, &stored), (&reference, &manifest), colour);
        shown.differs |= !diff.is_empty();
        let plan = planned(&after, &after.world, cluster);
        let mut lines = plan
            .steps
            .iter()
            .map(|step| line(step, &view.world))
            .collect();
        section(&mut shown.text, &reference, &diff, &mut lines, colour);
        for blocker in plan.blockers {
            let told = format!("  ! {}: {}", blocker.reason, blocker.message);
            shown.text.push_str(&paint(&told, "33", colour));
        }
    }
    for name in doomed {
        let reference = format!("servicecluster/{name}");
        let diff = unified(
            (
                &reference,
                &stored(view.declared.get(name), version.unwrap_or_default()),
            ),
            ("/dev/null", ""),
            colour,
        );
        shown.differs = true;
        let mut lines = removals(&after, name);
        section(&mut shown.text, &reference, &diff, &mut lines, colour);
    }
    shown
}

/// The differences of sources to what is declared. They have no plan: what a source applies is in
/// its repository.
#[must_use]
pub fn changes(world: &World, wanted: &[Source], version: Option<Version>, colour: bool) -> String {
    let declared = sources(world);
    let change = |source: &Source| {
        let name = &source.metadata.name;
        let accepted = declared.get(name).and_then(|d| d.accepted.as_ref());
        let version = version.unwrap_or(source.stated);
        let stored = accepted.map(|(_, stored)| parse::canonical_in(stored, version));
        let reference = super::sources::reference(name);
        let (stored, manifest) = (
            stored.unwrap_or_default(),
            parse::canonical_in(source, version),
        );
        unified((&reference, &stored), (&reference, &manifest), colour)
    };
    wanted.iter().map(change).collect()
}

/// The canonical text of what is in force, in a version.
fn stored(declared: Option<&Declared>, version: Version) -> String {
    let accepted = declared.and_then(|declared| declared.accepted.as_ref());
    accepted
        .map(|accepted| parse::canonical_in(&accepted.cluster, version))
        .unwrap_or_default()
}

/// One cluster: its diff, then its plan. Nothing when both are empty.
fn section(text: &mut String, name: &str, diff: &str, lines: &mut Vec<String>, colour: bool) {
    if diff.is_empty() && lines.is_empty() {
        return;
    }
    text.push_str(diff);
    if lines.is_empty() {
        lines.push("nothing: the Swarm is so already".to_owned());
    }
    text.push_str(&paint(&format!("plan of {name}:"), "1", colour));
    for line in lines {
        text.push_str(&paint(&format!("  {line}"), "", colour));
    }
}

/// What goes with a cluster that is declared no more.
fn removals(after: &View, name: &str) -> Vec<String> {
    let mut others: BTreeMap<String, Declared> = after.declared.clone();
    // What older clusters left behind is not this one's.
    for owner in after
        .world
        .services
        .values()
        .filter_map(|s| s.spec.labels.get(crate::names::LABEL_CLUSTER))
    {
        if owner != name {
            others.entry(owner.clone()).or_default();
        }
    }
    let steps = sweep(&after.world, &others).steps;
    steps.iter().map(|step| line(step, &after.world)).collect()
}

/// An engine call for people: what it does to what, and whether proxies restart.
#[must_use]
pub fn line(step: &Step, world: &World) -> String {
    match step {
        Step::CreateNetwork(spec) => format!("+ create network {}", spec.name),
        Step::RemoveNetwork { name, .. } => format!("- remove network {name}"),
        Step::LabelNode {
            id,
            hostname,
            labels,
            ..
        } => {
            let old = world.nodes.get(id).map(|node| &node.labels);
            let record = |key: &String| key.starts_with(crate::names::OWNED_PREFIX);
            let set = labels
                .iter()
                .filter(|(key, value)| {
                    !record(key) && old.and_then(|old| old.get(*key)) != Some(value)
                })
                .map(|(key, value)| format!("{key}={value}"));
            let gone = old.into_iter().flatten();
            let gone = gone
                .filter(|(key, _)| !record(key) && !labels.contains_key(*key))
                .map(|(key, _)| format!("{key}-"));
            let changes: Vec<String> = set.chain(gone).collect();
            let changes = if changes.is_empty() {
                "what Skep owns there".to_owned()
            } else {
                changes.join(" ")
            };
            format!("~ label node {hostname}: {changes}")
        }
        Step::CreateService(spec) => format!("+ create service {}", spec.name),
        Step::UpdateService {
            spec,
            changes,
            restarts,
            ..
        } => {
            let effect = if *restarts {
                "restarts its proxies"
            } else {
                "no proxy restarts"
            };
            format!(
                "~ update service {} ({}): {effect}",
                spec.name,
                changes.join(", ")
            )
        }
        Step::RemoveService { name, .. } => format!("- remove service {name}: its proxies stop"),
    }
}
