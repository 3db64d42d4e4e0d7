use super::*;
use crate::plan::testing::{apply, plan_for, settle, tamper, told};
use crate::world::testing::{Story, network_id, story};
use crate::world::{LogDriver, Mode, UpdateStatus, World};

const EAST: &str = "{networks: [{name: eastnet}], placement: {nodes: [node-0], labels: {nodetype: loadbalancer, region: east}}, proxy: {replicas: 1}}";

/// Three nodes, two networks, Skep installed.
fn swarm() -> Story {
    story()
        .node("node-0", &[])
        .node("node-1", &[])
        .node("node-2", &["disk=ssd"])
        .network("eastnet")
        .network("westnet")
        .installed()
}

fn spec(world: &World) -> ServiceSpec {
    world.service_named("skep-proxy-east").unwrap().spec.clone()
}

/// What is told once the world has settled and a person has changed it.
fn after(world: World, change: impl FnOnce(&mut World)) -> String {
    let mut world = settle(world, "east", 3);
    change(&mut world);
    told(&plan_for(&world, "east"))
}

#[test]
fn the_seed_scenario_is_planned_in_order() {
    let plan = plan_for(&swarm().cluster("east", 1, EAST).world(), "east");
    insta::assert_snapshot!("east_steps", told(&plan));
    let Some(Step::CreateService(spec)) = plan.steps.last() else {
        panic!("no service is made");
    };
    insta::assert_snapshot!("east_service", format!("{spec:#?}"));
}

#[test]
fn a_plan_that_was_applied_leaves_nothing_to_do() {
    let world = swarm().cluster("east", 1, EAST).world();
    let plan = plan_for(&world, "east");
    let world = apply(world, &plan.steps);
    assert_eq!(told(&plan_for(&world, "east")), "");
    assert_eq!(plan_for(&world, "east").spec_hash, plan.spec_hash);
}

#[test]
fn a_missing_network_is_made_when_the_manifest_says_how() {
    let spec_text = "{networks: [{name: eastnet}, {name: made, create: {subnet: 10.7.0.0/24, labels: {team: a}}}, {name: gone}]}";
    let world = swarm().cluster("east", 1, spec_text).world();
    let plan = plan_for(&world, "east");
    insta::assert_snapshot!(told(&plan));
    let Step::CreateNetwork(made) = &plan.steps[0] else {
        panic!("no network is made");
    };
    assert_eq!(made.subnet.as_deref(), Some("10.7.0.0/24"));
    assert_eq!(made.labels["team"], "a");
    assert_eq!(made.labels[names::LABEL_CLUSTER], "east");
    let world = apply(world, &plan.steps);
    assert_eq!(
        plan_for(&world, "east").steps,
        [],
        "ids instead of names change nothing"
    );
    assert_eq!(spec(&world).networks.len(), 3);
}

#[test]
fn a_subnet_that_another_network_has_is_refused_before_anything_is_made() {
    let with = |subnet: &str| {
        let spec = format!("{{networks: [{{name: extra, create: {{subnet: {subnet}}}}}]}}");
        let story = swarm().cluster("east", 1, &spec).with(|world| {
            let other = world.networks.get_mut(&network_id("eastnet")).unwrap();
            other.subnets = vec!["10.7.0.0/24".to_owned()];
        });
        plan_for(&story.world(), "east")
    };
    for subnet in ["10.7.0.0/24", "10.7.0.128/25", "10.0.0.0/8"] {
        let plan = with(subnet);
        let blocker = &plan.blockers[0];
        assert_eq!(blocker.reason, "SubnetTaken");
        assert!(blocker.message.contains("eastnet has 10.7.0.0/24"));
        assert!(
            !plan
                .steps
                .iter()
                .any(|s| matches!(s, Step::CreateNetwork(_)))
        );
    }
    assert_eq!(with("10.8.0.0/24").blockers, []);
}

#[test]
fn a_network_that_swarm_cannot_allocate_is_told_as_that() {
    let spec = "{networks: [{name: extra, create: {}}]}";
    let story = swarm()
        .network("extra")
        .cluster("east", 1, spec)
        .with(|world| {
            let made = world.networks.get_mut(&network_id("extra")).unwrap();
            made.driver = String::new();
        });
    let plan = plan_for(&story.world(), "east");
    assert_eq!(plan.blockers[0].reason, "NetworkNotAllocated");
}

