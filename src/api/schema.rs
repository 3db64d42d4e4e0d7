//! The JSON Schema of the resource, generated from its types.

#[cfg(test)]
mod agreement;
#[cfg(test)]
mod complete;
mod empty;
mod explain;
mod near;
mod reference;
mod rules;
mod sections;
#[cfg(test)]
pub(super) mod tests;
mod version;

use serde_json::{Value, json};

use super::grammar::CLUSTER_NAME_PATTERN;
use super::{ServiceCluster, Source, Version};
use crate::names::{API_VERSION, KIND, KIND_SOURCE};

pub use explain::{explain, fields};
pub use reference::{markdown, source_markdown};
pub(super) use sections::sections;

/// Where the newest schema of service clusters is published.
pub const ID: &str = "https://skep.dev/schemas/service-cluster.v1.json";

/// The name of the file that holds the schema of a kind in a version.
#[must_use]
pub fn file(kind: &str, version: Version) -> String {
    let stem = if kind == KIND_SOURCE {
        "source"
    } else {
        "service-cluster"
    };
    format!("{stem}.{}.json", version.word())
}

/// The JSON Schema (draft 2020-12) of a kind in a version.
#[must_use]
pub fn of(kind: &str, version: Version) -> Value {
    let mut schema = match kind {
        KIND_SOURCE => of_source(),
        _ => of_cluster(),
    };
    if version != Version::NEWEST {
        version::lower(&mut schema, kind, version);
        put(&mut schema, "", "$id", json!(id(kind, version)));
        put(&mut schema, "", "deprecated", json!(true));
    }
    empty::allow(&mut schema);
    tidy(&mut schema);
    schema
}

/// The JSON Schema of a `ServiceCluster` manifest of the newest version.
#[must_use]
pub fn service_cluster() -> Value {
    of(KIND, Version::NEWEST)
}

/// The JSON Schema of a `Source` manifest of the newest version.
#[must_use]
pub fn source() -> Value {
    of(KIND_SOURCE, Version::NEWEST)
}

fn id(kind: &str, version: Version) -> String {
    format!("https://skep.dev/schemas/{}", file(kind, version))
}

/// What only several fields together show (such as `drain.minimum` against `drain.timeout`) is
/// beyond a schema: [`crate::api::validate::validate`] checks it.
fn of_cluster() -> Value {
    let mut schema = schemars::schema_for!(ServiceCluster).to_value();
    head(&mut schema, KIND, "east");
    examples(&mut schema);
    rules::of_cluster(&mut schema);
    schema
}

fn of_source() -> Value {
    let mut schema = schemars::schema_for!(Source).to_value();
    head(&mut schema, KIND_SOURCE, "shop");
    let spec = "/$defs/SourceSpec/properties";
    for (field, keyword, value) in [
        (
            "url",
            "examples",
            json!(["https://git.example.com/team/shop.git"]),
        ),
        ("ref", "examples", json!(["main"])),
        ("path", "examples", json!(["clusters/production"])),
        (
            "ca",
            "examples",
            json!(["-----BEGIN CERTIFICATE-----\n..."]),
        ),
        ("interval", "default", json!("60s")),
        ("prune", "default", json!(false)),
        ("suspend", "default", json!(false)),
    ] {
        put(&mut schema, &format!("{spec}/{field}"), keyword, value);
    }
    let keys = "/$defs/Verify/properties/sshKeys";
    let example = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti alice@example.com";
    put(&mut schema, keys, "examples", json!([[example]]));
    rules::of_source(&mut schema);
    schema
}

/// What the schemas of all kinds have in common.
fn head(schema: &mut Value, kind: &str, example: &str) {
    let id = id(kind, Version::NEWEST);
    put(schema, "", "$id", json!(id));
    put(
        schema,
        "/properties/apiVersion",
        "const",
        json!(API_VERSION),
    );
    put(schema, "/properties/kind", "const", json!(kind));
    let name = "/$defs/Metadata/properties/name";
    put(schema, name, "pattern", json!(CLUSTER_NAME_PATTERN));
    put(schema, name, "examples", json!([example]));
    for field in ["labels", "annotations"] {
        let path = format!("/$defs/Metadata/properties/{field}");
        put(schema, &path, "examples", json!([{"team": "web"}]));
    }
    put(schema, "/properties/status", "readOnly", json!(true));
    for field in ["generation", "creationTimestamp"] {
        let path = format!("/$defs/Metadata/properties/{field}");
        put(schema, &path, "readOnly", json!(true));
    }
    empties(schema);
}

