//! The verbs for sources, and webhooks: the real binary, as command line and as operator, and a
//! real git server.
#![allow(
    missing_docs,
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::similar_names,
    clippy::unused_self,
    clippy::match_same_arms,
    clippy::assigning_clones
)]

mod repo;
mod sim;
mod stage;

use std::process::Stdio;
use std::time::{Duration, Instant};

use repo::{Daemon, Repo, cluster, free_port};
use skep::control::pki;
use stage::Stage;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};

/// Source `shop` with some lines more in its spec.
fn source(url: &str, rest: &str) -> String {
    format!(
        "apiVersion: skep.dev/v1\nkind: Source\nmetadata: {{name: shop, labels: {{team: web}}}}\nspec:\n  url: {url}\n{rest}"
    )
}

const NOWHERE: &str = "https://127.0.0.1:1/x";

async fn apply(stage: &Stage, text: &str) {
    let file = stage.write("source.yaml", text);
    Stage::good(&stage.skep(&["apply", "-f", &file]).await);
}

async fn interval(stage: &Stage) -> String {
    let get = ["get", "source/shop", "-o", "jsonpath={.spec.interval}"];
    Stage::good(&stage.skep(&get).await).trim().to_owned()
}

#[tokio::test]
async fn revisions_of_a_source_are_shown_edited_and_gone_back_to() {
    let stage = Stage::bare().await;
    apply(&stage, &source(NOWHERE, "  interval: 1h\n")).await;
    apply(&stage, &source(NOWHERE, "  interval: 2h\n")).await;
    let shown = Stage::good(&stage.skep(&["history", "source/shop"]).await);
    let lines: Vec<Vec<&str>> = shown
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(lines[1][..2], ["1", "Old"], "{shown}");
    assert_eq!(lines[2][..2], ["2", "InForce"], "{shown}");
    assert_eq!(lines[2].last(), Some(&"spec.interval"), "{shown}");
    let told = Stage::good(
        &stage
            .skep(&["rollback", "source", "shop", "--dry-run"])
            .await,
    );
    let rolled = "source/shop rolled back to generation 1, as generation 3";
    let (change, line) = told.split_at(told.find(rolled).unwrap());
    assert!(
        change.contains("-  interval: 7200s\n+  interval: 3600s\n"),
        "{told}"
    );
    assert_eq!(line, format!("{rolled} (dry run)\n"));
    assert_eq!(interval(&stage).await, "7200s");
    let told = Stage::good(&stage.skep(&["rollback", "source/shop"]).await);
    assert_eq!(told, format!("{rolled}\n"));
    assert_eq!(interval(&stage).await, "3600s");
    let told = Stage::bad(
        &stage.skep(&["rollback", "source/shop", "--to", "9"]).await,
        1,
    );
    assert!(told.contains("there are 1, 2, 3"), "{told}");
    let told = Stage::bad(&stage.skep(&["history", "source/shpo"]).await, 1);
    assert!(
        told.contains("source/shpo does not exist (did you mean `shop`?); `skep get sources`"),
        "{told}"
    );
    let edit = async |script: &str| {
        let editor = stage.write("editor", &format!("#!/bin/sh\n{script}\n"));
        let mut edit = stage.command(env!("CARGO_BIN_EXE_skep"));
        let edit = edit.args(["edit", "source/shop"]);
        edit.env("EDITOR", format!("sh {editor}"))
            .output()
            .await
            .unwrap()
    };
    assert_eq!(Stage::good(&edit("true").await), "source/shop unchanged\n");
    let told = Stage::good(&edit("sed -i 's/interval: 3600s/interval: 3h/' \"$1\"").await);
    assert_eq!(told, "source/shop edited\n");
    assert_eq!(interval(&stage).await, "10800s");
    let told = Stage::bad(&edit("sed -i 's/name: shop/name: other/' \"$1\"").await, 2);
    assert!(told.contains("a source keeps its name, shop"), "{told}");
    let east = stage.write("east.yaml", &cluster("east", 1));
    let told = Stage::bad(&edit(&format!("cp {east} \"$1\"")).await, 2);
    assert!(told.contains("this is no source"), "{told}");
    assert_eq!(interval(&stage).await, "10800s");
}

