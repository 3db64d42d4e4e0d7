use serde_json::Value;

use super::{file, markdown, of, service_cluster, source_markdown};
use crate::api::Version;
use crate::api::parse::{canonical, canonical_in, manifests};
use crate::names::{KIND, KIND_SOURCE};

/// Every kind in every version, with its schema.
fn all() -> impl Iterator<Item = (&'static str, Version, Value)> {
    let kinds = [KIND, KIND_SOURCE].into_iter();
    kinds.flat_map(|kind| Version::ALL.map(|version| (kind, version, of(kind, version))))
}

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
fn there_is_a_schema_file_of_each_kind_and_version_and_it_is_what_the_types_say() {
    for (kind, version, schema) in all() {
        let text = serde_json::to_string_pretty(&schema).unwrap();
        let path = format!("schemas/{}", file(kind, version));
        fresh(&path, &format!("{text}\n"));
        let id = schema["$id"].as_str().unwrap();
        assert!(id.ends_with(&path), "{id}");
    }
}

#[test]
fn versions_differ_in_what_was_moved_and_in_nothing_else() {
    let fields = |schema: &Value| super::fields(schema);
    let [old, new] = Version::ALL.map(|version| fields(&of(KIND, version)));
    let only = |a: &[String], b: &[String]| {
        let mut only: Vec<String> = a.to_vec();
        only.retain(|field| !b.contains(field));
        only.join(" ")
    };
    assert_eq!(
        only(&old, &new),
        "spec.traffic.connectTimeout spec.traffic.requestTimeout spec.traffic.idleTimeout"
    );
    assert_eq!(
        only(&new, &old),
        "spec.traffic.timeouts spec.traffic.timeouts.connect spec.traffic.timeouts.request spec.traffic.timeouts.idle"
    );
    let [old, new] = Version::ALL.map(|version| of(KIND_SOURCE, version));
    assert_eq!(fields(&old), fields(&new));
    assert!(old["deprecated"] == true && new.get("deprecated").is_none());
}

#[test]
fn the_defaults_of_a_section_are_those_of_its_fields_in_every_version() {
    for version in Version::ALL {
        let schema = of(KIND, version);
        let defaults = &schema["properties"]["spec"]["default"]["traffic"];
        let of_section = &schema["$defs"]["ServiceClusterSpec"]["properties"]["traffic"]["default"];
        assert_eq!(defaults, of_section);
        let fields = schema["$defs"]["Traffic"]["properties"]
            .as_object()
            .unwrap();
        for (name, field) in fields {
            assert_eq!(field["default"], defaults[name], "{version}: {name}");
        }
        let order =
            |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
        assert_eq!(order(defaults), order(&Value::Object(fields.clone())));
        assert_eq!(
            schema["$defs"].get("Timeouts").is_some(),
            version == Version::V1
        );
    }
}

#[test]
fn the_field_references_are_what_the_types_say() {
    fresh("docs/reference.md", &markdown());
    fresh("docs/reference-source.md", &source_markdown());
}

