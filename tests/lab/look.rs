//! The verbs that look, on a real Swarm: logs come through the engine, events are remembered.

use std::process::Output;

use libtest_mimic::Trial;
use serde_json::Value;

use super::apps::{delete, manifest, whoami};
use super::harness::{apply, node, ready, shared, skep};
use super::http::status_is;
use super::wait::{eventually, same, until};

pub fn trials() -> Vec<Trial> {
    vec![shared(
        "logs_events_top_doctor_and_the_bundle_tell_what_is_there",
        told,
    )]
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn json(output: &Output) -> Result<Value, String> {
    serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

fn told() {
    apply(&manifest(
        "seen",
        "node-1",
        8790,
        "[{name: seen, create: {}}]",
    ));
    ready("seen");
    whoami(
        "seenapp",
        "seen",
        &["hosts=seen.a", "port=8000", "service_cluster=seen"],
    );
    let address = node(1).address();
    until("the application answers", || {
        status_is(200, address, 8790, "seen.a", "/x?token=1").is_ok()
    });
    status_is(404, address, 8790, "nobody", "/").unwrap();
    eventually("both answers are in the log", || {
        let good = text(&skep(&[
            "logs",
            "seen",
            "--for-host",
            "seen.a",
            "--status",
            "2xx",
        ]));
        let bad = text(&skep(&["logs", "seen", "--status", "404", "-o", "json"]));
        same(good.contains("node-1 200 GET seen.a/x"), true)?;
        same(bad.contains("\"host\":\"nobody\""), true)
    });
    assert_eq!(
        text(&skep(&["logs", "seen", "--proxy", "node-2", "--access"])),
        ""
    );

    let events = text(&skep(&["events", "seen"]));
    for wanted in [
        "generation/1",
        "condition/Ready",
        "proxy/skep-proxy-seen.1",
        "Running",
    ] {
        assert!(events.contains(wanted), "{wanted} in {events}");
    }
    let doctor = json(&skep(&["doctor", "-o", "json"])).unwrap();
    let engine = doctor["checks"].as_array().unwrap().iter();
    let mut engine =
        engine.filter(|check| check["area"] == "engine" || check["area"] == "operator");
    assert!(engine.all(|check| check["state"] != "Failed"), "{doctor:#}");

    eventually("top counts requests by their route", || {
        // Only what is logged while it looks is counted.
        let asking = std::thread::spawn(move || {
            for _ in 0..50 {
                let _ = status_is(200, address, 8790, "seen.a", "/");
                std::thread::sleep(std::time::Duration::from_millis(100));
            }
        });
        let shown = skep(&[
            "top",
            "seen",
            "-n",
            "1",
            "--interval",
            "3s",
            "--by",
            "route",
            "-o",
            "json",
        ]);
        let _ = asking.join();
        same(json(&shown)?["rows"][0]["name"].clone(), "seen.a/".into())
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bundle.tar.gz").display().to_string();
    let made = skep(&["support-bundle", "-o", &file]);
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let listed = String::from_utf8_lossy(&made.stderr).into_owned();
    assert!(listed.contains("logs/skep-proxy-seen.log"), "{listed}");
    assert!(!skep(&["support-bundle", "-o", &file]).status.success());
    node(0).docker(&["service", "rm", "seenapp"]);
    delete("seen");
}
