//! Opens the stored certificates, each once: a config never changes its content.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::certs::{Pair, SealingKey};
use crate::route::{Faulty, Keyring, Stored};
use crate::runtime::file;
use crate::world::World;
use crate::world::certificates::{CertificateRevision, StoredCertificate, certificates};

/// The sealing key, and what was opened with it.
#[derive(Debug)]
pub struct Vault {
    /// The key, or why there is none.
    key: Result<SealingKey, String>,
    /// By id of the config: the certificate, or why it cannot be used.
    opened: BTreeMap<String, Result<Stored, String>>,
}

impl Vault {
    /// A vault with the key of a file. An operator without one works, but for stored certificates.
    #[must_use]
    pub fn load(path: &Path) -> Self {
        let key = match file::text(path, file::SMALL) {
            Ok(text) => {
                SealingKey::parse(&text).map_err(|error| format!("{}: {error}", path.display()))
            }
            Err(error) => Err(format!(
                "the operator has no sealing key ({}: {error}): run `skep install`",
                path.display()
            )),
        };
        Self {
            key,
            opened: BTreeMap::new(),
        }
    }

    /// The stored certificates of a world. Of each name the newest revision that can be opened is
    /// in force.
    pub fn open(&mut self, world: &World) -> Keyring {
        let stored = certificates(world);
        let all: BTreeSet<&str> = stored
            .values()
            .flat_map(|certificate| &certificate.revisions)
            .map(|revision| revision.config_id.as_str())
            .collect();
        self.opened.retain(|id, _| all.contains(id.as_str()));
        let mut keyring = Keyring {
            keyless: self.key.is_err(),
            ..Keyring::default()
        };
        for certificate in stored.values() {
            self.add(world, certificate, &mut keyring);
        }
        keyring
    }

    fn add(&mut self, world: &World, certificate: &StoredCertificate, keyring: &mut Keyring) {
        let name = &certificate.name;
        for revision in certificate.revisions.iter().rev() {
            match self.revision(world, name, revision) {
                Ok(stored) => {
                    keyring.usable.insert(name.clone(), stored);
                    return;
                }
                Err(message) => {
                    // Told of the newest.
                    let hosts = revision.hosts().into_iter().map(str::to_owned).collect();
                    let faulty = Faulty { hosts, message };
                    keyring.faulty.entry(name.clone()).or_insert(faulty);
                }
            }
        }
    }

    fn revision(
        &mut self,
        world: &World,
        name: &str,
        revision: &CertificateRevision,
    ) -> Result<Stored, String> {
        if let Some(known) = self.opened.get(&revision.config_id) {
            return known.clone();
        }
        let config = world.configs.get(&revision.config_id);
        let data = config.map_or(&[][..], |config| &config.data);
        let found = self.unseal(name, data);
        self.opened
            .insert(revision.config_id.clone(), found.clone());
        found
    }

    fn unseal(&self, name: &str, data: &[u8]) -> Result<Stored, String> {
        let key = self.key.as_ref().map_err(Clone::clone)?;
        let content = key.open(name, data).map_err(|error| error.to_string())?;
        let Pair { facts, chain, key } =
            Pair::of_content(&content).map_err(|error| error.to_string())?;
        Ok(Stored {
            hosts: facts.hosts,
            not_after: facts.not_after,
            chain,
            key,
        })
    }
}