#[test]
fn the_schema_of_sources_agrees_with_the_parser() {
    let cases = [
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
    ];
    let versions = Version::ALL.into_iter();
    for (version, (spec, good)) in versions.flat_map(|v| cases.map(|case| (v, case))) {
        let validator = jsonschema::validator_for(&of(KIND_SOURCE, version)).unwrap();
        let head = format!("apiVersion: {version}, kind: Source, metadata: {{name: a}}");
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
    for (_, _, schema) in all() {
        assert_eq!(
            schema["$schema"],
            "https://json-schema.org/draft/2020-12/schema"
        );
        jsonschema::meta::validate(&schema).unwrap();
    }
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
    for (_, _, schema) in all() {
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
    let mut bare = Vec::new();
    let schemas: Vec<Value> = all().map(|(_, _, schema)| schema).collect();
    let definitions = schemas.iter().flat_map(|schema| {
        let definitions = schema["$defs"].as_object().unwrap().iter();
        definitions.map(move |(name, body)| (schema, name, body))
    });
    for (schema, definition, body) in definitions {
        let is_of_status = [
            "Status",
            "Counts",
            "Condition",
            "SourceFault",
            "SourceChange",
        ]
        .iter()
        .any(|word| definition.contains(word));
        if is_of_status {
            continue;
        }
        for (name, field) in body["properties"].as_object().into_iter().flatten() {
            let forms = resolved(schema, field);
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
    for version in Version::ALL {
        let schema = of(KIND, version);
        let mut checked = 0;
        look(&schema, &schema, &mut checked);
        assert!(checked > 30, "{checked}");
    }
}

#[test]
fn the_schema_accepts_what_the_parser_accepts_of_the_manifest_of_the_design() {
    let text = include_str!("../../../tests/manifests/good/east.yaml");
    let written: Value = serde_saphyr::from_str(text).unwrap();
    let parsed = manifests("east.yaml", text);
    assert_eq!(parsed.faults, []);
    let cluster = &parsed.clusters[0];
    let values = Version::ALL.into_iter().flat_map(|version| {
        let canonical = canonical_in(cluster, version);
        let moved = crate::api::parse::converted(text, version).concat();
        let moved: Value = serde_saphyr::from_str(&moved).unwrap();
        let stored: Value = serde_saphyr::from_str(&canonical).unwrap();
        [(version, stored), (version, moved)]
    });
    for (version, value) in values.chain([(cluster.stated, written)]) {
        let validator = jsonschema::validator_for(&of(KIND, version)).unwrap();
        let faults: Vec<String> = validator
            .iter_errors(&value)
            .map(|fault| format!("{}: {fault}", fault.instance_path()))
            .collect();
        assert_eq!(faults, Vec::<String>::new());
    }
}

#[test]
fn the_schema_refuses_what_the_parser_refuses() {
    for text in [
        "{apiVersion: v1, kind: ServiceCluster, metadata: {name: a}}",
        "{apiVersion: skep.dev/v1alpha1, kind: Pod, metadata: {name: a}}",
        "{apiVersion: skep.dev/v1alpha1, kind: ServiceCluster, metadata: {name: A}}",
        "{apiVersion: skep.dev/v1alpha1, kind: ServiceCluster, metadata: {}}",
        "{apiVersion: skep.dev/v1alpha1, kind: ServiceCluster, metadata: {name: a}, spec: {x: 1}}",
        "{apiVersion: skep.dev/v1alpha1, kind: ServiceCluster, metadata: {name: a}, spec: {proxy: {stopGracePeriod: 5}}}",
        "{apiVersion: skep.dev/v1alpha1, kind: ServiceCluster, metadata: {name: a}, spec: {proxy: {publish: {http: 65536}}}}",
        "{apiVersion: skep.dev/v1alpha1, kind: ServiceCluster, metadata: {name: a}, spec: {proxy: {mode: both}}}",
        "{apiVersion: skep.dev/v1alpha1, kind: ServiceCluster, metadata: {name: a}, spec: {traffic: {timeouts: {idle: 5s}}}}",
        "{apiVersion: skep.dev/v1alpha1, kind: ServiceCluster, metadata: {name: a}, spec: {traffic: {idleTimeout: 5}}}",
        "{apiVersion: skep.dev/v1, kind: ServiceCluster, metadata: {name: a}, spec: {traffic: {idleTimeout: 5s}}}",
        "{apiVersion: skep.dev/v1, kind: ServiceCluster, metadata: {name: a}, spec: {traffic: {timeouts: {idle: 5}}}}",
        "{apiVersion: skep.dev/v2, kind: ServiceCluster, metadata: {name: a}}",
    ] {
        let validators =
            Version::ALL.map(|version| jsonschema::validator_for(&of(KIND, version)).unwrap());
        let value: Value = serde_saphyr::from_str(text).unwrap();
        for validator in validators {
            assert!(!validator.is_valid(&value), "the schema accepts {text}");
        }
        assert!(!manifests("", text).faults.is_empty(), "accepted: {text}");
    }
}
