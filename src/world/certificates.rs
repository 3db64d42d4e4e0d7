//! The stored certificates: which configs hold them, revision by revision. Their content is sealed
//! and only the operator reads it; the labels say what people ask for.

use std::collections::BTreeMap;

use super::{Age, Config, World};
use crate::names;

/// From so many seconds before its end on, a certificate counts as near its end.
pub const NEAR_END: i64 = 30 * 24 * 3_600;

/// One stored certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredCertificate {
    /// Its name.
    pub name: String,
    /// All stored revisions, oldest first; never empty.
    pub revisions: Vec<CertificateRevision>,
}

/// One stored revision of a certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateRevision {
    /// Id of the config that holds it.
    pub config_id: String,
    /// Version of that config, for compare-and-swap.
    pub config_version: u64,
    /// Name of that config.
    pub config_name: String,
    /// Its generation; 0 when its label says none.
    pub generation: u64,
    /// When it was stored (RFC 3339 as the engine writes it).
    pub created_at: String,
    /// Labels of the config.
    pub labels: BTreeMap<String, String>,
}

impl StoredCertificate {
    /// The newest revision.
    #[must_use]
    pub fn newest(&self) -> Option<&CertificateRevision> {
        self.revisions.last()
    }
}

impl CertificateRevision {
    /// What a label says; empty when it is missing.
    #[must_use]
    pub fn label(&self, key: &str) -> &str {
        self.labels.get(key).map_or("", String::as_str)
    }

    /// The hosts that its label names.
    #[must_use]
    pub fn hosts(&self) -> Vec<&str> {
        let hosts = self.label(names::LABEL_HOSTS).split(',');
        hosts.filter(|host| !host.is_empty()).collect()
    }
}

/// The stored certificates of a world, by name.
#[must_use]
pub fn certificates(world: &World) -> BTreeMap<String, StoredCertificate> {
    let mut found: BTreeMap<String, StoredCertificate> = BTreeMap::new();
    for config in world.configs.values().filter(|c| is_certificate(c)) {
        let name = name_of(config);
        let certificate = found.entry(name.clone()).or_default();
        certificate.name = name;
        certificate.revisions.push(revision(config));
    }
    for certificate in found.values_mut() {
        certificate.revisions.sort_by_cached_key(|r| {
            (
                r.generation,
                Age::of(&r.created_at),
                r.config_name.clone(),
                r.config_id.clone(),
            )
        });
    }
    found
}

/// Configs of a kind that this build does not know: their names and kinds. Nothing acts on them.
#[must_use]
pub fn unknown_kinds(world: &World) -> Vec<(&str, &str)> {
    let kinds = [
        names::KIND,
        names::KIND_CERTIFICATE,
        names::KIND_SOURCE,
        names::KIND_SOURCE_SECRET,
    ];
    let configs = world.configs.values();
    let mut unknown: Vec<(&str, &str)> = configs
        .map(|config| (config.name.as_str(), kind(config)))
        .filter(|(_, kind)| !kinds.contains(kind))
        .collect();
    unknown.sort_unstable();
    unknown
}

fn kind(config: &Config) -> &str {
    config
        .labels
        .get(names::LABEL_KIND)
        .map_or("", String::as_str)
}

fn is_certificate(config: &Config) -> bool {
    kind(config) == names::KIND_CERTIFICATE
}

/// That of the label; else what the config's own name says.
fn name_of(config: &Config) -> String {
    if let Some(name) = config.labels.get(names::LABEL_NAME) {
        return name.clone();
    }
    let name = config.name.strip_prefix("certificate.");
    let name = name.and_then(|rest| rest.rsplit_once('.'));
    name.map_or_else(|| config.name.clone(), |(name, _)| name.to_owned())
}

fn revision(config: &Config) -> CertificateRevision {
    let generation = config.labels.get(names::LABEL_GENERATION);
    CertificateRevision {
        config_id: config.id.clone(),
        config_version: config.version,
        config_name: config.name.clone(),
        generation: generation.and_then(|text| text.parse().ok()).unwrap_or(0),
        created_at: config.created_at.clone(),
        labels: config.labels.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::testing::story;

    #[test]
    fn revisions_stand_in_order_of_their_generation() {
        let labels = |generation: &str| {
            [
                "dev.skep.kind=Certificate".to_owned(),
                "dev.skep.name=shop".to_owned(),
                format!("dev.skep.generation={generation}"),
            ]
        };
        let (ten, nine) = (labels("10"), labels("9"));
        let world = story()
            .config(
                "certificate.shop.10",
                "x",
                &ten.each_ref().map(String::as_str),
            )
            .config(
                "certificate.shop.9",
                "x",
                &nine.each_ref().map(String::as_str),
            )
            .world();
        let found = certificates(&world);
        assert_eq!(found.len(), 1);
        let newest = found["shop"].newest().unwrap();
        assert_eq!(newest.config_name, "certificate.shop.10");
        assert!(crate::world::declared(&world).is_empty());
        assert!(unknown_kinds(&world).is_empty());
    }

    #[test]
    fn a_config_of_another_kind_is_told_and_nothing_else() {
        let world = story()
            .config("gateway.1", "x", &["dev.skep.kind=Gateway"])
            .world();
        assert_eq!(unknown_kinds(&world), [("gateway.1", "Gateway")]);
        assert!(certificates(&world).is_empty());
        assert!(crate::world::declared(&world).is_empty());
    }

    #[test]
    fn a_certificate_without_its_label_is_known_by_the_configs_name() {
        let world = story()
            .config("certificate.a.b.1", "x", &["dev.skep.kind=Certificate"])
            .world();
        assert!(certificates(&world).contains_key("a.b"));
    }
}
