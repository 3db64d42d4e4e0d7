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
    /// The proxies of each cluster that served when the Swarm was last looked at.
    serving: BTreeMap<String, BTreeSet<String>>,
}

impl Open {
    pub(super) fn new(view: &View) -> Self {
        let mut open = Self::default();
        open.look(view);
        open
    }

    /// Takes a newer view: what proxies said that were replaced since is forgotten.
    pub(super) fn look(&mut self, view: &View) {
        let serving = view.declared.keys().map(|name| {
            let services = view.world.services.values();
            let tasks = services
                .filter(|service| service.is_proxy_of(name))
                .flat_map(|service| view.world.tasks_of(&service.id))
                .filter(|task| task.serves());
            (name.clone(), tasks.map(|task| task.id.clone()).collect())
        });
        self.serving = serving.collect();
        let serving = &self.serving;
        self.said
            .retain(|(cluster, task), _| serves(serving, cluster, task));
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
                    let told = self.said.iter().filter(|((one, _), _)| one == cluster);
                    let (of_serving, of_others): (Vec<_>, Vec<_>) =
                        told.partition(|((_, task), _)| serves(&self.serving, cluster, task));
                    let open = of_serving.iter().map(|(_, (_, open))| open).sum();
                    let serving = self.serving.get(cluster).map_or(0, BTreeSet::len);
                    // Another proxy than the view has: a newer one, or one that leaves.
                    let all = of_serving.len() == serving && of_others.is_empty();
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

fn serves(serving: &BTreeMap<String, BTreeSet<String>>, cluster: &str, task: &str) -> bool {
    serving
        .get(cluster)
        .is_some_and(|tasks| tasks.contains(task))
}
