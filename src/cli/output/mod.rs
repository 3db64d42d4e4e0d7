//! Forms of output that kubectl's users know: JSONPath templates, columns of one's own, label
//! selectors and sorting. Everything here works on JSON, so it fits any kind of resource.

pub mod columns;
pub mod form;
pub mod jsonpath;
pub mod selector;
mod translate;

use std::cmp::Ordering;

use serde_json::Value;

pub use columns::Columns;
pub use form::Form;
pub use jsonpath::{Path, Template};
pub use selector::Selector;

/// A value as people read it: a text as it is, everything else as JSON on one line.
#[must_use]
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Sorts values by what a path finds in them: numbers as numbers, all else as text. Those in which
/// it finds nothing come last; equal ones keep their order.
pub fn sort<T>(items: &mut Vec<T>, path: &Path, as_json: impl Fn(&T) -> Value) {
    let mut keyed: Vec<(Option<Value>, T)> = std::mem::take(items)
        .into_iter()
        .map(|item| (path.first(&as_json(&item)), item))
        .collect();
    keyed.sort_by(|(a, _), (b, _)| match (a, b) {
        (Some(a), Some(b)) => compare(a, b),
        (a, b) => b.is_some().cmp(&a.is_some()),
    });
    items.extend(keyed.into_iter().map(|(_, item)| item));
}

fn compare(a: &Value, b: &Value) -> Ordering {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        _ => text(a).cmp(&text(b)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_sort_as_numbers_and_what_has_no_value_comes_last() {
        let mut items = vec![json!({"n": 10}), json!({}), json!({"n": 9})];
        sort(&mut items, &".n".parse().unwrap(), Value::clone);
        assert_eq!(items, [json!({"n": 9}), json!({"n": 10}), json!({})]);
    }
}
