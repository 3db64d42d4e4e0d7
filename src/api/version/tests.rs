use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Deprecation, Subject, TABLE, Version, document, find, lower};
use crate::api::ServiceCluster;
use crate::api::parse::{canonical, canonical_in, converted, manifests, same, yaml};
use crate::names::{KIND, KIND_SOURCE};

fn cluster(version: &str, spec: &str) -> String {
    format!("apiVersion: {version}\nkind: ServiceCluster\nmetadata: {{name: a}}\nspec: {spec}\n")
}

/// The one cluster of a text that must be good.
fn good(text: &str) -> ServiceCluster {
    let mut parsed = manifests("x", text);
    assert_eq!(parsed.faults, [], "{text}");
    parsed.clusters.remove(0)
}

/// The faults of a manifest, one a line.
fn faults(text: &str) -> String {
    let parsed = manifests("", text);
    let lines: Vec<String> = parsed.faults.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

#[test]
fn a_version_is_named_with_its_group_or_without() {
    for version in Version::ALL {
        assert_eq!(version.word().parse(), Ok(version));
        assert_eq!(version.text().parse(), Ok(version));
        assert_eq!(Version::stated(version.text()), Some(version));
        assert_eq!(Version::stated(version.word()), None);
        assert!(version.text().starts_with("skep.dev/"));
    }
    let wrong = "v2".parse::<Version>().unwrap_err();
    assert_eq!(wrong, "`v2` is no version of the API: write v1alpha1 or v1");
    assert_eq!(Version::ALL.last(), Some(&Version::NEWEST));
}

#[test]
fn an_unknown_version_is_answered_with_the_known_ones_and_the_nearest() {
    for (stated, near) in [
        ("skep.dev/v2", "did you mean `skep.dev/v1`? "),
        ("v1", "did you mean `skep.dev/v1`? "),
        ("skep.dev/v1alpha2", "did you mean `skep.dev/v1alpha1`? "),
        (
            "apps.example.com/v1alpha1",
            "did you mean `skep.dev/v1alpha1`? ",
        ),
        ("something/else/entirely", ""),
    ] {
        assert_eq!(
            faults(&cluster(stated, "{}")),
            format!(
                "1:13: apiVersion: `{stated}` is not known to this version ({near}known are skep.dev/v1alpha1 and skep.dev/v1)"
            )
        );
    }
}

#[test]
fn both_versions_say_the_same_and_keep_the_one_that_they_state() {
    let old = good(&cluster(
        "skep.dev/v1alpha1",
        "{traffic: {requestTimeout: 7s, idleTimeout: 9s}}",
    ));
    let new = good(&cluster(
        "skep.dev/v1",
        "{traffic: {timeouts: {request: 7s, idle: 9s}}}",
    ));
    assert_eq!((old.stated, new.stated), (Version::V1Alpha1, Version::V1));
    assert_eq!(old.spec, new.spec);
    assert!(same(&old, &new));
    assert_ne!(canonical(&old), canonical(&new));
    assert_eq!(canonical_in(&old, Version::V1), canonical(&new));
    assert_eq!(canonical_in(&new, Version::V1Alpha1), canonical(&old));
    assert_eq!(good(&canonical(&old)), old);
    assert_eq!(good(&canonical(&new)), new);
}

#[test]
fn a_moved_field_stands_where_its_section_stood() {
    let old = canonical_in(&good(&cluster("skep.dev/v1", "{}")), Version::V1Alpha1);
    let traffic = "  traffic:\n    connectTimeout: 5s\n    requestTimeout: 60s\n    idleTimeout: 300s\n    maxConnections: 10000\n";
    assert!(old.contains(traffic), "{old}");
    let new = canonical(&good(&cluster("skep.dev/v1", "{}")));
    let traffic = "  traffic:\n    timeouts:\n      connect: 5s\n      request: 60s\n      idle: 300s\n    maxConnections: 10000\n";
    assert!(new.contains(traffic), "{new}");
}

#[test]
fn a_fault_names_the_field_as_it_was_written() {
    let told = faults(
        "apiVersion: skep.dev/v1alpha1\nkind: ServiceCluster\nmetadata: {name: a}\nspec:\n  traffic:\n    maxConnections: 7\n    connectTimeout: 5\n    requestTimeout: 0s\n    idleTimout: 9s\n",
    );
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(
        lines,
        [
            "7:21: spec.traffic.connectTimeout: expected a length of time, found the number 5 (add a unit, for example 5s)",
            "8:21: spec.traffic.requestTimeout: 0s would end every request at once (write a length of time, for example 60s)",
            "9:5: spec.traffic.idleTimout: unknown field `idleTimout` (did you mean `idleTimeout`?)",
        ]
    );
    let told = faults(&cluster("skep.dev/v1alpha1", "{traffic: {zzz: 1}}"));
    assert!(
        told.contains("known here: connectTimeout, requestTimeout, idleTimeout, maxConnections,"),
        "{told}"
    );
    assert!(!told.contains("timeouts"), "{told}");
}

#[test]
fn a_field_of_another_version_is_told_where_it_stands_in_this_one() {
    assert_eq!(
        faults(&cluster(
            "skep.dev/v1",
            "{traffic: {idleTimeout: 9s, requestTimeout: 7s}}"
        )),
        "4:18: spec.traffic.idleTimeout: unknown field `idleTimeout` (`spec.traffic.idleTimeout` is `spec.traffic.timeouts.idle` in skep.dev/v1)\n\
         4:35: spec.traffic.requestTimeout: unknown field `requestTimeout` (`spec.traffic.requestTimeout` is `spec.traffic.timeouts.request` in skep.dev/v1)"
    );
    assert_eq!(
        faults(&cluster(
            "skep.dev/v1alpha1",
            "{traffic: {timeouts: {idle: 9s, connect: 1s}}}"
        )),
        "4:18: spec.traffic.timeouts: unknown field `timeouts` (`spec.traffic.timeouts.connect` is `spec.traffic.connectTimeout` in skep.dev/v1alpha1; `spec.traffic.timeouts.idle` is `spec.traffic.idleTimeout` in skep.dev/v1alpha1)"
    );
    let all = faults(&cluster("skep.dev/v1alpha1", "{traffic: {timeouts: 9s}}"));
    assert_eq!(all.matches(" is `spec.traffic.").count(), 3, "{all}");
    // A field that does not exist is one without a value too.
    let all = faults(&cluster("skep.dev/v1alpha1", "{traffic: {timeouts: }}"));
    assert_eq!(all.matches(" is `spec.traffic.").count(), 3, "{all}");
}

#[test]
fn a_document_without_a_version_is_told_to_state_the_one_whose_fields_it_has() {
    for (field, version) in [
        ("idleTimeout: 9s", "skep.dev/v1alpha1"),
        ("timeouts: {idle: 9s}", "skep.dev/v1"),
        ("trustedHops: 1", "skep.dev/v1"),
    ] {
        let text = format!(
            "kind: ServiceCluster\nmetadata: {{name: a}}\nspec: {{traffic: {{{field}}}}}\n"
        );
        let told = faults(&text);
        assert!(
            told.ends_with(&format!(
                "`apiVersion` is missing (write apiVersion: {version})"
            )),
            "{told}"
        );
        assert_eq!(told.lines().count(), 1, "{told}");
    }
}

#[test]
fn a_section_of_the_wrong_type_is_a_fault_in_both_versions() {
    for version in Version::ALL {
        for spec in ["7", "{traffic: 7}"] {
            let told = faults(&cluster(version.text(), spec));
            assert!(told.contains("expected a map"), "{told}");
        }
    }
}

#[test]
fn an_old_version_warns_once_a_document_and_never_harms() {
    let text = format!(
        "{}---\n{}---\napiVersion: skep.dev/v1alpha1\nkind: Source\nmetadata: {{name: s}}\nspec: {{url: 'https://h/r'}}\n",
        cluster("skep.dev/v1alpha1", "{traffic: {idleTimeout: 9s}}"),
        cluster("skep.dev/v1", "{}"),
    );
    let parsed = manifests("f.yaml", &text);
    assert_eq!(parsed.faults, []);
    let warnings: Vec<String> = parsed.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "f.yaml:1:13: apiVersion: skep.dev/v1alpha1 is deprecated since Skep 0.1.0 (`skep convert manifest -f FILE` rewrites it as skep.dev/v1)",
            "f.yaml:11:13: apiVersion: skep.dev/v1alpha1 is deprecated since Skep 0.1.0 (`skep convert manifest -f FILE` rewrites it as skep.dev/v1)",
        ]
    );
    assert_eq!(parsed.sources[0].stated, Version::V1Alpha1);
}

