//! The schema of the newest version as that of an older one, by the table of what was moved.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::put;
use crate::api::Version;
use crate::api::version::{Move, common, down, shift};

/// Turns the schema of a kind in the newest version into that of another one.
pub fn lower(schema: &mut Value, kind: &str, version: Version) {
    for one in down(kind, version) {
        shift_field(schema, one);
    }
    without_unused(schema);
    let at = "/properties/apiVersion";
    put(schema, at, "const", json!(version.text()));
    let meaning = format!("Always `{version}`.");
    put(schema, at, "description", json!(meaning));
}

fn shift_field(schema: &mut Value, one: &Move) {
    let new: Vec<&str> = one.new.split('.').collect();
    let old: Vec<&str> = one.old.split('.').collect();
    let shared = common(&new, &old);
    defaults(schema, &new, &old, shared);
    let Some((last, above)) = old.split_last() else {
        return;
    };
    let Some(at) = section(schema, above) else {
        return;
    };
    // Where the section that it stood in is, as documents have it; else at the end.
    let born = one.born.rsplit('.').next().unwrap_or_default();
    let place = fields(schema, &at).and_then(|all| all.keys().position(|name| name == born));
    let field = pluck(schema, "", &new);
    if let (Some(field), Some(all)) = (field, fields(schema, &at)) {
        let place = place.unwrap_or(all.len()).min(all.len());
        all.shift_insert(place, (*last).to_owned(), field);
    }
}

/// Moves the field in the defaults of the sections that both places have in common.
fn defaults(schema: &mut Value, new: &[&str], old: &[&str], shared: usize) {
    for end in 1..=shared {
        let Some((last, above)) = new[..end].split_last() else {
            continue;
        };
        let Some(at) = section(schema, above) else {
            return;
        };
        let default = format!("{at}/properties/{last}/default");
        if let Some(default) = schema.pointer_mut(&default) {
            shift(default, &new[end..].join("."), &old[end..].join("."));
        }
    }
}

/// Takes a field out, and the sections that are empty without it.
fn pluck(schema: &mut Value, at: &str, path: &[&str]) -> Option<Value> {
    let (key, rest) = path.split_first()?;
    if rest.is_empty() {
        return fields(schema, at)?.shift_remove(*key);
    }
    let below = resolved(schema, &format!("{at}/properties/{key}"))?;
    let taken = pluck(schema, &below, rest)?;
    if fields(schema, &below).is_some_and(|fields| fields.is_empty()) {
        fields(schema, at)?.shift_remove(*key);
    }
    Some(taken)
}

/// The pointer to the section at a path.
fn section(schema: &Value, path: &[&str]) -> Option<String> {
    path.iter().try_fold(String::new(), |at, key| {
        resolved(schema, &format!("{at}/properties/{key}"))
    })
}

/// The pointer to what stands at a pointer, or is referred to there.
fn resolved(schema: &Value, pointer: &str) -> Option<String> {
    let place = schema.pointer(pointer)?;
    let referred = place.get("$ref").and_then(Value::as_str);
    let referred = referred.map(|name| name.trim_start_matches('#').to_owned());
    Some(referred.unwrap_or_else(|| pointer.to_owned()))
}

fn fields<'a>(schema: &'a mut Value, at: &str) -> Option<&'a mut Map<String, Value>> {
    schema
        .pointer_mut(&format!("{at}/properties"))?
        .as_object_mut()
}

/// Drops the definitions that nothing refers to any more.
fn without_unused(schema: &mut Value) {
    fn references(place: &Value, found: &mut BTreeSet<String>) {
        match place {
            Value::Object(map) => {
                if let Some(name) = map.get("$ref").and_then(Value::as_str) {
                    found.insert(name.trim_start_matches("#/$defs/").to_owned());
                }
                map.values().for_each(|value| references(value, found));
            }
            Value::Array(list) => list.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let mut used = BTreeSet::new();
    references(schema, &mut used);
    if let Some(Value::Object(definitions)) = schema.get_mut("$defs") {
        definitions.retain(|name, _| used.contains(name));
    }
}
