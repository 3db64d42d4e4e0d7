//! Certificates from the command line to a proxy: the real binary against the simulated engine, an
//! operator in process, and a proxy's session over mutual TLS.
#![allow(missing_docs, dead_code, clippy::unwrap_used, clippy::panic)]

mod sim;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use sim::{Sim, settings};
use skep::api::{ConditionType, parse};
use skep::certs::SealingKey;
use skep::control::client::{self, ClientSettings, ClientStatus};
use skep::control::identity::Identity;
use skep::control::pki;
use skep::control::server::Server;
use skep::control::wire::{self, CERTIFICATE, LISTENER};
use skep::names;
use skep::operator::telemetry::Telemetry;
use skep::operator::{OperatorSettings, Pipeline, start};
use skep::route::{Certificate, CertificateSource};
use skep::store;
use skep::swarm::observe;
use skep::world::{NetworkSpec, World};
use time::{Duration as Span, OffsetDateTime};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

/// A Swarm with what `skep install` makes, behind a socket, and a folder for files.
struct Swarm {
    sim: Sim,
    folder: tempfile::TempDir,
    key: SealingKey,
}

impl Swarm {
    async fn new() -> Self {
        let swarm = Self {
            sim: Sim::new(2),
            folder: tempfile::tempdir().unwrap(),
            key: SealingKey::generate().unwrap(),
        };
        let engine = swarm.sim.engine();
        let control = NetworkSpec {
            name: names::CONTROL_NETWORK.to_owned(),
            ..NetworkSpec::default()
        };
        engine.create_network(&control).await.unwrap();
        for secret in [names::SECRET_CA, names::SECRET_PROXY] {
            let labels = BTreeMap::new();
            engine.create_secret(secret, &labels, b"pem").await.unwrap();
        }
        swarm.sim.serve_unix(&swarm.path("docker.sock")).unwrap();
        swarm
    }

    /// The same with the sealing key.
    async fn sealed() -> Self {
        let swarm = Self::new().await;
        let public = swarm.key.public().text();
        let labels = BTreeMap::from([(names::LABEL_SEALING.to_owned(), public)]);
        let text = swarm.key.text();
        let engine = swarm.sim.engine();
        let made = engine.create_secret(names::SECRET_SEALING, &labels, text.as_bytes());
        made.await.unwrap();
        swarm
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// Files with a new certificate for these hosts, valid for so many days, and its key.
    fn pair(&self, name: &str, hosts: &[&str], days: i64) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(hosts).unwrap();
        let now = OffsetDateTime::now_utc();
        params.not_before = now - Span::days(400);
        params.not_after = now + Span::days(days) + Span::hours(1);
        let certificate = params.self_signed(&key).unwrap().pem();
        let certificate = self.file(&format!("{name}.crt"), &certificate);
        (
            certificate,
            self.file(&format!("{name}.key"), &key.serialize_pem()),
        )
    }

    /// Runs the binary against this Swarm's engine.
    async fn skep(&self, args: &[&str]) -> Output {
        let host = format!("unix://{}", self.path("docker.sock").display());
        tokio::process::Command::new(env!("CARGO_BIN_EXE_skep"))
            .args(["-H", &host])
            .args(args)
            .env_clear()
            .env("HOME", "/nonexistent")
            .stdin(Stdio::null())
            .output()
            .await
            .unwrap()
    }

    async fn add(&self, name: &str, pair: &(String, String)) -> Output {
        self.skep(&["certs", "add", name, "--cert", &pair.0, "--key", &pair.1])
            .await
    }

