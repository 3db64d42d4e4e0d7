//! Service clusters in swarm configs: one immutable config a revision, the status in the labels
//! of the newest. Every write is a compare-and-swap, so any number of writers may work at once.

pub mod certificates;
mod error;

use std::collections::{BTreeMap, BTreeSet};

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
    /// It was so already and has a new manager.
    Adopted,
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

/// On whose behalf a cluster is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct By<'a> {
    /// The manager that its revision will name; `None`: whoever it has now.
    pub manager: Option<&'a str>,
    /// Take it from another manager.
    pub force: bool,
    /// Only when its newest generation still is this one.
    pub over: Option<u64>,
}

impl By<'_> {
    /// Whether the cluster is another's, who is not to be passed over.
    fn refused(self, found: Option<&Declared>) -> Option<String> {
        let current = found?.manager()?;
        let wanted = self.manager?;
        (!self.force && current != wanted).then_some(current)
    }
}

/// Stores a cluster (checked before) as a new revision, unless the newest says the same.
pub async fn apply(engine: &Engine, cluster: &ServiceCluster) -> Result<Applied, Error> {
    let all = clusters(engine).await?;
    apply_by(engine, &all, cluster, By::default()).await
}

/// As [`apply`], on somebody's behalf. `seen`: what was declared a moment ago; it is read again
/// only when it turns out to be old.
///
/// [`Error::Managed`] when the cluster would change and has another manager.
pub async fn apply_by(
    engine: &Engine,
    seen: &BTreeMap<String, Declared>,
    cluster: &ServiceCluster,
    by: By<'_>,
) -> Result<Applied, Error> {
    let name = &cluster.metadata.name;
    let data = parse::canonical(cluster);
    let mut tried = 0;
    let mut read: BTreeMap<String, Declared>;
    let mut found = seen.get(name);
    for _ in 0..ATTEMPTS {
        let mut applied = would_apply(found, cluster, by)?;
        match (
            applied.outcome,
            found.and_then(Declared::newest),
            by.manager,
        ) {
            (Outcome::Unchanged, ..) => return Ok(applied),
            (Outcome::Adopted, Some(newest), Some(manager)) => {
                match adopt(engine, newest, manager).await {
                    Ok(()) => return Ok(applied),
                    Err(swarm::Error::Conflict { .. } | swarm::Error::NotFound { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            _ => {
                // A name that stays taken though no revision explains it is passed over.
                applied.generation = applied.generation.max(tried + 1);
                let mut labels = revision_labels(name, applied.generation);
                let current = || found.and_then(Declared::named_manager);
                if let Some(manager) = by.manager.or_else(current) {
                    labels.insert(names::LABEL_MANAGER.to_owned(), manager.to_owned());
                }
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
        }
        read = clusters(engine).await?;
        found = read.get(name);
    }
    Err(Error::Contended { name: name.clone() })
}

/// What [`apply_by`] would do over what is declared.
pub fn would_apply(
    found: Option<&Declared>,
    cluster: &ServiceCluster,
    by: By<'_>,
) -> Result<Applied, Error> {
    let known = found.and_then(|d| Some((d, d.newest()?)));
    let generation = known.map_or(0, |(_, newest)| newest.generation);
    if let Some(over) = by.over.filter(|over| *over != generation) {
        let name = cluster.metadata.name.clone();
        return Err(Error::Changed { name, over });
    }
    let Some((declared, newest)) = known else {
        return Ok(Applied {
            outcome: Outcome::Created,
            generation: 1,
        });
    };
    let same = declared.accepted.as_ref().is_some_and(|accepted| {
        accepted.generation == newest.generation
            && parse::canonical(&accepted.cluster) == parse::canonical(cluster)
    });
    let current = declared.manager();
    let stays = by.manager.is_none() || by.manager == current.as_deref();
    let adopts = current.is_none() || by.force;
    if same {
        return Ok(Applied {
            outcome: if stays || !adopts {
                Outcome::Unchanged
            } else {
                Outcome::Adopted
            },
            generation: newest.generation,
        });
    }
    if let Some(manager) = by.refused(found) {
        let name = cluster.metadata.name.clone();
        return Err(Error::Managed { name, manager });
    }
    Ok(Applied {
        outcome: Outcome::Configured,
        generation: newest.generation + 1,
    })
}

/// Writes the manager of a revision as it was read.
async fn adopt(engine: &Engine, newest: &Revision, manager: &str) -> Result<(), swarm::Error> {
    let mut labels = newest.labels.clone();
    labels.insert(names::LABEL_MANAGER.to_owned(), manager.to_owned());
    let (id, name) = (&newest.config_id, &newest.config_name);
    let version = newest.config_version;
    engine
        .update_config_labels(id, name, version, &labels)
        .await
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
    let removed = delete_all(engine, &[name.to_owned()], |_| Ok::<(), Error>(())).await?;
    if removed.is_empty() {
        return Err(Error::NoSuchCluster {
            name: name.to_owned(),
        });
    }
    Ok(removed)
}

/// As [`delete`] for several clusters, with few reads; those that do not exist are passed over.
/// `gone` is told each name once its revisions are removed.
pub async fn delete_all<E: From<Error>>(
    engine: &Engine,
    names: &[String],
    mut gone: impl FnMut(&str) -> Result<(), E>,
) -> Result<Vec<String>, E> {
    let mut removed = Vec::new();
    let mut told = BTreeSet::new();
    // Again, until no revision is left that another writer added meanwhile.
    for _ in 0..ATTEMPTS {
        let mut all = clusters(engine).await?;
        all.retain(|name, _| names.contains(name));
        if all.is_empty() {
            return Ok(removed);
        }
        for (name, declared) in all {
            for revision in declared.revisions {
                if remove(engine, &revision).await? {
                    removed.push(revision.config_name);
                }
            }
            if told.insert(name.clone()) {
                gone(&name)?;
            }
        }
    }
    let name = names.join(", ");
    Err(Error::Contended { name }.into())
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
