//! What a source has to store and delete, so that the Swarm declares what its repository holds.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::ServiceCluster;
use crate::api::parse::same;
use crate::names;
use crate::world::Stored as _;
use crate::world::declared::Declared;

/// One change of what is declared.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// Store a revision, or only who stored it when it is so already.
    Apply {
        /// The cluster.
        cluster: Box<ServiceCluster>,
        /// The newest generation that was seen; 0: none. It is not stored over any other.
        over: u64,
        /// Take it from whoever stored that generation.
        force: bool,
    },
    /// The repository declares it no more.
    Delete(String),
}

/// What is to be done for one revision of a repository.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SourcePlan {
    /// The changes, in order of the clusters' names; deletions last.
    pub writes: Vec<Write>,
    /// Clusters that somebody else manages, each with what to do. While there is any, nothing
    /// should be written.
    pub conflicts: Vec<String>,
}

/// Compares what a repository declares with what is declared.
///
/// A change by hand of what the source stored is put back. What somebody else stored is taken over
/// when it is the same, and a conflict otherwise. A stack, or another source, is always a conflict,
/// unless it is gone.
#[must_use]
pub fn plan(
    source: &str,
    wanted: &[ServiceCluster],
    declared: &BTreeMap<String, Declared>,
    sources: &BTreeSet<&str>,
    prune: bool,
) -> SourcePlan {
    let manager = names::source_manager(source);
    let wanted: BTreeMap<&str, &ServiceCluster> = wanted
        .iter()
        .map(|cluster| (cluster.metadata.name.as_str(), cluster))
        .collect();
    let mut plan = SourcePlan::default();
    for (name, cluster) in &wanted {
        match verdict(&manager, cluster, declared.get(*name), sources) {
            Ok(write) => plan.writes.extend(write),
            Err(conflict) => plan.conflicts.push(conflict),
        }
    }
    let own = declared.values();
    let own = own.filter(|declared| declared.manager().as_deref() == Some(&manager));
    let gone = own.filter(|declared| !wanted.contains_key(declared.name.as_str()));
    if prune {
        let deletions = gone.map(|declared| Write::Delete(declared.name.clone()));
        plan.writes.extend(deletions);
    }
    plan
}

