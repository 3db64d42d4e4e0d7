use proptest::prelude::*;
use serde_json::{Value, json};

use super::{canonical, manifests, yaml};
use crate::api::ServiceCluster;
use crate::api::value::{ByteSize, Cpus};

const HEAD: &str = "apiVersion: skep.dev/v1\nkind: ServiceCluster\nmetadata: {name: a}\n";

/// A manifest that must be good.
fn good(spec: &str) -> ServiceCluster {
    let parsed = manifests("test", &format!("{HEAD}{spec}"));
    assert_eq!(parsed.faults, [], "{spec}");
    parsed.clusters[0].clone()
}

/// The faults of a manifest, one a line.
fn faults(text: &str) -> String {
    let parsed = manifests("", text);
    let lines: Vec<String> = parsed.faults.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

#[test]
fn a_text_without_documents_holds_nothing_and_is_no_fault() {
    for text in [
        "",
        "\n\n",
        "# only a remark\n",
        "---\n---\n",
        "~",
        "\u{feff}",
    ] {
        let parsed = manifests("x", text);
        assert_eq!(
            (parsed.clusters.len(), parsed.faults.len()),
            (0, 0),
            "{text:?}"
        );
    }
}

#[test]
fn quantities_may_be_numbers_and_mean_the_same_as_their_texts() {
    let amounts = |text: &str| {
        good(&format!(
            "spec: {{proxy: {{resources: {{limits: {text}}}}}}}"
        ))
    };
    let limits = amounts("{cpus: 1, memory: 268435456}")
        .spec
        .proxy
        .resources
        .limits;
    assert_eq!(limits.cpus, Some(Cpus(1_000_000_000)));
    assert_eq!(limits.memory, Some(ByteSize(256 << 20)));
    assert_eq!(amounts("{cpus: 0.5}"), amounts("{cpus: 500m}"));
    assert_eq!(amounts("{cpus: 1}"), amounts("{cpus: \"1\"}"));
    assert_eq!(amounts("{memory: 256Mi}"), amounts("{memory: 268435456}"));
}

#[test]
fn no_networks_and_an_empty_list_of_networks_stay_different() {
    assert_eq!(good("").spec.networks, None);
    assert_eq!(good("spec: {networks: }").spec.networks, None);
    let none = good("spec: {networks: []}");
    assert_eq!(none.spec.networks, Some(Vec::new()));
    assert_eq!(manifests("", &canonical(&none)).clusters, [none]);
}

#[test]
fn what_skep_writes_itself_is_dropped_and_never_a_fault() {
    let text = "apiVersion: skep.dev/v1\nkind: ServiceCluster\nmetadata: {name: a, generation: many, creationTimestamp: [1]}\nstatus: 7\n";
    let parsed = manifests("", text);
    assert_eq!(parsed.faults, []);
    assert_eq!(parsed.clusters[0].status, None);
    assert_eq!(parsed.clusters[0].metadata.generation, None);
    let mut stored = parsed.clusters[0].clone();
    stored.metadata.generation = Some(7);
    stored.status = Some(crate::api::Status::default());
    assert_eq!(canonical(&stored), canonical(&parsed.clusters[0]));
}

#[test]
fn merge_keys_and_anchors_are_followed() {
    let cluster = good(
        "spec:\n  proxy:\n    labels: &base {a: \"1\", b: \"2\"}\n    containerLabels: {<<: *base, b: \"3\"}\n",
    );
    let labels = &cluster.spec.proxy.container_labels;
    assert_eq!((labels["a"].as_str(), labels["b"].as_str()), ("1", "3"));
}

#[test]
fn a_document_too_large_for_the_engine_is_refused() {
    let text = format!(
        "{HEAD}spec: {{proxy: {{env: {{A: {}}}}}}}",
        "x".repeat(1_000_000)
    );
    let told = faults(&text);
    assert!(
        told.contains("the engine stores less than 1000000"),
        "{told}"
    );
}

#[test]
fn deep_nesting_is_a_fault_and_not_a_crash() {
    for text in ["[".repeat(5_000), "{a: ".repeat(200), "- ".repeat(5_000)] {
        assert_ne!(faults(&text), "");
    }
    let deep = format!("{HEAD}spec: {}{}", "[".repeat(60), "]".repeat(60));
    assert!(faults(&deep).contains("nested deeper"), "{}", faults(&deep));
}

#[test]
fn an_alias_to_a_long_text_cannot_be_used_as_a_bomb() {
    let text = format!(
        "a: &a {}\nb: [{}]\n",
        "x".repeat(900_000),
        vec!["*a"; 10_000].join(", ")
    );
    assert!(faults(&text).contains("more than 100000 values"));
}

#[test]
fn a_flood_of_faults_is_cut_off() {
    let fields: Vec<String> = (0..500).map(|n| format!("  f{n}: 1")).collect();
    let parsed = manifests("", &format!("{HEAD}spec:\n{}\n", fields.join("\n")));
    assert_eq!(parsed.faults.len(), 101);
    assert!(parsed.clusters.is_empty());
    assert!(
        parsed
            .faults
            .iter()
            .any(|f| f.message.contains("the rest is not shown"))
    );
}

#[test]
fn a_fault_of_one_document_does_not_take_the_others_with_it() {
    let text = format!("{HEAD}---\n{HEAD}spec: {{x: 1}}\n---\n{HEAD}");
    let parsed = manifests("f.yaml", &text);
    assert_eq!(parsed.clusters.len(), 2);
    assert_eq!(parsed.faults.len(), 1);
    assert_eq!(parsed.faults[0].line, 8);
    assert_eq!(parsed.faults[0].source, "f.yaml");
}

#[test]
fn faults_behind_a_bad_item_of_a_list_keep_their_index() {
    let told = faults(&format!(
        "{HEAD}spec:\n  networks:\n  - 7\n  - {{name: ok, x: 1}}\n  - {{name: \"no good\"}}\n"
    ));
    let paths: Vec<&str> = told
        .lines()
        .filter_map(|line| line.split(": ").nth(1))
        .collect();
    assert_eq!(
        paths,
        [
            "spec.networks[0]",
            "spec.networks[1].x",
            "spec.networks[2].name"
        ]
    );
}

#[test]
fn texts_that_look_like_something_else_are_quoted() {
    for text in [
        "",
        "no",
        "1.2",
        "0x10",
        "~",
        "null",
        "a: b",
        "# x",
        "*.a",
        "12:30",
        "2001-01-01",
        "\u{7f}\u{2028}\"\\\n\t",
        "é",
        " a",
        "- a",
    ] {
        let value = json!({ "k": text });
        let read: Value = serde_saphyr::from_str(&yaml(&value)).unwrap();
        assert_eq!(read, value, "{}", yaml(&value));
    }
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z][a-z0-9-]{0,8}",
        "\\PC{0,12}",
        ".{0,12}",
        "[0-9:._x-]{1,8}"
    ]
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any_text().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(any_text(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

#[test]
fn a_fault_is_one_line_whatever_was_written() {
    let text = "apiVersion: skep.dev/v1\nkind: ServiceCluster\nmetadata: {name: east}\nspec: {proxy: {publish: {https: \"44\\n\\e[31m3\"}}}\n";
    let faults = manifests("x", text).faults;
    assert_eq!(faults.len(), 1);
    assert!(
        !faults[0].to_string().contains(char::is_control),
        "{faults:?}"
    );
    assert!(
        faults[0].message.contains("`44\\n\\u{1b}[31m3`"),
        "{faults:?}"
    );
}

#[test]
fn of_thousands_of_faults_the_first_are_told() {
    let text = "apiVersion: skep.dev/v1\nkind: ServiceCluster\nmetadata: {name: east}\nspec:\n  networks:\n".to_owned();
    for item in [
        "{name: again}",
        "[x]",
        "{name: a, x: }",
        "{name: a, x: 1}",
        "{name: a, x: , create: [y]}",
    ] {
        let text = text.clone() + &format!("  - {item}\n").repeat(10_000);
        let faults = manifests("x", &text).faults;
        assert_eq!(faults.len(), super::load::FAULTS_MAX + 1, "{item}");
        assert!(faults.iter().all(|fault| fault.line > 0));
        let more = faults.iter().filter(|f| f.message.contains("is not shown"));
        assert_eq!(more.count(), 1, "{item}");
    }
}

/// The good manifests of the tests, to change a bit of.
const SAMPLE: &str = include_str!("../../../tests/manifests/good/east.yaml");

proptest! {
    #[test]
    fn any_value_printed_as_yaml_is_read_back_the_same(value in any_value()) {
        let wrapped = json!([value]);
        let documents = super::load::documents(&yaml(&wrapped));
        prop_assert_eq!(documents.len(), 1);
        prop_assert_eq!(&documents[0].faults, &[]);
        prop_assert_eq!(documents[0].root.as_ref().unwrap().to_value(), wrapped);
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in ".{0,200}") {
        let _ = manifests("x", &text);
    }

    #[test]
    fn no_change_of_a_good_manifest_makes_the_parser_panic(
        at in 0..SAMPLE.len(), length in 0..40_usize, put in "[\\PC\n]{0,12}",
    ) {
        let end = (at + length).min(SAMPLE.len());
        let text = format!("{}{put}{}", &SAMPLE[..at], &SAMPLE[end..]);
        let parsed = manifests("x", &text);
        for fault in &parsed.faults {
            prop_assert!(!fault.message.is_empty() && !fault.message.contains('\n'));
            prop_assert!(fault.line > 0 && fault.column > 0, "{fault:?}");
        }
        for cluster in parsed.clusters {
            let again = manifests("x", &canonical(&cluster));
            prop_assert_eq!(&again.faults, &[]);
            prop_assert_eq!(&again.clusters, &[cluster]);
        }
    }

    #[test]
    fn any_value_in_any_place_is_a_fault_or_survives_its_canonical_form(
        value in any_value(),
        place in prop_oneof![
            Just("/metadata"), Just("/metadata/labels"), Just("/spec"), Just("/spec/networks"),
            Just("/spec/placement"), Just("/spec/placement/nodes"), Just("/spec/placement/labels"),
            Just("/spec/proxy"), Just("/spec/proxy/env"), Just("/spec/proxy/logging"),
            Just("/spec/traffic/tls"), Just("/spec/proxy/resources/limits/cpus"),
        ],
    ) {
        let mut manifest: Value = serde_saphyr::from_str(SAMPLE).unwrap();
        *manifest.pointer_mut(place).unwrap() = value;
        let parsed = manifests("x", &manifest.to_string());
        for cluster in parsed.clusters {
            let again = manifests("x", &canonical(&cluster));
            prop_assert_eq!(&again.faults, &[]);
            prop_assert_eq!(&again.clusters, &[cluster]);
        }
    }
}

#[test]
fn a_name_declared_twice_is_told_with_both_places_though_one_has_a_fault() {
    let bad = format!("{HEAD}spec: {{x: 1}}\n");
    let parsed = super::together([
        ("a.yaml", &*format!("\n{HEAD}---\n{HEAD}")),
        ("b.yaml", &*bad),
        ("c.yaml", "{kind: Source, metadata: {name: a}}"),
    ]);
    let twice = parsed.faults.iter().map(ToString::to_string);
    let twice: Vec<String> = twice.filter(|told| told.contains("twice")).collect();
    assert_eq!(
        twice,
        [
            "a.yaml:8:18: metadata.name: `a` is declared twice, first in a.yaml:4:18 (keep one of the two)",
            "b.yaml:3:18: metadata.name: `a` is declared twice, first in a.yaml:4:18 (keep one of the two)",
        ]
    );
}

#[test]
fn bytes_that_are_no_text_are_told_with_their_place() {
    let told = |bytes: &[u8]| super::text("f.yaml", bytes).unwrap_err().to_string();
    assert_eq!(super::text("", "a: ä".as_bytes()), Ok("a: ä"));
    assert_eq!(
        told(b"a: 1\nb: \xc3\xa4\xe4\n"),
        "f.yaml:2:5: is not text in UTF-8 (save it as UTF-8)"
    );
    assert_eq!(
        told(b"\xff\xfea\0"),
        "f.yaml:1:1: is not text in UTF-8 (it looks like UTF-16: save it as UTF-8)"
    );
}

#[test]
fn a_field_that_does_not_exist_is_a_fault_without_a_value_too() {
    let told = faults(&format!(
        "{HEAD}spec:\n  proxi:\n  proxy:\n    env: {{ANY: }}\n    publish: {{htp: , http: }}\n  networks: [{{name: n, creat: }}]\n  traffic: {{connectTimeout: , timeouts: }}\nstatus: {{any: }}\n"
    ));
    assert_eq!(
        told,
        "\
5:3: spec.proxi: unknown field `proxi` (did you mean `proxy`?)
7:11: spec.proxy.env.ANY: expected a text, found nothing (write \"\" for an empty text)
8:15: spec.proxy.publish.htp: unknown field `htp` (did you mean `http`?)
9:24: spec.networks[0].creat: unknown field `creat` (did you mean `create`?)
10:13: spec.traffic.connectTimeout: unknown field `connectTimeout` (`spec.traffic.connectTimeout` is `spec.traffic.timeouts.connect` in skep.dev/v1)"
    );
}
