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

#[test]
fn another_value_in_the_manifest_replaces_our_own_value() {
    let world = edit(
        &settled(),
        &EAST.replace("region: east", "region: far-east"),
    );
    assert!(labels(&settle(world, "east", 1), "node-0").ends_with("region=far-east"));
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
