//! A look at a part of the Swarm, and what it changes in the world.

use std::collections::{BTreeMap, BTreeSet};

use tracing::debug;

use crate::swarm::{Engine, Error, observe};
use crate::world::{Service, Task, TaskState, UpdateState, World};

/// More services than this are looked at all together.
pub(super) const FEW: usize = 16;

/// Which services, or the tasks of which.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Scope {
    #[default]
    Nothing,
    /// Never empty.
    Some(BTreeSet<String>),
    All,
}

impl Scope {
    pub(super) fn of(ids: BTreeSet<String>) -> Self {
        match ids.len() {
            0 => Self::Nothing,
            n if n <= FEW => Self::Some(ids),
            _ => Self::All,
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        *self = match (std::mem::take(self), other) {
            (Self::Nothing, x) | (x, Self::Nothing) => x,
            (Self::Some(mut a), Self::Some(b)) => {
                a.extend(b);
                Self::of(a)
            }
            (Self::All, _) | (_, Self::All) => Self::All,
        };
    }

    fn covers(&self, id: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::Some(ids) => ids.contains(id),
            Self::All => true,
        }
    }
}

/// What to look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ask {
    pub(super) nodes: bool,
    pub(super) networks: bool,
    pub(super) services: Scope,
    pub(super) tasks: Scope,
    pub(super) configs: bool,
    pub(super) secrets: bool,
}