#[tokio::test]
async fn a_source_is_waited_for_and_its_events_are_told() {
    let stage = Stage::new().await;
    let repo = Repo::new();
    repo.write("east.yaml", cluster("east", 1));
    repo.push();
    let daemon = Daemon::start(&repo.served());
    apply(&stage, &source(&daemon.url(), "  interval: 24h\n")).await;
    let wait = async |goal: &str, time: &str| {
        let goal = format!("--for={goal}");
        stage
            .skep(&["wait", "source/shop", &goal, "--timeout", time])
            .await
    };
    let met = "source/shop condition Ready met\n";
    assert_eq!(Stage::good(&wait("condition=Ready", "30s").await), met);
    let told = Stage::bad(&wait("condition=Ready=False", "1s").await, 1);
    assert!(told.contains("Ready is True (Applied): commit "), "{told}");
    let told = Stage::bad(&wait("condition=Programmed", "1s").await, 2);
    assert!(told.contains("it is Accepted or Ready"), "{told}");
    Stage::bad(&stage.skep(&["wait", "source/shop", "east"]).await, 2);
    Stage::bad(&stage.skep(&["wait", "source/none"]).await, 1);
    let events = Stage::good(&stage.skep(&["events", "source/shop"]).await);
    for part in [
        "generation/1",
        "condition/Ready",
        "servicecluster/east",
        "stored as generation 1",
    ] {
        assert!(events.contains(part), "{part} in\n{events}");
    }
    let others = |text: &str| {
        text.lines()
            .skip(1)
            .any(|line| !line.contains("source/shop"))
    };
    assert!(!others(&events), "{events}");
    assert_eq!(
        Stage::good(&stage.skep(&["events", "sources"]).await)
            .lines()
            .count(),
        events.lines().count()
    );
    let all = Stage::good(&stage.skep(&["events"]).await);
    assert!(others(&all) && all.contains("source/shop"), "{all}");
    assert!(!all.contains("servicecluster/east"), "told twice:\n{all}");
    // Nobody waits for what is suspended either: neither `wait` nor `apply`.
    let begun = Instant::now();
    apply(&stage, &source(&daemon.url(), "  suspend: true\n")).await;
    let told = Stage::bad(&wait("condition=Ready", "60s").await, 1);
    assert!(
        told.trim_end().ends_with(
            "error: source/shop: it is suspended, so it does not become Ready; to resume, set spec.suspend to false: `skep edit source/shop`"
        ),
        "{told}"
    );
    let file = stage.write("rest.yaml", &source(&daemon.url(), "  suspend: true\n"));
    let command = ["apply", "-f", &file, "--wait", "--timeout", "60s"];
    let told = Stage::bad(&stage.skep(&command).await, 1);
    assert!(told.contains("source/shop: Suspended: "), "{told}");
    let met = "source/shop condition Accepted met\n";
    assert_eq!(Stage::good(&wait("condition=Accepted", "30s").await), met);
    let met = "source/shop condition Ready=False met\n";
    assert_eq!(
        Stage::good(&wait("condition=Ready=False", "30s").await),
        met
    );
    assert!(begun.elapsed() < Duration::from_secs(30));
    // What is invalid stays so until somebody writes another manifest: nobody waits for that.
    let broken = source("ssh://h/r", "");
    let labels = [("dev.skep.kind", "Source")]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into();
    let engine = stage.sim.engine();
    let made = engine.create_config("source.shop.9", &labels, broken.as_bytes());
    made.await.unwrap();
    let told = Stage::bad(&wait("condition=Ready", "60s").await, 1);
    assert!(
        told.contains("its newest manifest is invalid:\nerror: "),
        "{told}"
    );
    let told = Stage::bad(&wait("delete", "1s").await, 1);
    assert!(told.contains("still declared"), "{told}");
    Stage::good(&stage.skep(&["delete", "source", "shop"]).await);
    assert_eq!(
        Stage::good(&wait("delete", "10s").await),
        "source/shop is gone\n"
    );
}