/// Examples for fields whose type alone gives none.
fn examples(schema: &mut Value) {
    for (path, example) in [
        ("/$defs/NetworkRef/properties/name", json!(["eastnet"])),
        (
            "/$defs/NetworkCreate/properties/subnet",
            json!(["10.7.0.0/24"]),
        ),
        (
            "/$defs/Placement/properties/preferences",
            json!([["spread=node.labels.zone"]]),
        ),
        (
            "/$defs/Proxy/properties/serviceName",
            json!(["skep-proxy-east"]),
        ),
        ("/$defs/Logging/properties/driver", json!(["json-file"])),
        (
            "/$defs/Logging/properties/options",
            json!([{"max-size": "10m", "max-file": "3"}]),
        ),
        (
            "/$defs/Metadata/properties/annotations",
            json!([{"dev.skep.history": "10"}]),
        ),
        (
            "/$defs/ServiceClusterSpec/properties/networks",
            json!([[{"name": "eastnet", "create": {}}]]),
        ),
        (
            "/$defs/NetworkCreate/properties/labels",
            json!([{"team": "web"}]),
        ),
        (
            "/$defs/Placement/properties/nodes",
            json!([["node-0"], {"matchLabels": {"zone": "a"}}]),
        ),
        (
            "/$defs/Placement/properties/labels",
            json!([{"nodetype": "loadbalancer", "region": "east"}]),
        ),
        (
            "/$defs/Placement/properties/constraints",
            json!([["node.role==worker"]]),
        ),
        ("/$defs/Placement/properties/maxReplicasPerNode", json!([1])),
        (
            "/$defs/NodeMatch/properties/matchLabels",
            json!([{"zone": "a"}]),
        ),
        (
            "/$defs/ServiceMatch/properties/matchLabels",
            json!([{"team": "web"}]),
        ),
        (
            "/$defs/Proxy/properties/image",
            json!(["registry.example.com/skep:0.1.0"]),
        ),
        ("/$defs/Proxy/properties/replicas", json!([2])),
        ("/$defs/Proxy/properties/labels", json!([{"team": "web"}])),
        (
            "/$defs/Proxy/properties/containerLabels",
            json!([{"team": "web"}]),
        ),
        (
            "/$defs/Proxy/properties/env",
            json!([{"RUST_BACKTRACE": "1"}]),
        ),
        (
            "/$defs/Admission/properties/hosts",
            json!([["*.east.example.com"]]),
        ),
        (
            "/$defs/Tls/properties/cipherSuites",
            json!([["TLS_AES_256_GCM_SHA384"]]),
        ),
        (
            "/$defs/Tls/properties/defaultCertificate",
            json!(["fallback"]),
        ),
    ] {
        put(schema, path, "examples", example);
    }
}

/// Maps and lists that are empty when they are left out.
fn empties(schema: &mut Value) {
    for (place, default) in [
        ("Metadata/properties/labels", json!({})),
        ("Metadata/properties/annotations", json!({})),
        ("NetworkCreate/properties/labels", json!({})),
        ("Placement/properties/labels", json!({})),
        ("Placement/properties/constraints", json!([])),
        ("Placement/properties/preferences", json!([])),
        ("Proxy/properties/labels", json!({})),
        ("Proxy/properties/containerLabels", json!({})),
        ("Proxy/properties/env", json!({})),
        ("Logging/properties/options", json!({})),
        ("ServiceMatch/properties/matchLabels", json!({})),
        ("Admission/properties/hosts", json!([])),
    ] {
        put(schema, &format!("/$defs/{place}"), "default", default);
    }
}

/// Sets a keyword of the schema at a JSON pointer; a test holds that each pointer is there.
fn put(schema: &mut Value, pointer: &str, keyword: &str, value: Value) {
    if let Some(Value::Object(place)) = schema.pointer_mut(pointer) {
        place.insert(keyword.to_owned(), value);
    }
}

/// Removes what no validator reads: Rust's own number formats. An omitted field is left out of
/// a manifest or empty, never the text `null`.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if map
                .get("format")
                .and_then(Value::as_str)
                .is_some_and(|format| format.starts_with("uint") || format == "double")
            {
                map.remove("format");
            }
            map.values_mut().for_each(tidy);
        }
        Value::Array(list) => list.iter_mut().for_each(tidy),
        _ => {}
    }
}
