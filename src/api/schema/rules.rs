//! What the checks demand beyond the types, in the words of JSON Schema: grammars, limits, words.
//!
//! A test holds that schema and parser agree. What only several fields together show is not here.

use serde_json::{Value, json};

use super::put;
use crate::api::image;
use crate::api::limits::{BYTES_MAX, CONNECTIONS, CPUS, HOPS_MAX, MEMORY, PROXIES_MAX};
use crate::api::validate::network::BUILT_IN;
use crate::api::validate::proxy::OWN_ENV;
use crate::api::validate::traffic::{SUITES_1_2, SUITES_1_3};
use crate::names::{ANNOTATION_HISTORY, APP_PREFIXES, CONTROL_NETWORK, OPERATOR_SERVICE};

/// The key of a label.
const LABEL_KEY: &str = "^[A-Za-z0-9]([A-Za-z0-9_./-]{0,251}[A-Za-z0-9])?$";
/// Keys that are Skep's own.
const RESERVED: &str = "^dev\\.skep\\.";
/// A text without the one character that no engine takes.
const NO_NUL: &str = "^[^\\u0000]*$";

/// The rules of a service cluster.
pub fn of_cluster(schema: &mut Value) {
    labels(schema);
    amounts(schema);
    names(schema);
    placement(schema);
    tls(schema);
}

fn labels(schema: &mut Value) {
    of_metadata(schema);
    for map in [
        "NetworkCreate/properties/labels",
        "Proxy/properties/containerLabels",
        "Proxy/properties/labels",
    ] {
        own_labels(schema, map);
    }
    let routes = APP_PREFIXES.map(|prefix| prefix.replace('.', "\\."));
    let keys = json!({
        "pattern": LABEL_KEY,
        "not": {"pattern": format!("^(dev\\.skep\\.|{})", routes.join("|"))},
    });
    let labels = "/$defs/Proxy/properties/labels";
    put(schema, labels, "propertyNames", keys);
    for map in ["NodeMatch", "ServiceMatch"] {
        let place = format!("/$defs/{map}/properties/matchLabels");
        put(
            schema,
            &place,
            "propertyNames",
            json!({"pattern": LABEL_KEY}),
        );
    }
    let of_nodes = "/$defs/NodeMatch/properties/matchLabels";
    put(schema, of_nodes, "minProperties", json!(1));
    let env = "/$defs/Proxy/properties/env";
    let keys = json!({"pattern": "^[A-Za-z_][A-Za-z0-9_]*$", "not": {"enum": OWN_ENV}});
    put(schema, env, "propertyNames", keys);
    values(schema, env, NO_NUL);
    values(schema, "/$defs/Logging/properties/options", NO_NUL);
}

/// Labels and annotations of the resource itself, of any kind.
pub fn of_metadata(schema: &mut Value) {
    own_labels(schema, "Metadata/properties/labels");
    let annotations = "/$defs/Metadata/properties/annotations";
    let free = json!({"pattern": LABEL_KEY, "not": {"pattern": RESERVED}});
    let keys = json!({"anyOf": [{"const": ANNOTATION_HISTORY}, free]});
    put(schema, annotations, "propertyNames", keys);
    let history = format!("^{}$", ANNOTATION_HISTORY.replace('.', "\\."));
    let revisions = json!({history: {"type": "string", "pattern": "^([1-9][0-9]?|100)$"}});
    put(schema, annotations, "patternProperties", revisions);
}

/// Labels of what Skep makes: its own keys are not for others.
fn own_labels(schema: &mut Value, map: &str) {
    let place = format!("/$defs/{map}");
    let keys = json!({"pattern": LABEL_KEY, "not": {"pattern": RESERVED}});
    put(schema, &place, "propertyNames", keys);
    values(schema, &place, NO_NUL);
}

fn values(schema: &mut Value, map: &str, pattern: &str) {
    let place = format!("{map}/additionalProperties");
    put(schema, &place, "pattern", json!(pattern));
}

fn amounts(schema: &mut Value) {
    let share = |nanos: u64| match nanos % 1_000_000_000 {
        0 => json!(nanos / 1_000_000_000),
        _ => json!(nanos as f64 / 1e9),
    };
    for (place, least, most) in [
        (
            "Placement/properties/maxReplicasPerNode",
            json!(1),
            json!(PROXIES_MAX),
        ),
        ("Proxy/properties/replicas", json!(0), json!(PROXIES_MAX)),
        (
            "Update/properties/parallelism",
            json!(0),
            json!(PROXIES_MAX),
        ),
        (
            "Traffic/properties/maxConnections",
            json!(CONNECTIONS.start()),
            json!(CONNECTIONS.end()),
        ),
        ("Traffic/properties/trustedHops", json!(0), json!(HOPS_MAX)),
        ("ByteSize", json!(0), json!(BYTES_MAX.0)),
        ("Cpus", share(CPUS.start().0), share(CPUS.end().0)),
    ] {
        let place = format!("/$defs/{place}");
        put(schema, &place, "minimum", least);
        put(schema, &place, "maximum", most);
    }
    let memory = "/$defs/ResourceAmounts/properties/memory";
    put(schema, memory, "minimum", json!(MEMORY.start().0));
    // Nothing at all would end every request at once.
    for timeout in ["connect", "request", "idle"] {
        let place = format!("/$defs/Timeouts/properties/{timeout}");
        put(schema, &place, "pattern", json!("[1-9]"));
    }
}