#[test]
fn a_single_field_can_be_deprecated_by_a_line_of_the_table() {
    let table = [Deprecation {
        what: Subject::Field(KIND, "spec.traffic.timeouts.idle"),
        since: "7.1",
        instead: "write nothing",
    }];
    let uses = |spec: Value| {
        let document = json!({ "spec": spec });
        let has = |path: &str| {
            let pointer = format!("/{}", path.replace('.', "/"));
            document.pointer(&pointer).is_some()
        };
        let found = find(&table, KIND, Version::V1, has);
        found.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(
        uses(json!({"traffic": {"timeouts": {"idle": "9s"}}})),
        ["spec.traffic.timeouts.idle: deprecated since Skep 7.1 (write nothing)"]
    );
    assert!(uses(json!({"traffic": {"timeouts": {"connect": "9s"}}})).is_empty());
    assert!(find(&table, KIND_SOURCE, Version::V1, |_| true).is_empty());
}

#[test]
fn every_version_but_the_newest_is_deprecated() {
    for version in Version::ALL {
        let old = TABLE
            .iter()
            .any(|one| one.what == Subject::Version(version));
        assert_eq!(old, version != Version::NEWEST, "{version}");
    }
}

/// The good manifest of the tests, to take fields out of.
const SAMPLE: &str = include_str!("../../../tests/manifests/good/east.yaml");

/// The sample in a version, with some of its sections and timeouts left out.
fn manifest(version: Version, without: &[&str], times: [u16; 3]) -> Value {
    let mut value = document(&good(SAMPLE), Version::V1);
    let timeouts = &mut value["spec"]["traffic"]["timeouts"];
    for (name, time) in ["connect", "request", "idle"].into_iter().zip(times) {
        timeouts[name] = Value::from(format!("{}ms", u32::from(time) + 1));
    }
    for path in without {
        let (above, last) = path.rsplit_once('/').unwrap();
        if let Some(Value::Object(map)) = value.pointer_mut(above) {
            map.shift_remove(last);
        }
    }
    lower(&mut value, version);
    value
}

fn parts() -> impl Strategy<Value = Vec<&'static str>> {
    let all = vec![
        "/spec",
        "/spec/networks",
        "/spec/placement",
        "/spec/proxy",
        "/spec/traffic/timeouts/connect",
        "/spec/traffic/timeouts/request",
        "/spec/traffic/timeouts/idle",
        "/spec/traffic/timeouts",
        "/spec/traffic/tls",
        "/spec/traffic/maxConnections",
        "/spec/traffic",
        "/spec/admission",
    ];
    let most = all.len();
    proptest::sample::subsequence(all, 0..=most / 2)
}

