//! The pipeline: observe, plan, hold, act, report.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::act::{act, kind};
use super::error::Error;
use super::hold::Holds;
use super::peers::Peers;
use super::settings::OperatorSettings;
use super::telemetry::{Outcome, StepLabels, Telemetry};
use super::view::{View, Views};
use crate::api::ConditionType;
use crate::control::server::Server;
use crate::names;
use crate::plan::build::plan;
use crate::plan::sweep::sweep;
use crate::plan::{Blocker, Plan, PlanInputs, Settings, Step};
use crate::runtime::{Action, Failure as _, Retry};
use crate::status::ENGINE_REFUSED;
use crate::store;
use crate::swarm::Engine;
use crate::swarm::watch::Watch;
use crate::world::World;
use crate::world::declared::Declared;

/// Between two tries to remove networks that tasks still leave.
const LEAVING: Duration = Duration::from_secs(1);

/// A certificate comes near its end without any event, so clusters that use one are looked at
/// again after so long.
const AGING: Duration = Duration::from_secs(3_600);

/// What is reconciled.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// A declared cluster.
    Cluster(String),
    /// What Skep made for clusters that are no longer declared.
    Sweep,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster(name) => f.write_str(name),
            Self::Sweep => f.write_str("(sweep)"),
        }
    }
}

/// What every run shares.
#[derive(Debug)]
pub struct Context {
    pub(super) engine: Engine,
    watch: Watch,
    pub(super) server: Server,
    views: Views,
    pub(super) peers: Peers,
    pub(super) telemetry: Telemetry,
    image: Option<String>,
    pub(super) lag: Duration,
    quiet: Duration,
    pub(super) holds: Holds,
    /// The world on which each key acted last. A plan made of it again would repeat itself.
    acted_on: Mutex<BTreeMap<Key, Arc<World>>>,
    /// When this operator began.
    pub(super) started: Instant,
    /// Hash of the proxy definition that each cluster sent last.
    attempted: Mutex<BTreeMap<String, String>>,
    /// What the engine would not do for each cluster: the hash of the plan, and why. Told until
    /// the plan is another one or is done, also by runs that only wait to try again.
    refusals: Mutex<BTreeMap<String, (String, Blocker)>>,
}

impl Context {
    /// Everything a run needs.
    #[must_use]
    pub fn new(
        engine: Engine,
        watch: Watch,
        server: Server,
        views: Views,
        peers: Peers,
        telemetry: Telemetry,
        settings: &OperatorSettings,
    ) -> Self {
        Self {
            engine,
            watch,
            server,
            views,
            peers,
            telemetry,
            image: settings.image.clone(),
            lag: settings.beat * settings.replica.saturating_sub(1),
            quiet: settings.quiet,
            holds: Holds::default(),
            acted_on: Mutex::default(),
            started: Instant::now(),
            attempted: Mutex::default(),
            refusals: Mutex::default(),
        }
    }

    /// How the proxies of all clusters are made. Their image is the operator's own, so that an
    /// upgrade of the operator upgrades them too.
    fn settings(&self, world: &World) -> Settings {
        Settings::observed(world, self.image.clone())
    }
}

/// One run of one key.
pub async fn reconcile(context: Arc<Context>, key: Key) -> Result<Action, Error> {
    let Some(view) = context.views.borrow().clone() else {
        return Ok(Action::AwaitChange);
    };
    let run = match &key {
        Key::Cluster(name) => {
            if let Some(declared) = view.declared.get(name) {
                context.cluster(&key, &view, declared).await
            } else {
                context.lock_acted().remove(&key);
                context.lock_attempted().remove(name);
                context.lock_refusals().remove(name);
                Ok(Action::AwaitChange)
            }
        }
        Key::Sweep => context.sweep(&key, &view).await,
    };
    if let Err(error) = &run {
        context.telemetry.ran(Outcome::Failed);
        context.telemetry.failed(error.category());
        // Whatever failed, the next run should not see the world that led to it.
        context.watch.look_again();
    }
    run
}

