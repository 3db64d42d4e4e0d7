//! Sources: the operator on the simulated engine, with a paused clock, and real git servers.
#![allow(missing_docs, dead_code, clippy::unwrap_used, clippy::panic)]

mod repo;
mod sim;

use std::collections::BTreeMap;
use std::time::Duration;

use repo::web::Web;
use repo::{Daemon, Key, Repo, cluster, git};
use sim::{Sim, settings};
use skep::api::{Condition, ConditionStatus, SourceChange, parse};
use skep::certs::SealingKey;
use skep::control::server::Server;
use skep::operator::telemetry::Telemetry;
use skep::operator::{OperatorSettings, Pipeline, start};
use skep::store::sources::{Login, Purpose};
use skep::world::{DeclaredSource, Stored as _};
use skep::{names, store};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// A Swarm, an operator, a repository and its server.
struct Stage {
    sim: Sim,
    repo: Repo,
    operator: Pipeline,
    telemetry: Telemetry,
    key: SealingKey,
    _folder: tempfile::TempDir,
}

fn operator(
    sim: &Sim,
    telemetry: &Telemetry,
    sealing: std::path::PathBuf,
    replica: u32,
) -> Pipeline {
    let settings = OperatorSettings {
        replica,
        ..settings(sealing)
    };
    let stop = CancellationToken::new();
    start(sim.engine(), &Server::new(), telemetry, &settings, &stop)
}

fn source(url: &str, rest: &str) -> String {
    format!(
        "apiVersion: skep.dev/v1\nkind: Source\nmetadata: {{name: shop}}\nspec:\n  url: {url}\n  interval: 30s\n{rest}"
    )
}

fn verify(keys: &[&Key]) -> String {
    let keys: Vec<&str> = keys.iter().map(|key| key.public.as_str()).collect();
    format!("  verify: {{sshKeys: [{}]}}\n", keys.join(", "))
}

impl Stage {
    fn new() -> Self {
        let sim = Sim::new(1);
        let folder = tempfile::tempdir().unwrap();
        let key = SealingKey::generate().unwrap();
        let sealing = folder.path().join("key");
        std::fs::write(&sealing, key.text()).unwrap();
        let telemetry = Telemetry::new();
        let operator = operator(&sim, &telemetry, sealing, 1);
        let repo = Repo::new();
        Self {
            sim,
            repo,
            operator,
            telemetry,
            key,
            _folder: folder,
        }
    }

    /// Declares source `shop`.
    async fn declare(&self, url: &str, rest: &str) {
        self.store(&source(url, rest)).await;
    }

    /// Stores a source, also in an older version of the API.
    async fn store(&self, text: &str) {
        let parsed = parse::manifests("test", text);
        assert_eq!(parsed.faults, []);
        let source = &parsed.sources[0];
        let engine = self.sim.engine();
        let all = store::sources::list(&engine).await.unwrap();
        let by = store::By {
            older: true,
            ..store::By::default()
        };
        store::apply_by(&engine, &all, source, by).await.unwrap();
    }

    async fn source(&self) -> DeclaredSource {
        let all = store::sources::list(&self.sim.engine()).await.unwrap();
        all.get("shop").cloned().unwrap_or_default()
    }

    async fn ready(&self) -> Condition {
        let status = self.source().await.status.unwrap();
        status.conditions[1].clone()
    }

