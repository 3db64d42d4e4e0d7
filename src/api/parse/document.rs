//! From one tree to one resource, with all faults at once.
//!
//! serde stops at the first fault. So the fault is noted, the tree is mended (the wrong value
//! taken out, a stand-in put where a required one is missing) and read again until it is clean:
//! the types stay the one source of truth, and nothing is checked in two places.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_path_to_error::{Path, Segment};

use super::explain::{self, Shape};
use super::load::{Document, FAULTS_MAX};
use super::tree::{Content, Node, Step, parse_path, path_text, plain, with_whole_numbers};
use super::{Manifest, Named, Resource, silent, versions, yaml};
use crate::api::grammar::{nearest, shortened};
use crate::api::version::{self, Deprecation, TABLE};
use crate::api::{Diagnostic, Version};
use crate::names::{API_VERSION, KIND, KIND_SOURCE};

/// What Skep writes itself and a manifest may repeat without effect.
const WRITTEN_BY_SKEP: [&[&str]; 3] = [
    &["status"],
    &["metadata", "generation"],
    &["metadata", "creationTimestamp"],
];

/// What became of a document.
#[derive(Default)]
pub struct Read {
    /// The resource, when there is no fault at all.
    pub found: Option<Resource>,
    /// All that is wrong.
    pub faults: Vec<Diagnostic>,
    /// What of it is deprecated.
    pub warnings: Vec<Diagnostic>,
    /// The name that it declares, when it states one.
    pub named: Option<Named>,
}

/// Reads one document.
pub fn read(document: Document) -> Read {
    let mut read = Read {
        faults: document.faults,
        ..Read::default()
    };
    let Some(root) = document.root else {
        return read;
    };
    if !matches!(root.content, Content::Map(_)) {
        let fault = Diagnostic::at(
            "",
            "a manifest is a map with apiVersion, kind, metadata and spec",
        );
        read.faults.push(placed(&root, &[], fault));
        return read;
    }
    if let Some(fault) = foreign(&root) {
        read.faults.push(fault);
        return read;
    }
    if stated_kind(&root) == Some(KIND_SOURCE) {
        return typed(root, read, |source| Resource::Source(Box::new(source)));
    }
    typed(root, read, |cluster| Resource::Cluster(Box::new(cluster)))
}

fn typed<R: Manifest>(mut root: Node, mut read: Read, wrap: impl Fn(R) -> Resource) -> Read {
    let version = versions::stated(&root, R::KIND);
    read.named = named(&root, R::KIND);
    read.faults
        .extend(versions::strangers(&mut root, R::KIND, version));
    read.faults
        .extend(silent::strangers(&root, R::KIND, version));
    versions::lift(&mut root, R::KIND, version);
    let mut reader = Reader::new(root, R::KIND, version);
    reader.lists();
    let found = reader.read::<R>();
    read.faults.append(&mut reader.faults);
    read.faults.sort();
    if read.faults.len() > FAULTS_MAX + 1 {
        // Each who looked stopped in time, and together they are too many again.
        let more = reader.more();
        read.faults.retain(|fault| *fault != more);
        read.faults.truncate(FAULTS_MAX);
        read.faults.push(more);
    }
    if let Some(mut found) = found.filter(|_| read.faults.is_empty()) {
        *found.stated_mut() = version;
        read.found = Some(wrap(found));
        read.warnings = reader.deprecated(&TABLE);
    }
    read
}

/// The name that a document declares, and where.
fn named(root: &Node, kind: &'static str) -> Option<Named> {
    let name = root.get("metadata")?.get("name")?;
    let Content::Text(text) = &name.content else {
        return None;
    };
    Some(Named {
        kind,
        source: String::new(),
        name: text.clone(),
        line: name.at.line,
        column: name.at.column,
    })
}

/// A document as YAML of another version.
pub fn converted(root: &Node, to: Version) -> String {
    let kind = stated_kind(root).unwrap_or_default();
    let mut root = root.clone();
    let version = versions::stated(&root, kind);
    // What is given and says nothing stands in nobody's way; other strangers are faults.
    versions::strangers(&mut root, kind, version);
    versions::lift(&mut root, kind, version);
    let mut value = root.to_value();
    version::lower(&mut value, to);
    yaml(&value)
}

fn stated_kind(root: &Node) -> Option<&str> {
    match &root.get("kind")?.content {
        Content::Text(kind) => Some(kind),
        _ => None,
    }
}

