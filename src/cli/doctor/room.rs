//! Room in the networks that the proxies share with applications. Swarm says of a full network
//! only that tasks wait, and says it nowhere else.

use std::collections::BTreeSet;

use ipnet::IpNet;
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use super::{Check, Patient};
use crate::names;
use crate::world::{EndpointMode, Network, Service, Task, TaskState, World};

/// The first address of a subnet names it, the last one is for all, and one is the gateway's.
const KEPT: u128 = 3;
/// With fewer free, the next update of a service may find none.
const FEW: u128 = 8;
/// For so long a task may well be on its way.
const PATIENCE: Duration = Duration::minutes(1);

/// How full a network is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Room {
    /// Addresses of its subnets that can be given away.
    size: u128,
    /// Those that are given away: to services, to tasks, and to each node with tasks.
    used: u128,
    /// Services and tasks that have none yet.
    without: u128,
    /// Tasks on their way for longer than they should.
    late: usize,
}

pub(super) fn checks(patient: &Patient) -> Vec<Check> {
    let world = &patient.view.world;
    let proxies = world.services.values().filter(|service| service.is_ours());
    let attached = proxies.flat_map(|service| &service.spec.networks);
    let attached: BTreeSet<&str> = attached.map(|it| it.target.as_str()).collect();
    let networks = attached.iter().filter_map(|id| world.networks.get(*id));
    let shared = networks
        .filter(|network| network.driver == "overlay" && network.name != names::CONTROL_NETWORK);
    shared
        .filter_map(|network| told(&network.name, room(world, network, patient.now)))
        .collect()
}

fn told(name: &str, room: Room) -> Option<Check> {
    // A subnet that cannot be read says nothing.
    if room.size == 0 {
        return None;
    }
    let Room { size, used, .. } = room;
    let free = size.saturating_sub(used + room.without);
    let found = format!("{used} of {size} addresses are in use");
    let waiting = match room.late {
        0 => String::new(),
        1 => ", and 1 task has waited for more than a minute".to_owned(),
        many => format!(", and {many} tasks have waited for more than a minute"),
    };
    let check = if used + room.without > size || (free == 0 && room.late > 0) {
        Check::failed("networks", name, format!("is full: {found}{waiting}"))
    } else if free < FEW || free * 10 < size {
        Check::warning(
            "networks",
            name,
            format!("is nearly full: {found}{waiting}"),
        )
    } else if room.late > 0 {
        let hint = "`docker service ps --no-trunc SERVICE` and the log of the manager's engine say what they wait for";
        let found = format!("{found}{waiting} to start");
        return Some(Check::warning("networks", name, found).hint(hint));
    } else {
        return None;
    };
    Some(check.hint(
        "a subnet cannot grow: declare another network with a larger one (spec.networks[].create.subnet, such as a /20), attach the services to it (`docker service update --network-add`), then take this one from them",
    ))
}

/// Counts the addresses of a network.
fn room(world: &World, network: &Network, now: OffsetDateTime) -> Room {
    let id = &network.id;
    let is_on = |service: &Service| service.spec.networks.iter().any(|it| it.target == *id);
    let mut room = Room {
        size: size(network),
        ..Room::default()
    };
    for service in world.services.values() {
        if service.virtual_ips.contains_key(id) {
            room.used += 1;
        } else if is_on(service) && service.spec.endpoint_mode == EndpointMode::Vip {
            room.without += 1;
        }
    }
    let mut nodes: BTreeSet<&str> = BTreeSet::new();
    for task in world.tasks.values() {
        // One that is to end keeps its address until it has.
        if task.state > TaskState::Running {
            continue;
        }
        if task.addresses.contains_key(id) {
            room.used += 1;
            nodes.insert(&task.node);
            // The image is fetched, or its node has no address on the network yet.
            room.late += usize::from(task.state == TaskState::Preparing && is_late(task, now));
        } else if task.desired <= TaskState::Running
            && world.services.get(&task.service).is_some_and(is_on)
        {
            room.without += 1;
            room.late += usize::from(task.state == TaskState::New && is_late(task, now));
        }
    }
    nodes.remove("");
    // Each node balances at an address of its own.
    room.used += nodes.len() as u128;
    room
}

fn is_late(task: &Task, now: OffsetDateTime) -> bool {
    let since = OffsetDateTime::parse(&task.state_at, &Rfc3339);
    since.is_ok_and(|since| now - since > PATIENCE)
}

