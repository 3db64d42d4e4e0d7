//! Resources in swarm configs: one immutable config a revision, the status in the labels of the
//! newest. Every write is a compare-and-swap, so any number of writers may work at once.

pub mod certificates;
mod error;
pub mod sources;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::api::parse::Manifest;
use crate::api::{ServiceCluster, parse};
use crate::names;
use crate::swarm::{self, Engine};
use crate::world::declared::{Declared, Revision, declared};
use crate::world::{Config, Stored, World};

pub use error::Error;

/// Attempts before [`apply`] or [`delete`] gives way to other writers.
const ATTEMPTS: u64 = 5;

/// What [`apply`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    /// What became of the resource.
    pub outcome: Outcome,
    /// The generation now stored.
    pub generation: u64,
}

/// What became of a resource.
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
    Ok(declared(&world(engine).await?))
}

/// On whose behalf a resource is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct By<'a> {
    /// The manager that its revision will name; `None`: whoever it has now.
    pub manager: Option<&'a str>,
    /// Take it from another manager.
    pub force: bool,
    /// Store it also when it says the same as now, in an older version.
    pub older: bool,
    /// Only when its newest revision still is the one in this config (an id; empty: it is to be
    /// new).
    pub over: Option<&'a str>,
}

impl By<'_> {
    /// Whether the resource is another's, who is not to be passed over.
    fn refused(self, found: Option<&impl Stored>) -> Option<String> {
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

/// Stores a resource (checked before), on somebody's behalf, as a new revision, unless the newest
/// says the same. `seen`: what was declared a moment ago; it is read again only when it turns out
/// to be old.
///
/// [`Error::Managed`] when the resource would change and has another manager.
pub async fn apply_by<D: Stored>(
    engine: &Engine,
    seen: &BTreeMap<String, D>,
    resource: &D::Resource,
    by: By<'_>,
) -> Result<Applied, Error> {
    let name = &resource.metadata().name;
    let mut tried = 0;
    // Whoever must not write over others does not trust an older look.
    let mut read = match by.over {
        Some(_) => D::all(&world(engine).await?),
        None => BTreeMap::new(),
    };
    let mut found = by.over.map_or(seen, |_| &read).get(name);
    for _ in 0..ATTEMPTS {
        let mut applied = would_apply(found, resource, by)?;
        match (applied.outcome, found.and_then(D::newest), by.manager) {
            (Outcome::Unchanged, ..) => return Ok(applied),
            (Outcome::Adopted, Some(newest), Some(manager)) => {
                match write_label(engine, newest, names::LABEL_MANAGER, manager).await {
                    Ok(_) => return Ok(applied),
                    Err(Error::Swarm(
                        swarm::Error::Conflict { .. } | swarm::Error::NotFound { .. },
                    )) => {}
                    Err(error) => return Err(error),
                }
            }
            _ => {
                // A name that stays taken though no revision explains it is passed over.
                applied.generation = applied.generation.max(tried + 1);
                let current = found.and_then(D::named_manager);
                let config = D::config_name(name, applied.generation);
                let manager = by.manager.or(current);
                let mut labels = revision_labels(resource, applied.generation, manager);
                let created = found.and_then(D::created);
                labels.extend(created.map(|at| (names::LABEL_CREATED.to_owned(), at.to_owned())));
                let loose = found
                    .filter(|_| resource.guards())
                    .map_or_else(Vec::new, loose);
                if !loose.is_empty() {
                    // What they carry is told until there is news.
                    labels.extend(found.and_then(status_label));
                }
                if create(engine, resource, &config, &labels).await? {
                    for revision in loose {
                        remove(engine, revision).await?;
                    }
                    return Ok(applied);
                }
                tried = applied.generation;
            }
        }
        read = D::all(&world(engine).await?);
        found = read.get(name);
    }
    Err(Error::Contended { name: name.clone() })
}

/// What [`apply_by`] would do over what is declared.
pub fn would_apply<D: Stored>(
    found: Option<&D>,
    resource: &D::Resource,
    by: By<'_>,
) -> Result<Applied, Error> {
    let name = || resource.metadata().name.clone();
    let known = found.and_then(|found| Some((found, found.newest()?)));
    let newest = known.map_or("", |(_, newest)| newest.config_id.as_str());
    if by.over.is_some_and(|over| over != newest) {
        return Err(Error::Changed { name: name() });
    }
    let Some((declared, newest)) = known else {
        return Ok(Applied {
            outcome: Outcome::Created,
            generation: 1,
        });
    };
    let generation = newest.generation;
    let already = |outcome| {
        Ok(Applied {
            outcome,
            generation,
        })
    };
    let in_force = declared.in_force();
    let same = in_force.filter(|(_, one)| parse::same(*one, resource));
    if same.is_some_and(|(at, one)| at == generation && stays(one, resource, by.older)) {
        let current = declared.manager();
        let stays = by.manager.is_none() || by.manager == current.as_deref();
        let adopts = current.is_none() || by.force;
        return already(if stays || !adopts {
            Outcome::Unchanged
        } else {
            Outcome::Adopted
        });
    }
    match by.refused(found) {
        // It says the same; only in another version.
        Some(_) if same.is_some() => already(Outcome::Unchanged),
        Some(manager) => Err(Error::Managed {
            name: name(),
            manager,
        }),
        None => Ok(Applied {
            outcome: Outcome::Configured,
            generation: generation + 1,
        }),
    }
}

/// Whether what is stored stays, where a resource says the same. A newer version is stored, so
/// that a document leaves one that is deprecated; an older one is not, so that nobody undoes that
/// who does not mean to.
fn stays<R: Manifest>(stored: &R, resource: &R, older: bool) -> bool {
    let (now, then) = (stored.stated(), resource.stated());
    now == then || now > then && !older
}

/// The revisions that let in what is not signed.
fn loose<D: Stored>(found: &D) -> Vec<&Revision> {
    let all = found.revisions().iter();
    all.filter(|revision| !revision.guards).collect()
}

/// The label with the newest status of a resource.
fn status_label<D: Stored>(found: &D) -> Option<(String, String)> {
    let mut newest_first = found.revisions().iter().rev();
    newest_first.find_map(|revision| {
        let status = revision.labels.get_key_value(names::LABEL_STATUS)?;
        Some((status.0.clone(), status.1.clone()))
    })
}

/// Makes the config of a revision; `false` when its name is taken.
async fn create(
    engine: &Engine,
    resource: &impl Manifest,
    config: &str,
    labels: &BTreeMap<String, String>,
) -> Result<bool, Error> {
    let data = parse::canonical(resource);
    match engine.create_config(config, labels, data.as_bytes()).await {
        Ok(_) => Ok(true),
        Err(swarm::Error::NameTaken { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The configs of the Swarm, as a world without anything else.
async fn world(engine: &Engine) -> Result<World, Error> {
    let configs = engine.list_configs().await?;
    Ok(World {
        configs,
        ..World::default()
    })
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
    let removed = delete_all(
        engine,
        &[name.to_owned()],
        |_| true,
        |_| Ok::<(), Error>(()),
    )
    .await?;
    if removed.is_empty() {
        return Err(Error::NoSuchCluster {
            name: name.to_owned(),
        });
    }
    Ok(removed)
}

/// As [`delete`] for several clusters, with few reads; those that do not exist are passed over,
/// and those that are not `meant` any more when their turn comes. `gone` is told each name once
/// its revisions are removed.
pub async fn delete_all<E: From<Error>>(
    engine: &Engine,
    names: &[String],
    meant: impl Fn(&Declared) -> bool,
    mut gone: impl FnMut(&str) -> Result<(), E>,
) -> Result<Vec<String>, E> {
    let mut removed = Vec::new();
    let mut told = BTreeSet::new();
    // Again, until no revision is left that another writer added meanwhile.
    for _ in 0..ATTEMPTS {
        let mut all = clusters(engine).await?;
        all.retain(|name, declared| names.contains(name) && meant(declared));
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

/// Removes the oldest revisions of a resource beyond its `dev.skep.history`, and those before one
/// that lets in only what is signed which do not: nobody may fall back to them, neither when the
/// newest turns invalid nor an operator that does not know the field. Never the one in force. The
/// names of the removed configs.
pub async fn prune(engine: &Engine, declared: &impl Stored) -> Result<Vec<String>, Error> {
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
pub fn surplus(declared: &impl Stored) -> Vec<&Revision> {
    let in_force = declared.in_force();
    let keep = in_force
        .and_then(|(_, resource)| {
            let annotations = &resource.metadata().annotations;
            annotations.get(names::ANNOTATION_HISTORY)
        })
        .and_then(|text| text.parse::<usize>().ok())
        .unwrap_or(names::DEFAULT_HISTORY)
        .max(1);
    let guards = in_force.is_some_and(|(_, resource)| resource.guards());
    let in_force = in_force.map_or(0, |(generation, _)| generation);
    let old = declared.revisions().len().saturating_sub(keep);
    let all = declared.revisions().iter().enumerate();
    let surplus = all.filter(|(n, revision)| {
        let loose = guards && !revision.guards && revision.generation < in_force;
        (*n < old || loose) && revision.generation != in_force
    });
    surplus.map(|(_, revision)| revision).collect()
}

/// Removes one revision; `false` when somebody else did.
async fn remove(engine: &Engine, revision: &Revision) -> Result<bool, Error> {
    match engine.remove_config(&revision.config_id).await {
        Ok(()) => Ok(true),
        Err(swarm::Error::NotFound { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
