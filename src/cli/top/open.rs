//! Open connections: each line of an access log in JSON says how many its proxy had then.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use super::tally::Tally;
use super::{Attribution, By, View};

/// What a proxy said longer ago says nothing of now.
const FRESH: Duration = Duration::from_secs(60);

/// What each proxy said last, by cluster and task.
#[derive(Debug, Default)]
pub(super) struct Open {
    said: BTreeMap<(String, String), (Instant, u64)>,
    /// How many proxies of each cluster run.
    running: BTreeMap<String, usize>,
}

impl Open {
    pub(super) fn new(view: &View) -> Self {
        let mut running = BTreeMap::new();
        for name in view.declared.keys() {
            let services = view.world.services.values();
            let tasks = services
                .filter(|service| service.is_proxy_of(name))
                .flat_map(|service| view.world.tasks_of(&service.id));
            running.insert(name.clone(), tasks.filter(|task| task.serves()).count());
        }
        Self {
            said: BTreeMap::new(),
            running,
        }
    }

    pub(super) fn said(&mut self, cluster: &str, task: &str, open: u64) {
        let key = (cluster.to_owned(), task.to_owned());
        self.said.insert(key, (Instant::now(), open));
    }

    /// Adds what is known to the rows: a connection belongs to a proxy and its cluster, not to a
    /// route, a service or a host.
    pub(super) fn tell(&mut self, attribution: &Attribution, tally: &mut Tally) {
        self.said.retain(|_, (when, _)| when.elapsed() < FRESH);
        match attribution.by {
            By::Cluster => {
                let clusters: BTreeSet<&String> = self.said.keys().map(|(one, _)| one).collect();
                for cluster in clusters {
                    let of_cluster = self.said.iter().filter(|((one, _), _)| one == cluster);
                    let open = of_cluster.clone().map(|(_, (_, open))| open).sum();
                    let running = self.running.get(cluster).copied().unwrap_or_default();
                    let all = of_cluster.count() >= running;
                    tally.connections(cluster, "", open, all);
                }
            }
            By::Proxy => {
                for ((cluster, task), (_, open)) in &self.said {
                    tally.connections(cluster, &attribution.proxy(task), *open, true);
                }
            }
            By::Route | By::Service | By::Host => {}
        }
    }
}
