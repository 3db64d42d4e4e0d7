//! `skep wait source/NAME`.

use std::time::Duration;

use super::{reference, resource, some, told};
use crate::api::{ConditionStatus, ConditionType};
use crate::cli::error::{CliError, Result};
use crate::cli::session::{Progress, Session};
use crate::cli::view::missing;
use crate::cli::wait::Goal;
use crate::store::sources::is_sealed;
use crate::world::World;
use crate::world::sources::{DeclaredSource, sources};

/// Waits until all of the sources are there, and says so of each.
pub async fn run(session: &Session, typed: &[String], goal: Goal, timeout: Duration) -> Result {
    let names = some(typed)?;
    if let Goal::Condition(kind, _) = goal
        && !matches!(kind, ConditionType::Accepted | ConditionType::Ready)
    {
        return Err(CliError::Usage(format!(
            "a source has no condition {kind:?}: it is Accepted or Ready"
        )));
    }
    // Who is away changes no condition, and makes none come true.
    session.warn_without_operator(&session.look().await?);
    session
        .until(timeout, |view| {
            let all = sources(&view.world);
            if goal != Goal::Delete {
                missing(&all, &names)?;
            }
            let mut waiting = Vec::new();
            for name in &names {
                let found = all.get(name);
                if let (Some(found), Goal::Condition(kind, ConditionStatus::True)) = (found, goal) {
                    hopeless(found, kind)?;
                }
                waiting.extend(lacking(&view.world, name, found, goal));
            }
            Ok(if waiting.is_empty() {
                Progress::Done(())
            } else {
                Progress::Waiting(waiting.join("\n"))
            })
        })
        .await?;
    let said = match goal {
        Goal::Condition(..) => format!("condition {goal} met"),
        Goal::Delete => goal.to_string(),
    };
    for name in &names {
        let line = format!("{} {said}", reference(name));
        session.terminal.done(&line)?;
    }
    Ok(())
}

/// Fails when only another manifest of the source can help.
fn hopeless(found: &DeclaredSource, kind: ConditionType) -> Result {
    let name = reference(&found.name);
    if found.faults.is_empty() {
        let accepted = found.accepted.as_ref();
        let suspended = accepted.is_some_and(|(_, source)| source.spec.suspend);
        if kind == ConditionType::Ready && suspended {
            return Err(CliError::Failed(format!(
                "{name}: it is suspended, so it does not become Ready; to resume, set spec.suspend to false: `skep edit {name}`"
            )));
        }
        return Ok(());
    }
    let head = format!("{name}: its newest manifest is invalid:");
    let faults = found.faults.iter().map(ToString::to_string);
    let lines: Vec<String> = std::iter::once(head).chain(faults).collect();
    Err(CliError::Failed(lines.join("\n")))
}

/// What a source still lacks; `None` when the goal is reached.
fn lacking(
    world: &World,
    name: &str,
    found: Option<&DeclaredSource>,
    goal: Goal,
) -> Option<String> {
    let name_of = reference(name);
    let (kind, status) = match goal {
        Goal::Condition(kind, status) => (kind, status),
        Goal::Delete if found.is_some() => return Some(format!("{name_of}: it is still declared")),
        Goal::Delete if is_sealed(world, name) => {
            return Some(format!("{name_of}: its secrets are still stored"));
        }
        Goal::Delete => return None,
    };
    let found = found?;
    let source = resource(found);
    let newest = source.metadata.generation.unwrap_or_default();
    let mut said = source.status.iter().flat_map(|status| &status.conditions);
    // What is said of an older generation does not count.
    let said = said.find(|c| c.kind == kind && c.observed_generation >= newest);
    match said {
        Some(said) if said.status == status => None,
        None if status == ConditionStatus::Unknown => None,
        Some(said) => {
            let head = format!("{name_of}: {kind:?} is {:?} ({})", said.status, said.reason);
            // The faults say why it is not Ready; nothing else follows from them.
            if kind != ConditionType::Ready {
                return Some(format!("{head}: {}", said.message));
            }
            let status = source.status.clone().unwrap_or_default();
            let head = format!("{head}: {}", told::brief(&said.message, &status));
            Some([vec![head], told::faults(found)].concat().join("\n"))
        }
        None => Some(format!(
            "{name_of}: the operator has not looked at generation {newest} yet; is it running? (`skep version`)"
        )),
    }
}
