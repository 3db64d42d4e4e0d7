//! What an editor needs: every field of every schema says what it means, what it is when it is
//! left out, how it is written and how much it may be.

use serde_json::Value;

use super::of;
use crate::api::Version;
use crate::names::{KIND, KIND_SOURCE};

/// A walk through a schema, and what it found missing.
struct Walk<'s> {
    schema: &'s Value,
    missing: Vec<String>,
    seen: usize,
}

impl<'s> Walk<'s> {
    /// The forms of a place, through references; null is none.
    fn forms(&self, place: &'s Value) -> Vec<&'s Value> {
        if let Some(name) = place["$ref"].as_str() {
            return self.forms(&self.schema["$defs"][name.trim_start_matches("#/$defs/")]);
        }
        let many = place["anyOf"].as_array().or(place["oneOf"].as_array());
        match many {
            Some(forms) => forms.iter().flat_map(|form| self.forms(form)).collect(),
            None if place["type"] == "null" => Vec::new(),
            None => vec![place],
        }
    }

    fn object(&mut self, path: &str, object: &'s Value) {
        let required = object["required"].as_array();
        for (name, field) in object["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{name}");
            let is_required = required.is_some_and(|names| names.iter().any(|n| n == name));
            self.field(&path, field, is_required);
        }
    }

    fn field(&mut self, path: &str, field: &'s Value, is_required: bool) {
        self.seen += 1;
        let description = field["description"].as_str().unwrap_or_default();
        let mut miss = |what: &str| self.missing.push(format!("{path} has no {what}"));
        if !description.ends_with('.') {
            miss("description that is a sentence");
        }
        let is_read_only = field["readOnly"] == true;
        let says_so = description.contains("Omitted: ");
        if !(is_required || is_read_only || says_so || !field["default"].is_null()) {
            miss("default, and does not say what it is without one");
        }
        if path == ".status" {
            return self.status(path, field);
        }
        for form in self.forms(field) {
            self.form(path, field, form, is_read_only);
        }
    }

    /// One form of a field's value, or of the items of a list.
    fn form(&mut self, path: &str, field: &'s Value, form: &'s Value, is_read_only: bool) {
        let of_type = form["type"].to_string();
        let is = |kind: &str| of_type.contains(&format!("\"{kind}\""));
        let has = |key: &str| [field, form].iter().any(|place| place.get(key).is_some());
        let mut miss = |what: &str| self.missing.push(format!("{path} has no {what}"));
        let is_word = form.get("const").is_some();
        if is("string") && !is_word && !is_read_only {
            if !has("pattern") {
                miss("grammar");
            }
            if !has("examples") {
                miss("example");
            }
        }
        if is_word && form["description"].is_null() && !has("description") {
            miss("meaning of a word");
        }
        if (is("integer") || is("number")) && !is_read_only && !(has("minimum") && has("maximum")) {
            miss("limits");
        }
        let is_map = is("object") && form.get("properties").is_none();
        let is_told = path.ends_with(".options") || has("examples") && has("propertyNames");
        if is_map && !is_told {
            miss("example or grammar of its keys");
        }
        if is("array") {
            for item in self.forms(&form["items"]) {
                self.form(&format!("{path}[]"), field, item, is_read_only);
            }
        }
        self.object(path, form);
    }

    /// What the operator writes is told, and never written by hand.
    fn status(&mut self, path: &str, field: &'s Value) {
        for form in self.forms(field) {
            for (name, field) in form["properties"].as_object().into_iter().flatten() {
                let path = format!("{path}.{name}");
                self.seen += 1;
                if field["description"].is_null() {
                    self.missing.push(format!("{path} has no description"));
                }
                for form in self.forms(field) {
                    self.status(&path, form);
                    self.status(&path, &form["items"]);
                }
            }
        }
    }
}

#[test]
fn every_field_of_every_schema_is_told_whole() {
    for (kind, fields) in [(KIND, 110), (KIND_SOURCE, 30)] {
        for version in Version::ALL {
            let schema = of(kind, version);
            let mut walk = Walk {
                schema: &schema,
                missing: Vec::new(),
                seen: 0,
            };
            walk.object("", &schema);
            assert_eq!(walk.missing, Vec::<String>::new(), "{kind} {version}");
            assert!(
                walk.seen >= fields,
                "{kind} {version}: {} fields",
                walk.seen
            );
        }
    }
}

#[test]
fn what_is_missing_is_found() {
    let mut schema = of(KIND, Version::NEWEST);
    for (pointer, keyword) in [
        ("/$defs/Proxy/properties/image", "examples"),
        ("/$defs/Proxy/properties/env", "default"),
        ("/$defs/Drain", "properties"),
        ("/$defs/Update/properties/parallelism", "maximum"),
        ("/$defs/RouteCounts/properties/total", "description"),
    ] {
        let place = schema
            .pointer_mut(pointer)
            .unwrap()
            .as_object_mut()
            .unwrap();
        place.shift_remove(keyword).unwrap();
    }
    let mut walk = Walk {
        schema: &schema,
        missing: Vec::new(),
        seen: 0,
    };
    walk.object("", &schema);
    assert_eq!(
        walk.missing,
        [
            ".spec.proxy.image has no example",
            ".spec.proxy.drain has no example or grammar of its keys",
            ".spec.proxy.update.parallelism has no limits",
            ".spec.proxy.env has no default, and does not say what it is without one",
            ".status.routes.total has no description",
        ]
    );
}
