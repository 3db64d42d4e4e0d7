//! Manifests in, `ServiceCluster`s and faults out; and back to one canonical text.

use super::{Diagnostic, ServiceCluster};

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
#[must_use]
pub fn manifests(source: &str, text: &str) -> Parsed {
    let mut parsed = Parsed::default();
    match serde_saphyr::from_multiple::<ServiceCluster>(text) {
        Ok(clusters) => parsed.clusters = clusters,
        Err(error) => parsed.faults.push(Diagnostic {
            source: source.to_owned(),
            message: error.to_string(),
            ..Diagnostic::default()
        }),
    }
    parsed
}

/// The one text of a resource: `apiVersion`, `kind`, `metadata` (name, labels, annotations) and
/// `spec`; never the status or what Skep writes into the metadata. Equal specs, equal bytes.
#[must_use]
pub fn canonical(cluster: &ServiceCluster) -> String {
    serde_saphyr::to_string(cluster).unwrap_or_default()
}
