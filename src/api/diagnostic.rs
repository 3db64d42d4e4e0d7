//! A user's mistake, as a value: where it is, what is wrong and what to do.

use std::fmt;

/// One fault in a manifest or in an application's labels. Faults are collected, never thrown:
/// all of them are shown at once.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Diagnostic {
    /// Where the text came from: a file name, `-`, or a config's name. Empty when unknown.
    pub source: String,
    /// Line, from 1; 0 when unknown.
    pub line: usize,
    /// Column, from 1; 0 when unknown.
    pub column: usize,
    /// Field path such as `spec.proxy.publish.http`; empty for the whole document.
    pub path: String,
    /// What is wrong: lower case, one sentence, no full stop.
    pub message: String,
    /// What to do about it; empty when the message says it.
    pub hint: String,
}

impl Diagnostic {
    /// A fault at a field path whose position is filled in later.
    pub fn at(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
            ..Self::default()
        }
    }

    /// The same fault with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }
}

impl fmt::Display for Diagnostic {
    /// `east.yaml:7:5: spec.proxy.replicas: message (hint)`, leaving out what is unknown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.source.is_empty() {
            write!(f, "{}:", self.source)?;
        }
        if self.line > 0 {
            write!(f, "{}:{}:", self.line, self.column)?;
        }
        if !self.source.is_empty() || self.line > 0 {
            write!(f, " ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "{}", self.message)?;
        if !self.hint.is_empty() {
            write!(f, " ({})", self.hint)?;
        }
        Ok(())
    }
}
