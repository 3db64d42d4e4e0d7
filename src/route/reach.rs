//! How the proxies of a cluster reach the tasks of an application service.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use super::Endpoint;
use crate::names;
use crate::world::{EndpointMode, Network, PortMode, Protocol, Service, Task, World};

/// The networks of a cluster's proxies.
#[derive(Clone, Debug, Default)]
pub(super) struct Fabric {
    /// Ids of the listed networks that exist; `None`: the proxies follow the services.
    pub listed: Option<BTreeSet<String>>,
    /// Ids of the networks the proxy service is attached to now.
    pub attached: BTreeSet<String>,
}

/// A way to the tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Their addresses on the network of this id.
    Network(String),
    /// The ports they publish on their nodes.
    HostPorts,
}

/// Why there is no way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub reason: &'static str,
    pub message: String,
    /// Name (without prefix) of the label at fault; empty when none is.
    pub label: &'static str,
}

/// Chooses the way from a cluster's proxies to a service's port.
///
/// The network of the `network` label; else one that the proxies have, first in order of name and
/// one they are attached to already before others; else ports published on the nodes.
pub(super) fn way(
    world: &World,
    fabric: &Fabric,
    service: &Service,
    network: Option<&str>,
    port: u16,
) -> Result<Way, Refusal> {
    let mut candidates = overlays(world, service);
    if let Some(wanted) = network {
        let named = named(&candidates, wanted, service)
            .ok_or_else(|| not_attached(world, service, wanted, &candidates))?;
        candidates = vec![named];
    }
    let reachable = candidates.iter().filter(|network| {
        let listed = fabric.listed.as_ref();
        listed.is_none_or(|listed| listed.contains(&network.id))
    });
    let best = reachable.min_by_key(|n| (!fabric.attached.contains(&n.id), &n.name, &n.id));
    match best {
        Some(network) => Ok(Way::Network(network.id.clone())),
        None if publishes(service, port) => Ok(Way::HostPorts),
        None => Err(no_shared_network(world, fabric, service, &candidates, port)),
    }
}

/// The tasks that serve, as endpoints in order of address.
pub(super) fn endpoints(
    world: &World,
    way: &Way,
    service: &Service,
    tasks: &[&Task],
    port: u16,
) -> Vec<Endpoint> {
    let mut endpoints: Vec<Endpoint> = tasks
        .iter()
        .filter(|task| task.serves())
        .filter_map(|task| {
            let address = match way {
                Way::Network(id) => SocketAddr::new(*task.addresses.get(id)?, port),
                Way::HostPorts => published(world, service, task, port)?,
            };
            Some(Endpoint {
                address,
                id: task.id.clone(),
            })
        })
        .collect();
    endpoints.sort();
    endpoints.dedup_by(|a, b| a.address == b.address);
    endpoints
}

/// The virtual address of a service as its one endpoint; none while no task serves, because the
/// kernel would answer for nobody.
pub(super) fn virtual_endpoint(
    way: &Way,
    service: &Service,
    tasks: &[&Task],
    port: u16,
) -> Result<Vec<Endpoint>, Refusal> {
    let refuse = |reason, message| {
        Err(Refusal {
            reason,
            message,
            label: "backend_mode",
        })
    };
    let name = &service.spec.name;
    if service.spec.endpoint_mode == EndpointMode::DnsRr {
        let message = format!(
            "service {name} has no virtual address, because its endpoint mode is dnsrr: use backend_mode=task or endpoint mode vip"
        );
        return refuse("NoVirtualAddress", message);
    }
    let Way::Network(id) = way else {
        let message = format!(
            "service {name} is reached by published ports, where it has no virtual address: use backend_mode=task or attach it to a network of the proxies"
        );
        return refuse("NoVirtualAddress", message);
    };
    if !tasks.iter().any(|task| task.serves()) {
        return Ok(Vec::new());
    }
    let address = service.virtual_ips.get(id).map(|ip| Endpoint {
        address: SocketAddr::new(*ip, port),
        id: service.id.clone(),
    });
    Ok(address.into_iter().collect())
}

