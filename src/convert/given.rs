//! A table checked against the options that Interlock knows: names, types, duplicates.

use std::collections::{BTreeMap, BTreeSet};

use super::draft::Left;
use super::options::{self, Fate, Kind, Known};
use super::tree::{Entry, Item, Pos, Table, Value};
use super::units::{clean, printable};
use crate::api::Diagnostic;
use crate::api::grammar::nearest;
use crate::api::value::StringMap;

/// The faults of a file.
#[derive(Default)]
pub(super) struct Faults {
    found: Vec<Diagnostic>,
    /// Lines that are no TOML: what else is said of them is only a consequence.
    broken: BTreeSet<usize>,
}

/// As many are shown; nobody reads more.
const MOST: usize = 100;

impl Faults {
    pub fn at(
        &mut self,
        at: Pos,
        path: impl Into<String>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        // Names and values of the file may stand in them.
        let message = printable(&message.into());
        let mut fault = Diagnostic::at(path, message).hint(printable(&hint.into()));
        (fault.line, fault.column) = (at.line, at.column);
        self.found.push(fault);
    }

    /// A fault of the file as a whole.
    pub fn whole(&mut self, message: &str, hint: &str) {
        self.found.push(Diagnostic::at("", message).hint(hint));
    }

    pub fn syntax(&mut self, at: Pos, message: &str) {
        self.broken.insert(at.line);
        let message = format!("is not TOML: {}", printable(message));
        self.at(at, "", message, "");
    }

    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// In order of position. What a syntax error may have caused is left out.
    pub fn sorted(mut self, source: &str) -> Vec<Diagnostic> {
        let broken = std::mem::take(&mut self.broken);
        self.found.retain(|fault| {
            let is_syntax = fault.message.starts_with("is not TOML");
            broken.is_empty() || is_syntax || (fault.line > 0 && !broken.contains(&fault.line))
        });
        for fault in &mut self.found {
            source.clone_into(&mut fault.source);
        }
        self.found.sort();
        self.found.dedup();
        if self.found.len() > MOST {
            self.found.truncate(MOST);
            let mut more = self.found[MOST - 1].clone();
            (more.path, more.hint) = (String::new(), String::new());
            more.message = format!("more than {MOST} faults: the rest is not shown");
            self.found.push(more);
        }
        self.found
    }
}

/// The value of an option.
#[derive(Clone, Debug)]
pub(super) struct Setting<T> {
    /// Where its key stands.
    pub at: Pos,
    /// Its name below the extension, e.g. `Config.ReadTimeout`.
    pub name: String,
    /// Its name in the whole file, e.g. `Extensions.east.Config.ReadTimeout`.
    pub path: String,
    pub value: T,
}

impl<T> Setting<T> {
    /// The same option with what was made of its value.
    pub fn with<U>(&self, value: U) -> Setting<U> {
        Setting {
            at: self.at,
            name: self.name.clone(),
            path: self.path.clone(),
            value,
        }
    }
}

/// The options of one table that are known and of the right type.
#[derive(Clone, Debug, Default)]
pub(super) struct Given<'a> {
    /// Key and place of the table itself.
    pub name: &'a str,
    pub at: Pos,
    path: String,
    /// What stands before the names of its options in comments: nothing, or `Config.`.
    inner: &'static str,
    settings: BTreeMap<&'static str, (Pos, &'a Item, &'static Known)>,
}

impl<'a> Given<'a> {
    /// Checks a table; `path` is its name in faults, empty for the whole file, and `inner` stands
    /// before the names of its options in comments.
    pub fn read(
        path: &str,
        inner: &'static str,
        table: &'a Table,
        known: &'static [Known],
        faults: &mut Faults,
    ) -> Self {
        let mut given = Self {
            path: path.to_owned(),
            inner,
            ..Self::default()
        };
        let mut seen: BTreeMap<&str, Pos> = BTreeMap::new();
        for entry in &table.entries {
            let at = given.join(&clean(&entry.key));
            let Some(option) = options::find(known, &entry.key) else {
                faults.at(
                    entry.at,
                    at,
                    "is no option of Interlock here",
                    hint(known, &entry.key),
                );
                continue;
            };
            let first = *seen.entry(option.name).or_insert(entry.at);
            if first != entry.at {
                let message = format!("is given twice, first in line {}", first.line);
                let hint = "letter case makes no difference to Interlock; keep one of the two";
                faults.at(entry.at, at, message, hint);
            } else if fits(option, entry, &at, faults) {
                given
                    .settings
                    .insert(option.name, (entry.at, &entry.item, option));
            }
        }
        given
    }

