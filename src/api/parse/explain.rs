//! serde's words into words for the person who wrote the manifest.

use std::fmt::Write as _;

use super::tree::{Content, Node, Step};
use crate::api::grammar::{nearest, shortened};
use crate::api::{Diagnostic, Version};

/// serde's name for the type of a choice of words.
const ONE_WORD: &str = "string or map";

/// What kind of fault a message of serde tells of.
#[derive(Debug, PartialEq, Eq)]
pub enum Shape {
    /// A field that does not exist, and the ones that do.
    Unknown { field: String, known: Vec<String> },
    /// A field that must be there.
    Missing { field: String },
    /// A word that is not one of the words.
    Variant { known: Vec<String> },
    /// Another type than the one wanted.
    Type { wanted: String },
    /// A text that its own type refused, with the type's own message.
    Other,
}

impl Shape {
    /// Reads a message of serde.
    pub fn of(message: &str) -> Self {
        if let Some(rest) = message.strip_prefix("unknown field ") {
            let (field, known) = rest.split_once(", ").unwrap_or((rest, ""));
            return Self::Unknown {
                field: field.trim_matches('`').to_owned(),
                known: ticked(known),
            };
        }
        if let Some(rest) = message.strip_prefix("missing field ") {
            return Self::Missing {
                field: ticked(rest).into_iter().next().unwrap_or_default(),
            };
        }
        if let Some(rest) = message.strip_prefix("unknown variant ") {
            let known = rest
                .rsplit_once(", expected ")
                .map_or("", |(_, known)| known);
            return Self::Variant {
                known: ticked(known),
            };
        }
        if (message.starts_with("invalid type: ") || message.starts_with("invalid value: "))
            && let Some((_, wanted)) = message.rsplit_once(", expected ")
        {
            return Self::Type {
                wanted: wanted.to_owned(),
            };
        }
        Self::Other
    }
}

/// The words between backticks.
fn ticked(text: &str) -> Vec<String> {
    text.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// The fault in plain words.
pub fn fault(
    shape: &Shape,
    message: &str,
    node: Option<&Node>,
    path: &[Step],
    at: String,
) -> Diagnostic {
    match shape {
        Shape::Unknown { field, known } => {
            let fault = Diagnostic::at(at, format!("unknown field `{}`", shortened(field)));
            match nearest(field, known.iter().map(String::as_str)) {
                Some(near) => fault.hint(format!("did you mean `{near}`?")),
                None => fault.hint(format!("known here: {}", known.join(", "))),
            }
        }
        Shape::Missing { field } => Diagnostic::at(at, format!("`{field}` is missing")),
        Shape::Variant { known } => variant(node, known, at),
        Shape::Type { wanted } => wrong_type(node, wanted, path, at),
        Shape::Other => Diagnostic::at(at, one_line(message)),
    }
}

/// What to do about a missing field.
pub fn missing_hint(field: &str, version: Version) -> String {
    match field {
        "apiVersion" => format!("write apiVersion: {version}"),
        "kind" => format!("write kind: {}", crate::names::KIND),
        "metadata" => "write metadata: and below it name:".to_owned(),
        _ => format!("add {field}:"),
    }
}

fn variant(node: Option<&Node>, known: &[String], at: String) -> Diagnostic {
    let found = found(node);
    let message = format!("expected {}, found {found}", any_of(known));
    let fault = Diagnostic::at(at, message);
    match node.map(|node| &node.content) {
        Some(Content::Literal(_, text)) if known.contains(text) => {
            fault.hint(format!("put it in quotes: \"{text}\""))
        }
        Some(Content::Text(text)) => match nearest(text, known.iter().map(String::as_str)) {
            Some(near) => fault.hint(format!("did you mean `{near}`?")),
            None => fault,
        },
        _ => fault,
    }
}

fn wrong_type(node: Option<&Node>, wanted: &str, path: &[Step], at: String) -> Diagnostic {
    let message = format!("expected {}, found {}", in_words(wanted), found(node));
    let fault = Diagnostic::at(at, message);
    match node.map(|node| &node.content) {
        Some(Content::Literal(_, text)) if wanted.contains("length of time") => {
            fault.hint(format!("add a unit, for example {text}s"))
        }
        // A fraction where one word is wanted is a version without its quotes.
        Some(Content::Literal(_, text))
            if wanted.contains("string") && (wanted != ONE_WORD || text.contains('.')) =>
        {
            fault.hint(format!("put it in quotes: \"{text}\""))
        }
        Some(Content::Text(text)) if wanted == "a boolean" => match text.to_lowercase().as_str() {
            "yes" | "on" | "y" | "true" => fault.hint("write true, without quotes"),
            "no" | "off" | "n" | "false" => fault.hint("write false, without quotes"),
            _ => fault.hint("write true or false"),
        },
        Some(Content::Text(text)) if text.parse::<f64>().is_ok() => {
            fault.hint(format!("write {text} without quotes"))
        }
        Some(Content::Null) if wanted.contains("string") => {
            fault.hint("write \"\" for an empty text")
        }
        Some(Content::Text(_)) if wanted == "a sequence" && !path.is_empty() => {
            fault.hint("write each item on a line of its own behind a hyphen")
        }
        _ => fault,
    }
}

fn any_of(known: &[String]) -> String {
    let mut text = String::new();
    for (n, word) in known.iter().enumerate() {
        let _ = match n {
            0 => write!(text, "{word}"),
            n if n + 1 == known.len() => write!(text, " or {word}"),
            _ => write!(text, ", {word}"),
        };
    }
    text
}

fn found(node: Option<&Node>) -> String {
    match node.map(|node| &node.content) {
        None | Some(Content::Null | Content::Gone) => "nothing".to_owned(),
        Some(Content::Literal(value, text)) if value.is_boolean() => format!("the boolean {text}"),
        Some(Content::Literal(_, text)) => format!("the number {}", shortened(text)),
        Some(Content::Text(text)) => format!("`{}`", shortened(text)),
        Some(Content::List(_)) => "a list".to_owned(),
        Some(Content::Map(_)) => "a map".to_owned(),
    }
}

/// serde's name of a type in plain words.
fn in_words(wanted: &str) -> &str {
    match wanted {
        "a boolean" => "true or false",
        "a string" => "a text",
        "a sequence" => "a list",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" => "a whole number, 0 or more",
        "f32" | "f64" => "a number",
        ONE_WORD | "variant identifier" => "one word",
        _ if wanted == "struct" || wanted.starts_with("struct ") => "a map",
        _ => wanted,
    }
}

fn one_line(message: &str) -> String {
    message.replace(['\n', '\r'], " ")
}
