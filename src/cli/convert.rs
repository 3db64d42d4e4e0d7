//! `convert`: configurations of other programs become manifests.

use super::args::{ConvertInterlockArgs, ConvertVerb};
use super::error::{CliError, Result};
use super::source;
use super::terminal::Terminal;

/// Runs the verb. Needs no engine.
pub fn run(terminal: Terminal, from: &ConvertVerb) -> Result {
    match from {
        ConvertVerb::Interlock(args) => interlock(terminal, args),
    }
}

/// Documents to the output, what to know of them to standard error. Nothing is written when the
/// configuration has a fault.
fn interlock(terminal: Terminal, args: &ConvertInterlockArgs) -> Result {
    let name = args.config.display().to_string();
    let text = source::text(&args.config).map_err(|fault| CliError::Invalid(vec![fault]))?;
    let converted = crate::convert::interlock(&name, &text).map_err(CliError::Invalid)?;
    match args
        .output
        .as_deref()
        .filter(|path| path.as_os_str() != "-")
    {
        None => terminal.data(&converted.text)?,
        Some(path) => std::fs::write(path, &converted.text).map_err(|error| {
            CliError::Failed(format!("cannot write {}: {error}", path.display()))
        })?,
    }
    for line in &converted.summary {
        terminal.note(line);
    }
    Ok(())
}
