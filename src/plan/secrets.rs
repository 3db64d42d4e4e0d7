//! The secrets that the proxies of a cluster get as files.

use std::collections::BTreeSet;

use super::PlanInputs;
use crate::names;
use crate::world::{Secret, Service, World};

/// The secrets that routes name, in order of name. One that is not there would make Swarm refuse
/// the whole service, so it is left out; so are Skep's own, which no label may put into a proxy.
pub(super) fn wanted<'a>(inputs: &PlanInputs<'a>) -> Vec<&'a Secret> {
    let known = inputs.world.secrets_by_name();
    let named = inputs.secrets.iter();
    named
        .filter(|name| may_be_mounted(name))
        .filter_map(|name| known.get(name.as_str()).copied())
        .filter(|secret| !secret.made_on_the_node)
        .collect()
}

fn may_be_mounted(name: &str) -> bool {
    !names::SECRETS.contains(&name)
}

/// Mounted secrets that no route names any more. Taking one out restarts every proxy, so it may
/// stay until they restart for another reason, as long as it is the same secret.
pub(super) fn lingering<'a>(
    world: &'a World,
    wanted: &[&Secret],
    observed: &Service,
) -> Vec<&'a Secret> {
    let wanted: BTreeSet<&str> = wanted.iter().map(|secret| secret.name.as_str()).collect();
    let mounted = observed.spec.secrets.iter();
    mounted
        .filter(|mount| mount.target == mount.name && may_be_mounted(&mount.name))
        .filter(|mount| !wanted.contains(mount.name.as_str()))
        .filter_map(|mount| world.secrets.get(&mount.id))
        .filter(|secret| may_be_mounted(&secret.name))
        .collect()
}
