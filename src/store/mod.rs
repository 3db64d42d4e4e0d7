//! Resources in swarm configs: one immutable config a revision, the status in the labels of the
//! newest. Every write is a compare-and-swap, so any number of writers may work at once.

pub mod certificates;
mod error;
pub mod sources;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::api::parse::Manifest;
use crate::api::{ServiceCluster, parse};
use crate::names;
use crate::swarm::{self, Engine};
use crate::world::declared::{Declared, Revision, declared};
use crate::world::{Config, World};

pub use error::Error;

/// Attempts before [`apply`] or [`delete`] gives way to other writers.
const ATTEMPTS: u64 = 5;

/// What [`apply`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    /// What became of the cluster.
    pub outcome: Outcome,
    /// The generation now stored.
    pub generation: u64,
}

/// What became of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is new.
    Created,
    /// It has a new revision.
    Configured,
    /// It was so already; nothing was written.
    Unchanged,
}

/// All configs that declare something.
pub async fn read(engine: &Engine) -> Result<Vec<Config>, Error> {
    Ok(engine.list_configs().await?.into_values().collect())
}

/// All declared clusters by name.
pub async fn clusters(engine: &Engine) -> Result<BTreeMap<String, Declared>, Error> {
    Ok(declared(&world(engine).await?))
}

/// What [`apply`] would do now.
pub async fn would_apply(engine: &Engine, cluster: &ServiceCluster) -> Result<Applied, Error> {
    let all = clusters(engine).await?;
    Ok(next(all.get(&cluster.metadata.name), cluster))
}

/// Stores a cluster (checked before) as a new revision, unless the newest says the same.
pub async fn apply(engine: &Engine, cluster: &ServiceCluster) -> Result<Applied, Error> {
    apply_as(engine, cluster, None).await
}

/// The same, told who does it.
pub async fn apply_as(
    engine: &Engine,
    cluster: &ServiceCluster,
    manager: Option<&str>,
) -> Result<Applied, Error> {
    let name = &cluster.metadata.name;
    revise(engine, cluster, names::config_name, manager, |world| {
        next(declared(world).get(name), cluster)
    })
    .await
}

/// Tells who manages a cluster, as it is; nothing when it is gone.
pub async fn adopt(engine: &Engine, name: &str, manager: &str) -> Result<(), Error> {
    let found = clusters(engine).await?.remove(name);
    if let Some(newest) = found.as_ref().and_then(Declared::newest) {
        write_label(engine, newest, names::LABEL_MANAGER, manager).await?;
    }
    Ok(())
}

/// Stores a resource as the revision that `next` finds, for as long as others come first.
async fn revise(
    engine: &Engine,
    resource: &impl Manifest,
    config: impl Fn(&str, u64) -> String,
    manager: Option<&str>,
    next: impl Fn(&World) -> Applied,
) -> Result<Applied, Error> {
    let name = &resource.metadata().name;
    let data = parse::canonical(resource);
    let mut tried = 0;
    for _ in 0..ATTEMPTS {
        let mut applied = next(&world(engine).await?);
        if applied.outcome == Outcome::Unchanged {
            return Ok(applied);
        }
        // A name that stays taken though no revision explains it is passed over.
        applied.generation = applied.generation.max(tried + 1);
        let labels = revision_labels(resource, applied.generation, manager);
        let config = config(name, applied.generation);
        match engine
            .create_config(&config, &labels, data.as_bytes())
            .await
        {
            Ok(_) => return Ok(applied),
            Err(swarm::Error::NameTaken { .. }) => tried = applied.generation,
            Err(error) => return Err(error.into()),
        }
    }
    Err(Error::Contended { name: name.clone() })
}

/// The configs of the Swarm, as a world without anything else.
async fn world(engine: &Engine) -> Result<World, Error> {
    let configs = engine.list_configs().await?;
    Ok(World {
        configs,
        ..World::default()
    })
}

/// What storing a cluster over what is declared comes to.
fn next(found: Option<&Declared>, cluster: &ServiceCluster) -> Applied {
    let newest = found.and_then(Declared::newest);
    let accepted = found.and_then(|declared| declared.accepted.as_ref());
    let accepted = accepted.map(|accepted| (accepted.generation, &accepted.cluster));
    after(newest, accepted, cluster)
}

