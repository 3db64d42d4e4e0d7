//! What the types never see: fields without a value, which count as left out, and lists in the
//! place of sections, which serde takes. What may stand where is looked up in the schema.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use super::document::placed;
use super::load::FAULTS_MAX;
use super::tree::{Content, Entry, Node, Position, STRING_MAPS, Step, path_text};
use crate::api::grammar::{nearest, shortened};
use crate::api::{Diagnostic, Version, schema};
use crate::names::{KIND, KIND_SOURCE};

/// The fields of a kind in a version by section, both without places in lists.
type Fields = BTreeMap<String, Vec<String>>;

static FIELDS: LazyLock<BTreeMap<(&str, Version), Fields>> = LazyLock::new(|| {
    let kinds = [KIND, KIND_SOURCE].into_iter();
    let all = kinds.flat_map(|kind| Version::ALL.map(|version| (kind, version)));
    all.map(|(kind, version)| ((kind, version), fields(kind, version)))
        .collect()
});

fn fields(kind: &str, version: Version) -> Fields {
    let mut fields = Fields::new();
    for path in schema::fields(&schema::of(kind, version)) {
        let (section, name) = path.rsplit_once('.').unwrap_or(("", &path));
        let section = fields.entry(section.to_owned()).or_default();
        section.push(name.to_owned());
    }
    fields
}

/// A fault for each field without a value that does not exist in a version; as many as are told.
pub fn strangers(root: &Node, kind: &'static str, version: Version) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut path = Vec::new();
    look(root, &mut path, &mut found);
    if found.is_empty() {
        return Vec::new();
    }
    let Some(fields) = FIELDS.get(&(kind, version)) else {
        return Vec::new();
    };
    let faults = found.into_iter();
    let faults = faults.filter_map(|one| fault(root, fields, one));
    faults.take(FAULTS_MAX + 1).collect()
}

/// Fields without a value, each with its path.
type Found = Vec<(Vec<Step>, Position)>;

/// Goes through the tree. Keys of maps that are the user's own are no fields.
fn look(node: &Node, path: &mut Vec<Step>, found: &mut Found) {
    let is_own = |entry: &Entry| STRING_MAPS.contains(&entry.key.as_str());
    match &node.content {
        Content::Map(entries) => {
            let is_top = path.is_empty();
            for entry in entries {
                // What the operator writes is not read.
                if is_top && entry.key == "status" {
                    continue;
                }
                path.push(Step::Key(entry.key.clone()));
                match entry.value.content {
                    Content::Null => found.push((path.clone(), entry.at)),
                    Content::Map(_) if is_own(entry) => {}
                    _ => look(&entry.value, path, found),
                }
                path.pop();
            }
        }
        Content::List(items) => {
            for (n, item) in items.iter().enumerate() {
                path.push(Step::Index(n));
                look(item, path, found);
                path.pop();
            }
        }
        _ => {}
    }
}

fn fault(root: &Node, fields: &Fields, one: (Vec<Step>, Position)) -> Option<Diagnostic> {
    let (path, at) = one;
    let Some((Step::Key(name), above)) = path.split_last() else {
        return None;
    };
    let keys = above.iter().filter_map(|step| match step {
        Step::Key(key) => Some(key.as_str()),
        Step::Index(_) => None,
    });
    // A section that does not exist has its own fault.
    let known = fields.get(&keys.collect::<Vec<_>>().join("."))?;
    if known.contains(name) {
        return None;
    }
    let message = format!("unknown field `{}`", shortened(name));
    let fault = Diagnostic::at(path_text(&path), message);
    let hint = match nearest(name, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known here: {}", known.join(", ")),
    };
    let mut fault = placed(root, above, fault.hint(hint));
    (fault.line, fault.column) = (at.line, at.column);
    Some(fault)
}

/// The places of the sections of each kind, in the newest version.
static SECTIONS: LazyLock<BTreeMap<&str, BTreeSet<String>>> = LazyLock::new(|| {
    let kinds = [KIND, KIND_SOURCE].into_iter();
    kinds
        .map(|kind| (kind, schema::sections(&schema::of(kind, Version::NEWEST))))
        .collect()
});

/// The lists of a document in the shape of the newest version that stand in the place of a
/// section; as many as are told.
pub fn lists(root: &Node, kind: &'static str) -> Vec<Vec<Step>> {
    let mut found = Vec::new();
    find_lists(root, &mut Vec::new(), &mut found);
    let Some(sections) = SECTIONS.get(kind) else {
        return Vec::new();
    };
    found.retain(|path| {
        let mut place = String::new();
        for step in path {
            match step {
                Step::Index(_) => place.push_str("[]"),
                Step::Key(key) => {
                    place.push('.');
                    place.push_str(key);
                }
            }
        }
        sections.contains(place.trim_start_matches('.'))
    });
    found.truncate(FAULTS_MAX + 1);
    found
}

fn find_lists(node: &Node, path: &mut Vec<Step>, found: &mut Vec<Vec<Step>>) {
    let mut below = |step: Step, node: &Node| {
        path.push(step);
        if matches!(node.content, Content::List(_)) {
            found.push(path.clone());
        }
        find_lists(node, path, found);
        path.pop();
    };
    match &node.content {
        Content::Map(entries) => {
            for entry in entries {
                below(Step::Key(entry.key.clone()), &entry.value);
            }
        }
        Content::List(items) => {
            for (n, item) in items.iter().enumerate() {
                below(Step::Index(n), item);
            }
        }
        _ => {}
    }
}
