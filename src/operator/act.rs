//! Runs a plan: one engine call a step, each with the version it saw.

use crate::plan::Step;
use crate::swarm::{Engine, Error};

/// Takes the steps in order and stops at the first that fails: the next run plans anew from what
/// is there then, so nothing is lost by stopping.
///
/// A network that tasks of a removed service still use is passed over, not a failure: they leave
/// in a moment. `false` when one was, so that the caller comes back.
pub async fn act(engine: &Engine, steps: &[Step]) -> Result<bool, Error> {
    let mut whole = true;
    for step in steps {
        log(step);
        match step {
            Step::CreateNetwork(spec) => {
                engine.create_network(spec).await?;
            }
            Step::RemoveNetwork { id, .. } => match gone(engine.remove_network(id).await) {
                Err(Error::InUse { .. }) => whole = false,
                other => other?,
            },
            Step::LabelNode {
                id,
                version,
                labels,
                ..
            } => engine.label_node(id, *version, labels).await?,
            Step::CreateService(spec) => {
                engine.create_service(spec).await?;
            }
            Step::UpdateService {
                id, version, spec, ..
            } => engine.update_service(id, *version, spec).await?,
            Step::RemoveService { id, .. } => gone(engine.remove_service(id).await)?,
        }
    }
    Ok(whole)
}

/// What is gone already need not be removed.
fn gone(outcome: Result<(), Error>) -> Result<(), Error> {
    match outcome {
        Err(Error::NotFound { .. }) => Ok(()),
        other => other,
    }
}

/// The kind of a step, from a bounded set: for logs and metrics.
#[must_use]
pub fn kind(step: &Step) -> &'static str {
    match step {
        Step::CreateNetwork(_) => "CreateNetwork",
        Step::RemoveNetwork { .. } => "RemoveNetwork",
        Step::LabelNode { .. } => "LabelNode",
        Step::CreateService(_) => "CreateService",
        Step::UpdateService { .. } => "UpdateService",
        Step::RemoveService { .. } => "RemoveService",
    }
}

/// Says what is about to be done, and to what.
fn log(step: &Step) {
    let (object, changes) = match step {
        Step::CreateNetwork(spec) => (&spec.name, String::new()),
        Step::RemoveNetwork { name, .. } | Step::RemoveService { name, .. } => {
            (name, String::new())
        }
        Step::LabelNode {
            hostname, labels, ..
        } => (hostname, format!("{labels:?}")),
        Step::CreateService(spec) => (&spec.name, String::new()),
        Step::UpdateService { spec, changes, .. } => (&spec.name, changes.join(", ")),
    };
    tracing::info!(step = kind(step), %object, %changes, "acting");
}
