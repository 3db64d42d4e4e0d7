//! What is read for now but should be written otherwise. A line here is all it takes.

use super::Version;
use crate::api::Diagnostic;

/// What is deprecated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A whole version.
    Version(Version),
    /// A field of a kind, by its path in the newest version. Fields within lists have none.
    Field(&'static str, &'static str),
}

/// A version or a field that goes some day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deprecation {
    /// What it is.
    pub what: Subject,
    /// The version of Skep since which it is.
    pub since: &'static str,
    /// What to do.
    pub instead: &'static str,
}

/// All that is deprecated.
pub const TABLE: [Deprecation; 1] = [Deprecation {
    what: Subject::Version(Version::V1Alpha1),
    since: "0.1.0",
    instead: "`skep convert manifest -f FILE` rewrites it as skep.dev/v1",
}];

/// What of a table a document uses: its kind, the version it was written in, and whether it has
/// something at a path of the newest version. Each with its path, without positions.
#[must_use]
pub fn find(
    table: &[Deprecation],
    kind: &str,
    version: Version,
    has: impl Fn(&str) -> bool,
) -> Vec<Diagnostic> {
    let used = |one: &Deprecation| match one.what {
        Subject::Version(old) if old == version => Some((
            "apiVersion".to_owned(),
            format!("{old} is deprecated since Skep {}", one.since),
        )),
        Subject::Field(of, path) if kind == of && has(path) => {
            let message = format!("deprecated since Skep {}", one.since);
            Some((path.to_owned(), message))
        }
        _ => None,
    };
    let all = table.iter();
    all.filter_map(|one| {
        let (path, message) = used(one)?;
        Some(Diagnostic::at(path, message).hint(one.instead))
    })
    .collect()
}
