//! Where proxies run: constraints and preferences.

use std::collections::BTreeSet;

use super::draft::Draft;
use super::given::{Faults, Given};
use crate::api::value::Constraint;

/// On nodes that UCP gives to Swarm.
const UCP_SWARM_NODE: &str = "node.labels.com.docker.ucp.orchestrator.swarm";

/// Constraints stay constraints. As `placement.labels` they would be Skep's own: it would set
/// them, and take them away again, while in Interlock a person labels the nodes.
pub(super) fn constraints(draft: &mut Draft, given: &Given, faults: &mut Faults) {
    const FIELD: &str = "spec.placement.constraints";
    let Some(setting) = given.texts("ProxyConstraints") else {
        return;
    };
    let mut found: Vec<Constraint> = Vec::new();
    let mut known = BTreeSet::new();
    let mut is_linux = false;
    for (at, text) in &setting.value {
        match text.parse::<Constraint>() {
            Ok(constraint) if constraint.to_string() == "node.platform.os==linux" => {
                is_linux = true;
            }
            Ok(constraint) => {
                if known.insert(constraint.clone()) {
                    draft.origin(&format!("{FIELD}[{}]", found.len()), *at, &setting.path);
                    found.push(constraint);
                }
            }
            Err(message) => {
                let message = super::units::printable(&message);
                faults.at(*at, setting.path.as_str(), message, "");
            }
        }
    }
    if found.is_empty() {
        return;
    }
    draft.from(FIELD, &setting);
    if is_linux {
        draft.say(FIELD, "node.platform.os==linux is always implied");
    }
    if found.iter().any(|c| c.key == UCP_SWARM_NODE) {
        draft.say(
            FIELD,
            "take the label of UCP out where UCP is gone: no new node will carry it",
        );
    }
    draft.cluster.spec.placement.constraints = found;
}

/// Preferences, with or without Swarm's own `spread=` before them.
pub(super) fn preferences(draft: &mut Draft, given: &Given) {
    const FIELD: &str = "spec.placement.preferences";
    let Some(setting) = given.texts("ProxyPlacementPreferences") else {
        return;
    };
    let mut found: Vec<String> = Vec::new();
    for (at, text) in &setting.value {
        draft.origin(&format!("{FIELD}[{}]", found.len()), *at, &setting.path);
        let key = text.strip_prefix("spread=").unwrap_or(text);
        found.push(format!("spread={key}"));
    }
    if !found.is_empty() {
        draft.from(FIELD, &setting);
        draft.cluster.spec.placement.preferences = found;
    }
}
