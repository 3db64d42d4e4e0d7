//! What a field means, from the schema: for `skep explain`.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::reference::{Page, join, one_line};
use crate::api::version::{self, Version};

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
    line("DEFAULT", &default(place));
    for form in page.forms(place) {
        for (head, key) in [("AT LEAST", "minimum"), ("AT MOST", "maximum")] {
            line(head, &form.get(key).map_or(String::new(), Value::to_string));
        }
        line(
            "PATTERN",
            form.get("pattern")
                .and_then(Value::as_str)
                .unwrap_or_default(),
        );
    }
    if place.get("readOnly").is_some() {
        line("WRITTEN", "by the operator only");
    }
    line("EXAMPLES", &examples(page, place));
}

fn default(place: &Value) -> String {
    match place.get("default") {
        None | Some(Value::Null) => String::new(),
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
    let words: Vec<(&str, String)> = forms
        .iter()
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

/// What is said of a field that only other versions have.
fn moved(schema: &Value, path: &str) -> Option<String> {
    let title = |key: &str| {
        schema
            .pointer(&format!("/properties/{key}/const"))?
            .as_str()
    };
    let version = Version::stated(title("apiVersion")?)?;
    let moves = version::moved(title("kind")?, version, path);
    if moves.is_empty() {
        return None;
    }
    let other = Version::ALL.into_iter().find(|known| *known != version)?;
    let places = moves
        .iter()
        .map(|(there, here)| format!("`{there}` of other versions is `{here}`"));
    let places = places.collect::<Vec<_>>().join("; ");
    Some(format!(
        "{version} has no field `{path}`: {places} (`--api-version {}` explains it as it was)",
        other.word()
    ))
}

/// How alike two names are, in whatever case; 0 when they are not.
fn likeness(a: &str, b: &str) -> f64 {
    let alike = strsim::jaro_winkler(&a.to_lowercase(), &b.to_lowercase());
    if alike > 0.8 { alike } else { 0.0 }
}

/// The word that is most like another one.
fn nearest<'w>(wanted: &str, words: impl IntoIterator<Item = &'w String>) -> Option<&'w String> {
    let scored = words
        .into_iter()
        .map(|word| (likeness(word, wanted), word))
        .filter(|(score, _)| *score > 0.0);
    Some(scored.max_by(|a, b| a.0.total_cmp(&b.0))?.1)
}

fn unknown(
    page: &Page,
    schema: &Value,
    at: &str,
    name: &str,
    rest: &[&str],
    known: &[String],
) -> String {
    let place = if at.is_empty() { "the resource" } else { at };
    if known.is_empty() {
        return format!("`{at}` has no fields below it, so no `{name}`");
    }
    let mut all = Vec::new();
    paths(page, schema, "", &mut all);
    if let Some(near) = nearest(name, known) {
        // What was asked for below it, as far as there is such a thing.
        let near = join(at, near);
        let wanted = rest
            .iter()
            .fold(near.clone(), |path, name| join(&path, name));
        let below = format!("{near}.");
        let inner = all
            .iter()
            .filter(|path| !rest.is_empty() && path.starts_with(&below));
        let near = nearest(&wanted, inner).unwrap_or(&near);
        return format!("{place} has no field `{name}`; did you mean `{near}`?");
    }
    let elsewhere: Vec<String> = all
        .into_iter()
        .filter(|path| {
            let last = path.rsplit('.').next().unwrap_or_default();
            last.eq_ignore_ascii_case(name)
        })
        .map(|path| format!("`{path}`"))
        .collect();
    if elsewhere.is_empty() {
        let known = known.join(", ");
        return format!("{place} has no field `{name}`; there are {known}");
    }
    let elsewhere = elsewhere.join(" or ");
    format!("{place} has no field `{name}`; did you mean {elsewhere}?")
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
            "skep.dev/v1 has no field `spec.traffic.connectTimeout`: `spec.traffic.connectTimeout` of other versions is `spec.traffic.timeouts.connect` (`--api-version v1alpha1` explains it as it was)"
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