/// What storing a resource over its newest revision and the one in force comes to.
fn after<R: Manifest>(
    newest: Option<&Revision>,
    accepted: Option<(u64, &R)>,
    resource: &R,
) -> Applied {
    let Some(newest) = newest else {
        return Applied {
            outcome: Outcome::Created,
            generation: 1,
        };
    };
    let same = accepted.is_some_and(|(generation, accepted)| {
        generation == newest.generation && parse::canonical(accepted) == parse::canonical(resource)
    });
    if same {
        return Applied {
            outcome: Outcome::Unchanged,
            generation: newest.generation,
        };
    }
    Applied {
        outcome: Outcome::Configured,
        generation: newest.generation + 1,
    }
}

fn revision_labels<R: Manifest>(
    resource: &R,
    generation: u64,
    manager: Option<&str>,
) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::from([
        (names::LABEL_KIND.to_owned(), R::KIND.to_owned()),
        (
            names::LABEL_NAME.to_owned(),
            resource.metadata().name.clone(),
        ),
        (names::LABEL_GENERATION.to_owned(), generation.to_string()),
    ]);
    if let Some(manager) = manager {
        labels.insert(names::LABEL_MANAGER.to_owned(), manager.to_owned());
    }
    labels
}

/// Removes every revision of a cluster, oldest first, so that it stays in force until the last
/// is gone. The names of the removed configs.
pub async fn delete(engine: &Engine, name: &str) -> Result<Vec<String>, Error> {
    let mut removed = Vec::new();
    // Again, until no revision is left that another writer added meanwhile.
    for _ in 0..ATTEMPTS {
        let mut all = clusters(engine).await?;
        let Some(declared) = all.remove(name) else {
            if removed.is_empty() {
                return Err(Error::NoSuchCluster {
                    name: name.to_owned(),
                });
            }
            return Ok(removed);
        };
        for revision in declared.revisions {
            if remove(engine, &revision).await? {
                removed.push(revision.config_name);
            }
        }
    }
    Err(Error::Contended {
        name: name.to_owned(),
    })
}

/// Writes the status of a resource to a revision (the newest) as it was read, unless it is there
/// already; whether it wrote. [`swarm::Error::Conflict`] when the config changed meanwhile.
pub async fn write_status(
    engine: &Engine,
    revision: &Revision,
    status: &impl Serialize,
) -> Result<bool, Error> {
    let text = serde_json::to_string(status).map_err(|e| Error::Status(e.to_string()))?;
    write_label(engine, revision, names::LABEL_STATUS, &text).await
}

/// Sets a label of a revision as it was read, unless it is so already; whether it wrote.
pub async fn write_label(
    engine: &Engine,
    revision: &Revision,
    key: &str,
    value: &str,
) -> Result<bool, Error> {
    if revision.labels.get(key).map(String::as_str) == Some(value) {
        return Ok(false);
    }
    let mut labels = revision.labels.clone();
    labels.insert(key.to_owned(), value.to_owned());
    engine
        .update_config_labels(
            &revision.config_id,
            &revision.config_name,
            revision.config_version,
            &labels,
        )
        .await?;
    Ok(true)
}

/// Removes the oldest revisions of a cluster beyond its `dev.skep.history`, but never the one in
/// force. The names of the removed configs.
pub async fn prune(engine: &Engine, declared: &Declared) -> Result<Vec<String>, Error> {
    let mut removed = Vec::new();
    for revision in surplus(declared) {
        if remove(engine, revision).await? {
            removed.push(revision.config_name.clone());
        }
    }
    Ok(removed)
}

/// The revisions that [`prune`] removes, oldest first.
#[must_use]
pub fn surplus(declared: &Declared) -> Vec<&Revision> {
    let accepted = declared.accepted.as_ref();
    let keep = accepted
        .and_then(|a| {
            a.cluster
                .metadata
                .annotations
                .get(names::ANNOTATION_HISTORY)
        })
        .and_then(|text| text.parse::<usize>().ok())
        .unwrap_or(names::DEFAULT_HISTORY)
        .max(1);
    let old = declared.revisions.len().saturating_sub(keep);
    but_in_force(&declared.revisions[..old], accepted.map(|a| a.generation))
}

fn but_in_force(revisions: &[Revision], in_force: Option<u64>) -> Vec<&Revision> {
    let others = revisions.iter();
    others
        .filter(|revision| Some(revision.generation) != in_force)
        .collect()
}

/// Removes one revision; `false` when somebody else did.
async fn remove(engine: &Engine, revision: &Revision) -> Result<bool, Error> {
    match engine.remove_config(&revision.config_id).await {
        Ok(()) => Ok(true),
        Err(swarm::Error::NotFound { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