fn verdict(
    manager: &str,
    wanted: &ServiceCluster,
    found: Option<&Declared>,
    sources: &BTreeSet<&str>,
) -> Result<Option<Write>, String> {
    let apply = |over, force| {
        let cluster = Box::new(wanted.clone());
        Some(Write::Apply {
            cluster,
            over,
            force,
        })
    };
    let Some((found, newest)) = found.and_then(|found| Some((found, found.newest()?))) else {
        return Ok(apply(0, false));
    };
    let over = newest.generation;
    let accepted = found.accepted.as_ref();
    let accepted = accepted.filter(|accepted| accepted.generation == newest.generation);
    let accepted = accepted.filter(|accepted| same(&accepted.cluster, wanted));
    let other = found.manager().unwrap_or_default();
    if other == manager {
        // A newer version is stored once, so that documents leave one that is deprecated.
        let stays = accepted.is_some_and(|accepted| accepted.cluster.stated >= wanted.stated);
        return Ok(if stays { None } else { apply(over, false) });
    }
    let name = &found.name;
    if let Some(source) = other.strip_prefix(names::SOURCE_MANAGER)
        && sources.contains(source)
    {
        return Err(format!(
            "servicecluster/{name} is managed by source/{source} already: let one of the two repositories declare it"
        ));
    }
    // Its configs go with it, so a stack that is named is there.
    if let Some(stack) = other.strip_prefix(names::STACK_MANAGER) {
        return Err(format!(
            "servicecluster/{name} is deployed by stack `{stack}`: take it out of the stack or out of the repository"
        ));
    }
    // A change by hand is put back; who stored it as a set of their own took it over.
    let by_hand = other.is_empty() || other == names::MANAGER_APPLY;
    let was_own = by_hand && found.revisions.iter().any(|r| r.manager() == manager);
    // What a source left behind that is gone belongs to nobody.
    if accepted.is_some() || was_own || other.starts_with(names::SOURCE_MANAGER) {
        return Ok(apply(over, true));
    }
    let who = match other.as_str() {
        "" => "by hand".to_owned(),
        other => format!("as `{other}`"),
    };
    let stored = found.accepted.as_ref().map(|stored| &stored.cluster);
    let fields = stored.map(|stored| crate::api::changed_fields(stored, wanted));
    let what = match fields.filter(|fields| !fields.is_empty()) {
        Some(fields) => format!("differs in {}", fields.join(", ")),
        None => "differs".to_owned(),
    };
    Err(format!(
        "servicecluster/{name} exists already, {what}, and was stored {who}: make both the same (`skep apply -f` of the repository's manifest), or delete it, and the source takes it over"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Version;
    use crate::world::testing::story;

    fn text(name: &str, replicas: u64) -> String {
        format!(
            "apiVersion: skep.dev/v1\nkind: ServiceCluster\nmetadata: {{name: {name}}}\nspec: {{proxy: {{replicas: {replicas}}}}}\n"
        )
    }

    fn cluster(name: &str, replicas: u64) -> ServiceCluster {
        let parsed = crate::api::parse::manifests("t", &text(name, replicas));
        parsed.clusters.into_iter().next().unwrap()
    }

    /// Revisions of `east`, each as (replicas, manager).
    fn stored(revisions: &[(u64, &str)]) -> BTreeMap<String, Declared> {
        let mut story = story();
        for (n, (replicas, manager)) in revisions.iter().enumerate() {
            let manager = format!("dev.skep.manager={manager}");
            let generation = format!("dev.skep.generation={}", n + 1);
            let labels = ["dev.skep.kind=ServiceCluster", &manager, &generation];
            let config = format!("servicecluster.east.{}", n + 1);
            story = story.config(&config, &text("east", *replicas), &labels);
        }
        crate::world::declared(&story.world())
    }

    fn planned(revisions: &[(u64, &str)], prune: bool, wanted: &[ServiceCluster]) -> SourcePlan {
        let sources = BTreeSet::from(["shop", "other"]);
        plan("shop", wanted, &stored(revisions), &sources, prune)
    }

    fn apply(cluster: ServiceCluster, over: u64, force: bool) -> Vec<Write> {
        let cluster = Box::new(cluster);
        vec![Write::Apply {
            cluster,
            over,
            force,
        }]
    }

    #[test]
    fn what_is_so_already_is_left_alone_and_a_difference_is_applied() {
        let east = cluster("east", 2);
        assert_eq!(
            planned(&[(2, "source/shop")], true, std::slice::from_ref(&east)),
            SourcePlan::default()
        );
        assert_eq!(
            planned(&[(1, "source/shop")], true, std::slice::from_ref(&east)).writes,
            apply(east, 1, false)
        );
    }

    #[test]
    fn the_same_is_stored_in_a_newer_version_of_the_api_and_never_in_an_older_one() {
        let pairs = Version::ALL.map(|one| Version::ALL.map(|other| (one, other)));
        for (before, wanted) in pairs.concat() {
            let mut east = cluster("east", 2);
            east.stated = wanted;
            let mut declared = stored(&[(2, "source/shop")]);
            let found = declared.get_mut("east").unwrap();
            found.accepted.as_mut().unwrap().cluster.stated = before;
            let alive = BTreeSet::from(["shop"]);
            let plan = plan("shop", std::slice::from_ref(&east), &declared, &alive, true);
            let written = if wanted > before {
                apply(east, 1, false)
            } else {
                Vec::new()
            };
            assert_eq!((plan.writes, plan.conflicts.len()), (written, 0));
        }
    }

    #[test]
    fn a_change_by_hand_is_put_back() {
        let east = cluster("east", 2);
        let plan = planned(
            &[(2, "source/shop"), (5, "apply")],
            false,
            std::slice::from_ref(&east),
        );
        assert_eq!(
            (plan.writes, plan.conflicts.len()),
            (apply(east.clone(), 2, true), 0)
        );
        // Who stores it as a set of their own took it over.
        let taken = [(2, "source/shop"), (5, "apply/team")];
        let plan = planned(&taken, false, &[east]);
        assert_eq!(plan.writes, []);
        let told = "differs in spec.proxy.replicas, and was stored as `apply/team`";
        assert!(plan.conflicts[0].contains(told), "{plan:?}");
    }

    #[test]
    fn what_somebody_else_stored_is_taken_over_when_equal_and_a_conflict_otherwise() {
        for manager in ["", "apply", "apply/team", "source/gone"] {
            let plan = planned(&[(2, manager)], false, &[cluster("east", 2)]);
            assert_eq!(plan.writes, apply(cluster("east", 2), 1, true), "{manager}");
        }
        for manager in ["", "apply", "apply/team", "source/other"] {
            let plan = planned(&[(1, manager)], false, &[cluster("east", 2)]);
            assert!(
                plan.conflicts[0].contains("servicecluster/east"),
                "{manager}"
            );
        }
        let plan = planned(&[(2, "source/other")], false, &[cluster("east", 2)]);
        assert!(plan.conflicts[0].contains("source/other"));
        let plan = planned(&[(1, "source/gone")], false, &[cluster("east", 2)]);
        assert_eq!(plan.writes, apply(cluster("east", 2), 1, true));
    }

    #[test]
    fn what_a_stack_deployed_is_a_conflict_equal_or_not_and_is_never_deleted() {
        let labels = [
            "dev.skep.kind=ServiceCluster",
            "com.docker.stack.namespace=app",
        ];
        let deployed = |own: bool| {
            let mut story = story();
            if own {
                let labels = [
                    "dev.skep.kind=ServiceCluster",
                    "dev.skep.manager=source/shop",
                ];
                story = story.config("servicecluster.east.1", &text("east", 2), &labels);
            }
            let world = story.config("app_east", &text("east", 2), &labels).world();
            crate::world::declared(&world)
        };
        for (own, replicas) in [(false, 2), (false, 1), (true, 2), (true, 1)] {
            let wanted = [cluster("east", replicas)];
            let found = plan(
                "shop",
                &wanted,
                &deployed(own),
                &BTreeSet::from(["shop"]),
                true,
            );
            assert_eq!(found.writes, [], "{own} {replicas}");
            assert!(found.conflicts[0].contains("stack `app`"), "{found:?}");
        }
        let west = [cluster("west", 1)];
        let found = plan(
            "shop",
            &west,
            &deployed(true),
            &BTreeSet::from(["shop"]),
            true,
        );
        assert_eq!(found.writes, apply(cluster("west", 1), 0, false));
    }

    #[test]
    fn only_what_this_source_stored_is_deleted_and_only_with_prune() {
        let west = [cluster("west", 1)];
        let delete = |manager: &str, prune| {
            let plan = planned(&[(2, manager)], prune, &west);
            plan.writes.contains(&Write::Delete("east".to_owned()))
        };
        assert!(delete("source/shop", true));
        assert!(!delete("source/shop", false));
        for manager in ["", "apply", "source/other"] {
            assert!(!delete(manager, true), "{manager}");
        }
    }
}
