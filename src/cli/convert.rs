//! `convert`: configurations of other programs become manifests.

use std::path::Path;

use super::args::{ConvertInterlockArgs, ConvertManifestArgs, ConvertVerb, OutputArgs};
use super::error::{CliError, Result};
use super::terminal::Terminal;
use super::{source, written};

/// Runs the verb. Needs no engine.
pub fn run(terminal: Terminal, from: &ConvertVerb) -> Result {
    match from {
        ConvertVerb::Interlock(args) => interlock(terminal, args),
        ConvertVerb::Manifest(args) => manifest(terminal, args),
    }
}

/// Manifests in another version to the output. Nothing is written when one of them has a fault.
fn manifest(terminal: Terminal, args: &ConvertManifestArgs) -> Result {
    args.output.free()?;
    let (sources, _) = source::checked(&args.files.filename)?;
    let texts = sources.iter().map(|source| source.text.as_str());
    let documents = texts.flat_map(|text| crate::api::parse::converted(text, args.to));
    let documents: Vec<String> = documents.collect();
    args.output.write(terminal, &documents.join("---\n"))
}

impl OutputArgs {
    fn file(&self) -> Option<&Path> {
        let file = self.output.as_deref();
        file.filter(|path| path.as_os_str() != "-")
    }

    /// Fails early where it could not be written.
    fn free(&self) -> Result {
        self.file()
            .map_or(Ok(()), |path| written::free(path, self.force))
    }

    fn write(&self, terminal: Terminal, text: &str) -> Result {
        let Some(path) = self.file() else {
            return terminal.raw(text);
        };
        written::write(path, text, self.force)?;
        terminal.note(&format!("{} written", path.display()));
        Ok(())
    }
}

/// Documents to the output, what to know of them to standard error. Nothing is written when the
/// configuration has a fault.
fn interlock(terminal: Terminal, args: &ConvertInterlockArgs) -> Result {
    args.output.free()?;
    let name = args.config.display().to_string();
    let text = source::text(&args.config).map_err(|fault| CliError::Invalid(vec![fault]))?;
    let converted = crate::convert::interlock(&name, &text).map_err(CliError::Invalid)?;
    args.output.write(terminal, &converted.text)?;
    for line in &converted.summary {
        terminal.note(line);
    }
    Ok(())
}
