//! `skep apply`: manifests become revisions in the store; the operator does the rest.

use std::collections::{BTreeMap, BTreeSet};

use super::args::ApplyArgs;
use super::error::{CliError, Result};
use super::get::reference;
use super::session::{Session, View, now};
use super::wait::{self, Goal};
use crate::api::{ConditionStatus, ConditionType, ServiceCluster};
use crate::names;
use crate::plan::{self, PlanInputs, Settings};
use crate::store::{self, Outcome};
use crate::world::{Config, World};

impl From<store::Error> for CliError {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Swarm(error) => error.into(),
            other => Self::Failed(other.to_string()),
        }
    }
}

/// Stores the clusters, which are valid, and tells what became of each.
pub async fn run(session: &Session, args: &ApplyArgs, clusters: &[ServiceCluster]) -> Result {
    let view = session.look().await?;
    session.warn_without_operator(&view);
    for warning in warnings(&view.world, clusters) {
        session.terminal.warning(&warning);
    }
    for cluster in clusters {
        let applied = if args.dry_run {
            store::would_apply(&session.engine, cluster).await?
        } else {
            store::apply(&session.engine, cluster).await?
        };
        let what = match applied.outcome {
            Outcome::Created => "created",
            Outcome::Configured => "configured",
            Outcome::Unchanged => "unchanged",
        };
        let note = if args.dry_run { " (dry run)" } else { "" };
        let line = format!("{} {what}{note}", reference(cluster));
        session.terminal.done(&line)?;
    }
    if args.wait && !args.dry_run {
        let names: Vec<String> = clusters.iter().map(|c| c.metadata.name.clone()).collect();
        let goal = Goal::Condition(ConditionType::Ready, ConditionStatus::True);
        wait::run(session, &names, goal, args.timeout.get()).await?;
    }
    Ok(())
}

/// What stands in the way of these clusters as the Swarm is now. Declared state may come before
/// the networks and nodes that it names, so these are no errors.
#[must_use]
pub fn warnings(world: &World, clusters: &[ServiceCluster]) -> Vec<String> {
    let view = View::of(with_declared(world, clusters));
    let nothing = BTreeSet::new();
    let settings = Settings::default();
    let mut all = Vec::new();
    for cluster in clusters {
        let name = &cluster.metadata.name;
        let Some(declared) = view.declared.get(name) else {
            continue;
        };
        let plan = plan::plan(&PlanInputs {
            world: &view.world,
            name,
            cluster,
            followed: view.routing_of(name).map_or(&nothing, |r| &r.followed),
            secrets: view.routing_of(name).map_or(&nothing, |r| &r.secrets),
            settings: &settings,
            status: declared.status.as_ref(),
            conflicts: &declared.conflicts,
        });
        for blocker in plan.blockers {
            // What `install` makes is told once, by the warning that there is no operator.
            if blocker.reason != "NotInstalled" {
                all.push(format!("{}: {}", reference(cluster), blocker.message));
            }
        }
    }
    all
}

/// The world as it will be when the clusters are stored.
fn with_declared(world: &World, clusters: &[ServiceCluster]) -> World {
    let mut world = world.clone();
    for cluster in clusters {
        let name = &cluster.metadata.name;
        // A key that no engine gives out, and a name that no revision in the store has.
        let id = format!("declared/{name}");
        let config = Config {
            id: id.clone(),
            name: id.clone(),
            labels: BTreeMap::from([
                (names::LABEL_KIND.to_owned(), names::KIND.to_owned()),
                (names::LABEL_NAME.to_owned(), name.clone()),
            ]),
            data: crate::api::parse::canonical(cluster).into_bytes(),
            created_at: now()
                .format(&time::format_description::well_known::Rfc3339)
                .unwrap_or_default(),
            ..Config::default()
        };
        world.configs.insert(id, config);
    }
    world
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::service_cluster::NetworkRef;
    use crate::cli::get::tests::east;
    use crate::world::Network;

    fn east_on(network: &str) -> ServiceCluster {
        let mut east = east();
        east.spec.networks = Some(vec![NetworkRef {
            name: network.into(),
            create: None,
        }]);
        east
    }

    #[test]
    fn a_network_that_is_not_there_is_a_warning_that_says_what_to_do() {
        let told = warnings(&World::default(), &[east_on("eastnet")]);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with("servicecluster/east: "), "{told:?}");
        assert!(told[0].contains("docker network create"), "{told:?}");
    }

    #[test]
    fn what_is_there_and_what_install_makes_are_no_warnings() {
        let mut world = World::default();
        let network = Network {
            id: "n".into(),
            name: "eastnet".into(),
            driver: "overlay".into(),
            ..Network::default()
        };
        world.networks.insert("n".into(), network);
        assert_eq!(
            warnings(&world, &[east_on("eastnet")]),
            Vec::<String>::new()
        );
    }
}
