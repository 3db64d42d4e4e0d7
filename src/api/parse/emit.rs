//! Values as YAML in one fixed form: two spaces, keys in the order given, texts quoted unless
//! every YAML reader takes them as a text.

use std::fmt::Write as _;

use serde_json::Value;

use super::tree::{Content, plain};

/// A value as one YAML document, without a `---` line. Equal values, equal bytes.
#[must_use]
pub fn yaml(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => block(&mut out, value, 0),
        Value::Array(list) if !list.is_empty() => block(&mut out, value, 0),
        _ => {
            scalar(&mut out, value);
            out.push('\n');
        }
    }
    out
}

/// A list or map that is not empty, each line indented.
fn block(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(map) => {
            for (n, (key, value)) in map.iter().enumerate() {
                // The first key of a map within a list stands behind the hyphen.
                if n > 0 || !out.ends_with("- ") {
                    pad(out, indent);
                }
                text(out, key);
                out.push(':');
                nested(out, value, indent, matches!(value, Value::Array(_)));
            }
        }
        Value::Array(list) => {
            for (n, item) in list.iter().enumerate() {
                if n > 0 || !out.ends_with("- ") {
                    pad(out, indent);
                }
                out.push('-');
                out.push(' ');
                if is_block(item) {
                    block(out, item, indent + 2);
                } else {
                    scalar(out, item);
                    out.push('\n');
                }
            }
        }
        _ => {}
    }
}

fn nested(out: &mut String, value: &Value, indent: usize, is_list: bool) {
    if is_block(value) {
        out.push('\n');
        // A list stands at its key's own indent, as in most manifests.
        block(out, value, if is_list { indent } else { indent + 2 });
    } else {
        out.push(' ');
        scalar(out, value);
        out.push('\n');
    }
}

fn is_block(value: &Value) -> bool {
    match value {
        Value::Object(map) => !map.is_empty(),
        Value::Array(list) => !list.is_empty(),
        _ => false,
    }
}

fn pad(out: &mut String, indent: usize) {
    out.extend(std::iter::repeat_n(' ', indent));
}

fn scalar(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(flag) => {
            let _ = write!(out, "{flag}");
        }
        Value::Number(number) => {
            let _ = write!(out, "{number}");
        }
        Value::String(string) => text(out, string),
        Value::Array(_) => out.push_str("[]"),
        Value::Object(_) => out.push_str("{}"),
    }
}

fn text(out: &mut String, text: &str) {
    if is_plain(text) {
        out.push_str(text);
        return;
    }
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            // Beside the controls: what YAML calls a line break, and the byte order mark.
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Whether a text may stand without quotes, also for readers of YAML 1.1 (`no`, `1:30`, `1_000`).
fn is_plain(text: &str) -> bool {
    const WORDS: [&str; 8] = ["y", "n", "yes", "no", "on", "off", "true", "false"];
    const UNITS: [&str; 7] = ["ms", "s", "m", "h", "Ki", "Mi", "Gi"];
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    if unit.len() < text.len() && UNITS.contains(&unit) {
        return true;
    }
    let first = text
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'/');
    first
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'/' | b'='))
        && !WORDS.contains(&text.to_ascii_lowercase().as_str())
        && matches!(plain(text), Content::Text(_))
}
