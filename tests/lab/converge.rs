//! From any state to the declared one, and back to nothing.

use libtest_mimic::Trial;
use serde_json::Value;

use super::apps::{
    delete, inspect, manifest, networks_of, node_labels, overlay, relabel, tasks, whoami,
};
use super::harness::{alone, apply, installed, node, ready, shared, skep};
use super::http::status_is;
use super::lab::text;
use super::wait::{eventually, same, until};

pub fn trials() -> Vec<Trial> {
    vec![
        shared("edited_labels_and_an_edited_manifest_converge", edits),
        alone(
            "deleting_a_cluster_removes_all_it_made_and_nothing_else",
            deletion,
        ),
        shared("drift_in_replicas_labels_and_networks_is_put_back", drift),
        alone(
            "an_operator_killed_in_the_middle_of_a_change_converges_when_it_is_back",
            killed_operator,
        ),
        alone("a_swarm_that_matches_is_not_written_to", no_op),
    ]
}

fn edits() {
    let here = node(2).address();
    apply(&manifest(
        "edits",
        "node-2",
        8110,
        "[{name: edits, create: {}}]",
    ));
    ready("edits");
    whoami(
        "editsapp",
        "edits",
        &["hosts=one.edits", "port=8000", "service_cluster=edits"],
    );
    eventually("the first host answers", || {
        status_is(200, here, 8110, "one.edits", "/")
    });

    let proxies = tasks("skep-proxy-edits");
    relabel("editsapp", "hosts=two.edits");
    eventually("the new host answers", || {
        status_is(200, here, 8110, "two.edits", "/")
    });
    eventually("the old host is unknown", || {
        status_is(404, here, 8110, "one.edits", "/")
    });
    assert_eq!(
        tasks("skep-proxy-edits"),
        proxies,
        "a route never touches the proxy service"
    );

    relabel("editsapp", "context_root=/app");
    eventually("only the path is served", || {
        status_is(200, here, 8110, "two.edits", "/app/x")?;
        status_is(404, here, 8110, "two.edits", "/apple")
    });

    apply(&manifest(
        "edits",
        "node-1",
        8112,
        "[{name: edits}, {name: edits-two, create: {}}]",
    ));
    ready("edits");
    eventually("the moved proxies serve", || {
        status_is(200, node(1).address(), 8112, "two.edits", "/app")
    });
    assert!(networks_of("skep-proxy-edits").contains("edits-two"));
    assert!(
        node_labels(2).get("edits").is_none(),
        "the label of the old node is taken back"
    );
    until("the old node serves no more", || {
        status_is(200, here, 8110, "two.edits", "/app").is_err()
    });

    node(0).docker(&["service", "scale", "--detach", "editsapp=0"]);
    eventually("a host without endpoints says so", || {
        status_is(503, node(1).address(), 8112, "two.edits", "/app")
    });
}

/// Names of all there is, and the labels of the nodes.
fn everything() -> Vec<String> {
    let list = |kind: &str, format: &str| {
        let mut names: Vec<String> = node(0)
            .docker(&[kind, "ls", "--format", format])
            .lines()
            .map(|name| format!("{kind} {name}"))
            .collect();
        names.sort();
        names
    };
    let mut all = list("service", "{{.Name}}");
    all.extend(list("network", "{{.Name}}"));
    all.extend(list("config", "{{.Name}}"));
    all.extend(list("secret", "{{.Name}}"));
    all.extend((0..3).map(|i| format!("labels of node {i}: {}", node_labels(i))));
    all
}

/// The clusters that something is left of, and that are not declared.
fn of_nobody() -> Vec<String> {
    let declared = text(&skep(&["get", "-o", "name"]), "skep get");
    let left = |kind: &str, format: &str| {
        let filter = "label=dev.skep.cluster";
        node(0).docker(&[kind, "ls", "--filter", filter, "--format", format])
    };
    let networks = left("network", "{{.Label \"dev.skep.cluster\"}}");
    let services = left("service", "{{.Name}}");
    let services = services
        .lines()
        .map(|name| name.trim_start_matches("skep-proxy-").to_owned());
    let mut names: Vec<String> = networks
        .lines()
        .map(str::to_owned)
        .chain(services)
        .collect();
    names.retain(|name| {
        !declared
            .lines()
            .any(|line| line == format!("servicecluster/{name}"))
    });
    names
}

fn deletion() {
    installed();
    overlay("deletion-theirs");
    whoami(
        "deletionapp",
        "deletion-theirs",
        &["hosts=deletion", "port=8000", "service_cluster=deletion"],
    );
    node(0).docker(&[
        "node",
        "update",
        "--label-add",
        "deletion-theirs=yes",
        "node-1",
    ]);
    until("nothing of an earlier test still goes", || {
        of_nobody().is_empty()
    });
    let before = everything();

    apply(&manifest(
        "deletion",
        "node-1",
        8120,
        "[{name: deletion-theirs}, {name: deletion-ours, create: {}}]",
    ));
    ready("deletion");
    eventually("it serves", || {
        status_is(200, node(1).address(), 8120, "deletion", "/")
    });
    assert_ne!(everything(), before);

    delete("deletion");
    eventually("all is as it was", || same(everything(), before.clone()));
    node(0).docker(&["service", "rm", "deletionapp"]);
    node(0).docker(&["node", "update", "--label-rm", "deletion-theirs", "node-1"]);
}

