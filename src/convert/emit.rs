//! The documents as text: each setting with its comment, and what was left at the end.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::draft::{Draft, Left, Note};
use super::units::clean;
use crate::api::parse::yaml;

/// Lines are no longer than this, unless one word is.
const WIDTH: usize = 100;

/// All documents; what was left of the core stands at the end of the last one.
pub(super) fn documents(
    source: &str,
    core: &[Left],
    drafts: &[Draft],
    remarks: &[String],
) -> String {
    let mut out = String::new();
    for (n, draft) in drafts.iter().enumerate() {
        if n > 0 {
            out.push_str("---\n");
        }
        let head = format!(
            "From [Extensions.{}] of {}.",
            clean(&draft.key),
            clean(source)
        );
        comment(&mut out, "# ", &head);
        let value = serde_json::to_value(&draft.cluster).unwrap_or_default();
        if let Value::Object(fields) = &value {
            section(&mut out, fields, "", 0, &draft.notes);
        }
        leftovers(&mut out, &draft.left);
    }
    if !core.is_empty() {
        out.push_str("#\n# The top of the file.\n");
        leftovers(&mut out, core);
    }
    if !remarks.is_empty() {
        out.push_str("#\n# The clusters together:\n");
    }
    for remark in remarks {
        item(&mut out, remark);
    }
    out
}

/// The fields that are named or have a note, in canonical order.
fn section(
    out: &mut String,
    fields: &Map<String, Value>,
    path: &str,
    indent: usize,
    notes: &BTreeMap<String, Note>,
) {
    for (key, value) in fields {
        let path = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        if let Some(note) = notes.get(&path) {
            noted(out, key, value, indent, &words(note));
        } else if matches!(path.as_str(), "apiVersion" | "kind" | "metadata") {
            noted(out, key, value, indent, "");
        } else if let Value::Object(inner) = value
            && has_notes(notes, &path)
        {
            let _ = writeln!(out, "{:indent$}{key}:", "");
            section(out, inner, &path, indent + 2, notes);
        }
    }
}

fn has_notes(notes: &BTreeMap<String, Note>, path: &str) -> bool {
    let within = format!("{path}.");
    notes
        .range(within.clone()..)
        .next()
        .is_some_and(|(field, _)| field.starts_with(&within))
}

fn words(note: &Note) -> String {
    let mut parts = Vec::new();
    if !note.from.is_empty() {
        parts.push(format!("from {}", note.from.join(" and ")));
    }
    parts.extend(note.words.iter().cloned());
    parts.join("; ")
}

/// A field with its comment: beside it where there is room, else above it.
fn noted(out: &mut String, key: &str, value: &Value, indent: usize, words: &str) {
    let text = yaml(&json!({ key: value }));
    let pad = " ".repeat(indent);
    let is_line = text.lines().count() == 1;
    let line = text.trim_end();
    if words.is_empty() {
    } else if is_line && indent + line.len() + 4 + words.chars().count() <= WIDTH {
        let _ = writeln!(out, "{pad}{line}  # {words}");
        return;
    } else {
        comment(out, &format!("{pad}# "), words);
    }
    for line in text.lines() {
        let _ = writeln!(out, "{pad}{line}");
    }
}

/// The list at the end of a document: first what someone must look at.
fn leftovers(out: &mut String, left: &[Left]) {
    for (look, title) in [
        (true, "Without a counterpart; look at these:"),
        (false, "Not needed any more:"),
    ] {
        let grouped = by_reason(left.iter().filter(|left| left.look == look));
        if grouped.is_empty() {
            continue;
        }
        out.push_str("#\n");
        comment(out, "# ", title);
        for (why, options) in grouped {
            item(out, &format!("{}: {why}", options.join(", ")));
        }
    }
}

/// One item of a list: its first line has a hyphen.
fn item(out: &mut String, text: &str) {
    let begun = out.len();
    comment(out, "#     ", text);
    out.replace_range(begun..begun + 6, "#   - ");
}

/// Options of one reason together, in order of the first of each.
fn by_reason<'a>(left: impl Iterator<Item = &'a Left>) -> Vec<(&'a str, Vec<String>)> {
    let mut groups: Vec<(&str, Vec<String>)> = Vec::new();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for item in left {
        let option = format!("{} (line {})", item.option, item.line);
        let place = *places.entry(&item.why).or_insert_with(|| {
            groups.push((&item.why, Vec::new()));
            groups.len() - 1
        });
        groups[place].1.push(option);
    }
    groups
}

/// A comment, wrapped, each line behind the same beginning.
fn comment(out: &mut String, begin: &str, text: &str) {
    let mut line = String::new();
    let room = WIDTH - begin.len();
    for word in text.split(' ') {
        let length = line.chars().count() + 1 + word.chars().count();
        if !line.is_empty() && length > room {
            let _ = writeln!(out, "{begin}{line}");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    let _ = writeln!(out, "{begin}{line}");
}

/// What a person should know of a document, without opening it.
pub(super) fn summary(draft: &Draft) -> Vec<String> {
    let look = draft.left.iter().filter(|left| left.look).count();
    let needless = draft.left.len() - look;
    let name = &draft.cluster.metadata.name;
    let mut lines = vec![format!(
        "servicecluster/{name} from [Extensions.{}]: {} fields set, {look} options to look at, {needless} not needed",
        clean(&draft.key),
        draft.notes.len()
    )];
    lines.extend(looks(&draft.left));
    lines
}

/// What someone must look at, a line for each reason.
pub(super) fn looks(left: &[Left]) -> Vec<String> {
    by_reason(left.iter().filter(|left| left.look))
        .into_iter()
        .map(|(why, options)| format!("  {}: {why}", options.join(", ")))
        .collect()
}
