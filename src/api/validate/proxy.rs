//! The proxy service: what Swarm would refuse, or would accept and then never finish.

use super::{Faults, keyed};
use crate::api::limits::{CPUS, MEMORY, PROXIES_MAX};
use crate::api::service_cluster::{
    Drain, NodeSelector, Placement, Proxy, ProxyMode, Publish, PublishMode, ResourceAmounts,
    Update, UpdateOrder,
};
use crate::api::value::Span;
use crate::api::{grammar, image};
use crate::names::OPERATOR_SERVICE;

/// Environment that the operator sets on every proxy.
pub(in crate::api) const OWN_ENV: [&str; 4] =
    ["SKEP_CLUSTER", "SKEP_CONTROL", "SKEP_NODE", "SKEP_TASK"];
/// TCP ports that every node of a Swarm needs for itself.
const SWARM_PORTS: [u16; 2] = [2377, 7946];
pub(super) fn check(faults: &mut Faults, proxy: &Proxy, placement: &Placement) {
    let Proxy {
        service_name,
        image,
        mode: _,
        replicas,
        publish,
        resources,
        stop_grace_period,
        drain,
        update,
        labels,
        container_labels,
        env,
        logging,
    } = proxy;
    if let Some(name) = service_name {
        faults.check("spec.proxy.serviceName", grammar::service_name(name));
        if name == OPERATOR_SERVICE {
            let message = format!("`{name}` is the operator's own service");
            faults.add("spec.proxy.serviceName", message, "choose another name");
        }
    }
    if let Some(reference) = image
        && let Err((message, mut hint)) = image::check(reference)
    {
        if reference.is_empty() {
            hint.push_str(", or leave it out for the operator's own");
        }
        faults.add("spec.proxy.image", message, hint);
    }
    if let Some(replicas) = replicas {
        faults.within("spec.proxy.replicas", replicas, &(0..=PROXIES_MAX));
    }
    count(faults, proxy, placement);
    ports(faults, publish);
    amounts(faults, "limits", &resources.limits);
    amounts(faults, "reservations", &resources.reservations);
    reserved_within_limits(faults, &resources.reservations, &resources.limits);
    ending(faults, *stop_grace_period, drain);
    rollout(faults, proxy, update, placement);
    faults.labels("spec.proxy.labels", labels);
    faults.no_routes("spec.proxy.labels", labels);
    faults.labels("spec.proxy.containerLabels", container_labels);
    for (key, value) in env {
        let path = keyed("spec.proxy.env", key);
        faults.check(path.as_str(), grammar::env_name(key));
        faults.no_nul(&path, value);
        if OWN_ENV.contains(&key.as_str()) {
            let message = format!("`{key}` is set by the operator");
            faults.add(path, message, "take it out");
        }
    }
    for (key, value) in logging.iter().flat_map(|log| &log.options) {
        faults.no_nul(&keyed("spec.proxy.logging.options", key), value);
    }
    if logging
        .as_ref()
        .is_some_and(|log| log.driver.trim().is_empty())
    {
        let hint = "name a driver such as json-file, or leave `logging` out";
        faults.add("spec.proxy.logging.driver", "is empty", hint);
    }
}

fn ending(faults: &mut Faults, stop_grace_period: Span, drain: &Drain) {
    if stop_grace_period < drain.timeout {
        let message = format!(
            "is {stop_grace_period}, shorter than drain.timeout ({}): Swarm would kill proxies that still serve",
            drain.timeout
        );
        let hint = "make it drain.timeout and some seconds";
        faults.add("spec.proxy.stopGracePeriod", message, hint);
    }
    if drain.minimum > drain.timeout {
        let message = format!(
            "is {}, longer than drain.timeout ({})",
            drain.minimum, drain.timeout
        );
        faults.add("spec.proxy.drain.minimum", message, "");
    }
}

/// How many nodes are named, when they are named.
fn named_nodes(placement: &Placement) -> Option<u64> {
    match &placement.nodes {
        Some(NodeSelector::Names(names)) if !names.is_empty() => u64::try_from(names.len()).ok(),
        _ => None,
    }
}

/// Two tasks cannot hold one host port on one node.
fn holds_host_ports(publish: &Publish) -> bool {
    publish.mode == PublishMode::Host && (publish.http > 0 || publish.https > 0)
}

