//! What is stored, as the resources that people see.

use std::collections::BTreeMap;

use super::error::{CliError, Result};
use super::kinds::absent;
use crate::api::{Metadata, ServiceCluster, ServiceClusterSpec};
use crate::names;
use crate::world::{Declared, Stored};

/// A declared cluster as a resource. Its generation is the newest one and its age that of the
/// oldest revision kept; its spec is the one in force, or empty while no revision is valid.
#[must_use]
pub fn resource(declared: &Declared) -> ServiceCluster {
    let mut cluster = match &declared.accepted {
        Some(accepted) => accepted.cluster.clone(),
        None => ServiceCluster {
            api_version: names::API_VERSION.to_owned(),
            kind: names::KIND.to_owned(),
            metadata: Metadata {
                name: declared.name.clone(),
                ..Metadata::default()
            },
            spec: ServiceClusterSpec::default(),
            status: None,
            stated: crate::api::Version::NEWEST,
        },
    };
    cluster.metadata.generation = declared.newest().map(|revision| revision.generation);
    cluster.metadata.creation_timestamp = declared.created().map(str::to_owned);
    cluster.status.clone_from(&declared.status);
    cluster
}

/// The resources of those of these names that exist, in this order; all, by name, when none is
/// given.
#[must_use]
pub fn chosen(declared: &BTreeMap<String, Declared>, names: &[String]) -> Vec<ServiceCluster> {
    if names.is_empty() {
        return declared.values().map(resource).collect();
    }
    let found = names.iter().filter_map(|name| declared.get(name));
    found.map(resource).collect()
}

/// What is declared by a name; fails when nothing is.
pub fn known<'a, D: Stored>(declared: &'a BTreeMap<String, D>, name: &str) -> Result<&'a D> {
    let found = declared.get(name);
    found.ok_or_else(|| CliError::Failed(absent(D::WORD, name, declared.keys())))
}

/// Fails when one of the names is not declared.
pub fn missing<D: Stored>(declared: &BTreeMap<String, D>, names: &[String]) -> Result {
    let missing = names.iter().filter(|name| !declared.contains_key(*name));
    let missing: Vec<String> = missing
        .map(|name| absent(D::WORD, name, declared.keys()))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(CliError::Failed(missing.join("\n")))
}