    /// Waits, ten minutes of the paused clock at most, for a reason of the condition Ready.
    async fn until(&self, reason: &str) -> Condition {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.source().await.status
                && let Some(ready) = status.conditions.get(1)
            {
                if ready.reason == reason {
                    return ready.clone();
                }
                assert!(begin.elapsed() < Duration::from_secs(600), "{ready:?}");
            }
            assert!(begin.elapsed() < Duration::from_secs(600), "no status");
            sleep(Duration::from_millis(200)).await;
        }
    }

    async fn applied(&self, commit: &str) {
        let begin = Instant::now();
        while self.source().await.status.is_none_or(|status| {
            status.revision != commit || status.conditions[1].reason != "Applied"
        }) {
            assert!(
                begin.elapsed() < Duration::from_secs(600),
                "{:?}",
                self.source().await.status
            );
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// Each declared cluster with its replicas and who stored it.
    async fn clusters(&self) -> BTreeMap<String, (u64, String)> {
        let all = store::clusters(&self.sim.engine()).await.unwrap();
        all.into_iter()
            .map(|(name, declared)| {
                let manager = declared.newest().unwrap().manager();
                let spec = declared.accepted.unwrap().cluster.spec;
                (name, (spec.proxy.replicas.unwrap_or(0), manager))
            })
            .collect()
    }

    async fn apply(&self, name: &str, replicas: u32) {
        let parsed = parse::manifests("test", &cluster(name, replicas));
        let engine = self.sim.engine();
        let by = store::By {
            manager: Some("apply"),
            force: true,
            ..store::By::default()
        };
        let all = store::clusters(&engine).await.unwrap();
        store::apply_by(&engine, &all, &parsed.clusters[0], by)
            .await
            .unwrap();
    }

    async fn seal(&self, purpose: Purpose, content: &[u8]) {
        let name = names::source_secret("shop", purpose.word());
        let sealed = self.key.public().seal(&name, content).unwrap();
        let engine = self.sim.engine();
        store::sources::seal(&engine, "shop", purpose, &sealed)
            .await
            .unwrap();
    }

    async fn login(&self, password: &str, origin: &str) {
        let login = Login {
            username: "me".to_owned(),
            password: password.to_owned(),
            origin: origin.to_owned(),
        };
        let content = serde_json::to_vec(&login).unwrap();
        self.seal(Purpose::Auth, &content).await;
    }
}

/// A door before a server of git: it tells of each caller, and lets it in when it is told to.
struct Door {
    url: String,
    callers: tokio::sync::mpsc::UnboundedReceiver<tokio::sync::oneshot::Sender<()>>,
}

impl Door {
    async fn before(port: u16) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!(
            "git://127.0.0.1:{}/shop.git",
            listener.local_addr().unwrap().port()
        );
        let (tell, callers) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((mut caller, _)) = listener.accept().await {
                let (open, opened) = tokio::sync::oneshot::channel();
                let _ = tell.send(open);
                tokio::spawn(async move {
                    let _ = opened.await;
                    let mut server = tokio::net::TcpStream::connect(("127.0.0.1", port))
                        .await
                        .unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut caller, &mut server).await;
                });
            }
        });
        Self { url, callers }
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_is_suspended_or_deleted_while_it_looks_writes_nothing() {
    for deleted in [false, true] {
        let stage = Stage::new();
        stage.repo.write("east.yaml", cluster("east", 1));
        stage.repo.push();
        let daemon = Daemon::start(&stage.repo.served());
        let mut door = Door::before(daemon.port).await;
        stage.declare(&door.url, "").await;
        let open = door.callers.recv().await.unwrap();
        if deleted {
            let engine = stage.sim.engine();
            store::sources::delete(&engine, "shop").await.unwrap();
        } else {
            stage.declare(&door.url, "  suspend: true\n").await;
        }
        open.send(()).unwrap();
        sleep(Duration::from_secs(20)).await;
        assert!(stage.clusters().await.is_empty(), "deleted: {deleted}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_somebody_took_while_the_source_looked_is_not_deleted() {
    let stage = Stage::new();
    stage.repo.write("east.yaml", cluster("east", 1));
    stage.repo.write("west.yaml", cluster("west", 1));
    let commit = stage.repo.push();
    let daemon = Daemon::start(&stage.repo.served());
    let mut door = Door::before(daemon.port).await;
    stage.declare(&door.url, "  prune: true\n").await;
    door.callers.recv().await.unwrap().send(()).unwrap();
    stage.applied(&commit).await;
    stage.repo.remove("west.yaml");
    let commit = stage.repo.push();
    let open = door.callers.recv().await.unwrap();
    stage.apply("west", 1).await;
    open.send(()).unwrap();
    stage.applied(&commit).await;
    assert_eq!(stage.clusters().await["west"], (1, "apply".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn what_a_webhook_made_it_read_is_not_forgotten_when_a_write_meets_a_conflict() {
    let stage = Stage::new();
    stage.repo.write("east.yaml", cluster("east", 1));
    let commit = stage.repo.push();
    let daemon = Daemon::start(&stage.repo.served());
    stage.declare(&daemon.url(), "").await;
    stage.applied(&commit).await;
    stage.seal(Purpose::Hook, b"s3").await;
    sleep(Duration::from_secs(2)).await;
    stage.repo.write("east.yaml", cluster("east", 2));
    let commit = stage.repo.push();
    // The first thing that the run writes is refused for the moment.
    stage
        .sim
        .fault(|faults| faults.conflict("POST /configs/create"));
    assert!(stage.operator.sources.delivered(&skep::web::Delivery {
        source: "shop",
        signature: None,
        token: Some("s3"),
        body: b"",
    }));
    let begin = Instant::now();
    stage.applied(&commit).await;
    assert!(
        begin.elapsed() < Duration::from_secs(8),
        "{:?}",
        begin.elapsed()
    );
    assert_eq!(stage.clusters().await["east"], owned(2));
}

fn owned(replicas: u64) -> (u64, String) {
    (replicas, "source/shop".to_owned())
}

#[tokio::test(start_paused = true)]
async fn what_is_pushed_is_applied_and_what_is_the_same_writes_nothing() {
    let stage = Stage::new();
    stage.repo.write("east.yaml", cluster("east", 1));
    let first = stage.repo.push();
    let daemon = Daemon::start(&stage.repo.served());
    stage.declare(&daemon.url(), "").await;
    stage.applied(&first).await;
    assert_eq!(stage.clusters().await["east"], owned(1));
    assert_eq!(
        stage.ready().await.message,
        format!("commit {} is applied: 1 service cluster", &first[..10])
    );
    stage.repo.write("east.yaml", cluster("east", 3));
    stage.repo.write("sub/west.yaml", cluster("west", 2));
    let second = stage.repo.push();
    stage.applied(&second).await;
    let clusters = stage.clusters().await;
    assert_eq!(
        (&clusters["east"], &clusters["west"]),
        (&owned(3), &owned(2))
    );
    // The proxies of both come up first.
    sleep(Duration::from_secs(60)).await;
    let writes = stage.sim.writes();
    sleep(Duration::from_secs(300)).await;
    assert_eq!(stage.sim.writes(), writes);
    assert!(
        stage
            .telemetry
            .text()
            .contains("skep_source_ready{source=\"shop\"} 1")
    );
}

#[tokio::test(start_paused = true)]
async fn a_repository_of_an_old_version_is_stored_as_it_is_and_moves_once_with_it() {
    let stage = Stage::new();
    let daemon = Daemon::start(&stage.repo.served());
    let push = |version: &str, replicas: u32| {
        let text = cluster("east", replicas);
        let (_, rest) = text.split_once('\n').unwrap();
        let text = format!("apiVersion: skep.dev/{version}\n{rest}");
        stage.repo.write("east.yaml", text);
        stage.repo.push()
    };
    let stored = async || {
        let all = store::clusters(&stage.sim.engine()).await.unwrap();
        let accepted = all["east"].accepted.clone().unwrap();
        (accepted.generation, accepted.cluster.stated.word())
    };
    let first = push("v1alpha1", 1);
    stage.declare(&daemon.url(), "").await;
    stage.applied(&first).await;
    assert_eq!(stored().await, (1, "v1alpha1"));
    stage.applied(&push("v1", 1)).await;
    assert_eq!(stored().await, (2, "v1"));
    stage.applied(&push("v1alpha1", 1)).await;
    assert_eq!(stored().await, (2, "v1"));
    stage.applied(&push("v1alpha1", 2)).await;
    assert_eq!(stored().await, (3, "v1alpha1"));
}

#[tokio::test(start_paused = true)]
async fn history_that_is_rewritten_is_followed() {
    let stage = Stage::new();
    stage.repo.write("east.yaml", cluster("east", 1));
    stage.repo.push();
    stage.repo.write("east.yaml", cluster("east", 2));
    let second = stage.repo.push();
    let daemon = Daemon::start(&stage.repo.served());
    stage.declare(&daemon.url(), "  ref: main\n").await;
    stage.applied(&second).await;
    // Forced back to the first commit.
    git(&stage.repo.work(), &["reset", "-q", "--hard", "HEAD~1"]);
    let forced = stage.repo.force();
    stage.applied(&forced).await;
    assert_eq!(stage.clusters().await["east"], owned(1));
    // Rebased: the same files, other commits.
    git(
        &stage.repo.work(),
        &["commit", "-q", "--amend", "-m", "rebased"],
    );
    let rebased = stage.repo.force();
    stage.applied(&rebased).await;
    assert_eq!(stage.clusters().await["east"], owned(1));
}

#[tokio::test(start_paused = true)]
async fn one_broken_manifest_keeps_the_whole_revision_out() {
    let stage = Stage::new();
    stage.repo.write("east.yaml", cluster("east", 1));
    stage.repo.write("west.yaml", cluster("west", 1));
    let good = stage.repo.push();
    let daemon = Daemon::start(&stage.repo.served());
    stage.declare(&daemon.url(), "  prune: true\n").await;
    stage.applied(&good).await;
    stage.repo.write("east.yaml", cluster("east", 5));
    stage.repo.remove("west.yaml");
    stage
        .repo
        .write("north.yaml", "kind: ServiceCluster\nmetadata: {nam: x}\n");
    stage.repo.write("south.yaml", cluster("east", 7));
    let bad = stage.repo.push();
    let ready = stage.until("InvalidManifest").await;
    let (new, old) = (&bad[..10], &good[..10]);
    let message = format!("commit {new} is not applied: 4 faults in its manifests, the first: ");
    let rest = ready.message.strip_prefix(&message);
    let first = "north.yaml:1:1: apiVersion: `apiVersion` is missing";
    let told = rest.is_some_and(|rest| rest.starts_with(first));
    let force = format!("; commit {old} stays in force (last success 20");
    assert!(told && ready.message.contains(&force), "{}", ready.message);
    let status = stage.source().await.status.unwrap();
    let faults: Vec<String> = status.faults.iter().map(ToString::to_string).collect();
    for part in [
        "north.yaml:2:12: metadata.nam: ",
        "`apiVersion` is missing",
        "south.yaml:3:18: metadata.name: `east` is declared twice, first in east.yaml:3:18",
    ] {
        let lines = faults.iter().filter(|line| line.contains(part));
        assert_eq!(lines.count(), 1, "{part} in {faults:#?}");
    }
    assert_eq!((status.revision, status.failed_revision), (good, bad));
    let clusters = stage.clusters().await;
    assert_eq!(
        (&clusters["east"], &clusters["west"]),
        (&owned(1), &owned(1))
    );
    let metric = "skep_source_failures_total{source=\"shop\",reason=\"InvalidManifest\"}";
    assert!(
        stage.telemetry.text().contains(metric),
        "{}",
        stage.telemetry.text()
    );
    stage.repo.remove("north.yaml");
    stage.repo.remove("south.yaml");
    let mended = stage.repo.push();
    stage.applied(&mended).await;
    let clusters = stage.clusters().await;
    assert_eq!((clusters.len(), &clusters["east"]), (1, &owned(5)));
    assert_eq!(stage.source().await.status.unwrap().faults, []);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_faults_are_counted_and_the_first_of_them_listed() {
    let stage = Stage::new();
    let long = "x".repeat(2_000);
    for number in 0..1_000 {
        let broken = format!("kind: ServiceCluster\nmetadata: {{name: e{number}, {long}: 1}}\n");
        stage.repo.write(&format!("{number:04}.yaml"), broken);
    }
    stage.repo.push();
    let daemon = Daemon::start(&stage.repo.served());
    stage.declare(&daemon.url(), "").await;
    let ready = stage.until("InvalidManifest").await;
    let status = stage.source().await.status.unwrap();
    assert_eq!(status.faults.len(), 20);
    let count = status.more_faults + 20;
    assert!(count >= 1_000, "{count}");
    let told = format!("is not applied: {count} faults in its manifests, the first: 0000.yaml:");
    assert!(ready.message.contains(&told), "{}", ready.message);
    assert!(ready.message.len() < 1_000, "{}", ready.message);
    let size = serde_json::to_string(&status).unwrap().len();
    assert!(size < 64 << 10, "{size}");
}

#[tokio::test(start_paused = true)]
async fn what_a_sync_created_changed_and_pruned_is_told_and_the_last_five_are_kept() {
    let stage = Stage::new();
    for name in ["east", "south", "west"] {
        stage.repo.write(&format!("{name}.yaml"), cluster(name, 1));
    }
    stage.apply("west", 1).await;
    let first = stage.repo.push();
    let daemon = Daemon::start(&stage.repo.served());
    stage.declare(&daemon.url(), "  prune: true\n").await;
    stage.applied(&first).await;
    stage.repo.write("east.yaml", cluster("east", 2));
    stage.repo.write("north.yaml", cluster("north", 2));
    stage.repo.remove("south.yaml");
    let second = stage.repo.push();
    stage.applied(&second).await;
    let status = stage.source().await.status.unwrap();
    let told = |changes: &[SourceChange]| {
        let all = changes.iter().map(|change| {
            assert!(change.time.starts_with("20"), "{change:?}");
            let lists = change
                .lists()
                .map(|(what, names)| format!("{what} {names:?}"));
            (change.revision.clone(), lists.join(" "))
        });
        all.collect::<Vec<_>>()
    };
    assert_eq!(
        told(&status.changes),
        [
            (
                first,
                r#"created ["east", "south"] configured [] taken over ["west"] pruned []"#
            ),
            (
                second,
                r#"created ["north"] configured ["east"] taken over [] pruned ["south"]"#
            ),
        ]
        .map(|(commit, text)| (commit, text.to_owned()))
    );
    // A failure in between changes nothing of that; what comes later pushes the oldest out.
    for replicas in 3..8 {
        stage.repo.write("east.yaml", cluster("east", replicas));
        let commit = stage.repo.push();
        stage.applied(&commit).await;
    }
    let changes = stage.source().await.status.unwrap().changes;
    assert_eq!(changes.len(), 5);
    assert!(changes.iter().all(|change| change.configured == ["east"]));
    // A commit that changes no cluster leaves no trace.
    stage.repo.write("README.md", "x");
    let commit = stage.repo.push();
    stage.applied(&commit).await;
    assert_eq!(stage.source().await.status.unwrap().changes, changes);
}

#[tokio::test(start_paused = true)]
async fn a_status_whose_answer_was_lost_tells_of_each_change_once() {
    let stage = Stage::new();
    stage.repo.write("a.yaml", cluster("a", 1));
    let first = stage.repo.push();
    let daemon = Daemon::start(&stage.repo.served());
    stage.declare(&daemon.url(), "").await;
    stage.applied(&first).await;
    let id = stage.source().await.newest().unwrap().config_id.clone();
    for name in ["b", "c"] {
        let call = format!("POST /configs/{id}/update");
        stage.sim.fault(|faults| faults.lose_answer(&call));
        stage.repo.write(&format!("{name}.yaml"), cluster(name, 1));
        let commit = stage.repo.push();
        stage.applied(&commit).await;
        // The heartbeat too has gone by.
        sleep(Duration::from_secs(700)).await;
    }
    let changes = stage.source().await.status.unwrap().changes;
    let created: Vec<&str> = changes
        .iter()
        .map(|change| change.created[0].as_str())
        .collect();
    assert_eq!(created, ["a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_was_applied_before_signatures_were_asked_for_is_told_truly() {
    let stage = Stage::new();
    let alice = Key::new(&["ed25519"]);
    stage.repo.write("east.yaml", cluster("east", 1));
    let commit = stage.repo.push();
    let daemon = Daemon::start(&stage.repo.served());
    stage.declare(&daemon.url(), "").await;
    stage.applied(&commit).await;
    stage.declare(&daemon.url(), &verify(&[&alice])).await;
    let ready = stage.until("Unverified").await;
    let begin = format!(
        "commit {} is in force, but is not signed as spec.verify asks: it is not signed; sign it with a key of spec.verify",
        &commit[..10]
    );
    assert!(ready.message.starts_with(&begin), "{}", ready.message);
    for (part, there) in [
        ("it was applied before spec.verify asked for that", true),
        ("because nothing is undone (last success 20", true),
        ("not applied", false),
    ] {
        assert_eq!(ready.message.contains(part), there, "{}", ready.message);
    }
    assert_eq!(stage.clusters().await["east"], owned(1));
    let signed = stage.repo.push_signed(&alice);
    stage.applied(&signed).await;
}

#[tokio::test(start_paused = true)]
async fn only_commits_that_a_known_key_signed_are_applied() {
    let stage = Stage::new();
    let (alice, mallory) = (Key::new(&["ed25519"]), Key::new(&["ed25519"]));
    stage.repo.write("east.yaml", cluster("east", 1));
    let good = stage.repo.push_signed(&alice);
    let daemon = Daemon::start(&stage.repo.served());
    stage.declare(&daemon.url(), &verify(&[&alice])).await;
    stage.applied(&good).await;
    stage.repo.write("east.yaml", cluster("east", 5));
    let bare = stage.repo.push();
    let ready = stage.until("Unverified").await;
    let begin = format!("commit {} is not applied: it is not signed; ", &bare[..10]);
    assert!(ready.message.starts_with(&begin), "{}", ready.message);
    let ending = format!("; commit {} stays in force (last success 20", &good[..10]);
    assert!(ready.message.contains(&ending), "{}", ready.message);
    let status = stage.source().await.status.unwrap();
    assert_eq!((&status.revision, &status.failed_revision), (&good, &bare));
    let text = stage.telemetry.text();
    for line in [
        "skep_source_failures_total{source=\"shop\",reason=\"Unverified\"} 1",
        "skep_source_ready{source=\"shop\"} 0",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    // What was signed stays in force, against changes by hand too.
    stage.apply("east", 9).await;
    sleep(Duration::from_secs(10)).await;
    assert_eq!(stage.clusters().await["east"], owned(1));
    let signed = stage.repo.push_signed(&mallory);
    let begin = Instant::now();
    while !stage
        .ready()
        .await
        .message
        .contains("which is none of spec.verify")
    {
        assert!(begin.elapsed() < Duration::from_secs(600));
        sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(stage.clusters().await["east"], owned(1));
    // The same commit is looked at anew when the keys change.
    stage
        .declare(&daemon.url(), &verify(&[&alice, &mallory]))
        .await;
    stage.applied(&signed).await;
    assert_eq!(stage.clusters().await["east"], owned(5));
    // And a key that is taken out vouches for nothing any more.
    stage.declare(&daemon.url(), &verify(&[&alice])).await;
    stage.until("Unverified").await;
}

#[tokio::test(start_paused = true)]
async fn a_source_that_asks_for_signatures_has_no_revision_without_to_fall_back_to() {
    let stage = Stage::new();
    let alice = Key::new(&["ed25519"]);
    stage.repo.write("east.yaml", cluster("east", 1));
    let good = stage.repo.push_signed(&alice);
    let daemon = Daemon::start(&stage.repo.served());
    let stored = async || {
        let all = stage.source().await.revisions.into_iter();
        let names = all.map(|revision| revision.config_name);
        names.collect::<Vec<_>>().join(" ")
    };
    stage.declare(&daemon.url(), "").await;
    stage.declare(&daemon.url(), "  prune: true\n").await;
    stage.applied(&good).await;
    assert_eq!(stored().await, "source.shop.1 source.shop.2");
    // An operator that does not know the field removes nothing, so it is done at once.
    stage.declare(&daemon.url(), &verify(&[&alice])).await;
    assert_eq!(stored().await, "source.shop.3");
    assert_eq!(stage.source().await.status.unwrap().revision, good);
    // What takes it away again is another matter, until it comes back: by a stack, say.
    stage.declare(&daemon.url(), "").await;
    assert_eq!(stored().await, "source.shop.3 source.shop.4");
    let labels = [
        (names::LABEL_KIND, "Source"),
        (names::LABEL_STACK, "follow"),
    ];
    let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let labels = BTreeMap::from(labels);
    let text = source(&daemon.url(), &verify(&[&alice]));
    let engine = stage.sim.engine();
    let made = engine.create_config("follow_shop", &labels, text.as_bytes());
    made.await.unwrap();
    let begin = Instant::now();
    while stored().await != "source.shop.3 follow_shop" {
        assert!(begin.elapsed() < Duration::from_secs(60));
        sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(stage.source().await.status.unwrap().revision, good);
}

#[tokio::test(start_paused = true)]
async fn a_huge_repository_is_refused_with_its_bound_until_it_is_small_again() {
    let stage = Stage::new();
    stage.repo.write("east.yaml", cluster("east", 1));
    let good = stage.repo.push();
    let daemon = Daemon::start(&stage.repo.served());
    stage.declare(&daemon.url(), "").await;
    stage.applied(&good).await;
    // Noise that comes again too far away for zlib to see it.
    let mut number = 1_u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        number = number
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        number.to_be_bytes()[0]
    })
    .take(1 << 20)
    .collect();
    stage.repo.write("big.bin", noise.repeat(34));
    stage.repo.write("east.yaml", cluster("east", 2));
    stage.repo.push();
    let ready = stage.until("TooLarge").await;
    for part in [
        "the repository is too large: its newest revision alone takes more than 32 MiB",
        "keep the manifests in a repository of their own",
        "stays in force (last success 20",
    ] {
        assert!(ready.message.contains(part), "{part} in {}", ready.message);
    }
    assert_eq!(stage.clusters().await["east"], owned(1));
    let text = stage.telemetry.text();
    for line in [
        "skep_source_failures_total{source=\"shop\",reason=\"TooLarge\"} 1",
        "skep_source_ready{source=\"shop\"} 0",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    stage.repo.remove("big.bin");
    let small = stage.repo.push();
    stage.applied(&small).await;
    assert_eq!(stage.clusters().await["east"], owned(2));
}

#[tokio::test(start_paused = true)]
async fn a_file_that_goes_takes_its_cluster_along_only_with_prune_and_never_the_whole_folder() {
    let stage = Stage::new();
    stage.repo.write("c/east.yaml", cluster("east", 1));
    stage.repo.write("c/west.yaml", cluster("west", 1));
    let commit = stage.repo.push();
    stage.apply("mine", 1).await;
    let daemon = Daemon::start(&stage.repo.served());
    stage.declare(&daemon.url(), "  path: ./c/\n").await;
    stage.applied(&commit).await;
    stage.repo.remove("c/west.yaml");
    let commit = stage.repo.push();
    stage.applied(&commit).await;
    assert_eq!(stage.clusters().await.len(), 3);
    stage
        .declare(&daemon.url(), "  path: c\n  prune: true\n")
        .await;
    let begin = Instant::now();
    while stage.clusters().await.contains_key("west") {
        assert!(begin.elapsed() < Duration::from_secs(60));
        sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(
        stage.clusters().await.into_keys().collect::<Vec<_>>(),
        ["east", "mine"]
    );
    // A folder that is gone is a mistake, not a wish.
    git(&stage.repo.work(), &["mv", "c", "d"]);
    let moved = stage.repo.push();
    let ready = stage.until("NotFound").await;
    let told = format!(
        "commit {} is not applied: it has no folder `c`: check spec.path and spec.ref; commit {} stays in force (last success 20",
        &moved[..10],
        &commit[..10]
    );
    assert!(ready.message.starts_with(&told), "{}", ready.message);
    assert_eq!(stage.source().await.status.unwrap().failed_revision, moved);
    assert_eq!(stage.clusters().await.len(), 2);
    // So is one without a manifest, and one whose manifests declare nothing.
    stage.repo.write("c/README.md", "x");
    let bare = stage.repo.push();
    let begin = Instant::now();
    while stage.source().await.status.unwrap().failed_revision != bare {
        assert!(begin.elapsed() < Duration::from_secs(600));
        sleep(Duration::from_millis(200)).await;
    }
    let ready = stage.ready().await;
    for part in [
        "holds no *.yaml, *.yml or *.json file",
        "nothing is deleted",
    ] {
        assert!(ready.message.contains(part), "{}", ready.message);
    }
    stage.repo.write("c/none.yaml", "# all gone\n");
    stage.repo.push();
    stage.until("InvalidManifest").await;
    let faults = stage.source().await.status.unwrap().faults;
    assert_eq!(
        faults[0].to_string(),
        "the manifests declare no service cluster (nothing is deleted; to remove everything, delete the source and its clusters)"
    );
    assert_eq!(stage.clusters().await.len(), 2);
    assert_eq!(stage.source().await.status.unwrap().revision, commit);
}

#[tokio::test(start_paused = true)]
async fn a_folder_that_spec_moves_to_and_that_is_wrong_leaves_what_the_commit_brought_before() {
    let stage = Stage::new();
    stage.repo.write("c/east.yaml", cluster("east", 1));
    stage.repo.write("f/source.yaml", source("https://a/b", ""));
    let commit = stage.repo.push();
    let daemon = Daemon::start(&stage.repo.served());
    let prune = |path: &str| format!("  path: {path}\n  prune: true\n");
    stage.declare(&daemon.url(), &prune("c")).await;
    stage.applied(&commit).await;
    let short = &commit[..10];
    for (path, reason, why) in [
        (
            "none",
            "NotFound",
            "it has no folder `none`: check spec.path and spec.ref",
        ),
        (
            "f",
            "InvalidManifest",
            "f/source.yaml:3:18: source/shop: a source applies service clusters only (keep sources outside of spec.path and store them with `skep apply`)",
        ),
    ] {
        stage.declare(&daemon.url(), &prune(path)).await;
        let ready = stage.until(reason).await;
        let told = format!(
            "commit {short} is in force, but cannot be applied anew: {why}; what it brought before stays (last success 20"
        );
        assert!(ready.message.starts_with(&told), "{}", ready.message);
        assert_eq!(stage.clusters().await["east"], owned(1));
    }
    // A branch that does not exist is told by its name, and deletes nothing either.
    let branch = prune("c") + "  ref: release\n";
    stage.declare(&daemon.url(), &branch).await;
    let ready = stage.until("NotFound").await;
    for part in [
        "no branch or tag `release`",
        "stays in force (last success 20",
    ] {
        assert!(ready.message.contains(part), "{}", ready.message);
    }
    assert_eq!(stage.clusters().await["east"], owned(1));
}

#[tokio::test(start_paused = true)]
async fn two_sources_of_one_cluster_are_told_and_the_first_one_keeps_it() {
    let stage = Stage::new();
    stage.repo.write("east.yaml", cluster("east", 1));
    let commit = stage.repo.push();
    let daemon = Daemon::start(&stage.repo.served());
    let other = source(&daemon.url(), "").replace("name: shop", "name: other");
    stage.store(&other).await;
    let begin = Instant::now();
    while !stage.clusters().await.contains_key("east") {
        assert!(begin.elapsed() < Duration::from_secs(60));
        sleep(Duration::from_millis(200)).await;
    }
    stage.declare(&daemon.url(), "").await;
    let ready = stage.until("Conflict").await;
    let fault = "servicecluster/east is managed by source/other already: let one of the two repositories declare it";
    let told = format!(
        "commit {} is not applied: {fault}; nothing was applied so far",
        &commit[..10]
    );
    assert_eq!(ready.message, told);
    let faults = stage.source().await.status.unwrap().faults;
    assert_eq!(faults[0].to_string(), fault);
    assert_eq!(stage.clusters().await["east"].1, "source/other");
    // What a source leaves behind is the other's.
    store::sources::delete(&stage.sim.engine(), "other")
        .await
        .unwrap();
    stage.applied(&commit).await;
    assert_eq!(stage.clusters().await["east"], owned(1));
    let changes = stage.source().await.status.unwrap().changes;
    assert_eq!(changes[0].taken_over, ["east"]);
}

#[tokio::test(start_paused = true)]
async fn the_metric_says_not_ready_whenever_the_condition_does() {
    let stage = Stage::new();
    stage.repo.write("east.yaml", cluster("east", 1));
    let commit = stage.repo.push();
    let daemon = Daemon::start(&stage.repo.served());
    let rare = source(&daemon.url(), "").replace("30s", "24h");
    stage.store(&rare).await;
    stage.applied(&commit).await;
    let is = async |value: u8| {
        let line = format!("skep_source_ready{{source=\"shop\"}} {value}");
        let begin = Instant::now();
        while !stage.telemetry.text().contains(&line) {
            assert!(begin.elapsed() < Duration::from_secs(60), "{line}");
            sleep(Duration::from_millis(200)).await;
        }
    };
    is(1).await;
    // Nobody looks at the repository here: a stack takes the cluster.
    let engine = stage.sim.engine();
    let labels = [
        (names::LABEL_KIND, names::KIND),
        (names::LABEL_STACK, "app"),
    ];
    let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let labels = BTreeMap::from(labels);
    let text = cluster("east", 1);
    let made = engine.create_config("app_east", &labels, text.as_bytes());
    let id = made.await.unwrap();
    let ready = stage.until("Conflict").await;
    let begin = format!(
        "commit {} is in force, but cannot be applied anew: servicecluster/east ",
        &commit[..10]
    );
    assert!(ready.message.starts_with(&begin), "{}", ready.message);
    let stays = "; what it brought before stays (last success 20";
    assert!(ready.message.contains(stays), "{}", ready.message);
    is(0).await;
    engine.remove_config(&id).await.unwrap();
    stage.until("Applied").await;
    is(1).await;
    // Nor here: the newest manifest of the source is invalid, the one before it is followed.
    let labels = BTreeMap::from([(names::LABEL_KIND.to_owned(), "Source".to_owned())]);
    let broken = source("ssh://a/b", "");
    let made = engine.create_config("source.shop.9", &labels, broken.as_bytes());
    let id = made.await.unwrap();
    stage.until("InvalidSource").await;
    is(0).await;
    engine.remove_config(&id).await.unwrap();
    stage.until("Applied").await;
    is(1).await;
}

#[tokio::test(start_paused = true)]
async fn what_the_engine_refuses_in_the_middle_is_told_with_what_was_done_before() {
    let stage = Stage::new();
    stage.repo.write("east.yaml", cluster("east", 1));
    let first = stage.repo.push();
    let daemon = Daemon::start(&stage.repo.served());
    stage.declare(&daemon.url(), "").await;
    stage.applied(&first).await;
    // The proxies of east come up first; nobody else stores a config.
    sleep(Duration::from_secs(5)).await;
    stage.repo.write("a.yaml", cluster("a", 1));
    stage.repo.write("b.yaml", cluster("b", 1));
    let second = stage.repo.push();
    stage.sim.fault(|faults| {
        for after in [1, 0] {
            faults.fail("POST /configs/create", after, 400, "no room for that");
        }
    });
    let ready = stage.until("ApplyFailed").await;
    let (new, old) = (&second[..10], &first[..10]);
    let begin = format!("commit {new} is not applied to the end: ");
    assert!(ready.message.starts_with(&begin), "{}", ready.message);
    let end = format!("; commit {old} was the last that was (last success 20");
    for part in ["no room for that", &end] {
        assert!(ready.message.contains(part), "{}", ready.message);
    }
    let status = stage.source().await.status.unwrap();
    assert_eq!(
        (&status.revision, &status.failed_revision),
        (&first, &second)
    );
    let created = |status: &skep::api::SourceStatus| {
        let all = status.changes.iter().map(|change| change.created.join(" "));
        all.collect::<Vec<_>>()
    };
    assert_eq!(created(&status), ["east", "a"]);
    stage.applied(&second).await;
    let status = stage.source().await.status.unwrap();
    assert_eq!(created(&status), ["east", "a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn an_operator_that_starts_while_the_server_is_away_knows_the_last_success() {
    let stage = Stage::new();
    stage.repo.write("east.yaml", cluster("east", 1));
    let commit = stage.repo.push();
    let daemon = Daemon::start(&stage.repo.served());
    stage.declare(&daemon.url(), "").await;
    stage.applied(&commit).await;
    drop(daemon);
    stage.until("FetchFailed").await;
    let next = Telemetry::new();
    let _next = operator(&stage.sim, &next, "none".into(), 1);
    let begin = Instant::now();
    let success = loop {
        let text = next.text();
        let name = "skep_source_last_success_timestamp_seconds{source=\"shop\"} ";
        if let Some(line) = text.lines().find_map(|line| line.strip_prefix(name)) {
            break line.parse::<i64>().unwrap();
        }
        assert!(begin.elapsed() < Duration::from_secs(60));
        sleep(Duration::from_millis(200)).await;
    };
    let now = std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap()
        .as_secs();
    assert!(now.abs_diff(success.unsigned_abs()) < 120, "{success}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_away_is_told_and_tried_until_it_is_back() {
    let stage = Stage::new();
    stage.repo.write("east.yaml", cluster("east", 1));
    let commit = stage.repo.push();
    let daemon = Daemon::start(&stage.repo.served());
    let (port, url) = (daemon.port, daemon.url());
    stage.declare(&url, "").await;
    stage.applied(&commit).await;
    drop(daemon);
    let ready = stage.until("FetchFailed").await;
    assert_eq!(ready.status, ConditionStatus::False);
    assert!(
        ready.message.contains("cannot be reached"),
        "{}",
        ready.message
    );
    assert!(
        ready.message.contains("last success 20"),
        "{}",
        ready.message
    );
    // What was read before holds on.
    stage.apply("east", 9).await;
    sleep(Duration::from_secs(10)).await;
    assert_eq!(stage.clusters().await["east"], owned(1));
    assert_eq!(stage.ready().await.reason, "FetchFailed");
    // Also when the source says the same in another version, or has another label.
    let text = source(&url, "").replace("{name: shop}", "{name: shop, labels: {team: a}}");
    for text in [text.replace("skep.dev/v1", "skep.dev/v1alpha1"), text] {
        stage.store(&text).await;
        stage.apply("east", 9).await;
        sleep(Duration::from_secs(10)).await;
        assert_eq!(stage.clusters().await["east"], owned(1), "{text}");
    }
    sleep(Duration::from_secs(3_600)).await;
    let writes = stage.sim.writes();
    sleep(Duration::from_secs(3_600)).await;
    assert_eq!(
        stage.sim.writes(),
        writes,
        "a failure that goes on is told once"
    );
    stage.repo.write("east.yaml", cluster("east", 4));
    let commit = stage.repo.push();
    let _daemon = Daemon::on(&stage.repo.served(), port);
    stage.applied(&commit).await;
    assert_eq!(stage.clusters().await["east"], owned(4));
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_manages_is_a_conflict_until_it_is_the_same() {
    let stage = Stage::new();
    stage.apply("east", 2).await;
    stage.repo.write("east.yaml", cluster("east", 1));
    stage.repo.write("west.yaml", cluster("west", 1));
    stage.repo.push();
    let daemon = Daemon::start(&stage.repo.served());
    stage.declare(&daemon.url(), "").await;
    let ready = stage.until("Conflict").await;
    let faults = stage.source().await.status.unwrap().faults;
    let told = format!("is not applied: {}; nothing was applied so far", faults[0]);
    assert!(ready.message.ends_with(&told), "{}", ready.message);
    assert!(told.contains("stored as `apply`"), "{told}");
    assert_eq!(stage.clusters().await.len(), 1);
    stage.apply("east", 1).await;
    stage.until("Applied").await;
    let clusters = stage.clusters().await;
    assert_eq!(
        (&clusters["east"], &clusters["west"]),
        (&owned(1), &owned(1))
    );
}

#[tokio::test(start_paused = true)]
async fn a_change_by_hand_is_put_back_at_once_and_left_alone_while_suspended() {
    let stage = Stage::new();
    stage.repo.write("east.yaml", cluster("east", 1));
    let commit = stage.repo.push();
    let daemon = Daemon::start(&stage.repo.served());
    stage.declare(&daemon.url(), "").await;
    stage.applied(&commit).await;
    stage.apply("east", 9).await;
    let begin = Instant::now();
    while stage.clusters().await["east"] != owned(1) {
        assert!(begin.elapsed() < Duration::from_secs(10));
        sleep(Duration::from_millis(100)).await;
    }
    stage.declare(&daemon.url(), "  suspend: true\n").await;
    stage.until("Suspended").await;
    let rests = "skep_source_ready{source=\"shop\"} 0";
    assert!(stage.telemetry.text().contains(rests));
    stage.apply("east", 9).await;
    sleep(Duration::from_secs(120)).await;
    assert_eq!(stage.clusters().await["east"].0, 9);
    // A source that goes leaves what it applied.
    store::sources::delete(&stage.sim.engine(), "shop")
        .await
        .unwrap();
    sleep(Duration::from_secs(120)).await;
    assert_eq!(stage.clusters().await["east"].0, 9);
    assert!(!stage.telemetry.text().contains("source=\"shop\""));
}

#[tokio::test(start_paused = true)]
async fn credentials_are_opened_sent_and_bound_to_their_server() {
    let stage = Stage::new();
    stage.repo.write("east.yaml", cluster("east", 1));
    let commit = stage.repo.push();
    let web = Web::start(&stage.repo.served(), true, Some(("me", "right"))).await;
    let ca = format!(
        "  ca: |\n    {}\n",
        web.authority.trim().replace('\n', "\n    ")
    );
    stage.declare(&web.url(), &ca).await;
    let ready = stage.until("AccessDenied").await;
    assert!(
        ready.message.contains("skep source auth"),
        "{}",
        ready.message
    );
    let origin = web.url().replace("/shop.git", "");
    stage.login("wrong", &origin).await;
    sleep(Duration::from_secs(5)).await;
    assert!(
        stage
            .ready()
            .await
            .message
            .contains("refuses the credentials")
    );
    stage.login("right", "https://other.example.com").await;
    sleep(Duration::from_secs(5)).await;
    let ready = stage.ready().await;
    assert!(
        ready.message.contains("are for https://other.example.com"),
        "{}",
        ready.message
    );
    stage.login("right", &origin).await;
    stage.applied(&commit).await;
    // Neither the status nor any label holds them.
    let configs = stage.sim.engine().list_configs().await.unwrap();
    assert!(!format!("{configs:?}").contains("right"));
}

#[tokio::test(start_paused = true)]
async fn a_genuine_webhook_and_a_request_make_it_look_at_once() {
    let stage = Stage::new();
    stage.repo.write("east.yaml", cluster("east", 1));
    let commit = stage.repo.push();
    let daemon = Daemon::start(&stage.repo.served());
    stage.declare(&daemon.url(), "").await;
    stage.applied(&commit).await;
    stage.seal(Purpose::Hook, b"s3").await;
    sleep(Duration::from_secs(2)).await;
    let delivery = |token| skep::web::Delivery {
        source: "shop",
        signature: None,
        token: Some(token),
        body: b"",
    };
    assert!(!stage.operator.sources.delivered(&delivery("s4")));
    let at_once = async |commit: &str| {
        let begin = Instant::now();
        stage.applied(commit).await;
        assert!(
            begin.elapsed() < Duration::from_secs(3),
            "{:?}",
            begin.elapsed()
        );
    };
    stage.repo.write("east.yaml", cluster("east", 2));
    let commit = stage.repo.push();
    assert!(stage.operator.sources.delivered(&delivery("s3")));
    at_once(&commit).await;
    stage.repo.write("east.yaml", cluster("east", 3));
    let commit = stage.repo.push();
    store::sources::ask(&stage.sim.engine(), "shop", "please-1")
        .await
        .unwrap();
    at_once(&commit).await;
    assert_eq!(
        stage.source().await.status.unwrap().handled_sync,
        "please-1"
    );
}

#[tokio::test(start_paused = true)]
async fn two_replicas_of_the_operator_do_not_correct_each_other() {
    let stage = Stage::new();
    let other = Telemetry::new();
    let _second = operator(&stage.sim, &other, "none".into(), 2);
    stage.repo.write("east.yaml", cluster("east", 1));
    let commit = stage.repo.push();
    let daemon = Daemon::start(&stage.repo.served());
    stage.declare(&daemon.url(), "").await;
    stage.applied(&commit).await;
    sleep(Duration::from_secs(60)).await;
    let writes = stage.sim.writes();
    sleep(Duration::from_secs(300)).await;
    assert_eq!(stage.sim.writes(), writes);
    let revisions = store::clusters(&stage.sim.engine()).await.unwrap();
    assert_eq!(revisions["east"].revisions.len(), 1);
    assert!(
        other
            .text()
            .contains("skep_source_ready{source=\"shop\"} 1")
    );
}
