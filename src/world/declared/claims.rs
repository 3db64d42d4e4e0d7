//! What only one cluster can have goes to the oldest that asks for it.

use std::collections::BTreeMap;

use super::{Claim, Conflict, Declared};
use crate::api::ConditionType;
use crate::names;
use crate::world::Age;

/// Settles all claims and writes the conflicts of the losers.
pub(super) fn settle(clusters: &mut BTreeMap<String, Declared>) {
    let mut claims: BTreeMap<(Claim, String), Vec<String>> = BTreeMap::new();
    for (name, declared) in clusters.iter() {
        let Some(accepted) = &declared.accepted else {
            continue;
        };
        let spec = &accepted.cluster.spec;
        if spec.default {
            let key = (Claim::Default, String::new());
            claims.entry(key).or_default().push(name.clone());
        }
        let service = spec
            .proxy
            .service_name
            .clone()
            .unwrap_or_else(|| names::proxy_service(name));
        let key = (Claim::ServiceName, service);
        claims.entry(key).or_default().push(name.clone());
    }
    for ((claim, value), mut claimants) in claims {
        claimants.sort_by_cached_key(|name| seniority(&clusters[name], claim));
        let holder = claimants[0].clone();
        for loser in &claimants[1..] {
            if let Some(declared) = clusters.get_mut(loser) {
                declared.conflicts.push(conflict(claim, &holder, &value));
            }
        }
    }
}

/// Sorts the holder first. Who was told that it lost stays behind: revisions are pruned, so the
/// oldest one that is left does not tell for ever which cluster came first.
fn seniority(declared: &Declared, claim: Claim) -> (bool, Age, String) {
    let told = declared.status.as_ref().is_some_and(|status| {
        status.conditions.iter().any(|condition| {
            let about = match claim {
                Claim::Default => ConditionType::Accepted,
                Claim::ServiceName => ConditionType::ProxyReady,
            };
            condition.kind == about && condition.reason == claim.reason()
        })
    });
    let first = declared.revisions.first();
    let age = Age::of(first.map_or("", |revision| &revision.created_at));
    (told, age, declared.name.clone())
}

fn conflict(claim: Claim, holder: &str, value: &str) -> Conflict {
    let message = match claim {
        Claim::Default => format!(
            "service cluster {holder} is the default already: services that name no cluster go there; set spec.default to false in one of the two"
        ),
        Claim::ServiceName => format!(
            "service cluster {holder} runs its proxies as service {value} already: choose another spec.proxy.serviceName"
        ),
    };
    Conflict {
        claim,
        holder: holder.to_owned(),
        message,
    }
}
