//! What a service is told of itself.

use super::*;
use crate::world::testing::story;
use crate::world::{Mode, TaskState};

fn swarm() -> Story {
    story()
        .network("eastnet")
        .cluster("main", 1, "{networks: [{name: eastnet}]}")
}

#[test]
fn every_secret_that_cannot_be_had_is_told_at_once() {
    let labels = [
        "skep.service_cluster=main",
        "skep.hosts=a.x",
        "skep.port=80",
        "skep.ssl_cert=skep-ca",
        "skep.ssl_key=none.key",
        "skep.basic_auth=skep-proxy-identity",
        "skep.backend_ca=nothing",
    ];
    let world = swarm()
        .secret("skep-ca")
        .secret("skep-proxy-identity")
        .service("web", &["eastnet"], &labels)
        .world();
    let rows = &routing(&world, &declared(&world)).clusters["main"].rows;
    let told: Vec<String> = rows
        .iter()
        .map(|row| format!("{} {:?} {}", row.label, row.state, row.reason))
        .collect();
    assert_eq!(
        told,
        [
            "skep.backend_ca Rejected SecretNotFound",
            "skep.basic_auth Rejected SecretNotAllowed",
            "skep.ssl_cert Rejected SecretNotAllowed",
            "skep.ssl_key Rejected SecretNotFound",
        ]
    );
}

#[test]
fn a_service_scaled_to_zero_and_one_that_starts_are_told_different_things() {
    let labels = [
        "skep.service_cluster=main",
        "skep.hosts=a.x",
        "skep.port=80",
    ];
    let at = |change: fn(&mut World)| {
        let world = swarm()
            .service("web", &["eastnet"], &labels)
            .tasks("web", 1)
            .with(change)
            .world();
        let routing = routing(&world, &declared(&world));
        routing.clusters["main"].rows[0].message.clone()
    };
    let zero = at(|world| {
        world.tasks.clear();
        let web = world.services.values_mut().next().unwrap();
        web.spec.mode = Mode::Replicated(0);
    });
    assert!(
        zero.contains("scaled to zero") && zero.contains("docker service scale web=1"),
        "{zero}"
    );
    let starting = at(|world| {
        let task = world.tasks.values_mut().next().unwrap();
        (task.state, task.desired) = (TaskState::Starting, TaskState::Running);
    });
    assert!(starting.contains("some start"), "{starting}");
}

#[test]
fn a_service_that_one_of_its_clusters_serves_is_no_orphan() {
    let labels = [
        "skep.service_cluster=main,mian",
        "skep.hosts=a.x",
        "skep.port=80",
    ];
    let world = swarm()
        .service("web", &["eastnet"], &labels)
        .tasks("web", 1)
        .world();
    let routing = routing(&world, &declared(&world));
    assert!(routing.orphans.is_empty());
    let rows = &routing.clusters["main"].rows;
    let states: Vec<RowState> = rows.iter().map(|row| row.state).collect();
    assert_eq!(states, [RowState::Warning, RowState::Active]);
    assert_eq!(rows[0].label, "skep.service_cluster");
    assert!(
        rows[0].message.contains("did you mean `main`?"),
        "{}",
        rows[0].message
    );
}

#[test]
fn several_faults_of_one_route_are_one_rejected_route() {
    let row = |host: &str, reason: &str, state| crate::route::Row {
        service: "web".to_owned(),
        host: host.to_owned(),
        reason: reason.to_owned(),
        state,
        ..crate::route::Row::default()
    };
    let routing = ClusterRouting {
        rows: vec![
            row("a.x", "InvalidPort", RowState::Rejected),
            row("a.x", "InvalidValue", RowState::Rejected),
            row("b.x", "InvalidPort", RowState::Rejected),
            row("c.x", "", RowState::Active),
        ],
        ..ClusterRouting::default()
    };
    assert_eq!(routing.rejected(), 2);
}

/// Labels and values that a cluster's rows of a reason name.
fn labels_of(world: &World, reason: &str) -> Vec<String> {
    let routing = routing(world, &declared(world));
    let rows = routing.clusters["main"].rows.iter();
    rows.filter(|row| row.reason == reason)
        .map(|row| format!("{}={}", row.label, row.value))
        .collect()
}

#[test]
fn the_network_that_was_asked_for_and_is_not_the_proxies_is_named() {
    let labels = [
        "skep.service_cluster=main",
        "skep.hosts=a.x",
        "skep.port=80",
        "skep.network=westnet",
    ];
    let world = swarm()
        .network("westnet")
        .service("web", &["westnet"], &labels)
        .world();
    let told = labels_of(&world, "NoSharedNetwork");
    assert_eq!(told, ["skep.network=westnet"]);
}

#[test]
fn a_route_without_a_certificate_whose_tls_is_taken_is_told_its_host() {
    let sealed = [
        "skep.service_cluster=main",
        "skep.hosts=a.x",
        "skep.port=443",
        "skep.ssl_passthrough=true",
    ];
    let open = [
        "skep.service_cluster=main",
        "skep.hosts=a.x",
        "skep.port=80",
    ];
    let world = swarm()
        .service("sealed", &["eastnet"], &sealed)
        .service("web", &["eastnet"], &open)
        .tasks("web", 1)
        .world();
    assert_eq!(labels_of(&world, "TlsTaken"), ["skep.hosts=a.x"]);
}

#[test]
fn a_misspelt_label_of_the_cluster_is_told_to_the_orphan() {
    let labels = [
        "com.docker.lb.service_clustr=main",
        "com.docker.lb.hosts=a.x",
        "com.docker.lb.port=80",
    ];
    let world = swarm().service("web", &["eastnet"], &labels).world();
    let routing = routing(&world, &declared(&world));
    let orphan = &routing.orphans[0];
    assert_eq!(orphan.reason, "NoDefaultCluster");
    assert_eq!(orphan.label, "com.docker.lb.service_clustr");
    assert_eq!(orphan.value, "main");
    let hint = "did you mean `com.docker.lb.service_cluster`?";
    assert!(orphan.message.contains(hint), "{}", orphan.message);
}