    /// Runs it, and wants it to end well; its output.
    async fn done(&self, args: &[&str]) -> String {
        let output = self.skep(args).await;
        assert!(output.status.success(), "{}", err(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    async fn configs(&self) -> Vec<String> {
        let world = observe(&self.sim.engine()).await.unwrap();
        world.configs.into_values().map(|c| c.name).collect()
    }
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// One plain message and this exit code.
#[track_caller]
fn fails(output: &Output, code: i32, words: &str) {
    let text = err(output);
    assert_eq!(output.status.code(), Some(code), "{text}");
    let faults: Vec<&str> = text.lines().filter(|l| l.starts_with("error: ")).collect();
    assert_eq!(faults.len(), 1, "{text}");
    assert!(faults[0].contains(words), "{words} in {text}");
    assert!(!text.contains("panicked") && output.stdout.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_pairs_are_refused_each_with_its_reason_before_anything_is_stored() {
    let swarm = Swarm::sealed().await;
    let good = swarm.pair("good", &["a.example.com"], 90);
    let other = swarm.pair("other", &["a.example.com"], 90);
    let old = swarm.pair("old", &["a.example.com"], -2);
    let empty = swarm.file("empty", "");
    let gone = swarm.path("gone").display().to_string();
    let pair = |a: &String, b: &String| (a.clone(), b.clone());
    for (pair, words) in [
        (pair(&good.0, &other.1), "good.crt: the key does not fit"),
        (pair(&empty, &good.1), "empty: holds no certificate"),
        (pair(&good.0, &empty), "empty: holds no private key"),
        (pair(&gone, &good.1), "gone: cannot be read"),
        (old, "old.crt: the certificate ended on"),
    ] {
        let words = words.replace("good.crt: the key", "other.key: the key");
        fails(&swarm.add("shop", &pair).await, 2, &words);
    }
    fails(
        &swarm.add("Shop", &good).await,
        2,
        "cannot name a certificate",
    );
    assert!(swarm.configs().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_sealing_key_or_an_engine_it_says_what_to_do() {
    let swarm = Swarm::new().await;
    let pair = swarm.pair("good", &["a.example.com"], 90);
    fails(&swarm.add("shop", &pair).await, 1, "run `skep install`");
    std::fs::remove_file(swarm.path("docker.sock")).unwrap();
    fails(&swarm.add("shop", &pair).await, 3, "docker.sock");
    fails(&swarm.skep(&["certs", "ls"]).await, 3, "docker.sock");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_added_shown_renewed_and_removed() {
    let swarm = Swarm::sealed().await;
    let pair = swarm.pair("one", &["b.example.com", "*.a.example.com"], 90);
    let added = swarm.add("shop", &pair).await;
    let text = String::from_utf8(added.stdout.clone()).unwrap();
    assert!(text.starts_with("certificate/shop created"), "{text}");
    assert!(text.contains("*.a.example.com, b.example.com"), "{text}");
    assert!(err(&added).contains("no operator is installed"));
    let writes = swarm.sim.writes();
    let again = swarm.add("shop", &pair).await;
    let text = String::from_utf8(again.stdout).unwrap();
    assert!(text.starts_with("certificate/shop unchanged"), "{text}");
    assert_eq!(swarm.sim.writes(), writes);

    let listed = swarm.done(&["certs", "ls", "--no-headers"]).await;
    assert!(listed.contains("*.a.example.com,b.example.com"), "{listed}");
    assert!(listed.trim_end().ends_with("90  Valid"), "{listed}");
    assert_eq!(
        swarm.done(&["certs", "ls", "-o", "name"]).await,
        "certificate/shop\n"
    );

    for days in [91, 92, 10] {
        let next = swarm.pair("next", &["b.example.com"], days);
        let output = swarm.add("shop", &next).await;
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        assert!(text.starts_with("certificate/shop configured"), "{text}");
        assert_eq!(err(&output).contains("ends in 10 days"), days == 10);
    }
    let kept = swarm.configs().await;
    assert_eq!(kept, ["certificate.shop.3", "certificate.shop.4"]);
    let listed = swarm.done(&["certs", "ls", "--no-headers"]).await;
    assert!(listed.trim_end().ends_with("10  Expiring"), "{listed}");

    fails(
        &swarm.skep(&["certs", "rm", "gone"]).await,
        1,
        "does not exist",
    );
    fails(
        &swarm.skep(&["certs", "ls", "gone"]).await,
        1,
        "does not exist",
    );
    let removed = swarm.done(&["certs", "rm", "shop"]).await;
    assert_eq!(removed, "certificate/shop deleted\n");
    assert!(swarm.configs().await.is_empty());
    swarm
        .done(&["certs", "rm", "shop", "--ignore-not-found"])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_stands_in_a_config_in_the_clear() {
    let swarm = Swarm::sealed().await;
    let pair = swarm.pair("one", &["b.example.com"], 90);
    assert!(swarm.add("shop", &pair).await.status.success());
    let world = observe(&swarm.sim.engine()).await.unwrap();
    let config = world.configs.values().next().unwrap();
    let stored = format!(
        "{:?}{}",
        config.labels,
        String::from_utf8_lossy(&config.data)
    );
    let key = std::fs::read_to_string(&pair.1).unwrap();
    for line in key.lines().filter(|line| line.len() > 8) {
        assert!(!stored.contains(line), "{line}");
    }
}

/// An operator at work on a Swarm, with its control stream.
struct Operator {
    pipeline: Pipeline,
    server: Server,
    telemetry: Telemetry,
    identities: pki::Bundle,
    port: u16,
    _guard: DropGuard,
}

async fn operator(swarm: &Swarm) -> Operator {
    operator_with(swarm, Duration::from_millis(500)).await
}

/// An operator that waits so long for quiet before it restarts proxies.
async fn operator_with(swarm: &Swarm, quiet: Duration) -> Operator {
    let identities = pki::issue().unwrap();
    let settings = OperatorSettings {
        quiet,
        ..settings(swarm.file("sealing", &swarm.key.text()).into())
    };
    let (server, telemetry) = (Server::new(), Telemetry::new());
    let stop = CancellationToken::new();
    let pipeline = start(swarm.sim.engine(), &server, &telemetry, &settings, &stop);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let identity = Identity::parse(&identities.operator, &identities.ca).unwrap();
    let (serving, token) = (server.clone(), stop.clone());
    tokio::spawn(async move { serving.serve(listener, identity, token).await.unwrap() });
    Operator {
        pipeline,
        server,
        telemetry,
        identities,
        port,
        _guard: stop.drop_guard(),
    }
}

/// What a proxy was told of its certificates.
#[derive(Clone, Debug, Default)]
struct Told {
    certificates: BTreeMap<String, Certificate>,
    default: Option<String>,
}

/// A proxy that takes everything.
struct Proxy {
    told: watch::Receiver<Told>,
    _guard: DropGuard,
}

impl Operator {
    fn proxy(&self) -> Proxy {
        let (status, _) = watch::channel(ClientStatus::default());
        let (tx, mut deliveries) = mpsc::channel::<client::Delivery>(1);
        let Self {
            identities, port, ..
        } = self;
        let settings = ClientSettings {
            endpoint: format!("127.0.0.1:{port}"),
            identity: Identity::parse(&identities.proxy, &identities.ca).unwrap(),
            task: "task".to_owned(),
            cluster: "east".to_owned(),
            node: "node".to_owned(),
            build: "1".to_owned(),
            status: Arc::new(status),
            certificates: watch::channel(Arc::default()).1,
        };
        let stop = CancellationToken::new();
        let known = skep::control::Snapshot::default();
        tokio::spawn(client::run(settings, known, tx, stop.clone()));
        let (seen, told) = watch::channel(Told::default());
        tokio::spawn(async move {
            while let Some(delivery) = deliveries.recv().await {
                let change = &delivery.change;
                seen.send_modify(|told| {
                    for (name, resource) in &change.upserts {
                        if change.type_url == CERTIFICATE {
                            let read = wire::decode_certificate(&resource.body).unwrap();
                            told.certificates.insert(name.clone(), read);
                        } else if change.type_url == LISTENER {
                            let read = wire::decode_listener(&resource.body).unwrap();
                            told.default = read.default_certificate;
                        }
                    }
                    if change.type_url == CERTIFICATE {
                        for name in &change.removed {
                            told.certificates.remove(name);
                        }
                    }
                });
                let _ = delivery.reply.send(Ok(()));
            }
        });
        Proxy {
            told,
            _guard: stop.drop_guard(),
        }
    }
}

impl Proxy {
    async fn until(&mut self, what: &str, good: impl Fn(&Told) -> bool) -> Told {
        let wait = self.told.wait_for(|told| good(told));
        let told = tokio::time::timeout(Duration::from_secs(60), wait).await;
        told.unwrap_or_else(|_| panic!("{what}: not in time"))
            .unwrap()
            .clone()
    }
}

async fn east(swarm: &Swarm, traffic: &str) {
    let text = format!(
        "apiVersion: skep.dev/v1\nkind: ServiceCluster\nmetadata: {{name: east}}\nspec: {{default: true, proxy: {{publish: {{mode: none}}}}, traffic: {traffic}}}"
    );
    let parsed = parse::manifests("test", &text);
    assert!(parsed.faults.is_empty(), "{:?}", parsed.faults);
    store::apply(&swarm.sim.engine(), &parsed.clusters[0])
        .await
        .unwrap();
}

async fn app(swarm: &Swarm, name: &str, labels: &[(&str, &str)]) {
    let engine = swarm.sim.engine();
    let network = NetworkSpec {
        name: format!("{name}net"),
        ..NetworkSpec::default()
    };
    let id = engine.create_network(&network).await.unwrap();
    let labels = labels.iter();
    let spec = skep::world::ServiceSpec {
        name: name.to_owned(),
        image: "app:1".to_owned(),
        labels: labels
            .map(|(key, value)| (format!("com.docker.lb.{key}"), (*value).to_owned()))
            .collect(),
        networks: vec![skep::world::NetworkAttachment {
            target: id,
            aliases: Vec::new(),
        }],
        mode: skep::world::Mode::Replicated(1),
        ..skep::world::ServiceSpec::default()
    };
    engine.create_service(&spec).await.unwrap();
}

async fn until(swarm: &Swarm, what: &str, good: impl Fn(&World) -> bool) -> World {
    let wait = async {
        loop {
            let world = observe(&swarm.sim.engine()).await.unwrap();
            if good(&world) {
                return world;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(60), wait).await;
    found.unwrap_or_else(|_| panic!("{what}: not in time"))
}

/// What the status of east says of its routes being in force: reason and message.
fn programmed(world: &World) -> (String, String) {
    let declared = skep::world::declared::declared(world);
    let status = declared.get("east").and_then(|d| d.status.clone());
    let found = status.and_then(|s| {
        let mut all = s.conditions.into_iter();
        all.find(|c| c.kind == ConditionType::Programmed)
    });
    found.map_or_else(Default::default, |c| (c.reason, c.message))
}

fn is_running(world: &World) -> bool {
    let service = world.service_named("skep-proxy-east");
    service.is_some_and(|s| world.tasks_of(&s.id).any(skep::world::Task::serves))
}

fn chain(certificate: &Certificate) -> &str {
    match &certificate.source {
        CertificateSource::Pem { chain, .. } => chain,
        CertificateSource::Files { .. } => panic!("it is pushed"),
    }
}

fn text(path: &str) -> String {
    std::fs::read_to_string(Path::new(path)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_reaches_the_proxies_and_rotates_without_touching_their_service() {
    let swarm = Swarm::sealed().await;
    east(&swarm, "{tls: {defaultCertificate: shop}}").await;
    app(&swarm, "app", &[("hosts", "a.example.com"), ("port", "80")]).await;
    let operator = operator(&swarm).await;
    let mut proxy = operator.proxy();
    until(&swarm, "the default is missed", |world| {
        programmed(world).1.contains("is not stored") && is_running(world)
    })
    .await;

    let first = swarm.pair("first", &["*.example.com"], 20);
    assert!(swarm.add("shop", &first).await.status.success());
    let told = proxy
        .until("it is pushed", |told| {
            !told.certificates.is_empty() && told.default.is_some()
        })
        .await;
    let certificate = &told.certificates["certs/shop"];
    assert_eq!(certificate.hosts, ["a.example.com"]);
    assert_eq!(chain(certificate), text(&first.0));
    assert_eq!(told.default.as_deref(), Some("certs/shop"));
    let world = until(&swarm, "its end is near", |world| {
        programmed(world).1.contains("certificate shop ends on")
    })
    .await;
    let version = world.service_named("skep-proxy-east").unwrap().version;

    let second = swarm.pair("second", &["a.example.com"], 90);
    assert!(swarm.add("shop", &second).await.status.success());
    let fresh = text(&second.0);
    proxy
        .until("it rotates", |told| {
            chain(&told.certificates["certs/shop"]) == fresh
        })
        .await;
    let world = until(&swarm, "its end is far", |world| {
        !programmed(world).1.contains("shop")
    })
    .await;
    assert_eq!(
        world.service_named("skep-proxy-east").unwrap().version,
        version
    );
    let metrics = operator.telemetry.text();
    let line = "skep_certificate_not_after_seconds{name=\"shop\"}";
    assert!(metrics.contains(line), "{metrics}");

    // What is told for people never tells a key.
    let view = operator.pipeline.views.borrow().clone().unwrap();
    let debug = format!("{view:#?}");
    assert!(debug.contains("certs/shop"));
    let keys = [text(&second.1), text(&first.1)];
    // The last line is of the public key, which stands in the certificate too.
    for line in keys.iter().flat_map(|key| key.lines().skip(1).take(2)) {
        let place = debug
            .find(line)
            .map(|at| &debug[at.saturating_sub(200)..at]);
        assert_eq!((place, metrics.contains(line)), (None, false), "{line}");
    }

    assert!(swarm.skep(&["certs", "rm", "shop"]).await.status.success());
    proxy
        .until("it goes", |told| told.certificates.is_empty())
        .await;
    assert!(!operator.telemetry.text().contains(line));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_opened_is_told_and_the_one_before_it_stays() {
    let swarm = Swarm::sealed().await;
    east(&swarm, "{}").await;
    app(&swarm, "app", &[("hosts", "a.example.com"), ("port", "80")]).await;
    let operator = operator(&swarm).await;
    let mut proxy = operator.proxy();
    let pair = swarm.pair("first", &["a.example.com"], 90);
    assert!(swarm.add("shop", &pair).await.status.success());
    proxy
        .until("it is pushed", |told| !told.certificates.is_empty())
        .await;

    let engine = swarm.sim.engine();
    let labels = [
        (names::LABEL_KIND, names::KIND_CERTIFICATE),
        (names::LABEL_NAME, "shop"),
        (names::LABEL_GENERATION, "2"),
        (names::LABEL_HOSTS, "a.example.com"),
    ];
    let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let labels = BTreeMap::from(labels);
    let made = engine.create_config("certificate.shop.2", &labels, b"no such thing");
    made.await.unwrap();
    until(&swarm, "it is told", |world| {
        programmed(world)
            .1
            .contains("certificate shop: the content is not sealed")
            && world
                .configs
                .values()
                .any(|config| config.labels.contains_key(names::LABEL_FAULT))
    })
    .await;
    let listed = swarm.done(&["certs", "ls", "--no-headers"]).await;
    assert!(listed.contains("Unusable"), "{listed}");
    assert_eq!(proxy.told.borrow().certificates.len(), 1);

    assert!(swarm.add("shop", &pair).await.status.success());
    until(&swarm, "it is mended", |world| {
        !programmed(world).1.contains("shop")
    })
    .await;
    let _ = operator.server.fleet("east");
}

/// Seconds of quiet are short here, so what comes together comes in one update.
#[tokio::test(flavor = "multi_thread")]
async fn secrets_of_labels_are_mounted_in_one_update_and_the_certificate_follows_them() {
    let swarm = Swarm::sealed().await;
    east(&swarm, "{}").await;
    app(
        &swarm,
        "plain",
        &[("hosts", "b.example.com"), ("port", "80")],
    )
    .await;
    let operator = operator(&swarm).await;
    let mut proxy = operator.proxy();
    let world = until(&swarm, "the cluster stands", |world| {
        is_running(world) && programmed(world).0 == "NotConnected"
    })
    .await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = updates(&swarm);
    let tasks = world.tasks.len();

    let ssl = |host| {
        [
            ("hosts", host),
            ("port", "80"),
            ("network", "plainnet"),
            ("ssl_cert", "shop.crt"),
            ("ssl_key", "shop.key"),
        ]
    };
    app(&swarm, "shop", &ssl("a.example.com")[..2]).await;
    until(&swarm, "the network of the shop is attached", |world| {
        let service = world.service_named("skep-proxy-east");
        service.is_some_and(|service| service.spec.networks.len() == 3)
    })
    .await;
    let between = updates(&swarm);
    assert!(between > before && tasks > 0);

    let engine = swarm.sim.engine();
    let world = observe(&engine).await.unwrap();
    let shop = world.service_named("shop").unwrap();
    let mut spec = shop.spec.clone();
    for (key, value) in &ssl("a.example.com")[3..] {
        spec.labels
            .insert(format!("com.docker.lb.{key}"), (*value).to_owned());
    }
    engine
        .update_service(&shop.id, shop.version, &spec)
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(
        updates(&swarm),
        between + 1,
        "what is missing is not mounted"
    );
    assert!(proxy.told.borrow().certificates.is_empty());
    for secret in ["shop.crt", "shop.key"] {
        let labels = BTreeMap::new();
        engine.create_secret(secret, &labels, b"pem").await.unwrap();
    }
    until(&swarm, "the secrets are mounted", |world| {
        let service = world.service_named("skep-proxy-east");
        service.is_some_and(|service| service.spec.secrets.len() == 4)
    })
    .await;
    let told = proxy
        .until("the certificate follows", |told| {
            told.certificates.values().any(|it| !it.awaited)
        })
        .await;
    let certificate = told.certificates.values().next().unwrap();
    assert_eq!(certificate.hosts, ["a.example.com"]);
    assert!(
        matches!(&certificate.source, CertificateSource::Files { chain, .. } if chain == "shop.crt")
    );
    let world = observe(&engine).await.unwrap();
    let service = world.service_named("skep-proxy-east").unwrap();
    for task in world.tasks_of(&service.id).filter(|task| task.serves()) {
        assert!(task.secret_files.contains("shop.key"), "{task:?}");
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    // One update of the shop, one of the proxies.
    assert_eq!(updates(&swarm), between + 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_starts_while_a_secret_rotates_takes_no_certificate_away() {
    let swarm = Swarm::sealed().await;
    let engine = swarm.sim.engine();
    for secret in ["shop.crt", "shop.key", "next.crt", "next.key"] {
        let labels = BTreeMap::new();
        engine.create_secret(secret, &labels, b"pem").await.unwrap();
    }
    east(&swarm, "{}").await;
    let ssl = [("ssl_cert", "shop.crt"), ("ssl_key", "shop.key")];
    let mut labels = vec![("hosts", "a.example.com"), ("port", "80")];
    labels.extend(ssl);
    app(&swarm, "shop", &labels).await;
    let first = operator(&swarm).await;
    let mut proxy = first.proxy();
    let ready = |told: &Told| told.certificates.values().any(|it| !it.awaited);
    proxy.until("the certificate is everywhere", ready).await;
    drop((proxy, first));

    // The next pair has yet to be mounted, which takes this operator an hour.
    let world = observe(&engine).await.unwrap();
    let shop = world.service_named("shop").unwrap();
    let mut spec = shop.spec.clone();
    for (key, value) in [("ssl_cert", "next.crt"), ("ssl_key", "next.key")] {
        let key = format!("com.docker.lb.{key}");
        spec.labels.insert(key, value.to_owned());
    }
    let (id, version) = (&shop.id, shop.version);
    engine.update_service(id, version, &spec).await.unwrap();
    let second = operator_with(&swarm, Duration::from_hours(1)).await;
    let mut proxy = second.proxy();
    let told = proxy
        .until("the name stays", |told| !told.certificates.is_empty())
        .await;
    let certificate = &told.certificates["service/shop"];
    assert!(certificate.awaited);
    assert!(
        matches!(&certificate.source, CertificateSource::Files { chain, .. } if chain == "next.crt")
    );
}

fn updates(swarm: &Swarm) -> u64 {
    let calls = swarm.sim.calls();
    let updates = calls
        .iter()
        .filter(|(call, _)| call.starts_with("POST /services") && !call.contains("create"));
    updates.map(|(_, count)| count).sum()
}