proptest! {
    #[test]
    fn there_and_back_is_where_it_was(
        without in parts(), times in any::<[u16; 3]>(), from in 0..2_usize,
    ) {
        let (from, to) = (Version::ALL[from], Version::ALL[1 - from]);
        let value = manifest(from, &without, times);
        // A resource, read and written.
        let resource = good(&yaml(&value));
        prop_assert_eq!(resource.stated, from);
        let there = good(&canonical_in(&resource, to));
        prop_assert_eq!(there.stated, to);
        prop_assert!(same(&there, &resource));
        let back = good(&canonical_in(&there, from));
        prop_assert_eq!(&back, &resource);
        // A document as it is, with what is left out still left out.
        let text = yaml(&value);
        let moved = converted(&text, to).concat();
        prop_assert_eq!(&good(&moved), &there);
        if from == Version::V1 && value.pointer("/spec/traffic/timeouts") == Some(&json!({})) {
            // An empty section is the one thing that an older version has no place for.
            return Ok(());
        }
        prop_assert_eq!(converted(&moved, from).concat(), text);
    }

    #[test]
    fn any_value_may_stand_in_the_place_of_a_moved_field(text in "[\\PC]{0,20}", old in any::<bool>()) {
        let place = if old { "connectTimeout" } else { "timeouts" };
        for version in Version::ALL {
            let value = json!({"traffic": {place: text}});
            let parsed = manifests("x", &cluster(version.text(), &value.to_string()));
            for fault in &parsed.faults {
                prop_assert!(fault.line > 0 && fault.path.contains(place), "{fault}");
            }
        }
    }
}
