//! Example 8.6: canary.

use libtest_mimic::Trial;

use super::{create, get, remove};
use crate::apps::relabel;
use crate::harness::{node, shared};
use crate::wait::{eventually, same};

pub fn trials() -> Vec<Trial> {
    vec![shared(
        "example_8_6_a_canary_by_tasks_and_by_weight",
        canary,
    )]
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
