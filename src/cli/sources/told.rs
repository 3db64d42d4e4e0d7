//! What the operator tells of a source, for people: each fault and each change on a line. Pure.

use super::reference;
use crate::api::{Condition, SourceChange, SourceStatus};
use crate::status::source::{first, short};
use crate::world::sources::DeclaredSource;

/// A source that is not as it should be, and why.
pub fn unready(found: &DeclaredSource, ready: &Condition) -> String {
    let name = reference(&found.name);
    let status = found.status.clone().unwrap_or_default();
    let message = brief(&ready.message, &status);
    let head = format!("{name}: {}: {message}", ready.reason);
    [vec![head], faults(found)].concat().join("\n")
}

/// All faults: those of its own manifest, then those of what its repository declares.
pub fn faults(found: &DeclaredSource) -> Vec<String> {
    let own = found.faults.iter().map(ToString::to_string);
    let told = found.status.as_ref().map(of_status);
    own.chain(told.unwrap_or_default()).collect()
}

/// The faults of what the repository declares.
pub fn of_status(status: &SourceStatus) -> Vec<String> {
    let told = status.faults.iter().map(ToString::to_string);
    let more = (status.more_faults > 0).then(|| format!("and {} more", status.more_faults));
    told.chain(more).collect()
}

/// A text without the fault that the condition tells, for where all of them stand below it.
pub fn brief(text: &str, status: &SourceStatus) -> String {
    match (
        first(&status.faults),
        status.faults.len(),
        status.more_faults,
    ) {
        (None, ..) => text.to_owned(),
        (Some(only), 1, 0) => text.replace(&format!(": {only}; "), ": 1 fault; "),
        (Some(first), ..) => text.replace(&format!(", the first: {first}"), ""),
    }
}

/// The changes that a source tells of.
pub fn changes(found: Option<&DeclaredSource>) -> Vec<SourceChange> {
    let status = found.and_then(|found| found.status.as_ref());
    status.map_or(Vec::new(), |status| status.changes.clone())
}

/// What was done to each cluster, as `apply` prints it.
pub fn lines(source: &str, changes: &[SourceChange]) -> Vec<String> {
    let mut lines = Vec::new();
    for change in changes {
        for (what, names) in change.lists() {
            let what = match what {
                "taken over" => format!("unchanged, managed by {} now", reference(source)),
                other => other.to_owned(),
            };
            let names = names.iter();
            lines.extend(names.map(|name| format!("servicecluster/{name} {what}")));
        }
        if change.more > 0 {
            let (more, commit) = (change.more, short(&change.revision));
            lines.push(format!(
                "and {more} more service clusters by commit {commit}"
            ));
        }
    }
    lines
}

/// One sync in a sentence: `created east, west; pruned south`.
pub fn sentence(change: &SourceChange) -> String {
    let lists = change.lists().into_iter();
    let mut parts: Vec<String> = lists
        .filter(|(_, names)| !names.is_empty())
        .map(|(what, names)| format!("{what} {}", names.join(", ")))
        .collect();
    if change.more > 0 {
        parts.push(format!("and {} more", change.more));
    }
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Diagnostic, SourceFault};

    fn change() -> SourceChange {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        SourceChange {
            revision: "0123456789abcdef".to_owned(),
            created: names(&["a", "b"]),
            taken_over: names(&["c"]),
            pruned: names(&["d"]),
            more: 3,
            ..SourceChange::default()
        }
    }

    #[test]
    fn what_a_sync_changed_is_told_cluster_by_cluster_and_in_one_sentence() {
        assert_eq!(
            lines("shop", &[change()]),
            [
                "servicecluster/a created",
                "servicecluster/b created",
                "servicecluster/c unchanged, managed by source/shop now",
                "servicecluster/d pruned",
                "and 3 more service clusters by commit 0123456789",
            ]
        );
        assert_eq!(
            sentence(&change()),
            "created a, b; taken over c; pruned d; and 3 more"
        );
    }

    #[test]
    fn a_fault_that_is_listed_below_is_not_told_in_the_condition_too() {
        let mut status = SourceStatus::default();
        assert_eq!(brief("it is: a", &status), "it is: a");
        status.faults.push(SourceFault::new("a"));
        assert_eq!(
            brief("not applied: a; so", &status),
            "not applied: 1 fault; so"
        );
        status.more_faults = 1;
        let told = "not applied: 2 faults, the first: a; so";
        assert_eq!(brief(told, &status), "not applied: 2 faults; so");
    }

    #[test]
    fn each_fault_stands_on_a_line_of_its_own_as_validate_prints_it() {
        let mut fault = Diagnostic::at("spec.x", "is unknown").hint("leave it out");
        fault.source = "c/east.yaml".to_owned();
        (fault.line, fault.column) = (7, 5);
        let found = DeclaredSource {
            name: "shop".to_owned(),
            faults: vec![Diagnostic::at("spec.url", "is missing")],
            status: Some(SourceStatus {
                faults: vec![SourceFault::from(&fault)],
                more_faults: 2,
                ..SourceStatus::default()
            }),
            ..DeclaredSource::default()
        };
        assert_eq!(
            faults(&found),
            [
                "spec.url: is missing",
                "c/east.yaml:7:5: spec.x: is unknown (leave it out)",
                "and 2 more",
            ]
        );
    }
}
