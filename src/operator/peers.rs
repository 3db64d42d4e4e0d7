//! What the other replicas of the operator know of their proxies.
//!
//! A proxy is connected to one replica only, so no replica sees all acknowledgements by itself.
//! Each asks the others for theirs, over the control network, and adds them to its own. With one
//! replica nothing is asked. What a replica that cannot be reached knows counts as not known.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::net::{TcpStream, lookup_host};
use tokio_util::sync::CancellationToken;

use super::reconcile::Key;
use super::report::report_of;
use crate::control::ProxyState;
use crate::runtime::{Wake, Waker};
use crate::status::ProxyReport;

/// Between two questions.
const EVERY: Duration = Duration::from_secs(1);
/// A replica that has not answered by then is not there.
const PATIENCE: Duration = Duration::from_secs(1);
/// The longest answer: some 100,000 proxies.
const LONGEST: usize = 16 << 20;

/// The proxies of other replicas, by cluster. Clones share them.
#[derive(Clone, Debug)]
pub struct Peers {
    /// Tells this replica's own answer from the others': its name resolves to all of them.
    instance: Arc<str>,
    known: Arc<Mutex<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    replicas: usize,
    proxies: BTreeMap<String, Vec<ProxyReport>>,
}

/// What one replica tells.
#[derive(Debug, Serialize, Deserialize)]
struct Told {
    instance: String,
    proxies: Vec<Proxy>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Proxy {
    cluster: String,
    #[serde(flatten)]
    report: ProxyReport,
}

impl Default for Peers {
    fn default() -> Self {
        // The standard hasher's keys are random: enough to tell a handful of replicas apart.
        let instance = format!("{:016x}", RandomState::new().hash_one(std::process::id()));
        Self {
            instance: instance.into(),
            known: Arc::default(),
        }
    }
}

impl Peers {
    /// What this replica tells the others of its own proxies, as JSON.
    #[must_use]
    pub fn tell(&self, proxies: Vec<ProxyState>) -> String {
        let proxies = proxies.into_iter().map(|proxy| Proxy {
            cluster: proxy.cluster.clone(),
            report: report_of(proxy),
        });
        let told = Told {
            instance: self.instance.to_string(),
            proxies: proxies.collect(),
        };
        serde_json::to_string(&told).unwrap_or_default()
    }

    /// The proxies of a cluster that other replicas serve.
    #[must_use]
    pub fn proxies(&self, cluster: &str) -> Vec<ProxyReport> {
        let known = self.lock();
        known.proxies.get(cluster).cloned().unwrap_or_default()
    }

    /// Whether there are others.
    #[must_use]
    pub fn exist(&self) -> bool {
        self.lock().replicas > 0
    }

    /// Asks the replicas behind `name` (`host:port`) again and again, and wakes the clusters
    /// whose proxies differ from what was known.
    pub async fn run(self, name: String, waker: Waker<Key>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(EVERY) => {}
            }
            let told = self.ask(&name).await;
            for cluster in self.learn(told) {
                waker.wake(Key::Cluster(cluster), Wake::Observed);
            }
        }
    }

    /// The answers of all replicas but this one.
    async fn ask(&self, name: &str) -> Vec<Told> {
        let addresses: BTreeSet<SocketAddr> = match lookup_host(name).await {
            Ok(found) => found.collect(),
            Err(_) => return Vec::new(),
        };
        if addresses.len() < 2 {
            return Vec::new();
        }
        let answers = join_all(addresses.into_iter().map(|address| async move {
            let answer = tokio::time::timeout(PATIENCE, fetch(address)).await;
            answer.ok().flatten()
        }));
        let others = answers.await.into_iter().flatten();
        others
            .filter(|told| *told.instance != *self.instance)
            .collect()
    }

    /// Takes over what was told; the clusters for which it is news.
    fn learn(&self, told: Vec<Told>) -> BTreeSet<String> {
        let replicas = told.len();
        let mut proxies: BTreeMap<String, Vec<ProxyReport>> = BTreeMap::new();
        for proxy in told.into_iter().flat_map(|told| told.proxies) {
            let known = proxies.entry(proxy.cluster).or_default();
            known.push(proxy.report);
        }
        let mut known = self.lock();
        known.replicas = replicas;
        let clusters: BTreeSet<String> = proxies
            .keys()
            .chain(known.proxies.keys())
            .cloned()
            .collect();
        let news = clusters
            .into_iter()
            .filter(|cluster| proxies.get(cluster) != known.proxies.get(cluster))
            .collect();
        known.proxies = proxies;
        news
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One question; `None` when it is not answered as it should be.
async fn fetch(address: SocketAddr) -> Option<Told> {
    let stream = TcpStream::connect(address).await.ok()?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .ok()?;
    let request = http::Request::get("/fleet")
        .header(http::header::HOST, address.to_string())
        .body(Empty::<Bytes>::new())
        .ok()?;
    let answer = async {
        let response = sender.send_request(request).await.ok()?;
        let body = Limited::new(response.into_body(), LONGEST);
        let bytes = body.collect().await.ok()?.to_bytes();
        serde_json::from_slice(&bytes).ok()
    };
    tokio::select! {
        answer = answer => answer,
        _ = connection => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(task: &str, acked: &str) -> ProxyState {
        ProxyState {
            cluster: "east".to_owned(),
            task: task.to_owned(),
            acked: Some(acked.to_owned()),
            ..ProxyState::default()
        }
    }

    fn told(by: &Peers, proxies: Vec<ProxyState>) -> Told {
        serde_json::from_str(&by.tell(proxies)).unwrap()
    }

    #[test]
    fn what_another_replica_tells_is_known_and_news_only_once() {
        let (one, other) = (Peers::default(), Peers::default());
        assert!(!one.exist());
        let news = one.learn(vec![told(&other, vec![proxy("t1", "v1")])]);
        assert_eq!(news, ["east".to_owned()].into());
        assert!(one.exist());
        assert_eq!(one.proxies("east")[0].acked.as_deref(), Some("v1"));
        assert!(
            one.learn(vec![told(&other, vec![proxy("t1", "v1")])])
                .is_empty()
        );
        let news = one.learn(vec![told(&other, vec![proxy("t1", "v2")])]);
        assert_eq!(news.len(), 1);
        assert_eq!(one.learn(Vec::new()).len(), 1, "a replica that is gone");
        assert!(one.proxies("east").is_empty());
    }

    #[tokio::test]
    async fn a_replica_asks_the_others_over_http_and_leaves_itself_out() {
        let (one, other) = (Peers::default(), Peers::default());
        let mut addresses = Vec::new();
        for peers in [&one, &other] {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            addresses.push(listener.local_addr().unwrap());
            let text = peers.tell(vec![proxy("t1", "v1")]);
            let state = crate::web::AdminState {
                hook: Arc::new(|_| false),
                ready: Arc::new(|| Ok(())),
                metrics: Arc::new(String::new),
                debug: Arc::new(String::new),
                fleet: Arc::new(move || text.clone()),
            };
            tokio::spawn(crate::web::serve(listener, state, CancellationToken::new()));
        }
        let own = fetch(addresses[0]).await.unwrap();
        assert_eq!(*own.instance, *one.instance);
        let answer = fetch(addresses[1]).await.unwrap();
        assert_eq!(*answer.instance, *other.instance);
        assert_eq!(answer.proxies.len(), 1);
    }
}
