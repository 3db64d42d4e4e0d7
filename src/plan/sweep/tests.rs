use super::*;
use crate::plan::testing::{apply, settle, told};
use crate::world::declared;
use crate::world::testing::{Story, story};

const SPEC: &str = "{networks: [{name: own, create: {}}, {name: shared, create: {}}], placement: {nodes: [n], labels: {a: b}}}";

fn swarm() -> Story {
    story().node("n", &["mine=yes"]).installed()
}

/// A world in which the cluster was made and then deleted.
fn deleted() -> World {
    let mut world = settle(swarm().cluster("east", 1, SPEC).world(), "east", 2);
    world.configs.clear();
    world
}

#[test]
fn what_was_made_for_a_deleted_cluster_is_removed_and_nothing_else_is() {
    let world = deleted();
    let plan = sweep(&world, &declared(&world));
    insta::assert_snapshot!(told(&plan));
    assert_eq!(apply(world, &plan.steps), {
        let mut bare = swarm().world();
        bare.nodes.get_mut("id-n").unwrap().version = 12;
        bare
    });
}

#[test]
fn a_network_that_an_application_uses_or_a_cluster_lists_stays() {
    let mut world = deleted();
    let others = story()
        .app("app", &["own"], 1, &[])
        .cluster("west", 1, "{networks: [{name: shared}]}")
        .world();
    world.services.extend(others.services);
    world.configs.extend(others.configs);
    let plan = sweep(&world, &declared(&world));
    assert!(!told(&plan).contains("remove network"), "{}", told(&plan));
}

#[test]
fn a_cluster_whose_manifests_are_all_invalid_is_not_deleted() {
    let mut world = deleted();
    world.configs = story().cluster("east", 2, "{proxy: 7}").world().configs;
    assert_eq!(sweep(&world, &declared(&world)).steps, []);
}

#[test]
fn a_label_that_a_person_changed_and_one_of_a_living_cluster_stay() {
    let mut world = deleted();
    let node = world.nodes.get_mut("id-n").unwrap();
    node.labels.insert("a".to_owned(), "changed".to_owned());
    node.labels
        .insert("dev.skep.owned.west".to_owned(), r#"{"c":"d"}"#.to_owned());
    node.labels
        .insert("dev.skep.owned.gone".to_owned(), r#"{"c":"d"}"#.to_owned());
    node.labels.insert("c".to_owned(), "d".to_owned());
    let west = story().cluster("west", 1, "{}").world();
    world.configs = west.configs;
    let steps = sweep(&world, &declared(&world)).steps;
    let after = apply(world, &steps);
    let keys: Vec<&String> = after.nodes["id-n"].labels.keys().collect();
    assert_eq!(keys, ["a", "c", "dev.skep.owned.west", "mine"]);
}
