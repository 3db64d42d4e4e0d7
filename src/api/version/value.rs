//! Documents without positions, from the newest version to older ones.

use serde_json::{Map, Value};

use super::{Move, Version, common, down};
use crate::api::parse::Manifest;

/// A resource as a document of a version.
#[must_use]
pub fn document(resource: &impl Manifest, version: Version) -> Value {
    // Every field of the types is a text, a number, a boolean, a list or a map with text keys.
    let mut value = serde_json::to_value(resource).unwrap_or_else(|_| Value::Object(Map::new()));
    lower(&mut value, version);
    value
}

/// Turns a document of the newest version into one of another. What is no document stays as it is.
pub fn lower(value: &mut Value, to: Version) {
    let kind = value.get("kind").and_then(Value::as_str);
    let Some(kind) = kind.map(str::to_owned) else {
        return;
    };
    for one in down(&kind, to) {
        shift(value, one.new, one.old);
    }
    for one in down(&kind, to) {
        without_empty(value, one);
    }
    if let Some(version) = value.get_mut("apiVersion") {
        *version = Value::from(to.text());
    }
}

/// Moves what stands at a path to another one, to the same place among its neighbours.
pub fn shift(value: &mut Value, from: &str, to: &str) {
    let (from, to): (Vec<&str>, Vec<&str>) = (from.split('.').collect(), to.split('.').collect());
    let shared = common(&from, &to);
    if let Some((at, taken)) = take(value, &from, shared) {
        put(value, &to, shared, at, taken);
    }
}

/// Takes out what stands at a path, and the sections that it leaves empty; and where in the map
/// at the first `shared` keys it was.
fn take(value: &mut Value, path: &[&str], shared: usize) -> Option<(usize, Value)> {
    let mut section = value;
    for key in &path[..shared] {
        section = section.get_mut(*key)?;
    }
    let map = section.as_object_mut()?;
    let at = map.keys().position(|key| key == path[shared])?;
    Some((at, pluck(map, &path[shared..])?))
}

fn pluck(map: &mut Map<String, Value>, path: &[&str]) -> Option<Value> {
    let (key, rest) = path.split_first()?;
    if rest.is_empty() {
        return map.shift_remove(*key);
    }
    let section = map.get_mut(*key)?.as_object_mut()?;
    let taken = pluck(section, rest)?;
    if section.is_empty() {
        map.shift_remove(*key);
    }
    Some(taken)
}

/// Puts a value at a path, into the map at its first `shared` keys as the entry `at`.
fn put(value: &mut Value, path: &[&str], shared: usize, at: usize, taken: Value) {
    let mut section = value;
    for key in &path[..shared] {
        match section.get_mut(*key) {
            Some(next) => section = next,
            None => return,
        }
    }
    let Some(map) = section.as_object_mut() else {
        return;
    };
    let at = at.min(map.len());
    if path.len() == shared + 1 {
        map.shift_insert(at, path[shared].to_owned(), taken);
        return;
    }
    if !map.contains_key(path[shared]) {
        map.shift_insert(at, path[shared].to_owned(), Value::Object(Map::new()));
    }
    let below = map.get_mut(path[shared]);
    if let Some(below) = below {
        let end = below.as_object().map_or(0, Map::len);
        put(below, &path[shared + 1..], 0, end, taken);
    }
}

/// Takes out a section that a version does not have, when nothing is left in it.
fn without_empty(value: &mut Value, one: &Move) {
    let born: Vec<&str> = one.born.split('.').collect();
    let Some((last, above)) = born.split_last() else {
        return;
    };
    let section = above
        .iter()
        .try_fold(value, |section, key| section.get_mut(*key));
    let Some(map) = section.and_then(Value::as_object_mut) else {
        return;
    };
    let is_empty = |value: &Value| value.as_object().is_none_or(Map::is_empty);
    if map.get(*last).is_some_and(is_empty) {
        map.shift_remove(*last);
    }
}