impl Context {
    async fn cluster(&self, key: &Key, view: &View, declared: &Declared) -> Result<Action, Error> {
        let mut plan = self.plan(view, declared);
        let (action, acted) = match &plan {
            None => (Action::AwaitChange, Ok(())),
            Some(plan) => match self.close_gap(key, &view.world, plan).await {
                Ok(action) => (action, Ok(())),
                Err(error) => (Action::AwaitChange, Err(error)),
            },
        };
        // What happened is reported even when it failed.
        if let Some(plan) = &mut plan {
            plan.blockers
                .extend(self.refusal(&declared.name, plan, &acted));
        }
        let report = self.report(view, declared, plan.as_ref()).await;
        let held = match (acted, report) {
            // What is told later needs a later run, though nothing else would bring one.
            (Err(error), Ok(Some(left))) if error.retry() == Retry::Never => {
                self.telemetry.ran(Outcome::Failed);
                self.telemetry.failed(error.category());
                tracing::warn!(cluster = %declared.name, %error, "the plan cannot be carried out");
                return Ok(Action::Requeue(left));
            }
            (Err(error), _) => return Err(error),
            (Ok(()), report) => report?,
        };
        self.prune(declared).await?;
        let routing = view.routing_of(&declared.name);
        let aging = routing.is_some_and(|routing| !routing.table.certificates.is_empty());
        Ok(match (action, held) {
            (Action::AwaitChange, None) if aging => Action::Requeue(AGING),
            (Action::AwaitChange, Some(left)) => Action::Requeue(left),
            (Action::Requeue(after), Some(left)) => Action::Requeue(after.min(left)),
            (action, None) => action,
        })
    }

    fn plan(&self, view: &View, declared: &Declared) -> Option<Plan> {
        let accepted = declared.accepted.as_ref()?;
        let nothing = BTreeSet::new();
        let routing = view.routing_of(&declared.name);
        Some(plan(&PlanInputs {
            world: &view.world,
            name: &declared.name,
            cluster: &accepted.cluster,
            followed: routing.map_or(&nothing, |routing| &routing.followed),
            secrets: routing.map_or(&nothing, |routing| &routing.secrets),
            settings: &self.settings(&view.world),
            status: declared.status.as_ref(),
            conflicts: &declared.conflicts,
        }))
    }

    async fn sweep(&self, key: &Key, view: &View) -> Result<Action, Error> {
        let plan = sweep(&view.world, &view.declared);
        let action = self.close_gap(key, &view.world, &plan).await?;
        let held = self.mark_certificates(view).await?;
        Ok(match (action, held) {
            (Action::AwaitChange, Some(left)) => Action::Requeue(left),
            (Action::Requeue(after), Some(left)) => Action::Requeue(after.min(left)),
            (action, None) => action,
        })
    }

    /// Writes on the stored certificates which of them cannot be used, for `skep certs ls`. An
    /// operator without the key knows nothing of them.
    async fn mark_certificates(&self, view: &View) -> Result<Option<Duration>, Error> {
        let marks = if view.keyring.keyless {
            Vec::new()
        } else {
            store::certificates::marks(&view.world, &view.keyring.faulty)
        };
        let key = "marks of certificates";
        if marks.is_empty() {
            self.holds.clear(key);
            return Ok(None);
        }
        let hash = names::content_hash(format!("{marks:?}").as_bytes());
        let left = self.holds.remaining(key, &hash, self.lag, Instant::now());
        if left.is_none() {
            for (revision, fault) in &marks {
                store::certificates::mark(&self.engine, revision, fault.as_deref()).await?;
            }
        }
        Ok(left)
    }

