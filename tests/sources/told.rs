//! What is told of a source: its status and its metrics.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::repo::{Daemon, cluster};
use crate::stage::{Stage, source};
use skep::api::SourceChange;
use skep::names;
use skep::world::Stored as _;
use tokio::time::{Instant, sleep};

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
