//! A snapshot as it is published to the sessions of a cluster: with its version, its place in the
//! sequence and what changed since the one before, each computed once and not once per session.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::resource::{Resource, Snapshot, TypeUrl};

/// A published snapshot. Shared between sessions behind an [`Arc`].
#[derive(Clone, Debug, Default)]
pub struct Published {
    /// Counts the snapshots of this cluster in this process. Never leaves it.
    pub(super) sequence: u64,
    /// [`Snapshot::version`].
    pub(super) version: String,
    pub(super) snapshot: Snapshot,
    /// Against the snapshot with the sequence before.
    delta: Delta,
}

/// Names that came, changed or went, with the version they had before.
pub(super) type Delta = BTreeMap<TypeUrl, Vec<(String, Option<String>)>>;

impl Published {
    /// The first snapshot of a cluster.
    #[must_use]
    pub fn first(snapshot: Snapshot) -> Arc<Self> {
        Self::default().next(snapshot)
    }

    /// The snapshot after this one.
    #[must_use]
    pub fn next(&self, snapshot: Snapshot) -> Arc<Self> {
        Arc::new(Self {
            sequence: self.sequence + 1,
            version: snapshot.version(),
            delta: delta(&self.snapshot, &snapshot),
            snapshot,
        })
    }

    /// The version of the whole snapshot.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The snapshot itself.
    #[must_use]
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    pub(super) fn get(&self, kind: TypeUrl, name: &str) -> Option<&Resource> {
        self.snapshot.types.get(kind)?.get(name)
    }

    /// What changed since an earlier snapshot. Nearly always the one before, for which the answer
    /// is already there; a session that missed some pays for the comparison itself.
    pub(super) fn since<'a>(&'a self, earlier: &Self) -> std::borrow::Cow<'a, Delta> {
        if self.sequence == earlier.sequence + 1 {
            std::borrow::Cow::Borrowed(&self.delta)
        } else {
            std::borrow::Cow::Owned(delta(&earlier.snapshot, &self.snapshot))
        }
    }
}

fn delta(old: &Snapshot, new: &Snapshot) -> Delta {
    let empty = BTreeMap::new();
    let mut delta = Delta::new();
    for &kind in old.types.keys().chain(new.types.keys()) {
        if !delta.contains_key(kind) {
            let old = old.types.get(kind).unwrap_or(&empty);
            let new = new.types.get(kind).unwrap_or(&empty);
            delta.insert(kind, delta_of_type(old, new));
        }
    }
    delta.retain(|_, names| !names.is_empty());
    delta
}

fn delta_of_type(
    old: &BTreeMap<String, Resource>,
    new: &BTreeMap<String, Resource>,
) -> Vec<(String, Option<String>)> {
    // Both are in order of name, so one walk over the two finds everything.
    let mut changes = Vec::new();
    let mut olds = old.iter().peekable();
    for (name, resource) in new {
        while let Some((gone, before)) = olds.next_if(|(other, _)| *other < name) {
            changes.push((gone.clone(), Some(before.version.clone())));
        }
        match olds.next_if(|(other, _)| *other == name) {
            Some((_, before)) if before.version == resource.version => {}
            Some((_, before)) => changes.push((name.clone(), Some(before.version.clone()))),
            None => changes.push((name.clone(), None)),
        }
    }
    changes.extend(olds.map(|(gone, before)| (gone.clone(), Some(before.version.clone()))));
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resources(items: &[(&str, &str)]) -> BTreeMap<String, Resource> {
        let resource = |version: &str| Resource {
            version: version.to_owned(),
            body: bytes::Bytes::new(),
        };
        items
            .iter()
            .map(|(name, version)| ((*name).to_owned(), resource(version)))
            .collect()
    }

    #[test]
    fn the_delta_names_what_came_changed_and_went_with_the_version_before() {
        let old = resources(&[("a", "1"), ("c", "1"), ("d", "1"), ("z", "1")]);
        let new = resources(&[("b", "1"), ("c", "1"), ("d", "2")]);
        let expected = [
            ("a", Some("1")),
            ("b", None),
            ("d", Some("1")),
            ("z", Some("1")),
        ]
        .map(|(name, version)| (name.to_owned(), version.map(str::to_owned)));
        assert_eq!(delta_of_type(&old, &new), expected);
    }
}