#[test]
fn a_new_network_comes_last_whatever_the_order_of_the_manifest() {
    let mut world = settle(swarm().cluster("east", 1, EAST).world(), "east", 2);
    let text = EAST.replace("[{name: eastnet}]", "[{name: westnet}, {name: eastnet}]");
    let text = crate::world::testing::manifest("east", &text).into_bytes();
    world
        .configs
        .values_mut()
        .for_each(|c| c.data.clone_from(&text));
    let spec = spec(&settle(world, "east", 1));
    let targets: Vec<&str> = spec.networks.iter().map(|n| n.target.as_str()).collect();
    assert_eq!(targets, ["net-skep-control", "net-eastnet", "net-westnet"]);
}

#[test]
fn networks_that_are_no_overlays_are_refused() {
    let world = swarm()
        .cluster("east", 1, "{networks: [{name: eastnet}]}")
        .with(|world| {
            let network = world.networks.get_mut(&network_id("eastnet")).unwrap();
            network.driver = "macvlan".to_owned();
        })
        .world();
    assert_eq!(plan_for(&world, "east").blockers[0].reason, "NotAnOverlay");
}

#[test]
fn what_a_person_changes_on_the_service_is_put_back() {
    let world = swarm().cluster("east", 1, EAST).world();
    let changed = |change: fn(&mut ServiceSpec)| {
        after(world.clone(), |w| {
            tamper(w, "east", |s| change(&mut s.spec));
        })
    };
    assert_eq!(
        changed(|s| s.mode = Mode::Replicated(4)),
        "update service skep-proxy-east: replicas"
    );
    assert_eq!(
        changed(|s| s.networks.truncate(1)),
        "update service skep-proxy-east: networks, restarts"
    );
    assert_eq!(
        changed(|s| s.image = "other".to_owned()),
        "update service skep-proxy-east: image, restarts"
    );
    assert_eq!(
        changed(|s| s.update = None),
        "update service skep-proxy-east: update policy"
    );
    assert_eq!(
        changed(|s| {
            s.labels.insert("a".to_owned(), "b".to_owned());
        }),
        "update service skep-proxy-east: labels"
    );
    assert_eq!(
        changed(|s| s.ports[0].published = 81),
        "update service skep-proxy-east: ports, restarts"
    );
}

#[test]
fn what_the_manifest_leaves_open_is_left_alone() {
    let world = swarm()
        .cluster("east", 1, "{networks: [{name: eastnet}, {name: westnet}]}")
        .world();
    let told = after(world, |world| {
        tamper(world, "east", |service| {
            service.spec.mode = Mode::Replicated(5);
            service.spec.log_driver = Some(LogDriver::default());
            service.spec.resources.limits.memory = 1 << 28;
            service.spec.force_update = 3;
            service.spec.networks.reverse();
            service.spec.env.reverse();
        });
    });
    assert_eq!(told, "");
}

#[test]
fn what_an_earlier_manifest_set_is_taken_back_when_it_is_left_out() {
    let with = "{proxy: {logging: {driver: local}, resources: {limits: {memory: 64Mi}}}}";
    let world = settle(swarm().cluster("east", 1, with).world(), "east", 3);
    assert_eq!(spec(&world).resources.limits.memory, 64 << 20);
    let text = crate::world::testing::manifest("east", "{}");
    let mut world = world;
    world
        .configs
        .values_mut()
        .for_each(|c| c.data = text.clone().into_bytes());
    let world = settle(world, "east", 1);
    assert_eq!(spec(&world).resources.limits.memory, 0);
    assert_eq!(spec(&world).log_driver, None);
}

#[test]
fn a_constraint_restarts_only_proxies_that_it_moves() {
    let plan = |constraint: &str| {
        let first = swarm().cluster("east", 1, "{}").world();
        let mut world = settle(first, "east", 2);
        let text = format!("{{placement: {{constraints: [{constraint}]}}}}");
        let text = crate::world::testing::manifest("east", &text);
        world
            .configs
            .values_mut()
            .for_each(|c| c.data = text.clone().into_bytes());
        let task = crate::world::Task {
            id: "t".to_owned(),
            service: world.service_named("skep-proxy-east").unwrap().id.clone(),
            node: "id-node-2".to_owned(),
            state: crate::world::TaskState::Running,
            desired: crate::world::TaskState::Running,
            ..Default::default()
        };
        world.tasks.insert(task.id.clone(), task);
        told(&plan_for(&world, "east"))
    };
    assert_eq!(
        plan("node.labels.disk==ssd"),
        "update service skep-proxy-east: constraints"
    );
    assert_eq!(
        plan("node.labels.disk==hdd"),
        "update service skep-proxy-east: constraints, restarts"
    );
}

