use super::*;

fn labels(world: &World, node: &str) -> String {
    let labels = world.nodes[&format!("id-{node}")].labels.iter();
    let labels: Vec<String> = labels.map(|(k, v)| format!("{k}={v}")).collect();
    labels.join(" ")
}

fn edit(world: &World, spec: &str) -> World {
    let mut world = world.clone();
    let text = crate::world::testing::manifest("east", spec);
    let config = world.configs.get_mut("cfg-servicecluster.east.1").unwrap();
    config.data = text.into_bytes();
    world
}

fn label(world: &mut World, node: &str, key: &str, value: Option<&str>) {
    let labels = &mut world.nodes.get_mut(&format!("id-{node}")).unwrap().labels;
    match value {
        Some(value) => labels.insert(key.to_owned(), value.to_owned()),
        None => labels.remove(key),
    };
}

fn settled() -> World {
    settle(swarm().cluster("east", 1, EAST).world(), "east", 2)
}

const OWNED: &str = r#"dev.skep.owned.east={"nodetype":"loadbalancer","region":"east"} nodetype=loadbalancer region=east"#;

#[test]
fn selected_nodes_get_the_labels_and_a_record_of_them() {
    let world = settled();
    assert_eq!(labels(&world, "node-0"), OWNED);
    assert_eq!(labels(&world, "node-1"), "");
    assert_eq!(labels(&world, "node-2"), "disk=ssd");
}

#[test]
fn an_owned_label_that_a_person_removed_is_put_back() {
    let mut world = settled();
    label(&mut world, "node-0", "region", None);
    assert_eq!(labels(&settle(world, "east", 1), "node-0"), OWNED);
}

#[test]
fn a_label_that_a_person_set_to_another_value_is_reported_and_not_overwritten() {
    let mut world = settled();
    label(&mut world, "node-0", "region", Some("north"));
    let plan = plan_for(&world, "east");
    assert_eq!(plan.steps, []);
    insta::assert_snapshot!(told(&plan));
    // Given back, it is owned again without a write.
    label(&mut world, "node-0", "region", Some("east"));
    assert_eq!(told(&plan_for(&world, "east")), "");
    assert_eq!(
        labels(
            &settle(edit(&world, "{networks: [{name: eastnet}]}"), "east", 2),
            "node-0"
        ),
        ""
    );
}

#[test]
fn a_label_that_was_there_before_is_used_and_never_taken_back() {
    let world = swarm()
        .cluster("east", 1, EAST)
        .with(|world| label(world, "node-0", "region", Some("east")));
    let world = settle(world.world(), "east", 2);
    let world = settle(edit(&world, "{}"), "east", 2);
    assert_eq!(labels(&world, "node-0"), "region=east");
}

/// Of a definition: its constraints but for that of the system.
fn constraints(steps: &[Step]) -> Vec<String> {
    let spec = steps.iter().find_map(|step| match step {
        Step::UpdateService { spec, restarts, .. } => {
            assert!(!restarts, "proxies are restarted");
            Some(spec)
        }
        _ => None,
    });
    let constraints = spec.unwrap().placement.constraints.iter();
    let constraints = constraints.filter(|it| !it.starts_with("node.platform"));
    constraints.cloned().collect()
}

#[test]
fn another_value_replaces_our_own_while_the_proxies_are_pinned_to_their_nodes() {
    let far = EAST.replace("region: east", "region: far-east");
    let world = edit(&settled(), &far);
    let steps = plan_for(&world, "east").steps;
    assert_eq!(steps.len(), 1, "no node is touched yet: {steps:?}");
    assert_eq!(
        constraints(&steps),
        [
            "node.labels.nodetype==loadbalancer",
            "node.id!=id-node-1",
            "node.id!=id-node-2"
        ]
    );
    let world = apply(world, &steps);
    let steps = plan_for(&world, "east").steps;
    assert!(
        matches!(
            steps[..],
            [Step::LabelNode { .. }, Step::UpdateService { .. }]
        ),
        "{steps:?}"
    );
    assert_eq!(
        constraints(&steps),
        [
            "node.labels.nodetype==loadbalancer",
            "node.labels.region==far-east"
        ]
    );
    let world = settle(apply(world, &steps), "east", 0);
    assert!(labels(&world, "node-0").ends_with("region=far-east"));
}

#[test]
fn a_value_that_is_taken_back_half_way_leaves_all_as_it_was() {
    let before = settled();
    let world = edit(&before, &EAST.replace("region: east", "region: west"));
    let world = apply(world.clone(), &plan_for(&world, "east").steps);
    let world = settle(edit(&world, EAST), "east", 1);
    let spec = |world: &World| world.services["svc-skep-proxy-east"].spec.clone();
    assert_eq!(spec(&world), spec(&before));
    assert_eq!(labels(&world, "node-0"), OWNED);
}