    fn join(&self, key: &str) -> String {
        match self.path.as_str() {
            "" => key.to_owned(),
            path => format!("{path}.{key}"),
        }
    }

    fn setting<T>(
        &self,
        name: &str,
        get: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Option<Setting<T>> {
        let (at, item, known) = self.settings.get(name)?;
        Some(Setting {
            at: *at,
            name: format!("{}{}", self.inner, known.name),
            path: self.join(known.name),
            value: get(&item.value)?,
        })
    }

    pub fn text(&self, name: &str) -> Option<Setting<&'a str>> {
        self.setting(name, |value| match value {
            Value::Text(text) => Some(text.trim()),
            _ => None,
        })
    }

    pub fn count(&self, name: &str) -> Option<Setting<u64>> {
        self.setting(name, |value| match value {
            Value::Integer(Some(number)) => u64::try_from(*number).ok(),
            Value::Text(text) => text.trim().parse().ok(),
            _ => None,
        })
    }

    pub fn flag(&self, name: &str) -> Option<Setting<bool>> {
        self.setting(name, |value| match value {
            Value::Flag(flag) => Some(*flag),
            _ => None,
        })
    }

    /// The texts of a list that are not empty, each with its place.
    pub fn texts(&self, name: &str) -> Option<Setting<Vec<(Pos, &'a str)>>> {
        self.setting(name, |value| match value {
            Value::List(items) => Some(items.iter().filter_map(text_of).collect()),
            _ => None,
        })
    }

    pub fn map(&self, name: &str) -> Option<Setting<StringMap>> {
        self.setting(name, |value| match value {
            Value::Table(table) => Some(
                table
                    .entries
                    .iter()
                    .filter_map(|entry| match &entry.item.value {
                        Value::Text(text) => Some((entry.key.clone(), text.clone())),
                        _ => None,
                    })
                    .collect(),
            ),
            _ => None,
        })
    }

    pub fn section(&self, name: &str) -> Option<Setting<&'a Table>> {
        self.setting(name, |value| match value {
            Value::Table(table) => Some(table),
            _ => None,
        })
    }

    /// The options whose fate is the same whatever their value.
    pub fn left(&self) -> Vec<Left> {
        self.settings
            .values()
            .filter(|(_, item, _)| !is_empty(&item.value))
            .filter_map(|(_, _, known)| {
                let setting = self.setting(known.name, |_| Some(()))?;
                match known.fate {
                    Fate::Used => None,
                    Fate::Needless(why) => Some(Left::needless(&setting, why)),
                    Fate::Look(why) => Some(Left::look(&setting, why)),
                }
            })
            .collect()
    }
}

impl Given<'_> {
    /// The options that something is made of, each with its value left out.
    pub fn used(&self) -> Vec<Setting<()>> {
        let given = self.settings.values();
        given
            .filter(|(_, item, known)| known.fate == Fate::Used && !is_empty(&item.value))
            .filter(|(_, item, _)| !matches!(item.value, Value::Table(_)))
            .filter_map(|(_, _, known)| self.setting(known.name, |_| Some(())))
            .collect()
    }
}

fn text_of(item: &Item) -> Option<(Pos, &str)> {
    match &item.value {
        Value::Text(text) if !text.trim().is_empty() => Some((item.at, text.trim())),
        _ => None,
    }
}

/// A value that asks for nothing, such as `""` or `[""]`.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Text(text) => text.trim().is_empty(),
        Value::Flag(flag) => !flag,
        Value::List(items) => items.iter().all(|item| text_of(item).is_none()),
        Value::Table(table) => table.entries.is_empty(),
        _ => false,
    }
}

/// The nearest known name, or the table where the name belongs.
fn hint(known: &'static [Known], key: &str) -> String {
    if let Some(place) = options::home(known, key) {
        return place.to_owned();
    }
    match nearest(key, known.iter().map(|option| option.name)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "take it out, or see whether it belongs into another section".to_owned(),
    }
}

