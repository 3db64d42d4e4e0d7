//! All revisions of one resource: in order, numbered, with the one in force.

use std::collections::BTreeMap;

use super::Revision;
use super::revision::{self, Kept, Read};
use crate::api::Diagnostic;
use crate::api::parse::Manifest;
use crate::names;
use crate::world::{Age, World};

/// All revisions of one resource.
pub(in crate::world) struct History<R: Kept> {
    /// Oldest first; never empty.
    pub revisions: Vec<Revision>,
    /// The newest valid one: its generation and its content.
    pub accepted: Option<(u64, R)>,
    /// What is wrong with the newest; empty when it is the one in force.
    pub faults: Vec<Diagnostic>,
    /// The status of the newest revision that carries one.
    pub status: Option<R::Status>,
}

/// The resources of a kind, by name.
pub(in crate::world) fn histories<R: Kept>(world: &World) -> BTreeMap<String, History<R>> {
    let mut by_name: BTreeMap<String, Vec<Read<R>>> = BTreeMap::new();
    for config in world.configs.values() {
        if config.labels.get(names::LABEL_KIND).map(String::as_str) == Some(R::KIND) {
            let read = revision::read(config);
            by_name.entry(read.name.clone()).or_default().push(read);
        }
    }
    let all = by_name.into_iter();
    all.map(|(name, reads)| (name, assemble(reads))).collect()
}

fn assemble<R: Kept>(mut reads: Vec<Read<R>>) -> History<R> {
    reads.sort_by_cached_key(|read| {
        (
            Age::of(&read.created_at),
            read.label_generation,
            read.config_name.clone(),
            read.config_id.clone(),
        )
    });
    let mut history = History {
        revisions: Vec::new(),
        accepted: None,
        faults: Vec::new(),
        status: None,
    };
    let mut generation = 0;
    for read in reads {
        generation = read.label_generation.max(generation + 1);
        let guards = read.content.as_ref().is_some_and(Manifest::guards);
        if let Some(mut content) = read.content {
            let metadata = content.metadata_mut();
            metadata.generation = Some(generation);
            metadata.creation_timestamp = Some(read.created_at.clone());
            history.accepted = Some((generation, content));
        }
        if read.status.is_some() {
            history.status = read.status;
        }
        history.revisions.push(Revision {
            config_id: read.config_id,
            config_version: read.config_version,
            config_name: read.config_name,
            generation,
            created_at: read.created_at,
            labels: read.labels,
            valid: read.faults.is_empty(),
            guards,
        });
        history.faults = read.faults;
    }
    history
}