fn drift() {
    let here = node(1).address();
    let proxy = "skep-proxy-drift";
    apply(&manifest(
        "drift",
        "node-1",
        8130,
        "[{name: drift, create: {}}]",
    ));
    ready("drift");
    whoami(
        "driftapp",
        "drift",
        &["hosts=drift", "port=8000", "service_cluster=drift"],
    );
    eventually("it serves", || status_is(200, here, 8130, "drift", "/"));

    node(0).docker(&["service", "scale", "--detach", &format!("{proxy}=0")]);
    eventually("replicas are put back", || {
        same(
            inspect("service", proxy)["Spec"]["Mode"]["Replicated"]["Replicas"].clone(),
            Value::from(1),
        )
    });
    eventually("it serves again", || {
        status_is(200, here, 8130, "drift", "/")
    });

    node(0).docker(&["node", "update", "--label-rm", "drift", "node-1"]);
    eventually("the node label is put back", || {
        same(node_labels(1)["drift"].clone(), Value::from("yes"))
    });
    eventually("it serves again", || {
        status_is(200, here, 8130, "drift", "/")
    });

    node(0).docker(&[
        "service",
        "update",
        "--detach",
        "--quiet",
        "--network-rm",
        "drift",
        proxy,
    ]);
    until("the network is attached again", || {
        networks_of(proxy).contains("drift")
    });
    ready("drift");
    eventually("it serves again", || {
        status_is(200, here, 8130, "drift", "/")
    });

    node(0).docker(&["service", "rm", proxy]);
    eventually("a removed proxy service comes back", || {
        status_is(200, here, 8130, "drift", "/")
    });
}

/// Ends the operator's containers at once; Swarm starts others.
fn kill_operator() {
    let ids = node(0).docker(&[
        "ps",
        "-q",
        "--filter",
        "label=com.docker.swarm.service.name=skep-operator",
    ]);
    for id in ids.lines() {
        // It may end between the two calls.
        node(0).try_docker(&["kill", id]);
    }
}

fn killed_operator() {
    let here = node(2).address();
    apply(&manifest(
        "killed",
        "node-2",
        8140,
        "[{name: killed, create: {}}]",
    ));
    ready("killed");
    whoami(
        "killedapp",
        "killed",
        &["hosts=one.killed", "port=8000", "service_cluster=killed"],
    );
    eventually("it serves", || {
        status_is(200, here, 8140, "one.killed", "/")
    });

    let proxies = tasks("skep-proxy-killed");
    kill_operator();
    for _ in 0..20 {
        status_is(200, here, 8140, "one.killed", "/").unwrap();
    }
    relabel("killedapp", "hosts=two.killed");
    eventually("a route changed meanwhile is served", || {
        status_is(200, here, 8140, "two.killed", "/")
    });
    assert_eq!(
        tasks("skep-proxy-killed"),
        proxies,
        "an operator that comes back restarts no proxy"
    );

    let more = "[{name: killed}, {name: killed-b, create: {}}, {name: killed-c, create: {}}, {name: killed-d, create: {}}]";
    apply(&manifest("killed", "node-2", 8142, more));
    kill_operator();
    ready("killed");
    eventually("the new port serves", || {
        status_is(200, here, 8142, "two.killed", "/")
    });
    let attached = networks_of("skep-proxy-killed");
    for network in ["killed", "killed-b", "killed-c", "killed-d"] {
        assert!(attached.contains(network), "{attached:?}");
    }
    assert_eq!(node_labels(2)["killed"], "yes");
    delete("killed");
    node(0).docker(&["service", "rm", "killedapp"]);
    until("its networks are gone", || {
        !node(0)
            .docker(&["network", "ls", "--format", "{{.Name}}"])
            .contains("killed")
    });
}

fn no_op() {
    let here = node(2).address();
    apply(&manifest(
        "noop",
        "node-2",
        8150,
        "[{name: noop, create: {}}]",
    ));
    ready("noop");
    whoami(
        "noopapp",
        "noop",
        &["hosts=noop", "port=8000", "service_cluster=noop"],
    );
    eventually("it serves", || status_is(200, here, 8150, "noop", "/"));
    let status = || {
        let shown = super::harness::cluster("noop");
        same(shown["status"]["routes"]["total"].clone(), Value::from(1))
    };
    eventually("the status counts the route", status);

    let versions = || {
        let configs =
            node(0).docker(&["config", "ls", "-q", "--filter", "label=dev.skep.name=noop"]);
        assert_eq!(configs.lines().count(), 1, "one revision was declared");
        let service = inspect("service", "skep-proxy-noop");
        (
            inspect("config", configs.trim())["Version"].to_string(),
            service["Version"].to_string(),
            node_labels(2).to_string(),
        )
    };
    let before = eventually("the Swarm has come to rest", || {
        let first = versions();
        std::thread::sleep(std::time::Duration::from_secs(2));
        same(versions(), first.clone()).map(|()| first)
    });
    assert!(
        apply(&manifest(
            "noop",
            "node-2",
            8150,
            "[{name: noop, create: {}}]"
        ))
        .contains("unchanged")
    );
    // Each of these wakes the operator, and gives it nothing to do.
    for round in 0..3 {
        let name = format!("noop-other-{round}");
        overlay(&name);
        whoami(&name, &name, &[]);
        until("another service runs", || {
            !super::apps::containers(&name).is_empty()
        });
        node(0).docker(&["service", "rm", &name]);
    }
    assert_eq!(versions(), before);

    // An operator that starts, and a route that changes, tell it in the status: no more than that.
    kill_operator();
    until("the operator is back", || {
        !super::apps::containers("skep-operator").is_empty()
    });
    relabel("noopapp", "hosts=noop2");
    eventually("it has looked at the Swarm", || {
        status_is(200, here, 8150, "noop2", "/")
    });
    let (_, service, labels) = versions();
    assert_eq!((service, labels), (before.1, before.2));
}
