//! The table of what differs between versions, and paths from one shape to the other.

use super::Version;
use crate::names::KIND;

/// One field that stands elsewhere since some version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// The kind of resource.
    pub kind: &'static str,
    /// The last version that has it at its old place.
    pub until: Version,
    /// Its old place.
    pub old: &'static str,
    /// Its new place.
    pub new: &'static str,
    /// The part of the new place that versions up to `until` do not have: a new section, or the
    /// field itself.
    pub born: &'static str,
}

/// All moves, older versions first, and the fields of one section in the section's order.
const MOVES: [Move; 3] = [
    timeout(
        "spec.traffic.connectTimeout",
        "spec.traffic.timeouts.connect",
    ),
    timeout(
        "spec.traffic.requestTimeout",
        "spec.traffic.timeouts.request",
    ),
    timeout("spec.traffic.idleTimeout", "spec.traffic.timeouts.idle"),
];

const fn timeout(old: &'static str, new: &'static str) -> Move {
    Move {
        kind: KIND,
        until: Version::V1Alpha1,
        old,
        new,
        born: "spec.traffic.timeouts",
    }
}

/// The moves that turn a document of a version into one of the newest, in order.
pub fn up(kind: &str, from: Version) -> impl Iterator<Item = &'static Move> {
    let moves = MOVES.iter();
    moves.filter(move |one| one.kind == kind && one.until >= from)
}

/// The moves that, backwards, turn a document of the newest version into one of another, in order.
pub fn down(kind: &str, to: Version) -> impl Iterator<Item = &'static Move> {
    let versions = Version::ALL.into_iter().rev();
    versions
        .flat_map(move |version| MOVES.iter().filter(move |one| one.until == version))
        .filter(move |one| one.kind == kind && one.until >= to)
}

/// Where a field of the newest version stands in another one. Both as keys.
pub fn standing<'a>(kind: &str, to: Version, path: &[&'a str]) -> Vec<&'a str> {
    let mut path = path.to_vec();
    for one in down(kind, to) {
        if is_below(&path, one.new) {
            let rest = path.split_off(one.new.split('.').count());
            path = one.old.split('.').collect();
            path.extend(rest);
        }
    }
    path
}

/// Where a field that only other versions have stands in this one: each such place in the other
/// versions, and here. A section that was born later stands for all that moved there.
pub fn moved(kind: &str, version: Version, path: &str) -> Vec<(String, String)> {
    let typed: Vec<&str> = path.split('.').collect();
    let mut found = Vec::new();
    for one in up(kind, Version::ALL[0]) {
        let (there, here) = if version <= one.until {
            (one.new, one.old)
        } else {
            (one.old, one.new)
        };
        if is_below(&typed, there) {
            found.push((path.to_owned(), path.replacen(there, here, 1)));
        } else if version <= one.until && path == one.born {
            found.push((there.to_owned(), here.to_owned()));
        }
    }
    found
}

/// Whether the first keys of a path are those of another one.
fn is_below(path: &[&str], above: &str) -> bool {
    let mut keys = path.iter();
    above.split('.').all(|key| keys.next() == Some(&key))
}

/// How many keys two paths begin with in common.
pub fn common(a: &[&str], b: &[&str]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}
