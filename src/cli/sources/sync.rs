//! `skep sync`: the operator is asked, through the engine, to look at once.

use std::time::Duration;

use super::{missing, ready, reference, resource, some};
use crate::api::{ConditionStatus, SourceStatus};
use crate::cli::error::{CliError, Result};
use crate::cli::session::{Progress, Session, now};
use crate::cli::sources::args::SyncArgs;
use crate::store;
use crate::world::sources::{DeclaredSource, sources};

/// Asks for each source, and tells what came of it.
pub async fn run(session: &Session, args: &SyncArgs) -> Result {
    let names = some(&args.names)?;
    let look = session.look().await?;
    missing(&sources(&look.world), &names)?;
    session.warn_without_operator(&look);
    // Any text that was not asked before.
    let token = format!("{}-{}", now().unix_timestamp_nanos(), std::process::id());
    for name in &names {
        store::sources::ask(&session.engine, name, &token).await?;
    }
    for name in &names {
        wait(session, name, Some(&token), args.timeout.get()).await?;
    }
    Ok(())
}

/// Waits until the operator has answered (a request, or the newest manifest), and fails when the
/// source is not Ready then.
pub async fn wait(session: &Session, name: &str, token: Option<&str>, timeout: Duration) -> Result {
    let begun = now();
    let told = session
        .until(timeout, |view| {
            let Some(found) = sources(&view.world).remove(name) else {
                let gone = format!("{} was deleted meanwhile", reference(name));
                return Err(CliError::Failed(gone));
            };
            if is_answered(&found, token) {
                let source = resource(&found);
                let ready = ready(&source).cloned();
                // A manifest that was just stored may need a second try; a request is answered.
                let well = ready
                    .as_ref()
                    .is_some_and(|r| r.status == ConditionStatus::True);
                if token.is_some() || well || waited(begun, timeout) {
                    return Ok(Progress::Done(ready));
                }
            }
            let what = format!("the operator has not answered for {} yet", reference(name));
            Ok(Progress::Waiting(what))
        })
        .await?;
    match told {
        Some(ready) if ready.status == ConditionStatus::True => {
            let line = format!("{} in sync: {}", reference(name), ready.message);
            session.terminal.done(&line)
        }
        Some(ready) => Err(CliError::Failed(format!(
            "{}: {}: {}",
            reference(name),
            ready.reason,
            ready.message
        ))),
        None => Err(CliError::Failed(format!(
            "the operator said nothing of {}",
            reference(name)
        ))),
    }
}

/// Whether so little of the time is left that the reason is better than another try.
fn waited(begun: time::OffsetDateTime, timeout: Duration) -> bool {
    let passed = (now() - begun).unsigned_abs();
    passed + Duration::from_secs(2) >= timeout
}

fn is_answered(found: &DeclaredSource, token: Option<&str>) -> bool {
    let newest = found.newest().map_or(0, |newest| newest.generation);
    let status = found.status.as_ref();
    let seen = status.is_some_and(|status| status.observed_generation >= newest);
    let answers = |status: &SourceStatus| Some(status.handled_sync.as_str()) == token;
    // A newer manifest carries no request any more, and is looked at in any case.
    let replaced = token.is_some_and(|token| found.asked() != token);
    seen && (token.is_none() || replaced || status.is_some_and(answers))
}
