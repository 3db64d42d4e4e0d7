//! Where a manifest has sections, and nothing but a section may stand.

use std::collections::BTreeSet;

use serde_json::Value;

use super::reference::{Page, join};

/// The places of all sections: `spec.proxy`, `spec.networks[]`.
pub fn sections(schema: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    look(&Page::of(schema), schema, "", &mut found);
    found
}

fn look(page: &Page, place: &Value, at: &str, found: &mut BTreeSet<String>) {
    let forms = page.forms(place);
    let is_list = forms.iter().any(|form| form.get("items").is_some());
    for form in forms {
        if let Some(Value::Object(fields)) = form.get("properties") {
            if !at.is_empty() && !is_list {
                found.insert(at.to_owned());
            }
            for (name, field) in fields.iter().filter(|(name, _)| *name != "status") {
                look(page, field, &join(at, name), found);
            }
        }
        if let Some(items) = form.get("items") {
            look(page, items, &format!("{at}[]"), found);
        }
    }
}