/// A document of another kind: its fields are not ours to judge.
fn foreign(root: &Node) -> Option<Diagnostic> {
    let kind = stated_kind(root)?;
    if [KIND, KIND_SOURCE].contains(&kind) {
        return None;
    }
    let message = format!("`{}` is not a kind of Skep", shortened(kind));
    let fault = Diagnostic::at("kind", message).hint(match nearest(kind, [KIND, KIND_SOURCE]) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the kinds are `{KIND}` and `{KIND_SOURCE}`"),
    });
    Some(placed(root, &[Step::Key("kind".to_owned())], fault))
}

/// The fault with the position of a path.
pub fn placed(root: &Node, path: &[Step], mut fault: Diagnostic) -> Diagnostic {
    let at = root.position(path);
    fault.line = at.line;
    fault.column = at.column;
    fault
}

struct Reader {
    kind: &'static str,
    /// The version that it is written in.
    version: Version,
    /// The document as written, in the shape of the newest version.
    root: Node,
    /// The document as mended.
    mended: Node,
    faults: Vec<Diagnostic>,
    /// Paths that have their fault, and how often each was mended.
    reported: BTreeMap<Vec<Step>, usize>,
}

impl Reader {
    fn new(root: Node, kind: &'static str, version: Version) -> Self {
        let mut mended = root.clone();
        for path in WRITTEN_BY_SKEP {
            let path: Vec<Step> = path
                .iter()
                .map(|key| Step::Key((*key).to_owned()))
                .collect();
            mended.remove(&path);
        }
        Self {
            kind,
            version,
            root,
            mended,
            faults: Vec::new(),
            reported: BTreeMap::new(),
        }
    }

    /// serde takes a list for a section, field by field in their order: nobody means that.
    fn lists(&mut self) {
        for path in silent::lists(&self.mended, self.kind) {
            let shape = Shape::Type {
                wanted: "struct".to_owned(),
            };
            let node = self.root.at_path(&path);
            let fault = explain::fault(&shape, "", node, &path, self.told(&path));
            self.faults.push(placed(&self.root, &path, fault));
            self.mended.remove(&path);
            self.reported.insert(path, 0);
        }
    }

    fn read<R: Manifest>(&mut self) -> Option<R> {
        // Each round notes a new fault or uses up a stand-in, so the rounds are bounded too.
        for _ in 0..FAULTS_MAX * 4 {
            let mut value = self.mended.to_value();
            with_whole_numbers(&mut value);
            match serde_path_to_error::deserialize::<_, R>(value) {
                Ok(found) => {
                    self.check(&found);
                    return Some(found);
                }
                Err(error) => {
                    let path = self.steps(error.path());
                    if !self.note(path, &error.into_inner().to_string()) {
                        return None;
                    }
                }
            }
            if self.faults.len() >= FAULTS_MAX {
                self.too_many();
                return None;
            }
        }
        None
    }

    /// What is deprecated in a document without a fault.
    fn deprecated(&self, table: &[Deprecation]) -> Vec<Diagnostic> {
        let has = |path: &str| {
            let found = self.mended.at_path(&versions::steps(path));
            found.is_some_and(|node| !matches!(node.content, Content::Null))
        };
        let found = version::find(table, self.kind, self.version, has);
        let placed = found.into_iter().map(|mut one| {
            let path = parse_path(&one.path);
            one.path = self.told(&path);
            placed(&self.root, &path, one)
        });
        placed.collect()
    }

    /// The text of a path, as the document has it.
    fn told(&self, path: &[Step]) -> String {
        path_text(&versions::as_written(self.kind, self.version, path))
    }

    fn too_many(&mut self) {
        self.faults.push(self.more());
    }

    fn more(&self) -> Diagnostic {
        let message = format!("more than {FAULTS_MAX} faults: the rest is not shown");
        placed(&self.root, &[], Diagnostic::at("", message))
    }

    /// The faults that only several fields together can show.
    fn check<R: Manifest>(&mut self, found: &R) {
        for mut fault in found.faults() {
            let stated = parse_path(&fault.path);
            let path = self.as_written(stated.iter().cloned());
            let told = self.told(&path);
            if path != stated || told != path_text(&path) {
                fault.path = told;
            }
            let told = self
                .reported
                .keys()
                .any(|known| known.starts_with(&path) || path.starts_with(known));
            if self.faults.len() >= FAULTS_MAX {
                return self.too_many();
            }
            if !told {
                self.faults.push(placed(&self.root, &path, fault));
            }
        }
    }

