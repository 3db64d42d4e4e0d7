use time::macros::datetime;

use super::*;
use crate::api::ConditionStatus;
use crate::api::parse::manifests;
use crate::names;
use crate::swarm::facts::SwarmFacts;
use crate::world::declared::{Accepted, Revision};
use crate::world::{
    Declared, Network, NetworkAttachment, Node, Port, PortMode, Secret, Service, Task, TaskState,
    World,
};

/// A Swarm of two nodes on which all is well: an operator, and the cluster east with one proxy.
pub(crate) fn healthy() -> Patient {
    let mut world = World::default();
    for (id, manager) in [("n1", true), ("n2", false)] {
        let node = Node {
            id: id.into(),
            hostname: id.replace('n', "node-"),
            manager,
            ready: true,
            os: "linux".into(),
            ..Node::default()
        };
        world.nodes.insert(id.into(), node);
    }
    for (id, name, subnet) in [
        ("c", names::CONTROL_NETWORK, "10.255.240.0/20"),
        ("e", "eastnet", "10.0.1.0/24"),
    ] {
        let network = Network {
            id: id.into(),
            name: name.into(),
            driver: "overlay".into(),
            subnets: vec![subnet.into()],
            ..Network::default()
        };
        world.networks.insert(id.into(), network);
    }
    for name in names::SECRETS {
        let secret = Secret {
            name: name.into(),
            ..Secret::default()
        };
        world.secrets.insert(name.into(), secret);
    }
    service(&mut world, "o", names::OPERATOR_SERVICE, "operator", "n1");
    service(&mut world, "p", "skep-proxy-east", "proxy", "n2");
    let mut view = View::of(world);
    view.declared.insert("east".into(), east());
    Patient {
        view,
        engine: EngineFacts {
            name: "node-1".into(),
            server_version: "28.5.0".into(),
            api: ("1.51".into(), "1.24".into()),
            kernel_version: "6.1.0-13-amd64".into(),
            system_time: "2026-01-10T12:00:00Z".into(),
            swarm: SwarmFacts {
                local_node_state: "active".into(),
                control_available: true,
                ..SwarmFacts::default()
            },
            ..EngineFacts::default()
        },
        nodes: BTreeMap::from([
            ("n1".to_owned(), node_facts("reachable", true)),
            ("n2".to_owned(), node_facts("", false)),
        ]),
        secrets: BTreeMap::from([(
            names::SECRET_OPERATOR.to_owned(),
            "2026-01-01T00:00:00Z".to_owned(),
        )]),
        now: datetime!(2026-01-10 12:00:01 UTC),
    }
}

fn node_facts(reachability: &str, leader: bool) -> NodeFacts {
    NodeFacts {
        engine: "28.5.0".into(),
        reachability: reachability.into(),
        leader,
        message: String::new(),
    }
}

fn service(world: &mut World, id: &str, name: &str, component: &str, node: &str) {
    let mut service = Service {
        id: id.into(),
        desired: 1,
        ..Service::default()
    };
    service.spec.name = name.into();
    service.spec.image = "skep:1".into();
    for (key, value) in [
        (names::LABEL_MANAGED_BY, names::MANAGED_BY),
        (names::LABEL_COMPONENT, component),
        (names::LABEL_CLUSTER, "east"),
    ] {
        service.spec.labels.insert(key.into(), value.into());
    }
    let network = NetworkAttachment {
        target: "c".into(),
        ..NetworkAttachment::default()
    };
    service.spec.networks.push(network);
    world.services.insert(id.into(), service);
    let task = Task {
        id: format!("t{id}"),
        service: id.into(),
        node: node.into(),
        slot: 1,
        state: TaskState::Running,
        desired: TaskState::Running,
        created_at: "2026-01-10T11:00:00Z".into(),
        state_at: "2026-01-10T11:00:02Z".into(),
        ..Task::default()
    };
    world.tasks.insert(task.id.clone(), task);
}

fn east() -> Declared {
    let text = "{apiVersion: skep.dev/v1, kind: ServiceCluster, metadata: {name: east}, spec: {networks: [{name: eastnet}]}}";
    let cluster = manifests("", text).clusters.remove(0);
    Declared {
        name: "east".into(),
        status: crate::cli::get::tests::east().status,
        revisions: vec![Revision {
            generation: 3,
            valid: true,
            ..Revision::default()
        }],
        accepted: Some(Accepted {
            generation: 3,
            cluster,
        }),
        ..Declared::default()
    }
}

/// The checks that are not in order: `area/name State`.
pub(super) fn faults(patient: &Patient) -> Vec<String> {
    checks(patient)
        .into_iter()
        .filter(|check| check.state != State::Ok)
        .map(|check| {
            assert!(!check.hint.is_empty(), "{check:?} says what to do");
            format!("{}/{} {:?}", check.area, check.name, check.state)
        })
        .collect()
}

