//! What the other replicas of the operator know of their proxies.
//!
//! A proxy is connected to one replica only, so no replica sees all acknowledgements by itself.
//! Each asks the others for theirs, over the control network, and adds them to its own. With one
//! replica nothing is asked. What a replica that cannot be reached knows counts as not known; one
//! that is only slow is believed for some seconds more, or a moment's load would make clusters
//! unready.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::net::{TcpStream, lookup_host};
use tokio_util::sync::CancellationToken;

use super::reconcile::Key;
use super::report::{report_of, since_epoch};
use crate::control::ProxyState;
use crate::runtime::{Wake, Waker};
use crate::status::ProxyReport;
use crate::world::certificates::NEAR_END;

/// Between two questions.
const EVERY: Duration = Duration::from_secs(1);
/// A replica that has not answered by then is slow, or not there.
const PATIENCE: Duration = Duration::from_secs(1);
/// So often in a row a replica may stay silent and its last answer still counts. Proxies of one
/// that is gone are with another replica by then.
const SILENCES: u32 = 3;
/// The longest answer: some 50,000 proxies.
const LONGEST: usize = 16 << 20;
/// So many refusals, and so many certificates, are told at most, shared out among the proxies.
const PARTS: usize = 10_000;
/// A certificate is told so long before it counts as near its end.
const MARGIN: i64 = 24 * 3_600;

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

/// The last answer of each address, and how often it has been silent since.
type Last = BTreeMap<SocketAddr, (Told, u32)>;

