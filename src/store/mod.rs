//! Service clusters in swarm configs: one immutable config a revision, the status in the labels
//! of the newest. Every write is a compare-and-swap, so any number of writers may work at once.

pub mod certificates;
mod error;

use std::collections::BTreeMap;

use crate::api::{ServiceCluster, Status, parse};
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
    let configs = engine.list_configs().await?;
    Ok(declared(&World {
        configs,
        ..World::default()
    }))
}

/// What [`apply`] would do now.
pub async fn would_apply(engine: &Engine, cluster: &ServiceCluster) -> Result<Applied, Error> {
    let all = clusters(engine).await?;
    Ok(next(all.get(&cluster.metadata.name), cluster))
}

/// Stores a cluster (checked before) as a new revision, unless the newest says the same.
pub async fn apply(engine: &Engine, cluster: &ServiceCluster) -> Result<Applied, Error> {
    let name = &cluster.metadata.name;
    let data = parse::canonical(cluster);
    let mut tried = 0;
    for _ in 0..ATTEMPTS {
        let all = clusters(engine).await?;
        let mut applied = next(all.get(name), cluster);
        if applied.outcome == Outcome::Unchanged {
            return Ok(applied);
        }
        // A name that stays taken though no revision explains it is passed over.
        applied.generation = applied.generation.max(tried + 1);
        let labels = revision_labels(name, applied.generation);
        let config = names::config_name(name, applied.generation);
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

/// What storing a cluster over what is declared comes to.
fn next(found: Option<&Declared>, cluster: &ServiceCluster) -> Applied {
    let Some((declared, newest)) = found.and_then(|d| Some((d, d.newest()?))) else {
        return Applied {
            outcome: Outcome::Created,
            generation: 1,
        };
    };
    let same = declared.accepted.as_ref().is_some_and(|accepted| {
        accepted.generation == newest.generation
            && parse::canonical(&accepted.cluster) == parse::canonical(cluster)
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

fn revision_labels(name: &str, generation: u64) -> BTreeMap<String, String> {
    BTreeMap::from([
        (names::LABEL_KIND.to_owned(), names::KIND.to_owned()),
        (names::LABEL_NAME.to_owned(), name.to_owned()),
        (names::LABEL_GENERATION.to_owned(), generation.to_string()),
    ])
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

/// Writes the status of a cluster to a revision (the newest) as it was read, unless it is there
/// already; whether it wrote. [`swarm::Error::Conflict`] when the config changed meanwhile.
pub async fn write_status(
    engine: &Engine,
    revision: &Revision,
    status: &Status,
) -> Result<bool, Error> {
    let text = serde_json::to_string(status).map_err(|e| Error::Status(e.to_string()))?;
    if revision.labels.get(names::LABEL_STATUS) == Some(&text) {
        return Ok(false);
    }
    let mut labels = revision.labels.clone();
    labels.insert(names::LABEL_STATUS.to_owned(), text);
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
    let in_force = accepted.map(|a| a.generation);
    declared.revisions[..old]
        .iter()
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
