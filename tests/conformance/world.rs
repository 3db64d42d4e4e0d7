//! The world that a table tells: its clusters, services and tasks as Swarm would show them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use skep::world::{
    Config, HostPort, Network, NetworkAttachment, Node, Port, PortMode, Protocol, Secret, Service,
    Task, TaskState, World,
};

use crate::endpoint::Endpoint;
use crate::stage::Theatre;
use crate::table::{self, Table};

/// Who answers at an address.
pub type Tasks = BTreeMap<IpAddr, Endpoint>;

/// Names of clusters are of the whole run: the control server is one for all files.
pub fn full(file: &str, cluster: &str) -> String {
    format!("{}-{cluster}", file.replace('_', "-"))
}

/// The world that a table tells.
pub fn world(
    theatre: &Theatre,
    file: &str,
    table: &Table,
    seen: &Arc<Mutex<Vec<String>>>,
) -> (World, Tasks) {
    let mut world = World::default();
    let mut tasks = Tasks::new();
    for (name, spec) in &table.clusters {
        let config = cluster(&full(file, name), spec);
        world.configs.insert(config.id.clone(), config);
    }
    for name in theatre.keep_secrets(table) {
        let secret = Secret {
            id: format!("sec-{name}"),
            name,
            ..Secret::default()
        };
        world.secrets.insert(secret.id.clone(), secret);
    }
    let groups = table.groups.iter().filter(|it| it.pending.is_none());
    for (age, service) in groups.flat_map(|group| &group.services).enumerate() {
        let known = world.service_named(&service.name).is_some();
        assert!(!known, "{file}: two services are named {}", service.name);
        let told = add_service(&mut world, file, service, age);
        for (slot, state) in service.tasks.states().iter().enumerate() {
            add_task(theatre, &mut world, service, &told, slot, state);
        }
        for task in world.tasks.values().filter(|task| task.service == told) {
            let at = service.tasks.states()[usize::try_from(task.slot).unwrap() - 1].clone();
            for (address, network) in addresses(&world, task) {
                let endpoint = Endpoint {
                    service: service.name.clone(),
                    task: task.id.clone(),
                    network,
                    port: 0,
                    manner: at.clone(),
                    reply: service.reply.as_deref().map(table::text),
                    tls: (service.tls.as_deref()).map(|host| theatre.authority.server(host)),
                    http2: service.http2,
                    seen: Arc::clone(seen),
                };
                tasks.insert(address, endpoint);
            }
        }
    }
    (world, tasks)
}

fn cluster(name: &str, spec: &str) -> Config {
    let text = format!(
        "apiVersion: skep.dev/v1\nkind: ServiceCluster\nmetadata:\n  name: {name}\nspec: {spec}\n"
    );
    let labels = [
        ("dev.skep.kind", "ServiceCluster"),
        ("dev.skep.name", name),
        ("dev.skep.generation", "1"),
    ];
    let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
    Config {
        id: format!("cfg-{name}"),
        name: format!("servicecluster.{name}.1"),
        labels: labels.into(),
        data: text.into_bytes(),
        created_at: "2026-11-22T10:00:00Z".to_owned(),
        ..Config::default()
    }
}

/// Adds a service with its networks; gives back its id.
fn add_service(world: &mut World, file: &str, told: &table::Service, age: usize) -> String {
    let mut service = Service {
        id: format!("svc-{}", told.name),
        created_at: format!("2026-11-22T10:{:02}:{:02}Z", age / 60, age % 60),
        ..Service::default()
    };
    service.spec.name.clone_from(&told.name);
    service.spec.labels = told.labels.iter().map(|text| label(file, text)).collect();
    for name in &told.networks {
        let network = Network {
            id: format!("net-{name}"),
            name: name.clone(),
            driver: "overlay".to_owned(),
            ingress: name == "ingress",
            ..Network::default()
        };
        let attachment = NetworkAttachment {
            target: network.id.clone(),
            aliases: Vec::new(),
        };
        service.spec.networks.push(attachment);
        world.networks.insert(network.id.clone(), network);
    }
    if let Some(target) = told.host_port {
        service.spec.ports.push(Port {
            target,
            published: 0,
            protocol: Protocol::Tcp,
            mode: PortMode::Host,
        });
    }
    let id = service.id.clone();
    world.services.insert(id.clone(), service);
    id
}

fn label(file: &str, text: &str) -> (String, String) {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    let known = ["skep.", "com.", "team."]
        .iter()
        .any(|it| key.starts_with(it));
    let prefix = if known { "" } else { "com.docker.lb." };
    let value = if key.ends_with("service_cluster") {
        let names = value.split(',').map(|name| full(file, name));
        names.collect::<Vec<_>>().join(",")
    } else {
        value.to_owned()
    };
    (format!("{prefix}{key}"), value)
}

/// Adds a task on a node of its own.
fn add_task(
    theatre: &Theatre,
    world: &mut World,
    told: &table::Service,
    service: &str,
    slot: usize,
    state: &str,
) {
    let id = format!("{}-{}", told.name, slot + 1);
    let node = Node {
        id: format!("node-{id}"),
        hostname: format!("node-{id}"),
        ready: true,
        address: theatre.address().to_string(),
        os: "linux".to_owned(),
        ..Node::default()
    };
    let (state, desired) = states(state);
    let host_ports = told.host_port.iter().map(|target| HostPort {
        target: *target,
        published: 32_000,
        protocol: Protocol::Tcp,
    });
    let task = Task {
        id: id.clone(),
        service: service.to_owned(),
        node: node.id.clone(),
        slot: slot as u64 + 1,
        state,
        desired,
        addresses: (told.networks.iter())
            .map(|name| (format!("net-{name}"), theatre.address()))
            .collect(),
        host_ports: host_ports.collect(),
        ..Task::default()
    };
    world.nodes.insert(node.id.clone(), node);
    world.tasks.insert(id, task);
}

/// Where a task is, and where Swarm wants it. `dead`, `silent` and `rude` run in Swarm's eyes.
fn states(state: &str) -> (TaskState, TaskState) {
    match state {
        "running" | "dead" | "silent" | "rude" => (TaskState::Running, TaskState::Running),
        "stopping" => (TaskState::Running, TaskState::Shutdown),
        "starting" => (TaskState::Starting, TaskState::Running),
        "preparing" => (TaskState::Preparing, TaskState::Running),
        "failed" => (TaskState::Failed, TaskState::Shutdown),
        "complete" => (TaskState::Complete, TaskState::Shutdown),
        other => panic!("`{other}` is no state of a task"),
    }
}

/// All addresses of a task, with the network of each; `host` is its node.
fn addresses(world: &World, task: &Task) -> Vec<(IpAddr, String)> {
    let on = |(id, address): (&String, &IpAddr)| (*address, world.networks[id].name.clone());
    let node = world.nodes[&task.node].address.parse().unwrap();
    let mut all: Vec<_> = task.addresses.iter().map(on).collect();
    all.push((node, "host".to_owned()));
    all
}