    /// Notes one fault of serde and mends the tree; false when it cannot be mended.
    fn note(&mut self, mut path: Vec<Step>, message: &str) -> bool {
        let mut shape = Shape::of(message);
        match &shape {
            Shape::Missing { field } => {
                path.push(Step::Key(field.clone()));
                return self.missing(&path, field);
            }
            // serde's path may or may not end with the unknown key itself.
            Shape::Unknown { field, .. } if path.last() != Some(&Step::Key(field.clone())) => {
                path.push(Step::Key(field.clone()));
            }
            _ => {}
        }
        if !self.reported.contains_key(&path) {
            let node = self.root.at_path(&path);
            if let (Shape::Unknown { known, .. }, Some((_, section))) =
                (&mut shape, path.split_last())
            {
                let all = std::mem::take(known);
                *known = versions::fields(self.kind, self.version, &path_text(section), all);
            }
            let fault = explain::fault(&shape, message, node, &path, self.told(&path));
            let fault = self.place_of(&path, &shape, fault);
            self.faults.push(fault);
            self.reported.insert(path.clone(), 0);
        }
        self.mended.remove(&path)
    }

    fn place_of(&self, path: &[Step], shape: &Shape, fault: Diagnostic) -> Diagnostic {
        let Shape::Unknown { .. } = shape else {
            return placed(&self.root, path, fault);
        };
        // An unknown field is pointed at by its key, whatever its value is.
        let key = path.split_last().and_then(|(last, parent)| {
            let (Step::Key(key), Content::Map(entries)) =
                (last, &self.root.at_path(parent)?.content)
            else {
                return None;
            };
            entries.iter().find(|entry| entry.key == *key)
        });
        match key {
            Some(entry) => Diagnostic {
                line: entry.at.line,
                column: entry.at.column,
                ..fault
            },
            None => placed(&self.root, path, fault),
        }
    }

    fn missing(&mut self, path: &[Step], field: &str) -> bool {
        let (_, parent) = path.split_last().unwrap_or((&Step::Index(0), &[]));
        let known = self.reported.keys().any(|known| path.starts_with(known));
        if !known {
            let fault = Diagnostic::at(self.told(path), format!("`{field}` is missing"))
                .hint(explain::missing_hint(field, self.version));
            let fault = placed(&self.root, path, fault);
            self.faults.push(fault);
        }
        let used = self.reported.entry(path.to_vec()).or_insert(0);
        *used += 1;
        let Some(content) = stand_in(field, *used) else {
            return false;
        };
        self.mended.insert(parent, field, content)
    }

    /// serde's path as ours.
    fn steps(&self, path: &Path) -> Vec<Step> {
        let steps = path.iter().map_while(|segment| match segment {
            Segment::Map { key } => Some(Step::Key(key.clone())),
            Segment::Seq { index } => Some(Step::Index(*index)),
            // Enums hold one word here, and an unknown step ends the path.
            Segment::Enum { .. } | Segment::Unknown => None,
        });
        self.as_written(steps)
    }

    /// A path in the mended document as one in the document as written: items of lists that were
    /// taken out are counted back in.
    fn as_written(&self, path: impl IntoIterator<Item = Step>) -> Vec<Step> {
        let mut steps = Vec::new();
        for step in path {
            let step = match (step, self.mended.at_path(&steps).map(|node| &node.content)) {
                (Step::Index(index), Some(Content::List(items))) => Step::Index(
                    items
                        .iter()
                        .enumerate()
                        .filter(|(_, item)| !matches!(item.content, Content::Gone))
                        .nth(index)
                        .map_or(index, |(at, _)| at),
                ),
                (step, _) => step,
            };
            steps.push(step);
        }
        steps
    }
}

/// The n-th stand-in (from 1) for a missing field: types are tried until one fits.
fn stand_in(field: &str, n: usize) -> Option<Content> {
    match (field, n) {
        ("apiVersion", 1) => Some(Content::Text(API_VERSION.to_owned())),
        ("kind", 1) => Some(Content::Text(KIND.to_owned())),
        (_, 1) => Some(Content::Text("x".to_owned())),
        (_, 2) => Some(Content::Map(Vec::new())),
        (_, 3) => Some(Content::List(Vec::new())),
        (_, 4) => Some(Content::Literal(Value::from(1), "1".to_owned())),
        (_, 5) => Some(plain("false")),
        _ => None,
    }
}
