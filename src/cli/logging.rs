//! How the daemons log: lines for people on a terminal, JSON everywhere else.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use super::error::{CliError, Result};

/// Sets the process's log up, to standard error. `filter` is a level or a list of
/// `module=level`.
pub fn init(filter: &str) -> Result {
    let filter: EnvFilter = filter.parse().map_err(|error| {
        CliError::Usage(format!(
            "`{filter}` is not a log filter ({error}): write info, or info,skep::plan=debug"
        ))
    })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let set = if std::io::stderr().is_terminal() {
        builder.try_init()
    } else {
        builder
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .try_init()
    };
    set.map_err(|error| CliError::Failed(format!("the log cannot be set up: {error}")))
}
