//! Small builders for tests: a Swarm told as a story, one line a thing.
//!
//! Ids are derived from names, ages from the order in which things are told.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{
    Config, HostPort, Network, NetworkAttachment, Node, Port, PortMode, Protocol, Secret, Service,
    Task, TaskState, World,
};
use crate::names;

/// Tells a world.
#[derive(Clone, Debug, Default)]
pub struct Story {
    world: World,
    clock: u32,
}

/// A world with nothing in it.
#[must_use]
pub fn story() -> Story {
    Story::default()
}

/// The id of a network told by name.
#[must_use]
pub fn network_id(name: &str) -> String {
    format!("net-{name}")
}

/// The id of a service told by name.
#[must_use]
pub fn service_id(name: &str) -> String {
    format!("svc-{name}")
}

/// Labels from `key=value` texts.
#[must_use]
pub fn labels(pairs: &[&str]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

impl Story {
    fn now(&mut self) -> String {
        self.clock += 1;
        format!(
            "2026-11-22T10:{:02}:{:02}Z",
            self.clock / 60,
            self.clock % 60
        )
    }

    /// A ready Linux node with these labels; its address ends in its number.
    #[must_use]
    pub fn node(mut self, hostname: &str, pairs: &[&str]) -> Self {
        let number = self.world.nodes.len() + 1;
        let node = Node {
            id: format!("id-{hostname}"),
            version: 10,
            hostname: hostname.to_owned(),
            labels: labels(pairs),
            manager: number == 1,
            ready: true,
            address: format!("10.99.0.{number}"),
            os: "linux".to_owned(),
            ..Node::default()
        };
        self.world.nodes.insert(node.id.clone(), node);
        self
    }

    /// An overlay network.
    #[must_use]
    pub fn network(mut self, name: &str) -> Self {
        let network = Network {
            id: network_id(name),
            name: name.to_owned(),
            driver: "overlay".to_owned(),
            attachable: true,
            ingress: name == "ingress",
            ..Network::default()
        };
        self.world.networks.insert(network.id.clone(), network);
        self
    }

    /// What `skep install` makes.
    #[must_use]
    pub fn installed(self) -> Self {
        let story = self.secret(names::SECRET_CA).secret(names::SECRET_PROXY);
        story.network(names::CONTROL_NETWORK)
    }

    /// A secret.
    #[must_use]
    pub fn secret(mut self, name: &str) -> Self {
        let secret = Secret {
            id: format!("sec-{name}"),
            version: 1,
            name: name.to_owned(),
            ..Secret::default()
        };
        self.world.secrets.insert(secret.id.clone(), secret);
        self
    }

    /// A service with these labels on these networks, without tasks.
    #[must_use]
    pub fn service(mut self, name: &str, networks: &[&str], pairs: &[&str]) -> Self {
        let mut service = Service {
            id: service_id(name),
            version: 20,
            created_at: self.now(),
            ..Service::default()
        };
        service.spec.name = name.to_owned();
        service.spec.labels = labels(pairs);
        service.spec.networks = networks
            .iter()
            .map(|name| NetworkAttachment {
                target: network_id(name),
                aliases: Vec::new(),
            })
            .collect();
        self.world.services.insert(service.id.clone(), service);
        self
    }

    /// An application service with `count` running tasks; `labels` get Interlock's prefix.
    #[must_use]
    pub fn app(self, name: &str, networks: &[&str], count: u8, pairs: &[&str]) -> Self {
        let pairs: Vec<String> = pairs.iter().map(|p| format!("com.docker.lb.{p}")).collect();
        let pairs: Vec<&str> = pairs.iter().map(String::as_str).collect();
        self.service(name, networks, &pairs).tasks(name, count)
    }

    /// So many more running tasks of a service, spread over the nodes.
    #[must_use]
    pub fn tasks(mut self, service: &str, count: u8) -> Self {
        for _ in 0..count {
            let number = self.world.tasks.len() + 1;
            let nodes: Vec<String> = self.world.nodes.keys().cloned().collect();
            let node = nodes.get(number % nodes.len().max(1)).cloned();
            let service = &self.world.services[&service_id(service)];
            let networks = service.spec.networks.iter().enumerate();
            let slot = self.world.tasks_of(&service.id).count() as u64 + 1;
            let task = Task {
                id: format!("task-{number:02}"),
                service: service.id.clone(),
                node: node.unwrap_or_default(),
                slot,
                state: TaskState::Running,
                desired: TaskState::Running,
                addresses: networks
                    .map(|(i, n)| (n.target.clone(), address(i, number)))
                    .collect(),
                container_labels: service.spec.container_labels.clone(),
                created_at: String::new(),
                ..Task::default()
            };
            let created_at = self.now();
            let task = Task { created_at, ..task };
            self.world.tasks.insert(task.id.clone(), task);
        }
        self
    }

    /// Publishes a port of a service with mode=host, on port 32000 and up.
    #[must_use]
    pub fn host_port(mut self, service: &str, target: u16) -> Self {
        let service = service_id(service);
        if let Some(service) = self.world.services.get_mut(&service) {
            service.spec.ports.push(Port {
                target,
                published: 0,
                protocol: Protocol::Tcp,
                mode: PortMode::Host,
            });
        }
        let tasks = self.world.tasks.values_mut();
        for (published, task) in (32_000..).zip(tasks.filter(|t| t.service == service)) {
            task.host_ports.push(HostPort {
                target,
                published,
                protocol: Protocol::Tcp,
            });
        }
        self
    }

    /// A config with a manifest as `skep apply` stores it.
    #[must_use]
    pub fn cluster(self, name: &str, generation: u64, spec: &str) -> Self {
        let generation = generation.to_string();
        let text = manifest(name, spec);
        self.config(
            &format!("servicecluster.{name}.{generation}"),
            &text,
            &[
                "dev.skep.kind=ServiceCluster",
                &format!("dev.skep.name={name}"),
                &format!("dev.skep.generation={generation}"),
            ],
        )
    }

    /// Any config.
    #[must_use]
    pub fn config(mut self, name: &str, data: &str, pairs: &[&str]) -> Self {
        let config = Config {
            id: format!("cfg-{name}"),
            version: 30,
            name: name.to_owned(),
            labels: labels(pairs),
            data: data.as_bytes().to_vec(),
            created_at: self.now(),
        };
        self.world.configs.insert(config.id.clone(), config);
        self
    }

    /// Changes anything else.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut World)) -> Self {
        change(&mut self.world);
        self
    }

    /// The world that was told.
    #[must_use]
    pub fn world(self) -> World {
        self.world
    }
}

/// A manifest with a spec in flow style, such as `{default: true}`.
#[must_use]
pub fn manifest(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: skep.dev/v1\nkind: ServiceCluster\nmetadata:\n  name: {name}\nspec: {spec}\n"
    )
}

fn address(network: usize, number: usize) -> IpAddr {
    let (network, number) = (
        u8::try_from(network).unwrap_or(u8::MAX),
        u8::try_from(number).unwrap_or(u8::MAX),
    );
    IpAddr::from([10, 0, network, number])
}
