//! The JSON Schema of the resource, generated from its types.

use serde_json::Value;

use super::ServiceCluster;

/// The JSON Schema (draft 2020-12) of a `ServiceCluster` manifest.
#[must_use]
pub fn service_cluster() -> Value {
    schemars::schema_for!(ServiceCluster).to_value()
}