#[tokio::test]
async fn a_set_that_takes_a_cluster_over_keeps_it_and_nothing_is_deleted_that_comes_back() {
    let stage = Stage::new().await;
    let repo = Repo::new();
    repo.write("east.yaml", cluster("east", 1));
    repo.push();
    let daemon = Daemon::start(&repo.served());
    apply(&stage, &source(&daemon.url(), "  prune: true\n")).await;
    let sync = ["sync", "shop", "--timeout", "20s"];
    Stage::good(&stage.skep(&sync).await);
    // A commit that is applied may be one whose proxies do not come up.
    let wait = ["sync", "shop", "--wait", "--timeout", "3s"];
    let told = Stage::bad(&stage.skep(&wait).await, 1);
    assert!(told.contains("servicecluster/east: Ready is"), "{told}");
    let delete = ["delete", "east", "--force-conflicts"];
    let told = Stage::bad(&stage.skep(&delete).await, 1);
    assert!(told.contains("set spec.suspend of the source"), "{told}");
    apply(&stage, &source(&daemon.url(), "  suspend: true\n")).await;
    let file = stage.write("other.yaml", &cluster("east", 2));
    let take = [
        "apply",
        "-f",
        &file,
        "--set",
        "other",
        "--force-conflicts",
        "--allow-missing",
    ];
    Stage::good(&stage.skep(&take).await);
    apply(&stage, &source(&daemon.url(), "")).await;
    let told = Stage::bad(&stage.skep(&sync).await, 1);
    assert!(
        told.contains("Conflict") && told.contains("stored as `apply/other`"),
        "{told}"
    );
    let history = Stage::good(&stage.skep(&["history", "east"]).await);
    assert!(
        history.trim_end().lines().last().unwrap().contains("other"),
        "{history}"
    );
}

#[tokio::test]
async fn sources_are_watched_selected_and_sorted() {
    let stage = Stage::bare().await;
    apply(&stage, &source(NOWHERE, "  interval: 1h\n")).await;
    let other = source(NOWHERE, "  interval: 5m\n").replace("shop", "zoo");
    apply(&stage, &other.replace("web", "ops")).await;
    let get = async |args: &[&str]| {
        let get = [&["get", "sources", "-o", "name"], args].concat();
        Stage::good(&stage.skep(&get).await)
    };
    assert_eq!(get(&[]).await, "source/shop\nsource/zoo\n");
    assert_eq!(get(&["-l", "team=ops"]).await, "source/zoo\n");
    let sorted = get(&["--sort-by", ".metadata.labels.team"]).await;
    assert_eq!(sorted, "source/zoo\nsource/shop\n");
    let mut watch = stage.command(env!("CARGO_BIN_EXE_skep"));
    let watch = watch.args([
        "get",
        "sources",
        "-l",
        "team=web",
        "-o",
        "jsonpath={.spec.interval}",
        "--watch",
    ]);
    let mut child = watch
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut err = BufReader::new(child.stderr.take().unwrap()).lines();
    let patience = Duration::from_secs(20);
    let mut until = async |wanted: &str| {
        let mut text = Vec::new();
        let read = async {
            while !String::from_utf8_lossy(&text).contains(wanted) {
                assert_ne!(out.read_buf(&mut text).await.unwrap(), 0);
            }
        };
        let read = tokio::time::timeout(patience, read).await;
        assert!(read.is_ok(), "no {wanted}");
    };
    // A list is shown first, as without --watch.
    tokio::time::timeout(patience, err.next_line())
        .await
        .unwrap()
        .unwrap();
    apply(&stage, &source(NOWHERE, "  interval: 2h\n")).await;
    until("7200s").await;
    Stage::good(&stage.skep(&["delete", "source", "shop"]).await);
    let gone = async {
        while let Some(line) = err.next_line().await.unwrap() {
            if line.contains("source/shop deleted") {
                return;
            }
        }
        panic!("the watch ended");
    };
    tokio::time::timeout(patience, gone).await.unwrap();
    child.kill().await.unwrap();
}

#[tokio::test]
async fn a_secret_for_a_source_that_is_not_there_is_kept_with_a_warning() {
    let stage = Stage::bare().await;
    let secret = stage.write("secret", "sixteen letters.\n");
    let hook = async |name: &str| {
        let output = stage
            .skep(&["source", "hook", name, "--secret-file", &secret])
            .await;
        Stage::good(&output);
        String::from_utf8(output.stderr).unwrap()
    };
    let told = hook("shpo").await;
    assert!(told.contains("source/shpo is not declared yet"), "{told}");
    assert!(!told.contains("meant"), "{told}");
    apply(&stage, &source(NOWHERE, "")).await;
    let told = hook("shpo").await;
    assert!(told.contains("if you meant source/shop, "), "{told}");
    assert!(!hook("shop").await.contains("not declared"));
    let url = ["--url", "https://h/r", "--password-file", &secret];
    let auth = [&["source", "auth", "zoo"], &url[..]].concat();
    let told = stage.skep(&auth).await.stderr;
    let told = String::from_utf8(told).unwrap();
    assert!(told.contains("source/zoo is not declared yet"), "{told}");
}

