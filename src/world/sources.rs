//! The declared sources: git repositories whose manifests the operator applies.

use std::collections::BTreeMap;

use super::declared::Revision;
use super::declared::history::histories;
use super::{Stored, World};
use crate::api::{Diagnostic, Source, SourceStatus};
use crate::names;

/// One source as it is declared.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeclaredSource {
    /// Its name.
    pub name: String,
    /// All stored revisions, oldest first; never empty.
    pub revisions: Vec<Revision>,
    /// The newest valid one, with its generation. `None`: none is valid.
    pub accepted: Option<(u64, Source)>,
    /// What is wrong with the newest revision; empty when it is the one in force.
    pub faults: Vec<Diagnostic>,
    /// The status of the newest revision that carries one.
    pub status: Option<SourceStatus>,
}

impl DeclaredSource {
    /// The last request of `skep sync`; empty: none.
    #[must_use]
    pub fn asked(&self) -> &str {
        let labels = self.newest().map(|revision| &revision.labels);
        let asked = labels.and_then(|labels| labels.get(names::LABEL_SYNC));
        asked.map_or("", String::as_str)
    }
}

/// The declared sources of a world, by name.
#[must_use]
pub fn sources(world: &World) -> BTreeMap<String, DeclaredSource> {
    let histories = histories(world).into_iter();
    histories
        .map(|(name, history)| {
            let source = DeclaredSource {
                name: name.clone(),
                revisions: history.revisions,
                accepted: history.accepted,
                faults: history.faults,
                status: history.status,
            };
            (name, source)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::testing::story;

    const SHOP: &str = "apiVersion: skep.dev/v1
kind: Source
metadata: {name: shop}
spec: {url: \"https://git.example.com/shop.git\"}
";

    #[test]
    fn a_bad_revision_of_a_source_leaves_the_last_good_one_in_force() {
        let bad = SHOP.replace("https", "ssh");
        let world = story()
            .config("source.shop.1", SHOP, &["dev.skep.kind=Source"])
            .config("source.shop.2", &bad, &["dev.skep.kind=Source"])
            .world();
        let shop = &sources(&world)["shop"];
        assert_eq!(
            shop.accepted.as_ref().map(|(generation, _)| *generation),
            Some(1)
        );
        assert_eq!(shop.faults[0].path, "spec.url");
        assert!(crate::world::declared(&world).is_empty());
    }

    #[test]
    fn a_config_of_one_kind_that_holds_the_other_is_told() {
        let world = story()
            .config(
                "servicecluster.shop.1",
                SHOP,
                &["dev.skep.kind=ServiceCluster"],
            )
            .world();
        let faults = &crate::world::declared(&world)["shop"].faults;
        assert_eq!(faults[0].message, "the config holds no ServiceCluster");
    }
}
