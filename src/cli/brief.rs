//! Messages of conditions for people: what is told below or beside them is not told again.

use crate::api::{Condition, ConditionType};

/// So many parts of a message are shown.
const PARTS: usize = 2;

/// The message of one of these conditions. `Ready` only repeats what another one says, which
/// stands beside it; a list of faults is `skep routes`' to tell in full.
#[must_use]
pub fn brief(cluster: &str, condition: &Condition, all: &[Condition]) -> String {
    let message = &condition.message;
    let repeated = all.iter().find(|other| {
        other.kind != condition.kind
            && condition.kind == ConditionType::Ready
            && *message == format!("{:?}: {}", other.kind, other.message)
    });
    if let Some(other) = repeated {
        let first = other.message.split(": ").next().unwrap_or_default();
        let first = first.split("; ").next().unwrap_or_default();
        return format!("{:?}: {first}", other.kind);
    }
    let parts: Vec<&str> = message.split("; ").collect();
    if condition.kind != ConditionType::Programmed || parts.len() <= PARTS + 1 {
        return message.clone();
    }
    format!(
        "{}; {} more: see `skep routes {cluster}`",
        parts[..PARTS].join("; "),
        parts.len() - PARTS
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ConditionStatus;

    fn condition(kind: ConditionType, message: &str) -> Condition {
        Condition {
            kind,
            status: ConditionStatus::False,
            reason: "Reason".into(),
            message: message.into(),
            observed_generation: 1,
            last_transition_time: String::new(),
        }
    }

    #[test]
    fn a_list_of_faults_is_cut_and_ready_does_not_repeat_it() {
        let long =
            "2 of 2 have the routes; service a: bad: mend it; service b: bad; service c: bad";
        let programmed = condition(ConditionType::Programmed, long);
        let ready = condition(ConditionType::Ready, &format!("Programmed: {long}"));
        let all = [programmed.clone(), ready.clone()];
        assert_eq!(
            brief("east", &programmed, &all),
            "2 of 2 have the routes; service a: bad: mend it; 2 more: see `skep routes east`"
        );
        assert_eq!(
            brief("east", &ready, &all),
            "Programmed: 2 of 2 have the routes"
        );
        let short = condition(ConditionType::Ready, "the cluster serves its routes");
        assert_eq!(brief("east", &short, &all), short.message);
    }
}