/// The overlays a service is attached to. The routing mesh's own network reaches nobody, and one
/// that Swarm could not allocate has no driver: a proxy that was attached to it would never start.
fn overlays<'a>(world: &'a World, service: &Service) -> Vec<&'a Network> {
    let attachments = service.spec.networks.iter();
    attachments
        .filter_map(|attachment| world.networks.get(&attachment.target))
        .filter(|network| !network.ingress && network.driver == "overlay")
        .collect()
}

/// The network meant by a label: by id, by name, or by the name it has inside the service's stack.
fn named<'a>(candidates: &[&'a Network], wanted: &str, service: &Service) -> Option<&'a Network> {
    let in_stack = service
        .spec
        .labels
        .get(names::LABEL_STACK)
        .map(|stack| format!("{stack}_{wanted}"));
    let by = |test: &dyn Fn(&Network) -> bool| candidates.iter().copied().find(|n| test(n));
    by(&|n| n.id == wanted)
        .or_else(|| by(&|n| n.name == wanted))
        .or_else(|| by(&|n| Some(&n.name) == in_stack.as_ref()))
}

fn publishes(service: &Service, port: u16) -> bool {
    service
        .spec
        .ports
        .iter()
        .any(|p| p.target == port && p.mode == PortMode::Host && p.protocol == Protocol::Tcp)
}

/// Where a task's port is open on its node.
fn published(world: &World, service: &Service, task: &Task, port: u16) -> Option<SocketAddr> {
    let told = task
        .host_ports
        .iter()
        .find(|p| p.target == port && p.protocol == Protocol::Tcp)
        .map(|p| p.published);
    let fixed = || {
        let mut ports = service.spec.ports.iter();
        ports
            .find(|p| p.target == port && p.mode == PortMode::Host && p.published > 0)
            .map(|p| p.published)
    };
    let address: IpAddr = world.nodes.get(&task.node)?.address.parse().ok()?;
    if address.is_unspecified() {
        return None;
    }
    Some(SocketAddr::new(address, told.or_else(fixed)?))
}

fn not_attached(
    world: &World,
    service: &Service,
    wanted: &str,
    candidates: &[&Network],
) -> Refusal {
    let name = &service.spec.name;
    if world.network_named(wanted).is_none() && candidates.is_empty() {
        return Refusal {
            reason: "NetworkNotFound",
            message: format!("there is no network {wanted}, and service {name} is on none"),
            label: "network",
        };
    }
    Refusal {
        reason: "NetworkNotAttached",
        message: format!(
            "service {name} is not attached to network {wanted}, it is on {}: name one of these or attach the service",
            list(candidates.iter().map(|n| n.name.as_str()))
        ),
        label: "network",
    }
}

fn no_shared_network(
    world: &World,
    fabric: &Fabric,
    service: &Service,
    candidates: &[&Network],
    port: u16,
) -> Refusal {
    let name = &service.spec.name;
    let ours = fabric.listed.iter().flatten();
    let ours = list(ours.filter_map(|id| world.networks.get(id).map(|n| n.name.as_str())));
    let message = match &fabric.listed {
        Some(_) => format!(
            "service {name} is on {}, the proxies are on {ours}: attach the service to one of the proxies' networks, add its network to spec.networks, or publish port {port} with mode=host",
            list(candidates.iter().map(|n| n.name.as_str()))
        ),
        None => format!(
            "service {name} is on no overlay network: attach it to one, or publish port {port} with mode=host"
        ),
    };
    Refusal {
        reason: "NoSharedNetwork",
        message,
        label: "network",
    }
}

/// Names for people: sorted, or `no network`.
fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: BTreeSet<&str> = names.collect();
    if names.is_empty() {
        return "no network".to_owned();
    }
    names.into_iter().collect::<Vec<_>>().join(", ")
}
