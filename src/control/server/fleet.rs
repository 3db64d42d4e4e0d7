//! Who is connected, and what there is to say to them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::control::published::Published;
use crate::control::resource::{ProxyState, Snapshot};

/// What the streams of a cluster wait for; `None`: nothing to say.
pub(super) type Publication = watch::Receiver<Option<Arc<Published>>>;

/// Shared by the server's handles and all its streams.
#[derive(Debug)]
pub(super) struct Fleet {
    clusters: Mutex<BTreeMap<String, Cluster>>,
    changes: watch::Sender<u64>,
    /// Held while a snapshot is compared with the last one, so that their order is one order.
    publishing: Mutex<()>,
}

#[derive(Debug)]
struct Cluster {
    publication: watch::Sender<Option<Arc<Published>>>,
    /// The last snapshot, also after it was withdrawn: the sequence must go on.
    last: Option<Arc<Published>>,
    /// By stream, in order of their opening.
    streams: BTreeMap<u64, ProxyState>,
    opened: u64,
}

impl Fleet {
    pub(super) fn new() -> Self {
        Self {
            clusters: Mutex::default(),
            changes: watch::Sender::new(0),
            publishing: Mutex::default(),
        }
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(super) fn publish(&self, name: &str, snapshot: Snapshot) {
        let _order = locked(&self.publishing);
        let last = locked(&self.clusters)
            .entry(name.to_owned())
            .or_insert_with(Cluster::new)
            .last
            .clone();
        // Hashing and comparing thousands of resources is done outside of the lock that every
        // stream takes.
        let next = match last {
            Some(last) => last.next(snapshot),
            None => Published::first(snapshot),
        };
        let mut clusters = locked(&self.clusters);
        let cluster = clusters.entry(name.to_owned()).or_insert_with(Cluster::new);
        let current = cluster.publication.borrow().clone();
        if current.is_none_or(|current| current.version() != next.version()) {
            cluster.last = Some(Arc::clone(&next));
            cluster.publication.send_replace(Some(next));
        }
    }

    pub(super) fn withdraw(&self, name: &str) {
        let _order = locked(&self.publishing);
        let mut clusters = locked(&self.clusters);
        if let Some(cluster) = clusters.get_mut(name) {
            cluster.publication.send_replace(None);
            if cluster.streams.is_empty() {
                clusters.remove(name);
            }
        }
    }

    pub(super) fn proxies(&self, name: &str) -> Vec<ProxyState> {
        let clusters = locked(&self.clusters);
        let streams = clusters.get(name).map(|cluster| cluster.streams.values());
        let newest: BTreeMap<_, _> = streams
            .into_iter()
            .flatten()
            .map(|proxy| (proxy.task.clone(), proxy.clone()))
            .collect();
        newest.into_values().collect()
    }

    /// A stream says who it is.
    pub(super) fn join(self: &Arc<Self>, proxy: ProxyState) -> (Member, Publication) {
        let mut clusters = locked(&self.clusters);
        let name = proxy.cluster.clone();
        let cluster = clusters.entry(name).or_insert_with(Cluster::new);
        cluster.opened += 1;
        cluster.streams.insert(cluster.opened, proxy.clone());
        let member = Member {
            fleet: Arc::clone(self),
            stream: cluster.opened,
            state: proxy,
        };
        let publication = cluster.publication.subscribe();
        drop(clusters);
        self.changed();
        (member, publication)
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }
}

/// A stream's place in the fleet; given up when dropped.
pub(super) struct Member {
    fleet: Arc<Fleet>,
    stream: u64,
    state: ProxyState,
}

impl Member {
    /// Tells what is new of the proxy.
    pub(super) fn tell(&mut self, change: impl FnOnce(&mut ProxyState)) {
        let before = self.state.clone();
        change(&mut self.state);
        if self.state == before {
            return;
        }
        if let Some(cluster) = locked(&self.fleet.clusters).get_mut(&self.state.cluster) {
            cluster.streams.insert(self.stream, self.state.clone());
        }
        self.fleet.changed();
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut clusters = locked(&self.fleet.clusters);
        if let Some(cluster) = clusters.get_mut(&self.state.cluster) {
            cluster.streams.remove(&self.stream);
            if cluster.streams.is_empty() && cluster.publication.borrow().is_none() {
                clusters.remove(&self.state.cluster);
            }
        }
        drop(clusters);
        self.fleet.changed();
    }
}

impl Cluster {
    fn new() -> Self {
        Self {
            publication: watch::Sender::new(None),
            last: None,
            streams: BTreeMap::new(),
            opened: 0,
        }
    }
}

/// No code panics while it holds one of these locks; were it to, the data would still be whole.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
