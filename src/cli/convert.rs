//! `convert`: configurations of other programs become manifests.

use std::path::Path;

use super::args::{ConvertInterlockArgs, ConvertManifestArgs, ConvertVerb};
use super::error::{CliError, Result};
use super::source;
use super::terminal::Terminal;

/// Runs the verb. Needs no engine.
pub fn run(terminal: Terminal, from: &ConvertVerb) -> Result {
    match from {
        ConvertVerb::Interlock(args) => interlock(terminal, args),
        ConvertVerb::Manifest(args) => manifest(terminal, args),
    }
}

/// Manifests in another version to the output. Nothing is written when one of them has a fault.
fn manifest(terminal: Terminal, args: &ConvertManifestArgs) -> Result {
    let (sources, _) = source::checked(&args.files.filename)?;
    let texts = sources.iter().map(|source| source.text.as_str());
    let documents = texts.flat_map(|text| crate::api::parse::converted(text, args.to));
    let documents: Vec<String> = documents.collect();
    write(terminal, args.output.as_deref(), &documents.join("---\n"))
}

fn write(terminal: Terminal, output: Option<&Path>, text: &str) -> Result {
    match output.filter(|path| path.as_os_str() != "-") {
        None => terminal.data(text),
        Some(path) => std::fs::write(path, text)
            .map_err(|error| CliError::Failed(format!("cannot write {}: {error}", path.display()))),
    }
}

/// Documents to the output, what to know of them to standard error. Nothing is written when the
/// configuration has a fault.
fn interlock(terminal: Terminal, args: &ConvertInterlockArgs) -> Result {
    let name = args.config.display().to_string();
    let text = source::text(&args.config).map_err(|fault| CliError::Invalid(vec![fault]))?;
    let converted = crate::convert::interlock(&name, &text).map_err(CliError::Invalid)?;
    write(terminal, args.output.as_deref(), &converted.text)?;
    for line in &converted.summary {
        terminal.note(line);
    }
    Ok(())
}
