//! Faults that the types alone cannot show: names, grammars, and fields that contradict each
//! other. All of them at once, each with its path.

pub(super) mod network;
mod placement;
pub(super) mod proxy;
mod source;
#[cfg(test)]
mod tests;
pub(super) mod traffic;

use std::collections::BTreeSet;
use std::fmt::Display;
use std::ops::RangeInclusive;

use super::Diagnostic;
use super::grammar::{self, cluster_name, label_key, nearest, shortened};
use super::service_cluster::{Admission, Metadata, ServiceCluster, ServiceClusterSpec};
use super::value::StringMap;
use super::version::Version;
use crate::names::{ANNOTATION_HISTORY, API_VERSION, APP_PREFIXES, KIND};

pub use source::source;

/// Labels and annotations under it are Skep's own.
const RESERVED_PREFIX: &str = "dev.skep.";
/// Most revisions that may be kept.
const HISTORY_MAX: usize = 100;

/// All faults of a resource, without positions, in the order of its fields. Empty: it is valid.
#[must_use]
pub fn validate(cluster: &ServiceCluster) -> Vec<Diagnostic> {
    // No `..`: a new section must be thought of here.
    let ServiceCluster {
        api_version,
        kind,
        metadata: meta,
        spec,
        status: _,
        stated: _,
    } = cluster;
    let ServiceClusterSpec {
        default: _,
        networks,
        placement: place,
        proxy: fleet,
        traffic: listeners,
        admission: door,
    } = spec;
    let mut faults = Faults::default();
    header(&mut faults, api_version, kind, KIND);
    metadata(&mut faults, meta, "service cluster");
    network::check(&mut faults, networks.as_deref().unwrap_or_default());
    placement::check(&mut faults, place);
    proxy::check(&mut faults, fleet, place);
    traffic::check(&mut faults, listeners);
    admission(&mut faults, door);
    faults.found
}

/// The faults found so far.
#[derive(Default)]
struct Faults {
    found: Vec<Diagnostic>,
}

impl Faults {
    fn add(
        &mut self,
        path: impl Into<String>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.found.push(Diagnostic::at(path, message).hint(hint));
    }

    /// An amount that is more or less than it may be.
    fn within<T: PartialOrd + Display>(
        &mut self,
        path: impl Into<String>,
        found: &T,
        range: &RangeInclusive<T>,
    ) {
        if !range.contains(found) {
            let (least, most) = (range.start(), range.end());
            let message = format!("`{found}` is not between {least} and {most}");
            self.add(path, message, format!("write {least} to {most}"));
        }
    }

    /// Notes the message of a failed check.
    fn check(&mut self, path: impl Into<String>, result: Result<(), String>) {
        if let Err(message) = result {
            self.add(path, message, "");
        }
    }

    /// Keys of labels that Skep sets on what it makes.
    fn labels(&mut self, path: &str, labels: &StringMap) {
        for (key, value) in labels {
            let at = keyed(path, key);
            self.check(at.as_str(), label_key(key));
            self.no_nul(&at, value);
            if key.starts_with(RESERVED_PREFIX) {
                let message = format!(
                    "`{key}` is reserved: Skep sets labels under `{RESERVED_PREFIX}` itself"
                );
                self.add(at, message, "choose another name");
            }
        }
    }

    /// The one character that no engine takes.
    fn no_nul(&mut self, path: &str, value: &str) {
        if value.contains('\0') {
            self.add(path, "holds the character NUL", "take it out");
        }
    }

    /// Labels of the proxies must not ask for a route: they would route to themselves.
    fn no_routes(&mut self, path: &str, labels: &StringMap) {
        for key in labels.keys() {
            if APP_PREFIXES.iter().any(|prefix| key.starts_with(prefix)) {
                let message = format!("`{key}` asks for a route to the proxies themselves");
                self.add(
                    keyed(path, key),
                    message,
                    "set it on the application's service",
                );
            }
        }
    }
}

/// The places of items that stand before them already.
fn repeated<T: Ord>(items: impl IntoIterator<Item = T>) -> BTreeSet<usize> {
    let mut seen = BTreeSet::new();
    let again = |item| !seen.insert(item);
    let places = items.into_iter().map(again).enumerate();
    places.filter_map(|(n, again)| again.then_some(n)).collect()
}

/// The path of a key of a map.
fn keyed(path: &str, key: impl Display) -> String {
    let key = key.to_string();
    let is_plain = !key.is_empty()
        && key.len() <= 80
        && key
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    if is_plain {
        format!("{path}.{key}")
    } else {
        format!("{path}[{:?}]", shortened(&key))
    }
}

fn header(faults: &mut Faults, api_version: &str, kind: &str, wanted: &str) {
    if api_version != API_VERSION {
        let message = format!("`{}` is not known to this version", shortened(api_version));
        faults.add("apiVersion", message, Version::hint(api_version));
    }
    if kind != wanted {
        let message = format!("`{}` is not a kind of Skep", shortened(kind));
        faults.add("kind", message, format!("the kind is {wanted}"));
    }
}

fn metadata(faults: &mut Faults, meta: &Metadata, what: &str) {
    let named = cluster_name(&meta.name).map_err(|why| why.replace("service cluster", what));
    faults.check("metadata.name", named);
    faults.labels("metadata.labels", &meta.labels);
    for (key, value) in &meta.annotations {
        let path = keyed("metadata.annotations", key);
        faults.check(path.as_str(), label_key(key));
        if key == ANNOTATION_HISTORY {
            let good = value
                .parse::<usize>()
                .is_ok_and(|n| (1..=HISTORY_MAX).contains(&n) && n.to_string() == *value);
            if !good {
                let message = format!("`{}` is not a number of revisions", shortened(value));
                faults.add(path, message, format!("write \"1\" to \"{HISTORY_MAX}\""));
            }
        } else if key.starts_with(RESERVED_PREFIX) {
            let hint = nearest(key, [ANNOTATION_HISTORY])
                .map(|near| format!("did you mean `{near}`?"))
                .unwrap_or_default();
            faults.add(
                path,
                format!("`{}` means nothing to Skep", shortened(key)),
                hint,
            );
        }
    }
}

fn admission(faults: &mut Faults, door: &Admission) {
    for key in door.selector.match_labels.keys() {
        let path = keyed("spec.admission.selector.matchLabels", key);
        faults.check(path, label_key(key));
    }
    for n in repeated(&door.hosts) {
        let message = format!("`{}` is listed twice", door.hosts[n]);
        let path = format!("spec.admission.hosts[{n}]");
        faults.add(path, message, "keep one of them");
    }
}
