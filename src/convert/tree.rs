//! TOML as a small tree of our own, each value with its line and column.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::given::Faults;

/// A place in the text, both from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pos {
    pub line: usize,
    pub column: usize,
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub at: Pos,
    pub value: Value,
}

/// Key and value, and where the key stands.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub key: String,
    pub at: Pos,
    pub item: Item,
}

/// A table, in the order of the text.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    pub entries: Vec<Entry>,
}

impl Table {
    /// Whether a key is there, in any letter case.
    pub fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|e| e.key.eq_ignore_ascii_case(key))
    }
}

/// A value of TOML.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(String),
    /// `None`: beyond 64 bits.
    Integer(Option<i64>),
    /// As it is written.
    Float(String),
    Flag(bool),
    Time,
    List(Vec<Item>),
    Table(Table),
}

impl Value {
    /// The kind of value, with its article.
    pub fn what(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Integer(_) => "a whole number",
            Self::Float(_) => "a fraction",
            Self::Flag(_) => "true or false",
            Self::Time => "a date or time",
            Self::List(_) => "a list",
            Self::Table(_) => "a section",
        }
    }
}

/// Reads a text. After a syntax error the parser goes on where it can, so that all are found.
pub(super) fn read(text: &str, faults: &mut Faults) -> Table {
    let lines = Lines::new(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    // Each may stand in a long line of its own; far fewer are shown.
    for error in errors.into_iter().take(1000) {
        let at = lines.pos(error.span().map_or(0, |span| span.start));
        faults.syntax(at, error.message());
    }
    lines.table(table.get_ref())
}

/// Columns are counted up to here: a line may be as long as the file.
const COLUMNS: usize = 1000;

/// Offsets to places, without going over the text for each.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        let after = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            text,
            starts: std::iter::once(0).chain(after).collect(),
        }
    }

    fn pos(&self, offset: usize) -> Pos {
        let line = self.starts.partition_point(|start| *start <= offset).max(1);
        let start = self.starts[line - 1];
        let end = offset.min(start + COLUMNS).min(self.text.len());
        let before = self.text.as_bytes().get(start..end).unwrap_or_default();
        // Bytes that do not go on with a character begin one.
        let column = before.iter().filter(|byte| **byte & 0xc0 != 0x80).count() + 1;
        Pos { line, column }
    }

    fn table(&self, table: &DeTable) -> Table {
        let mut entries: Vec<(usize, Entry)> = table
            .iter()
            .map(|(key, value)| {
                let offset = key.span().start;
                let entry = Entry {
                    key: key.get_ref().to_string(),
                    at: self.pos(offset),
                    item: self.item(value),
                };
                (offset, entry)
            })
            .collect();
        entries.sort_by_key(|(offset, _)| *offset);
        Table {
            entries: entries.into_iter().map(|(_, entry)| entry).collect(),
        }
    }

    fn item(&self, value: &Spanned<DeValue>) -> Item {
        let at = self.pos(value.span().start);
        let value = match value.get_ref() {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Integer(number) => {
                Value::Integer(i64::from_str_radix(number.as_str(), number.radix()).ok())
            }
            DeValue::Float(number) => Value::Float(number.as_str().to_owned()),
            DeValue::Boolean(flag) => Value::Flag(*flag),
            DeValue::Datetime(_) => Value::Time,
            DeValue::Array(list) => Value::List(list.iter().map(|v| self.item(v)).collect()),
            DeValue::Table(table) => Value::Table(self.table(table)),
        };
        Item { at, value }
    }
}
