use super::*;
use crate::world::testing::{manifest, story};

const KIND: &str = "dev.skep.kind=ServiceCluster";

fn faults(declared: &Declared) -> String {
    let faults: Vec<String> = declared.faults.iter().map(ToString::to_string).collect();
    faults.join("\n")
}

#[test]
fn the_newest_valid_revision_is_in_force_and_an_invalid_newest_one_tells_its_faults() {
    let world = story()
        .cluster("east", 1, "{default: true}")
        .cluster("east", 2, "{proxy: {replicas: 3}}")
        .cluster("east", 3, "{proxy: {replicas: many}}")
        .world();
    let east = &declared(&world)["east"];
    let accepted = east.accepted.as_ref().unwrap();
    assert_eq!(accepted.generation, 2);
    assert_eq!(accepted.cluster.spec.proxy.replicas, Some(3));
    assert_eq!(east.newest().unwrap().generation, 3);
    assert!(!east.newest().unwrap().valid);
    assert!(
        faults(east).contains("servicecluster.east.3"),
        "{}",
        faults(east)
    );
}

#[test]
fn a_mended_manifest_leaves_no_fault_behind() {
    let world = story()
        .cluster("east", 1, "{proxy: {replicas: many}}")
        .cluster("east", 2, "{}")
        .world();
    let east = &declared(&world)["east"];
    assert_eq!(east.faults, []);
    assert_eq!(east.accepted.as_ref().unwrap().generation, 2);
}

#[test]
fn configs_made_without_the_command_line_count_and_are_numbered_by_age() {
    let world = story()
        .config("zulu", &manifest("east", "{}"), &[KIND])
        .config("alpha", &manifest("east", "{default: true}"), &[KIND])
        .config("other", "not ours", &["dev.skep.kind=Other"])
        .world();
    let all = declared(&world);
    assert_eq!(all.keys().collect::<Vec<_>>(), ["east"]);
    let order: Vec<_> = (all["east"].revisions.iter())
        .map(|r| (r.config_name.as_str(), r.generation))
        .collect();
    assert_eq!(order, [("zulu", 1), ("alpha", 2)]);
    assert!(all["east"].is_default());
}

#[test]
fn a_config_that_is_named_as_another_cluster_s_is_a_fault_of_that_cluster() {
    let two = format!("{}---\n{}", manifest("east", "{}"), manifest("west", "{}"));
    let world = story()
        .cluster("east", 1, "{}")
        .config("servicecluster.west.9", &two, &[KIND])
        .config("servicecluster.north.1", &manifest("foo", "{}"), &[KIND])
        .world();
    let all = declared(&world);
    assert_eq!(all.keys().collect::<Vec<_>>(), ["east", "north", "west"]);
    assert_eq!(all["east"].faults, []);
    assert!(faults(&all["west"]).contains("2 resources"));
    assert!(faults(&all["north"]).contains("the config's own name says north"));
}

#[test]
fn generations_follow_the_labels_and_never_fall() {
    let world = story()
        .cluster("east", 7, "{}")
        .config("by-hand", &manifest("east", "{}"), &[KIND])
        .cluster("east", 12, "{}")
        .world();
    let generations: Vec<u64> = (declared(&world)["east"].revisions.iter())
        .map(|r| r.generation)
        .collect();
    assert_eq!(generations, [7, 8, 12]);
}

#[test]
fn a_bad_manifest_made_by_hand_is_told_to_the_cluster_it_means() {
    let bad = [
        manifest("east", "{proxy: {replica: 3}}"),
        manifest("east", "{default: [}"),
        "metadata:\n  # which\n  name: \"east\" # this one\nspec: {".to_owned(),
    ];
    for text in bad {
        let world = story()
            .cluster("east", 1, "{}")
            .config("mistake", &text, &[KIND])
            .world();
        let all = declared(&world);
        assert_eq!(all.keys().collect::<Vec<_>>(), ["east"], "{text}");
        assert!(!all["east"].faults.is_empty(), "{text}");
        assert_eq!(all["east"].accepted.as_ref().unwrap().generation, 1);
    }
}

#[test]
fn a_config_that_names_nobody_goes_by_its_own_name() {
    let world = story()
        .config("servicecluster.west.4", "\u{1}", &[KIND])
        .config("Stray", "", &[KIND])
        .with(|world| {
            let stray = world.configs.get_mut("cfg-Stray").unwrap();
            stray.data = vec![0xff];
        })
        .world();
    let all = declared(&world);
    assert_eq!(all.keys().collect::<Vec<_>>(), ["stray", "west"]);
    assert_eq!(
        faults(&all["stray"]),
        "Stray: the config is not text (UTF-8)"
    );
    assert!(all["west"].accepted.is_none());
}

