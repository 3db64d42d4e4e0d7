//! Stored documents of versions of the API that go some day.

use std::collections::BTreeMap;

use super::{Check, Patient};
use crate::api::Version;
use crate::cli::{get, sources};
use crate::world::sources::sources as declared_sources;

/// A warning for each old version that something in force is stored in.
pub(super) fn checks(patient: &Patient) -> Vec<Check> {
    let clusters = patient.view.declared.values().filter_map(|declared| {
        let cluster = &declared.accepted.as_ref()?.cluster;
        Some((cluster.stated, get::reference(cluster)))
    });
    let declared = declared_sources(&patient.view.world);
    let sources = declared.values().filter_map(|declared| {
        let (_, source) = declared.accepted.as_ref()?;
        Some((source.stated, sources::reference(&declared.name)))
    });
    let mut old: BTreeMap<Version, Vec<String>> = BTreeMap::new();
    for (version, name) in clusters.chain(sources) {
        old.entry(version).or_default().push(name);
    }
    old.remove(&Version::NEWEST);
    let checks = old
        .into_iter()
        .map(|(version, names)| check(version, &names));
    checks.collect()
}

fn check(version: Version, names: &[String]) -> Check {
    let found = match names {
        [one] => format!("1 stored document is {version}: {one}"),
        all => format!(
            "{} stored documents are {version}: {}",
            all.len(),
            all.join(", ")
        ),
    };
    let newest = Version::NEWEST;
    Check::warning("versions", version.word(), found).hint(format!(
        "rewrite their manifests with `skep convert manifest -f FILE` and apply them: they are stored in {newest} then, and nothing else changes"
    ))
}
