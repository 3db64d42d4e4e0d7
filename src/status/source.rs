//! The status of a source.

mod faults;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use super::conditions::LONGEST;
use crate::api::value::Span;
use crate::api::{Condition, ConditionStatus, ConditionType, SourceChange, SourceStatus};
use crate::world::Stored as _;
use crate::world::sources::DeclaredSource;

pub use faults::{Faults, cut, first};

/// First wait after a failure.
pub const FIRST_RETRY: Span = Span::from_secs(5);
/// Longest wait after failures, unless the source's interval is longer.
pub const LONGEST_RETRY: Span = Span::from_secs(300);
/// While nothing changes, the time of the last success is written this often only: every write is
/// one of Swarm's own log.
pub const HEARTBEAT: Span = Span::from_secs(600);
/// Syncs whose changes are listed.
const CHANGES: usize = 5;
/// Clusters that are listed of one sync.
const NAMES: usize = 50;

/// What came of the last look at a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A commit is in force.
    Applied {
        /// The commit.
        commit: String,
        /// Clusters that it declares.
        clusters: usize,
    },
    /// It failed.
    Failed {
        /// A CamelCase word of a bounded set.
        reason: String,
        /// What to do.
        message: String,
        /// The commit that could not be applied; `None`: none was read.
        commit: Option<String>,
        /// What is wrong one by one, where there may be several things.
        faults: Faults,
    },
    /// Nobody looks.
    Suspended,
    /// No revision of the source's manifest was ever valid.
    Invalid,
}

/// What a status follows from.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// The source.
    pub declared: &'a DeclaredSource,
    /// What came of it.
    pub outcome: &'a Outcome,
    /// When it last went well, as this operator knows; empty: it does not.
    pub last_success: &'a str,
    /// The request of `skep sync` that this answers.
    pub handled: &'a str,
    /// What was changed since the status was written last.
    pub changes: &'a [SourceChange],
    /// Now (RFC 3339).
    pub now: &'a str,
}

/// The status, after the one that is told.
#[must_use]
pub fn status(inputs: Inputs<'_>) -> SourceStatus {
    let Inputs {
        declared,
        outcome,
        last_success,
        handled,
        changes,
        now,
    } = inputs;
    let mut status = declared.status.clone().unwrap_or_default();
    let newest = declared.newest();
    status.observed_generation = newest.map_or(0, |revision| revision.generation);
    if !last_success.is_empty() {
        last_success.clone_into(&mut status.last_success);
    }
    handled.clone_into(&mut status.handled_sync);
    status.failed_revision.clear();
    status.faults.clear();
    status.more_faults = 0;
    // What was written stands there, also when the answer to the write was lost.
    for change in changes.iter().map(bounded) {
        if !status.changes.contains(&change) {
            status.changes.push(change);
        }
    }
    let old = status.changes.len().saturating_sub(CHANGES);
    status.changes.drain(..old);
    match outcome {
        Outcome::Applied { commit, clusters } => {
            status.revision.clone_from(commit);
            status.clusters = *clusters as u64;
        }
        Outcome::Failed { commit, faults, .. } => {
            status.failed_revision = commit.clone().unwrap_or_default();
            status.faults = faults.listed().to_vec();
            status.more_faults = faults.more();
        }
        Outcome::Suspended | Outcome::Invalid => {}
    }
    let before = std::mem::take(&mut status.conditions);
    let said = [accepted(declared), ready(declared, outcome, &status)];
    status.conditions = said
        .into_iter()
        .map(|(kind, holds, reason, message)| {
            let known = before.iter().find(|c| c.kind == kind && c.status == holds);
            Condition {
                kind,
                status: holds,
                reason,
                message,
                observed_generation: status.observed_generation,
                last_transition_time: known
                    .map_or_else(|| now.to_owned(), |c| c.last_transition_time.clone()),
            }
        })
        .collect();
    status
}

type Said = (ConditionType, ConditionStatus, String, String);

fn accepted(declared: &DeclaredSource) -> Said {
    let kind = ConditionType::Accepted;
    if declared.faults.is_empty() {
        let message = "the manifest of the source is valid".to_owned();
        return (kind, ConditionStatus::True, "Valid".to_owned(), message);
    }
    let mut message = String::new();
    for fault in &declared.faults {
        let joint = if message.is_empty() { "" } else { "; " };
        let _ = write!(message, "{joint}{fault}");
        if message.len() > LONGEST {
            break;
        }
    }
    let message = cut(&message, LONGEST);
    (kind, ConditionStatus::False, "Invalid".to_owned(), message)
}

