use time::macros::datetime;

use super::*;
use crate::world::testing::story;

fn typed(words: &[&str]) -> Option<Vec<String>> {
    asked(&words.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
}

#[test]
fn sources_are_what_is_asked_for_when_the_kind_is_named() {
    let names = |names: &[&str]| Some(names.iter().map(ToString::to_string).collect::<Vec<_>>());
    assert_eq!(typed(&["sources"]), names(&[]));
    assert_eq!(typed(&["Source", "shop", "shop"]), names(&["shop"]));
    assert_eq!(typed(&["source/shop", "source/b"]), names(&["shop", "b"]));
    assert_eq!(typed(&[]), None);
    assert_eq!(typed(&["sc", "east"]), None);
    assert_eq!(typed(&["shop"]), None);
    assert!(asked(&["source/a".to_owned(), "east".to_owned()]).is_err());
    assert!(asked(&["source".to_owned(), "sc/a".to_owned()]).is_err());
}

const SHOP: &str = "apiVersion: skep.dev/v1
kind: Source
metadata: {name: shop}
spec: {url: 'https://git.example.com/shop.git', ref: main}
";

const STATUS: &str = r#"dev.skep.status={"observedGeneration":1,"revision":"0123456789abcdef","lastSuccess":"2026-01-10T11:59:01Z","clusters":2,"conditions":[{"type":"Ready","status":"True","reason":"Applied","message":"fine","observedGeneration":1,"lastTransitionTime":"2026-01-10T11:00:00Z"}]}"#;

#[test]
fn a_source_is_shown_with_its_revision_and_its_last_success() {
    let world = story()
        .config("source.shop.1", SHOP, &["dev.skep.kind=Source", STATUS])
        .world();
    let found = sources(&world).remove("shop").unwrap();
    let now = datetime!(2026-01-10 12:00:00 UTC);
    let text = render(
        &[resource(&found)],
        &Form::Table,
        true,
        false,
        crate::api::Version::NEWEST,
        now,
    )
    .unwrap();
    let lines: Vec<Vec<&str>> = text
        .lines()
        .map(|l| l.split_whitespace().collect())
        .collect();
    assert_eq!(lines[0], COLUMNS);
    assert_eq!(
        lines[1][..6],
        ["shop", "True", "Applied", "0123456789", "2", "59s"]
    );
    let text = describe::render(&found, &View::of(world), now).unwrap();
    for part in [
        "Last success:   2026-01-10T11:59:01Z (59s ago; written every 10 minutes)",
        "Credentials:    none",
        "url: https://git.example.com/shop.git",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
}

const BAD: &str = r#"dev.skep.status={"observedGeneration":2,"revision":"0123456789abcdef","failedRevision":"fedcba9876543210","lastSuccess":"2026-01-10T11:59:01Z","clusters":2,"conditions":[{"type":"Accepted","status":"True","reason":"Valid","message":"fine","observedGeneration":2,"lastTransitionTime":"2026-01-10T11:00:00Z"},{"type":"Ready","status":"False","reason":"InvalidManifest","message":"commit fedcba9876 is not applied: 22 faults in its manifests, the first: c/east.yaml:7:5: spec.x: is unknown (leave it out); commit 0123456789 stays in force (last success 2026-01-10T11:59:01Z)","observedGeneration":2,"lastTransitionTime":"2026-01-10T11:59:30Z"}],"faults":[{"file":"c/east.yaml","line":7,"column":5,"field":"spec.x","message":"is unknown","hint":"leave it out"},{"message":"the manifests declare no service cluster"}],"moreFaults":20,"changes":[{"time":"2026-01-10T11:58:00Z","revision":"0123456789abcdef","created":["east"],"pruned":["west"]}]}"#;

#[test]
fn a_source_is_described_with_all_that_is_known_of_it() {
    let shop = SHOP.replace("{name: shop}", "{name: shop, labels: {team: web}}");
    let east = "apiVersion: skep.dev/v1\nkind: ServiceCluster\nmetadata: {name: east}\nspec: {}\n";
    let own = [
        "dev.skep.kind=ServiceCluster",
        "dev.skep.manager=source/shop",
    ];
    let second = ["dev.skep.kind=Source", "dev.skep.generation=2", BAD];
    let world = story()
        .config("source.shop.1", SHOP, &["dev.skep.kind=Source"])
        .config("source.shop.2", &shop, &second)
        .config("servicecluster.east.1", east, &own)
        .world();
    let found = sources(&world).remove("shop").unwrap();
    let now = datetime!(2026-01-10 12:00:00 UTC);
    insta::assert_snapshot!(describe::render(&found, &View::of(world), now).unwrap());
}
