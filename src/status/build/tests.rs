use super::*;
use crate::api::ConditionStatus;
use crate::plan::testing::{plan_of, settle, tamper};
use crate::route::routing;
use crate::status::{Part, Refusal};
use crate::world::testing::{Story, story};
use crate::world::{Mode, TaskState, declared};

const NOW: &str = "2026-11-22T11:00:00Z";
const SPEC: &str = "{default: true, networks: [{name: eastnet}], placement: {nodes: [node-0], labels: {region: east}}, proxy: {replicas: 1}}";

fn swarm() -> Story {
    story()
        .node("node-0", &[])
        .node("node-1", &[])
        .network("eastnet")
        .installed()
        .app("app", &["eastnet"], 2, &["hosts=a.x", "port=80"])
}

/// A settled cluster with so many running proxies.
fn running(spec: &str, count: u8) -> Story {
    let world = settle(swarm().cluster("east", 1, spec).world(), "east", 2);
    swarm().with(|w| *w = world).tasks("skep-proxy-east", count)
}

fn report(world: &World, fleet: &[ProxyReport]) -> Status {
    let all = declared(world);
    let cluster = &all["east"];
    let routing = routing(world, &all);
    let plan = cluster
        .accepted
        .as_ref()
        .map(|_| plan_of(world, &all, "east"));
    status(&StatusInputs {
        declared: cluster,
        routing: routing.clusters.get("east"),
        plan: plan.as_ref(),
        world,
        fleet,
        wanted_version: "v2",
        now: NOW,
        attempted: None,
    })
}

/// All proxies have acknowledged this version.
fn acked(world: &World, version: &str) -> Vec<ProxyReport> {
    let tasks = world.tasks_of("svc-skep-proxy-east");
    tasks
        .map(|task| ProxyReport {
            task: task.id.clone(),
            acked: Some(version.to_owned()),
            settled: Some(version.to_owned()),
            ..ProxyReport::default()
        })
        .collect()
}

fn told(status: &Status) -> String {
    let conditions = status
        .conditions
        .iter()
        .map(|c| format!("{:?}={:?} {}: {}", c.kind, c.status, c.reason, c.message));
    conditions.collect::<Vec<_>>().join("\n")
}

fn line(status: &Status, kind: ConditionType) -> String {
    let condition = status.conditions.iter().find(|c| c.kind == kind).unwrap();
    format!(
        "{:?} {}: {}",
        condition.status, condition.reason, condition.message
    )
}

#[test]
fn a_cluster_that_serves_is_ready() {
    let world = running(SPEC, 1).world();
    let status = report(&world, &acked(&world, "v2"));
    insta::assert_yaml_snapshot!(status);
}

#[test]
fn a_cluster_that_was_just_declared_says_what_is_being_made() {
    let world = swarm().cluster("east", 1, SPEC).world();
    insta::assert_snapshot!(told(&report(&world, &[])));
}

#[test]
fn an_invalid_newest_manifest_is_told_while_the_older_one_serves() {
    let world = running(SPEC, 1)
        .cluster("east", 2, "{proxy: {replicas: many}}")
        .world();
    let status = report(&world, &acked(&world, "v2"));
    assert_eq!(
        (status.observed_generation, status.active_generation),
        (2, 1)
    );
    assert_eq!(status.proxies.programmed, 1);
    let accepted = line(&status, ConditionType::Accepted);
    assert!(
        accepted.starts_with("False Invalid: generation 1 stays in force: servicecluster.east.2:"),
        "{accepted}"
    );
    assert!(line(&status, ConditionType::Ready).starts_with("False Invalid"));
    assert!(line(&status, ConditionType::ProxyReady).starts_with("True"));
}

#[test]
fn a_cluster_without_any_valid_manifest_knows_nothing_else() {
    let world = swarm().cluster("east", 1, "{proxy: 7}").world();
    let status = report(&world, &[]);
    assert_eq!(status.active_generation, 0);
    assert_eq!(status.conditions.len(), 6);
    assert!(line(&status, ConditionType::ProxyReady).starts_with("Unknown NotAccepted"));
}

