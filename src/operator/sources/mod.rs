//! Sources: git repositories whose manifests are applied, each in a loop of its own that never
//! ends.
//!
//! A run looks at its repository when that is due (its interval is over, its manifest or its
//! credentials changed, somebody asks), and at what is declared whenever that changes. Failures
//! are told in status and metrics and tried again, ever more seldom but for ever.

mod hook;
mod look;
mod sync;
mod tell;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::hold::Holds;
use super::peers::Peers;
use super::settings::OperatorSettings;
use super::telemetry::Telemetry;
use super::view::{View, Views};
use crate::api::SourceChange;
use crate::names;
use crate::runtime::{Controller, ControllerSettings, Wake, Waker};
use crate::store::sources::{Purpose, sealed_for};
use crate::swarm::Engine;
use crate::world::Stored as _;
use crate::world::sources::{DeclaredSource, sources};
use look::Known;

/// Why a look at a repository fails: labels of its metric.
pub const REASONS: [&str; 8] = [
    "FetchFailed",
    "AccessDenied",
    "NotFound",
    "TooLarge",
    "Unverified",
    "InvalidManifest",
    "Conflict",
    "ApplyFailed",
];

/// The loops of all sources. Clones are the same ones.
#[derive(Clone)]
pub struct Sources(Arc<Context>);

struct Context {
    engine: Engine,
    views: Views,
    peers: Peers,
    telemetry: Telemetry,
    /// File with the key that credentials are sealed to.
    sealing: PathBuf,
    lag: Duration,
    holds: Holds,
    known: Mutex<BTreeMap<String, Known>>,
    /// Sources that a webhook has asked for.
    poked: Mutex<BTreeSet<String>>,
    /// What was changed and is not told yet, by source.
    changed: Mutex<BTreeMap<String, Vec<SourceChange>>>,
    waker: Waker<String>,
    /// Ends looks that are under way.
    stop: CancellationToken,
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").finish_non_exhaustive()
    }
}

impl Sources {
    /// Starts the loops.
    #[must_use]
    pub fn start(
        engine: Engine,
        views: Views,
        peers: Peers,
        telemetry: Telemetry,
        settings: &OperatorSettings,
        tasks: &mut JoinSet<()>,
        stop: &CancellationToken,
    ) -> Self {
        let (controller, waker) = Controller::new(ControllerSettings::default());
        let sources = Self(Arc::new(Context {
            engine,
            views,
            peers,
            telemetry,
            sealing: settings.sealing.clone(),
            lag: settings.beat * settings.replica.saturating_sub(1),
            holds: Holds::default(),
            known: Mutex::default(),
            poked: Mutex::default(),
            changed: Mutex::default(),
            waker,
            stop: stop.clone(),
        }));
        let (own, ends) = (sources.clone(), stop.clone());
        tasks.spawn(async move {
            let run = move |name| sync::run(own.0.clone(), name);
            controller.run(run, ends).await;
        });
        tasks.spawn(sources.clone().watch(stop.clone()));
        sources
    }

    /// Wakes the sources that have something to look at.
    async fn watch(self, stop: CancellationToken) {
        let mut views = self.0.views.clone();
        let mut seen = Seen::default();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                changed = views.changed() => if changed.is_err() {
                    // The operator ends; the loop of the controller says so.
                    stop.cancelled().await;
                    return;
                },
            }
            let Some(view) = views.borrow_and_update().clone() else {
                continue;
            };
            let now = Seen::of(&view);
            for name in seen.sources.keys() {
                if !now.sources.contains_key(name) {
                    self.0.waker.wake(name.clone(), Wake::Declared);
                }
            }
            for (name, print) in &now.sources {
                if seen.sources.get(name) != Some(print) {
                    self.0.waker.wake(name.clone(), Wake::Declared);
                } else if seen.clusters != now.clusters {
                    self.0.waker.wake(name.clone(), Wake::Observed);
                }
            }
            seen = now;
        }
    }
}

/// What of a view matters to sources.
#[derive(Default)]
struct Seen {
    /// What each asks for.
    sources: BTreeMap<String, Vec<String>>,
    /// The newest revision of each cluster, and who stored it.
    clusters: Vec<(String, String)>,
}

impl Seen {
    fn of(view: &View) -> Self {
        let print = |source: &DeclaredSource| {
            let newest = source.newest().map(|newest| newest.config_id.clone());
            let asked = source.asked().to_owned();
            let auth = sealed_for(&view.world, &source.name, Purpose::Auth);
            let auth = names::content_hash(auth.unwrap_or_default());
            vec![newest.unwrap_or_default(), asked, auth]
        };
        let declared = view.declared.values();
        Self {
            sources: sources(&view.world)
                .into_iter()
                .map(|(name, source)| (name, print(&source)))
                .collect(),
            clusters: declared
                .filter_map(|cluster| {
                    let newest = cluster.newest()?.config_id.clone();
                    Some((newest, cluster.manager().unwrap_or_default()))
                })
                .collect(),
        }
    }
}

impl Context {
    fn known(&self) -> MutexGuard<'_, BTreeMap<String, Known>> {
        // A panic elsewhere cannot leave the map half-written: each change is one call.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) -> MutexGuard<'_, BTreeMap<String, Vec<SourceChange>>> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn poked(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.poked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