#[test]
fn a_rolled_back_definition_keeps_the_values_that_it_needs() {
    let mut world = edit(&settled(), &EAST.replace("region: east", "region: west"));
    let hash = plan_for(&world, "east").spec_hash;
    let service = world.services.get_mut("svc-skep-proxy-east").unwrap();
    service.update = Some(crate::world::UpdateStatus {
        state: UpdateState::RollbackCompleted,
        ..crate::world::UpdateStatus::default()
    });
    let status = crate::api::Status {
        attempted: Some(hash),
        ..crate::api::Status::default()
    };
    let config = world.configs.get_mut("cfg-servicecluster.east.1").unwrap();
    let text = serde_json::to_string(&status).unwrap();
    config.labels.insert(names::LABEL_STATUS.to_owned(), text);
    let plan = plan_for(&world, "east");
    assert_eq!(plan.steps, []);
    assert_eq!(plan.blockers[0].reason, "RolledBack");
}

#[test]
fn labels_of_nodes_that_are_selected_no_more_are_taken_back() {
    let world = edit(&settled(), &EAST.replace("node-0", "node-1"));
    let world = settle(world, "east", 1);
    assert_eq!(labels(&world, "node-0"), "");
    assert_eq!(labels(&world, "node-1"), OWNED);
}

#[test]
fn labels_that_still_place_the_proxies_stay_until_the_new_definition_has_settled() {
    let mut world = edit(&settled(), "{networks: [{name: eastnet}]}");
    let plan = plan_for(&world, "east");
    assert!(matches!(plan.steps[..], [Step::UpdateService { .. }]));
    world = apply(world, &plan.steps);
    let mut state = |state| {
        let service = world.services.get_mut("svc-skep-proxy-east").unwrap();
        service.update = Some(crate::world::UpdateStatus {
            state,
            ..crate::world::UpdateStatus::default()
        });
        plan_for(&world, "east").steps
    };
    assert_eq!(state(UpdateState::Updating), []);
    assert_eq!(state(UpdateState::RollbackStarted), []);
    let taken = state(UpdateState::Completed);
    assert!(matches!(&taken[..], [Step::LabelNode { labels, .. }] if labels.is_empty()));
}

#[test]
fn a_rolled_back_definition_keeps_the_labels_that_it_needs() {
    let before = settled();
    let mut world = edit(&before, "{networks: [{name: eastnet}]}");
    let service = world.services.get_mut("svc-skep-proxy-east").unwrap();
    service.update = Some(crate::world::UpdateStatus {
        state: UpdateState::RollbackCompleted,
        ..crate::world::UpdateStatus::default()
    });
    let steps = plan_for(&world, "east").steps;
    let labelled = steps.iter().any(|s| matches!(s, Step::LabelNode { .. }));
    assert!(!labelled, "{steps:?}");
}

#[test]
fn a_label_that_two_clusters_set_stays_until_both_let_go() {
    let west = EAST.replace("region: east", "tier: edge");
    let world = settled();
    let other = swarm()
        .cluster("east", 1, EAST)
        .cluster("west", 1, &west)
        .world();
    let world = World {
        configs: other.configs,
        ..world
    };
    let world = settle(world, "west", 2);
    let world = settle(edit(&world, "{}"), "east", 2);
    assert_eq!(
        labels(&world, "node-0"),
        r#"dev.skep.owned.west={"nodetype":"loadbalancer","tier":"edge"} nodetype=loadbalancer tier=edge"#
    );
}

#[test]
fn a_label_of_another_cluster_is_not_changed_under_it() {
    let west = EAST.replace("region: east", "region: west");
    let other = swarm()
        .cluster("east", 1, EAST)
        .cluster("west", 1, &west)
        .world();
    let world = World {
        configs: other.configs,
        ..settled()
    };
    let plan = plan_for(&world, "west");
    assert_eq!(plan.blockers[0].reason, "LabelConflict");
    assert!(
        plan.blockers[0]
            .message
            .contains("(set by service cluster east)")
    );
}

#[test]
fn nodes_are_found_by_host_name_in_any_case_by_id_and_by_label() {
    let selectors = [
        ("[NODE-2]", 1),
        ("[id-node-2]", 1),
        ("{matchLabels: {disk: ssd}}", 1),
        ("[node-9]", 0),
        ("{matchLabels: {disk: tape}}", 0),
    ];
    for (selector, found) in selectors {
        let text = format!("{{placement: {{nodes: {selector}, labels: {{a: b}}}}}}");
        let plan = plan_for(&swarm().cluster("east", 1, &text).world(), "east");
        let steps = plan.steps.iter();
        let labelled =
            steps.filter(|s| matches!(s, Step::LabelNode { hostname, .. } if hostname == "node-2"));
        assert_eq!(labelled.count(), found, "{selector}");
        assert_eq!(plan.blockers.len(), 1 - found, "{selector}");
    }
}

#[test]
fn a_record_that_cannot_be_read_takes_nothing_away() {
    let mut world = swarm().cluster("east", 1, "{}").world();
    label(&mut world, "node-0", "dev.skep.owned.east", Some("{region"));
    label(&mut world, "node-0", "region", Some("east"));
    assert_eq!(labels(&settle(world, "east", 2), "node-0"), "region=east");
}
