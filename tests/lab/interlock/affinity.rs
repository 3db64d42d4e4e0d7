//! Examples 8.6 and 8.7: canary, sticky cookies, hash of the address.

use std::collections::BTreeSet;

use libtest_mimic::Trial;

use super::{create, get, remove};
use crate::apps::relabel;
use crate::harness::{node, shared};
use crate::wait::{eventually, same};

pub fn trials() -> Vec<Trial> {
    vec![
        shared("example_8_6_a_canary_by_tasks_and_by_weight", canary),
        shared(
            "example_8_7_a_sticky_cookie_from_the_first_answer_on",
            sticky,
        ),
        shared("example_8_7_a_client_stays_by_its_address", ip_hash),
    ]
}

/// How many of 20 answers in a row are the second version's.
fn second(host: &str) -> Result<usize, String> {
    let mut seen = 0;
    for _ in 0..20 {
        let answer = get(host, "/ping", &[]);
        seen += usize::from(answer.told("metadata")? == "demo-version-2");
    }
    Ok(seen)
}

fn canary() {
    let labels = ["hosts=canary.local", "port=8000"];
    create(
        "canary-v1",
        &labels,
        &["--replicas", "4", "--env", "METADATA=demo-version-1"],
    );
    create(
        "canary-v2",
        &labels,
        &["--replicas", "1", "--env", "METADATA=demo-version-2"],
    );
    // One core a worker: each counts its own turns, so the share may be off by one.
    let share = |wanted: usize| {
        eventually(&format!("{wanted} of 20 answers are new"), || {
            let seen = second("canary.local")?;
            same(seen.abs_diff(wanted) <= 1, true).map_err(|_| format!("{seen} of 20"))
        });
    };
    share(4);
    relabel("canary-v1", "weight=9");
    relabel("canary-v2", "weight=1");
    share(2);
    for service in ["canary-v1", "canary-v2"] {
        node(0).docker(&[
            "service",
            "update",
            "--detach",
            "--quiet",
            "--label-rm",
            "skep.weight",
            service,
        ]);
    }
    node(0).docker(&["service", "scale", "--detach", "canary-v2=4"]);
    share(10);
    node(0).docker(&["service", "scale", "--detach", "canary-v1=0"]);
    share(20);
    remove(&["canary-v1", "canary-v2"]);
}

/// The containers that answer ten requests.
fn instances(host: &str, args: &[&str]) -> Result<BTreeSet<String>, String> {
    (0..10)
        .map(|_| get(host, "/", args).told("container").map(str::to_owned))
        .collect()
}

fn sticky() {
    let labels = [
        "hosts=sticky.local",
        "port=8000",
        "sticky_session_cookie=session",
    ];
    create("sticky", &labels, &["--replicas", "5"]);
    eventually("five tasks answer those without a cookie", || {
        same(instances("sticky.local", &[])?.len(), 5)
    });
    // The cookie of the first answer names the task that gave it.
    let jar = std::env::temp_dir().join(format!("skep-jar-{}", std::process::id()));
    let jar = jar.to_str().unwrap();
    let first = get("sticky.local", "/", &["-c", jar]);
    let first = first.told("container").unwrap().to_owned();
    let seen = instances("sticky.local", &["-b", jar]).unwrap();
    std::fs::remove_file(jar).unwrap();
    assert_eq!(seen, BTreeSet::from([first]));
    // An application's own cookie alone decides too, the same way each time; others go elsewhere.
    let by = |value: u32| instances("sticky.local", &["-b", &format!("session={value}")]).unwrap();
    let all: BTreeSet<_> = (0..20)
        .map(|value| {
            let seen = by(value);
            assert_eq!(seen.len(), 1, "{seen:?}");
            seen
        })
        .collect();
    assert!(all.len() > 2, "{all:?}");
    remove(&["sticky"]);
}

fn ip_hash() {
    create(
        "iphash",
        &["hosts=iphash.local", "port=8000", "ip_hash=true"],
        &["--replicas", "5"],
    );
    eventually("the client has its task", || {
        let seen = instances("iphash.local", &[])?;
        same(seen.len(), 1)
    });
    node(0).docker(&["service", "scale", "--detach", "iphash=10"]);
    eventually("and keeps one when there are more", || {
        same(crate::apps::containers("iphash").len(), 10)?;
        same(instances("iphash.local", &[])?.len(), 1)
    });
    remove(&["iphash"]);
}
