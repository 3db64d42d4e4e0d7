//! Rolling updates of an application at Swarm's defaults, under load: nobody may notice. The application ends at
//! once on SIGTERM, without finishing what it does.

use std::net::SocketAddr;
use std::time::Duration;

use libtest_mimic::Trial;

use super::apps::{delete, inspect, manifest, whoami};
use super::harness::{apply, node, ready, shared};
use super::http::status_is;
use super::load::{Count, Load};
use super::wait::{eventually, same};

pub fn trials() -> Vec<Trial> {
    vec![shared(
        "rolling_updates_and_scaling_of_an_application_fail_no_request",
        rolling,
    )]
}

const PORT: u16 = 8450;

fn rolling() {
    apply(&manifest(
        "rolling",
        "node-1",
        PORT,
        "[{name: rolling, create: {}}]",
    ));
    ready("rolling");
    let labels = ["hosts=rolling.test", "port=8000", "service_cluster=rolling"];
    whoami("rolling", "rolling", &labels);
    node(0).docker(&["service", "scale", "--detach", "rolling=4"]);
    serves(4);
    for order in ["stop-first", "start-first"] {
        let flag = format!("--update-order={order}");
        let count = under_load(|| {
            let change = format!("--env-add=ORDER={order}");
            node(0).docker(&[
                "service", "update", "--detach", "--quiet", &flag, &change, "rolling",
            ]);
            updated();
        });
        assert_eq!(count.failed, 0, "{order}: {count:?}");
    }
    let count = under_load(|| {
        node(0).docker(&["service", "scale", "--detach", "rolling=1"]);
        serves(1);
        // The tasks that go live on for some three seconds, then die at once.
        eventually("the containers of the others are gone", || {
            let on = |number| node(number).docker(&["ps", "-q", "--filter", "name=^rolling\\."]);
            same((0..3).map(|number| on(number).lines().count()).sum(), 1)
        });
    });
    assert_eq!(count.failed, 0, "scaling down: {count:?}");
    let count = under_load(|| {
        // Both in one update: Swarm forgets the surplus tasks at once and stops them after two seconds.
        node(0).docker(&["service", "scale", "--detach", "rolling=4"]);
        serves(4);
        node(0).docker(&[
            "service",
            "update",
            "--detach",
            "--quiet",
            "--replicas=2",
            "--env-add=BOTH=yes",
            "rolling",
        ]);
        updated();
    });
    assert_eq!(count.failed, 0, "scaling down with a change: {count:?}");
    node(0).docker(&["service", "rm", "rolling"]);
    delete("rolling");
}

/// Some 200 requests a second while something happens.
fn under_load(happens: impl FnOnce()) -> Count {
    let proxy = SocketAddr::from((node(1).address(), PORT));
    let load = Load::start(proxy, "rolling.test", 4, Duration::from_millis(18));
    happens();
    let count = load.stop();
    println!("{} requests, {} failed", count.requests, count.failed);
    count
}

/// Waits until so many different containers answer.
fn serves(tasks: usize) {
    eventually(&format!("{tasks} tasks answer"), || {
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..4 * tasks {
            let answer = super::http::get(node(1).address(), PORT, "rolling.test", "/")?;
            seen.insert(answer.container()?);
        }
        same(seen.len(), tasks)
    });
}

/// Waits until Swarm has rolled the update.
fn updated() {
    eventually("the update is completed", || {
        let state = inspect("service", "rolling")["UpdateStatus"]["State"].clone();
        same(state, "completed".into())
    });
    status_is(200, node(1).address(), PORT, "rolling.test", "/").unwrap();
}
