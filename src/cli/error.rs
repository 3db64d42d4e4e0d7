//! What can go wrong on the command line, and the exit code of each.

use crate::api::Diagnostic;

const INTERRUPTED: &str = "interrupted; nothing is left half-written, run the same command again";

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
    /// `diff` found differences, which it has shown.
    #[error("")]
    Different,
    /// `diff` could not compare.
    #[error("{0}")]
    Incomparable(String),
    /// Stopped by Ctrl-C or SIGTERM.
    #[error("{}", if *writes { INTERRUPTED } else { "" })]
    Interrupted {
        /// It may have changed something.
        writes: bool,
    },
    /// The same in an editor, whose text was kept or not.
    #[error("{0}")]
    Stopped(String),
    /// Standard output could not be written.
    #[error("cannot write the output: {0}")]
    Output(#[from] std::io::Error),
}

/// Result of a verb.
pub type Result<T = ()> = std::result::Result<T, CliError>;

impl CliError {
    /// The same failure, where it happened told first.
    #[must_use]
    pub fn context(self, place: &str) -> Self {
        match self {
            Self::Failed(what) => Self::Failed(format!("{place}: {what}")),
            Self::Engine(what) => Self::Engine(format!("{place}: {what}")),
            other => other,
        }
    }

    /// The same failure with a remark on a line of its own.
    #[must_use]
    pub fn remark(self, remark: &str) -> Self {
        match self {
            Self::Invalid(faults) => {
                let remark = Diagnostic::at("", remark);
                Self::Invalid(faults.into_iter().chain([remark]).collect())
            }
            Self::Failed(what) => Self::Failed(format!("{what}\n{remark}")),
            Self::Stopped(what) => Self::Stopped(format!("{what}\n{remark}")),
            Self::Engine(what) => Self::Engine(format!("{what}\n{remark}")),
            other => other,
        }
    }

    /// One CamelCase word, from a bounded set.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::Failed(_) => "Failed",
            Self::Usage(_) => "Usage",
            Self::Invalid(_) => "InvalidManifest",
            Self::Engine(_) => "NoEngine",
            Self::Different => "Different",
            Self::Incomparable(_) => "Incomparable",
            Self::Interrupted { .. } | Self::Stopped(_) => "Interrupted",
            Self::Output(_) => "Output",
        }
    }

    /// The process's exit code; the help and `docs/cli.md` list them.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Failed(_) | Self::Different | Self::Output(_) => 1,
            Self::Usage(_) | Self::Invalid(_) | Self::Incomparable(_) => 2,
            Self::Engine(_) => 3,
            Self::Interrupted { .. } | Self::Stopped(_) => 130,
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
