//! A YAML document as a tree that remembers where everything stood.
//!
//! serde loses positions as soon as a type is not read directly from the text; the tree keeps
//! them, so that any later check can name line and column by field path alone.

use std::fmt::Write as _;

use serde_json::{Map, Number, Value};

use crate::api::grammar::shortened;

/// Line and column, from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// One value and where it begins.
#[derive(Clone, Debug)]
pub struct Node {
    pub at: Position,
    pub content: Content,
}

#[derive(Clone, Debug)]
pub enum Content {
    Null,
    /// A plain boolean or number, with its text as written.
    Literal(Value, String),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
    /// An element of a list that was taken out; the ones behind it keep their index.
    Gone,
}

/// One key of a map and its value.
#[derive(Clone, Debug)]
pub struct Entry {
    pub at: Position,
    pub key: String,
    pub value: Node,
}

/// One step of a field path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    Key(String),
    Index(usize),
}

/// Maps whose keys are the user's own: an empty value there is not "use the default".
pub const STRING_MAPS: [&str; 6] = [
    "annotations",
    "containerLabels",
    "env",
    "labels",
    "matchLabels",
    "options",
];

/// Sections that are not optional once they are written: an empty one must not switch off what it
/// is there for.
pub const STRICT: [&str; 1] = ["verify"];

impl Node {
    /// The tree as a value for serde. An empty section counts as a missing one.
    pub fn to_value(&self) -> Value {
        self.value_under("")
    }

    fn value_under(&self, key: &str) -> Value {
        match &self.content {
            Content::Null if STRICT.contains(&key) => Value::Object(Map::new()),
            Content::Null | Content::Gone => Value::Null,
            Content::Literal(value, _) => value.clone(),
            Content::Text(text) => Value::String(text.clone()),
            Content::List(items) => Value::Array(
                items
                    .iter()
                    .filter(|item| !matches!(item.content, Content::Gone))
                    .map(Self::to_value)
                    .collect(),
            ),
            Content::Map(entries) => {
                let own = STRING_MAPS.contains(&key);
                let keep_null = |e: &Entry| own || STRICT.contains(&e.key.as_str());
                let map: Map<String, Value> = entries
                    .iter()
                    .filter(|e| keep_null(e) || !matches!(e.value.content, Content::Null))
                    .map(|e| (e.key.clone(), e.value.value_under(&e.key)))
                    .collect();
                Value::Object(map)
            }
        }
    }