    /// Acts on a plan, unless it should wait or was acted upon already.
    async fn close_gap(&self, key: &Key, world: &Arc<World>, plan: &Plan) -> Result<Action, Error> {
        if plan.is_empty() {
            self.holds.clear(&key.to_string());
            self.telemetry.ran(Outcome::Unchanged);
            return Ok(Action::AwaitChange);
        }
        if self.acted(key, world) {
            self.telemetry.ran(Outcome::Held);
            self.watch.look_again();
            return Ok(Action::Requeue(Duration::from_millis(500)));
        }
        let hash = hash(plan);
        let wait = self.lag
            + if restarts(plan) {
                self.quiet
            } else if only_networks_go(plan) {
                // Tasks of a removed service still leave them.
                LEAVING
            } else {
                Duration::ZERO
            };
        if let Some(left) = self
            .holds
            .remaining(&key.to_string(), &hash, wait, Instant::now())
        {
            self.telemetry.ran(Outcome::Held);
            return Ok(Action::Requeue(left));
        }
        self.lock_acted().insert(key.clone(), world.clone());
        for step in &plan.steps {
            self.telemetry
                .steps
                .get_or_create(&StepLabels { step: kind(step) })
                .inc();
        }
        let acted = act(&self.engine, &plan.steps).await;
        if !matches!(acted, Ok(true)) {
            // The same world may be acted upon again: after the backoff, or after a while.
            self.lock_acted().remove(key);
        }
        acted?;
        if let Key::Cluster(name) = key {
            self.lock_refusals().remove(name);
            if plan.steps.iter().any(sends_proxy) {
                self.lock_attempted()
                    .insert(name.clone(), plan.spec_hash.clone());
            }
        }
        self.telemetry.ran(Outcome::Acted);
        self.watch.look_again();
        Ok(Action::Requeue(Duration::from_secs(2)))
    }

    /// What the engine would not do of a plan, now or when it was tried last.
    fn refusal(&self, name: &str, plan: &Plan, acted: &Result<(), Error>) -> Option<Blocker> {
        let hash = hash(plan);
        let mut refusals = self.lock_refusals();
        if let Err(error) = acted
            && error.retry() != Retry::Now
        {
            refusals.insert(name.to_owned(), (hash.clone(), refused(error)));
        }
        refusals.retain(|of, (refused, _)| of != name || *refused == hash);
        refusals.get(name).map(|(_, blocker)| blocker.clone())
    }

    async fn prune(&self, declared: &Declared) -> Result<(), Error> {
        store::prune(&self.engine, declared).await?;
        Ok(())
    }

    fn acted(&self, key: &Key, world: &Arc<World>) -> bool {
        self.lock_acted()
            .get(key)
            .is_some_and(|acted_on| Arc::ptr_eq(acted_on, world))
    }

    fn lock_acted(&self) -> std::sync::MutexGuard<'_, BTreeMap<Key, Arc<World>>> {
        self.acted_on.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_refusals(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, (String, Blocker)>> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn lock_attempted(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, String>> {
        self.attempted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells plans apart by what they do.
fn hash(plan: &Plan) -> String {
    names::content_hash(format!("{:?}", plan.steps).as_bytes())
}

/// What the engine would not do, for the status: only it knows why.
fn refused(error: &Error) -> Blocker {
    let reason = match error.category() {
        "Invalid" => ENGINE_REFUSED,
        other => other,
    };
    Blocker {
        condition: ConditionType::ProxyReady,
        reason: reason.to_owned(),
        message: error.to_string(),
    }
}

/// Whether a plan restarts proxies that run.
fn restarts(plan: &Plan) -> bool {
    plan.steps
        .iter()
        .any(|step| matches!(step, Step::UpdateService { restarts: true, .. }))
}

fn only_networks_go(plan: &Plan) -> bool {
    let mut steps = plan.steps.iter();
    steps.all(|step| matches!(step, Step::RemoveNetwork { .. }))
}

fn sends_proxy(step: &Step) -> bool {
    matches!(step, Step::CreateService(_) | Step::UpdateService { .. })
}
