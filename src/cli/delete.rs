//! `skep delete`: the declaration goes; the operator takes away what it made.

use super::args::DeleteArgs;
use super::error::{CliError, Result};
use super::session::Session;
use super::wait::{self, Goal};
use super::{names, source, view};
use crate::store;

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
