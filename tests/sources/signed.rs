//! Signatures that a source asks for.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::repo::{Daemon, Key, cluster};
use crate::stage::{Stage, owned, source, verify};
use skep::names;
use tokio::time::{Instant, sleep};

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
