use serde_json::Value;

use super::{markdown, service_cluster, source, source_markdown};
use crate::api::parse::{canonical, manifests};

/// Compares a generated file with what is checked in, or writes it when asked to.
pub(in crate::api) fn fresh(path: &str, wanted: &str) {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, wanted).unwrap();
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(found == wanted, "{path} is stale: run `make schemas`");
}

#[test]
fn the_schema_file_is_what_the_types_say() {
    let text = serde_json::to_string_pretty(&service_cluster()).unwrap();
    fresh(
        "schemas/service-cluster.v1alpha1.json",
        &format!("{text}\n"),
    );
}

#[test]
fn the_schema_file_of_sources_is_what_the_types_say() {
    let text = serde_json::to_string_pretty(&source()).unwrap();
    fresh("schemas/source.v1alpha1.json", &format!("{text}\n"));
}

#[test]
fn the_field_references_are_what_the_types_say() {
    fresh("docs/reference.md", &markdown());
    fresh("docs/reference-source.md", &source_markdown());
}

#[test]
fn the_schema_of_sources_agrees_with_the_parser() {
    jsonschema::meta::validate(&source()).unwrap();
    let validator = jsonschema::validator_for(&source()).unwrap();
    let head = "apiVersion: skep.dev/v1alpha1, kind: Source, metadata: {name: a}";
    for (spec, good) in [
        ("{url: 'https://h/r'}", true),
        (
            "{url: 'git://h:9/r.git', ref: v1, path: a/b, interval: 1m30s, prune: true, suspend: true, verify: {sshKeys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti a@example.com]}}",
            true,
        ),
        ("{}", false),
        ("{url: 'ssh://h/r'}", false),
        ("{url: 'https://me:x@h/r'}", false),
        ("{url: 'https://h/r', interval: 5}", false),
        ("{url: 'https://h/r', branch: main}", false),
        ("{url: 'https://h/r', verify: ~}", false),
        ("{url: 'https://h/r', verify: {}}", false),
        ("{url: 'https://h/r', verify: {sshKeys: []}}", false),
    ] {
        let text = format!("{{{head}, spec: {spec}}}");
        let value: Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(validator.is_valid(&value), good, "the schema: {text}");
        let parsed = manifests("", &text);
        assert_eq!(parsed.faults.is_empty(), good, "{:?}", parsed.faults);
        let stored = parsed.sources.first().map(canonical);
        let again = stored.map(|text| manifests("", &text).sources);
        assert_eq!(again.unwrap_or_default(), parsed.sources);
    }
}

#[test]
fn every_keyword_that_is_added_by_hand_lands_on_a_field() {
    let schema = service_cluster();
    for (pointer, keyword) in [
        ("/properties/apiVersion", "const"),
        ("/properties/kind", "const"),
        ("/properties/status", "readOnly"),
        ("/$defs/Metadata/properties/name", "pattern"),
        ("/$defs/Metadata/properties/generation", "readOnly"),
        ("/$defs/Metadata/properties/creationTimestamp", "readOnly"),
        ("/$defs/NetworkRef/properties/name", "examples"),
        ("/$defs/NetworkCreate/properties/subnet", "examples"),
        ("/$defs/Placement/properties/preferences", "examples"),
        ("/$defs/Proxy/properties/serviceName", "examples"),
        ("/$defs/Logging/properties/driver", "examples"),
        ("/$defs/Tls/properties/cipherSuites", "examples"),
    ] {
        let place = schema.pointer(pointer);
        assert!(
            place.is_some_and(|place| place.get(keyword).is_some()),
            "{pointer} has no {keyword}"
        );
    }
}

#[test]
fn the_schema_is_a_valid_schema_of_its_draft() {
    let schema = service_cluster();
    assert_eq!(
        schema["$schema"],
        "https://json-schema.org/draft/2020-12/schema"
    );
    jsonschema::meta::validate(&schema).unwrap();
}

#[test]
fn every_field_has_a_description() {
    fn look(path: &str, schema: &Value, bare: &mut Vec<String>) {
        if let Some(Value::Object(fields)) = schema.get("properties") {
            for (name, field) in fields {
                if field.get("description").is_none() {
                    bare.push(format!("{path}.{name}"));
                }
            }
        }
    }
    let mut bare = Vec::new();
    for schema in [service_cluster(), source()] {
        look("", &schema, &mut bare);
        for (name, definition) in schema["$defs"].as_object().unwrap() {
            look(name, definition, &mut bare);
        }
    }
    assert_eq!(bare, Vec::<String>::new());
}