#[test]
fn a_label_that_disagrees_with_the_manifest_is_a_fault() {
    let world = story()
        .config("c", &manifest("west", "{}"), &[KIND, "dev.skep.name=east"])
        .world();
    let all = declared(&world);
    assert_eq!(all.keys().collect::<Vec<_>>(), ["east"]);
    assert!(all["east"].accepted.is_none());
    assert!(faults(&all["east"]).contains("metadata.name: the manifest says west"));
}

#[test]
fn two_resources_in_one_config_are_a_fault() {
    let text = format!("{}---\n{}", manifest("east", "{}"), manifest("west", "{}"));
    let world = story()
        .config("both", &text, &[KIND, "dev.skep.name=east"])
        .world();
    let east = &declared(&world)["east"];
    assert!(east.accepted.is_none());
    assert!(faults(east).contains("the config holds 2 resources"));
}

#[test]
fn the_status_is_that_of_the_newest_revision_that_carries_one() {
    let world = story()
        .cluster("east", 1, "{}")
        .cluster("east", 2, "{}")
        .cluster("east", 3, "{}")
        .with(|world| {
            for (generation, text) in [
                (1, "{\"observedGeneration\":1}"),
                (2, "{\"observedGeneration\":2}"),
            ] {
                let config = world
                    .configs
                    .get_mut(&format!("cfg-servicecluster.east.{generation}"));
                config
                    .unwrap()
                    .labels
                    .insert(names::LABEL_STATUS.to_owned(), text.to_owned());
            }
        })
        .world();
    let status = declared(&world)["east"].status.clone().unwrap();
    assert_eq!(status.observed_generation, 2);
}

#[test]
fn of_two_defaults_the_older_keeps_it_and_the_other_is_told() {
    let world = story()
        .cluster("west", 1, "{default: true}")
        .cluster("east", 1, "{default: true}")
        .world();
    let all = declared(&world);
    assert!(all["west"].is_default());
    assert!(!all["east"].is_default());
    assert_eq!(all["east"].conflicts[0].holder, "west");
    assert_eq!(all["west"].conflicts, []);
}

#[test]
fn a_default_does_not_move_when_the_first_revisions_of_its_holder_are_pruned() {
    let told = r#"{"observedGeneration":1,"conditions":[{"type":"Accepted","status":"True","reason":"DefaultTaken","message":"","observedGeneration":1,"lastTransitionTime":""}]}"#;
    let world = story()
        .cluster("east", 1, "{default: true}")
        .cluster("west", 11, "{default: true}")
        .with(|world| {
            let config = world.configs.get_mut("cfg-servicecluster.east.1").unwrap();
            config
                .labels
                .insert(names::LABEL_STATUS.to_owned(), told.to_owned());
        })
        .world();
    let all = declared(&world);
    assert!(
        all["west"].is_default(),
        "east is older now, but was told that west has it"
    );
    assert!(!all["east"].is_default());
}

#[test]
fn of_two_clusters_with_one_service_name_the_older_has_it() {
    let world = story()
        .cluster("west", 1, "{proxy: {serviceName: proxy}}")
        .cluster("east", 1, "{proxy: {serviceName: proxy}}")
        .world();
    let all = declared(&world);
    assert!(all["east"].lost(Claim::ServiceName));
    assert!(!all["west"].lost(Claim::ServiceName));
}

#[test]
fn a_resource_keeps_its_age_when_its_first_revisions_are_pruned() {
    use crate::world::Stored as _;
    let world = || {
        story()
            .cluster("east", 1, "{}")
            .cluster("east", 2, "{default: true}")
            .world()
    };
    let created = |world: &World| declared(world)["east"].created().unwrap().to_owned();
    let first = created(&world());
    let mut pruned = world();
    pruned.configs.remove("cfg-servicecluster.east.1").unwrap();
    assert_ne!(created(&pruned), first, "the oldest that is left");
    let left = pruned.configs.values_mut().next().unwrap();
    let label = names::LABEL_CREATED.to_owned();
    left.labels.insert(label.clone(), first.clone());
    assert_eq!(created(&pruned), first);
    let left = pruned.configs.values_mut().next().unwrap();
    left.labels.insert(label, "long ago".to_owned());
    assert_ne!(created(&pruned), "long ago");
}