#[test]
fn programmed_needs_every_running_proxy_at_the_wanted_version() {
    let world = running(
        "{default: true, proxy: {replicas: 2, publish: {mode: none}}}",
        2,
    )
    .world();
    let with = |fleet: &[ProxyReport]| line(&report(&world, fleet), ConditionType::Programmed);
    let mut fleet = acked(&world, "v2");
    assert_eq!(
        with(&fleet),
        "True Acknowledged: 2 of 2 proxies have the routes in force"
    );
    fleet[1].acked = Some("v1".to_owned());
    fleet[1].settled = Some("v1".to_owned());
    assert_eq!(
        with(&fleet),
        "False Pending: 1 of 2 proxies have the routes in force"
    );
    fleet[1].refused_whole = Some("bad route".to_owned());
    assert!(with(&fleet).starts_with("False Refused: proxies refused the routes: bad route"));
    assert!(with(&fleet[..1]).starts_with("False NotConnected: 1 of 2"));
}

#[test]
fn a_proxy_that_stops_does_not_count() {
    let world = running(SPEC, 2)
        .with(|world| {
            let last = world.tasks.values_mut().next_back().unwrap();
            last.desired = TaskState::Shutdown;
        })
        .world();
    let all = acked(&world, "v2");
    let status = report(&world, &all[..1]);
    assert_eq!((status.proxies.running, status.proxies.programmed), (1, 1));
}

#[test]
fn no_wanted_proxy_is_programmed_and_a_missing_one_is_not() {
    let none = running(&SPEC.replace("replicas: 1", "replicas: 0"), 0).world();
    assert!(line(&report(&none, &[]), ConditionType::Programmed).starts_with("True NoProxies"));
    let missing = running(SPEC, 0).world();
    assert!(line(&report(&missing, &[]), ConditionType::Programmed).starts_with("False NoProxies"));
}

#[test]
fn what_keeps_a_proxy_from_running_is_passed_on_with_what_to_do() {
    let errors = [
        (
            "no suitable node (host-mode port already in use on 1 node)",
            "PortInUse",
        ),
        (
            "Error starting userland proxy: listen tcp4 0.0.0.0:80: bind: address already in use",
            "PortInUse",
        ),
        ("No such image: localhost:5000/none:x", "ImageNotFound"),
        (
            "no suitable node (max replicas per node limit exceed)",
            "TooFewNodes",
        ),
        (
            "no suitable node (insufficient resources on 1 node)",
            "InsufficientResources",
        ),
        (
            "no suitable node (scheduling constraints not satisfied on 2 nodes)",
            "NoSuitableNode",
        ),
        (
            "no suitable node (missing plugin on 3 nodes)",
            "NoSuitableNode",
        ),
        ("task: non-zero exit (1)", "TaskFailing"),
    ];
    for (error, reason) in errors {
        let world = running(SPEC, 1)
            .with(|world| {
                let task = world.tasks.values_mut().next_back().unwrap();
                task.state = TaskState::Failed;
                task.error = error.to_owned();
            })
            .world();
        let line = line(&report(&world, &[]), ConditionType::ProxyReady);
        assert!(
            line.starts_with(&format!("False {reason}: 0 of 1 proxies run: {error}: ")),
            "{line}"
        );
        let is_plugin = error.contains("missing plugin");
        assert_eq!(line.contains("spec.proxy.logging.driver"), is_plugin);
    }
}

/// A cluster whose newest definition Swarm gave up on, saying this.
fn given_up(said: &str) -> World {
    let spec = SPEC.replace("replicas: 1", "replicas: 1, image: none:x");
    let mut world = running(&spec, 1).world();
    let all = declared(&world);
    let hash = plan_of(&world, &all, "east").spec_hash;
    let text = serde_json::to_string(&Status {
        attempted: Some(hash),
        ..Status::default()
    });
    let config = world.configs.get_mut("cfg-servicecluster.east.1").unwrap();
    let owner = names::LABEL_STATUS.to_owned();
    config.labels.insert(owner, text.unwrap());
    let task = world.tasks.values_mut().next_back().unwrap();
    let mut next = task.clone();
    let older = names::LABEL_TEMPLATE.to_owned();
    task.container_labels.insert(older, "older".to_owned());
    for (id, day, error) in [
        ("bad-1", 23, "started, then gone"),
        ("bad-2", 24, "No such image: none:x"),
    ] {
        next.id = id.to_owned();
        (next.state, next.desired) = (TaskState::Rejected, TaskState::Shutdown);
        next.created_at = format!("2026-11-{day}T12:00:00Z");
        next.error = error.to_owned();
        world.tasks.insert(next.id.clone(), next.clone());
    }
    // Of another definition, and newer.
    next.id = "other".to_owned();
    next.created_at = "2026-11-25T12:00:00Z".to_owned();
    let hash = next.container_labels.get_mut(names::LABEL_TEMPLATE);
    "older".clone_into(hash.unwrap());
    next.error = "of another".to_owned();
    world.tasks.insert(next.id.clone(), next);
    tamper(&mut world, "east", |service| {
        service.spec.image = "older".to_owned();
        service.update = Some(crate::world::UpdateStatus {
            state: crate::world::UpdateState::RollbackCompleted,
            message: said.to_owned(),
        });
    });
    world
}

