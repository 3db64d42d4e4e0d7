//! Parser and schema say yes and no to the same documents: good ones, and each of them with one
//! value changed, one field added or one taken away.

mod documents;

use std::sync::LazyLock;

use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::{Value, json};

use documents::{CLUSTERS, SOURCES, pool};

use super::of;
use crate::api::Version;
use crate::api::parse::{converted, manifests, yaml};
use crate::names::{KIND, KIND_SOURCE};

/// What the parser refuses and a schema has no words for: the fault says it, and why it is so.
const BEYOND: [(&str, &str); 22] = [
    (
        "is not between",
        "an amount with a unit: a schema counts its digits only",
    ),
    ("is too long: write at most", "the same"),
    ("is too much: write at most", "the same"),
    (
        "is not a number of processors",
        "a number with more than nine decimals",
    ),
    (
        "is listed twice",
        "the same by another spelling, or in one field of several",
    ),
    ("shorter than drain.timeout", "two fields"),
    ("longer than drain.timeout", "two fields"),
    ("the same as http", "two fields"),
    ("publishes no port", "several fields"),
    ("is used by Swarm itself", "not with mode none"),
    ("means nothing with mode global", "two fields"),
    ("do not fit on", "several fields"),
    ("start-first cannot work", "several fields"),
    ("is more than limits.", "two fields"),
    ("and no label is given", "two fields"),
    ("has no suite of TLS 1.3", "two fields"),
    ("has bits behind its", "arithmetic"),
    ("is no public key of SSH", "a key is decoded"),
    ("is a broken or cut off", "a key is decoded"),
    ("its name is longer than", "a part of a text has a length"),
    ("it is an id", "an image by its digits"),
    ("is not a host name", "a part of a text has a length"),
];

/// Amounts that are written with a unit.
const UNITS: [&str; 3] = [".cpus", ".memory", "interval"];

/// What a schema tells of and the parser never reads: written by Skep itself.
const UNREAD: [&str; 3] = [
    "/status",
    "/metadata/generation",
    "/metadata/creationTimestamp",
];

/// The pointers of everything in a document.
fn pointers(value: &Value, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    let below: Vec<(String, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(k, v)| (k.clone(), v)).collect(),
        Value::Array(list) => list
            .iter()
            .enumerate()
            .map(|(n, v)| (n.to_string(), v))
            .collect(),
        _ => Vec::new(),
    };
    for (key, value) in below {
        let key = key.replace('~', "~0").replace('/', "~1");
        pointers(value, &format!("{at}/{key}"), all);
    }
}

/// The document with one place changed in each way that its shape has.
fn reshaped(document: &Value, at: &str) -> Vec<Value> {
    let mut all = Vec::new();
    let mut with = |change: &dyn Fn(&mut Value)| {
        let mut changed = document.clone();
        if let Some(place) = changed.pointer_mut(at) {
            change(place);
            all.push(changed);
        }
    };
    match document.pointer(at) {
        Some(Value::Object(map)) => {
            for key in map.keys() {
                with(&|place| {
                    place.as_object_mut().unwrap().shift_remove(key);
                });
                with(&|place| {
                    let map = place.as_object_mut().unwrap();
                    let value = map.shift_remove(key).unwrap();
                    map.insert(key.to_uppercase(), value);
                });
            }
            for (key, value) in [
                ("unknown", json!(1)),
                ("empty", json!(null)),
                ("Text", json!("x")),
            ] {
                with(&|place| place[key] = value.clone());
            }
        }
        Some(Value::Array(list)) => {
            for item in list.iter().chain([&json!(null)]) {
                with(&|place| place.as_array_mut().unwrap().push(item.clone()));
            }
        }
        _ => {}
    }
    all
}

/// How parser and schema differ about a document beyond what they may.
fn difference(validator: &Validator, document: &Value) -> Option<String> {
    let text = yaml(document);
    let faults = manifests("", &text).faults;
    let is_valid = validator.is_valid(document);
    if is_valid && faults.is_empty() || !is_valid && !faults.is_empty() {
        return None;
    }
    if is_valid {
        let unsaid = faults.iter().find(|fault| {
            let known = BEYOND.iter();
            // An amount without a unit is a number in the schema too, with its limits.
            let has_unit = UNITS.iter().any(|field| fault.path.contains(field));
            !known
                .into_iter()
                .filter(|(said, _)| *said != "is not between" || has_unit)
                .any(|(said, _)| fault.message.contains(said))
        });
        return unsaid.map(|fault| format!("only the parser refuses: {fault}"));
    }
    let is_read = |place: &str| !UNREAD.iter().any(|known| place.starts_with(known));
    let mut refused = validator.iter_errors(document);
    let first = refused.find(|error| is_read(error.instance_path().as_str()))?;
    let mut said = first.to_string();
    if let Some((end, _)) = said.char_indices().nth(200) {
        said.truncate(end);
    }
    Some(format!(
        "only the schema refuses: {}: {said}",
        first.instance_path()
    ))
}