/// Whether a value is of its option's type; each part that is not is a fault.
fn fits(option: &Known, entry: &Entry, path: &str, faults: &mut Faults) -> bool {
    let Item { at, value } = &entry.item;
    let name = option.name;
    let wrong = |wanted: &str, hint: String, faults: &mut Faults| {
        let message = format!("must be {wanted}, and is {}", value.what());
        faults.at(*at, path, message, hint);
        false
    };
    match (option.kind, value) {
        (Kind::Text, Value::Text(_))
        | (Kind::Flag, Value::Flag(_))
        | (Kind::Section, Value::Table(_)) => true,
        (Kind::Count | Kind::CountOrWord, Value::Integer(number)) => {
            let good = number.is_some_and(|number| (0..=i64::from(u32::MAX)).contains(&number));
            if !good {
                faults.at(
                    *at,
                    path,
                    "is out of range",
                    format!("write 0 to {}", u32::MAX),
                );
            }
            good
        }
        (Kind::CountOrWord, Value::Text(text)) => {
            let text = text.trim();
            let good = text.parse::<u32>().is_ok() || matches!(text, "" | "auto");
            if !good {
                let message = format!("`{}` is no number", clean(text));
                faults.at(*at, path, message, "write a whole number or \"auto\"");
            }
            good
        }
        (Kind::Texts, Value::List(items)) => list(path, items, faults),
        (Kind::Labels, Value::Table(table)) => labels(path, table, faults),
        (Kind::Text, other) => {
            let hint = match scalar(other) {
                Some(value) => format!("write {name} = \"{value}\""),
                None => format!("write {name} = \"...\""),
            };
            wrong("a text", hint, faults)
        }
        (Kind::Count | Kind::CountOrWord, other) => {
            let number = match other {
                Value::Text(text) => text.trim().trim_end_matches('s').parse::<u32>().ok(),
                _ => None,
            };
            let hint = number.map_or_else(String::new, |n| format!("write {name} = {n}"));
            wrong("a whole number", hint, faults)
        }
        (Kind::Flag, other) => {
            let word = match other {
                Value::Text(text) => text.trim().parse::<bool>().ok(),
                _ => None,
            };
            let hint = word.map_or_else(String::new, |w| format!("write {name} = {w}"));
            wrong("true or false", hint, faults)
        }
        (Kind::Texts, other) => {
            let hint = match scalar(other) {
                Some(value) => format!("write {name} = [\"{value}\"]"),
                None => String::new(),
            };
            wrong("a list of texts", hint, faults)
        }
        (Kind::Labels | Kind::Section, Value::List(_)) if name == "Extensions" => {
            let hint =
                "only the configuration of Interlock 2 and 3 can be converted, [Extensions.NAME]";
            wrong(
                "a section, not the list of Interlock 1",
                hint.into(),
                faults,
            )
        }
        (Kind::Labels | Kind::Section, _) => {
            let hint = format!("write a section: [{path}]");
            wrong("a section", hint, faults)
        }
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) | Value::Float(text) => Some(clean(text)),
        Value::Integer(Some(number)) => Some(number.to_string()),
        Value::Flag(flag) => Some(flag.to_string()),
        _ => None,
    }
}

fn list(path: &str, items: &[Item], faults: &mut Faults) -> bool {
    let mut good = true;
    for (n, item) in items.iter().enumerate() {
        if !matches!(item.value, Value::Text(_)) {
            let message = format!("must be a text, and is {}", item.value.what());
            faults.at(item.at, format!("{path}[{n}]"), message, "put it in quotes");
            good = false;
        }
    }
    good
}

/// Labels are texts. An option among them stands too low in the file: TOML counts every line
/// below a section's head to that section.
fn labels(path: &str, table: &Table, faults: &mut Faults) -> bool {
    let mut good = true;
    for entry in &table.entries {
        let at = format!("{path}.{}", clean(&entry.key));
        if let Some(option) = options::find(&options::EXTENSION, &entry.key) {
            let message = "is an option, and stands among labels";
            let hint = format!(
                "move {} up, above the first section of its extension",
                option.name
            );
            faults.at(entry.at, at, message, hint);
        } else if let Value::Text(_) = entry.item.value {
            continue;
        } else {
            let message = format!("must be a text, and is {}", entry.item.value.what());
            let hint = match entry.item.value {
                Value::Table(_) => {
                    "put a name with dots in quotes: \"com.example.label\" = \"...\""
                }
                _ => "put the value in quotes",
            };
            faults.at(entry.item.at, at, message, hint);
        }
        good = false;
    }
    good
}