#[test]
fn a_definition_that_swarm_gave_up_on_is_told_with_what_its_task_said() {
    let told = |world: &World| line(&report(world, &[]), ConditionType::ProxyReady);
    let world = given_up("rollback completed");
    let line = told(&world);
    assert!(
        line.starts_with("False RolledBack: a new proxy failed: No such image: none:x: correct spec.proxy.image, or load the image on the node; Swarm rolled back the update of service skep-proxy-east (rollback completed): see "),
        "{line}"
    );
    let world = given_up("update rolled back due to failure or early termination of task bad-1");
    let line = told(&world);
    assert!(
        line.starts_with("False RolledBack: a new proxy failed: started, then gone; Swarm rolled"),
        "{line}"
    );
    let mut world = given_up("rollback completed");
    world.tasks.get_mut("bad-2").unwrap().error = "x".repeat(9_000);
    assert!(told(&world).chars().count() < 1_000);
    world.tasks.retain(|id, _| !id.starts_with("bad-"));
    let line = told(&world);
    assert!(
        line.starts_with("False RolledBack: Swarm rolled back"),
        "{line}"
    );
}

#[test]
fn a_port_that_the_proxy_before_still_holds_is_not_blamed_on_others() {
    let world = running(SPEC, 1)
        .with(|world| {
            let old = world.tasks.values_mut().next_back().unwrap();
            old.desired = TaskState::Shutdown;
            let mut new = old.clone();
            (new.id, new.state) = ("next".to_owned(), TaskState::Pending);
            new.desired = TaskState::Running;
            new.error = "no suitable node (host-mode port already in use on 1 node)".to_owned();
            new.created_at = "2026-11-22T11:00:00Z".to_owned();
            world.tasks.insert(new.id.clone(), new);
        })
        .world();
    let line = line(&report(&world, &[]), ConditionType::ProxyReady);
    assert!(line.starts_with("False ProxyDraining: 0 of 1"), "{line}");
    assert!(line.contains("still finishes its requests"), "{line}");
}

#[test]
fn an_old_failure_of_a_place_that_runs_again_is_forgotten() {
    let spec = "{default: true, proxy: {replicas: 2, publish: {mode: none}}}";
    let world = running(spec, 2)
        .with(|world| {
            let mut tasks = world.tasks.values_mut();
            let old = tasks.find(|t| t.service.ends_with("east")).unwrap();
            (old.state, old.slot) = (TaskState::Failed, 2);
            old.error = "boom".to_owned();
        })
        .world();
    assert_eq!(
        line(&report(&world, &[]), ConditionType::ProxyReady),
        "False Starting: 1 of 2 proxies run"
    );
}

#[test]
fn too_few_nodes_for_a_host_port_are_counted() {
    let spec = SPEC.replace("replicas: 1", "replicas: 2");
    let spec = spec.replace("[node-0]", "[node-0, node-1]");
    let world = running(&spec, 1)
        .with(|world| world.nodes.get_mut("id-node-0").unwrap().ready = false)
        .world();
    let status = report(&world, &[]);
    assert_eq!(
        line(&status, ConditionType::NodesReady),
        "False TooFewNodes: nodes that take proxies: 1, needed: 2; add nodes to spec.placement or lower spec.proxy.replicas; node-0: the node is down"
    );
    assert!(!status.nodes[0].ready);
}

