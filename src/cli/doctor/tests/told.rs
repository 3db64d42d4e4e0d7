//! How faults are told.

use super::*;
use crate::world::{UpdateState, UpdateStatus};

#[test]
fn what_others_wrote_stays_on_its_line_and_colours_nothing() {
    let check = Check::warning("clusters", "east", "found").hint("a\n\u{1b}[31mred");
    let text = render(&[check], Report::Table).unwrap();
    assert!(
        text.ends_with("What to do:\n  clusters/east: a\\n\\u001b[31mred\n"),
        "{text}"
    );
}

/// A Swarm whose cluster has been unready for so long, for this reason.
fn unready(reason: &str, since: &str) -> Patient {
    let mut patient = healthy();
    let east = patient.view.declared.get_mut("east").unwrap();
    for condition in &mut east.status.as_mut().unwrap().conditions {
        condition.status = ConditionStatus::False;
        condition.observed_generation = 3;
        condition.reason = reason.to_owned();
        condition.last_transition_time = since.to_owned();
    }
    patient
}

#[test]
fn a_plain_update_is_no_failure_until_it_takes_too_long() {
    let (lately, long_ago) = ("2026-01-10T11:59:00Z", "2026-01-10T11:00:00Z");
    let patient = |since| unready("Updating", since);
    assert_eq!(faults(&patient(lately)), ["clusters/east Warning"]);
    assert_eq!(faults(&patient(long_ago)), ["clusters/east Failed"]);
    let mut moving = patient(long_ago);
    let proxy = moving.view.world.services.get_mut("p").unwrap();
    proxy.update = Some(UpdateStatus {
        state: UpdateState::Updating,
        ..UpdateStatus::default()
    });
    assert_eq!(faults(&moving), ["clusters/east Warning"]);
    assert_eq!(
        faults(&unready("NoMatchingNode", lately)),
        ["clusters/east Failed"]
    );
}
