//! What is applied, and what of it stays.

use std::time::Duration;

use crate::repo::{Daemon, cluster, git};
use crate::stage::{Stage, operator, owned, source};
use skep::operator::telemetry::Telemetry;
use skep::store;
use tokio::time::{Instant, sleep};

#[tokio::test(start_paused = true)]
async fn what_is_pushed_is_applied_and_what_is_the_same_writes_nothing() {
    let (stage, _daemon, first) = Stage::following("").await;
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
    let (stage, daemon, _) = Stage::following("").await;
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
