//! What a field means, from the schema: for `skep explain`.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::near::{moved, unknown};
use super::reference::{Page, join, one_line};

/// How wide a text is broken.
const WIDTH: usize = 78;

/// What stands at a path of a manifest, for people. `path` may be empty. Fails with what there is
/// instead, and the nearest name.
pub fn explain(schema: &Value, path: &str, recursive: bool) -> Result<String, String> {
    let page = Page::of(schema);
    let (plain, place) = find(&page, schema, path)?;
    let mut text = String::new();
    let title = |key: &str| schema.pointer(&format!("/properties/{key}/const"));
    for (head, key) in [("KIND", "kind"), ("VERSION", "apiVersion")] {
        if let Some(value) = title(key).and_then(Value::as_str) {
            let _ = writeln!(text, "{:<10}{value}", format!("{head}:"));
        }
    }
    if !plain.is_empty() {
        let _ = writeln!(text, "{:<10}{plain}", "FIELD:");
        facts(&page, &place, &mut text);
    }
    let meaning = page.text_of(&place, "description");
    if !meaning.is_empty() {
        let _ = write!(text, "\n{}", broken(&meaning, ""));
    }
    values(&page, &place, &mut text);
    let fields = page.inner("", &place);
    if !fields.is_empty() {
        text.push_str("\nFIELDS:\n");
    }
    for (_, object) in fields {
        list(&page, &object, "  ", recursive, &mut text);
    }
    Ok(text)
}

/// Type, default, limits and examples.
fn facts(page: &Page, place: &Value, text: &mut String) {
    let mut line = |head: &str, value: &str| {
        if !value.is_empty() {
            let _ = writeln!(text, "{:<10}{value}", format!("{head}:"));
        }
    };
    line("TYPE", &page.type_of(place).replace('`', ""));
    if place.get("description").is_some() && page.inner("", place).is_empty() {
        line("FORM", &page.form_of(place));
    }
    line("DEFAULT", &default(place));
    let mut forms = page.forms(place);
    // A limit of the field itself stands beside the type that it refers to.
    let is_referred = place.get("anyOf").is_some() || place.get("$ref").is_some();
    if is_referred {
        forms.push(place);
    }
    let mut told: Vec<&str> = Vec::new();
    for form in forms.into_iter().rev() {
        for (head, key) in [
            ("AT LEAST", "minimum"),
            ("AT MOST", "maximum"),
            ("PATTERN", "pattern"),
        ] {
            // Of two patterns that of the type says more.
            let is_narrower = key == "pattern" && std::ptr::eq(form, place) && is_referred;
            let limit = form
                .get(key)
                .filter(|_| !is_narrower && !told.contains(&key));
            let Some(limit) = limit else {
                continue;
            };
            told.push(key);
            let text = limit
                .as_str()
                .map_or_else(|| limit.to_string(), str::to_owned);
            line(head, &text);
        }
    }
    if place.get("readOnly").is_some() {
        line("WRITTEN", "by the operator only");
    }
    line("EXAMPLES", &examples(page, place));
}