impl Ask {
    pub(super) fn full() -> Self {
        Self {
            nodes: true,
            networks: true,
            services: Scope::All,
            tasks: Scope::All,
            configs: true,
            secrets: true,
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.nodes |= other.nodes;
        self.networks |= other.networks;
        self.services.merge(other.services);
        self.tasks.merge(other.tasks);
        self.configs |= other.configs;
        self.secrets |= other.secrets;
    }
}

/// What a look has changed.
#[derive(Debug, Default)]
pub(super) struct Change {
    /// The world as it is now; `None`: as before.
    pub(super) world: Option<World>,
    /// Services that differ, or whose tasks do; whether each is on its way somewhere.
    pub(super) services: BTreeMap<String, bool>,
    /// Services that differ while their tasks were not looked at.
    pub(super) tasks_unseen: BTreeSet<String>,
    /// Whether a node came, went, or changed its readiness: tasks move then.
    pub(super) nodes_moved: bool,
}

/// Looks. Fails as a whole: nothing of a look that failed in part is used.
pub(super) async fn look(engine: &Engine, ask: &Ask, old: Option<&World>) -> Result<Change, Error> {
    let Some(old) = old else {
        let world = observe(engine).await?;
        let mut services = moving(&world, world.services.keys().cloned().collect());
        services.retain(|_, moves| *moves);
        return Ok(Change {
            world: Some(world),
            services,
            ..Change::default()
        });
    };
    let (nodes, networks, services, tasks, configs, secrets) = tokio::try_join!(
        when(ask.nodes, engine.list_nodes()),
        when(ask.networks, engine.list_networks()),
        services(engine, &ask.services, old),
        tasks(engine, &ask.tasks, old),
        when(ask.configs, engine.list_configs()),
        when(ask.secrets, engine.list_secrets()),
    )?;
    let mut change = Change::default();
    let nodes = newer(nodes, &old.nodes);
    change.nodes_moved = nodes.as_ref().is_some_and(|new| {
        let moved = |id: &String| {
            let key = |n: Option<&crate::world::Node>| n.map(|n| (n.ready, n.availability));
            key(new.get(id)) != key(old.nodes.get(id))
        };
        new.keys().chain(old.nodes.keys()).any(moved)
    });
    let services = newer(services, &old.services);
    let tasks = newer(tasks, &old.tasks);
    let mut changed = BTreeSet::new();
    if let Some(new) = &services {
        changed.extend(differing(&old.services, new));
        let unseen = changed.iter().filter(|id| !ask.tasks.covers(id));
        change.tasks_unseen = unseen.cloned().collect();
    }
    if let Some(new) = &tasks {
        for id in differing(&old.tasks, new) {
            let task = new.get(&id).or_else(|| old.tasks.get(&id));
            changed.extend(task.map(|t| t.service.clone()));
        }
    }
    let networks = newer(networks, &old.networks);
    let configs = newer(configs, &old.configs);
    let secrets = newer(secrets, &old.secrets);
    let same = nodes.is_none()
        && networks.is_none()
        && services.is_none()
        && tasks.is_none()
        && configs.is_none()
        && secrets.is_none();
    if !same {
        let world = World {
            nodes: nodes.unwrap_or_else(|| old.nodes.clone()),
            networks: networks.unwrap_or_else(|| old.networks.clone()),
            services: services.unwrap_or_else(|| old.services.clone()),
            tasks: tasks.unwrap_or_else(|| old.tasks.clone()),
            configs: configs.unwrap_or_else(|| old.configs.clone()),
            secrets: secrets.unwrap_or_else(|| old.secrets.clone()),
        };
        change.services = moving(&world, changed);
        change.world = Some(world);
    }
    Ok(change)
}

async fn when<T>(
    wanted: bool,
    call: impl Future<Output = Result<T, Error>>,
) -> Result<Option<T>, Error> {
    if wanted {
        call.await.map(Some)
    } else {
        Ok(None)
    }
}

type Map<T> = BTreeMap<String, T>;

async fn services(
    engine: &Engine,
    scope: &Scope,
    old: &World,
) -> Result<Option<Map<Service>>, Error> {
    match scope {
        Scope::Nothing => Ok(None),
        Scope::All => engine.list_services().await.map(Some),
        Scope::Some(ids) => {
            let found = engine.services_of(ids).await?;
            if ids.iter().all(|id| found.get(id) == old.services.get(id)) {
                return Ok(None);
            }
            let mut all = old.services.clone();
            all.retain(|id, _| !ids.contains(id));
            all.extend(found);
            Ok(Some(all))
        }
    }
}

async fn tasks(engine: &Engine, scope: &Scope, old: &World) -> Result<Option<Map<Task>>, Error> {
    match scope {
        Scope::Nothing => Ok(None),
        Scope::All => engine.list_tasks().await.map(Some),
        Scope::Some(ids) => {
            let found = match engine.tasks_of(ids).await {
                Ok(found) => found,
                // One of the services is gone, and the engine then tells nothing of the others.
                // What it left behind only the whole list knows.
                Err(Error::NotFound { message, .. }) => {
                    debug!(%message, "a service is gone, listing all tasks");
                    return engine.list_tasks().await.map(Some);
                }
                Err(error) => return Err(error),
            };
            let known = old.tasks.values().filter(|t| ids.contains(&t.service));
            let same = known.clone().all(|t| found.get(&t.id) == Some(t));
            if same && known.count() == found.len() {
                return Ok(None);
            }
            let mut all = old.tasks.clone();
            all.retain(|_, task| !ids.contains(&task.service));
            all.extend(found);
            Ok(Some(all))
        }
    }
}

fn newer<T: PartialEq>(found: Option<Map<T>>, old: &Map<T>) -> Option<Map<T>> {
    found.filter(|new| new != old)
}

/// The ids that are in one only or differ.
fn differing<T: PartialEq>(old: &Map<T>, new: &Map<T>) -> BTreeSet<String> {
    let gone = old.keys().filter(|id| !new.contains_key(*id));
    let other = new
        .iter()
        .filter(|(id, value)| old.get(*id) != Some(*value))
        .map(|(id, _)| id);
    gone.chain(other).cloned().collect()
}

/// Whether each of the services is on its way somewhere.
fn moving(world: &World, ids: BTreeSet<String>) -> BTreeMap<String, bool> {
    let mut moving: BTreeMap<String, bool> = ids
        .into_iter()
        .map(|id| {
            let moves = world.services.get(&id).is_some_and(service_moves);
            (id, moves)
        })
        .collect();
    for task in world.tasks.values().filter(|t| task_moves(t)) {
        if let Some(moves) = moving.get_mut(&task.service) {
            *moves = true;
        }
    }
    moving
}

fn service_moves(service: &Service) -> bool {
    let state = service.update.as_ref().map(|u| u.state);
    service.running != service.desired
        || matches!(
            state,
            Some(UpdateState::Updating | UpdateState::RollbackStarted)
        )
}

fn task_moves(task: &Task) -> bool {
    if task.desired <= TaskState::Running {
        task.state != task.desired
    } else {
        task.state <= TaskState::Running
    }
}
