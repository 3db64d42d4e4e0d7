//! A connection to the engine, and what is seen through it.

use std::collections::BTreeMap;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::Instant;

use super::args::Global;
use super::error::{CliError, Result};
use super::terminal::Terminal;
use crate::route::{self, ClusterRouting, Keyring, Routing};
use crate::runtime::Retry;
use crate::swarm::{self, Endpoint, Engine};
use crate::world::World;
use crate::world::declared::{Declared, declared};

/// Pause between two looks while something is waited for.
const PAUSE: Duration = Duration::from_millis(300);

impl From<swarm::Error> for CliError {
    fn from(error: swarm::Error) -> Self {
        match error {
            swarm::Error::NotManager { .. }
            | swarm::Error::Unreachable { .. }
            | swarm::Error::TooOld { .. }
            | swarm::Error::Endpoint { .. }
            | swarm::Error::NoLeader { .. } => Self::Engine(error.to_string()),
            _ => Self::Failed(error.to_string()),
        }
    }
}

/// The engine that a command line speaks to.
#[derive(Clone, Debug)]
pub struct Session {
    /// The engine.
    pub engine: Engine,
    /// Where to say what.
    pub terminal: Terminal,
}

/// The Swarm at one moment, and all that follows from it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct View {
    /// What was observed.
    pub world: World,
    /// The clusters declared in it, by name.
    pub declared: BTreeMap<String, Declared>,
    /// Where each labelled service goes.
    pub routing: Routing,
}

impl View {
    /// Derives everything from a world.
    #[must_use]
    pub fn of(world: World) -> Self {
        let declared = declared(&world);
        // What is sealed only the operator can read; its labels say enough here.
        let keyring = Keyring::of_labels(&world);
        let mut routing = route::certified(&world, &declared, &keyring);
        // What only the proxies know, the operator has written into the status.
        for (name, cluster) in &mut routing.clusters {
            let status = declared.get(name).and_then(|one| one.status.as_ref());
            if let Some(status) = status {
                crate::status::mark(&world, cluster, &status.routes.faults);
            }
        }
        Self {
            world,
            declared,
            routing,
        }
    }

    /// What is routed by a cluster.
    #[must_use]
    pub fn routing_of(&self, cluster: &str) -> Option<&ClusterRouting> {
        self.routing.clusters.get(cluster)
    }
}

/// The engine that the flags and the environment name.
pub fn endpoint(global: &Global) -> Result<Endpoint> {
    let mut env: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    if let Some(folder) = &global.config {
        env.insert("DOCKER_CONFIG".into(), folder.display().to_string());
    }
    if global.tlsverify {
        env.insert("DOCKER_TLS_VERIFY".into(), "1".into());
    }
    let (host, context) = (global.host.as_deref(), global.context.as_deref());
    Ok(Endpoint::resolve(host, context, &env)?)
}

impl Session {
    /// Connects to an engine, which may be no manager.
    pub async fn connect(global: &Global, terminal: Terminal) -> Result<Self> {
        let engine = Engine::connect(&endpoint(global)?).await;
        let engine = engine.map_err(|error| match error {
            // Nothing was asked of it yet: no engine answers.
            swarm::Error::Timeout { .. } => CliError::Engine(error.to_string()),
            other => other.into(),
        })?;
        Ok(Self { engine, terminal })
    }

    /// One look at the whole Swarm, and all that follows from it.
    pub async fn look(&self) -> Result<View> {
        Ok(View::of(swarm::observe(&self.engine).await?))
    }

    /// Looks again and again until `done` says so; an engine in passing trouble is waited for
    /// too. At the deadline the last thing it was waiting for becomes the error.
    pub async fn until<T>(
        &self,
        timeout: Duration,
        mut done: impl FnMut(&View) -> Result<Progress<T>>,
    ) -> Result<T> {
        let deadline = Instant::now() + timeout;
        let mut told = String::new();
        loop {
            let begun = Instant::now();
            let waiting = match swarm::observe(&self.engine).await {
                Ok(world) => match done(&View::of(world))? {
                    Progress::Done(value) => return Ok(value),
                    Progress::Waiting(what) => what,
                },
                Err(error) if error.retry() == Retry::Never => return Err(error.into()),
                // Passing trouble comes after a first look that went well.
                Err(error @ swarm::Error::NotManager { .. }) => return Err(error.into()),
                Err(error @ swarm::Error::Unreachable { .. }) if told.is_empty() => {
                    return Err(error.into());
                }
                Err(error) => error.to_string(),
            };
            if waiting != told {
                self.terminal.progress(&format!("waiting: {waiting}"));
                told.clone_from(&waiting);
            }
            // A large Swarm takes longer to look at, and is looked at less often.
            let pause = PAUSE.max(begun.elapsed() * 2);
            if Instant::now() + pause >= deadline {
                let after = crate::api::value::Span::from_millis(
                    u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
                );
                return Err(CliError::Failed(format!(
                    "not done after {after}: {waiting}"
                )));
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Warns when nobody acts on what is declared, and nobody keeps its status true.
    pub fn warn_without_operator(&self, view: &View) {
        let Some(operator) = super::install::plan::installed(&view.world) else {
            self.terminal.warning(
                "no operator is installed on this Swarm, so nothing acts on what is declared: run `skep install`",
            );
            return;
        };
        let runs = |task: &crate::world::Task| task.state == crate::world::TaskState::Running;
        if !view.world.tasks_of(&operator.id).any(runs) {
            let name = &operator.spec.name;
            self.terminal.warning(&format!(
                "no operator runs, so nothing acts on what is declared and what the status says is old: see `docker service ps {name}`",
            ));
        }
    }
}

/// How far something is that is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress<T> {
    /// It is there.
    Done(T),
    /// Not yet: what is missing.
    Waiting(String),
}

/// The time now.
#[must_use]
pub fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}
