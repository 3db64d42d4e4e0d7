//! `skep delete`: the declaration goes; the operator takes away what it made.

use super::args::DeleteArgs;
use super::error::{CliError, Result};
use super::session::{Session, View};
use super::wait::{self, Goal};
use super::{names, source, view};
use crate::names as words;
use crate::store;
use crate::world::Stored as _;
use crate::world::sources::sources;

/// The names that are meant, from the command line or from manifests.
pub fn wanted(args: &DeleteArgs) -> Result<Vec<String>> {
    if args.filename.is_empty() {
        return names::some(&args.names);
    }
    let found = source::resources(&args.filename)?;
    if let Some(source) = found.sources.first() {
        let name = &source.metadata.name;
        return Err(CliError::Usage(format!(
            "source/{name} is among the manifests, and what it applied would stay: delete it by its name with `skep delete source {name}`"
        )));
    }
    let clusters = found.clusters;
    Ok(clusters.into_iter().map(|c| c.metadata.name).collect())
}

/// Deletes them; none when one of them does not exist.
pub async fn run(session: &Session, args: &DeleteArgs, mut names: Vec<String>) -> Result {
    let look = session.look().await?;
    if args.ignore_not_found {
        names.retain(|name| look.declared.contains_key(name));
    } else {
        view::missing(&look.declared, &names)?;
    }
    comes_back(&look, &names, args.force_conflicts)?;
    store::delete_all(
        &session.engine,
        &names,
        |_| true,
        |name| {
            let line = format!("servicecluster/{name} deleted");
            session.terminal.done(&line)
        },
    )
    .await?;
    if !names.is_empty() {
        session.warn_without_operator(&look);
    }
    if args.wait && !names.is_empty() {
        wait::run(session, &names, Goal::Delete, args.timeout.get()).await?;
    }
    Ok(())
}

/// Fails when others declare some of them: those would only lose their history, and their proxies
/// for a while. `force`: but for what a source at work prunes or brings back by itself.
fn comes_back(look: &View, names: &[String], force: bool) -> Result {
    let known = sources(&look.world);
    let told = names.iter().filter_map(|name| {
        let manager = look.declared.get(name)?.manager()?;
        let how = match manager.strip_prefix(words::SOURCE_MANAGER) {
            Some(source) => {
                // A source that is gone brings nothing back.
                let accepted = known.get(source)?.accepted.as_ref();
                // One that does not prune leaves behind what its folder declares no more.
                let rests =
                    accepted.is_none_or(|(_, source)| source.spec.suspend || !source.spec.prune);
                (!(force && rests)).then_some(
                    "delete it in the repository; to delete it here, set spec.suspend of the source first, then --force-conflicts",
                )
            }
            None => (!force && manager.starts_with(words::STACK_MANAGER)).then_some(
                "take it out of the stack; --force-conflicts deletes it here all the same",
            ),
        };
        Some(format!(
            "servicecluster/{name}: {manager} manages it and would undo this: {}",
            how?
        ))
    });
    let told: Vec<String> = told.collect();
    if told.is_empty() {
        return Ok(());
    }
    Err(CliError::Failed(told.join("\n")))
}
