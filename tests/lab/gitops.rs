//! GitOps on a real Swarm: the operator follows a git server in the network of the nodes, and a
//! stack brings its cluster along.

use std::net::IpAddr;

use libtest_mimic::Trial;

use super::apps::{manifest, whoami};
use super::harness::{WHOAMI, apply, cluster, installed, lab, node, ready, shared, skep};
use super::http::status_is;
use super::lab::{Node, package, text};
use super::repo::{Repo, git};
use super::shown::{Part, parts};
use super::transcript::Place;
use super::wait::{eventually, until};

pub fn trials() -> Vec<Trial> {
    vec![
        shared(
            "a_source_follows_its_repository_through_faults_force_push_and_an_outage",
            followed,
        ),
        shared("the_page_about_gitops_prints_what_it_shows", page),
        shared("a_stack_brings_its_service_cluster_along", stack),
    ]
}

/// A `git daemon` on a node, which the operator on node 0 reaches as it would reach any server. It
/// takes the port of that node: no two tests share one.
struct Server<'r> {
    repo: &'r Repo,
    node: Node<'static>,
}

impl Server<'_> {
    fn start(repo: &Repo, number: u8) -> Server<'_> {
        let node = node(number);
        let server = Server { repo, node };
        let pid = server.pid_file();
        let base = format!("--base-path={}", repo.served().display());
        server.node.run(&[
            "git",
            "daemon",
            "--detach",
            "--reuseaddr",
            "--export-all",
            &format!("--pid-file={pid}"),
            &base,
        ]);
        server
    }

    fn pid_file(&self) -> String {
        self.repo.served().join("pid").display().to_string()
    }

    fn address(&self) -> IpAddr {
        self.node.address()
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        let stop = format!("kill \"$(cat {0})\"; rm -f {0}", self.pid_file());
        self.node.run(&["sh", "-c", &stop]);
    }
}

fn gitted(port: u16) -> String {
    manifest("gitted", "node-0", port, "[{name: gitnet, create: {}}]")
}

/// Asks for the newest commit; what was said, and the exit code.
fn sync() -> (Option<i32>, String) {
    let output = skep(&["sync", "lab", "--timeout", "60s"]);
    let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
    (output.status.code(), said.into_owned())
}

#[track_caller]
fn refused(reason: &str) {
    let (code, said) = sync();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(reason), "{said}");
}

#[track_caller]
fn in_sync(commit: &str) {
    let (code, said) = sync();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(&commit[..10]), "{said}");
}

fn followed() {
    installed();
    let repo = Repo::new();
    repo.write("clusters/gitted.yaml", gitted(18_431));
    repo.write(
        "clusters/spare.yaml",
        manifest("spare", "node-1", 18_432, "[{name: sparenet, create: {}}]"),
    );
    let first = repo.push();
    let server = Server::start(&repo, 1);
    apply(&format!(
        "apiVersion: skep.dev/v1\nkind: Source\nmetadata: {{name: lab}}\nspec: {{url: 'git://{}/shop.git', path: clusters, interval: 1h, prune: true}}\n",
        server.address()
    ));
    in_sync(&first);
    ready("gitted");
    whoami(
        "gitapp",
        "gitnet",
        &["hosts=gitted.lab", "port=8000", "service_cluster=gitted"],
    );
    eventually("gitted.lab is served", || {
        status_is(200, node(0).address(), 18_431, "gitted.lab", "/")
    });
    // The same again stores nothing.
    let config = cluster("gitted")["metadata"]["generation"].clone();
    in_sync(&first);
    assert_eq!(cluster("gitted")["metadata"]["generation"], config);
    // One fault keeps the whole commit out.
    repo.remove("clusters/spare.yaml");
    repo.write(
        "clusters/bad.yaml",
        "kind: ServiceCluster\nspec: {proxi: {}}\n",
    );
    repo.push();
    refused("bad.yaml:2:");
    text(&skep(&["get", "spare"]), "spare stays");
    // Mended by a rewritten history; what it no longer declares goes.
    git(&repo.work(), &["rm", "-q", "clusters/bad.yaml"]);
    git(&repo.work(), &["commit", "-q", "--amend", "-m", "mended"]);
    in_sync(&repo.force());
    until("spare is gone", || {
        !skep(&["get", "spare"]).status.success()
    });
    // An outage is told, and what was applied goes on.
    drop(server);
    refused("FetchFailed");
    status_is(200, node(0).address(), 18_431, "gitted.lab", "/").unwrap();
    let server = Server::start(&repo, 1);
    in_sync(&git(&repo.work(), &["rev-parse", "HEAD"]));
    text(&skep(&["delete", "source", "lab"]), "skep delete source");
    drop(server);
    node(0).docker(&["service", "rm", "gitapp"]);
    text(&skep(&["delete", "gitted", "--wait"]), "skep delete");
}