fn size(network: &Network) -> u128 {
    let subnets = network.subnets.iter();
    let subnets = subnets.filter_map(|text| text.parse::<IpNet>().ok());
    subnets
        .map(|net| {
            let bits = u32::from(net.max_prefix_len() - net.prefix_len()).min(64);
            (1u128 << bits).saturating_sub(KEPT)
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{faults, healthy};
    use super::*;
    use crate::world::NetworkAttachment;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-01-10 12:00:00 UTC);

    fn network(subnet: &str) -> Network {
        Network {
            id: "e".into(),
            name: "eastnet".into(),
            driver: "overlay".into(),
            subnets: vec![subnet.into()],
            ..Network::default()
        }
    }

    /// A service with a virtual address, and its tasks on two nodes; some have no address.
    fn world(tasks: usize, without: usize) -> World {
        let mut world = World::default();
        let mut service = Service::default();
        service.spec.name = "shop".into();
        service.spec.networks = vec![NetworkAttachment {
            target: "e".into(),
            ..NetworkAttachment::default()
        }];
        let ip = "10.0.1.2".parse().unwrap();
        service.virtual_ips.insert("e".into(), ip);
        world.services.insert("s".into(), service);
        for n in 0..tasks + without {
            let mut task = Task {
                service: "s".into(),
                desired: TaskState::Running,
                state_at: "2026-01-10T11:58:00Z".into(),
                ..Task::default()
            };
            if n < tasks {
                task.state = TaskState::Running;
                task.node = format!("n{}", n % 2);
                task.addresses.insert("e".into(), ip);
            }
            world.tasks.insert(format!("t{n}"), task);
        }
        world
    }

    fn state(subnet: &str, tasks: usize, without: usize) -> Option<(String, String)> {
        let room = room(&world(tasks, without), &network(subnet), NOW);
        let check = told("eastnet", room)?;
        assert!(!check.hint.is_empty());
        Some((format!("{:?}", check.state), check.message))
    }

    #[test]
    fn services_tasks_and_nodes_take_addresses() {
        let mut world = world(4, 2);
        let gone = Task {
            state: TaskState::Shutdown,
            service: "s".into(),
            ..world.tasks["t0"].clone()
        };
        world.tasks.insert("gone".into(), gone);
        let room = room(&world, &network("10.0.1.0/24"), NOW);
        let expected = Room {
            size: 253,
            used: 1 + 4 + 2,
            without: 2,
            late: 2,
        };
        assert_eq!(room, expected);
    }

    #[test]
    fn a_network_that_is_full_or_nearly_so_is_told() {
        let told = |tasks, without| state("10.0.1.0/28", tasks, without);
        assert_eq!(told(2, 0), None);
        let (level, message) = told(5, 0).unwrap();
        assert_eq!(level, "Warning");
        assert_eq!(message, "is nearly full: 8 of 13 addresses are in use");
        let (level, message) = told(10, 2).unwrap();
        assert_eq!(level, "Failed");
        assert!(message.contains("13 of 13"), "{message}");
        assert!(message.ends_with("2 tasks have waited for more than a minute"));
        // Less than a tenth of a larger one.
        assert_eq!(state("10.0.1.0/24", 226, 0).unwrap().0, "Warning");
    }

    #[test]
    fn tasks_that_wait_are_told_where_there_is_room_too() {
        assert_eq!(state("10.0.1.0/24", 1, 0), None);
        let (level, message) = state("10.0.1.0/24", 1, 1).unwrap();
        assert_eq!(level, "Warning");
        assert!(message.ends_with("to start"), "{message}");
        assert_eq!(state("no subnet", 9, 9), None);
    }

    #[test]
    fn only_networks_of_proxies_are_looked_at() {
        let mut patient = healthy();
        let view = &mut patient.view.world;
        view.networks.get_mut("e").unwrap().subnets = vec!["10.0.1.0/30".into()];
        assert_eq!(faults(&patient), Vec::<String>::new());
        let proxy = patient.view.world.services.get_mut("p").unwrap();
        proxy.spec.networks.push(NetworkAttachment {
            target: "e".into(),
            ..NetworkAttachment::default()
        });
        // One address is there, and the proxy service and its task need two.
        assert_eq!(faults(&patient), ["networks/eastnet Failed"]);
    }
}