fn validator(kind: &str, version: Version) -> Validator {
    jsonschema::validator_for(&of(kind, version)).unwrap()
}

/// Every good document in a version.
fn good(texts: &[&str], version: Version) -> Vec<Value> {
    let moved = texts.iter().flat_map(|text| converted(text, version));
    moved
        .map(|text| serde_saphyr::from_str(&text).unwrap())
        .collect()
}

/// The document without the sections that a place is not in, when it is good without them: a
/// shorter one is read sooner.
fn around(document: &Value, at: &str) -> Value {
    let mut short = document.clone();
    let inner = at.strip_prefix("/spec/").unwrap_or_default();
    let section = inner.split('/').next().unwrap_or_default();
    if let Some(Value::Object(spec)) = short.get_mut("spec")
        && inner.contains('/')
    {
        spec.retain(|name, _| name == section);
    }
    let is_good = manifests("", &yaml(&short)).faults.is_empty();
    if is_good { short } else { document.clone() }
}

fn agree(kind: &str, version: Version, texts: &[&str]) -> usize {
    let validator = validator(kind, version);
    let (pool, mut told, mut asked) = (pool(), Vec::new(), 0);
    for document in good(texts, version) {
        assert_eq!(manifests("", &yaml(&document)).faults, []);
        let refused: Vec<String> = validator
            .iter_errors(&document)
            .map(|e| e.to_string())
            .collect();
        assert_eq!(refused, Vec::<String>::new());
        let mut places = Vec::new();
        pointers(&document, "", &mut places);
        for at in places {
            let document = around(&document, &at);
            let mut changed = reshaped(&document, &at);
            let is_text = document.pointer(&at).is_some_and(Value::is_string);
            // Where no text stands, one that is a number and one that is none are enough.
            let fits = |value: &&Value| {
                let few = ["x", "5", ""].map(Value::from);
                !value.is_string() || is_text || few.contains(value)
            };
            for value in pool.iter().filter(|_| !at.is_empty()).filter(fits) {
                let mut one = document.clone();
                *one.pointer_mut(&at).unwrap() = value.clone();
                changed.push(one);
            }
            for one in changed {
                asked += 1;
                if let Some(difference) = difference(&validator, &one) {
                    let value = one.pointer(&at).unwrap_or(&Value::Null);
                    told.push(format!("{version} {at} = {value}: {difference}"));
                }
            }
        }
    }
    let shown: Vec<&String> = told.iter().take(40).collect();
    assert!(told.is_empty(), "{} differ: {shown:#?}", told.len());
    asked
}

#[test]
fn parser_and_schema_agree_about_every_change_of_a_service_cluster() {
    let asked = agree(KIND, Version::V1, &CLUSTERS);
    assert!(asked > 5_000, "{asked}");
}

#[test]
fn parser_and_schema_agree_about_every_change_of_an_older_service_cluster() {
    // What differs is in one section; the others are those of the newest version.
    let texts = [
        "{apiVersion: skep.dev/v1, kind: ServiceCluster, metadata: {name: a}, spec: {traffic: {timeouts: {connect: 5s, request: 60s, idle: 300s}, trustedHops: 1}}}",
    ];
    let asked = agree(KIND, Version::V1Alpha1, &texts);
    assert!(asked > 900, "{asked}");
}

#[test]
fn parser_and_schema_agree_about_every_change_of_a_source() {
    for version in Version::ALL {
        let asked = agree(KIND_SOURCE, version, &SOURCES);
        assert!(asked > 2_000, "{asked}");
    }
}

static VALIDATORS: LazyLock<[Validator; 2]> =
    LazyLock::new(|| Version::ALL.map(|version| validator(KIND, version)));

proptest! {
    /// Two changes at once, in any version.
    #[test]
    fn parser_and_schema_agree_about_any_two_changes(
        is_old in any::<bool>(), of in 0..3_usize, places in any::<[prop::sample::Index; 2]>(),
        values in any::<[prop::sample::Index; 2]>(),
    ) {
        let version = if is_old { Version::V1Alpha1 } else { Version::V1 };
        let mut document = good(&CLUSTERS, version)[of].clone();
        let pool = pool();
        for (place, value) in places.iter().zip(&values) {
            let mut all = Vec::new();
            pointers(&document, "", &mut all);
            let at = place.get(&all);
            if !at.is_empty() {
                *document.pointer_mut(at).unwrap() = value.get(&pool).clone();
            }
        }
        let validator = &VALIDATORS[usize::from(!is_old)];
        prop_assert_eq!(difference(validator, &document), None, "{}", yaml(&document));
    }
}
