//! Application labels: a world with a service that has any labels, beside one that is routed.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use skep::control::wire::{self, BACKEND, CERTIFICATE, LISTENER, PASSTHROUGH, ROUTE};
use skep::control::{TypeUrl, pki};
use skep::proxy::Assembler;
use skep::route::{
    CertificateSource, ClusterRouting, Keyring, RouteTable, SecretText, Stored, certified,
};
use skep::world::{
    Config, Network, NetworkAttachment, Secret, Service, ServiceSpec, Task, TaskState, World,
    declared,
};

const CLUSTER: &str = "east";
const NEIGHBOUR: &str = "neighbour";
const MANIFEST: &str = "apiVersion: skep.dev/v1\nkind: ServiceCluster\nmetadata: {name: east}\nspec: {default: true}\n";

/// Reads, routes, encodes, decodes and compiles what the labels ask for. A line is `key=value`;
/// `~` stands for `com.docker.lb.` and `^` for `skep.`, so that a mutation need not find them.
pub fn check(text: &str) {
    let labels = labels(text);
    let _ = skep::api::labels::read(&labels);
    let alone = east(&world(None));
    let beside = east(&world(Some(labels)));
    unharmed(text, &alone, &beside);
    survives_the_wire(&beside.table);
    is_admitted(&beside.table);
}

/// Secrets by what is in them: a certificate and its key, users, an authority, garbage.
const CHAINS: [&str; 2] = ["app.cert", "b.cert"];
const KEYS: [&str; 2] = ["app.key", "b.key"];
const USERS: &str = "users";
const AUTHORITY: &str = "ca";
const GARBAGE: &str = "garbage";

/// The same as files, made once by each process.
fn secrets() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("skep-fuzz-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder for secrets");
        let bundle = pki::issue().expect("certificates");
        let users = "ann:$2y$05$abcdefghijklmnopqrstuu8xaCxxL82bnl.UY74PMksDxIJShppPC\n";
        let files = [
            // Chain and key are in one text, and each reader takes what it is after.
            (CHAINS[0], bundle.operator.as_str()),
            (KEYS[0], &bundle.operator),
            (CHAINS[1], &bundle.proxy),
            (KEYS[1], &bundle.proxy),
            (USERS, users),
            (AUTHORITY, &bundle.ca),
            (GARBAGE, "garbage"),
        ];
        for (name, text) in files {
            std::fs::write(folder.join(name), text).expect("a secret");
        }
        folder
    })
}

/// A proxy takes all of it as it comes over the control stream, but for what names a secret whose
/// content is of no use there: that it refuses, and nothing else for it.
fn is_admitted(table: &RouteTable) {
    let snapshot = wire::snapshot(table);
    let mut proxy = Assembler::with_secrets(1, secrets());
    for kind in [LISTENER, CERTIFICATE, BACKEND, ROUTE, PASSTHROUGH] {
        for (name, resource) in snapshot.types.get(kind).into_iter().flatten() {
            let verdict = proxy.take(kind, name, &resource.body);
            if is_sound(table, kind, name) {
                assert_eq!(verdict, Ok(true), "{kind} {name}");
                assert!(kind != ROUTE || !proxy.is_closed(name), "{name} is closed");
            }
        }
    }
    assert!(proxy.waiting().is_empty(), "{:?}", proxy.waiting());
    let _ = proxy.build();
}

/// Whether a resource names no secret but those whose content is fit for the purpose.
fn is_sound(table: &RouteTable, kind: TypeUrl, name: &str) -> bool {
    match kind {
        ROUTE => {
            let auth = table.routes[name].policy.basic_auth.as_ref();
            auth.is_none_or(|auth| auth.secret == USERS)
        }
        BACKEND => {
            let tls = table.backends[name].tls.as_ref();
            let ca = tls.and_then(|tls| tls.ca.as_ref());
            ca.is_none_or(|ca| ca == AUTHORITY)
        }
        CERTIFICATE => match &table.certificates[name].source {
            CertificateSource::Files { chain, key } => {
                let fits = |at: usize| chain == CHAINS[at] && key == KEYS[at];
                fits(0) || fits(1)
            }
            CertificateSource::Pem { .. } => true,
        },
        _ => true,
    }
}

/// A stored certificate that stands in for all of the neighbour's kind.
fn keyring() -> Keyring {
    let text = std::fs::read_to_string(secrets().join(CHAINS[0])).expect("a certificate");
    let stored = Stored {
        hosts: vec!["*.example".to_owned(), "app.example.org".to_owned()],
        not_after: 1,
        chain: text.clone(),
        key: SecretText(text),
    };
    Keyring {
        usable: BTreeMap::from([("shop".to_owned(), stored)]),
        ..Keyring::default()
    }
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
    let mut all = certified(world, &declared(world), &keyring());
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
    let own = |routing: &ClusterRouting| {
        let own = routing.table.certificates.get("service/neighbour");
        own.cloned().expect("the neighbour has a certificate")
    };
    assert_eq!(own(alone), own(beside));
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
        // Without it nothing is routed at all.
        driver: "overlay".to_owned(),
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
    let names = CHAINS.iter().chain(&KEYS).copied();
    for name in names.chain([USERS, AUTHORITY, GARBAGE]) {
        let secret = Secret {
            id: format!("sec-{name}"),
            name: name.to_owned(),
            ..Secret::default()
        };
        world.secrets.insert(secret.id.clone(), secret);
    }
    let neighbour = pairs(&[
        ("com.docker.lb.hosts", "neighbour.example"),
        ("com.docker.lb.port", "80"),
        ("com.docker.lb.ssl_cert", CHAINS[0]),
        ("com.docker.lb.ssl_key", KEYS[0]),
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
