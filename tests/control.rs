//! Server and client of the control stream over real TLS on loopback.
// Tests say what went wrong by panicking; clippy does not see that these crates are all tests.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use skep::control::client::{self, ClientSettings, ClientStatus, Delivery};
use skep::control::identity::Identity;
use skep::control::pki::{self, Bundle};
use skep::control::server::Server;
use skep::control::wire::{self, BACKEND, ROUTE};
use skep::control::{Change, ProxyState, Refusal, ShownCertificate, Snapshot};
use skep::route::table::{Backend, Route, RouteTable, Target};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

async fn soon<T>(what: &str, wait: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), wait)
        .await
        .unwrap_or_else(|_| panic!("{what}: not within 20 s"))
}

struct Operator {
    server: Server,
    port: u16,
    stop: CancellationToken,
    _guard: DropGuard,
}

async fn operator(server: Server, port: u16, bundle: &Bundle) -> Operator {
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    operator_on(server, listener, bundle)
}

fn operator_on(server: Server, listener: TcpListener, bundle: &Bundle) -> Operator {
    let port = listener.local_addr().unwrap().port();
    let stop = CancellationToken::new();
    let identity = Identity::parse(&bundle.operator, &bundle.ca).unwrap();
    let (serving, token) = (server.clone(), stop.clone());
    tokio::spawn(async move { serving.serve(listener, identity, token).await.unwrap() });
    Operator {
        server,
        port,
        _guard: stop.clone().drop_guard(),
        stop,
    }
}

impl Operator {
    async fn fleet(&self, what: &str, good: impl Fn(&[ProxyState]) -> bool) -> Vec<ProxyState> {
        let mut changes = self.server.changes();
        soon(what, async {
            loop {
                changes.borrow_and_update();
                let fleet = self.server.fleet("east");
                if good(&fleet) {
                    return fleet;
                }
                changes.changed().await.unwrap();
            }
        })
        .await
    }

    async fn acked(&self, snapshot: &Snapshot) {
        let version = snapshot.version();
        self.fleet("acknowledged", |fleet| {
            fleet.len() == 1 && fleet[0].acked.as_ref() == Some(&version)
        })
        .await;
    }
}

struct Proxy {
    deliveries: mpsc::Receiver<Delivery>,
    status: watch::Receiver<ClientStatus>,
    certificates: watch::Sender<Arc<[ShownCertificate]>>,
    _guard: DropGuard,
}

fn proxy(endpoint: String, pem: &str, ca: &str, known: Snapshot) -> Proxy {
    let (sender, status) = watch::channel(ClientStatus::default());
    let (tx, deliveries) = mpsc::channel(1);
    let certificates = watch::Sender::default();
    let settings = ClientSettings {
        endpoint,
        identity: Identity::parse(pem, ca).unwrap(),
        task: "task".to_owned(),
        cluster: "east".to_owned(),
        node: "node".to_owned(),
        build: "1".to_owned(),
        status: Arc::new(sender),
        certificates: certificates.subscribe(),
    };
    let stop = CancellationToken::new();
    tokio::spawn(client::run(settings, known, tx, stop.clone()));
    Proxy {
        deliveries,
        status,
        certificates,
        _guard: stop.drop_guard(),
    }
}

impl Proxy {
    /// Takes the next change that is not the listener's.
    async fn next(&mut self, answer: Result<(), String>) -> Change {
        self.answer(answer.map_err(Refusal::from)).await
    }

    async fn answer(&mut self, answer: Result<(), Refusal>) -> Change {
        loop {
            let delivery = soon("a change", self.deliveries.recv()).await.unwrap();
            let routed = delivery.change.type_url == BACKEND || delivery.change.type_url == ROUTE;
            let reply = if routed { answer.clone() } else { Ok(()) };
            delivery.reply.send(reply).unwrap();
            if routed {
                return delivery.change;
            }
        }
    }

    async fn status(&mut self, what: &str, good: impl FnMut(&ClientStatus) -> bool) {
        soon(what, self.status.wait_for(good)).await.unwrap();
    }
}

fn table(hosts: &[&str]) -> Snapshot {
    let mut table = RouteTable::default();
    for host in hosts {
        let route = Route {
            host: (*host).to_owned(),
            targets: vec![Target {
                backend: (*host).to_owned(),
                weight: None,
            }],
            ..Route::default()
        };
        table.routes.insert(route.name(), route);
        table
            .backends
            .insert((*host).to_owned(), Backend::default());
    }
    wire::snapshot(&table)
}

fn names(change: &Change) -> Vec<&str> {
    change.upserts.keys().map(String::as_str).collect()
}

