//! Application labels: a world with a service that has any labels, beside one that is routed.

use std::collections::BTreeMap;
use std::net::IpAddr;

use skep::control::wire;
use skep::proxy::Assembler;
use skep::route::{ClusterRouting, RouteTable, routing};
use skep::world::{
    Config, Network, NetworkAttachment, Service, ServiceSpec, Task, TaskState, World, declared,
};

const CLUSTER: &str = "east";
const NEIGHBOUR: &str = "neighbour";
const MANIFEST: &str = "apiVersion: skep.dev/v1alpha1\nkind: ServiceCluster\nmetadata: {name: east}\nspec: {default: true}\n";

/// Reads, routes, encodes, decodes and compiles what the labels ask for. A line is `key=value`;
/// `~` stands for `com.docker.lb.` and `^` for `skep.`, so that a mutation need not find them.
pub fn check(text: &str) {
    let labels = labels(text);
    let _ = skep::api::labels::read(&labels);
    let alone = east(&world(None));
    let beside = east(&world(Some(labels)));
    unharmed(text, &alone, &beside);
    survives_the_wire(&beside.table);
    let mut assembler = Assembler::new(1);
    assert_eq!(assembler.set_all(&beside.table), Ok(()), "a proxy refuses it");
    let _ = assembler.build();
}

fn labels(text: &str) -> BTreeMap<String, String> {
    let whole = |key: &str| match (key.strip_prefix('~'), key.strip_prefix('^')) {
        (Some(name), _) => format!("com.docker.lb.{name}"),
        (_, Some(name)) => format!("skep.{name}"),
        _ => key.to_owned(),
    };
    text.split('\n')
        .map(|line| line.split_once('=').unwrap_or((line, "")))
        .map(|(key, value)| (whole(key), value.to_owned()))
        .collect()
}

fn east(world: &World) -> ClusterRouting {
    let mut all = routing(world, &declared(world));
    all.clusters.remove(CLUSTER).expect("east is declared")
}

/// What the neighbour has alone it has beside any other. A service that names the neighbour's
/// host may share it, and no more.
fn unharmed(text: &str, alone: &ClusterRouting, beside: &ClusterRouting) {
    let row = |routing: &ClusterRouting| {
        let mut rows = routing.rows.iter().filter(|row| row.service == NEIGHBOUR);
        rows.next().cloned().expect("the neighbour has a row")
    };
    assert_eq!(row(alone).state, row(beside).state);
    for (name, backend) in &alone.table.backends {
        assert_eq!(beside.table.backends.get(name), Some(backend), "{name}");
    }
    let may_share = text.contains('*') || text.to_lowercase().contains(NEIGHBOUR);
    for (name, route) in &alone.table.routes {
        let found = beside.table.routes.get(name);
        if may_share {
            assert!(found.is_some(), "{name} is gone");
        } else {
            assert_eq!(found, Some(route), "{name}");
        }
    }
}

fn survives_the_wire(table: &RouteTable) {
    let snapshot = wire::snapshot(table);
    let body = |kind, name: &str| &snapshot.types[kind][name].body[..];
    let listener = wire::decode_listener(body(wire::LISTENER, wire::LISTENER_NAME));
    assert_eq!(listener.as_ref(), Ok(&table.listener));
    for (name, it) in &table.routes {
        assert_eq!(wire::decode_route(body(wire::ROUTE, name)).as_ref(), Ok(it));
    }
    for (name, it) in &table.backends {
        assert_eq!(
            wire::decode_backend(body(wire::BACKEND, name)).as_ref(),
            Ok(it)
        );
    }
    for (name, it) in &table.passthroughs {
        let found = wire::decode_passthrough(body(wire::PASSTHROUGH, name));
        assert_eq!(found.as_ref(), Ok(it));
    }
    for (name, it) in &table.certificates {
        let found = wire::decode_certificate(body(wire::CERTIFICATE, name));
        assert_eq!(found.as_ref(), Ok(it));
    }
}

fn world(labels: Option<BTreeMap<String, String>>) -> World {
    let mut world = World::default();
    let network = Network {
        id: "net".to_owned(),
        name: "web".to_owned(),
        ..Network::default()
    };
    world.networks.insert(network.id.clone(), network);
    let config = Config {
        id: "cfg".to_owned(),
        name: "servicecluster.east.1".to_owned(),
        labels: pairs(&[
            ("dev.skep.kind", "ServiceCluster"),
            ("dev.skep.name", CLUSTER),
            ("dev.skep.generation", "1"),
        ]),
        data: MANIFEST.as_bytes().to_vec(),
        created_at: "2026-01-01T00:00:00Z".to_owned(),
        ..Config::default()
    };
    world.configs.insert(config.id.clone(), config);
    let neighbour = pairs(&[
        ("com.docker.lb.hosts", "neighbour.example"),
        ("com.docker.lb.port", "80"),
    ]);
    service(&mut world, NEIGHBOUR, 1, neighbour);
    if let Some(labels) = labels {
        service(&mut world, "any", 2, labels);
    }
    world
}

fn pairs(all: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    all.iter().map(owned).collect()
}

/// A service with two tasks that run.
fn service(world: &mut World, name: &str, number: u8, labels: BTreeMap<String, String>) {
    let service = Service {
        id: format!("svc-{name}"),
        created_at: format!("2026-01-01T00:00:0{number}Z"),
        spec: ServiceSpec {
            name: name.to_owned(),
            labels,
            networks: vec![NetworkAttachment {
                target: "net".to_owned(),
                aliases: Vec::new(),
            }],
            ..ServiceSpec::default()
        },
        virtual_ips: BTreeMap::from([("net".to_owned(), IpAddr::from([10, 0, number, 2]))]),
        running: 2,
        desired: 2,
        ..Service::default()
    };
    for slot in 1..3_u8 {
        let task = Task {
            id: format!("{name}-{slot}"),
            service: service.id.clone(),
            slot: slot.into(),
            state: TaskState::Running,
            desired: TaskState::Running,
            addresses: BTreeMap::from([(
                "net".to_owned(),
                IpAddr::from([10, 0, number, slot + 10]),
            )]),
            created_at: service.created_at.clone(),
            ..Task::default()
        };
        world.tasks.insert(task.id.clone(), task);
    }
    world.services.insert(service.id.clone(), service);
}
