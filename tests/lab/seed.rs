//! East and west: two clusters, each on a node of its own, each for one application.

use std::collections::BTreeSet;

use libtest_mimic::Trial;

use super::apps::{containers, inspect, networks_of, node_labels, tasks, whoami};
use super::harness::{alone, apply, node, ready};
use super::http::{get, status_is};
use super::wait::{eventually, same};

pub fn trials() -> Vec<Trial> {
    vec![alone(
        "east_and_west_each_serve_their_own_application_and_no_other",
        east_and_west,
    )]
}

/// The manifests of `make demo`.
const EAST: &str = include_str!("../../examples/demo/east.yaml");
const WEST: &str = include_str!("../../examples/demo/west.yaml");

fn east_and_west() {
    apply(&format!("{EAST}\n---\n{WEST}"));
    ready("east");
    ready("west");
    whoami(
        "demoeast",
        "eastnet",
        &["hosts=demo.A", "port=8000", "service_cluster=east"],
    );
    whoami(
        "demowest",
        "westnet",
        &["hosts=demo.B", "port=8000", "service_cluster=west"],
    );
    let (east, west) = (node(0).address(), node(1).address());

    answered_by("demoeast", || get(east, 80, "demo.A", "/")?.container());
    answered_by("demowest", || get(west, 80, "demo.B", "/")?.container());
    status_is(404, west, 80, "demo.A", "/").unwrap();
    status_is(404, east, 80, "demo.B", "/").unwrap();
    for host in ["demo.a", "DEMO.A", "Demo.a", "demo.A:80"] {
        status_is(200, east, 80, host, "/").unwrap();
    }

    assert_eq!(node_labels(0)["nodetype"], "loadbalancer");
    assert_eq!(node_labels(0)["region"], "east");
    assert_eq!(node_labels(1)["nodetype"], "loadbalancer");
    assert_eq!(node_labels(1)["region"], "west");
    assert!(
        node_labels(2).get("region").is_none(),
        "node-2 belongs to neither"
    );
    let attached = networks_of("skep-proxy-east");
    assert!(attached.contains("eastnet"), "{attached:?}");
    assert!(!attached.contains("westnet"), "{attached:?}");
    let constraints =
        inspect("service", "skep-proxy-east")["Spec"]["TaskTemplate"]["Placement"]["Constraints"]
            .to_string();
    for constraint in [
        "node.platform.os==linux",
        "node.labels.region==east",
        "node.labels.nodetype==loadbalancer",
    ] {
        assert!(
            constraints.replace(' ', "").contains(constraint),
            "{constraints}"
        );
    }

    let proxies = (tasks("skep-proxy-east"), tasks("skep-proxy-west"));
    node(0).docker(&["service", "scale", "--detach", "demoeast=3"]);
    eventually("three containers answer for demo.A", || {
        let mut seen = BTreeSet::new();
        for _ in 0..9 {
            seen.insert(get(east, 80, "demo.A", "/")?.container()?);
        }
        same(seen.len(), 3)
    });
    node(0).docker(&["service", "scale", "--detach", "demoeast=1"]);
    answered_by("demoeast", || {
        let mut seen = BTreeSet::new();
        for _ in 0..9 {
            seen.insert(get(east, 80, "demo.A", "/")?.container()?);
        }
        same(seen.len(), 1)?;
        Ok(seen.into_iter().next().unwrap_or_default())
    });
    let after = (tasks("skep-proxy-east"), tasks("skep-proxy-west"));
    assert_eq!(
        after, proxies,
        "scaling an application must not touch a proxy"
    );

    node(0).docker(&["service", "rm", "demoeast", "demowest"]);
    super::apps::delete("east");
    super::apps::delete("west");
    eventually("the labels of east and west are taken back", || {
        same(
            (node_labels(0).to_string(), node_labels(1).to_string()),
            ("{}".into(), "{}".into()),
        )
    });
}

fn answered_by(service: &str, mut ask: impl FnMut() -> Result<String, String>) {
    eventually(&format!("a container of {service} answers"), || {
        let id = ask()?;
        let ids = containers(service);
        if ids.contains(&id) {
            Ok(())
        } else {
            Err(format!("{id} is none of {ids:?}"))
        }
    });
}
