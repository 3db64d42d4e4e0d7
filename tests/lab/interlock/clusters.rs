//! Examples 8.2, 8.14, 8.15 and 8.17: several clusters, pinned proxies, a stack that goes, a new image. And the
//! ninth check of 8.1: a service that names no cluster.

use std::collections::BTreeSet;
use std::net::IpAddr;

use libtest_mimic::Trial;

use super::get;
use crate::apps::{delete, manifest, networks_of, overlay, tasks, whoami};
use crate::harness::{SKEP, alone, apply, node, ready, shared, skep};
use crate::http::status_is;
use crate::lab::text;
use crate::wait::{eventually, same, until};

pub fn trials() -> Vec<Trial> {
    vec![
        shared(
            "example_8_1_a_service_that_names_no_cluster_is_an_orphan",
            orphan,
        ),
        shared(
            "example_8_2_clusters_of_several_proxies_follow_their_networks",
            us_east_west,
        ),
        shared("example_8_14_proxies_pinned_to_labelled_nodes", pinned),
        shared("example_8_15_a_stack_goes_with_its_network", stack),
        alone("example_8_17_a_new_image_rolls_operator_and_proxies", image),
    ]
}

fn orphan() {
    super::proxy();
    whoami("nobodys", "demo", &["hosts=nobodys.local", "port=8000"]);
    eventually("it is told as an orphan", || {
        let routes = text(&skep(&["routes"]), "skep routes");
        let row = routes.lines().find(|line| line.contains("nobodys"));
        let told = row.is_some_and(|row| row.contains("NoDefaultCluster"));
        same(told, true).map_err(|_| routes.clone())
    });
    get("nobodys.local", "/", &[]).is(404).unwrap();
    node(0).docker(&["service", "rm", "nobodys"]);
}

/// A cluster that follows its networks, with a proxy on each of some nodes.
fn spread(name: &str, nodes: &[&str], port: u16) -> String {
    manifest(name, &nodes.join(", "), port, "x")
        .replace("  networks: x\n", "")
        .replace("replicas: 1", &format!("replicas: {}", nodes.len()))
}

fn us_east_west() {
    apply(&spread("us-east", &["node-0", "node-1"], 8540));
    apply(&spread("us-west", &["node-2"], 8550));
    ready("us-east");
    ready("us-west");
    for region in ["east", "west"] {
        let (name, hosts, cluster) = (
            format!("demo-us-{region}"),
            format!("hosts=demo-{region}.local"),
            format!("service_cluster=us-{region}"),
        );
        overlay(&name);
        whoami(&name, &name, &[&hosts, "port=8000", &cluster]);
    }
    let at = |number, port, host: &'static str, wanted| {
        let here: IpAddr = node(number).address();
        eventually(&format!("{host} on node-{number}: {wanted}"), || {
            status_is(wanted, here, port, host, "/ping")
        });
    };
    at(0, 8540, "demo-east.local", 200);
    at(1, 8540, "demo-east.local", 200);
    at(2, 8550, "demo-west.local", 200);
    at(0, 8540, "demo-west.local", 404);
    let networks = networks_of("skep-proxy-us-east");
    assert!(networks.contains("demo-us-east"), "{networks:?}");
    assert!(!networks.contains("demo-us-west"), "{networks:?}");
    node(0).docker(&["service", "rm", "demo-us-east", "demo-us-west"]);
    delete("us-east");
    delete("us-west");
}

fn pinned() {
    let both = spread("pinned", &["node-1", "node-2"], 8560)
        .replace("  placement: {", "  placement: {maxReplicasPerNode: 1, ");
    apply(&both);
    ready("pinned");
    let format = [
        "service",
        "ps",
        "--filter",
        "desired-state=running",
        "--format",
        "{{.Node}}",
    ];
    // Between its removal and its return there is no such service.
    let nodes = || {
        let shown = node(0).try_docker(&[&format[..], &["skep-proxy-pinned"]].concat());
        let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
        shown.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let mut seen = nodes();
    seen.sort();
    assert_eq!(seen, ["node-1", "node-2"], "one proxy on each node");
    // Interlock forgot the constraint when it made the proxy anew.
    node(0).docker(&["service", "rm", "skep-proxy-pinned"]);
    eventually("they are back where they belong", || {
        let seen: BTreeSet<_> = nodes().into_iter().collect();
        same(
            seen,
            BTreeSet::from(["node-1".to_owned(), "node-2".to_owned()]),
        )
    });
    delete("pinned");
}

fn stack() {
    apply(&spread("stacks", &["node-2"], 8570));
    ready("stacks");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(
        file.path(),
        "version: '3.8'
services:
  demo:
    image: localhost:5000/whoami:dev
    networks: [demo-network]
    deploy:
      labels:
        com.docker.lb.hosts: stack.local
        com.docker.lb.network: demo-network
        com.docker.lb.port: '8000'
        com.docker.lb.service_cluster: stacks
networks:
  demo-network: {driver: overlay}
",
    )
    .unwrap();
    let path = file.path().to_str().unwrap();
    node(0).docker(&[
        "stack",
        "deploy",
        "--resolve-image",
        "never",
        "-c",
        path,
        "demo-stack",
    ]);
    eventually("the stack is served", || {
        status_is(200, node(2).address(), 8570, "stack.local", "/")
    });
    // The first try may find the network in use, and says so; the proxies let go of it at once.
    let _ = node(0).try_docker(&["stack", "rm", "demo-stack"]);
    until("the network goes with the next try", || {
        let _ = node(0).try_docker(&["stack", "rm", "demo-stack"]);
        let networks = node(0).docker(&["network", "ls", "--format", "{{.Name}}"]);
        !networks
            .lines()
            .any(|name| name == "demo-stack_demo-network")
    });
    delete("stacks");
}

fn image() {
    apply(&manifest(
        "imaged",
        "node-1",
        8580,
        "[{name: imaged, create: {}}]",
    ));
    ready("imaged");
    let next = "localhost:5000/skep:next";
    for number in 0..3 {
        node(number).docker(&["tag", SKEP, next]);
    }
    let before = tasks("skep-proxy-imaged");
    text(&skep(&["install", "--image", next]), "skep install");
    let rolled = |image: &str| {
        eventually("operator and proxies run the image", || {
            let shown = node(0).docker(&[
                "service",
                "ls",
                "--format",
                "{{.Name}} {{.Image}} {{.Replicas}}",
            ]);
            for service in ["skep-operator", "skep-proxy-imaged"] {
                let wanted = format!("{service} {image} 1/1");
                if !shown.lines().any(|line| line == wanted) {
                    return Err(shown);
                }
            }
            Ok(())
        });
        ready("imaged");
    };
    rolled(next);
    until("the proxy of before is gone", || {
        tasks("skep-proxy-imaged").is_disjoint(&before)
    });
    text(&skep(&["install", "--image", SKEP]), "skep install");
    rolled(SKEP);
    delete("imaged");
}