/// What one replica tells.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Told {
    instance: String,
    proxies: Vec<Proxy>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
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
    /// What this replica tells the others of its own proxies, as JSON: of what they refuse as much
    /// as fits, and of their certificates those that need attention.
    #[must_use]
    pub fn tell(&self, proxies: Vec<ProxyState>) -> String {
        let (share, now) = (PARTS / proxies.len().max(1), since_epoch());
        let proxies = proxies.into_iter().map(|proxy| Proxy {
            cluster: proxy.cluster.clone(),
            report: short(report_of(proxy), share, now),
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
        let mut last = Last::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(EVERY) => {}
            }
            let addresses: BTreeSet<SocketAddr> = match lookup_host(&name).await {
                Ok(found) => found.collect(),
                Err(_) => BTreeSet::new(),
            };
            let (told, unknown) = self.ask(addresses, &mut last).await;
            for cluster in self.learn(told, unknown) {
                waker.wake(Key::Cluster(cluster), Wake::Observed);
            }
        }
    }

    /// The answers of all replicas but this one, and how many are there whose answer is too long.
    async fn ask(&self, addresses: BTreeSet<SocketAddr>, last: &mut Last) -> (Vec<Told>, usize) {
        if addresses.len() < 2 {
            last.clear();
            return (Vec::new(), 0);
        }
        last.retain(|address, _| addresses.contains(address));
        let answers = join_all(addresses.into_iter().map(|address| async move {
            let answer = tokio::time::timeout(PATIENCE, fetch(address, LONGEST)).await;
            (address, answer.unwrap_or(Some(Answer::Silent)))
        }));
        let (mut others, mut unknown) = (Vec::new(), 0);
        for (address, answer) in answers.await {
            let before = last.remove(&address);
            let (told, silences) = match (answer, before) {
                (Some(Answer::Told(told)), _) => (told, 0),
                (Some(Answer::TooLong), _) => {
                    unknown += 1;
                    continue;
                }
                (Some(Answer::Silent), Some((told, n))) if n < SILENCES => (told, n + 1),
                _ => continue,
            };
            if *told.instance != *self.instance {
                others.push(told.clone());
                last.insert(address, (told, silences));
            }
        }
        (others, unknown)
    }

    /// Takes over what was told; the clusters for which it is news.
    fn learn(&self, told: Vec<Told>, unknown: usize) -> BTreeSet<String> {
        let replicas = told.len() + unknown;
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

/// A report without what the others can do without.
fn short(mut report: ProxyReport, share: usize, now: i64) -> ProxyReport {
    report.more = report.refused.len().saturating_sub(share);
    report.refused.truncate(share);
    report
        .certificates
        .retain(|one| !one.uncovered.is_empty() || one.not_after <= now + NEAR_END + MARGIN);
    report.certificates.truncate(share);
    report
}

/// What a replica answers.
#[derive(Debug)]
enum Answer {
    Told(Told),
    /// It is there, and what it knows is not known.
    TooLong,
    /// It has not answered in time.
    Silent,
}

/// One question; `None` when it is not answered as it should be.
async fn fetch(address: SocketAddr, longest: usize) -> Option<Answer> {
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
        let body = Limited::new(response.into_body(), longest);
        match body.collect().await {
            Ok(body) => serde_json::from_slice(&body.to_bytes())
                .ok()
                .map(Answer::Told),
            Err(fault) => fault.is::<LengthLimitError>().then_some(Answer::TooLong),
        }
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
        let news = one.learn(vec![told(&other, vec![proxy("t1", "v1")])], 0);
        assert_eq!(news, ["east".to_owned()].into());
        assert!(one.exist());
        assert_eq!(one.proxies("east")[0].acked.as_deref(), Some("v1"));
        assert!(
            one.learn(vec![told(&other, vec![proxy("t1", "v1")])], 0)
                .is_empty()
        );
        let news = one.learn(vec![told(&other, vec![proxy("t1", "v2")])], 0);
        assert_eq!(news.len(), 1);
        assert_eq!(one.learn(Vec::new(), 0).len(), 1, "a replica that is gone");
        assert!(one.proxies("east").is_empty());
    }

    fn told_by(answer: Option<Answer>) -> Told {
        match answer {
            Some(Answer::Told(told)) => told,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_told_is_bounded_and_the_rest_is_counted() {
        let certificate = |not_after, uncovered: &[&str]| crate::status::FileCertificate {
            not_after,
            uncovered: uncovered.iter().map(ToString::to_string).collect(),
            ..crate::status::FileCertificate::default()
        };
        let refusal = |name: usize| crate::status::Refusal {
            part: crate::status::Part::Route,
            name: name.to_string(),
            reason: String::new(),
        };
        let report = ProxyReport {
            refused: (0..30).map(refusal).collect(),
            certificates: vec![
                certificate(2 * NEAR_END, &[]),
                certificate(NEAR_END, &[]),
                certificate(2 * NEAR_END, &["a.x"]),
            ],
            ..ProxyReport::default()
        };
        let told = short(report, 10, 0);
        assert_eq!((told.refused.len(), told.more), (10, 20));
        assert_eq!(told.certificates.len(), 2);
        let one = Peers::default();
        one.learn(Vec::new(), 1);
        assert!(one.exist(), "a replica whose answer is too long");
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
        let own = told_by(fetch(addresses[0], LONGEST).await);
        assert_eq!(*own.instance, *one.instance);
        let long = fetch(addresses[1], 9).await;
        assert!(matches!(long, Some(Answer::TooLong)), "{long:?}");
        let answer = told_by(fetch(addresses[1], LONGEST).await);
        assert_eq!(*answer.instance, *other.instance);
        assert_eq!(answer.proxies.len(), 1);
    }

    /// A port that takes connections and says nothing.
    async fn silent() -> (tokio::net::TcpListener, SocketAddr) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    #[tokio::test(start_paused = true)]
    async fn a_replica_that_is_slow_is_believed_for_some_seconds_and_one_that_is_gone_is_not() {
        let (one, other) = (Peers::default(), Peers::default());
        let (slow, address) = silent().await;
        let (_own, own_address) = silent().await;
        let addresses = || BTreeSet::from([address, own_address]);
        let known = told(&other, vec![proxy("t1", "v1")]);
        let mut last = Last::from([(address, (known.clone(), 0))]);
        for _ in 0..SILENCES {
            let (told, unknown) = one.ask(addresses(), &mut last).await;
            assert_eq!((told.len(), unknown), (1, 0));
        }
        assert!(one.ask(addresses(), &mut last).await.0.is_empty());
        last.insert(address, (known, 0));
        drop(slow);
        let (told, _) = one.ask(addresses(), &mut last).await;
        assert!(told.is_empty() && last.is_empty(), "it refuses connections");
    }
}
