//! What goes wrong: at the server, in the repository, in the engine, in between.

use std::time::Duration;

use crate::repo::{Daemon, cluster};
use crate::stage::{Door, Stage, operator, owned, source};
use skep::api::ConditionStatus;
use skep::operator::telemetry::Telemetry;
use skep::store;
use skep::store::sources::Purpose;
use tokio::time::{Instant, sleep};

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
    let (stage, _daemon, _) = Stage::following("").await;
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
async fn a_huge_repository_is_refused_with_its_bound_until_it_is_small_again() {
    let (stage, _daemon, _) = Stage::following("").await;
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
async fn what_the_engine_refuses_in_the_middle_is_told_with_what_was_done_before() {
    let (stage, _daemon, first) = Stage::following("").await;
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
    let (stage, daemon, _) = Stage::following("").await;
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
