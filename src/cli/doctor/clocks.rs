//! Clocks. No engine tells the time of another node, but tasks do: a manager's clock stamps when
//! a task is made, its node's clock when its state last changed.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Check, Patient};
use crate::world::Task;

/// Seconds of difference that nobody has to care about.
const FINE: i64 = 2;
/// Seconds of difference from which on certificates and tokens begin to fail.
const BAD: i64 = 300;

pub(super) fn checks(patient: &Patient) -> Vec<Check> {
    let mut checks = vec![own(patient)];
    let mut shifts: std::collections::BTreeMap<&str, i64> = std::collections::BTreeMap::new();
    for task in patient.view.world.tasks.values() {
        if let Some(shift) = shift(task, engine_time(patient)) {
            let worst = shifts.entry(&task.node).or_default();
            if shift.abs() > worst.abs() {
                *worst = shift;
            }
        }
    }
    for (node, shift) in shifts {
        let name = patient.hostname(node);
        let found = if shift < 0 {
            format!("its clock is at least {} s behind the managers'", -shift)
        } else {
            format!("its clock is at least {shift} s ahead of the managers'")
        };
        let check = if shift.abs() >= BAD {
            Check::failed("clocks", &name, found)
        } else {
            Check::warning("clocks", &name, found)
        };
        checks.push(check.hint(format!("run NTP on {name} (chrony, systemd-timesyncd)")));
    }
    checks
}

/// The engine's own clock against that of this machine.
fn own(patient: &Patient) -> Check {
    let name = &patient.engine.name;
    let Some(theirs) = engine_time(patient) else {
        return Check::new(
            "clocks",
            name,
            super::State::Unknown,
            "the engine does not tell its time",
        );
    };
    let shift = (theirs - patient.now).whole_seconds();
    let found = match shift {
        0.. => format!("{shift} s ahead of this machine"),
        _ => format!("{} s behind this machine", -shift),
    };
    if shift.abs() <= FINE {
        return Check::ok(
            "clocks",
            name,
            "the engine's clock and this machine's agree",
        );
    }
    let hint = "run NTP on both (chrony, systemd-timesyncd)";
    if shift.abs() >= BAD {
        Check::failed("clocks", name, found).hint(hint)
    } else {
        Check::warning("clocks", name, found).hint(hint)
    }
}

fn engine_time(patient: &Patient) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(&patient.engine.system_time, &Rfc3339).ok()
}

/// How far a node's clock is off, at least: negative when its task changed before it was made,
/// positive when it changed after now.
fn shift(task: &Task, now: Option<OffsetDateTime>) -> Option<i64> {
    if task.node.is_empty() {
        return None;
    }
    let made = OffsetDateTime::parse(&task.created_at, &Rfc3339).ok()?;
    let changed = OffsetDateTime::parse(&task.state_at, &Rfc3339).ok()?;
    let behind = (changed - made).whole_seconds();
    let ahead = now.map_or(0, |now| (changed - now).whole_seconds());
    if behind < -FINE {
        Some(behind)
    } else {
        // A task may have changed between the two questions.
        (ahead > FINE + 1).then_some(ahead)
    }
}
