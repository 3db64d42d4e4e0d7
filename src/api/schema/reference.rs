//! The field reference, generated from the schema.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::{service_cluster, source};

/// `docs/reference.md`: every field with its type, default and meaning.
#[must_use]
pub fn markdown() -> String {
    page(&service_cluster(), HEAD)
}

/// `docs/reference-source.md`: the same for sources.
#[must_use]
pub fn source_markdown() -> String {
    page(&source(), SOURCE_HEAD)
}

fn page(schema: &Value, head: &str) -> String {
    let mut page = Page::of(schema);
    page.text.push_str(head);
    let top = object(schema);
    page.section("", &top);
    page.text
}

const HEAD: &str = "\
# Field reference

The fields of a `ServiceCluster` manifest (`skep.dev/v1`); those of a `Source` are in
[reference-source.md](reference-source.md). This page is generated from the types by
`make schemas`; `schemas/service-cluster.v1.json` holds the same for editors.

Older versions: [versions.md](versions.md).

A field without a default may be left out unless it is marked **required**. An empty section
(`spec:` with nothing below) counts as left out. Fields that do not exist are faults. Lengths of time go up
to `87600h` (ten years), numbers of bytes up to `1048576Gi`.
";

const SOURCE_HEAD: &str = "\
# Field reference: Source

The fields of a `Source` manifest (`skep.dev/v1`), a git repository that is followed:
[gitops.md](gitops.md). This page is generated from the types by `make schemas`;
`schemas/source.v1.json` holds the same for editors.
";

/// More words than these are not listed in a type.
const MANY: usize = 4;

pub(super) struct Page {
    defs: Value,
    text: String,
}

impl Page {
    /// An empty page about a schema.
    pub(super) fn of(schema: &Value) -> Self {
        Self {
            defs: schema.get("$defs").cloned().unwrap_or_default(),
            text: String::new(),
        }
    }

    /// One table for the fields of an object, then a section for each object below it.
    fn section(&mut self, path: &str, object: &Map<String, Value>) {
        let Some(Value::Object(fields)) = object.get("properties") else {
            return;
        };
        let title = if path.is_empty() {
            "The resource"
        } else {
            path
        };
        let level = if path.is_empty() { "##" } else { "###" };
        let _ = write!(self.text, "\n{level} {title}\n\n");
        if !path.is_empty()
            && let Some(meaning) = object.get("description").and_then(Value::as_str)
        {
            let _ = write!(self.text, "{}\n\n", one_line(meaning));
        }
        self.text
            .push_str("| field | type | default | meaning |\n|---|---|---|---|\n");
        let required = object.get("required").and_then(Value::as_array);
        let mut below = Vec::new();
        for (name, field) in fields {
            let is_required = required.is_some_and(|names| names.iter().any(|n| n == name));
            self.row(name, field, is_required);
            // The status is the operator's; its own page is the schema.
            if name != "status" {
                below.extend(self.inner(&join(path, name), field));
            }
        }
        for (path, object) in below {
            self.section(&path, &object);
        }
    }

    fn row(&mut self, name: &str, field: &Value, required: bool) {
        let default = match field.get("default") {
            _ if required => "**required**".to_owned(),
            Some(Value::Object(map)) if !map.is_empty() => "as below".to_owned(),
            Some(Value::Null) | None => String::new(),
            Some(value) => format!("`{value}`"),
        };
        let mut meaning = self.text_of(field, "description");
        if let Some(constant) = field.get("const") {
            meaning = format!("Always `{}`.", constant.as_str().unwrap_or_default());
        }
        let _ = writeln!(
            self.text,
            "| `{name}` | {} | {} | {} |",
            cell(&self.type_of(field)),
            cell(&default),
            cell(&meaning)
        );
    }