fn ready(declared: &DeclaredSource, outcome: &Outcome, status: &SourceStatus) -> Said {
    let kind = ConditionType::Ready;
    let (holds, reason, message) = match outcome {
        // An older manifest may be followed well, but it is not what was asked for.
        Outcome::Applied { .. } if !declared.faults.is_empty() => (
            ConditionStatus::False,
            "InvalidSource",
            "the newest manifest of the source is invalid, the one before it is followed"
                .to_owned(),
        ),
        Outcome::Applied { commit, clusters } => {
            let plural = if *clusters == 1 { "" } else { "s" };
            let message = format!(
                "commit {} is applied: {clusters} service cluster{plural}",
                short(commit)
            );
            (ConditionStatus::True, "Applied", message)
        }
        Outcome::Failed {
            reason,
            message,
            commit,
            faults,
        } => {
            let message = why(message, faults);
            let message = failed(reason, &message, commit.as_deref(), status);
            (ConditionStatus::False, reason.as_str(), message)
        }
        Outcome::Suspended => {
            let message = format!(
                "spec.suspend is true, so nothing is read or applied; {}",
                in_force(status)
            );
            (ConditionStatus::False, "Suspended", message)
        }
        Outcome::Invalid => {
            let message = "the manifest of the source is invalid, nothing is followed".to_owned();
            (ConditionStatus::False, "InvalidSource", message)
        }
    };
    (kind, holds, reason.to_owned(), message)
}

/// What is wrong. Who reads conditions only, as alerts do, is told the first of several faults.
fn why(message: &str, faults: &Faults) -> String {
    let message = cut(message, LONGEST);
    match first(faults.listed()) {
        Some(only) if faults.count() == 1 => only,
        Some(first) => format!("{message}, the first: {first}"),
        None => message,
    }
}

/// Why something failed, of which commit, and what holds on meanwhile.
fn failed(reason: &str, message: &str, commit: Option<&str>, status: &SourceStatus) -> String {
    let Some(commit) = commit else {
        let again = if reason == "FetchFailed" {
            "; it is tried again"
        } else {
            ""
        };
        return format!("{message}{again}; {}", in_force(status));
    };
    let short = short(commit);
    let success = &status.last_success;
    match reason {
        // A source may ask for more than it did when the commit was applied.
        "Unverified" if commit == status.revision => format!(
            "commit {short} is in force, but is not signed as spec.verify asks: {message}; it was applied before spec.verify asked for that, and stays in force until a commit is signed so, because nothing is undone (last success {success})"
        ),
        _ if commit == status.revision => format!(
            "commit {short} is in force, but cannot be applied anew: {message}; what it brought before stays (last success {success})"
        ),
        "ApplyFailed" if status.revision.is_empty() => {
            format!("commit {short} is not applied to the end: {message}; it is tried again")
        }
        "ApplyFailed" => format!(
            "commit {short} is not applied to the end: {message}; it is tried again; commit {} was the last that was (last success {success})",
            self::short(&status.revision)
        ),
        _ => format!(
            "commit {short} is not applied: {message}; {}",
            in_force(status)
        ),
    }
}

/// The first names of what was changed, of each list in turn.
fn bounded(change: &SourceChange) -> SourceChange {
    let mut change = change.clone();
    let mut left = NAMES;
    let lists = [
        &mut change.created,
        &mut change.configured,
        &mut change.taken_over,
        &mut change.pruned,
    ];
    for list in lists {
        change.more += list.len().saturating_sub(left) as u64;
        list.truncate(left);
        left -= list.len();
    }
    change
}

/// What holds on while something else fails.
fn in_force(status: &SourceStatus) -> String {
    if status.revision.is_empty() {
        return "nothing was applied so far".to_owned();
    }
    format!(
        "commit {} stays in force (last success {})",
        short(&status.revision),
        status.last_success
    )
}

/// A commit as people write it.
#[must_use]
pub fn short(commit: &str) -> &str {
    commit.get(..10).unwrap_or(commit)
}
