//! Stored certificates in swarm configs: one immutable, sealed config a revision.

use std::collections::BTreeMap;

use super::{ATTEMPTS, Applied, Error, Outcome};
use crate::names;
use crate::route::Faulty;
use crate::swarm::{self, Engine};
use crate::world::World;
use crate::world::certificates::{CertificateRevision, StoredCertificate, certificates};

/// Revisions kept of each certificate: the newest, and the one before it, which stays in force
/// when the newest cannot be used.
const KEPT: usize = 2;

/// A certificate that is sealed already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sealed {
    /// Its name.
    pub name: String,
    /// The sealed content.
    pub data: Vec<u8>,
    /// What its labels say of it, by label. Equal labels, equal certificate.
    pub labels: BTreeMap<String, String>,
}

/// All stored certificates by name.
pub async fn list(engine: &Engine) -> Result<BTreeMap<String, StoredCertificate>, Error> {
    let configs = engine.list_configs().await?;
    Ok(certificates(&World {
        configs,
        ..World::default()
    }))
}

/// Stores a certificate as a new revision, unless the newest is the same and usable. Then removes
/// the revisions that nobody needs any more.
pub async fn add(engine: &Engine, sealed: &Sealed) -> Result<Applied, Error> {
    let name = &sealed.name;
    let mut tried = 0;
    for _ in 0..ATTEMPTS {
        let all = list(engine).await?;
        let found = all.get(name);
        if let Some(newest) = found.and_then(StoredCertificate::newest)
            && is_same(newest, sealed)
        {
            return Ok(Applied {
                outcome: Outcome::Unchanged,
                generation: newest.generation,
            });
        }
        let newest = found.and_then(StoredCertificate::newest);
        // A name that stays taken though no revision explains it is passed over.
        let generation = newest.map_or(1, |r| r.generation + 1).max(tried + 1);
        let config = names::certificate_config(name, generation);
        let labels = labels(sealed, generation);
        match engine.create_config(&config, &labels, &sealed.data).await {
            Ok(_) => {
                prune(engine, found).await?;
                let outcome = match found {
                    Some(_) => Outcome::Configured,
                    None => Outcome::Created,
                };
                return Ok(Applied {
                    outcome,
                    generation,
                });
            }
            Err(swarm::Error::NameTaken { .. }) => tried = generation,
            Err(error) => return Err(error.into()),
        }
    }
    Err(Error::Contended { name: name.clone() })
}

/// Whether a revision holds the same pair, sealed to the same key, and the operator can use it.
fn is_same(revision: &CertificateRevision, sealed: &Sealed) -> bool {
    let all = sealed.labels.iter();
    let mut same = all.map(|(key, value)| revision.label(key) == value);
    same.all(|same| same) && revision.label(names::LABEL_FAULT).is_empty()
}

fn labels(sealed: &Sealed, generation: u64) -> BTreeMap<String, String> {
    let mut labels = sealed.labels.clone();
    labels.extend([
        (
            names::LABEL_KIND.to_owned(),
            names::KIND_CERTIFICATE.to_owned(),
        ),
        (names::LABEL_NAME.to_owned(), sealed.name.clone()),
        (names::LABEL_GENERATION.to_owned(), generation.to_string()),
    ]);
    labels
}

/// Removes revisions that are too old after a new one was added to them.
async fn prune(engine: &Engine, found: Option<&StoredCertificate>) -> Result<(), Error> {
    let revisions = found.map_or(&[][..], |certificate| &certificate.revisions);
    // One is new already.
    let old = (revisions.len() + 1).saturating_sub(KEPT);
    // The newest that works is needed while those after it do not.
    let works = revisions
        .iter()
        .rposition(|revision| revision.label(names::LABEL_FAULT).is_empty());
    for (place, revision) in revisions.iter().enumerate().take(old) {
        if Some(place) != works {
            remove(engine, revision).await?;
        }
    }
    Ok(())
}

/// Removes every revision of a certificate, oldest first; whether there was one.
pub async fn delete(engine: &Engine, name: &str) -> Result<bool, Error> {
    let mut any = false;
    // Again, until no revision is left that another writer added meanwhile.
    for _ in 0..ATTEMPTS {
        let Some(certificate) = list(engine).await?.remove(name) else {
            return Ok(any);
        };
        any = true;
        for revision in &certificate.revisions {
            remove(engine, revision).await?;
        }
    }
    Err(Error::Contended {
        name: name.to_owned(),
    })
}

/// Removes one revision. What somebody else removed is as good as removed.
async fn remove(engine: &Engine, revision: &CertificateRevision) -> Result<(), Error> {
    match engine.remove_config(&revision.config_id).await {
        Ok(()) | Err(swarm::Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The newest revisions whose mark does not say what is so, and what it should say.
#[must_use]
pub fn marks(
    world: &World,
    faulty: &BTreeMap<String, Faulty>,
) -> Vec<(CertificateRevision, Option<String>)> {
    let stored = certificates(world);
    let newest = stored.values().filter_map(|certificate| {
        let fault = faulty.get(&certificate.name).map(|f| f.message.as_str());
        Some((certificate.newest()?, fault))
    });
    newest
        .filter(|(revision, fault)| revision.label(names::LABEL_FAULT) != fault.unwrap_or(""))
        .map(|(revision, fault)| (revision.clone(), fault.map(str::to_owned)))
        .collect()
}

/// Writes on a revision, as it was read, why it cannot be used; `None`: it can.
pub async fn mark(
    engine: &Engine,
    revision: &CertificateRevision,
    fault: Option<&str>,
) -> Result<(), Error> {
    let mut labels = revision.labels.clone();
    match fault {
        Some(fault) => labels.insert(names::LABEL_FAULT.to_owned(), fault.to_owned()),
        None => labels.remove(names::LABEL_FAULT),
    };
    let (id, name) = (&revision.config_id, &revision.config_name);
    engine
        .update_config_labels(id, name, revision.config_version, &labels)
        .await?;
    Ok(())
}