    /// The text of a keyword, of the field itself or of the type it refers to.
    pub(super) fn text_of(&self, field: &Value, keyword: &str) -> String {
        field
            .get(keyword)
            .or_else(|| self.resolve(field)?.get(keyword))
            .and_then(Value::as_str)
            .map(one_line)
            .unwrap_or_default()
    }

    /// How a text must be written, when the type that a field refers to says so.
    pub(super) fn form_of(&self, field: &Value) -> String {
        let forms = self.forms(field);
        let form = forms.iter().find(|form| form.get("pattern").is_some());
        let form = form.filter(|form| **form != field);
        form.map_or_else(String::new, |form| self.text_of(form, "description"))
    }

    fn resolve(&self, field: &Value) -> Option<&Value> {
        let name = field.get("$ref")?.as_str()?.strip_prefix("#/$defs/")?;
        self.defs.get(name)
    }

    /// The forms a field may have, `null` (left out) not among them.
    pub(super) fn forms<'a>(&'a self, field: &'a Value) -> Vec<&'a Value> {
        let field = self.resolve(field).unwrap_or(field);
        let many = ["anyOf", "oneOf"]
            .iter()
            .find_map(|key| field.get(*key).and_then(Value::as_array));
        match many {
            Some(forms) => forms
                .iter()
                .filter(|form| form.get("type") != Some(&Value::from("null")))
                .flat_map(|form| self.forms(form))
                .collect(),
            None => vec![field],
        }
    }

    pub(super) fn type_of(&self, field: &Value) -> String {
        let mut names: Vec<String> = Vec::new();
        for form in self.forms(field) {
            for name in self.form_name(form) {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        names.join(" or ")
    }

    fn form_name(&self, form: &Value) -> Vec<String> {
        let quoted = |word: &Value| format!("`{}`", word.as_str().unwrap_or_default());
        if let Some(words) = form.get("enum").and_then(Value::as_array) {
            return words.iter().map(quoted).collect();
        }
        if let Some(word) = form.get("const") {
            return vec![quoted(word)];
        }
        let types = match form.get("type") {
            Some(Value::Array(types)) => types.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(name)) => vec![name.as_str()],
            _ => Vec::new(),
        };
        let types: Vec<&str> = types.into_iter().filter(|name| *name != "null").collect();
        // Beside a text with units, limits in plain numbers tell nobody anything.
        let is_one = types.len() == 1;
        let mut names: Vec<String> = types
            .into_iter()
            .map(|name| match name {
                "array" => {
                    let items = form.get("items");
                    let many = items.is_some_and(|items| self.forms(items).len() > MANY);
                    let items = items.filter(|_| !many).map(|items| self.type_of(items));
                    format!("list of {}", items.unwrap_or("words".to_owned()))
                }
                "object" if form.get("properties").is_none() => "map of strings".to_owned(),
                "object" => "section".to_owned(),
                "integer" | "number" if is_one && form.get("maximum").is_some() => {
                    let bound = |key: &str| form.get(key).map_or("0".to_owned(), Value::to_string);
                    format!("{name} {} to {}", bound("minimum"), bound("maximum"))
                }
                name => name.to_owned(),
            })
            .collect();
        // A text with a grammar of its own is best told by an example.
        if form.get("pattern").is_some()
            && let (Some(last), Some(Value::String(example))) =
                (names.last_mut(), form.pointer("/examples/0"))
            && !example.contains('\n')
        {
            let _ = write!(last, ", e.g. `{example}`");
        }
        names
    }

    /// The objects within a field, each with its path.
    pub(super) fn inner(&self, path: &str, field: &Value) -> Vec<(String, Map<String, Value>)> {
        let mut found = Vec::new();
        for form in self.forms(field) {
            if form.get("properties").is_some() {
                found.push((path.to_owned(), object(form)));
            } else if let Some(items) = form.get("items") {
                found.extend(self.inner(&format!("{path}[]"), items));
            }
        }
        found
    }
}

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

pub(super) fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A text that a table cell can hold.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