#[test]
fn the_time_of_a_condition_moves_only_with_its_status() {
    let world = running(SPEC, 1).world();
    let mut before = report(&world, &[]);
    before
        .conditions
        .iter_mut()
        .for_each(|c| c.last_transition_time = "before".to_owned());
    let text = serde_json::to_string(&before).unwrap();
    let mut world = world;
    let config = world.configs.get_mut("cfg-servicecluster.east.1").unwrap();
    config.labels.insert(names::LABEL_STATUS.to_owned(), text);
    let after = report(&world, &acked(&world, "v2"));
    let moved: Vec<ConditionType> = (after.conditions.iter())
        .filter(|c| c.last_transition_time == NOW)
        .map(|c| c.kind)
        .collect();
    assert_eq!(moved, [ConditionType::Programmed, ConditionType::Ready]);
    assert!(
        after
            .conditions
            .iter()
            .all(|c| c.status == ConditionStatus::True)
    );
}

#[test]
fn a_definition_that_works_counts_as_sent_so_that_a_failed_one_may_be_tried_again() {
    let mut world = running(SPEC, 1).world();
    let text = r#"{"attempted":"failed"}"#.to_owned();
    let config = world.configs.get_mut("cfg-servicecluster.east.1").unwrap();
    config.labels.insert(names::LABEL_STATUS.to_owned(), text);
    let all = declared(&world);
    let hash = plan_of(&world, &all, "east").spec_hash;
    assert_eq!(report(&world, &[]).attempted, Some(hash));
    tamper(&mut world, "east", |s| s.spec.mode = Mode::Replicated(9));
    assert_eq!(
        report(&world, &[]).attempted.as_deref(),
        Some("failed"),
        "not there yet"
    );
}

#[test]
fn a_default_that_another_cluster_has_is_told_and_the_rest_stands() {
    let world = story()
        .cluster("west", 1, "{default: true}")
        .with(|_| ())
        .node("node-0", &[])
        .installed()
        .network("eastnet")
        .cluster("east", 1, SPEC)
        .world();
    let accepted = line(&report(&world, &[]), ConditionType::Accepted);
    assert!(
        accepted.starts_with("True DefaultTaken: service cluster west is the default already"),
        "{accepted}"
    );
}

/// Proxies at `v2`, all of which refuse one certificate.
fn refusing(world: &World, part: Part, name: &str) -> Vec<ProxyReport> {
    let mut fleet = acked(world, "v2");
    for proxy in &mut fleet {
        proxy.acked = None;
        proxy.refused = vec![Refusal {
            part,
            name: name.to_owned(),
            reason: "bad".to_owned(),
        }];
    }
    fleet
}

#[test]
fn what_one_service_made_proxies_refuse_is_told_and_the_cluster_is_ready() {
    let labels = [
        "hosts=s.x",
        "port=80",
        "ssl_cert=web.cert",
        "ssl_key=web.key",
    ];
    let world = swarm()
        .secret("web.cert")
        .secret("web.key")
        .app("web", &["eastnet"], 1, &labels)
        .cluster("east", 1, SPEC);
    let world = settle(world.world(), "east", 2);
    let world = swarm()
        .with(|w| *w = world)
        .tasks("skep-proxy-east", 1)
        .world();
    let status = report(&world, &refusing(&world, Part::Certificate, "service/web"));
    let programmed = line(&status, ConditionType::Programmed);
    assert!(
        programmed.starts_with("True RoutesRefused: 1 of 1 proxies have the routes in force, save what they refuse; service web (com.docker.lb.ssl_cert=web.cert): a proxy cannot use the certificate: bad; "),
        "{programmed}"
    );
    assert!(line(&status, ConditionType::Ready).starts_with("True"));
    assert_eq!(status.proxies.programmed, 1);
    assert_eq!((status.routes.refused, status.routes.faults.len()), (1, 1));
    assert_eq!(status.routes.faults[0].service, "web");
}

#[test]
fn what_no_service_is_to_blame_for_makes_the_cluster_unready() {
    let world = running(SPEC, 1).world();
    let status = report(&world, &refusing(&world, Part::Listener, "listener"));
    let programmed = line(&status, ConditionType::Programmed);
    assert!(
        programmed.starts_with("False Refused: proxies refused the routes: listener: bad"),
        "{programmed}"
    );
    assert!(line(&status, ConditionType::Ready).starts_with("False Refused"));
    assert_eq!(status.routes.refused, 0);
}