/// Posts a delivery to an operator; status and answer.
async fn post(port: u16, path: &str, header: &str, body: &[u8]) -> (u16, String) {
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port))
        .await
        .unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: skep\r\nConnection: close\r\n{header}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // A server that refuses a body need not read all of it.
    let _ = stream.write_all(body).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap_or_default();
    (status.parse().unwrap(), answer)
}

#[tokio::test]
async fn a_webhook_over_http_makes_a_running_operator_look_at_once() {
    let stage = Stage::bare().await;
    let repo = Repo::new();
    repo.write("east.yaml", cluster("east", 1));
    let first = repo.push();
    let daemon = Daemon::start(&repo.served());
    apply(&stage, &source(&daemon.url(), "  interval: 24h\n")).await;
    let secret = stage.write("secret", "It is a long secret\n");
    let hook = ["source", "hook", "shop", "--secret-file", &secret];
    Stage::good(&stage.skep(&hook).await);
    let pki = pki::issue().unwrap();
    let (ca, identity) = (
        stage.write("ca", &pki.ca),
        stage.write("identity", &pki.operator),
    );
    let port = free_port();
    let admin = format!("127.0.0.1:{port}");
    let mut operator = stage.command(env!("CARGO_BIN_EXE_skep"));
    let operator = operator
        .args([
            "operator",
            "--image",
            "skep:1",
            "--control-listen",
            "127.0.0.1:0",
        ])
        .args([
            "--admin-listen",
            &admin,
            "--ca",
            &ca,
            "--identity",
            &identity,
        ])
        .arg("--sealing")
        .arg(stage.path("key"))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut operator = operator.spawn().unwrap();
    let wait = ["wait", "source/shop", "--timeout", "60s"];
    Stage::good(&stage.skep(&wait).await);
    let revision = async || {
        let get = ["get", "source/shop", "-o", "jsonpath={.status.revision}"];
        Stage::good(&stage.skep(&get).await).trim().to_owned()
    };
    assert_eq!(revision().await, first);
    repo.write("east.yaml", cluster("east", 2));
    let second = repo.push();
    let signed = |secret: &str, body: &[u8]| {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
        let tag = ring::hmac::sign(&key, body);
        let hex: Vec<String> = tag
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("X-Hub-Signature-256: sha256={}", hex.concat())
    };
    let right = signed("It is a long secret", b"{}");
    let huge = vec![b' '; (2 << 20) + 1];
    for (path, header, body, status) in [
        ("/hooks/shop", signed("another", b"{}"), &b"{}"[..], 403),
        ("/hooks/shop", right.clone(), b"[]", 403),
        (
            "/hooks/shop",
            "X-Gitlab-Token: another".to_owned(),
            b"{}",
            403,
        ),
        ("/hooks/shop", "X-Other: 1".to_owned(), b"{}", 403),
        // Strangers do not learn which sources there are.
        ("/hooks/none", right.clone(), b"{}", 403),
        ("/hooks/shop/more", right.clone(), b"{}", 404),
        (
            "/hooks/shop",
            signed("It is a long secret", &huge),
            &huge,
            413,
        ),
    ] {
        let (told, answer) = post(port, path, &header, body).await;
        assert_eq!(told, status, "{path} {header}: {answer}");
    }
    assert_eq!(revision().await, first);
    let begin = Instant::now();
    assert_eq!(post(port, "/hooks/shop", &right, b"{}").await.0, 202);
    while revision().await != second {
        assert!(begin.elapsed() < Duration::from_secs(30));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    repo.write("east.yaml", cluster("east", 3));
    let third = repo.push();
    let token = "X-Gitlab-Token: It is a long secret";
    assert_eq!(post(port, "/hooks/shop", token, b"").await.0, 202);
    while revision().await != third {
        assert!(begin.elapsed() < Duration::from_secs(60));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    operator.kill().await.unwrap();
}
