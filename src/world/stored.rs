//! What resources of all kinds have in common: they are stored as revisions, one in force.

use std::collections::BTreeMap;

use super::declared::Revision;
use super::declared::declared;
use super::declared::revision::Kept;
use super::sources::{DeclaredSource, sources};
use super::{Age, Declared, World};
use crate::api::parse::{Manifest, Parsed};
use crate::api::{Diagnostic, ServiceCluster, Source};
use crate::names;

/// A resource as it is declared, of whatever kind.
pub trait Stored: Sized {
    /// What a revision holds.
    type Resource: Manifest;
    /// The word before the slash: `servicecluster/east`.
    const WORD: &'static str;
    /// The kind in a sentence.
    const NOUN: &'static str;

    /// All of this kind, by name.
    fn all(world: &World) -> BTreeMap<String, Self>;
    /// Those of this kind in what was read.
    fn of(parsed: Parsed) -> Vec<Self::Resource>;
    /// The name of the config of a revision.
    fn config_name(name: &str, generation: u64) -> String;
    /// Its name.
    fn name(&self) -> &str;
    /// All stored revisions, oldest first; never empty.
    fn revisions(&self) -> &[Revision];
    /// The revision in force, with its generation.
    fn in_force(&self) -> Option<(u64, &Self::Resource)>;
    /// What is wrong with the newest revision; empty when it is the one in force.
    fn faults(&self) -> &[Diagnostic];

    /// The newest revision.
    fn newest(&self) -> Option<&Revision> {
        self.revisions().last()
    }

    /// The manager that the newest revision names itself.
    fn named_manager(&self) -> Option<&str> {
        let label = self.newest()?.labels.get(names::LABEL_MANAGER);
        label.map(String::as_str)
    }

    /// When it was first stored: revisions carry that on, because old ones are removed. Without
    /// such a label it is the time of the oldest one that is left.
    fn created(&self) -> Option<&str> {
        let labels = self.revisions().iter();
        let labels = labels.filter_map(|revision| revision.labels.get(names::LABEL_CREATED));
        let told = labels.map(String::as_str).filter(|at| Age::is_moment(at));
        let oldest = self.revisions().first().map(|it| it.created_at.as_str());
        told.chain(oldest).min_by_key(|at| Age::of(at))
    }

    /// Who declares it: the manager that the newest revision names, or the stack that deployed
    /// it. `None`: nobody says.
    fn manager(&self) -> Option<String> {
        Some(self.newest()?.manager()).filter(|manager| !manager.is_empty())
    }
}

impl Stored for Declared {
    type Resource = ServiceCluster;
    const WORD: &'static str = "servicecluster";
    const NOUN: &'static str = "service cluster";

    fn all(world: &World) -> BTreeMap<String, Self> {
        declared(world)
    }

    fn of(parsed: Parsed) -> Vec<ServiceCluster> {
        Kept::of(parsed)
    }

    fn config_name(name: &str, generation: u64) -> String {
        names::config_name(name, generation)
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn revisions(&self) -> &[Revision] {
        &self.revisions
    }

    fn in_force(&self) -> Option<(u64, &ServiceCluster)> {
        let accepted = self.accepted.as_ref()?;
        Some((accepted.generation, &accepted.cluster))
    }

    fn faults(&self) -> &[Diagnostic] {
        &self.faults
    }
}

impl Stored for DeclaredSource {
    type Resource = Source;
    const WORD: &'static str = "source";
    const NOUN: &'static str = "source";

    fn all(world: &World) -> BTreeMap<String, Self> {
        sources(world)
    }

    fn of(parsed: Parsed) -> Vec<Source> {
        Kept::of(parsed)
    }

    fn config_name(name: &str, generation: u64) -> String {
        names::source_config(name, generation)
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn revisions(&self) -> &[Revision] {
        &self.revisions
    }

    fn in_force(&self) -> Option<(u64, &Source)> {
        let (generation, source) = self.accepted.as_ref()?;
        Some((*generation, source))
    }

    fn faults(&self) -> &[Diagnostic] {
        &self.faults
    }
}