#[test]
fn another_name_or_mode_removes_the_old_service_before_its_successor_wants_the_ports() {
    let world = settle(swarm().cluster("east", 1, EAST).world(), "east", 2);
    let renamed = |proxy: &str| {
        let mut world = world.clone();
        let text = EAST.replace("{replicas: 1}", proxy);
        let text = crate::world::testing::manifest("east", &text);
        world
            .configs
            .values_mut()
            .for_each(|c| c.data = text.clone().into_bytes());
        let told = told(&plan_for(&world, "east"));
        settle(world, "east", 1);
        told
    };
    assert_eq!(
        renamed("{replicas: 1, serviceName: lb}"),
        "remove service skep-proxy-east\ncreate service lb"
    );
    assert_eq!(
        renamed("{mode: global}"),
        "remove service skep-proxy-east\ncreate service skep-proxy-east"
    );
}

#[test]
fn a_service_of_somebody_else_is_never_touched() {
    let world = swarm()
        .service("skep-proxy-east", &[], &[])
        .cluster("east", 1, "{}")
        .world();
    let plan = plan_for(&world, "east");
    assert_eq!(plan.steps, []);
    assert_eq!(plan.blockers[0].reason, "NameTaken");
}

#[test]
fn without_an_installation_networks_and_labels_are_made_and_the_rest_waits() {
    let world = story()
        .node("node-0", &[])
        .network("eastnet")
        .cluster("east", 1, EAST)
        .world();
    let plan = plan_for(&world, "east");
    assert!(
        matches!(plan.steps[..], [Step::LabelNode { .. }]),
        "{}",
        told(&plan)
    );
    assert_eq!(plan.blockers[0].reason, "NotInstalled");
}

#[test]
fn followed_networks_are_attached_at_once_and_detached_lazily() {
    let world = swarm()
        .cluster("east", 1, "{default: true}")
        .app("a", &["eastnet"], 1, &["hosts=a.x", "port=80"])
        .app("b", &["westnet"], 1, &["hosts=b.x", "port=80"])
        .world();
    let world = settle(world, "east", 2);
    let targets = |world: &World| -> Vec<String> {
        spec(world)
            .networks
            .iter()
            .map(|n| n.target.clone())
            .collect()
    };
    assert_eq!(
        targets(&world),
        ["skep-control", "eastnet", "westnet"].map(network_id)
    );

    let mut unrouted = world.clone();
    let b = unrouted.services.get_mut("svc-b").unwrap();
    b.spec.labels.clear();
    assert_eq!(
        told(&plan_for(&unrouted, "east")),
        "",
        "b still uses westnet"
    );

    let mut restarted = unrouted.clone();
    tamper(&mut restarted, "east", |s| {
        s.spec.image = "older".to_owned();
    });
    let restarted = settle(restarted, "east", 1);
    assert_eq!(
        targets(&restarted),
        ["skep-control", "eastnet"].map(network_id)
    );

    unrouted.services.remove("svc-b");
    let unused = settle(unrouted, "east", 1);
    assert_eq!(
        targets(&unused),
        ["skep-control", "eastnet"].map(network_id)
    );
}

/// A settled cluster whose last update Swarm gave up on.
fn given_up(state: UpdateState, attempted: impl Fn(&str) -> String) -> World {
    let mut world = settle(swarm().cluster("east", 1, EAST).world(), "east", 2);
    tamper(&mut world, "east", |service| {
        service.spec.image = "older".to_owned();
        service.update = Some(UpdateStatus {
            state,
            message: "update rolled back due to failure".to_owned(),
        });
    });
    let hash = plan_for(&world, "east").spec_hash;
    let status = crate::api::Status {
        attempted: Some(attempted(&hash)),
        ..Default::default()
    };
    let config = world.configs.values_mut().next().unwrap();
    let text = serde_json::to_string(&status).unwrap();
    config.labels.insert(names::LABEL_STATUS.to_owned(), text);
    world
}

#[test]
fn a_definition_that_swarm_rolled_back_is_reported_and_not_sent_again() {
    let world = given_up(UpdateState::RollbackCompleted, str::to_owned);
    insta::assert_snapshot!(told(&plan_for(&world, "east")));
}

#[test]
fn another_definition_is_tried_after_a_rollback() {
    let world = given_up(UpdateState::RollbackCompleted, |_| "another".to_owned());
    assert_eq!(
        told(&plan_for(&world, "east")),
        "update service skep-proxy-east: image, restarts"
    );
}

#[test]
fn a_paused_update_is_reported_and_left_paused() {
    let mut world = given_up(UpdateState::Paused, str::to_owned);
    tamper(&mut world, "east", |s| {
        s.spec.image = "skep:test".to_owned();
    });
    let plan = plan_for(&world, "east");
    assert_eq!(plan.steps, []);
    assert_eq!(plan.blockers[0].reason, "UpdatePaused");
}

mod node_labels;
mod properties;
mod secrets;
