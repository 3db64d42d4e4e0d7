//! From each new world to the routes of every cluster, and to the keys that have work to do.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::reconcile::Key;
use super::telemetry::{ClusterLabels, Telemetry};
use super::vault::Vault;
use super::view::{View, Views};
use crate::control::server::Server;
use crate::control::{ProxyState, Snapshot, wire};
use crate::route::RouteTable;
use crate::runtime::{Wake, Waker};
use crate::world::World;
use crate::world::certificates::unknown_kinds;

/// Publishes routes and wakes keys.
#[derive(Debug)]
pub struct Publisher {
    server: Server,
    waker: Waker<Key>,
    telemetry: Telemetry,
    vault: Vault,
    view: watch::Sender<Option<Arc<View>>>,
    /// What was last published for each cluster.
    published: BTreeMap<String, Published>,
    /// Proxies last seen of each cluster.
    fleets: BTreeMap<String, Vec<ProxyState>>,
}

/// A table as it was published.
#[derive(Debug, Default)]
struct Published {
    table: RouteTable,
    snapshot: Snapshot,
    version: String,
}

impl Publisher {
    /// Publishes through `server` and wakes keys with `waker`.
    #[must_use]
    pub fn new(server: Server, waker: Waker<Key>, telemetry: Telemetry, vault: Vault) -> Self {
        Self {
            server,
            waker,
            telemetry,
            vault,
            view: watch::Sender::new(None),
            published: BTreeMap::new(),
            fleets: BTreeMap::new(),
        }
    }

    /// Where the newest view can be read.
    #[must_use]
    pub fn views(&self) -> Views {
        self.view.subscribe()
    }

    /// Runs until `stop`, or until nobody observes any more.
    pub async fn run(
        mut self,
        mut worlds: watch::Receiver<Option<Arc<World>>>,
        stop: CancellationToken,
    ) {
        let mut fleets = self.server.changes();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                changed = worlds.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let world = worlds.borrow_and_update().clone();
                    if let Some(world) = world {
                        self.observed(world);
                    }
                }
                changed = fleets.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    self.fleets_changed();
                }
            }
        }
    }

    /// Routes first: they are what somebody waits for.
    fn observed(&mut self, world: Arc<World>) {
        let begin = Instant::now();
        let keyring = self.vault.open(&world);
        let mut view = View::of(world, keyring);
        self.publish(&view);
        view.versions = self
            .published
            .iter()
            .map(|(cluster, published)| (cluster.clone(), published.version.clone()))
            .collect();
        let view = Arc::new(view);
        self.telemetry.routed(begin.elapsed());
        self.telemetry.worlds.inc();
        self.count(&view);
        let before = self.view.send_replace(Some(view.clone()));
        tell(before.as_deref(), &view);
        for cluster in view.declared.keys() {
            if let Some(wake) = view.wakes(before.as_deref(), cluster) {
                self.waker.wake(Key::Cluster(cluster.clone()), wake);
            }
        }
        self.waker.wake(Key::Sweep, Wake::Observed);
    }

    fn publish(&mut self, view: &View) {
        for (cluster, routing) in &view.routing.clusters {
            let known = self.published.contains_key(cluster);
            let last = self.published.entry(cluster.clone()).or_default();
            if known && last.table == routing.table {
                continue;
            }
            let snapshot = wire::snapshot_after(&last.table, &last.snapshot, &routing.table);
            self.server.publish(cluster, snapshot.clone());
            *last = Published {
                table: routing.table.clone(),
                version: snapshot.version(),
                snapshot,
            };
        }
        let (server, telemetry, fleets) = (&self.server, &self.telemetry, &mut self.fleets);
        self.published.retain(|cluster, _| {
            let stays = view.routing.clusters.contains_key(cluster);
            if !stays {
                server.withdraw(cluster);
                telemetry.forget(cluster);
                fleets.remove(cluster);
            }
            stays
        });
    }

    fn count(&self, view: &View) {
        self.telemetry
            .orphans
            .set(i64::try_from(view.routing.orphans.len()).unwrap_or(i64::MAX));
        let usable = view.keyring.usable.iter();
        let ends = usable.map(|(name, stored)| (name.as_str(), stored.not_after));
        self.telemetry.certificates(ends);
        for (cluster, routing) in &view.routing.clusters {
            let labels = ClusterLabels {
                cluster: cluster.clone(),
            };
            let gauge = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
            self.telemetry
                .routes
                .get_or_create(&labels)
                .set(gauge(routing.table.routes.len()));
            self.telemetry
                .rejected
                .get_or_create(&labels)
                .set(gauge(routing.rejected()));
        }
    }

    /// A proxy came, went or acknowledged: its cluster's status may differ.
    fn fleets_changed(&mut self) {
        let Some(view) = self.view.borrow().clone() else {
            return;
        };
        for cluster in view.declared.keys() {
            let fleet = self.server.fleet(cluster);
            if self.fleets.get(cluster) != Some(&fleet) {
                self.fleets.insert(cluster.clone(), fleet);
                self.waker
                    .wake(Key::Cluster(cluster.clone()), Wake::Observed);
            }
        }
    }
}

/// Logs what is new and needs somebody's attention: certificates that cannot be used, and configs
/// of a kind that nothing here knows.
fn tell(before: Option<&View>, now: &View) {
    for (name, faulty) in &now.keyring.faulty {
        if before.is_none_or(|before| before.keyring.faulty.get(name) != Some(faulty)) {
            tracing::warn!(certificate = %name, fault = %faulty.message, "a stored certificate cannot be used");
        }
    }
    let known = before.map(|before| unknown_kinds(&before.world));
    for (config, kind) in unknown_kinds(&now.world) {
        if known
            .as_ref()
            .is_none_or(|known| !known.contains(&(config, kind)))
        {
            tracing::warn!(%config, %kind, "nothing here knows this kind of config; it is left alone");
        }
    }
}
