//! `skep rollout`: follow the proxies of a service cluster as they are replaced, or replace them.

use std::time::Duration;

use super::args::RolloutArgs;
use super::error::{CliError, Result};
use super::session::{Progress, Session, View};
use super::view::{missing, resource};
use super::wait::{condition, failed, holds};
use crate::api::{ConditionStatus, ConditionType};
use crate::world::Service;

/// Waits until the proxies of each cluster are those that its manifest asks for.
pub async fn status(session: &Session, args: &RolloutArgs) -> Result {
    let names = super::names::some(&args.names)?;
    follow(session, &names, args.timeout.get()).await
}

/// Replaces the proxies of each cluster, as its update policy says: a few at a time, drained.
pub async fn restart(session: &Session, args: &RolloutArgs) -> Result {
    let names = super::names::some(&args.names)?;
    let look = session.look().await?;
    missing(&look.declared, &names)?;
    let mut services = Vec::new();
    for name in &names {
        let service = proxy_service(&look, name).ok_or_else(|| {
            CliError::Failed(format!(
                "servicecluster/{name} has no proxy service yet; `skep describe {name}` says why"
            ))
        })?;
        services.push((name, service));
    }
    for (name, service) in services {
        let mut spec = service.spec.clone();
        spec.force_update += 1;
        let engine = &session.engine;
        engine
            .update_service(&service.id, service.version, &spec)
            .await?;
        let line = format!("servicecluster/{name} restarting: service {}", spec.name);
        session.terminal.done(&line)?;
    }
    if args.wait {
        follow(session, &names, args.timeout.get()).await?;
    }
    Ok(())
}

fn proxy_service<'a>(view: &'a View, name: &str) -> Option<&'a Service> {
    let mut services = view.world.services.values();
    services.find(|service| service.is_proxy_of(name))
}

async fn follow(session: &Session, names: &[String], timeout: Duration) -> Result {
    session
        .until(timeout, |view| {
            missing(&view.declared, names)?;
            let mut waiting = Vec::new();
            for name in names {
                waiting.extend(lacking(view, name)?);
            }
            Ok(if waiting.is_empty() {
                Progress::Done(())
            } else {
                Progress::Waiting(waiting.join("; "))
            })
        })
        .await?;
    for name in names {
        let line = format!("servicecluster/{name} rolled out");
        session.terminal.done(&line)?;
    }
    Ok(())
}

/// What a rollout still lacks; an error when it cannot come to a good end by itself.
fn lacking(view: &View, name: &str) -> Result<Option<String>> {
    let Some(cluster) = view.declared.get(name).map(resource) else {
        return Ok(None);
    };
    if let Some(reason) = failed(&cluster, ConditionType::Ready) {
        return Err(CliError::Failed(format!("servicecluster/{name}: {reason}")));
    }
    let moving = proxy_service(view, name)
        .and_then(|service| service.update.as_ref())
        .is_some_and(|update| update.state.is_moving());
    let ready = holds(&cluster, ConditionType::Ready, ConditionStatus::True);
    if ready && !moving {
        return Ok(None);
    }
    let proxies = cluster
        .status
        .as_ref()
        .map(|s| s.proxies)
        .unwrap_or_default();
    let why = condition(&cluster, ConditionType::Ready)
        .filter(|ready| ready.status != ConditionStatus::True)
        .map(|ready| format!(" ({}: {})", ready.reason, ready.message))
        .unwrap_or_default();
    Ok(Some(format!(
        "servicecluster/{name}: {} of {} proxies updated, {} running{why}",
        proxies.updated, proxies.desired, proxies.running
    )))
}