fn local(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

#[tokio::test]
async fn a_published_table_is_delivered_backend_first_and_acknowledged() {
    let bundle = pki::issue().unwrap();
    let operator = operator(Server::new(), 0, &bundle).await;
    let mut proxy = proxy(
        local(operator.port),
        &bundle.proxy,
        &bundle.ca,
        Snapshot::default(),
    );
    let first = table(&["a.test"]);
    operator.server.publish("east", first.clone());
    assert_eq!(names(&proxy.next(Ok(())).await), ["a.test"]);
    assert_eq!(names(&proxy.next(Ok(())).await), ["a.test/"]);
    operator.acked(&first).await;
    proxy.status("synced", |status| status.synced).await;

    let second = table(&["a.test", "b.test"]);
    operator.server.publish("east", second.clone());
    assert_eq!(names(&proxy.next(Ok(())).await), ["b.test"]);
    assert_eq!(names(&proxy.next(Ok(())).await), ["b.test/"]);
    operator.acked(&second).await;
    let fleet = operator.server.fleet("east");
    assert_eq!(
        (fleet[0].task.as_str(), fleet[0].node.as_str()),
        ("task", "node")
    );
    drop(proxy);
    operator.fleet("the proxy is gone", <[_]>::is_empty).await;
}

#[tokio::test]
async fn a_refusal_is_seen_in_the_fleet_until_it_is_mended() {
    let bundle = pki::issue().unwrap();
    let operator = operator(Server::new(), 0, &bundle).await;
    let mut proxy = proxy(
        local(operator.port),
        &bundle.proxy,
        &bundle.ca,
        Snapshot::default(),
    );
    operator.server.publish("east", table(&["a.test"]));
    assert_eq!(
        proxy.next(Err("no room".to_owned())).await.type_url,
        BACKEND
    );
    let reason = |fleet: &[ProxyState]| {
        let refused = fleet.first()?.refused.first()?;
        Some((refused.name.clone(), refused.reason.clone()))
    };
    let wanted = Some(("a.test".to_owned(), "no room".to_owned()));
    let refused = |fleet: &[ProxyState]| reason(fleet) == wanted;
    let fleet = operator.fleet("refusal", refused).await;
    assert_eq!(fleet[0].acked, None);
    assert_eq!(proxy.next(Ok(())).await.type_url, ROUTE);
    let mended = table(&[]);
    operator.server.publish("east", mended.clone());
    assert_eq!(proxy.next(Ok(())).await.removed, ["a.test/"]);
    operator.acked(&mended).await;
    operator
        .fleet("mended", |fleet| reason(fleet).is_none())
        .await;
}

#[tokio::test]
async fn a_proxy_that_names_what_it_refuses_is_not_sent_the_rest_again() {
    let bundle = pki::issue().unwrap();
    let operator = operator(Server::new(), 0, &bundle).await;
    let known = Snapshot::default();
    let mut proxy = proxy(local(operator.port), &bundle.proxy, &bundle.ca, known);
    let first = table(&["a.test", "b.test", "c.test"]);
    operator.server.publish("east", first.clone());
    let refusal = Refusal {
        message: "b.test: no room".to_owned(),
        parts: BTreeMap::from([("b.test".to_owned(), "no room".to_owned())]),
    };
    assert_eq!(names(&proxy.answer(Err(refusal)).await).len(), 3);
    let routes = ["a.test/", "b.test/", "c.test/"];
    assert_eq!(names(&proxy.next(Ok(())).await), routes);
    let version = first.version();
    let settled = |fleet: &[ProxyState]| {
        let one = fleet.first();
        one.is_some_and(|one| one.settled.as_deref() == Some(version.as_str()))
    };
    let fleet = operator.fleet("all but one", settled).await;
    assert_eq!(fleet[0].acked, None);
    let refused = &fleet[0].refused;
    assert_eq!((refused.len(), refused[0].type_url), (1, BACKEND));
    assert_eq!(
        (refused[0].name.as_str(), refused[0].reason.as_str()),
        ("b.test", "no room")
    );
    // What it took it holds, so it is told when that goes.
    let mended = table(&["a.test"]);
    operator.server.publish("east", mended.clone());
    assert_eq!(proxy.next(Ok(())).await.removed, ["b.test/", "c.test/"]);
    assert_eq!(proxy.next(Ok(())).await.removed, ["c.test"]);
    operator.acked(&mended).await;
    let fleet = operator.server.fleet("east");
    assert!(fleet[0].refused.is_empty() && fleet[0].refused_whole.is_none());
}

#[tokio::test]
async fn an_operator_is_told_of_the_certificates_that_only_proxies_can_read() {
    let bundle = pki::issue().unwrap();
    let first = operator(Server::new(), 0, &bundle).await;
    let known = Snapshot::default();
    let mut proxy = proxy(local(first.port), &bundle.proxy, &bundle.ca, known);
    let shown: Arc<[ShownCertificate]> = Arc::new([ShownCertificate {
        name: "service/web".to_owned(),
        not_after: 1_795_608_000,
        uncovered: vec!["b.test".to_owned()],
    }]);
    proxy.certificates.send_replace(Arc::clone(&shown));
    let told = |fleet: &[ProxyState]| fleet.first().is_some_and(|one| one.certificates == shown);
    first.fleet("a report", told).await;
    // The next operator is told, too.
    let port = first.port;
    first.stop.cancel();
    proxy
        .status("disconnected", |status| !status.connected)
        .await;
    drop(first);
    let second = operator(Server::new(), port, &bundle).await;
    second.fleet("a report", told).await;
}

#[tokio::test]
async fn a_restarted_operator_removes_nothing_and_sends_nothing_again() {
    let bundle = pki::issue().unwrap();
    let first = operator(Server::new(), 0, &bundle).await;
    let known = table(&["a.test"]);
    let mut proxy = proxy(local(first.port), &bundle.proxy, &bundle.ca, known.clone());
    first.server.publish("east", known.clone());
    first.acked(&known).await;
    let port = first.port;
    first.stop.cancel();
    proxy
        .status("disconnected", |status| !status.connected)
        .await;
    drop(first);

    let second = operator(Server::new(), port, &bundle).await;
    second
        .fleet("reconnected, nothing published", |fleet| fleet.len() == 1)
        .await;
    assert!(proxy.deliveries.is_empty());
    let next = table(&["a.test", "b.test"]);
    second.server.publish("east", next.clone());
    // The first that is delivered at all is what is new.
    let change = proxy.next(Ok(())).await;
    assert_eq!((names(&change), change.removed.len()), (vec!["b.test"], 0));
    proxy.next(Ok(())).await;
    second.acked(&next).await;
}

#[tokio::test]
async fn a_proxy_moves_to_the_other_operator_of_the_same_name() {
    let bundle = pki::issue().unwrap();
    let one = operator(Server::new(), 0, &bundle).await;
    // Two addresses of one name: both loopbacks, where there are two.
    let Ok(listener) = TcpListener::bind(("::1", one.port)).await else {
        return;
    };
    let two = operator_on(Server::new(), listener, &bundle);
    let endpoint = format!("localhost:{}", one.port);
    if tokio::net::lookup_host(&endpoint).await.unwrap().count() < 2 {
        return;
    }
    let known = table(&["a.test"]);
    one.server.publish("east", known.clone());
    two.server.publish("east", known.clone());
    let mut proxy = proxy(endpoint, &bundle.proxy, &bundle.ca, known.clone());
    proxy.status("synced", |status| status.synced).await;
    let (first, other) = if one.server.fleet("east").is_empty() {
        (two, one)
    } else {
        (one, two)
    };
    first.stop.cancel();
    other.acked(&known).await;
    first.fleet("left", <[_]>::is_empty).await;
    assert!(proxy.deliveries.is_empty());
}

#[tokio::test]
async fn an_operator_of_another_authority_is_not_believed() {
    let (ours, theirs) = (pki::issue().unwrap(), pki::issue().unwrap());
    let operator = operator(Server::new(), 0, &theirs).await;
    operator.server.publish("east", table(&["a.test"]));
    let mut proxy = proxy(
        local(operator.port),
        &ours.proxy,
        &ours.ca,
        Snapshot::default(),
    );
    proxy
        .status("refused", |status| status.error.is_some())
        .await;
    assert!(operator.server.fleet("east").is_empty());
}

#[tokio::test]
async fn a_client_that_is_not_a_proxy_gets_no_word() {
    let (ours, theirs) = (pki::issue().unwrap(), pki::issue().unwrap());
    let operator = operator(Server::new(), 0, &ours).await;
    operator.server.publish("east", table(&["a.test"]));
    // One from another authority, and one that our authority vouches for as something else.
    for pem in [&theirs.proxy, &ours.operator] {
        let mut proxy = proxy(local(operator.port), pem, &ours.ca, Snapshot::default());
        proxy
            .status("refused", |status| status.error.is_some())
            .await;
        assert!(operator.server.fleet("east").is_empty());
    }
}

#[tokio::test]
async fn large_tables_arrive_whole() {
    let bundle = pki::issue().unwrap();
    let operator = operator(Server::new(), 0, &bundle).await;
    let hosts: Vec<_> = (0..10_000)
        .map(|n| format!("{n:05}.example.test"))
        .collect();
    let large = table(&hosts.iter().map(String::as_str).collect::<Vec<_>>());
    operator.server.publish("east", large.clone());
    let mut proxy = proxy(
        local(operator.port),
        &bundle.proxy,
        &bundle.ca,
        Snapshot::default(),
    );
    let mut held = BTreeMap::new();
    while held.len() < 20_000 {
        let change = proxy.next(Ok(())).await;
        held.extend(
            change
                .upserts
                .into_iter()
                .map(|(name, r)| (name, r.version)),
        );
    }
    operator.acked(&large).await;
}
