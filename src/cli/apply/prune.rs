//! `apply --prune`: what the same manager declared before, and declares no more, goes.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::ServiceCluster;
use crate::cli::error::{CliError, Result};
use crate::cli::output::Selector;
use crate::cli::session::Session;
use crate::store;
use crate::world::{Declared, Stored as _};

/// Clusters deleted with one look: each look reads all configs.
const AT_ONCE: usize = 50;

/// Fails when nothing bounds what would be pruned.
pub fn bounded(prune: bool, set: Option<&str>, selector: Option<&Selector>) -> Result {
    if prune && set.is_none() && selector.is_none_or(Selector::is_empty) {
        return Err(CliError::Usage(
            "--prune needs --set NAME or -l SELECTOR, so that it cannot delete what others apply"
                .to_owned(),
        ));
    }
    Ok(())
}

/// The names of the clusters that are to go: of this manager, selected, and in no manifest. What
/// another manager declares, or nobody says who does, is never pruned.
#[must_use]
pub fn doomed(
    declared: &BTreeMap<String, Declared>,
    clusters: &[ServiceCluster],
    manager: &str,
    selector: Option<&Selector>,
) -> Vec<String> {
    let kept: BTreeSet<&str> = clusters.iter().map(|c| c.metadata.name.as_str()).collect();
    let goes = |one: &&Declared| {
        let labels = one.accepted.as_ref().map(|a| &a.cluster.metadata.labels);
        one.manager().as_deref() == Some(manager)
            && !kept.contains(one.name.as_str())
            && selector.is_none_or(|s| labels.is_some_and(|labels| s.matches(labels)))
    };
    let going = declared.values().filter(goes);
    going.map(|one| one.name.clone()).collect()
}

/// Deletes them, a few with each look, so that a cluster which another manager takes over
/// meanwhile stays.
pub(super) async fn run(session: &Session, manager: &str, names: &[String]) -> Result {
    let (mut done, all) = (0, names.len());
    let ours = |declared: &Declared| declared.manager().as_deref() == Some(manager);
    for names in names.chunks(AT_ONCE) {
        store::delete_all(&session.engine, names, ours, |name| {
            done += 1;
            session.terminal.clear();
            let line = format!("servicecluster/{name} pruned");
            session.terminal.done(&line)?;
            session.terminal.meter("pruned", done, all);
            Ok::<(), CliError>(())
        })
        .await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::get::tests::east;
    use crate::names;
    use crate::world::{Accepted, Revision};

    fn declared(name: &str, manager: &str, team: &str) -> Declared {
        let mut cluster = east();
        cluster.metadata.name = name.into();
        cluster.metadata.labels.insert("team".into(), team.into());
        let mut revision = Revision::default();
        if !manager.is_empty() {
            let label = (names::LABEL_MANAGER.to_owned(), manager.to_owned());
            revision.labels.extend([label]);
        }
        Declared {
            name: name.into(),
            revisions: vec![revision],
            accepted: Some(Accepted {
                generation: 1,
                cluster,
            }),
            ..Declared::default()
        }
    }

    #[test]
    fn a_selector_of_everything_bounds_nothing() {
        let everything = Selector::default();
        assert!(bounded(true, None, Some(&everything)).is_err());
        assert!(bounded(true, Some("shop"), Some(&everything)).is_ok());
        assert!(bounded(true, None, "a=b".parse().ok().as_ref()).is_ok());
    }

    #[test]
    fn only_what_the_same_manager_declared_and_the_selector_means_goes() {
        let all = [
            declared("east", "apply/shop", "a"),
            declared("gone", "apply/shop", "a"),
            declared("other-team", "apply/shop", "b"),
            declared("other-set", "apply/bar", "a"),
            declared("by-hand", "apply", "a"),
            declared("plain", "", "a"),
        ];
        let all = all.into_iter().map(|one| (one.name.clone(), one)).collect();
        let team = "team=a".parse().unwrap();
        let going = |selector| doomed(&all, &[east()], "apply/shop", selector);
        assert_eq!(going(Some(&team)), ["gone"]);
        assert_eq!(going(None), ["gone", "other-team"]);
    }
}
