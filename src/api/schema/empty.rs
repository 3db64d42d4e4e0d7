//! An empty section, or a field with nothing behind its colon, counts as left out: the schema
//! takes `null` wherever a field may be left out.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::api::parse::STRICT;

/// Lets every field be null that a manifest may leave out.
pub fn allow(schema: &mut Value) {
    let mut uses = BTreeMap::new();
    count(schema, &mut uses);
    let mut optional = Vec::new();
    fields(schema, &mut uses, &mut optional);
    let Some(Value::Object(definitions)) = schema.get_mut("$defs") else {
        return;
    };
    for definition in definitions.values_mut() {
        // What only the operator writes has unknown fields too, and is never empty.
        if definition.get("additionalProperties") == Some(&Value::Bool(false)) {
            fields(definition, &mut uses, &mut optional);
        }
    }
    for name in optional {
        // A definition that nothing else uses may be null itself, so that a fault below it is told
        // at its place.
        let is_free = uses.get(&name) == Some(&0);
        if let Some(Value::Object(definition)) = schema
            .get_mut("$defs")
            .and_then(|all| all.get_mut(&name))
            .filter(|_| is_free)
        {
            or_null(definition);
        }
    }
    referred_or_null(schema);
}

/// How often each definition is referred to.
fn count(place: &Value, uses: &mut BTreeMap<String, usize>) {
    match place {
        Value::Object(map) => {
            if let Some(name) = referred(map) {
                *uses.entry(name).or_default() += 1;
            }
            map.values().for_each(|value| count(value, uses));
        }
        Value::Array(list) => list.iter().for_each(|value| count(value, uses)),
        _ => {}
    }
}

fn referred(place: &Map<String, Value>) -> Option<String> {
    let name = place.get("$ref")?.as_str()?;
    Some(name.trim_start_matches("#/$defs/").to_owned())
}

/// Marks a reference that may be null, until all of them are known.
const MARK: &str = "x-null";

fn fields(object: &mut Value, uses: &mut BTreeMap<String, usize>, optional: &mut Vec<String>) {
    let required = object.get("required").cloned().unwrap_or_default();
    let is_required = |name: &str| {
        let names = required.as_array();
        names.is_some_and(|names| names.iter().any(|known| known == name))
    };
    let Some(Value::Object(fields)) = object.get_mut("properties") else {
        return;
    };
    for (name, field) in fields {
        let Value::Object(field) = field else {
            continue;
        };
        if is_required(name) || STRICT.contains(&name.as_str()) {
            continue;
        }
        if let Some(name) = referred(field) {
            if let Some(others) = uses.get_mut(&name) {
                *others -= 1;
            }
            if !optional.contains(&name) {
                optional.push(name);
            }
            field.insert(MARK.to_owned(), json!(true));
        } else {
            or_null(field);
        }
    }
}

/// Where the definition itself cannot be null, the reference can.
fn referred_or_null(schema: &mut Value) {
    let definitions = schema.get("$defs").cloned().unwrap_or_default();
    change(schema, &|field| {
        if field.shift_remove(MARK).is_none() {
            return;
        }
        let definition = referred(field).and_then(|name| definitions.get(&name));
        if definition.is_some_and(takes_null) {
            return;
        }
        if let Some(referred) = field.shift_remove("$ref") {
            let forms = json!([{"$ref": referred}, {"type": "null"}]);
            field.shift_insert(0, "anyOf".to_owned(), forms);
        }
    });
}

fn change(place: &mut Value, with: &impl Fn(&mut Map<String, Value>)) {
    match place {
        Value::Object(map) => {
            with(map);
            map.values_mut().for_each(|value| change(value, with));
        }
        Value::Array(list) => list.iter_mut().for_each(|value| change(value, with)),
        _ => {}
    }
}

fn takes_null(definition: &Value) -> bool {
    let null = json!("null");
    let forms = ["anyOf", "oneOf"]
        .iter()
        .find_map(|key| definition.get(*key)?.as_array());
    match forms {
        Some(forms) => forms.iter().any(|form| form.get("type") == Some(&null)),
        None => definition
            .get("type")
            .and_then(Value::as_array)
            .is_some_and(|types| types.contains(&null)),
    }
}

fn or_null(place: &mut Map<String, Value>) {
    let nothing = json!({"type": "null"});
    for key in ["anyOf", "oneOf"] {
        if let Some(Value::Array(forms)) = place.get_mut(key) {
            if !forms.contains(&nothing) {
                forms.push(nothing);
            }
            return;
        }
    }
    if let Some(kind) = place.get_mut("type") {
        match kind {
            Value::String(one) => *kind = json!([one, "null"]),
            Value::Array(many) if !many.contains(&json!("null")) => many.push(json!("null")),
            _ => {}
        }
    }
}
