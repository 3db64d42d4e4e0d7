//! Sources in swarm configs, by the same rules as service clusters; and what is sealed for them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ATTEMPTS, Error, remove, world, write_label};
use crate::names;
use crate::swarm::{self, Engine};
use crate::world::declared::Declared;
use crate::world::sources::{DeclaredSource, sources};
use crate::world::{Config, Stored as _, World};

/// All declared sources by name.
pub async fn list(engine: &Engine) -> Result<BTreeMap<String, DeclaredSource>, Error> {
    Ok(sources(&world(engine).await?))
}

/// All configs, as a world without anything else: sources and clusters of one moment.
pub async fn configs(engine: &Engine) -> Result<World, Error> {
    world(engine).await
}

/// Removes the revisions of a cluster that were seen, oldest first. One that somebody stored since
/// stays.
pub async fn withdraw(engine: &Engine, cluster: &Declared) -> Result<(), Error> {
    for revision in &cluster.revisions {
        remove(engine, revision).await?;
    }
    Ok(())
}

/// Removes every revision of a source, oldest first, and what is sealed for it. What it applied
/// stays.
pub async fn delete(engine: &Engine, name: &str) -> Result<(), Error> {
    let mut any = false;
    // A deletion that was interrupted may have left what is sealed.
    let unseal_all = async || {
        let mut any = false;
        for purpose in Purpose::ALL {
            any |= unseal(engine, name, purpose).await?;
        }
        Ok::<bool, Error>(any)
    };
    // Again, until no revision is left that another writer added meanwhile.
    for _ in 0..ATTEMPTS {
        let Some(source) = list(engine).await?.remove(name) else {
            any |= unseal_all().await?;
            if any {
                return Ok(());
            }
            return Err(Error::NoSuchSource {
                name: name.to_owned(),
            });
        };
        any = true;
        for revision in &source.revisions {
            remove(engine, revision).await?;
        }
    }
    Err(Error::Contended {
        name: name.to_owned(),
    })
}

/// Asks the operator to look at once: `token` is any text that was not asked before. The
/// generation that carries the request.
pub async fn ask(engine: &Engine, name: &str, token: &str) -> Result<u64, Error> {
    for _ in 0..ATTEMPTS {
        let found = list(engine).await?.remove(name);
        let newest = found.as_ref().and_then(|found| found.newest());
        let Some(newest) = newest else {
            return Err(Error::NoSuchSource {
                name: name.to_owned(),
            });
        };
        match write_label(engine, newest, names::LABEL_SYNC, token).await {
            Ok(_) => return Ok(newest.generation),
            // The operator wrote its status meanwhile, or there is a newer revision.
            Err(Error::Swarm(swarm::Error::Conflict { .. } | swarm::Error::NotFound { .. })) => {}
            Err(error) => return Err(error),
        }
    }
    Err(Error::Contended {
        name: name.to_owned(),
    })
}

/// What is sealed for a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// Credentials for its repository.
    Auth,
    /// The secret of its webhook.
    Hook,
}

impl Purpose {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Auth, Self::Hook];

    /// The word for it in names.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Hook => "hook",
        }
    }
}

/// Credentials as they are sealed: JSON.
#[derive(Serialize, Deserialize)]
pub struct Login {
    /// The user's name.
    pub username: String,
    /// Password or token.
    pub password: String,
    /// The server that they are for, as `https://server`.
    pub origin: String,
}

/// The configs that hold what is sealed for a source, newest first.
fn sealed<'w>(world: &'w World, source: &str, purpose: Purpose) -> Vec<(u64, &'w Config)> {
    let name = names::source_secret(source, purpose.word());
    let label = |config: &'w Config, key: &str| config.labels.get(key).map(String::as_str);
    let configs = world.configs.values();
    let mut found: Vec<(u64, &Config)> = configs
        .filter(|config| {
            label(config, names::LABEL_KIND) == Some(names::KIND_SOURCE_SECRET)
                && label(config, names::LABEL_NAME) == Some(&name)
        })
        .map(|config| {
            let generation = label(config, names::LABEL_GENERATION);
            let generation = generation.and_then(|text| text.parse().ok());
            (generation.unwrap_or(0), config)
        })
        .collect();
    found.sort_by_key(|(generation, _)| std::cmp::Reverse(*generation));
    found
}

/// Whether anything is sealed for a source, declared or not.
#[must_use]
pub fn is_sealed(world: &World, source: &str) -> bool {
    let mut purposes = Purpose::ALL.into_iter();
    purposes.any(|purpose| sealed_for(world, source, purpose).is_some())
}

/// The sealed content for a source; `None`: there is none.
#[must_use]
pub fn sealed_for<'w>(world: &'w World, source: &str, purpose: Purpose) -> Option<&'w [u8]> {
    let (_, config) = *sealed(world, source, purpose).first()?;
    Some(&config.data)
}

/// Stores sealed content for a source, in place of what was there.
pub async fn seal(
    engine: &Engine,
    source: &str,
    purpose: Purpose,
    data: &[u8],
) -> Result<(), Error> {
    let name = names::source_secret(source, purpose.word());
    for attempt in 0..ATTEMPTS {
        let world = world(engine).await?;
        let old = sealed(&world, source, purpose);
        let generation = old.first().map_or(0, |(generation, _)| *generation) + 1 + attempt;
        let config = names::source_secret_config(source, purpose.word(), generation);
        let labels = BTreeMap::from([
            (
                names::LABEL_KIND.to_owned(),
                names::KIND_SOURCE_SECRET.to_owned(),
            ),
            (names::LABEL_NAME.to_owned(), name.clone()),
            (names::LABEL_GENERATION.to_owned(), generation.to_string()),
        ]);
        match engine.create_config(&config, &labels, data).await {
            Ok(_) => return forget(engine, &old).await,
            Err(swarm::Error::NameTaken { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Error::Contended { name })
}

/// Removes what is sealed for a source; whether there was something.
pub async fn unseal(engine: &Engine, source: &str, purpose: Purpose) -> Result<bool, Error> {
    let world = world(engine).await?;
    let old = sealed(&world, source, purpose);
    forget(engine, &old).await?;
    Ok(!old.is_empty())
}

async fn forget(engine: &Engine, configs: &[(u64, &Config)]) -> Result<(), Error> {
    for (_, config) in configs {
        match engine.remove_config(&config.id).await {
            Ok(()) | Err(swarm::Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
