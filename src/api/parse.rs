//! Manifests in, `ServiceCluster`s and faults out; and back to one canonical text.

mod document;
mod emit;
mod explain;
mod load;
#[cfg(test)]
mod tests;
mod tree;

use serde_json::{Map, Value};

use super::{Diagnostic, ServiceCluster};

pub use emit::yaml;

/// What a text of manifests holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parsed {
    /// The resources of the documents without a fault, in order.
    pub clusters: Vec<ServiceCluster>,
    /// All faults of all documents, in order of position. `clusters` are usable all the same,
    /// but whoever applies should apply nothing while there is any.
    pub faults: Vec<Diagnostic>,
}

/// Reads manifests, YAML or JSON, one document or several; `source` names the text in faults.
///
/// Empty documents are skipped, empty sections count as omitted. `status` and what else Skep
/// writes itself is dropped. A syntax error ends the text: what stood before it is still read.
#[must_use]
pub fn manifests(source: &str, text: &str) -> Parsed {
    let mut parsed = Parsed::default();
    for document in load::documents(text) {
        let (cluster, faults) = document::read(document);
        parsed.clusters.extend(cluster);
        parsed.faults.extend(faults);
    }
    for fault in &mut parsed.faults {
        source.clone_into(&mut fault.source);
        one_line(&mut fault.message);
        one_line(&mut fault.hint);
    }
    parsed
}

/// Line breaks and other controls of the user's own text, escaped: a fault is one line.
fn one_line(text: &mut String) {
    if !text.contains(char::is_control) {
        return;
    }
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    *text = line;
}

/// The one text of a resource: `apiVersion`, `kind`, `metadata` (name, labels, annotations) and
/// `spec`; never the status or what Skep writes into the metadata. Equal specs, equal bytes.
#[must_use]
pub fn canonical(cluster: &ServiceCluster) -> String {
    let mut bare = cluster.clone();
    bare.status = None;
    bare.metadata.generation = None;
    bare.metadata.creation_timestamp = None;
    // Every field of the types is a text, a number, a boolean, a list or a map with text keys.
    let value = serde_json::to_value(&bare).unwrap_or_else(|_| Value::Object(Map::new()));
    yaml(&value)
}