#[test]
fn a_healthy_swarm_has_no_faults() {
    assert_eq!(faults(&healthy()), Vec::<String>::new());
    let text = render(&checks(&healthy()), Report::Table).unwrap();
    insta::assert_snapshot!(text);
}

#[test]
fn lost_managers_and_nodes_are_told() {
    let mut patient = healthy();
    patient
        .nodes
        .insert("n2".into(), node_facts("unreachable", false));
    let node = patient.view.world.nodes.get_mut("n2").unwrap();
    node.ready = false;
    assert_eq!(
        faults(&patient),
        ["swarm/managers Warning", "nodes/node-2 Warning"]
    );
    patient
        .nodes
        .insert("n1".into(), node_facts("reachable", false));
    assert_eq!(faults(&patient)[0], "swarm/managers Failed");
    patient.engine.swarm.local_node_state = "locked".into();
    assert_eq!(faults(&patient)[0], "engine/swarm Failed");
}

#[test]
fn a_clock_that_is_behind_shows_in_the_tasks_of_its_node() {
    let mut patient = healthy();
    let task = patient.view.world.tasks.get_mut("tp").unwrap();
    task.state_at = "2026-01-10T10:59:20Z".into();
    assert_eq!(faults(&patient), ["clocks/node-2 Warning"]);
    let task = patient.view.world.tasks.get_mut("tp").unwrap();
    task.state_at = "2026-01-10T12:10:00Z".into();
    assert_eq!(faults(&patient), ["clocks/node-2 Failed"]);
    let mut patient = healthy();
    patient.now = datetime!(2026-01-10 11:59:00 UTC);
    assert_eq!(faults(&patient), ["clocks/node-1 Warning"]);
}

#[test]
fn a_port_that_another_service_has_is_told() {
    let mut patient = healthy();
    let mut rival = Service {
        id: "r".into(),
        ..Service::default()
    };
    rival.spec.name = "nginx".into();
    let port = |mode| Port {
        target: 80,
        published: 80,
        protocol: crate::world::Protocol::Tcp,
        mode,
    };
    rival.spec.ports = vec![port(PortMode::Host)];
    patient
        .view
        .world
        .services
        .insert("r".into(), rival.clone());
    assert_eq!(faults(&patient), Vec::<String>::new(), "on other nodes");
    rival.spec.ports = vec![port(PortMode::Ingress)];
    patient.view.world.services.insert("r".into(), rival);
    assert_eq!(faults(&patient), ["ports/east:80 Failed"]);
}

#[test]
fn a_taken_port_and_a_missing_image_are_read_from_the_tasks() {
    let mut patient = healthy();
    let task = patient.view.world.tasks.get_mut("tp").unwrap();
    task.state = TaskState::Pending;
    task.error = "no suitable node (host-mode port already in use on 1 node)".into();
    assert_eq!(faults(&patient), ["ports/east Failed"]);
    let task = patient.view.world.tasks.get_mut("tp").unwrap();
    task.state = TaskState::Rejected;
    task.error = "No such image: skep:1".into();
    assert_eq!(faults(&patient), ["images/skep-proxy-east Failed"]);
}

#[test]
fn missing_networks_and_overlaps_are_told() {
    let mut patient = healthy();
    patient.view.world.networks.get_mut("e").unwrap().subnets = vec!["10.255.241.0/24".into()];
    assert_eq!(faults(&patient), ["networks/skep-control Failed"]);
    patient.view.world.networks.clear();
    assert_eq!(
        faults(&patient),
        ["networks/skep-control Failed", "networks/eastnet Failed"]
    );
}

#[test]
fn a_missing_operator_and_missing_secrets_are_told() {
    let mut patient = healthy();
    patient.view.world.services.remove("o");
    patient.view.world.secrets.remove(names::SECRET_SEALING);
    assert_eq!(
        faults(&patient),
        ["operator/service Failed", "secrets/skep Failed"]
    );
}

#[test]
fn the_end_of_the_control_streams_certificates_is_told_beforehand() {
    let mut patient = healthy();
    let at = |date: &str| BTreeMap::from([(names::SECRET_OPERATOR.to_owned(), date.to_owned())]);
    patient.secrets = at("2021-02-01T00:00:00Z");
    assert_eq!(faults(&patient), ["secrets/skep-operator-identity Warning"]);
    patient.secrets = at("2020-01-01T00:00:00Z");
    assert_eq!(faults(&patient), ["secrets/skep-operator-identity Failed"]);
}

