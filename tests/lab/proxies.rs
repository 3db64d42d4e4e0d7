//! The proxy service over time: rolled by a change, rolled back by Swarm, attached as it follows.

use std::time::Duration;

use libtest_mimic::Trial;

use super::apps::{delete, manifest, networks_of, overlay, tasks, whoami};
use super::harness::{apply, cluster, condition, node, ready, shared, skep, skep_with};
use super::http::status_is;
use super::lab::text;
use super::load::Load;
use super::wait::{eventually, same, until};

pub fn trials() -> Vec<Trial> {
    vec![
        shared(
            "another_value_of_a_placement_label_stops_no_proxy",
            relabelled,
        ),
        shared("a_changed_option_rolls_the_proxies", rolled),
        shared("a_swarm_rollback_is_reported_and_not_fought", rolled_back),
        shared("a_taken_port_is_named_in_the_status", taken_port),
        shared("networks_that_are_not_listed_are_followed", followed),
    ]
}

/// Waits for a condition that is false for a reason, with words in its message.
fn says(name: &str, kind: &str, wanted: &str, words: &str) {
    eventually(&format!("{name} says {wanted}"), || {
        let (status, reason, message) = condition(&cluster(name), kind);
        if status == "False" && reason == wanted && message.contains(words) {
            Ok(())
        } else {
            Err(format!("{kind} {status} {reason}: {message}"))
        }
    });
}

fn rolled() {
    let plain = manifest("rolled", "node-1", 8410, "[{name: rolled, create: {}}]");
    apply(&plain);
    ready("rolled");
    let before = tasks("skep-proxy-rolled");
    apply(&plain.replace("proxy:\n", "proxy:\n    env: {COLOUR: blue}\n"));
    ready("rolled");
    let after = tasks("skep-proxy-rolled");
    assert!(before.is_disjoint(&after), "{before:?} {after:?}");
    until("the new proxy answers", || {
        status_is(404, node(1).address(), 8410, "nobody", "/").is_ok()
    });
    delete("rolled");
}

fn relabelled() {
    let old = manifest("moved", "node-1", 8470, "[{name: moved, create: {}}]");
    apply(&old);
    ready("moved");
    whoami(
        "movedapp",
        "moved",
        &["hosts=moved.a", "port=8000", "service_cluster=moved"],
    );
    let address = node(1).address();
    eventually("it serves", || {
        status_is(200, address, 8470, "moved.a", "/")
    });
    let before = tasks("skep-proxy-moved");
    let load = Load::start(
        (address, 8470).into(),
        "moved.a",
        2,
        Duration::from_millis(20),
    );
    apply(&old.replace("moved: 'yes'", "moved: 'still'"));
    ready("moved");
    eventually("the node has the new value", || {
        let node = super::apps::inspect("node", "node-1");
        same(node["Spec"]["Labels"]["moved"].clone(), "still".into())
    });
    let placed = || {
        super::apps::inspect("service", "skep-proxy-moved")["Spec"]["TaskTemplate"]["Placement"]
            .to_string()
    };
    eventually("the service asks for the new value", || {
        same(placed().contains("moved==still"), true)
    });
    let count = load.stop();
    assert_eq!(count.failed, 0, "{count:?}");
    assert_eq!(tasks("skep-proxy-moved"), before, "no proxy was replaced");
    delete("moved");
}

fn rolled_back() {
    let good = manifest("back", "node-1", 8420, "[{name: back, create: {}}]");
    apply(&good);
    ready("back");
    let bad = good.replace("proxy:\n", "proxy:\n    image: localhost:5000/none:x\n");
    let applied = skep_with(&bad, &["apply", "-f", "-", "--wait", "--timeout", "120s"]);
    let told = String::from_utf8_lossy(&applied.stderr).into_owned();
    assert_eq!(applied.status.code(), Some(1), "{told}");
    assert!(
        told.contains("RolledBack") && !told.contains("not done after"),
        "{told}"
    );
    says("back", "ProxyReady", "RolledBack", "back");
    let service = || super::apps::inspect("service", "skep-proxy-back");
    eventually("Swarm has finished the rollback", || {
        let state = service()["UpdateStatus"]["State"].clone();
        same(state, "rollback_completed".into())
    });
    let version = || service()["Version"].to_string();
    let (at, here) = (version(), node(1).address());
    eventually("the previous definition serves", || {
        status_is(404, here, 8420, "nobody", "/")
    });
    // Three looks by the clock would be enough to send it again.
    let calm = std::time::Instant::now();
    until("time passes", || {
        assert_eq!(version(), at, "a rollback is not fought");
        calm.elapsed().as_secs() >= 6
    });
    text(&skep(&["rollback", "back"]), "skep rollback");
    ready("back");
    delete("back");
}

fn taken_port() {
    apply(&manifest(
        "first",
        "node-0",
        8430,
        "[{name: first, create: {}}]",
    ));
    ready("first");
    apply(&manifest(
        "second",
        "node-0",
        8430,
        "[{name: second, create: {}}]",
    ));
    eventually("the second says that the port is taken", || {
        let (status, reason, message) = condition(&cluster("second"), "ProxyReady");
        if status == "False" && message.contains("port") {
            Ok(())
        } else {
            Err(format!("{status} {reason}: {message}"))
        }
    });
    delete("second");
    delete("first");
}

fn followed() {
    let here = node(2).address();
    overlay("followed-a");
    overlay("followed-b");
    let follows = manifest("followed", "node-2", 8440, "x").replace("  networks: x\n", "");
    apply(&follows);
    ready("followed");
    for name in ["followed-a", "followed-b"] {
        let hosts = format!("hosts={name}");
        whoami(
            name,
            name,
            &[&hosts, "port=8000", "service_cluster=followed"],
        );
    }
    for name in ["followed-a", "followed-b"] {
        eventually("it is served over a network that came with it", || {
            status_is(200, here, 8440, name, "/")
        });
    }
    assert!(networks_of("skep-proxy-followed").contains("followed-b"));
    // Somebody takes an application and its network away: the proxies let go of it.
    node(0).docker(&["service", "rm", "followed-b"]);
    until("the network can be removed", || {
        node(0)
            .try_docker(&["network", "rm", "followed-b"])
            .status
            .success()
    });
    eventually("the other is served", || {
        status_is(200, here, 8440, "followed-a", "/")
    });
    delete("followed");
    node(0).docker(&["service", "rm", "followed-a"]);
}