fn count(faults: &mut Faults, proxy: &Proxy, placement: &Placement) {
    if proxy.mode == ProxyMode::Global {
        if proxy.replicas.is_some() {
            let hint = "leave it out, or write mode: replicated";
            faults.add(
                "spec.proxy.replicas",
                "means nothing with mode global",
                hint,
            );
        }
        if placement.max_replicas_per_node.is_some() {
            let hint = "leave it out: a global service has one task a node";
            let path = "spec.placement.maxReplicasPerNode";
            faults.add(path, "means nothing with mode global", hint);
        }
        return;
    }
    let (Some(replicas), Some(nodes)) = (proxy.replicas, named_nodes(placement)) else {
        return;
    };
    let per_node = match placement.max_replicas_per_node {
        _ if holds_host_ports(&proxy.publish) => 1,
        Some(0) | None => return,
        Some(most) => most,
    };
    if replicas > nodes.saturating_mul(per_node) {
        let why = if holds_host_ports(&proxy.publish) {
            "one node has each host port once"
        } else {
            "maxReplicasPerNode allows no more"
        };
        let message = format!(
            "{replicas} proxies do not fit on {nodes} named nodes ({why}): the others would stay pending for ever"
        );
        faults.add(
            "spec.proxy.replicas",
            message,
            "name more nodes or lower the count",
        );
    }
}

fn ports(faults: &mut Faults, publish: &Publish) {
    if publish.mode == PublishMode::None {
        return;
    }
    if publish.http == 0 && publish.https == 0 {
        let hint = "give http or https a port, or write mode: none";
        faults.add("spec.proxy.publish", "publishes no port", hint);
    } else if publish.http == publish.https {
        let message = format!("is {}, the same as http", publish.https);
        faults.add(
            "spec.proxy.publish.https",
            message,
            "use two ports, or 0 for none",
        );
    }
    for (name, port) in [("http", publish.http), ("https", publish.https)] {
        if SWARM_PORTS.contains(&port) {
            let message = format!("{port} is used by Swarm itself on every node");
            faults.add(
                format!("spec.proxy.publish.{name}"),
                message,
                "use another port",
            );
        }
    }
}

fn amounts(faults: &mut Faults, which: &str, amounts: &ResourceAmounts) {
    let path = format!("spec.proxy.resources.{which}");
    if let Some(cpus) = &amounts.cpus {
        faults.within(format!("{path}.cpus"), cpus, &CPUS);
    }
    if let Some(memory) = &amounts.memory {
        faults.within(format!("{path}.memory"), memory, &MEMORY);
    }
}

fn reserved_within_limits(faults: &mut Faults, asked: &ResourceAmounts, most: &ResourceAmounts) {
    let path = "spec.proxy.resources.reservations";
    if let (Some(asked), Some(most)) = (asked.cpus, most.cpus)
        && asked > most
    {
        let message = format!("`{asked}` is more than limits.cpus ({most})");
        faults.add(format!("{path}.cpus"), message, "");
    }
    if let (Some(asked), Some(most)) = (asked.memory, most.memory)
        && asked > most
    {
        let message = format!("`{asked}` is more than limits.memory ({most})");
        faults.add(format!("{path}.memory"), message, "");
    }
}

fn rollout(faults: &mut Faults, proxy: &Proxy, update: &Update, placement: &Placement) {
    if !(0.0..=1.0).contains(&update.max_failure_ratio) {
        let message = format!("{} is not a share", update.max_failure_ratio);
        faults.add("spec.proxy.update.maxFailureRatio", message, "write 0 to 1");
    }
    let path = "spec.proxy.update.parallelism";
    faults.within(path, &update.parallelism, &(0..=PROXIES_MAX));
    if update.order != UpdateOrder::StartFirst {
        return;
    }
    // Measured: the new task stays pending for ever ("host-mode port already in use").
    let full = match proxy.mode {
        ProxyMode::Global => true,
        ProxyMode::Replicated => {
            named_nodes(placement).is_some_and(|nodes| proxy.replicas.unwrap_or(1) >= nodes)
        }
    };
    if holds_host_ports(&proxy.publish) && full {
        let message = "start-first cannot work with host ports on these nodes: the old proxy holds the port, the new one waits for ever";
        let hint = "use stop-first, or publish with mode: ingress, or have a node to spare";
        faults.add("spec.proxy.update.order", message, hint);
    }
}
