//! `install` and `uninstall`, and the stack file that does the same, on a Swarm of their own.

use std::process::{Command, Output, Stdio};

use libtest_mimic::Trial;

use super::apps::manifest;
use super::harness::{SKEP, WHOAMI, images, shared};
use super::http::status_is;
use super::lab::{Lab, Node, Wanted, text};
use super::wait::{eventually, same};

pub fn trials() -> Vec<Trial> {
    vec![
        shared(
            "the_stack_file_serves_like_install_and_uninstall_leaves_nothing_of_either",
            stack_and_uninstall,
        ),
        shared(
            "two_operators_share_the_proxies_and_agree_on_the_status",
            two_operators,
        ),
    ]
}

fn skep(node: Node, args: &[&str]) -> Output {
    with_input(node, "", args)
}

fn with_input(node: Node, input: &str, args: &[&str]) -> Output {
    use std::io::Write as _;
    let mut child = Command::new(env!("CARGO_BIN_EXE_skep"))
        .args(args)
        .env("DOCKER_HOST", node.docker_host())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    child.wait_with_output().unwrap()
}

/// All that a Swarm holds, but for the ids.
fn everything(node: Node) -> Vec<String> {
    let kinds = ["service", "network", "config", "secret"];
    let mut all: Vec<String> = kinds
        .iter()
        .flat_map(|kind| {
            let names = node.docker(&[kind, "ls", "--format", "{{.Name}}"]);
            let lines = names.lines().map(|name| format!("{kind} {name}"));
            lines.collect::<Vec<_>>()
        })
        // Swarm makes it on a node with its first published port, and keeps it.
        .filter(|name| name != "network docker_gwbridge")
        .collect();
    all.sort();
    all.push(node.docker(&["node", "inspect", "self", "--format", "{{.Spec.Labels}}"]));
    all
}

fn serves(node: Node, port: u16) {
    let cluster = manifest("only", "node-0", port, "[{name: onlynet, create: {}}]");
    let applied = with_input(node, &cluster, &["apply", "-f", "-", "--wait"]);
    text(&applied, "skep apply --wait");
    node.docker(&[
        "service",
        "create",
        "--detach",
        "--quiet",
        "--no-resolve-image",
        "--name",
        "onlyapp",
        "--network",
        "onlynet",
        "--label",
        "com.docker.lb.hosts=only",
        "--label",
        "com.docker.lb.port=8000",
        "--label",
        "com.docker.lb.service_cluster=only",
        WHOAMI,
    ]);
    eventually("the application is served", || {
        status_is(200, node.address(), port, "only", "/")
    });
    node.docker(&["service", "rm", "onlyapp"]);
}

fn uninstall(node: Node, before: &[String]) {
    let refused = skep(node, &["uninstall"]);
    assert!(
        !refused.status.success(),
        "a cluster is declared, so uninstall must ask what becomes of it"
    );
    text(
        &skep(node, &["uninstall", "--delete-clusters"]),
        "skep uninstall",
    );
    eventually("nothing is left", || {
        same(everything(node), before.to_vec())
    });
}

fn stack_and_uninstall() {
    let lab = Lab::start(&Wanted {
        name: &format!("stack-{}", std::process::id()),
        nodes: 1,
        managers: 1,
        images: &images(),
    });
    let node = lab.node(0);
    let before = everything(node);

    text(&skep(node, &["install", "--image", SKEP]), "skep install");
    let again = text(&skep(node, &["install", "--image", SKEP]), "skep install");
    assert!(!again.contains("created"), "a second install: {again}");
    serves(node, 8310);
    uninstall(node, &before);

    let printed = text(
        &skep(node, &["install", "--dry-run", "--image", SKEP]),
        "skep install --dry-run",
    );
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), printed).unwrap();
    text(&skep(node, &["install", "--prepare"]), "install --prepare");
    let path = file.path().to_str().unwrap();
    node.docker(&[
        "stack",
        "deploy",
        "--resolve-image",
        "never",
        "-c",
        path,
        "skep",
    ]);
    serves(node, 8320);
    uninstall(node, &before);
}

fn two_operators() {
    let lab = Lab::start(&Wanted {
        name: &format!("two-{}", std::process::id()),
        nodes: 1,
        managers: 1,
        images: &images(),
    });
    let node = lab.node(0);
    let install = ["install", "--image", SKEP, "--replicas", "2"];
    text(&skep(node, &install), "skep install");
    // Six proxies find one of two operators each: all the same one is unlikely.
    let six = manifest("six", "node-0", 8330, "[{name: sixnet, create: {}}]")
        .replace("replicas: 1", "replicas: 6")
        .replace("mode: host", "mode: none");
    text(
        &with_input(node, &six, &["apply", "-f", "-", "--wait"]),
        "skep apply --wait",
    );
    let programmed = || {
        let shown = text(&skep(node, &["get", "six", "-o", "json"]), "skep get");
        let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
        let count = shown.pointer("/status/proxies/programmed");
        let item = shown.pointer("/items/0/status/proxies/programmed");
        count.or(item).and_then(serde_json::Value::as_u64)
    };
    eventually("all six are known", || same(programmed(), Some(6)));
    let version = || {
        node.docker(&[
            "config",
            "inspect",
            "servicecluster.six.1",
            "--format",
            "{{.Version.Index}}",
        ])
    };
    let before = version();
    std::thread::sleep(std::time::Duration::from_secs(8));
    assert_eq!(version(), before, "two operators do not correct each other");
}
