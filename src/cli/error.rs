//! What can go wrong on the command line, and the exit code of each.

use crate::api::Diagnostic;

/// A verb's failure.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// It could not be done: not found, refused, in conflict, not in time.
    #[error("{0}")]
    Failed(String),
    /// The command line asks for something that cannot be.
    #[error("{0}")]
    Usage(String),
    /// Manifests with faults, all of them.
    #[error("{}", faults(.0))]
    Invalid(Vec<Diagnostic>),
    /// No engine, or not one that can be used.
    #[error("{0}")]
    Engine(String),
    /// Standard output could not be written.
    #[error("cannot write the output: {0}")]
    Output(#[from] std::io::Error),
}

/// Result of a verb.
pub type Result<T = ()> = std::result::Result<T, CliError>;

impl CliError {
    /// One CamelCase word, from a bounded set.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::Failed(_) => "Failed",
            Self::Usage(_) => "Usage",
            Self::Invalid(_) => "InvalidManifest",
            Self::Engine(_) => "NoEngine",
            Self::Output(_) => "Output",
        }
    }

    /// The process's exit code; the help and `docs/cli.md` list them.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Failed(_) | Self::Output(_) => 1,
            Self::Usage(_) | Self::Invalid(_) => 2,
            Self::Engine(_) => 3,
        }
    }

    /// A reader that went away (`skep get | head`) is no failure.
    #[must_use]
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe)
    }
}

/// Every fault on a line of its own.
fn faults(all: &[Diagnostic]) -> String {
    let lines: Vec<String> = all.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_tell_bad_input_from_failure_from_a_missing_engine() {
        assert_eq!(CliError::Failed(String::new()).exit_code(), 1);
        assert_eq!(CliError::Invalid(Vec::new()).exit_code(), 2);
        assert_eq!(CliError::Engine(String::new()).exit_code(), 3);
    }
}
