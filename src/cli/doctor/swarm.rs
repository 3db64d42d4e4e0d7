//! The engine that is asked, the managers and the nodes.

use super::{Check, Patient, State};
use crate::api::service_cluster::PublishMode;
use crate::swarm::ApiVersion;
use crate::world::Availability;

/// Overlay networks need VXLAN as kernels have it from here on.
const KERNEL: (u32, u32) = (3, 10);

/// The engine: its API, its Swarm, its kernel.
pub(super) fn engine(patient: &Patient) -> Vec<Check> {
    let engine = &patient.engine;
    let mut checks = vec![api(patient), state(patient), kernel(patient)];
    let network = &engine.plugins.network;
    if !network.is_empty() && !network.iter().any(|driver| driver == "overlay") {
        checks.push(
            Check::failed("engine", "overlay", "the engine has no overlay networks")
                .hint("use an engine with the overlay driver (Docker Engine on Linux)"),
        );
    }
    // Warnings of an engine concern limits that its kernel does not know; proxies have some.
    for warning in &engine.warnings {
        checks.push(
            Check::warning("engine", "warnings", warning.trim())
                .hint(format!("see `docker info` on {}", engine.name)),
        );
    }
    checks
}

fn api(patient: &Patient) -> Check {
    let (newest, oldest) = &patient.engine.api;
    let found = format!(
        "engine {} speaks API {oldest} to {newest}, Skep {} to {}",
        patient.engine.server_version,
        ApiVersion::OLDEST,
        ApiVersion::NEWEST
    );
    Check::ok("engine", "api", found)
}

fn state(patient: &Patient) -> Check {
    let swarm = &patient.engine.swarm;
    if swarm.local_node_state == "active" && swarm.error.is_empty() {
        let found = format!("{} is active, and a manager", patient.engine.name);
        return Check::ok("engine", "swarm", found);
    }
    let found = format!("the node is {}: {}", swarm.local_node_state, swarm.error);
    let hint = match swarm.local_node_state.as_str() {
        "locked" => "unlock it: `docker swarm unlock`",
        _ => "see the log of the engine there (journalctl -u docker)",
    };
    Check::failed("engine", "swarm", found).hint(hint)
}

/// Only the kernel of the engine that is asked can be seen.
fn kernel(patient: &Patient) -> Check {
    let version = &patient.engine.kernel_version;
    let mut parts = version.split(['.', '-']).map(str::parse::<u32>);
    let (Some(Ok(major)), Some(Ok(minor))) = (parts.next(), parts.next()) else {
        return Check::new(
            "engine",
            "kernel",
            State::Unknown,
            format!("the engine does not say which kernel it has ({version:?})"),
        )
        .hint("overlay networks need VXLAN: `modprobe vxlan` on every node");
    };
    if (major, minor) < KERNEL {
        let found = format!("kernel {version} is older than 3.10");
        return Check::failed("engine", "kernel", found)
            .hint("overlay networks need a newer kernel");
    }
    let mesh = patient.view.declared.values().any(|declared| {
        let accepted = declared.accepted.as_ref();
        accepted.is_some_and(|a| a.cluster.spec.proxy.publish.mode == PublishMode::Ingress)
    });
    if mesh {
        return Check::new(
            "engine",
            "kernel",
            State::Unknown,
            format!("kernel {version}; no engine says whether its kernel has IPVS, which publish.mode ingress needs"),
        )
        .hint("`modprobe ip_vs` on every node, or publish.mode: host");
    }
    Check::ok("engine", "kernel", format!("kernel {version}"))
}

/// Whether the managers have a majority, and how many may be lost.
pub(super) fn managers(patient: &Patient) -> Vec<Check> {
    let managers: Vec<_> = patient
        .nodes
        .iter()
        .filter(|(_, node)| !node.reachability.is_empty())
        .collect();
    let away: Vec<String> = managers
        .iter()
        .filter(|(_, node)| node.reachability != "reachable")
        .map(|(id, _)| patient.hostname(id))
        .collect();
    let (all, reachable) = (managers.len(), managers.len() - away.len());
    let spare = reachable.saturating_sub(all / 2 + 1);
    let leader = managers.iter().find(|(_, node)| node.leader);
    let found = match leader {
        Some((id, _)) => format!(
            "{reachable} of {all} managers are reachable, {} leads; {spare} more may be lost",
            patient.hostname(id)
        ),
        None => format!("{reachable} of {all} managers are reachable, none leads"),
    };
    let check = if leader.is_none() && all > 0 {
        Check::failed("swarm", "managers", found)
            .hint("bring managers back; as the last resort `docker swarm init --force-new-cluster`")
    } else if !away.is_empty() {
        Check::warning("swarm", "managers", found).hint(format!(
            "see the engine on {}; a manager that is gone for good: `docker node demote`, then `docker node rm`",
            away.join(", ")
        ))
    } else if all > 1 && all % 2 == 0 {
        Check::warning("swarm", "managers", found)
            .hint("an even number of managers bears no more losses than one less: use 1, 3 or 5")
    } else {
        Check::ok("swarm", "managers", found)
    };
    vec![check]
}

/// Every node: whether it is up, takes tasks, and has an engine that will do.
pub(super) fn nodes(patient: &Patient) -> Vec<Check> {
    let world = &patient.view.world;
    let mut checks: Vec<Check> = world
        .nodes
        .values()
        .map(|node| {
            let name = &node.hostname;
            let facts = patient.nodes.get(&node.id).cloned().unwrap_or_default();
            if !node.ready {
                let found = format!("is down: {}", facts.message);
                return Check::warning("nodes", name, found.trim_end_matches(": ")).hint(format!(
                    "start the engine on {name}, or take it out: `docker node rm --force {name}`"
                ));
            }
            if old(&facts.engine) {
                let found = format!("has engine {}, older than 20.10", facts.engine);
                return Check::failed("nodes", name, found).hint("upgrade the engine there");
            }
            let doing = match node.availability {
                Availability::Active => "takes tasks",
                Availability::Pause => "is paused, takes no new tasks",
                Availability::Drain => "is drained, runs no tasks",
            };
            Check::ok("nodes", name, format!("engine {}, {doing}", facts.engine))
        })
        .collect();
    checks.extend(linux(patient));
    checks
}

/// Proxies run on Linux only.
fn linux(patient: &Patient) -> Option<Check> {
    let nodes = &patient.view.world.nodes;
    let usable = nodes.values().any(|node| {
        node.ready
            && node.availability == Availability::Active
            && (node.os == "linux" || node.os.is_empty())
    });
    (!usable).then(|| {
        Check::failed("nodes", "linux", "no Linux node is ready and takes tasks")
            .hint("`docker node update --availability active NODE`, or join a node")
    })
}

fn old(version: &str) -> bool {
    let mut parts = version.split('.').map(str::parse::<u32>);
    match (parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) < (20, 10),
        _ => false,
    }
}
