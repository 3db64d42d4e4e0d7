use super::*;
use crate::api::{Diagnostic, SourceFault};

fn declared(status: Option<SourceStatus>) -> DeclaredSource {
    DeclaredSource {
        name: "shop".to_owned(),
        status,
        ..DeclaredSource::default()
    }
}

fn after(before: Option<SourceStatus>, outcome: &Outcome, now: &str) -> SourceStatus {
    status(Inputs {
        declared: &declared(before),
        outcome,
        last_success: if matches!(outcome, Outcome::Applied { .. }) {
            now
        } else {
            ""
        },
        handled: "",
        changes: &[],
        now,
    })
}

#[test]
fn a_failure_tells_what_stays_in_force_and_when_it_last_went_well() {
    let applied = Outcome::Applied {
        commit: "0123456789abcdef".to_owned(),
        clusters: 2,
    };
    let good = after(None, &applied, "T1");
    assert_eq!(
        (good.revision.as_str(), good.clusters),
        ("0123456789abcdef", 2)
    );
    let failed = Outcome::Failed {
        reason: "FetchFailed".to_owned(),
        message: "nobody answers".to_owned(),
        commit: None,
        faults: Faults::default(),
    };
    let bad = after(Some(good.clone()), &failed, "T2");
    let ready = &bad.conditions[1];
    assert_eq!(
        ready.message,
        "nobody answers; it is tried again; commit 0123456789 stays in force (last success T1)"
    );
    assert_eq!(
        (
            bad.last_success.as_str(),
            ready.last_transition_time.as_str()
        ),
        ("T1", "T2")
    );
    // The same failure again is the same status.
    assert_eq!(after(Some(bad.clone()), &failed, "T3"), bad);
}

#[test]
fn the_condition_tells_the_only_fault_or_the_first_and_how_many_there_are() {
    let failed = |count: usize| Outcome::Failed {
        reason: "InvalidManifest".to_owned(),
        message: format!("{count} faults in its manifests"),
        commit: Some("0123456789abcdef".to_owned()),
        faults: (0..count)
            .map(|n| SourceFault::new(format!("fault {n}")))
            .collect(),
    };
    let told = |count| {
        after(None, &failed(count), "T").conditions[1]
            .message
            .clone()
    };
    assert_eq!(
        told(1),
        "commit 0123456789 is not applied: fault 0; nothing was applied so far"
    );
    assert_eq!(
        told(22),
        "commit 0123456789 is not applied: 22 faults in its manifests, the first: fault 0; nothing was applied so far"
    );
}

#[test]
fn whatever_is_wrong_with_the_newest_manifest_the_status_stays_small() {
    let fault = Diagnostic::at("\u{1f41d}".repeat(100), "must not be null");
    let declared = DeclaredSource {
        faults: vec![fault; 30_000],
        ..declared(None)
    };
    let outcome = Outcome::Failed {
        reason: "FetchFailed".to_owned(),
        message: "\u{1f41d}".repeat(1 << 20),
        commit: None,
        faults: Faults::default(),
    };
    let status = status(Inputs {
        declared: &declared,
        outcome: &outcome,
        last_success: "",
        handled: "",
        changes: &[],
        now: "T",
    });
    let size = serde_json::to_string(&status).unwrap().len();
    assert!(size < 8 << 10, "{size}");
}

#[test]
fn changes_that_were_written_are_not_told_again_when_the_answer_was_lost() {
    let change = |time: &str| SourceChange {
        time: time.to_owned(),
        created: (0..60).map(|n| format!("c{n}")).collect(),
        ..SourceChange::default()
    };
    let tell = |before: Option<SourceStatus>, changes: &[SourceChange]| {
        status(Inputs {
            declared: &declared(before),
            outcome: &Outcome::Suspended,
            last_success: "",
            handled: "",
            changes,
            now: "T",
        })
    };
    let once = tell(None, &[change("T1")]);
    let again = tell(Some(once.clone()), &[change("T1")]);
    assert_eq!(again, once);
    let later = tell(Some(once), &[change("T1"), change("T2")]);
    assert_eq!(later.changes.len(), 2);
}

#[test]
fn of_a_sync_that_changes_much_the_first_names_are_kept_and_the_rest_counted() {
    let names = |count| (0..count).map(|n| format!("c{n}")).collect::<Vec<_>>();
    let change = SourceChange {
        created: names(40),
        configured: names(30),
        pruned: names(7),
        more: 1,
        ..SourceChange::default()
    };
    let kept = bounded(&change);
    let counts = kept.lists().map(|(_, names)| names.len());
    assert_eq!((counts, kept.more), ([40, 10, 0, 0], 28));
}
