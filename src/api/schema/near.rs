//! What was meant by a field that does not exist: where it went, or the nearest that does.

use serde_json::Value;

use super::explain::paths;
use super::reference::{Page, join};
use crate::api::grammar::nearest;
use crate::api::version::{self, Version};

/// What is said of a field that only other versions have.
pub fn moved(schema: &Value, path: &str) -> Option<String> {
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
        "{version} has no field `{path}`: {places} (`--api-version {}` explains it there)",
        other.word()
    ))
}

/// What is said of a field that does not exist: what there is instead.
pub fn unknown(
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
    if let Some(near) = nearest(name, known.iter().map(String::as_str)) {
        // What was asked for below it, as far as there is such a thing.
        let near = join(at, near);
        let wanted = rest
            .iter()
            .fold(near.clone(), |path, name| join(&path, name));
        let below = format!("{near}.");
        let inner = all
            .iter()
            .map(String::as_str)
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