fn default(place: &Value) -> String {
    match place.get("default") {
        None | Some(Value::Null) => String::new(),
        Some(Value::Object(map)) if map.is_empty() && place.get("$ref").is_none() => {
            "{}".to_owned()
        }
        Some(Value::Object(_)) => "that of its fields".to_owned(),
        Some(Value::String(text)) if text.is_empty() => "\"\"".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn examples(page: &Page, place: &Value) -> String {
    let mut own = [place].into_iter().chain(page.forms(place));
    let all = own.find_map(|form| form.get("examples")?.as_array());
    let shown: Vec<String> = all
        .into_iter()
        .flatten()
        .map(|example| match example {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        })
        .collect();
    shown.join(", ")
}

/// The words that a field may have, with what each means.
fn values(page: &Page, place: &Value, text: &mut String) {
    let forms = page.forms(place);
    // Those of a list's items too.
    let items = forms.iter().filter_map(|form| form.get("items"));
    let items: Vec<&Value> = items.flat_map(|items| page.forms(items)).collect();
    let words: Vec<(&str, String)> = forms
        .iter()
        .chain(&items)
        .filter_map(|form| {
            Some((
                form.get("const")?.as_str()?,
                page.text_of(form, "description"),
            ))
        })
        .collect();
    if words.len() < 2 {
        return;
    }
    text.push_str("\nVALUES:\n");
    let width = words.iter().map(|(word, _)| word.len()).max().unwrap_or(0);
    for (word, meaning) in words {
        let _ = writeln!(text, "  {word:width$}  {meaning}");
    }
}

/// The fields of an object, each with its type and its meaning.
fn list(page: &Page, object: &Map<String, Value>, indent: &str, deep: bool, text: &mut String) {
    let Some(Value::Object(fields)) = object.get("properties") else {
        return;
    };
    let required = object.get("required").and_then(Value::as_array);
    for (name, field) in fields {
        let kind = page.type_of(field).replace('`', "");
        let mut notes = vec![kind];
        if required.is_some_and(|names| names.iter().any(|n| n == name)) {
            notes.push("required".to_owned());
        }
        match default(field) {
            default if default.is_empty() || default.starts_with("that of") => {}
            default => notes.push(format!("default {default}")),
        }
        let _ = writeln!(text, "{indent}{name} <{}>", notes.join("; "));
        let below = format!("{indent}  ");
        if deep {
            for (_, object) in page.inner("", field) {
                list(page, &object, &below, deep, text);
            }
        } else {
            text.push_str(&broken(&page.text_of(field, "description"), &below));
            text.push('\n');
        }
    }
    if !deep {
        // The last blank line.
        text.pop();
    }
}

/// Goes down a path: `spec.networks[0].name`, with or without places in lists.
fn find(page: &Page, schema: &Value, path: &str) -> Result<(String, Value), String> {
    let mut place = schema.clone();
    let mut plain = String::new();
    let words = path.split('.').filter(|word| !word.is_empty());
    let names: Vec<&str> = words.filter_map(|word| word.split('[').next()).collect();
    for (n, name) in names.iter().copied().enumerate() {
        let objects = page.inner("", &place);
        let fields = |object: &Map<String, Value>| object.get("properties").cloned();
        let mut next = None;
        let mut known: Vec<String> = Vec::new();
        for (_, object) in &objects {
            if let Some(Value::Object(fields)) = fields(object) {
                next = next.or_else(|| fields.get(name).cloned());
                known.extend(fields.keys().cloned());
            }
        }
        let Some(next) = next else {
            let fault = moved(schema, &names.join("."));
            let rest = &names[n + 1..];
            return Err(fault.unwrap_or_else(|| unknown(page, schema, &plain, name, rest, &known)));
        };
        plain = join(&plain, name);
        place = next;
    }
    Ok((plain, place))
}

/// The paths of all fields.
pub(super) fn paths(page: &Page, place: &Value, at: &str, all: &mut Vec<String>) {
    for (_, object) in page.inner("", place) {
        if let Some(Value::Object(fields)) = object.get("properties") {
            for (name, field) in fields {
                let path = join(at, name);
                all.push(path.clone());
                paths(page, field, &path, all);
            }
        }
    }
}

/// The paths of all fields of a schema, for completion.
#[must_use]
pub fn fields(schema: &Value) -> Vec<String> {
    let mut all = Vec::new();
    paths(&Page::of(schema), schema, "", &mut all);
    all
}

/// A text in lines of bearable length.
fn broken(text: &str, indent: &str) -> String {
    let mut out = String::new();
    let mut line = String::from(indent);
    for word in one_line(text).split(' ') {
        if line.len() > indent.len() && line.len() + 1 + word.len() > WIDTH {
            let _ = writeln!(out, "{line}");
            line = String::from(indent);
        }
        if line.len() > indent.len() {
            line.push(' ');
        }
        line.push_str(word);
    }
    let _ = writeln!(out, "{line}");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::schema::{of, service_cluster};
    use crate::api::version::Version;
    use crate::names;

    fn told(path: &str) -> String {
        explain(&service_cluster(), path, false).unwrap()
    }

    fn fault(path: &str) -> String {
        explain(&service_cluster(), path, false).unwrap_err()
    }

    #[test]
    fn a_field_is_told_with_its_values_and_its_default() {
        insta::assert_snapshot!(told("spec.proxy.publish.mode"));
    }

    #[test]
    fn a_time_is_told_with_its_grammar_and_its_most() {
        let told = told("spec.traffic.timeouts.connect");
        assert!(told.contains("PATTERN:  ^([0-9]{1,12}ms|"), "{told}");
        assert!(told.contains("at most 87600h"), "{told}");
        let memory = super::explain(
            &service_cluster(),
            "spec.proxy.resources.limits.memory",
            false,
        );
        assert!(memory.unwrap().contains("AT LEAST: 6291456\n"));
    }

    #[test]
    fn a_section_lists_its_fields() {
        insta::assert_snapshot!(told("spec.proxy.drain"));
    }

    #[test]
    fn lists_and_the_status_can_be_asked_for() {
        assert!(told("spec.networks[0].create.subnet").contains("10.7.0.0/24"));
        assert!(told("spec.networks.name").contains("FIELD:    spec.networks.name"));
        assert!(told("spec.placement.nodes.matchLabels").contains("map of strings"));
        assert!(told("status.conditions.lastTransitionTime").contains("RFC 3339"));
        assert!(told("").contains("metadata <"));
    }

    #[test]
    fn everything_is_listed_when_asked_for() {
        let all = explain(&service_cluster(), "spec", true).unwrap();
        assert!(
            all.contains("\n      mode <host or ingress or none; default host>"),
            "{all}"
        );
        assert!(all.lines().count() > 50);
    }

    #[test]
    fn a_wrong_name_is_answered_with_the_nearest_one() {
        assert_eq!(
            fault("spec.proxy.publish.mod"),
            "spec.proxy.publish has no field `mod`; did you mean `spec.proxy.publish.mode`?"
        );
        assert_eq!(
            fault("spec.publish"),
            "spec has no field `publish`; did you mean `spec.proxy.publish`?"
        );
        assert!(fault("spec.xyz").contains("there are default, networks"));
        assert!(fault("spec.proxy.mode.x").contains("has no fields below it"));
    }

    #[test]
    fn a_wrong_section_does_not_hide_what_was_meant_below_it() {
        assert_eq!(
            fault("spec.trafic.tls.cipherSuits"),
            "spec has no field `trafic`; did you mean `spec.traffic.tls.cipherSuites`?"
        );
        assert_eq!(
            fault("Spec.Proxy"),
            "the resource has no field `Spec`; did you mean `spec.proxy`?"
        );
        assert_eq!(
            fault("spec.IMAGE"),
            "spec has no field `IMAGE`; did you mean `spec.proxy.image`?"
        );
    }

    #[test]
    fn a_field_that_moved_is_told_where_it_went() {
        assert_eq!(
            fault("spec.traffic.connectTimeout"),
            "skep.dev/v1 has no field `spec.traffic.connectTimeout`: `spec.traffic.connectTimeout` of other versions is `spec.traffic.timeouts.connect` (`--api-version v1alpha1` explains it there)"
        );
        let old = of(names::KIND, Version::V1Alpha1);
        let fault = |path: &str| explain(&old, path, false).unwrap_err();
        assert!(fault("spec.traffic.timeouts.idle").contains(
            "`spec.traffic.timeouts.idle` of other versions is `spec.traffic.idleTimeout`"
        ));
        let section = fault("spec.traffic.timeouts");
        for word in [
            "connectTimeout",
            "requestTimeout",
            "idleTimeout",
            "`--api-version v1`",
        ] {
            assert!(section.contains(word), "{section}");
        }
    }

    #[test]
    fn every_field_can_be_explained() {
        let schema = service_cluster();
        let all = fields(&schema);
        assert!(all.len() > 90, "{}", all.len());
        for path in all {
            explain(&schema, &path, false).unwrap();
        }
    }
}
