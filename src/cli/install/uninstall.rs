//! `skep uninstall`: everything that Skep made goes, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use super::plan::installed;

use crate::cli::args::UninstallArgs;
use crate::cli::error::{CliError, Result};
use crate::cli::session::{Progress, Session, View};
use crate::cli::wait::used_by_others;
use crate::names;
use crate::plan::{self, Step};
use crate::runtime::Retry;
use crate::store;
use crate::swarm;
use crate::world::certificates::{StoredCertificate, certificates};
use crate::world::sources::{DeclaredSource, sources};
use crate::world::{TaskState, World};

/// One thing to take away.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Removal {
    Service { id: String, name: String },
    Labels(Step),
    Network { id: String, name: String },
    Secret { id: String, name: String },
}

/// Takes the operator away first, so that it does not put anything back.
pub async fn run(session: &Session, args: &UninstallArgs) -> Result {
    let look = session.look().await?;
    let stored = certificates(&look.world);
    let decided = args.delete_clusters || args.keep_clusters;
    let sources = sources(&look.world);
    let nothing = look.declared.is_empty() && stored.is_empty() && sources.is_empty();
    if !decided && !nothing {
        return Err(CliError::Failed(refusal(&look, &stored, &sources)));
    }
    while let Some(operator) = installed(&session.look().await?.world) {
        session.engine.remove_service(&operator.id).await?;
        let line = format!("service/{} removed", operator.spec.name);
        session.terminal.done(&line)?;
    }
    // It works on for some seconds, until Swarm stops its container.
    let stopped = |view: &View| Ok(stopped(&view.world));
    session.until(args.timeout.get(), stopped).await?;
    if args.delete_clusters {
        for name in sources.keys() {
            match store::sources::delete(&session.engine, name).await {
                Ok(()) | Err(store::Error::NoSuchSource { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            let line = format!("source/{name} deleted");
            session.terminal.done(&line)?;
        }
        for name in look.declared.keys() {
            match store::delete(&session.engine, name).await {
                Ok(_) | Err(store::Error::NoSuchCluster { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            let line = format!("servicecluster/{name} deleted");
            session.terminal.done(&line)?;
        }
        for name in stored.keys() {
            store::certificates::delete(&session.engine, name).await?;
            let line = format!("certificate/{name} deleted");
            session.terminal.done(&line)?;
        }
    }
    let mut told = BTreeSet::new();
    let deadline = tokio::time::Instant::now() + args.timeout.get();
    loop {
        let world = session.look().await?.world;
        for network in kept(&world) {
            if told.insert(network.clone()) {
                session.terminal.warning(&network);
            }
        }
        let removals = removals(&world, args.keep_clusters);
        if removals.is_empty() {
            break;
        }
        let waiting = sweep(session, &removals).await?;
        if let Some(waiting) = waiting {
            if tokio::time::Instant::now() >= deadline {
                return Err(CliError::Failed(format!(
                    "not all could be removed within {}: {waiting}; run `skep uninstall` again",
                    args.timeout
                )));
            }
            session.terminal.progress(&format!("waiting: {waiting}"));
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        }
    }
    session.terminal.done("Skep is uninstalled")
}

fn refusal(
    view: &View,
    stored: &BTreeMap<String, StoredCertificate>,
    sources: &BTreeMap<String, DeclaredSource>,
) -> String {
    let list = |names: Vec<&str>| names.join(", ");
    let choice = "add --delete-clusters to delete them too, or --keep-clusters to keep what is declared for a later install";
    if view.declared.is_empty() && stored.is_empty() {
        let names = list(sources.keys().map(String::as_str).collect());
        return format!("sources are declared ({names}): {choice}");
    }
    if view.declared.is_empty() {
        let names = list(stored.keys().map(String::as_str).collect());
        return format!("certificates are stored ({names}): {choice}");
    }
    let names = list(view.declared.keys().map(String::as_str).collect());
    format!(
        "service clusters are declared ({names}), and uninstalling stops their proxies: {choice}"
    )
}

/// Whether no operator acts any more. One on a node that is gone cannot reach a manager either.
fn stopped(world: &World) -> Progress<()> {
    let acts = world.tasks.values().any(|task| {
        let component = task.container_labels.get(names::LABEL_COMPONENT);
        component.map(String::as_str) == Some("operator")
            && task.state <= TaskState::Running
            && task.state >= TaskState::Assigned
            && world.nodes.get(&task.node).is_some_and(|node| node.ready)
    });
    if acts {
        Progress::Waiting("the operator stops".to_owned())
    } else {
        Progress::Done(())
    }
}

/// Removes what can be removed now; the first that could not be, when there is one. What went
/// meanwhile is as good as removed.
async fn sweep(session: &Session, removals: &[Removal]) -> Result<Option<String>> {
    let mut waiting = None;
    for removal in removals {
        let engine = &session.engine;
        let (outcome, line) = match removal {
            Removal::Service { id, name } => (
                engine.remove_service(id).await,
                format!("service/{name} removed"),
            ),
            Removal::Network { id, name } => (
                engine.remove_network(id).await,
                format!("network/{name} removed"),
            ),
            Removal::Secret { id, name } => (
                engine.remove_secret(id).await,
                format!("secret/{name} removed"),
            ),
            Removal::Labels(Step::LabelNode {
                id,
                hostname,
                version,
                labels,
            }) => (
                engine.label_node(id, *version, labels).await,
                format!("node/{hostname} labels taken back"),
            ),
            Removal::Labels(_) => continue,
        };
        match outcome {
            Ok(()) => session.terminal.done(&line)?,
            Err(swarm::Error::NotFound { .. }) => {}
            Err(error) if error.retry() == Retry::Never => return Err(error.into()),
            Err(error) => {
                waiting.get_or_insert(error.to_string());
            }
        }
    }
    Ok(waiting)
}

/// What is to be taken away now, in order. With what is declared the sealing key stays: without it
/// nobody could open the stored certificates again.
fn removals(world: &World, keep: bool) -> Vec<Removal> {
    let sweep = plan::sweep(world, &BTreeMap::new());
    let mut all: Vec<Removal> = Vec::new();
    for step in sweep.steps {
        match step {
            Step::RemoveService { id, name } => all.push(Removal::Service { id, name }),
            Step::RemoveNetwork { id, .. } if used_by_others(world, &id) => {}
            Step::RemoveNetwork { id, name } => all.push(Removal::Network { id, name }),
            Step::LabelNode { .. } => all.push(Removal::Labels(step)),
            Step::CreateNetwork(_) | Step::CreateService(_) | Step::UpdateService { .. } => {}
        }
    }
    let mut secrets: Vec<_> = world.secrets.values().collect();
    secrets.sort_by(|a, b| a.name.cmp(&b.name));
    all.extend(
        secrets
            .into_iter()
            .filter(|secret| {
                names::SECRETS.contains(&secret.name.as_str())
                    && ours(&secret.labels)
                    && !(keep && secret.name == names::SECRET_SEALING)
            })
            .map(|secret| Removal::Secret {
                id: secret.id.clone(),
                name: secret.name.clone(),
            }),
    );
    let control = world.network_named(names::CONTROL_NETWORK);
    let control = control.filter(|n| ours(&n.labels) && !used_by_others(world, &n.id));
    all.extend(control.map(|network| Removal::Network {
        id: network.id.clone(),
        name: network.name.clone(),
    }));
    all
}

/// Networks that Skep made and that services of others use: a sentence for each.
fn kept(world: &World) -> Vec<String> {
    world
        .networks
        .values()
        .filter(|network| ours(&network.labels) && used_by_others(world, &network.id))
        .map(|network| {
            let name = &network.name;
            format!("network {name} stays, because services use it; `docker network rm {name}` removes it when they are gone")
        })
        .collect()
}

fn ours(labels: &BTreeMap<String, String>) -> bool {
    labels.get(names::LABEL_MANAGED_BY).map(String::as_str) == Some(names::MANAGED_BY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::install::spec;
    use crate::world::{Network, NetworkAttachment, Node, Secret, Service, Task};

    fn world() -> World {
        let mut world = World::default();
        let network = |name: &str, component: &str| Network {
            id: format!("id-{name}"),
            name: name.into(),
            driver: "overlay".into(),
            labels: spec::labels(component),
            ..Network::default()
        };
        let control = network(names::CONTROL_NETWORK, "control");
        world.networks.insert(control.id.clone(), control);
        for (name, labels) in [
            (names::SECRET_CA, spec::labels("pki")),
            ("skep-other", spec::labels("pki")),
            (names::SECRET_PROXY, BTreeMap::new()),
        ] {
            let secret = Secret {
                id: name.into(),
                name: name.into(),
                labels,
                ..Secret::default()
            };
            world.secrets.insert(name.into(), secret);
        }
        world
    }

    #[test]
    fn only_what_skep_made_is_removed_and_the_control_network_last() {
        let names: Vec<String> = removals(&world(), false)
            .into_iter()
            .map(|removal| match removal {
                Removal::Secret { name, .. } | Removal::Network { name, .. } => name,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(names, [names::SECRET_CA, names::CONTROL_NETWORK]);
    }

    #[test]
    fn the_sealing_key_stays_with_what_is_declared() {
        let mut world = world();
        let secret = Secret {
            id: "sealing".into(),
            name: names::SECRET_SEALING.into(),
            labels: spec::labels("pki"),
            ..Secret::default()
        };
        world.secrets.insert("sealing".into(), secret);
        assert_eq!(
            removals(&world, false).len(),
            removals(&world, true).len() + 1
        );
        let kept = removals(&world, true);
        assert!(
            kept.iter()
                .all(|removal| !matches!(removal, Removal::Secret { id, .. } if id == "sealing"))
        );
    }

    #[test]
    fn an_operator_that_still_runs_is_waited_for_unless_its_node_is_gone() {
        let mut world = world();
        let node = Node {
            ready: true,
            ..Node::default()
        };
        world.nodes.insert("n".into(), node);
        let task = Task {
            node: "n".into(),
            state: TaskState::Running,
            desired: TaskState::Remove,
            container_labels: spec::labels("operator"),
            ..Task::default()
        };
        world.tasks.insert("t".into(), task);
        assert!(matches!(stopped(&world), Progress::Waiting(_)));
        world.nodes.values_mut().for_each(|node| node.ready = false);
        assert_eq!(stopped(&world), Progress::Done(()));
    }

    #[test]
    fn a_network_that_others_use_stays_and_is_told() {
        let mut world = world();
        let mut service = Service::default();
        service.spec.networks = vec![NetworkAttachment {
            target: format!("id-{}", names::CONTROL_NETWORK),
            aliases: Vec::new(),
        }];
        world.services.insert("app".into(), service);
        assert_eq!(removals(&world, false).len(), 1);
        assert!(kept(&world)[0].contains("docker network rm skep-control"));
    }
}