fn names(schema: &mut Value) {
    let mut taken: Vec<&str> = BUILT_IN.to_vec();
    taken.push(CONTROL_NETWORK);
    for (place, pattern, taken) in [
        (
            "NetworkRef/properties/name",
            "^[A-Za-z0-9][A-Za-z0-9_.-]{0,252}$",
            taken,
        ),
        (
            "Proxy/properties/serviceName",
            "^[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?$",
            vec![OPERATOR_SERVICE],
        ),
        ("Proxy/properties/image", image::PATTERN, Vec::new()),
        ("Logging/properties/driver", "\\S", Vec::new()),
    ] {
        let place = format!("/$defs/{place}");
        put(schema, &place, "pattern", json!(pattern));
        if !taken.is_empty() {
            put(schema, &place, "not", json!({"enum": taken}));
        }
    }
    let octet = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
    let subnet = format!("^{octet}(\\.{octet}){{3}}/([89]|1[0-9]|2[0-9])$");
    let place = "/$defs/NetworkCreate/properties/subnet";
    put(schema, place, "pattern", json!(subnet));
}

fn placement(schema: &mut Value) {
    let nodes = "/$defs/NodeSelector/anyOf/0";
    put(schema, nodes, "minItems", json!(1));
    put(schema, nodes, "uniqueItems", json!(true));
    let node = "^[^\\s\\u0000-\\u001f\\u007f-\\u009f]{1,253}$";
    put(schema, &format!("{nodes}/items"), "pattern", json!(node));
    for list in [
        "Placement/properties/constraints",
        "Admission/properties/hosts",
        "Tls/properties/cipherSuites",
    ] {
        put(
            schema,
            &format!("/$defs/{list}"),
            "uniqueItems",
            json!(true),
        );
    }
    let spread =
        "^spread=(node|engine)\\.labels\\.[A-Za-z0-9]([A-Za-z0-9_./-]{0,251}[A-Za-z0-9])?$";
    let place = "/$defs/Placement/properties/preferences/items";
    put(schema, place, "pattern", json!(spread));
    let labels = "/$defs/Placement/properties/labels";
    // They become constraints, which Swarm reads by a grammar of its own.
    let key = "^[A-Za-z0-9]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9])?$";
    let keys = json!({"pattern": key, "not": {"pattern": RESERVED}});
    put(schema, labels, "propertyNames", keys);
    let edge = "[A-Za-z0-9:_.*()?+\\[\\]\\\\^$|/-]";
    let inner = "[A-Za-z0-9 :_.*()?+\\[\\]\\\\^$|/-]";
    values(schema, labels, &format!("^{edge}({inner}*{edge})?$"));
}

fn tls(schema: &mut Value) {
    let suite = |version: &str, name: &str| json!({"type": "string", "const": name, "description": format!("A suite of TLS {version}.")});
    let new = SUITES_1_3.iter().map(|name| suite("1.3", name));
    let old = SUITES_1_2.iter().map(|name| suite("1.2", name));
    let suites: Vec<Value> = new.chain(old).collect();
    let list = "/$defs/Tls/properties/cipherSuites";
    put(schema, list, "items", json!({"oneOf": suites}));
    let name = "^[a-z0-9]([a-z0-9._-]{0,38}[a-z0-9])?$";
    let place = "/$defs/Tls/properties/defaultCertificate";
    put(schema, place, "pattern", json!(name));
}

/// The rules of a source.
pub fn of_source(schema: &mut Value) {
    of_metadata(schema);
    // What is no blank, control, `?` or `#` in ASCII; in the server's part, also no `/` or `@`.
    let url = "^(https|http|git)://[!\"$-.0->A-~]+/[!\"$->@-~]+$";
    let strange = "\\s\\u0000-\\u001f\\u007f-\\u009f~^:?*\\[\\\\";
    let reference = format!("^([^/.{strange}-]|[^/{strange}-][^{strange}]*[^/.{strange}])$");
    let key = "^\\s*(ssh-(ed25519|rsa)|ecdsa-sha2-nistp(256|384)|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\\.com)\\s";
    for (place, keyword, value) in [
        ("SourceSpec/properties/url", "pattern", json!(url)),
        ("SourceSpec/properties/ref", "pattern", json!(reference)),
        (
            "SourceSpec/properties/ref",
            "not",
            json!({"type": "string", "pattern": "\\.\\."}),
        ),
        (
            "SourceSpec/properties/path",
            "pattern",
            json!("^[^\\\\\\u0000]*$"),
        ),
        (
            "SourceSpec/properties/path",
            "not",
            json!({"type": "string", "pattern": "(^|/)\\.\\.(/|$)"}),
        ),
        (
            "SourceSpec/properties/ca",
            "pattern",
            json!("-----BEGIN CERTIFICATE-----"),
        ),
        ("Verify/properties/sshKeys", "minItems", json!(1)),
        ("Verify/properties/sshKeys/items", "pattern", json!(key)),
    ] {
        put(schema, &format!("/$defs/{place}"), keyword, value);
    }
}
