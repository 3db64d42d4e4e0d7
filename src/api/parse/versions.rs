//! A tree of one version of the API into the shape of the newest, which is that of the types;
//! and its faults back into the words of the version that it was written in.

use std::collections::BTreeSet;

use super::tree::{Content, Entry, Node, Step};
use crate::api::version::{Move, down, standing, up};
use crate::api::{Diagnostic, Version};

/// The version that a document is written in. One that states none, or none that is known, is
/// taken for the one whose fields it has.
pub fn stated(root: &Node, kind: &str) -> Version {
    if let Some(version) = text(root).and_then(Version::stated) {
        return version;
    }
    let old = |version: &Version| {
        let mut gone = up(kind, *version).filter(|one| one.until == *version);
        gone.any(|one| root.at_path(&steps(one.old)).is_some())
    };
    Version::ALL.into_iter().find(old).unwrap_or_default()
}

fn text(root: &Node) -> Option<&str> {
    match &root.get("apiVersion")?.content {
        Content::Text(text) => Some(text),
        _ => None,
    }
}

/// Takes out the fields that only other versions have, each with its fault.
pub fn strangers(root: &mut Node, kind: &str, version: Version) -> Vec<Diagnostic> {
    let mut faults = Vec::new();
    let mut seen = BTreeSet::new();
    for one in up(kind, Version::ALL[0]) {
        let at = foreign(one, version);
        if !seen.insert(at) {
            continue;
        }
        let path = steps(at);
        let (Some(_), Some((Step::Key(last), above))) = (root.at_path(&path), path.split_last())
        else {
            continue;
        };
        let key = match root.at_path(above).map(|node| &node.content) {
            Some(Content::Map(entries)) => entries.iter().find(|entry| entry.key == *last),
            _ => None,
        };
        let mut fault = Diagnostic::at(at, format!("unknown field `{last}`"));
        if let Some(key) = key {
            (fault.line, fault.column) = (key.at.line, key.at.column);
        }
        faults.push(fault.hint(instead(root, kind, version, at)));
        root.remove(&path);
    }
    faults
}

/// The place of a moved field that a version does not have.
fn foreign(one: &Move, version: Version) -> &'static str {
    if version <= one.until {
        one.born
    } else {
        one.old
    }
}

/// Where the fields of a place of another version stand in this one: those that are given there,
/// or all.
fn instead(root: &Node, kind: &str, version: Version, at: &str) -> String {
    let there = |one: &Move| {
        let is_older = version <= one.until;
        if is_older { one.new } else { one.old }
    };
    let all: Vec<&Move> = up(kind, Version::ALL[0])
        .filter(|one| foreign(one, version) == at)
        .collect();
    let given = |one: &&&Move| root.at_path(&steps(there(one))).is_some();
    let mut told: Vec<&Move> = all.iter().filter(given).copied().collect();
    if told.is_empty() {
        told = all;
    }
    let words = told.into_iter().map(|one| {
        let new: Vec<&str> = one.new.split('.').collect();
        let here = standing(kind, version, &new).join(".");
        format!("`{}` is `{here}` in {version}", there(one))
    });
    words.collect::<Vec<_>>().join("; ")
}

/// Moves a tree of a version, without strangers, into the shape of the newest. Every value keeps
/// its position.
pub fn lift(root: &mut Node, kind: &str, version: Version) {
    for one in up(kind, version) {
        let (from, to): (Vec<&str>, Vec<&str>) =
            (one.old.split('.').collect(), one.new.split('.').collect());
        if let Some((at, entry)) = take(root, &from) {
            put(root, &to, at, entry);
        }
    }
    let known = text(root).and_then(Version::stated).is_some();
    if let (true, Content::Map(entries)) = (known, &mut root.content)
        && let Some(entry) = entries.iter_mut().find(|entry| entry.key == "apiVersion")
    {
        entry.value.content = Content::Text(Version::NEWEST.text().to_owned());
    }
}

/// Takes an entry out, and where in its map it was.
fn take(node: &mut Node, path: &[&str]) -> Option<(usize, Entry)> {
    let Content::Map(entries) = &mut node.content else {
        return None;
    };
    let (key, rest) = path.split_first()?;
    let at = entries.iter().position(|entry| entry.key == *key)?;
    if rest.is_empty() {
        return Some((at, entries.remove(at)));
    }
    take(&mut entries[at].value, rest)
}

/// Puts an entry at a path, and a section that it needs as the entry `place` of its map.
fn put(node: &mut Node, path: &[&str], place: usize, entry: Entry) {
    let (Content::Map(entries), Some((key, rest))) = (&mut node.content, path.split_first()) else {
        return;
    };
    if rest.is_empty() {
        let key = (*key).to_owned();
        return entries.push(Entry { key, ..entry });
    }
    let at = entries.iter().position(|known| known.key == *key);
    let at = at.unwrap_or_else(|| {
        let section = Entry {
            at: entry.at,
            key: (*key).to_owned(),
            value: Node {
                at: entry.at,
                content: Content::Map(Vec::new()),
            },
        };
        let place = place.min(entries.len());
        entries.insert(place, section);
        place
    });
    put(&mut entries[at].value, rest, place, entry);
}

/// A path of the newest version as the version has it.
pub fn as_written(kind: &str, version: Version, path: &[Step]) -> Vec<Step> {
    let keys: Vec<&str> = path
        .iter()
        .map_while(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Index(_) => None,
        })
        .collect();
    let written = standing(kind, version, &keys);
    let rest = path[keys.len()..].iter().cloned();
    let keys = written.into_iter().map(|key| Step::Key(key.to_owned()));
    keys.chain(rest).collect()
}

/// The fields that a version has in a section, of those that the newest one has there.
pub fn fields(kind: &str, version: Version, section: &str, mut known: Vec<String>) -> Vec<String> {
    for one in down(kind, version) {
        let place = |path: &'static str| path.rsplit_once('.').unwrap_or(("", path));
        let ((above, born), (before, old)) = (place(one.born), place(one.old));
        if before == section && !known.iter().any(|name| name == old) {
            let at = known
                .iter()
                .position(|name| above == section && name == born);
            known.insert(at.unwrap_or(known.len()), old.to_owned());
        }
    }
    known.retain(|name| {
        let born = |one: &Move| one.born.rsplit_once('.') == Some((section, name.as_str()));
        !down(kind, version).any(born)
    });
    known
}

/// A path as steps.
pub fn steps(path: &str) -> Vec<Step> {
    let keys = path.split('.');
    keys.map(|key| Step::Key(key.to_owned())).collect()
}