/// What an editor needs of a field of a manifest besides its description.
#[test]
fn every_field_of_a_manifest_has_a_default_or_an_example_and_its_limits() {
    fn resolved<'a>(schema: &'a Value, field: &'a Value) -> Vec<&'a Value> {
        if let Some(name) = field["$ref"].as_str() {
            return resolved(
                schema,
                &schema["$defs"][name.trim_start_matches("#/$defs/")],
            );
        }
        let many = field["anyOf"].as_array().or(field["oneOf"].as_array());
        match many {
            Some(forms) => forms
                .iter()
                .flat_map(|form| resolved(schema, form))
                .collect(),
            None => vec![field],
        }
    }
    let schema = service_cluster();
    let mut bare = Vec::new();
    for (definition, body) in schema["$defs"].as_object().unwrap() {
        let is_of_status = ["Status", "Counts", "Condition"]
            .iter()
            .any(|word| definition.contains(word));
        if is_of_status {
            continue;
        }
        for (name, field) in body["properties"].as_object().into_iter().flatten() {
            let forms = resolved(&schema, field);
            let has = |key: &str| {
                field.get(key).is_some() || forms.iter().any(|form| form.get(key).is_some())
            };
            let is = |kind: &str| {
                forms
                    .iter()
                    .any(|form| form["type"].to_string().contains(kind))
            };
            let is_told = has("default") || has("examples") || has("const");
            let is_section = forms.iter().any(|form| form.get("properties").is_some());
            let is_read_only = field.get("readOnly").is_some();
            let is_bounded = has("pattern") || !is("\"integer\"") || has("minimum");
            if !is_bounded || !(is_told || is_section || is_read_only) {
                bare.push(format!("{definition}.{name}"));
            }
        }
    }
    assert_eq!(bare, Vec::<String>::new());
}

#[test]
fn every_example_is_one_that_the_schema_accepts() {
    fn look(schema: &Value, place: &Value, checked: &mut usize) {
        let Some(map) = place.as_object() else { return };
        for example in map
            .get("examples")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let mut alone = place.clone();
            alone["$defs"] = schema["$defs"].clone();
            let validator = jsonschema::validator_for(&alone).unwrap();
            assert!(validator.is_valid(example), "{example} of {place}");
            *checked += 1;
        }
        for (key, value) in map {
            if key != "examples" && key != "default" {
                look(schema, value, checked);
            }
        }
    }
    let schema = service_cluster();
    let mut checked = 0;
    look(&schema, &schema, &mut checked);
    assert!(checked > 30, "{checked}");
}

#[test]
fn the_schema_accepts_what_the_parser_accepts_of_the_manifest_of_the_design() {
    let text = include_str!("../../../tests/manifests/good/east.yaml");
    let validator = jsonschema::validator_for(&service_cluster()).unwrap();
    let written: Value = serde_saphyr::from_str(text).unwrap();
    let parsed = manifests("east.yaml", text);
    assert_eq!(parsed.faults, []);
    let stored: Value = serde_saphyr::from_str(&canonical(&parsed.clusters[0])).unwrap();
    for value in [written, stored] {
        let faults: Vec<String> = validator
            .iter_errors(&value)
            .map(|fault| format!("{}: {fault}", fault.instance_path()))
            .collect();
        assert_eq!(faults, Vec::<String>::new());
    }
}

#[test]
fn the_schema_refuses_what_the_parser_refuses() {
    let validator = jsonschema::validator_for(&service_cluster()).unwrap();
    for text in [
        "{apiVersion: v1, kind: ServiceCluster, metadata: {name: a}}",
        "{apiVersion: skep.dev/v1alpha1, kind: Pod, metadata: {name: a}}",
        "{apiVersion: skep.dev/v1alpha1, kind: ServiceCluster, metadata: {name: A}}",
        "{apiVersion: skep.dev/v1alpha1, kind: ServiceCluster, metadata: {}}",
        "{apiVersion: skep.dev/v1alpha1, kind: ServiceCluster, metadata: {name: a}, spec: {x: 1}}",
        "{apiVersion: skep.dev/v1alpha1, kind: ServiceCluster, metadata: {name: a}, spec: {proxy: {stopGracePeriod: 5}}}",
        "{apiVersion: skep.dev/v1alpha1, kind: ServiceCluster, metadata: {name: a}, spec: {proxy: {publish: {http: 65536}}}}",
        "{apiVersion: skep.dev/v1alpha1, kind: ServiceCluster, metadata: {name: a}, spec: {proxy: {mode: both}}}",
    ] {
        let value: Value = serde_saphyr::from_str(text).unwrap();
        assert!(!validator.is_valid(&value), "the schema accepts {text}");
        assert!(!manifests("", text).faults.is_empty(), "accepted: {text}");
    }
}
