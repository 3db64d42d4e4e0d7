//! Credentials, webhooks and requests.

use std::time::Duration;

use crate::repo::cluster;
use crate::repo::web::Web;
use crate::stage::Stage;
use skep::store;
use skep::store::sources::Purpose;
use tokio::time::{Instant, sleep};

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
    let (stage, _daemon, _) = Stage::following("").await;
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