#[test]
fn a_cluster_that_is_not_ready_is_told_with_its_reason() {
    let mut patient = healthy();
    let declared = patient.view.declared.get_mut("east").unwrap();
    let status = declared.status.as_mut().unwrap();
    status.conditions[0].status = ConditionStatus::False;
    assert_eq!(faults(&patient), ["clusters/east Failed"]);
    let declared = patient.view.declared.get_mut("east").unwrap();
    declared.status = None;
    assert_eq!(faults(&patient), ["clusters/east Warning"]);
    let text = render(&checks(&patient), Report::Table).unwrap();
    assert!(text.contains("What to do:\n  clusters/east: "), "{text}");
    let text = render(&checks(&patient), Report::Json).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["state"], "Warning");
}

#[test]
fn everything_that_skep_needs_is_looked_at() {
    let found = checks(&healthy());
    let there = |area: &str, name: &str| {
        let is = |check: &Check| check.area == area && (name.is_empty() || check.name == name);
        assert!(found.iter().any(is), "{area}/{name}");
    };
    for (area, name) in [
        ("engine", "api"),
        ("engine", "swarm"),
        ("engine", "kernel"),
        ("swarm", "managers"),
        ("nodes", "node-2"),
        ("clocks", "node-1"),
        ("operator", ""),
        ("secrets", names::SECRET_OPERATOR),
        ("networks", names::CONTROL_NETWORK),
        ("ports", "east:80"),
        ("images", "skep-proxy-east"),
        ("certificates", ""),
        ("clusters", "east"),
    ] {
        there(area, name);
    }
}

#[test]
fn old_kernels_and_engines_and_missing_overlays_are_told() {
    let mut patient = healthy();
    patient.engine.kernel_version = "3.2.0".into();
    assert_eq!(faults(&patient), ["engine/kernel Failed"]);
    patient.engine.kernel_version = "?".into();
    assert_eq!(faults(&patient), ["engine/kernel Unknown"]);
    patient = healthy();
    patient.engine.plugins.network = vec!["bridge".into()];
    assert_eq!(faults(&patient), ["engine/overlay Failed"]);
    patient = healthy();
    patient.nodes.get_mut("n2").unwrap().engine = "19.3.1".into();
    assert_eq!(faults(&patient), ["nodes/node-2 Failed"]);
}

#[test]
fn a_stored_certificate_that_ends_is_told() {
    let mut patient = healthy();
    let key = crate::certs::SealingKey::generate().unwrap().public();
    let sealing = patient.view.world.secrets.get_mut(names::SECRET_SEALING);
    let labels = &mut sealing.unwrap().labels;
    labels.insert(names::LABEL_SEALING.into(), key.text());
    let id = key.id();
    let config = |ends: &str| crate::world::Config {
        id: "cert".into(),
        name: "certificate.shop.1".into(),
        labels: [
            (names::LABEL_KIND, "Certificate"),
            (names::LABEL_NAME, "shop"),
            (names::LABEL_GENERATION, "1"),
            (names::LABEL_NOT_AFTER, ends),
            (names::LABEL_SEALING, id.as_str()),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into(),
        ..crate::world::Config::default()
    };
    for (ends, state) in [
        ("2027-01-10T12:00:00Z", None),
        ("2026-01-20T12:00:00Z", Some("certificates/shop Warning")),
        ("2026-01-01T12:00:00Z", Some("certificates/shop Failed")),
    ] {
        patient
            .view
            .world
            .configs
            .insert("cert".into(), config(ends));
        assert_eq!(
            faults(&patient),
            state.into_iter().collect::<Vec<_>>(),
            "{ends}"
        );
    }
}

#[test]
fn documents_stored_in_an_old_version_are_told_together() {
    let mut patient = healthy();
    let declared = &mut patient.view.declared;
    let old = crate::api::Version::V1Alpha1;
    let east = declared.get_mut("east").unwrap();
    east.accepted.as_mut().unwrap().cluster.stated = old;
    let told = |patient: &Patient| {
        let all = checks(patient).into_iter();
        let mut found = all.filter(|check| check.area == "versions");
        let one = found.next().unwrap();
        assert!(found.next().is_none());
        (one.name, one.message)
    };
    assert_eq!(faults(&patient), ["versions/v1alpha1 Warning"]);
    let (name, message) = told(&patient);
    assert_eq!(name, "v1alpha1");
    assert_eq!(
        message,
        "1 stored document is skep.dev/v1alpha1: servicecluster/east"
    );
    let mut west = patient.view.declared["east"].clone();
    west.name = "west".into();
    west.accepted.as_mut().unwrap().cluster.metadata.name = "west".into();
    patient.view.declared.insert("west".into(), west);
    assert_eq!(
        told(&patient).1,
        "2 stored documents are skep.dev/v1alpha1: servicecluster/east, servicecluster/west"
    );
}

mod told;