/// The first session of docs/gitops.md, with the source that stands there but for the server and
/// the keys, which are the reader's own.
fn page() {
    installed();
    let page = std::fs::read_to_string(package().join("docs/gitops.md")).unwrap();
    let between = |text: &str, head: &str, tail: &str| {
        let rest = text.split_once(head).unwrap().1;
        rest.split_once(tail).unwrap().0.to_owned()
    };
    let source = between(&page, "```yaml\n", "  verify:");
    let repo = Repo::new();
    let file = |name: &str| format!("clusters/production/{name}.yaml");
    let declare = |name: &str, port| {
        repo.write(&file(name), manifest(name, "node-2", port, "[]"));
    };
    declare("shop-asia", 18_441);
    declare("shop-eu", 18_443);
    declare("shop-us", 18_445);
    repo.push();
    let server = Server::start(&repo, 2);
    let place = Place::new(lab());
    let url = format!("git://{}/shop.git", server.address());
    place.write(
        "source.yaml",
        &source.replace("https://git.example.com/team/swarm.git", &url),
    );
    let session = between(&page, "```console\n$ skep apply -f source.yaml", "```");
    let session = format!("```console\n$ skep apply -f source.yaml{session}```\n");
    for part in parts(&session) {
        if let Part::Step { command, output } = part {
            if command.starts_with("skep sync") {
                declare("shop-africa", 18_447);
                declare("shop-asia", 18_449);
                repo.remove(&file("shop-eu"));
                repo.push();
            }
            let (shown, same) = place.shows(&command, &output);
            assert!(
                same,
                "$ {command}\n--- shown in the docs\n{output}--- printed\n{shown}"
            );
        }
    }
    text(&skep(&["delete", "source", "shop"]), "skep delete source");
    drop(server);
    let clusters = ["delete", "shop-africa", "shop-asia", "shop-us"];
    text(&skep(&clusters), "skep delete");
}

fn stack() {
    installed();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(
        at("stacked.yaml"),
        manifest(
            "stacked",
            "node-2",
            18_433,
            "[{name: stacknet, create: {}}]",
        ),
    )
    .unwrap();
    let file = format!(
        "version: \"3.8\"
services:
  app:
    image: {WHOAMI}
    networks: [stacknet]
    deploy:
      labels:
        com.docker.lb.hosts: stacked.lab
        com.docker.lb.port: \"8000\"
        com.docker.lb.service_cluster: stacked
networks:
  stacknet: {{name: stacknet, driver: overlay}}
configs:
  cluster:
    name: stacked-cluster-1
    file: stacked.yaml
    labels: {{dev.skep.kind: ServiceCluster}}
"
    );
    std::fs::write(at("stack.yml"), file).unwrap();
    node(0).docker(&["stack", "deploy", "-c", &at("stack.yml"), "stacked"]);
    ready("stacked");
    eventually("stacked.lab is served", || {
        status_is(200, node(2).address(), 18_433, "stacked.lab", "/")
    });
    // The proxies hold the stack's network while their cluster is declared, so the first call
    // leaves it behind.
    until("nothing is left of the stack", || {
        node(0).try_docker(&["stack", "rm", "stacked"]);
        let label = "label=com.docker.stack.namespace=stacked";
        let left = node(0).docker(&["network", "ls", "-q", "--filter", label]);
        left.is_empty()
    });
    until("the cluster goes with its stack", || {
        !skep(&["get", "stacked"]).status.success()
    });
}