    /// The value of a key, when this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.content {
            Content::Map(entries) => entries.iter().find(|e| e.key == key).map(|e| &e.value),
            _ => None,
        }
    }

    fn entries_mut(&mut self) -> Option<&mut Vec<Entry>> {
        match &mut self.content {
            Content::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// The node at a path.
    pub fn at_path(&self, path: &[Step]) -> Option<&Node> {
        path.iter()
            .try_fold(self, |node, step| match (step, &node.content) {
                (Step::Key(key), _) => node.get(key),
                (Step::Index(index), Content::List(items)) => items.get(*index),
                _ => None,
            })
    }

    fn at_path_mut(&mut self, path: &[Step]) -> Option<&mut Node> {
        path.iter()
            .try_fold(self, |node, step| match (step, &mut node.content) {
                (Step::Key(key), Content::Map(entries)) => entries
                    .iter_mut()
                    .find(|e| e.key == *key)
                    .map(|e| &mut e.value),
                (Step::Index(index), Content::List(items)) => items.get_mut(*index),
                _ => None,
            })
    }

    /// Takes a value out: a key disappears, an element of a list leaves a gap.
    pub fn remove(&mut self, path: &[Step]) -> bool {
        let Some((last, parent)) = path.split_last() else {
            return false;
        };
        let Some(parent) = self.at_path_mut(parent) else {
            return false;
        };
        match (last, &mut parent.content) {
            (Step::Key(key), Content::Map(entries)) => {
                let before = entries.len();
                entries.retain(|e| e.key != *key);
                entries.len() < before
            }
            (Step::Index(index), Content::List(items)) => items
                .get_mut(*index)
                .map(|item| item.content = Content::Gone)
                .is_some(),
            _ => false,
        }
    }

    /// Puts a stand-in value at a key of the map at a path.
    pub fn insert(&mut self, parent: &[Step], key: &str, content: Content) -> bool {
        let Some(parent) = self.at_path_mut(parent) else {
            return false;
        };
        let at = parent.at;
        let Some(entries) = parent.entries_mut() else {
            return false;
        };
        entries.retain(|e| e.key != key);
        entries.push(Entry {
            at,
            key: key.to_owned(),
            value: Node { at, content },
        });
        true
    }

    /// Where a path stands in the text: the value of a plain field, the key of a section, or the
    /// nearest section above when the path is not there.
    pub fn position(&self, path: &[Step]) -> Position {
        let mut node = self;
        let mut best = self.at;
        for step in path {
            let (at, next) = match (step, &node.content) {
                (Step::Key(key), Content::Map(entries)) => {
                    match entries.iter().find(|e| e.key == *key) {
                        Some(entry) => (entry.at, &entry.value),
                        None => return best,
                    }
                }
                (Step::Index(index), Content::List(items)) => match items.get(*index) {
                    Some(item) => (item.at, item),
                    None => return best,
                },
                _ => return best,
            };
            node = next;
            best = match node.content {
                Content::Map(_) | Content::List(_) | Content::Null | Content::Gone => at,
                Content::Literal(..) | Content::Text(_) => node.at,
            };
        }
        best
    }
}

/// The value of a plain (unquoted) scalar by the core schema of YAML 1.2: only `true` and
/// `false` are booleans, so that `yes`, `no` and `on` are plain texts and get a type fault.
pub fn plain(text: &str) -> Content {
    let value = match text {
        "" | "~" | "null" | "Null" | "NULL" => return Content::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => match number(text) {
            Some(number) => Value::Number(number),
            None => return Content::Text(text.to_owned()),
        },
    };
    Content::Literal(value, text.to_owned())
}

fn number(text: &str) -> Option<Number> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let first = digits.bytes().next()?;
    if !first.is_ascii_digit() && first != b'.' {
        return None;
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(rest) = text.strip_prefix(prefix) {
            return u64::from_str_radix(rest, radix).ok().map(Number::from);
        }
    }
    let unsigned = text.strip_prefix('+').unwrap_or(text);
    if let Ok(whole) = unsigned.parse::<u64>() {
        return Some(Number::from(whole));
    }
    if let Ok(whole) = unsigned.parse::<i64>() {
        return Some(Number::from(whole));
    }
    let is_float = digits
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    if !is_float {
        return None;
    }
    unsigned.parse::<f64>().ok().and_then(Number::from_f64)
}

/// `2.0` is a whole number, as JSON Schema has it.
pub fn with_whole_numbers(value: &mut Value) {
    match value {
        Value::Number(number) => {
            if let Some(whole) = number.as_f64().and_then(whole)
                && number.is_f64()
            {
                *number = whole;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(with_whole_numbers),
        Value::Object(map) => map.values_mut().for_each(with_whole_numbers),
        _ => {}
    }
}

fn whole(number: f64) -> Option<Number> {
    // Above, not every whole number is there.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() != 0.0 || number.abs() > EXACT {
        return None;
    }
    let text = format!("{number:.0}");
    text.parse::<i64>().ok().map(Number::from)
}

/// The text of a path: `spec.networks[0].name`, with odd keys quoted: `labels["a.b"]`.
pub fn path_text(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Index(index) => {
                let _ = write!(text, "[{index}]");
            }
            Step::Key(key) if is_plain_key(key) => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(key);
            }
            Step::Key(key) => {
                let _ = write!(text, "[{:?}]", shortened(key));
            }
        }
    }
    text
}

/// A path as [`path_text`] writes it, read back.
pub fn parse_path(text: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix("[\"") {
            let end = inner.find("\"]").unwrap_or(inner.len());
            steps.push(Step::Key(inner[..end].to_owned()));
            rest = inner.get(end + 2..).unwrap_or("");
        } else if let Some(inner) = rest.strip_prefix('[') {
            let end = inner.find(']').unwrap_or(inner.len());
            steps.push(Step::Index(inner[..end].parse().unwrap_or(0)));
            rest = inner.get(end + 1..).unwrap_or("");
        } else {
            rest = rest.strip_prefix('.').unwrap_or(rest);
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            steps.push(Step::Key(rest[..end].to_owned()));
            rest = &rest[end..];
        }
    }
    steps
}

fn is_plain_key(key: &str) -> bool {
    !key.is_empty()
        && key.len() <= 80
        && key
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}
